/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: that every member of the configuration lands in its
 * place in struct config, and that loading a bundle's file fails in words.
 * What is refused is in test_config_corpus.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/config/load.h"
#include "specs/config_parse.h"
#include "specs/config_tables.h"
#include "specs/enums.h"

static struct arena arena;

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static struct config *parse(const char *text)
{
	struct json_errors errors = {0};
	struct config *c;

	if (config_parse(text, strlen(text), &arena, &c, &errors) < 0)
		fail_msg("%s: %s", errors.items[0].path, errors.items[0].msg);
	return c;
}

static void process_members(void **state)
{
	struct config_process *p;
	struct config *c = parse(
		"{\"ociVersion\": \"1.3.0\", \"root\": {\"path\": \"r\", \"readonly\": true}, \"hostname\": \"h\", "
		"\"domainname\": \"d\", \"annotations\": {\"k\": \"v\"}, \"process\": {\"terminal\": true, "
		"\"consoleSize\": "
		"{\"height\": 24, \"width\": 80}, \"user\": {\"uid\": 1, \"gid\": 2, \"umask\": 18, "
		"\"additionalGids\": [3, "
		"4], \"username\": \"n\"}, \"args\": [\"a\", \"b\"], \"env\": [\"A=1\"], \"cwd\": \"/c\", "
		"\"capabilities\": "
		"{\"bounding\": [\"CAP_CHOWN\", \"CAP_CHECKPOINT_RESTORE\"], \"effective\": [], \"inheritable\": "
		"[\"CAP_KILL\"], \"permitted\": [\"X\", \"Y\", \"Z\"], \"ambient\": [\"CAP_BPF\"]}, \"rlimits\": "
		"[{\"type\": "
		"\"RLIMIT_RTTIME\", \"soft\": 5, \"hard\": 6}], \"noNewPrivileges\": true, \"apparmorProfile\": "
		"\"ap\", "
		"\"oomScoreAdj\": -7, \"scheduler\": {\"policy\": \"SCHED_DEADLINE\", \"nice\": -1, \"priority\": 2, "
		"\"flags\": [\"SCHED_FLAG_RECLAIM\", \"SCHED_FLAG_DL_OVERRUN\"], \"runtime\": 3, \"deadline\": 4, "
		"\"period\": 5}, \"selinuxLabel\": \"se\", \"ioPriority\": {\"class\": \"IOPRIO_CLASS_RT\", "
		"\"priority\": "
		"6}, \"execCPUAffinity\": {\"initial\": \"0\", \"final\": \"1\"}}}");

	(void)state;
	p = c->process;
	assert_string_equal(c->oci_version, "1.3.0");
	assert_string_equal(c->root->path, "r");
	assert_true(c->root->readonly);
	assert_string_equal(c->hostname, "h");
	assert_string_equal(c->domainname, "d");
	assert_int_equal(c->annotations.count, 1);
	assert_string_equal(c->annotations.items[0].key, "k");
	assert_string_equal(c->annotations.items[0].value, "v");
	assert_non_null(c->linux);
	assert_true(p->terminal && p->no_new_privileges && p->console_size.set);
	assert_int_equal(p->console_size.height, 24);
	assert_int_equal(p->console_size.width, 80);
	assert_int_equal(p->user.uid, 1);
	assert_int_equal(p->user.gid, 2);
	assert_true(p->user.umask.set && p->user.umask.value == 18);
	assert_int_equal(p->user.additional_gids_count, 2);
	assert_int_equal(p->user.additional_gids[1], 4);
	assert_string_equal(p->user.username, "n");
	assert_int_equal(p->args_count, 2);
	assert_string_equal(p->args[1], "b");
	assert_string_equal(p->env[0], "A=1");
	assert_string_equal(p->cwd, "/c");
	assert_true(p->capabilities->bounding.bits == (1 | UINT64_C(1) << 40));
	assert_true(p->capabilities->effective.set && p->capabilities->effective.bits == 0);
	assert_true(p->capabilities->inheritable.bits == 1u << 5);
	assert_int_equal(p->capabilities->permitted.unknown_count, 3);
	assert_string_equal(p->capabilities->permitted.unknown[2], "Z");
	assert_true(p->capabilities->ambient.bits == UINT64_C(1) << 39);
	assert_int_equal(p->rlimits[0].type, CONFIG_RLIMIT_RTTIME);
	assert_int_equal(p->rlimits[0].soft, 5);
	assert_int_equal(p->rlimits[0].hard, 6);
	assert_string_equal(p->apparmor_profile, "ap");
	assert_string_equal(p->selinux_label, "se");
	assert_true(p->oom_score_adj.set && p->oom_score_adj.value == -7);
	assert_int_equal(p->scheduler->policy, CONFIG_SCHED_DEADLINE);
	assert_int_equal(p->scheduler->nice, -1);
	assert_int_equal(p->scheduler->priority, 2);
	assert_int_equal(p->scheduler->flags, 6);
	assert_int_equal(p->scheduler->runtime, 3);
	assert_int_equal(p->scheduler->deadline, 4);
	assert_int_equal(p->scheduler->period, 5);
	assert_int_equal(p->io_priority->class, CONFIG_IOPRIO_CLASS_RT);
	assert_int_equal(p->io_priority->priority.value, 6);
	assert_string_equal(p->exec_cpu_affinity->initial, "0");
	assert_string_equal(p->exec_cpu_affinity->final, "1");
}

static void mounts_and_hooks(void **state)
{
	struct config *c = parse(
		"{\"ociVersion\": \"1.3.0\", \"root\": {\"path\": \"r\"}, \"mounts\": [{\"destination\": \"/d\", "
		"\"type\": "
		"\"t\", \"source\": \"s\", \"options\": [\"o1\", \"o2\"], \"uidMappings\": [{\"containerID\": 1, "
		"\"hostID\": 2, \"size\": 3}], \"gidMappings\": [{\"containerID\": 4, \"hostID\": 5, \"size\": 6}]}], "
		"\"hooks\": {\"prestart\": [{\"path\": \"/1\", \"args\": [\"a\"], \"env\": [], \"timeout\": 9}], "
		"\"createRuntime\": [{\"path\": \"/2\"}], \"createContainer\": [{\"path\": \"/3\"}], "
		"\"startContainer\": "
		"[{\"path\": \"/4\"}], \"poststart\": [{\"path\": \"/5\"}], \"poststop\": [{\"path\": \"/6\"}, "
		"{\"path\": "
		"\"/7\"}]}}");
	const struct config_mount *m = c->mounts;
	const struct config_hooks *h = c->hooks;

	(void)state;
	assert_int_equal(c->mounts_count, 1);
	assert_string_equal(m->destination, "/d");
	assert_string_equal(m->type, "t");
	assert_string_equal(m->source, "s");
	assert_int_equal(m->options_count, 2);
	assert_int_equal(m->uid_mappings[0].container_id, 1);
	assert_int_equal(m->uid_mappings[0].host_id, 2);
	assert_int_equal(m->uid_mappings[0].size, 3);
	assert_int_equal(m->gid_mappings[0].container_id, 4);
	assert_int_equal(m->gid_mappings_count, 1);
	assert_string_equal(h->prestart.items[0].path, "/1");
	assert_true(h->prestart.items[0].args_set && h->prestart.items[0].env_set);
	assert_int_equal(h->prestart.items[0].args_count, 1);
	assert_int_equal(h->prestart.items[0].env_count, 0);
	assert_int_equal(h->prestart.items[0].timeout.value, 9);
	assert_string_equal(h->create_runtime.items[0].path, "/2");
	assert_false(h->create_runtime.items[0].env_set || h->create_runtime.items[0].timeout.set);
	assert_string_equal(h->create_container.items[0].path, "/3");
	assert_string_equal(h->start_container.items[0].path, "/4");
	assert_string_equal(h->poststart.items[0].path, "/5");
	assert_int_equal(h->poststop.count, 2);
	assert_string_equal(h->poststop.items[1].path, "/7");
}

static void linux_members(void **state)
{
	const struct config_linux *l = parse(
		"{\"ociVersion\": \"1.3.0\", \"root\": {\"path\": \"r\"}, \"linux\": {\"uidMappings\": "
		"[{\"containerID\": 1, \"hostID\": 2, \"size\": 3}], \"gidMappings\": [{\"containerID\": 4, "
		"\"hostID\": "
		"5, \"size\": 6}], \"sysctl\": {\"a.b\": \"c\"}, \"cgroupsPath\": \"/cg\", \"namespaces\": [{\"type\": "
		"\"time\", \"path\": \"/ns\"}, {\"type\": \"pid\"}], \"devices\": [{\"type\": \"u\", \"path\": "
		"\"/dev/x\", "
		"\"major\": 1, \"minor\": 2, \"fileMode\": 438, \"uid\": 3, \"gid\": 4}], \"netDevices\": {\"eth0\": "
		"{\"name\": \"e\"}, \"eth1\": {}}, \"rootfsPropagation\": \"rslave\", \"maskedPaths\": [\"/m\"], "
		"\"readonlyPaths\": [\"/r\"], \"mountLabel\": \"ml\", \"intelRdt\": {\"closID\": \"cl\", \"schemata\": "
		"[\"s1\", \"s2\"], \"l3CacheSchema\": \"l3\", \"memBwSchema\": \"mb\", \"enableMonitoring\": true}, "
		"\"memoryPolicy\": {\"mode\": \"MPOL_BIND\", \"nodes\": \"0\", \"flags\": [\"MPOL_F_STATIC_NODES\"]}, "
		"\"personality\": {\"domain\": \"LINUX32\", \"flags\": []}, \"timeOffsets\": {\"boottime\": {\"secs\": "
		"-5, \"nanosecs\": 6}}}}")
					       ->linux;

	(void)state;
	assert_int_equal(l->uid_mappings[0].host_id, 2);
	assert_int_equal(l->gid_mappings[0].size, 6);
	assert_string_equal(l->sysctl.items[0].key, "a.b");
	assert_string_equal(l->cgroups_path, "/cg");
	assert_int_equal(l->namespaces_count, 2);
	assert_int_equal(l->namespaces[0].type, CONFIG_NS_TIME);
	assert_string_equal(l->namespaces[0].path, "/ns");
	assert_null(l->namespaces[1].path);
	assert_int_equal(l->devices[0].type, 'u');
	assert_string_equal(l->devices[0].path, "/dev/x");
	assert_int_equal(l->devices[0].major.value, 1);
	assert_int_equal(l->devices[0].minor.value, 2);
	assert_int_equal(l->devices[0].file_mode.value, 0666);
	assert_int_equal(l->devices[0].uid.value, 3);
	assert_int_equal(l->devices[0].gid.value, 4);
	assert_int_equal(l->net_devices_count, 2);
	assert_string_equal(l->net_devices[0].host_name, "eth0");
	assert_string_equal(l->net_devices[0].name, "e");
	assert_null(l->net_devices[1].name);
	assert_int_equal(l->rootfs_propagation, CONFIG_PROPAGATION_RSLAVE);
	assert_string_equal(l->masked_paths[0], "/m");
	assert_string_equal(l->readonly_paths[0], "/r");
	assert_string_equal(l->mount_label, "ml");
	assert_string_equal(l->intel_rdt->clos_id, "cl");
	assert_string_equal(l->intel_rdt->schemata[1], "s2");
	assert_string_equal(l->intel_rdt->l3_cache_schema, "l3");
	assert_string_equal(l->intel_rdt->mem_bw_schema, "mb");
	assert_true(l->intel_rdt->enable_monitoring);
	assert_int_equal(l->memory_policy->mode, CONFIG_MPOL_BIND);
	assert_string_equal(l->memory_policy->nodes, "0");
	assert_int_equal(l->memory_policy->flags, 1 << 15);
	assert_string_equal(l->personality->domain, "LINUX32");
	assert_string_equal(l->time_offsets[0].clock, "boottime");
	assert_int_equal(l->time_offsets[0].secs, -5);
	assert_int_equal(l->time_offsets[0].nanosecs, 6);
}

static void resources_members(void **state)
{
	static const char text[] =
		"{\"devices\": [{\"allow\": true, \"type\": \"c\", \"major\": 1, \"minor\": -1, \"access\": \"rw\"}, "
		"{\"allow\": false}], \"memory\": {\"limit\": 1, \"reservation\": 2, \"swap\": 3, \"kernel\": 4, "
		"\"kernelTCP\": 5, \"swappiness\": 6, \"disableOOMKiller\": true, \"useHierarchy\": false, "
		"\"checkBeforeUpdate\": true}, \"cpu\": {\"shares\": 1, \"quota\": 2, \"burst\": 3, \"period\": 4, "
		"\"realtimeRuntime\": 5, \"realtimePeriod\": 6, \"cpus\": \"7\", \"mems\": \"8\", \"idle\": 1}, "
		"\"pids\": "
		"{\"limit\": 9}, \"blockIO\": {\"weight\": 10, \"leafWeight\": 11, \"weightDevice\": [{\"major\": 1, "
		"\"minor\": 2, \"weight\": 3, \"leafWeight\": 4}], \"throttleReadBpsDevice\": [{\"major\": 1, "
		"\"minor\": 2, "
		"\"rate\": 21}], \"throttleWriteBpsDevice\": [{\"major\": 1, \"minor\": 2, \"rate\": 22}], "
		"\"throttleReadIOPSDevice\": [{\"major\": 1, \"minor\": 2, \"rate\": 23}], "
		"\"throttleWriteIOPSDevice\": "
		"[{\"major\": 1, \"minor\": 2, \"rate\": 24}]}, \"hugepageLimits\": [{\"pageSize\": \"2MB\", "
		"\"limit\": 5}], "
		"\"network\": {\"classID\": 6, \"priorities\": [{\"name\": \"e\", \"priority\": 7}]}, \"rdma\": "
		"{\"m\": "
		"{\"hcaHandles\": 8, \"hcaObjects\": 9}}, \"unified\": {\"memory.high\": \"max\"}}";
	struct json_errors errors = {0};
	struct config_resources *r;
	const struct config_block_io *b;

	(void)state;
	assert_int_equal(resources_parse(text, sizeof text - 1, &arena, &r, &errors), 0);
	assert_true(r->devices_set && r->devices_count == 2 && r->devices[0].allow && !r->devices[1].allow);
	assert_int_equal(r->devices[0].type, 'c');
	assert_int_equal(r->devices[1].type, 'a');
	assert_int_equal(r->devices[0].minor.value, -1);
	assert_false(r->devices[1].major.set);
	assert_string_equal(r->devices[0].access, "rw");
	assert_int_equal(r->memory->limit.value, 1);
	assert_int_equal(r->memory->reservation.value, 2);
	assert_int_equal(r->memory->swap.value, 3);
	assert_int_equal(r->memory->kernel.value, 4);
	assert_int_equal(r->memory->kernel_tcp.value, 5);
	assert_int_equal(r->memory->swappiness.value, 6);
	assert_true(r->memory->disable_oom_killer.value && r->memory->check_before_update.value);
	assert_true(r->memory->use_hierarchy.set && !r->memory->use_hierarchy.value);
	assert_int_equal(r->cpu->shares.value, 1);
	assert_int_equal(r->cpu->quota.value, 2);
	assert_int_equal(r->cpu->burst.value, 3);
	assert_int_equal(r->cpu->period.value, 4);
	assert_int_equal(r->cpu->realtime_runtime.value, 5);
	assert_int_equal(r->cpu->realtime_period.value, 6);
	assert_string_equal(r->cpu->cpus, "7");
	assert_string_equal(r->cpu->mems, "8");
	assert_int_equal(r->cpu->idle.value, 1);
	assert_true(r->pids.set && r->pids.limit.set && r->pids.limit.value == 9);
	b = r->block_io;
	assert_int_equal(b->weight.value, 10);
	assert_int_equal(b->leaf_weight.value, 11);
	assert_int_equal(b->weight_device[0].minor, 2);
	assert_int_equal(b->weight_device[0].weight.value, 3);
	assert_int_equal(b->weight_device[0].leaf_weight.value, 4);
	assert_int_equal(b->throttle_read_bps_device.items[0].rate, 21);
	assert_int_equal(b->throttle_write_bps_device.items[0].rate, 22);
	assert_int_equal(b->throttle_read_iops_device.items[0].rate, 23);
	assert_int_equal(b->throttle_write_iops_device.items[0].rate, 24);
	assert_string_equal(r->hugepage_limits[0].page_size, "2MB");
	assert_int_equal(r->hugepage_limits[0].limit, 5);
	assert_int_equal(r->network->class_id.value, 6);
	assert_string_equal(r->network->priorities[0].name, "e");
	assert_int_equal(r->network->priorities[0].priority, 7);
	assert_string_equal(r->rdma[0].device, "m");
	assert_int_equal(r->rdma[0].hca_handles.value, 8);
	assert_int_equal(r->rdma[0].hca_objects.value, 9);
	assert_string_equal(r->unified.items[0].value, "max");
}

static void seccomp_members(void **state)
{
	const struct config_seccomp *s = parse(
		"{\"ociVersion\": \"1.3.0\", \"root\": {\"path\": \"r\"}, \"linux\": {\"seccomp\": {\"defaultAction\": "
		"\"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 38, \"architectures\": [\"SCMP_ARCH_X86_64\"], \"flags\": "
		"[\"SECCOMP_FILTER_FLAG_LOG\"], \"listenerPath\": \"/l\", \"listenerMetadata\": \"m\", \"syscalls\": "
		"[{\"names\": [\"a\", \"b\"], \"action\": \"SCMP_ACT_NOTIFY\", \"errnoRet\": 1, \"args\": [{\"index\": "
		"5, "
		"\"value\": 18446744073709551615, \"valueTwo\": 2, \"op\": \"SCMP_CMP_MASKED_EQ\"}]}]}}}")
						 ->linux->seccomp;

	(void)state;
	assert_int_equal(s->default_action, CONFIG_SCMP_ACT_ERRNO);
	assert_int_equal(s->default_errno_ret.value, 38);
	assert_string_equal(s->architectures[0], "SCMP_ARCH_X86_64");
	assert_string_equal(s->flags[0], "SECCOMP_FILTER_FLAG_LOG");
	assert_string_equal(s->listener_path, "/l");
	assert_string_equal(s->listener_metadata, "m");
	assert_int_equal(s->syscalls[0].names_count, 2);
	assert_int_equal(s->syscalls[0].action, CONFIG_SCMP_ACT_NOTIFY);
	assert_int_equal(s->syscalls[0].errno_ret.value, 1);
	assert_int_equal(s->syscalls[0].args[0].index, 5);
	assert_true(s->syscalls[0].args[0].value == UINT64_MAX);
	assert_int_equal(s->syscalls[0].args[0].value_two, 2);
	assert_int_equal(s->syscalls[0].args[0].op, CONFIG_SCMP_CMP_MASKED_EQ);
}

static void mounts_are_bounded(void **state)
{
	struct json_errors errors = {0};
	char *text = malloc(5000 * 24 + 100), *p = text;
	struct config *c;

	(void)state;
	p += sprintf(p, "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"mounts\":[");
	for (int i = 0; i < 4097; i++)
		p += sprintf(p, "%s{\"destination\":\"/a\"}", i ? "," : "");
	p += sprintf(p, "]}");
	assert_int_equal(config_parse(text, (size_t)(p - text), &arena, &c, &errors), -EINVAL);
	assert_string_equal(errors.items[0].path, "mounts");
	assert_string_equal(errors.items[0].msg, "too many elements: the limit is 4096");
	assert_int_equal(c->mounts_count, 4096);
	free(text);
}

/* Tables that others print. */
static void name_tables(void **state)
{
	size_t n = 0;

	(void)state;
	while (config_capability_names.names[n].name)
		n++;
	assert_int_equal(n, 41);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(config_capability_names.names[i].value, i);
	assert_string_equal(config_capability_names.names[40].name, "CAP_CHECKPOINT_RESTORE");
	assert_string_equal(config_hook_names.names[5].name, "poststop");
	/* The reader has one bit per member. */
	assert_true(config_object.field_count <= 64 && config_linux_object.field_count <= 64);
}

/* --- loading -------------------------------------------------------------------- */

static int bundle = -1;
static char bundle_path[64];

static void put(const char *name, const char *text)
{
	int fd = openat(bundle, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int make_bundle(void **state)
{
	(void)state;
	strcpy(bundle_path, "/tmp/test-config-XXXXXX");
	if (!mkdtemp(bundle_path))
		return -1;
	bundle = open(bundle_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return bundle < 0 ? -1 : 0;
}

static int remove_bundle(void **state)
{
	unlinkat(bundle, "config.json", 0);
	unlinkat(bundle, "config.json", AT_REMOVEDIR);
	close(bundle);
	rmdir(bundle_path);
	return tear_down(state);
}

static int load(struct config_document *doc, struct error *err)
{
	*err = (struct error){0};
	return config_load(bundle, "config.json", bundle_path, &arena, doc, err);
}

static void loads_a_bundle(void **state)
{
	static const char text[] = "{\"ociVersion\": \"1.0.0\", \"root\": {\"path\": \"r\"}}\n";
	struct config_document doc;
	struct error err;

	(void)state;
	put("config.json", text);
	assert_int_equal(load(&doc, &err), 0);
	assert_int_equal(doc.len, sizeof text - 1);
	assert_memory_equal(doc.text, text, doc.len);
	assert_string_equal(doc.config->root->path, "r");
	assert_non_null(doc.config->linux);
	assert_int_equal(doc.errors.count + doc.warnings.count, 0);
}

static void refuses_in_words(void **state)
{
	struct config_document doc;
	struct error err;
	char expected[256];

	(void)state;
	assert_int_equal(load(&doc, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "config.json"));
	assert_non_null(strstr(err.msg, bundle_path));

	put("config.json", "{\"ociVersion\": \"1.0.0\", \"root\": {\"path\": \"\"}}");
	assert_int_equal(load(&doc, &err), -EINVAL);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_string_equal(err.path, "root.path");
	assert_string_equal(err.msg, "config.json: root.path: must not be empty");

	put("config.json", "{\"ociVersion\": 1, \"hostname\": \"x\", \"process\": {\"cwd\": \"y\"}}");
	assert_int_equal(load(&doc, &err), -EINVAL);
	assert_int_equal(doc.errors.count, 5);
	snprintf(expected, sizeof expected,
		"config.json: ociVersion: expected a string, found a number (and 4 more; run oci-rt check %s)",
		bundle_path);
	assert_string_equal(err.msg, expected);

	put("config.json", "{\"ociVersion\": \"1.0.0\",\n \"root\": {\"path\": \"r\"} ]");
	assert_int_equal(load(&doc, &err), -EINVAL);
	assert_int_equal(doc.errors.count, 1);
	assert_string_equal(err.path, "");
	assert_non_null(strstr(err.msg, "config.json: line 2, column "));
}

static void refuses_what_is_no_file(void **state)
{
	struct config_document doc;
	struct error err;
	int fd;

	(void)state;
	assert_int_equal(mkdirat(bundle, "config.json", 0700), 0);
	assert_true(load(&doc, &err) < 0);
	unlinkat(bundle, "config.json", AT_REMOVEDIR);

	/* Nobody writes to it: opening it must not wait. */
	assert_int_equal(mkfifoat(bundle, "config.json", 0600), 0);
	assert_int_equal(load(&doc, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "config.json is not a regular file"));
	unlinkat(bundle, "config.json", 0);

	fd = openat(bundle, "config.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 16 * 1024 * 1024 + 1), 0);
	close(fd);
	assert_int_equal(load(&doc, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "config.json is larger than 16 MiB"));
}

static void loads_process_and_resources(void **state)
{
	struct json_errors warnings = {0};
	struct config_process *p;
	struct config_resources *r;
	struct error err = {0};
	int fds[2];

	(void)state;
	put("config.json", "{\"cwd\": \"/\", \"args\": [\"sh\"], \"env\": [\"A\"]}");
	assert_int_equal(process_load(bundle, "config.json", &arena, &p, &warnings, &err), -EINVAL);
	assert_string_equal(err.msg, "config.json: env[0]: \"A\" has no \"=\": expected NAME=value");
	put("config.json", "{\"cwd\": \"/\", \"args\": [\"sh\"], \"capabilities\": {\"bounding\": [\"CAP_X\"]}}");
	assert_int_equal(process_load(bundle, "config.json", &arena, &p, &warnings, &err), 0);
	assert_string_equal(p->args[0], "sh");
	assert_int_equal(warnings.count, 1);

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], "{\"pids\": {\"limit\": 7}}", 22), 22);
	close(fds[1]);
	assert_int_equal(resources_load(fds[0], "standard input", &arena, &r, &warnings, &err), 0);
	assert_int_equal(r->pids.limit.value, 7);
	close(fds[0]);
}

int main(void)
{
#define LOADING(f) cmocka_unit_test_setup_teardown(f, make_bundle, remove_bundle)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(process_members, tear_down),
		cmocka_unit_test_teardown(mounts_and_hooks, tear_down),
		cmocka_unit_test_teardown(linux_members, tear_down),
		cmocka_unit_test_teardown(resources_members, tear_down),
		cmocka_unit_test_teardown(seccomp_members, tear_down),
		cmocka_unit_test_teardown(mounts_are_bounded, tear_down),
		cmocka_unit_test(name_tables),
		LOADING(loads_a_bundle),
		LOADING(refuses_in_words),
		LOADING(refuses_what_is_no_file),
		LOADING(loads_process_and_resources),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
