/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: manifests, indexes and configurations: what they may be, and that ours survive a round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image-tools/compose.h"
#include "image-tools/layer/apply_internal.h"

#define HEX64 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define DESC "{\"mediaType\":\"x\",\"digest\":\"sha256:" HEX64 "\",\"size\":1}"

static void test_roles(void **state)
{
	static const struct {
		const char *text, *sent;
		int role; /* -1: refused */
	} table[] = {
		{ "{\"config\":" DESC ",\"layers\":[]}", NULL, MEDIA_MANIFEST },
		{ "{\"manifests\":[]}", NULL, MEDIA_INDEX },
		{ "{\"manifests\":[],\"layers\":[]}", NULL, -1 },
		{ "{\"manifests\":[],\"config\":{}}", NULL, -1 },
		{ "{\"fsLayers\":[]}", NULL, -1 },
		{ "{}", NULL, -1 },
		{ "[]", NULL, -1 },
		{ "", NULL, -1 },
		{ "{\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"layers\":[]}", NULL, -1 },
		{ "{\"layers\":[]}", MEDIA_OCI_INDEX, -1 },
		{ "{\"layers\":[]}", MEDIA_OCI_MANIFEST "; charset=utf-8", MEDIA_MANIFEST },
		{ "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"layers\":[]}", MEDIA_DOCKER_MANIFEST, -1 },
		{ "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"layers\":[]}", "application/json", MEDIA_MANIFEST },
		{ "{\"layers\":[],\"layers\":[]}", NULL, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct arena a = ARENA_INIT;
		enum media_role role = MEDIA_UNKNOWN;
		int r = document_role(table[i].text, strlen(table[i].text), table[i].sent, &a, &role, NULL);

		if ((r == 0 ? (int)role : -1) != table[i].role)
			fail_msg("%s: %d %d", table[i].text, r, (int)role);
		arena_free(&a);
	}
}

static void test_config_round_trip(void **state)
{
	static const char text[] = "{\"created\":\"2020-01-01T00:00:00Z\",\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{"
		"\"User\":\"u\",\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{}},\"Env\":[\"A=b\"],\"Cmd\":[\"x\"],\"Volumes\":{\"/v\":{}},"
		"\"Labels\":{\"b\":\"2\",\"a\":\"1\"},\"Healthcheck\":{\"Test\":[\"CMD\",\"y\"],\"Interval\":3},\"Shell\":[\"s\"],"
		"\"OnBuild\":[\"RUN z\"],\"StopTimeout\":3},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" HEX64 "\"]},"
		"\"history\":[{\"created_by\":\"c\",\"empty_layer\":true}]}";
	struct arena a = ARENA_INIT;
	struct image_config one, two;
	const char *first, *second;
	size_t n, m;

	(void)state;
	assert_int_equal(image_config_parse(text, strlen(text), "c", &a, &one, NULL), 0);
	first = image_config_write(&a, &one, &n);
	assert_int_equal(image_config_parse(first, n, "c", &a, &two, NULL), 0);
	second = image_config_write(&a, &two, &m);
	assert_int_equal(n, m);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "\"Healthcheck\":{\"Test\":[\"CMD\",\"y\"],\"Interval\":3}"));
	assert_non_null(strstr(first, "\"53/udp\":{},\"80/tcp\":{}"));
	assert_non_null(strstr(first, "\"a\":\"1\",\"b\":\"2\""));
	arena_free(&a);
}

static void test_config_errors(void **state)
{
	static const char *const bad[] = { "{}", "{\"rootfs\":{\"type\":\"zip\",\"diff_ids\":[]}}",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:x\"]}}", "{\"rootfs\":{\"type\":\"layers\"}}",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[3]}}" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct arena a = ARENA_INIT;
		struct image_config c;

		assert_true(image_config_parse(bad[i], strlen(bad[i]), "c", &a, &c, NULL) < 0);
		arena_free(&a);
	}
}

static void test_changes(void **state)
{
	struct arena a = ARENA_INIT;
	struct image_config c = { 0 };

	(void)state;
	assert_int_equal(image_change(&a, &c, "ENV A=b c", NULL), 0);
	assert_int_equal(image_change(&a, &c, "ENV A=d", NULL), 0);
	assert_int_equal(image_change(&a, &c, "ENV AB=e", NULL), 0);
	assert_int_equal(c.config.env.count, 2);
	assert_string_equal(c.config.env.items[0], "A=d");
	assert_int_equal(image_change(&a, &c, "CMD [\"a\", \"b\"]", NULL), 0);
	assert_int_equal(c.config.cmd.count, 2);
	assert_int_equal(image_change(&a, &c, "cmd a b", NULL), 0);
	assert_string_equal(c.config.cmd.items[2], "a b");
	assert_int_equal(image_change(&a, &c, "EXPOSE 80 53/udp", NULL), 0);
	assert_string_equal(c.config.exposed_ports.items[0].name, "80/tcp");
	assert_int_equal(image_change(&a, &c, "VOLUME [\"/x y\"]", NULL), 0);
	assert_string_equal(c.config.volumes.items[0].name, "/x y");
	assert_true(image_change(&a, &c, "RUN x", NULL) < 0);
	assert_true(image_change(&a, &c, "ENV A", NULL) < 0);
	assert_true(image_change(&a, &c, "CMD [\"a\"", NULL) < 0);
	arena_free(&a);
}

static void test_select(void **state)
{
	struct descriptor d[4] = { { .media_type = MEDIA_OCI_MANIFEST, .platform = { "unknown", "unknown", NULL } },
		{ .media_type = "application/odd", .platform = { "linux", "amd64", NULL } },
		{ .media_type = MEDIA_OCI_MANIFEST, .platform = { "linux", "amd64", "v2" } },
		{ .media_type = MEDIA_OCI_MANIFEST, .platform = { "linux", "amd64", "v3" } } };
	struct image_index x = { .manifests = d, .manifests_count = 4 };
	struct platform want = { "linux", "amd64", "v4" };
	const struct descriptor *chosen;
	struct arena a = ARENA_INIT;

	(void)state;
	for (int i = 0; i < 4; i++)
		digest_of(DIGEST_SHA256, &i, sizeof i, &d[i].digest);
	assert_int_equal(index_select(&x, &want, &a, &chosen, NULL), 0);
	assert_ptr_equal(chosen, &d[3]);
	want.variant = "v2";
	assert_int_equal(index_select(&x, &want, &a, &chosen, NULL), 0);
	assert_ptr_equal(chosen, &d[2]);
	want.variant = NULL;
	assert_true(index_select(&x, &want, &a, &chosen, NULL) < 0);
	arena_free(&a);
}

static void test_paths(void **state)
{
	static const struct {
		const char *raw, *clean; /* NULL: refused */
	} table[] = { { "a/b", "a/b" }, { "./a//b/", "a/b" }, { "/a", "a" }, { ".", "" }, { "/", "" }, { "./.", "" },
		{ "a/../b", "b" }, { "a/..", "" }, { "..", NULL }, { "a/../../b", NULL }, { "/..", NULL }, { "", "" },
		{ "...", "..." }, { ".wh.x", ".wh.x" } };
	char out[APPLY_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		int r = apply_clean_path(table[i].raw, out);

		if ((r == 0) != (table[i].clean != NULL) || (r == 0 && strcmp(out, table[i].clean) != 0))
			fail_msg("%s: %d %s", table[i].raw, r, out);
	}
}

static void test_chain(void **state)
{
	struct digest ids[2], c;
	char text[DIGEST_TEXT_MAX];

	(void)state;
	digest_of(DIGEST_SHA256, "", 0, &ids[0]);
	ids[1] = ids[0];
	assert_int_equal(chain_id(ids, 1, &c), 0);
	assert_true(digest_equal(&c, &ids[0]));
	assert_int_equal(chain_id(ids, 2, &c), 0);
	digest_of(DIGEST_SHA256, "sha256:" HEX64 " sha256:" HEX64, 143, &ids[1]);
	assert_true(digest_equal(&c, &ids[1]));
	assert_true(chain_id(ids, 0, &c) < 0);
	digest_format(&c, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles), cmocka_unit_test(test_config_round_trip), cmocka_unit_test(test_config_errors),
		cmocka_unit_test(test_changes), cmocka_unit_test(test_select), cmocka_unit_test(test_paths),
		cmocka_unit_test(test_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
