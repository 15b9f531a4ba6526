/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: up to containerd 2.2 stdin carries an Any with the
 * runtime's options, from 2.3 on BootstrapParams.  Both begin with two strings
 * or a string and bytes, so an Any also parses as the other; it is taken for
 * BootstrapParams only when the first field is the id from the command line.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/bootstrap.h"
#include "shim/frame.h"
#include "shim/options.h"
#include "specs/task/bootstrap.pb-c.h"

#define INPUT_MAX (10u << 20)

static bool is_options(const char *type_url)
{
	return type_url_is(type_url, "containerd.runc.v1.Options") ||
	       type_url_is(type_url, "runtimeoptions.v1.Options") ||
	       type_url_is(type_url, "cri.runtimeoptions.v1.Options");
}

static void take_params(struct bootstrap_input *in, const Bootstrap__Params *p)
{
	in->params = true;
	in->log_level = p->log_level;
	in->namespace_name = p->namespace_name;
	in->ttrpc_address = p->containerd_ttrpc_address;
	in->grpc_address = p->containerd_grpc_address;
	in->binary = p->containerd_binary;
	in->socket_dir = p->socket_dir;
	for (size_t i = 0; i < p->n_extensions; i++) {
		const Task__Any *any = p->extensions[i]->value;

		if (!any || !is_options(any->type_url))
			continue;
		in->options_type = any->type_url;
		in->options = any->value.data;
		in->options_len = any->value.len;
	}
}

int bootstrap_input_parse(
	const void *data, size_t len, const char *id, struct arena *a, struct bootstrap_input *in, struct error *err)
{
	ProtobufCAllocator allocator = arena_allocator(a);
	Bootstrap__Params *params;
	Task__Any *any;

	*in = (struct bootstrap_input){.options_type = "",
		.ttrpc_address = "",
		.grpc_address = "",
		.binary = "",
		.socket_dir = "",
		.namespace_name = ""};
	if (len == 0)
		return 0;
	params = bootstrap__params__unpack(&allocator, len, data);
	if (params && id && *id && strcmp(params->instance_id, id) == 0) {
		take_params(in, params);
		return 0;
	}
	any = task__any__unpack(&allocator, len, data);
	if (!any)
		return error_set(
			err, ERR_USAGE, EINVAL, "stdin carries neither runtime options nor bootstrap parameters");
	in->options_type = any->type_url;
	in->options = any->value.data;
	in->options_len = any->value.len;
	return 0;
}

int bootstrap_input_read(const char *id, struct arena *a, struct bootstrap_input *in, struct error *err)
{
	char *data = NULL;
	size_t len = 0;
	int r;

	if (!isatty(STDIN_FILENO)) {
		r = fd_read_all(STDIN_FILENO, a, INPUT_MAX, &data, &len);
		if (r < 0)
			return error_sys(err, -r, "read stdin");
	}
	return bootstrap_input_parse(data, len, id, a, in, err);
}
