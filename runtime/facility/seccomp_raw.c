/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: annotation run.oci.seccomp_bpf_data (crun): a filter that
 * somebody else compiled, as base64 of its instructions.  It takes the place of
 * linux.seccomp's rules; the kernel checks it when it is loaded.
 */
#include <errno.h>

#include "base/base64.h"
#include "runtime/facility/seccomp_program.h"
#include "runtime/plan/container.h"

int seccomp_raw(const struct config_map *annotations, struct arena *a, struct seccomp_program *out, struct error *err)
{
	const char *text = config_map_get(annotations, SECCOMP_RAW_ANNOTATION);
	size_t n = 0;

	if (!text)
		return 0;
	out->insns = base64_decode(a, text, &n);
	out->count = n / sizeof *out->insns;
	if (out->insns && n % sizeof *out->insns == 0 && out->count > 0 && out->count <= BPF_MAXINSNS)
		return 1;
	error_path(err, "annotations[\"" SECCOMP_RAW_ANNOTATION "\"]");
	if (!out->insns)
		return error_set(err, ERR_CONFIG, EINVAL, "expected the filter's instructions as base64");
	return error_set(err, ERR_CONFIG, EINVAL, "%zu bytes are no filter: expected 1 to %d instructions of %zu bytes", n,
		BPF_MAXINSNS, sizeof *out->insns);
}
