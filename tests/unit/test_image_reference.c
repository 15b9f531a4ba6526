/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: tables of references, digests, locations and platforms with what they must become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image-tools/platform.h"
#include "image-tools/reference.h"

#define HEX64 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct {
	const char *text, *canonical, *familiar; /* canonical NULL: refused */
} references[] = {
	{ "nginx", "docker.io/library/nginx:latest", "nginx:latest" },
	{ "nginx:1.28.0", "docker.io/library/nginx:1.28.0", "nginx:1.28.0" },
	{ "library/nginx", "docker.io/library/nginx:latest", "nginx:latest" },
	{ "docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest" },
	{ "index.docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest" },
	{ "index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest" },
	{ "user/app", "docker.io/user/app:latest", "user/app:latest" },
	{ "user/app:x", "docker.io/user/app:x", "user/app:x" },
	{ "localhost/app", "localhost/app:latest", "localhost/app:latest" },
	{ "localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest" },
	{ "quay.io/a/b/c:d", "quay.io/a/b/c:d", "quay.io/a/b/c:d" },
	{ "LOCAL/app", "LOCAL/app:latest", "LOCAL/app:latest" },
	{ "127.0.0.1:5000/a", "127.0.0.1:5000/a:latest", "127.0.0.1:5000/a:latest" },
	{ "[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest" },
	{ "[2001:db8::1]/a", "[2001:db8::1]/a:latest", "[2001:db8::1]/a:latest" },
	{ "a@sha256:" HEX64, "docker.io/library/a@sha256:" HEX64, "a@sha256:" HEX64 },
	{ "a:b@sha256:" HEX64, "docker.io/library/a:b@sha256:" HEX64, "a:b@sha256:" HEX64 },
	{ "a_b", "docker.io/library/a_b:latest", "a_b:latest" },
	{ "a__b", "docker.io/library/a__b:latest", "a__b:latest" },
	{ "a---b", "docker.io/library/a---b:latest", "a---b:latest" },
	{ "a.b/c", "a.b/c:latest", "a.b/c:latest" },
	{ "a:_", "docker.io/library/a:_", "a:_" },
	{ "a:A.b-C_9", "docker.io/library/a:A.b-C_9", "a:A.b-C_9" },
	{ "docker.io/ghcr.io/x", "docker.io/ghcr.io/x:latest", "docker.io/ghcr.io/x:latest" },
	{ "", NULL, NULL },
	{ HEX64, NULL, NULL },
	{ "Nginx", NULL, NULL },
	{ "a/B", NULL, NULL },
	{ "a/", NULL, NULL },
	{ "/a", NULL, NULL },
	{ "a//b", NULL, NULL },
	{ "a___b", NULL, NULL },
	{ "a..b", NULL, NULL },
	{ "-a", NULL, NULL },
	{ "a-", NULL, NULL },
	{ "a_", NULL, NULL },
	{ ".a/b", NULL, NULL },
	{ "a:", NULL, NULL },
	{ "a:.b", NULL, NULL },
	{ "a:-b", NULL, NULL },
	{ "a b", NULL, NULL },
	{ "a:b c", NULL, NULL },
	{ "a@", NULL, NULL },
	{ "a@sha256:abc", NULL, NULL },
	{ "a@sha256:" HEX64 "0", NULL, NULL },
	{ "a@SHA256:" HEX64, NULL, NULL },
	{ "a@sha256:E3B0C44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", NULL, NULL },
	{ "-host.com/a", NULL, NULL },
	{ "host-.com/a", NULL, NULL },
	{ "host.com:/a", NULL, NULL },
	{ "host.com:123456/a", NULL, NULL },
	{ "host.com:x/a", NULL, NULL },
	{ "[::1/a", NULL, NULL },
	{ "[fe80::1%eth0]:5000/a", NULL, NULL },
	{ "a/../b", NULL, NULL },
	{ "../b", NULL, NULL },
	{ "a\nb", NULL, NULL },
	{ "caf\xc3\xa9", NULL, NULL },
	{ "https://host.com/a", NULL, NULL },
};

static void test_references(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
		struct arena a = ARENA_INIT;
		struct error err = { 0 };
		struct reference ref;
		int r = reference_parse(&a, references[i].text, &ref, &err);

		if (references[i].canonical) {
			if (r < 0)
				fail_msg("\"%s\": %s", references[i].text, err.msg);
			assert_string_equal(reference_canonical(&a, &ref), references[i].canonical);
			assert_string_equal(reference_familiar(&a, &ref), references[i].familiar);
		} else if (r == 0) {
			fail_msg("\"%s\" was accepted as %s", references[i].text, reference_canonical(&a, &ref));
		} else {
			assert_true(err.msg[0]);
		}
		arena_free(&a);
	}
}

static void test_lengths(void **state)
{
	struct arena a = ARENA_INIT;
	struct reference ref;
	char name[300], tag[200];

	(void)state;
	memset(name, 'a', sizeof name);
	name[237] = '\0'; /* "docker.io/library/" + 237 = 255 */
	assert_int_equal(reference_parse(&a, name, &ref, NULL), 0);
	name[237] = 'a', name[238] = '\0';
	assert_int_not_equal(reference_parse(&a, name, &ref, NULL), 0);
	memset(tag, 't', sizeof tag);
	tag[128] = '\0';
	assert_true(reference_valid_tag(tag));
	tag[128] = 't', tag[129] = '\0';
	assert_false(reference_valid_tag(tag));
	arena_free(&a);
}

static void test_digests(void **state)
{
	struct digest d, e;
	char buf[DIGEST_TEXT_MAX];

	(void)state;
	assert_int_equal(digest_of(DIGEST_SHA256, "", 0, &d), 0);
	assert_string_equal(digest_format(&d, buf), "sha256:" HEX64);
	assert_int_equal(digest_parse(buf, &e, NULL), 0);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(digest_of(DIGEST_SHA512, "abc", 3, &d), 0);
	assert_int_equal(digest_parse(digest_format(&d, buf), &e, NULL), 0);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(digest_parse("blake3:" HEX64, &e, NULL), -95);
	assert_int_equal(digest_parse("sha256:../../../../etc/passwd", &e, NULL), -22);
	assert_int_equal(digest_parse("sha256", &e, NULL), -22);
	assert_int_equal(digest_parse("", &e, NULL), -22);
	assert_int_equal(digest_parse("sha256:" HEX64 "/..", &e, NULL), -22);
}

static void test_locations(void **state)
{
	static const struct {
		const char *text;
		int kind; /* -1: refused */
		const char *path, *name;
	} table[] = {
		{ "nginx", LOCATION_STORE, NULL, NULL },
		{ "docker://nginx", LOCATION_REGISTRY, NULL, NULL },
		{ "oci:dir", LOCATION_LAYOUT, "dir", NULL },
		{ "oci:/a/b:tag", LOCATION_LAYOUT, "/a/b", "tag" },
		{ "oci:/a/b:host:5000/x:1", LOCATION_LAYOUT, "/a/b", "host:5000/x:1" },
		{ "oci:/a/b@sha256:" HEX64, LOCATION_LAYOUT, "/a/b", NULL },
		{ "tar:f.tar", LOCATION_ARCHIVE, "f.tar", NULL },
		{ "docker-archive:f.tar:x:1", LOCATION_ARCHIVE, "f.tar", "x:1" },
		{ "oci-archive:f.tar", LOCATION_ARCHIVE, "f.tar", NULL },
		{ "-", LOCATION_ARCHIVE, "-", NULL },
		{ "oci:", -1, NULL, NULL },
		{ "oci::x", -1, NULL, NULL },
		{ "oci:d@sha256:12", -1, NULL, NULL },
		{ "docker://A/", -1, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct arena a = ARENA_INIT;
		struct location loc;
		int r = location_parse(&a, table[i].text, &loc, NULL);

		if ((r == 0) != (table[i].kind >= 0))
			fail_msg("%s: %d", table[i].text, r);
		if (r == 0) {
			assert_int_equal(loc.kind, table[i].kind);
			if (table[i].path)
				assert_string_equal(loc.path, table[i].path);
			if (table[i].name)
				assert_string_equal(loc.name, table[i].name);
			else if (loc.kind != LOCATION_STORE && loc.kind != LOCATION_REGISTRY)
				assert_null(loc.name);
		}
		arena_free(&a);
	}
}

static void test_platforms(void **state)
{
	static const struct {
		const char *want, *have;
		bool match;
	} table[] = {
		{ "linux/amd64", "linux/amd64", true }, { "linux/amd64", "linux/amd64/v1", true },
		{ "linux/amd64", "linux/amd64/v3", false }, { "linux/amd64/v3", "linux/amd64/v2", true },
		{ "linux/arm64", "linux/arm64/v8", true }, { "linux/arm64/v8", "linux/arm64", true },
		{ "linux/arm", "linux/arm/v6", true }, { "linux/arm/v6", "linux/arm/v7", false },
		{ "linux/amd64", "windows/amd64", false }, { "linux/amd64", "linux/arm64", false },
		{ "x86_64", "linux/amd64", true }, { "linux/arm/v7", "linux/arm/v5", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct arena a = ARENA_INIT;
		struct platform want, have;

		assert_int_equal(platform_parse(&a, table[i].want, &want, NULL), 0);
		assert_int_equal(platform_parse(&a, table[i].have, &have, NULL), 0);
		if ((platform_match(&want, &have) > 0) != table[i].match)
			fail_msg("%s against %s", table[i].want, table[i].have);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references), cmocka_unit_test(test_lengths), cmocka_unit_test(test_digests),
		cmocka_unit_test(test_locations), cmocka_unit_test(test_platforms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
