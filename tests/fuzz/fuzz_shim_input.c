/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the first byte chooses what the rest is: TOML options,
 * stdin of start, an options Any, an exec's process, a config.json, mount
 * options, or a line of statistics.
 */
#include <stdlib.h>
#include <string.h>

#include "shim/bootstrap.h"
#include "shim/json.h"
#include "shim/metrics.h"
#include "shim/mount.h"
#include "shim/options.h"
#include "specs/task/metrics.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_value(void *context, const struct json_value *v)
{
	(void)context;
	if (json_at(v, "linux", "namespaces", "[]", "type", NULL) && v->depth != 4)
		abort();
}

static void mount_options(const uint8_t *data, size_t size, struct arena *a)
{
	char *text = arena_strndup(a, (const char *)data, size), *option, *list[64];
	struct mount_options o;
	size_t n = 0;

	while (n < 64 && (option = strsep(&text, "\n")))
		list[n++] = option;
	mount_options_parse(&o, list, n, a);
	if (o.data_count > n)
		abort();
}

static void process(const uint8_t *data, size_t size, struct arena *a)
{
	char *out = NULL, *again = NULL;
	size_t len = 0, len2 = 0;

	if (json_set_bool((const char *)data, size, "terminal", true, a, &out, &len, NULL) < 0)
		return;
	/* What was written is valid, and doing it once more changes nothing. */
	if (json_set_bool(out, len, "terminal", true, a, &again, &len2, NULL) < 0 || len != len2 ||
		memcmp(out, again, len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	struct bootstrap_input in;
	struct options o;
	Metrics__V2Memory memory = METRICS__V2_MEMORY__INIT;

	if (size < 1)
		return 0;
	options_init(&o);
	switch (data[0] % 6) {
	case 0:
		options_from_toml(&o, (const char *)data + 1, size - 1, &a, NULL);
		break;
	case 1:
		if (bootstrap_input_parse(data + 1, size - 1, "c1", &a, &in, NULL) == 0 && *in.options_type &&
			!strstr(in.options_type, "runtimeoptions"))
			options_from_any(&o, in.options_type, in.options, in.options_len, &a, NULL);
		break;
	case 2:
		process(data + 1, size - 1, &a);
		break;
	case 3:
		json_scan((const char *)data + 1, size - 1, on_value, NULL);
		break;
	case 4:
		mount_options(data + 1, size - 1, &a);
		break;
	default:
		metrics_fill(&memory.base, arena_strndup(&a, (const char *)data + 1, size - 1));
		break;
	}
	arena_free(&a);
	return 0;
}
