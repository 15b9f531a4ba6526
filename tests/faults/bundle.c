/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: writes the bundles of the yardsticks: the configuration
 * `runc spec` prints (so that a figure compares with what people measure
 * elsewhere), and on demand everything that has a step of its own in a runtime,
 * so that a walk over all system calls meets all of them.  The root filesystem
 * holds only the named static programs and the mount points.
 */
#include "tests/faults/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/faults/support.h"

#define CAPABILITIES "[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\",\"CAP_MKNOD\"]"

static void put_process(FILE *f, const struct bundle *b)
{
	fprintf(f, "\"process\":{\"terminal\":%s,\"user\":{\"uid\":0,\"gid\":0%s},\"args\":[",
		b->terminal ? "true" : "false", b->rich ? ",\"additionalGids\":[10,20]" : "");
	for (int i = 0; b->args[i]; i++)
		fprintf(f, "%s\"%s\"", i ? "," : "", b->args[i]);
	fputs("],\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"TERM=xterm\"],"
	      "\"cwd\":\"/\",\"capabilities\":{\"bounding\":" CAPABILITIES ",\"effective\":" CAPABILITIES
	      ",\"permitted\":" CAPABILITIES "},\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}",
		f);
	if (b->rich)
		fputs(",{\"type\":\"RLIMIT_CORE\",\"hard\":0,\"soft\":0},"
		      "{\"type\":\"RLIMIT_NPROC\",\"hard\":4096,\"soft\":2048}",
			f);
	fprintf(f, "],%s\"noNewPrivileges\":true}", b->rich ? "\"oomScoreAdj\":100," : "");
}

static void put_mounts(FILE *f, const struct bundle *b)
{
	fprintf(f,
		"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":"
		"[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
		"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":"
		"[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"%s]},"
		"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":"
		"[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
		"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":"
		"[\"nosuid\",\"noexec\",\"nodev\"]},"
		"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":"
		"[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
		"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":"
		"[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}",
		b->user_namespace ? "" : ",\"gid=5\"");
	if (b->rich)
		fprintf(f,
			",{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":"
			"[\"nosuid\",\"nodev\",\"noexec\",\"size=4096k\"]},"
			"{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"%s\",\"options\":"
			"[\"rbind\",\"ro\",\"nosuid\",\"nodev\",\"noexec\"]}",
			b->volume);
	fputs("]", f);
}

static void put_resources(FILE *f, const struct bundle *b)
{
	fputs("\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}", f);
	if (b->rich)
		fputs(",{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"rw\"}", f);
	fputs("]", f);
	if (b->memory_limit)
		fprintf(f, ",\"memory\":{\"limit\":%lld}", (long long)b->memory_limit);
	if (b->rich)
		fputs(",\"pids\":{\"limit\":64},\"cpu\":{\"shares\":512}", f);
	fputs("}", f);
}

static void put_linux(FILE *f, const struct bundle *b)
{
	fputs("\"linux\":{", f);
	put_resources(f, b);
	if (b->cgroup)
		fprintf(f, ",\"cgroupsPath\":\"%s\"", b->cgroup);
	fprintf(f,
		",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
		"{\"type\":\"mount\"}%s%s]",
		b->v2 ? ",{\"type\":\"cgroup\"}" : "", b->user_namespace ? ",{\"type\":\"user\"}" : "");
	if (b->user_namespace)
		fputs(",\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],"
		      "\"gidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}]",
			f);
	fputs(",\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\",\"/proc/"
	      "latency_stats\","
	      "\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\",\"/sys/firmware\",\"/proc/scsi\"],"
	      "\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]",
		f);
	if (b->rich) {
		fputs(",\"sysctl\":{\"net.ipv4.ip_default_ttl\":\"61\",\"kernel.msgmax\":\"8000\"}", f);
		if (!b->user_namespace)
			fputs(",\"devices\":[{\"path\":\"/dev/net/tun\",\"type\":\"c\",\"major\":10,\"minor\":200,"
			      "\"fileMode\":432,\"uid\":0,\"gid\":0}]",
				f);
	}
	if (b->seccomp)
		fprintf(f, ",\"seccomp\":%s", b->seccomp);
	fputs("}", f);
}

static void make_rootfs(const struct bundle *b)
{
	static const char *const dirs[] = {"bin", "proc", "dev", "sys", "tmp", "data", "etc"};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		char *dir = fmt_text("%s/rootfs/%s", b->dir, dirs[i]);

		make_dirs(dir);
		free(dir);
	}
	for (int i = 0; b->programs[i]; i += 2) {
		char *to = fmt_text("%s/rootfs/bin/%s", b->dir, b->programs[i + 1]);

		copy_file(b->programs[i], to);
		free(to);
	}
}

void bundle_write(const struct bundle *b)
{
	char *path = fmt_text("%s/config.json", b->dir);
	FILE *f;

	make_dirs(b->dir);
	make_rootfs(b);
	f = fopen(path, "we");
	if (!f)
		die("cannot write %s", path);
	fputs("{\"ociVersion\":\"1.0.2\",\"hostname\":\"yard\",\"root\":{\"path\":\"rootfs\",\"readonly\":true},", f);
	put_process(f, b);
	fputs(",", f);
	put_mounts(f, b);
	fputs(",", f);
	put_linux(f, b);
	if (b->hook)
		fprintf(f, ",\"hooks\":{\"createRuntime\":[{\"path\":\"%s\",\"args\":[\"hook\"],\"timeout\":4}]}",
			b->hook);
	fputs("}\n", f);
	if (fclose(f))
		die("cannot write %s", path);
	free(path);
}
