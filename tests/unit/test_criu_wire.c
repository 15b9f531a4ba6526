/* SPDX-License-Identifier: Apache-2.0 */
/* The codec of criu's messages: known bytes, what is skipped, what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/criu/rpc.h"

static void encodes_known_bytes(void **unused)
{
	static const uint8_t expected[] = { 0x08, 0x01,	     /* type 1 */
		0x12, 0x2a,				     /* opts */
		0x08, 0x05,				     /* images_dir_fd 5 */
		0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* pid -1 */
		0x18, 0x01,				     /* leave_running */
		0x52, 0x01, 'l',			     /* log_file */
		0xba, 0x01, 0x06, 0x0a, 0x01, 'k', 0x12, 0x01, 'v', /* ext_mnt, 23 */
		0xaa, 0x02, 0x01, 'a', 0xaa, 0x02, 0x01, 'b', /* external, 37, twice */
		0xb0, 0x02, 0x80, 0x80, 0x80, 0x80, 0x04 };   /* empty_ns, 38: CLONE_NEWNET */
	const char *external[] = { "a", "b" };
	struct criu_mount mount = { "k", "v" };
	struct criu_opts opts = {
		.images_dir_fd = { true, 5 },
		.pid = { true, -1 },
		.leave_running = true,
		.log_file = "l",
		.ext_mnt = &mount,
		.ext_mnt_count = 1,
		.external = external,
		.external_count = 2,
		.empty_ns = { true, 0x40000000 },
	};
	struct criu_request request = { .type = { true, CRIU_DUMP }, .opts = &opts };
	struct arena a = ARENA_INIT;
	const void *data;
	size_t len;

	(void)unused;
	data = wire_encode(&criu_request_message, &request, &a, &len);
	assert_int_equal(len, sizeof expected);
	assert_memory_equal(data, expected, len);
	arena_free(&a);
}

static void decodes_a_notification(void **unused)
{
	static const uint8_t data[] = { 0x08, 0x06, 0x10, 0x01, 0xf8, 0x07, 0x2a, 0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8, 0xfd, 0x07,
		1, 2, 3, 4, 0xfa, 0x07, 0x02, 'x', 'y', 0x2a, 0x0a, 0x0a, 0x05, 's', 't', 'a', 'r', 't', 0x10, 0xac, 0x02 };
	struct criu_response response = { 0 };
	struct arena a = ARENA_INIT;

	(void)unused;
	assert_int_equal(wire_decode(&criu_response_message, data, sizeof data, &a, &response), 0);
	assert_int_equal(response.type.value, CRIU_NOTIFY);
	assert_true(response.success);
	assert_string_equal(response.notify->script, "start");
	assert_int_equal(response.notify->pid.value, 300);
	assert_false(response.cr_errno.set);
	/* Every cut is a whole message or none, and never more than what is there. */
	for (size_t n = 0; n < sizeof data; n++) {
		int r;

		response = (struct criu_response){ 0 };
		r = wire_decode(&criu_response_message, data, n, &a, &response);
		assert_true(r == 0 || r == -EBADMSG);
	}
	arena_free(&a);
}

static void refuses_nonsense(void **unused)
{
	static const uint8_t endless[] = { 0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01 };
	static const uint8_t group[] = { 0x0b };
	static const uint8_t beyond[] = { 0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f, 'x' };
	static const uint8_t number_as_bytes[] = { 0x0a, 0x01, 'x' };
	struct criu_response response = { 0 };
	struct arena a = ARENA_INIT;

	(void)unused;
	assert_int_equal(wire_decode(&criu_response_message, endless, sizeof endless, &a, &response), -EBADMSG);
	assert_int_equal(wire_decode(&criu_response_message, group, sizeof group, &a, &response), -EBADMSG);
	assert_int_equal(wire_decode(&criu_response_message, beyond, sizeof beyond, &a, &response), -EBADMSG);
	assert_int_equal(wire_decode(&criu_response_message, number_as_bytes, sizeof number_as_bytes, &a, &response), -EBADMSG);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_known_bytes),
		cmocka_unit_test(decodes_a_notification),
		cmocka_unit_test(refuses_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
