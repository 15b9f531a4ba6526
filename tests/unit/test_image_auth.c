/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: challenges, hosts and URLs, and the small grammars of unpack's options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image-tools/bundle/bundle.h"
#include "image-tools/registry/auth.h"
#include "image-tools/registry/http.h"

static void test_challenges(void **state)
{
	struct arena a = ARENA_INIT;
	struct challenge c[4];

	(void)state;
	assert_int_equal(challenge_parse(&a, "Bearer realm=\"https://a/t\",service=\"s,x\", scope=\"repository:a:pull,push\"", c, 4), 1);
	assert_string_equal(c[0].scheme, "bearer");
	assert_string_equal(c[0].realm, "https://a/t");
	assert_string_equal(c[0].service, "s,x");
	assert_string_equal(c[0].scope, "repository:a:pull,push");
	assert_int_equal(challenge_parse(&a, "Basic realm=\"a\\\"b\", Bearer realm=x,error=\"e\"", c, 4), 2);
	assert_string_equal(c[0].realm, "a\"b");
	assert_string_equal(c[1].scheme, "bearer");
	assert_string_equal(c[1].error, "e");
	assert_int_equal(challenge_parse(&a, "Negotiate, Basic realm=x", c, 4), 2);
	assert_string_equal(c[1].scheme, "basic");
	assert_int_equal(challenge_parse(&a, "", c, 4), 0);
	assert_int_equal(challenge_parse(&a, "realm=\"x\"", c, 4), 0);
	assert_int_equal(challenge_parse(&a, "Bearer realm=\"unterminated", c, 4), 1);
	assert_int_equal(challenge_parse(&a, "A, B, C, D, E", c, 4), 4);
	arena_free(&a);
}

static void test_hosts(void **state)
{
	static const char *const private[] = { "127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "::1", "fe80::1", "fd00::1", "0.0.0.0", "2130706433", "0x7f.1", "::ffff:10.0.0.1", "localhost",
		"100.64.0.1" };
	static const char *const public[] = { "1.1.1.1", "172.32.0.1", "2001:db8::1", "example.com", "11.0.0.1" };

	(void)state;
	for (size_t i = 0; i < sizeof private / sizeof private[0]; i++)
		if (!host_is_private_literal(private[i]))
			fail_msg("%s", private[i]);
	for (size_t i = 0; i < sizeof public / sizeof public[0]; i++)
		if (host_is_private_literal(public[i]))
			fail_msg("%s", public[i]);
	assert_true(host_is_loopback("127.8.8.8"));
	assert_false(host_is_loopback("localhost.example.com"));
	assert_false(host_is_loopback("10.0.0.1"));
}

static void test_urls(void **state)
{
	struct arena a = ARENA_INIT;
	struct url_parts p;

	(void)state;
	assert_true(url_split(&a, "https://Host.com:443/x?y", &p));
	assert_string_equal(p.name, "host.com");
	assert_true(url_split(&a, "http://[::1]:80/", &p));
	assert_string_equal(p.name, "::1");
	assert_false(url_split(&a, "file:///etc/passwd", &p));
	assert_false(url_split(&a, "https://user:pw@host/", &p));
	assert_string_equal(url_resolve(&a, "https://h/v2/x", "/y?z=1"), "https://h/y?z=1");
	assert_string_equal(url_resolve(&a, "https://h/v2/x", "http://o/y"), "http://o/y");
	arena_free(&a);
}

static void test_options(void **state)
{
	struct arena a = ARENA_INIT;
	struct bundle_volume v;
	struct port_mapping p;
	int64_t n;

	(void)state;
	assert_int_equal(bundle_parse_size("512m", &n, NULL), 0);
	assert_int_equal(n, 512 << 20);
	assert_int_equal(bundle_parse_size("2GB", &n, NULL), 0);
	assert_true(bundle_parse_size("x", &n, NULL) < 0);
	assert_true(bundle_parse_size("-1", &n, NULL) < 0);
	assert_true(bundle_parse_size("99999999999t", &n, NULL) < 0);
	assert_int_equal(bundle_parse_volume(&a, "data:/x:ro", &v, NULL), 0);
	assert_true(v.named && v.read_only);
	assert_int_equal(bundle_parse_volume(&a, "/a:/x", &v, NULL), 0);
	assert_false(v.named);
	assert_true(bundle_parse_volume(&a, "../a/b:/x", &v, NULL) < 0 || !v.named);
	assert_true(bundle_parse_volume(&a, "a/b:/x", &v, NULL) < 0);
	assert_true(bundle_parse_volume(&a, "a:x", &v, NULL) < 0);
	assert_true(bundle_parse_volume(&a, "/a:/x:exec", &v, NULL) < 0);
	assert_int_equal(bundle_parse_port(&a, "127.0.0.1:80:8080/udp", &p, NULL), 0);
	assert_int_equal(p.container, 8080);
	assert_string_equal(p.address, "127.0.0.1");
	assert_true(bundle_parse_port(&a, "80", &p, NULL) < 0);
	assert_true(bundle_parse_port(&a, "0:80", &p, NULL) < 0);
	assert_true(bundle_parse_port(&a, "65536:80", &p, NULL) < 0);
	assert_true(bundle_parse_port(&a, "80:80/icmp", &p, NULL) < 0);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_challenges), cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_urls), cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
