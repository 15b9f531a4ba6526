/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: annotation run.oci.seccomp_bpf_data (crun): a filter that
 * somebody else compiled, as base64 of its instructions.  It takes the place of
 * linux.seccomp's rules; the kernel checks it when it is loaded.
 */
#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include "runtime/facility/seccomp_program.h"
#include "runtime/plan/container.h"


static int digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* RFC 4648, section 4: whole groups of four, padded, nothing in between.  The number of bytes, or -1. */
static ssize_t decode(const char *text, unsigned char *out)
{
	size_t len = strlen(text), n = 0;
	uint32_t bits = 0;

	if (len % 4)
		return -1;
	for (size_t i = 0; i < len; i++) {
		int d = digit(text[i]);

		/* "=" and "==" at the end */
		if (d < 0 && text[i] == '=' && i >= len - 2 && text[len - 1] == '=')
			d = 0;
		if (d < 0)
			return -1;
		bits = bits << 6 | (uint32_t)d;
		if (i % 4 != 3)
			continue;
		out[n++] = (unsigned char)(bits >> 16);
		out[n++] = (unsigned char)(bits >> 8);
		out[n++] = (unsigned char)bits;
		bits = 0;
	}
	for (size_t i = len; i > 0 && text[i - 1] == '='; i--)
		n--;
	return (ssize_t)n;
}

int seccomp_raw(const struct config_map *annotations, struct arena *a, struct seccomp_program *out, struct error *err)
{
	const char *text = config_map_get(annotations, SECCOMP_RAW_ANNOTATION);
	ssize_t n;

	if (!text)
		return 0;
	out->insns = arena_alloc(a, strlen(text) / 4 * 3 + 1);
	n = decode(text, (unsigned char *)out->insns);
	if (n > 0 && (size_t)n % sizeof *out->insns == 0 && (size_t)n / sizeof *out->insns <= BPF_MAXINSNS) {
		out->count = (size_t)n / sizeof *out->insns;
		return 1;
	}
	error_path(err, "annotations[\"" SECCOMP_RAW_ANNOTATION "\"]");
	if (n < 0)
		return error_set(err, ERR_CONFIG, EINVAL, "expected the filter's instructions as base64");
	return error_set(err, ERR_CONFIG, EINVAL, "%zd bytes are no filter: expected 1 to %d instructions of %zu bytes", n,
		BPF_MAXINSNS, sizeof *out->insns);
}
