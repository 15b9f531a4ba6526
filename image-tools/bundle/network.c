/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a bridge through the distribution's CNI plugins, driven by two
 * hooks of the bundle.  network-add (createRuntime) pins the container's network
 * namespace below /run/oci-image, so that it is still there at poststop, and runs
 * loopback, bridge (with host-local addresses), portmap and firewall.  network-remove
 * runs the same chain backwards and lets the namespace go.  network.json in the bundle
 * says that there is something to undo, whatever killed the container.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"
#include "image-tools/bundle/bundle.h"

#define RUN_DIR "/run/oci-image"
#define CNI_TIMEOUT_MS 30000
#define NETWORK_FILE "network.json"

struct hook_state {
	const char *id;
	int64_t pid;
};
static const struct json_field state_fields[] = {
	JSON_F(JSON_STRING, struct hook_state, id, "id", .required = true),
	JSON_F(JSON_INT, struct hook_state, pid, "pid"),
};
static const struct json_object state_object = JSON_OBJECT_OF("state", struct hook_state, state_fields);

struct saved_network {
	const char *id, *netns, *ports, *result;
};
static const struct json_field saved_fields[] = {
	JSON_F(JSON_STRING, struct saved_network, id, "id", .required = true),
	JSON_F(JSON_STRING, struct saved_network, netns, "netns", .required = true),
	JSON_F(JSON_RAW, struct saved_network, ports, "ports"),
	JSON_F(JSON_RAW, struct saved_network, result, "result"),
};
static const struct json_object saved_object = JSON_OBJECT_OF("network", struct saved_network, saved_fields);

struct ports_only {
	const char *ports;
};
static const struct json_field ports_fields[] = { JSON_F(JSON_RAW, struct ports_only, ports, "ports") };
static const struct json_object ports_object = JSON_OBJECT_OF("bundle", struct ports_only, ports_fields);

/* What the plugins say of the container's addresses (CNI specification, "Success"). */
struct cni_address {
	const char *address; /* with its prefix length */
};
struct cni_result {
	struct cni_address *ips;
	size_t ips_count;
};
static const struct json_field address_fields[] = { JSON_F(JSON_STRING, struct cni_address, address, "address", .required = true) };
static const struct json_object address_object = JSON_OBJECT_OF("ip", struct cni_address, address_fields);
static const struct json_field result_fields[] = {
	JSON_F_ARRAY(JSON_OBJECTS, struct cni_result, ips, "ips", .object = &address_object),
};
static const struct json_object result_object = JSON_OBJECT_OF("result", struct cni_result, result_fields);

static const char *plugin_path(struct arena *a)
{
	const char *env = getenv("CNI_PATH");

	(void)a;
	if (env && *env == '/')
		return env;
	return access("/usr/lib/cni/bridge", X_OK) == 0 ? "/usr/lib/cni" : "/opt/cni/bin";
}

/* The chain, in the order of ADD.  %s: prevResult and runtimeConfig members. */
static const struct plugin {
	const char *name, *config;
	bool optional, ports;
} chain[] = {
	{ "loopback", "", false, false },
	{ "bridge",
		"\"bridge\":\"oci0\",\"isGateway\":true,\"ipMasq\":true,\"hairpinMode\":true,"
		"\"ipam\":{\"type\":\"host-local\",\"ranges\":[[{\"subnet\":\"10.87.0.0/16\"}]],"
		"\"routes\":[{\"dst\":\"0.0.0.0/0\"}],\"dataDir\":\"" RUN_DIR "/ipam\"},",
		false, false },
	{ "portmap", "\"capabilities\":{\"portMappings\":true},\"snat\":true,", false, true },
	{ "firewall", "\"backend\":\"iptables\",", true, false },
};
#define CHAIN_LENGTH (sizeof chain / sizeof chain[0])

static int run_plugin(const struct plugin *p, const char *command, const struct saved_network *n, struct arena *a,
	const char **result, struct error *err)
{
	const char *dir = plugin_path(a), *path = arena_printf(a, "%s/%s", dir, p->name);
	const char *prev = n->result ? arena_printf(a, "\"prevResult\":%s,", n->result) : "";
	const char *ports = p->ports && n->ports ? arena_printf(a, "\"runtimeConfig\":{\"portMappings\":%s},", n->ports) : "";
	const char *config = arena_printf(a, "{\"cniVersion\":\"0.4.0\",\"name\":\"oci-image\",%s%s%s\"type\":\"%s\"}", p->config,
		strcmp(p->name, "bridge") == 0 && strcmp(command, "ADD") == 0 ? "" : prev, ports, p->name);
	const char *env[] = { arena_printf(a, "CNI_COMMAND=%s", command), arena_printf(a, "CNI_CONTAINERID=%s", n->id),
		arena_printf(a, "CNI_NETNS=%s", n->netns), strcmp(p->name, "loopback") ? "CNI_IFNAME=eth0" : "CNI_IFNAME=lo",
		arena_printf(a, "CNI_PATH=%s", dir), "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	struct spawn s = { .path = path, .envp = env, .input = config, .input_len = strlen(config),
		.timeout_ms = CNI_TIMEOUT_MS, .stdout_fd = -1, .stderr_fd = -1, .capture = true };
	char text[64];
	int status, r;

	if (access(path, X_OK) < 0) {
		if (p->optional)
			return 0;
		error_set(err, ERR_UNSUPPORTED, ENOENT, "network plugin %s is not installed", path);
		error_hint(err, "install the package containernetworking-plugins, or use --net none|host");
		return -ENOENT;
	}
	r = spawn_run(&s, a, &status, err);
	if (r < 0)
		return r;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(err, ERR_HOOK, EIO, "network plugin %s %s: %s: %.600s", p->name, command,
			spawn_status_text(status, text), s.output ? s.output : "");
	*result = s.output;
	return 0;
}

static int save(const char *bundle, const struct saved_network *n, struct arena *a, struct error *err)
{
	_cleanup_fd_ int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct json_writer w;
	const char *text;
	size_t len;
	int r;

	json_writer_init(&w, a, false);
	json_write_object(&w);
	json_write_member_string(&w, "id", n->id);
	json_write_member_string(&w, "netns", n->netns);
	if (n->ports) {
		json_write_key(&w, "ports");
		json_write_raw(&w, n->ports, strlen(n->ports));
	}
	if (n->result) {
		json_write_key(&w, "result");
		json_write_raw(&w, n->result, strlen(n->result));
	}
	json_write_end_object(&w);
	text = json_writer_finish(&w, &len);
	r = dir < 0 ? -errno : fd_replace_file(dir, NETWORK_FILE, text, len, 0644);
	return r < 0 ? error_sys(err, -r, "write %s/" NETWORK_FILE, bundle) : 0;
}

/* One plugin chain at a time: their use of iptables and the address files is not safe otherwise. */
static int lock_network(void)
{
	int fd;

	mkdir(RUN_DIR, 0700);
	mkdir(RUN_DIR "/netns", 0700);
	fd = open(RUN_DIR "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

static int pin_namespace(const char *netns, int64_t pid, struct error *err)
{
	char source[64];
	int fd = open(netns, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return error_sys(err, errno, "create %s", netns);
	close(fd);
	snprintf(source, sizeof source, "/proc/%lld/ns/net", (long long)pid);
	if (mount(source, netns, NULL, MS_BIND, NULL) < 0) {
		int e = errno;

		unlink(netns);
		return error_sys(err, e, "keep the network namespace of process %lld", (long long)pid);
	}
	return 0;
}

static const char *netns_path(const char *bundle, struct arena *a)
{
	struct digest d;
	char hex[DIGEST_TEXT_MAX];

	digest_of(DIGEST_SHA256, bundle, strlen(bundle), &d);
	return arena_printf(a, RUN_DIR "/netns/%.24s", digest_hex(&d, hex));
}

static int run_tool(struct arena *a, const char *path, const char *const *args, const char **output)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	_cleanup_fd_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct spawn s = { .path = path, .argv = args, .envp = env, .timeout_ms = CNI_TIMEOUT_MS, .stdout_fd = null,
		.stderr_fd = null, .capture = output != NULL };
	int status, r = spawn_run(&s, a, &status, NULL);

	if (output)
		*output = s.output ? s.output : "";
	return r < 0 ? r : WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* The plugins leave their shared chains and the bridge behind.  After the last container they go too, unless somebody
 * else's rules are in them: a chain that has rules of its own, or is still referred to, cannot be deleted. */
static void remove_shared(struct arena *a)
{
	static const struct {
		const char *table, *chain, *parents[3];
		const char *rule[9]; /* of the parents */
		int own; /* rules that the plugins themselves put into an unused chain */
	} shared[] = {
		{ "nat", "CNI-HOSTPORT-DNAT", { "PREROUTING", "OUTPUT" },
			{ "-m", "addrtype", "--dst-type", "LOCAL", "-j", "CNI-HOSTPORT-DNAT" }, 0 },
		{ "nat", "CNI-HOSTPORT-MASQ", { "POSTROUTING" },
			{ "-m", "comment", "--comment", "CNI portfwd requiring masquerade", "-j", "CNI-HOSTPORT-MASQ" }, 1 },
		{ "nat", "CNI-HOSTPORT-SETMARK", { NULL }, { NULL }, 1 },
		{ "filter", "CNI-FORWARD", { "FORWARD" },
			{ "-m", "comment", "--comment", "CNI firewall plugin rules", "-j", "CNI-FORWARD" }, 1 },
		{ "filter", "CNI-ADMIN", { NULL }, { NULL }, 0 },
	};
	const char *iptables = access("/usr/sbin/iptables", X_OK) == 0 ? "/usr/sbin/iptables" : "/sbin/iptables";
	const char *ip = access("/usr/sbin/ip", X_OK) == 0 ? "/usr/sbin/ip" : access("/sbin/ip", X_OK) == 0 ? "/sbin/ip" : "/bin/ip";

	run_tool(a, ip, (const char *const[]){ ip, "link", "delete", "oci0", NULL }, NULL);
	for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
		const char *list;
		int rules = -1; /* the first line is the chain itself */

		if (run_tool(a, iptables, (const char *const[]){ iptables, "-w", "-t", shared[i].table, "-S", shared[i].chain, NULL }, &list) < 0)
			continue;
		for (const char *p = list; *p; p++)
			rules += *p == '\n';
		if (rules > shared[i].own)
			continue;
		for (int k = 0; shared[i].parents[k]; k++) {
			const char *args[16] = { iptables, "-w", "-t", shared[i].table, "-D", shared[i].parents[k] };
			int n = 6;

			for (int m = 0; shared[i].rule[m]; m++)
				args[n++] = shared[i].rule[m];
			run_tool(a, iptables, args, NULL);
		}
		run_tool(a, iptables, (const char *const[]){ iptables, "-w", "-t", shared[i].table, "-F", shared[i].chain, NULL }, NULL);
		run_tool(a, iptables, (const char *const[]){ iptables, "-w", "-t", shared[i].table, "-X", shared[i].chain, NULL }, NULL);
	}
}

static bool any_namespace_left(void)
{
	DIR *d = opendir(RUN_DIR "/netns");
	struct dirent *e;
	bool any = false;

	while (d && (e = readdir(d)))
		any |= e->d_name[0] != '.';
	if (d)
		closedir(d);
	return any;
}

/* The host name means the container's address on its network, as programs expect that announce themselves to others.  The
 * file is written in place: it may be mounted already. */
static void name_address(const char *bundle, const char *result, struct arena *a)
{
	struct cni_result addresses = { 0 };
	struct json_errors errors = { 0 };
	_cleanup_fd_ int fd = open(arena_printf(a, "%s/hosts", bundle), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	char *text, *line, *rest;

	if (fd < 0 || !result || json_read(&result_object, result, strlen(result), a, &addresses, &errors) < 0 ||
		addresses.ips_count == 0 || fd_read_all(fd, a, 1 << 20, &text, NULL) < 0)
		return;
	/* the line after ::1's: with the address of the last time when it is not the first */
	line = strstr(text, "\n::1\t");
	line = line ? strchr(line + 1, '\n') : NULL;
	rest = line ? strchr(++line, '\t') : NULL;
	if (!rest)
		return;
	text = arena_printf(a, "%.*s%.*s%s", (int)(line - text), text, (int)strcspn(addresses.ips[0].address, "/"),
		addresses.ips[0].address, rest);
	if (lseek(fd, 0, SEEK_SET) < 0 || ftruncate(fd, 0) < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		log_warning("%s/hosts cannot be written: the host name keeps its loopback address", bundle);
}

int network_add(const char *bundle, const char *state, size_t len, struct arena *a, struct error *err)
{
	struct hook_state hs = { 0 };
	struct ports_only ports = { 0 };
	struct json_errors errors = { 0 };
	struct saved_network n = { 0 };
	struct error ignored = { 0 };
	char *info;
	size_t info_len;
	int r;

	if (json_read(&state_object, state, len, a, &hs, &errors) < 0 || hs.pid <= 0)
		return error_set(err, ERR_HOOK, EINVAL, "the container's state on standard input is invalid");
	if (fd_read_file(AT_FDCWD, arena_printf(a, "%s/bundle.json", bundle), a, 1 << 20, &info, &info_len) == 0)
		json_read(&ports_object, info, info_len, a, &ports, &errors);
	r = network_remove(bundle, a, &ignored);
	if (r < 0)
		log_warning("%s", ignored.msg);
	_cleanup_fd_ int lock = lock_network();

	(void)lock;
	n.id = arena_printf(a, "%s-%.8s", hs.id, strrchr(netns_path(bundle, a), '/') + 1);
	n.netns = netns_path(bundle, a);
	n.ports = ports.ports && strlen(ports.ports) > 2 ? ports.ports : NULL;
	r = n.ports ? ports_claim(RUN_DIR, strrchr(n.netns, '/') + 1, hs.id, n.ports, a, err) : 0;
	if (r < 0)
		return r;
	r = pin_namespace(n.netns, hs.pid, err);
	if (r == 0)
		r = save(bundle, &n, a, err);
	for (size_t i = 0; r == 0 && i < CHAIN_LENGTH; i++) {
		const char *result = NULL;

		if (chain[i].ports && !n.ports)
			continue;
		r = run_plugin(&chain[i], "ADD", &n, a, &result, err);
		if (r == 0 && i > 0 && result && *result == '{') {
			n.result = result;
			r = save(bundle, &n, a, err);
		}
	}
	if (r == 0)
		name_address(bundle, n.result, a);
	if (r < 0) {
		cleanup_fd(&lock);
		lock = -1;
		network_remove(bundle, a, &ignored);
	}
	return r;
}

int network_remove(const char *bundle, struct arena *a, struct error *err)
{
	const char *file = arena_printf(a, "%s/" NETWORK_FILE, bundle);
	struct saved_network n = { 0 };
	struct json_errors errors = { 0 };
	char *buf;
	size_t len;
	int r = fd_read_file(AT_FDCWD, file, a, 1 << 20, &buf, &len);

	if (r == -ENOENT)
		return 0;
	if (r < 0 || json_read(&saved_object, buf, len, a, &n, &errors) < 0)
		return error_set(err, ERR_CORRUPT, EINVAL, "%s: cannot be read", file);
	_cleanup_fd_ int lock = lock_network();

	(void)lock;
	for (size_t i = CHAIN_LENGTH; i-- > 1;) {
		struct error one = { 0 };
		const char *result;
		int rc;

		if (chain[i].ports && !n.ports)
			continue;
		rc = run_plugin(&chain[i], "DEL", &n, a, &result, &one);
		if (rc < 0 && r == 0) {
			r = rc;
			if (err)
				*err = one;
		}
	}
	if (strncmp(n.netns, RUN_DIR "/netns/", sizeof RUN_DIR "/netns/" - 1) == 0 && !strstr(n.netns, "..")) {
		umount2(n.netns, MNT_DETACH | UMOUNT_NOFOLLOW);
		unlink(n.netns);
		ports_release(RUN_DIR, strrchr(n.netns, '/') + 1, a);
	}
	unlink(file);
	if (!any_namespace_left())
		remove_shared(a);
	return r;
}
