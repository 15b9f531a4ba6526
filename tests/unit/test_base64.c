/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the test vectors of RFC 4648, section 10, both ways, and texts that are no base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"

static const struct {
	const char *plain, *text;
} vectors[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xfb\xef\xbe\xff", "++++/w==" },
};

static void test_vectors(void **state)
{
	struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		size_t length = strlen(vectors[i].plain), n = 99;

		assert_string_equal(base64_encode(&a, vectors[i].plain, length), vectors[i].text);
		assert_memory_equal(base64_decode(&a, vectors[i].text, &n), vectors[i].plain, length + 1);
		assert_int_equal(n, length);
	}
	arena_free(&a);
}

static void test_refused(void **state)
{
	static const char *const texts[] = { "Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Z=g=", "Zm9v\n", "Zm9*", "Zm9-", "Zm9_", " m9v" };
	struct arena a = ARENA_INIT;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (base64_decode(&a, texts[i], &n))
			fail_msg("\"%s\" was decoded", texts[i]);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_vectors), cmocka_unit_test(test_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
