/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the features document (runtime-spec, features.md and
 * features-linux.md).
 *
 * It tells what this build understands, never what the host offers: engines
 * read it once and keep it.  So nothing here looks at the kernel; the names
 * come from the tables that the parsers use.  The one exception among them is
 * linux.seccomp.architectures, where the linked libseccomp decides.
 */
#include <ctype.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_write.h"
#include "runtime/command/command.h"
#include "runtime/command/features.h"
#include "runtime/mount/options.h"
#include "specs/enums.h"

/* Annotations of a configuration that change what the runtime does on the host.  With a dot at the end: all that
 * begin so.  Engines let only trusted users set them. */
static const char *const unsafe_annotations[] = {
#if FEATURE_CHECKPOINT
	"org.criu.config",
#endif
#if FEATURE_SYSTEMD
	"org.systemd.property.",
#endif
	"run.oci.delegate-cgroup",
	"run.oci.hooks.stderr",
	"run.oci.hooks.stdout",
	"run.oci.keep_original_groups",
	"run.oci.mount_context_type",
	"run.oci.pidfd_receiver",
	"run.oci.seccomp.receiver",
	"run.oci.seccomp_bpf_data",
	"run.oci.seccomp_fail_unknown_syscall",
	"run.oci.systemd.subgroup",
};

static void write_names(struct json_writer *w, const char *member, const struct json_enum *e)
{
	json_write_member_array(w, member);
	for (const struct json_name *n = e->names; n->name; n++)
		json_write_string(w, n->name);
	json_write_end_array(w);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void write_mount_options(struct json_writer *w, struct arena *a)
{
	const char *const *known = mount_options_names(a);
	const char **names;
	size_t n = 0;

	while (known[n])
		n++;
	names = arena_array(a, const char *, n);
	memcpy(names, known, n * sizeof *names);
	qsort(names, n, sizeof *names, by_name);
	json_write_member_array(w, "mountOptions");
	for (size_t i = 0; i < n; i++)
		json_write_string(w, names[i]);
	json_write_end_array(w);
}

static void write_enabled(struct json_writer *w, const char *member, bool enabled)
{
	json_write_member_object(w, member);
	json_write_member_bool(w, "enabled", enabled);
	json_write_end_object(w);
}

static bool arch_known(const char *name)
{
	char lower[32];
	size_t n = 0;

	for (name += strlen("SCMP_ARCH_"); *name && n < sizeof lower - 1; name++)
		lower[n++] = (char)tolower((unsigned char)*name);
	lower[n] = '\0';
	return seccomp_arch_resolve_name(lower) != 0;
}

static void write_seccomp(struct json_writer *w)
{
	json_write_member_object(w, "seccomp");
	json_write_member_bool(w, "enabled", true);
	write_names(w, "actions", &config_seccomp_actions);
	write_names(w, "operators", &config_seccomp_operators);
	json_write_member_array(w, "archs");
	for (const struct json_name *n = config_seccomp_archs.names; n->name; n++)
		if (arch_known(n->name))
			json_write_string(w, n->name);
	json_write_end_array(w);
	write_names(w, "knownFlags", &config_seccomp_flags);
	write_names(w, "supportedFlags", &config_seccomp_flags);
	json_write_end_object(w);
}

static void write_linux(struct json_writer *w)
{
	json_write_member_object(w, "linux");
	write_names(w, "namespaces", &config_namespace_types);
	write_names(w, "capabilities", &config_capability_names);
	json_write_member_object(w, "cgroup");
	json_write_member_bool(w, "v1", true);
	json_write_member_bool(w, "v2", true);
	json_write_member_bool(w, "systemd", FEATURE_SYSTEMD);
	json_write_member_bool(w, "systemdUser", FEATURE_SYSTEMD);
	json_write_member_bool(w, "rdma", true);
	json_write_end_object(w);
	write_seccomp(w);
	write_enabled(w, "apparmor", true);
	write_enabled(w, "selinux", FEATURE_SELINUX);
	json_write_member_object(w, "memoryPolicy");
	write_names(w, "modes", &config_memory_policy_modes);
	write_names(w, "flags", &config_memory_policy_flags);
	json_write_end_object(w);
	json_write_member_object(w, "intelRdt");
	json_write_member_bool(w, "enabled", FEATURE_INTEL_RDT);
	json_write_member_bool(w, "schemata", FEATURE_INTEL_RDT);
	json_write_member_bool(w, "monitoring", FEATURE_INTEL_RDT);
	json_write_end_object(w);
	json_write_member_object(w, "mountExtensions");
	write_enabled(w, "idmap", true);
	json_write_end_object(w);
	write_enabled(w, "netDevices", true);
	json_write_end_object(w);
}

static void write_annotations(struct json_writer *w, struct arena *a)
{
	const struct scmp_version *v = seccomp_version();

	json_write_member_object(w, "annotations");
	if (v)
		json_write_member_string(w, "io.github.seccomp.libseccomp.version",
			arena_printf(a, "%u.%u.%u", v->major, v->minor, v->micro));
	json_write_member_string(w, "oci-rt.commit", SOURCE_COMMIT);
	json_write_member_string(w, "oci-rt.version", PACKAGE_VERSION);
	/* The name is runc's; it is the one that engines look for. */
	json_write_member_string(w, "org.opencontainers.runc.checkpoint.enabled", FEATURE_CHECKPOINT ? "true" : "false");
	json_write_end_object(w);
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	struct json_writer w;

	(void)args;
	json_writer_init(&w, rt->arena, true);
	json_write_object(&w);
	json_write_member_string(&w, "ociVersionMin", OCI_VERSION_MIN);
	json_write_member_string(&w, "ociVersionMax", OCI_VERSION_MAX);
	write_names(&w, "hooks", &config_hook_names);
	write_mount_options(&w, rt->arena);
	write_linux(&w);
	write_annotations(&w, rt->arena);
	json_write_member_array(&w, "potentiallyUnsafeConfigAnnotations");
	for (size_t i = 0; i < sizeof unsafe_annotations / sizeof *unsafe_annotations; i++)
		json_write_string(&w, unsafe_annotations[i]);
	json_write_end_array(&w);
	json_write_end_object(&w);
	fputs(json_writer_finish(&w, NULL), stdout);
	return fflush(stdout) == 0 ? 0 : error_sys(err, errno, "write to stdout");
}

const struct command command_features = {
	.name = "features",
	.usage = "",
	.summary = "print what this runtime understands, as JSON",
	.run = run,
};
