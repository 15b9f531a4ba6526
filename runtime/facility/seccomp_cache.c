/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: compiling a usual profile takes libseccomp 20 ms, and
 * the same few profiles come back for ever.
 *
 * The key is a text of everything that decides the program: a version of this
 * code, libseccomp's version, the native architecture and the profile in the
 * order of the configuration, every string with its length.  Its digest names
 * the file; it need not resist anybody, because the file holds the key itself
 * and only an equal key counts.  The program has a checksum against a damaged
 * disk.  Files belong to the user of the state root and nobody else can write
 * there; a file or directory for which that is not so is not used.
 *
 * Written under another name, then renamed: a reader sees all or nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/facility/seccomp_program.h"

/* To be raised when the same profile compiles to another program. */
#define COMPILER_VERSION 1
#define KEY_MAX (size_t)(4 << 20)

struct header {
	char magic[8];
	uint64_t key_len, insns_count, checksum;
};
static const char magic[8] = "oci-bpf";

/* --- key --------------------------------------------------------------------- */

struct buffer {
	struct arena *arena;
	char *text;
	size_t len, capacity;
};

static char *room(struct buffer *b, size_t n)
{
	if (b->capacity - b->len < n) {
		size_t more = b->capacity * 2 + n;

		b->text = arena_grow(b->arena, b->text, b->capacity, more);
		b->capacity = more;
	}
	b->len += n;
	return b->text + b->len - n;
}

static void put_number(struct buffer *b, uint64_t v)
{
	memcpy(room(b, sizeof v), &v, sizeof v);
}

static void put_string(struct buffer *b, const char *s)
{
	size_t n = strlen(s);

	put_number(b, n);
	memcpy(room(b, n), s, n);
}

static void put_optional(struct buffer *b, const struct opt_u64 *v)
{
	put_number(b, v->set);
	put_number(b, v->set ? v->value : 0);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static uint64_t digest(const void *data, size_t len, uint64_t h)
{
	const char *p = data;
	uint64_t v;

	h = mix(h, len);
	for (; len >= sizeof v; p += sizeof v, len -= sizeof v) {
		memcpy(&v, p, sizeof v);
		h = mix(h, v);
	}
	v = 0;
	memcpy(&v, p, len);
	return mix(mix(h, v), h >> 32);
}

void seccomp_cache_key(const struct seccomp_profile *profile, struct arena *a, struct seccomp_key *key)
{
	const struct config_seccomp *p = profile->config;
	const struct scmp_version *version = seccomp_version();
	struct buffer b = {.arena = a, .capacity = 16384};

	b.text = arena_alloc(a, b.capacity);
	put_number(&b, COMPILER_VERSION);
	put_number(&b, (uint64_t)version->major << 32 | version->minor << 16 | version->micro);
	put_number(&b, seccomp_arch_native());
	put_number(&b, profile->fail_unknown);
	put_number(&b, p->default_action);
	put_optional(&b, &p->default_errno_ret);
	put_number(&b, p->architectures_count);
	for (size_t i = 0; i < p->architectures_count; i++)
		put_string(&b, p->architectures[i]);
	put_number(&b, p->syscalls_count);
	for (size_t i = 0; i < p->syscalls_count; i++) {
		const struct config_seccomp_rule *r = &p->syscalls[i];

		put_number(&b, r->action);
		put_optional(&b, &r->errno_ret);
		put_number(&b, r->names_count);
		for (size_t k = 0; k < r->names_count; k++)
			put_string(&b, r->names[k]);
		put_number(&b, r->args_count);
		for (size_t k = 0; k < r->args_count; k++) {
			put_number(&b, r->args[k].index);
			put_number(&b, r->args[k].op);
			put_number(&b, r->args[k].value);
			put_number(&b, r->args[k].value_two);
		}
	}
	key->text = b.text;
	key->len = b.len;
	snprintf(key->name, sizeof key->name, "%016llx%016llx", (unsigned long long)digest(b.text, b.len, 1),
		(unsigned long long)digest(b.text, b.len, 2));
}

/* --- files ------------------------------------------------------------------- */

static bool is_ours(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static int open_directory(const char *root, bool create)
{
	static const char *const names[] = {".cache", "seccomp"};
	_cleanup_fd_ int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof names / sizeof *names && fd >= 0; i++) {
		int next = openat(fd, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (next < 0 && errno == ENOENT && create) {
			if (mkdirat(fd, names[i], 0700) < 0 && errno != EEXIST)
				return -errno;
			next = openat(fd, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		if (next < 0)
			return -errno;
		close(fd);
		fd = next;
		if (!is_ours(fd, S_IFDIR))
			return -EPERM;
	}
	return fd < 0 ? -errno : fd_take(&fd);
}

bool seccomp_cache_load(const char *root, const struct seccomp_key *key, struct arena *a, struct seccomp_program *out)
{
	_cleanup_fd_ int fd = -1;
	size_t max = sizeof(struct header) + key->len + BPF_MAXINSNS * sizeof(struct sock_filter), size;
	struct header h;
	struct stat st;
	char *path = arena_printf(a, "%s/.cache/seccomp/%s", root, key->name), *buf;

	/* One open(): who may replace a directory on the way is checked when it is written to, and the file here. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return false;
	size = (size_t)st.st_size;
	if (st.st_size < (off_t)(sizeof h + key->len) || size > max)
		return false;
	buf = arena_alloc(a, size);
	if (fd_read_full(fd, buf, size) != (ssize_t)size)
		return false;
	memcpy(&h, buf, sizeof h);
	if (memcmp(h.magic, magic, sizeof magic) != 0 || h.key_len != key->len || h.insns_count == 0 ||
		h.insns_count > BPF_MAXINSNS ||
		size != sizeof h + key->len + h.insns_count * sizeof(struct sock_filter) ||
		memcmp(buf + sizeof h, key->text, key->len) != 0)
		return false;
	out->count = h.insns_count;
	out->insns = arena_array(a, struct sock_filter, out->count);
	memcpy(out->insns, buf + sizeof h + key->len, out->count * sizeof *out->insns);
	return digest(out->insns, out->count * sizeof *out->insns, 3) == h.checksum;
}

/* Make room: the oldest goes, and what a killed runtime left. */
static void bound(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char oldest[NAME_MAX + 1] = "";
	struct timespec when = {0};
	struct dirent *e;
	size_t count = 0;

	if (!d) {
		cleanup_fd(&fd);
		return;
	}
	while ((e = readdir(d))) {
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		count++;
		if (!*oldest || st.st_mtim.tv_sec < when.tv_sec ||
			(st.st_mtim.tv_sec == when.tv_sec && st.st_mtim.tv_nsec < when.tv_nsec)) {
			snprintf(oldest, sizeof oldest, "%s", e->d_name);
			when = st.st_mtim;
		}
	}
	closedir(d);
	if (count >= SECCOMP_CACHE_MAX)
		unlinkat(dir, oldest, 0);
}

void seccomp_cache_store(const char *root, const struct seccomp_key *key, const struct seccomp_program *p)
{
	struct header h = {.key_len = key->len, .insns_count = p->count};
	size_t bytes = p->count * sizeof *p->insns;
	_cleanup_fd_ int dir = -1, fd = -1;
	char tmp[64];
	bool done;

	if (key->len > KEY_MAX || p->count > BPF_MAXINSNS)
		return;
	dir = open_directory(root, true);
	if (dir < 0)
		return;
	bound(dir);
	memcpy(h.magic, magic, sizeof magic);
	h.checksum = digest(p->insns, bytes, 3);
	snprintf(tmp, sizeof tmp, ".%s.%d", key->name, getpid());
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	done = fd_write_all(fd, &h, sizeof h) == 0 && fd_write_all(fd, key->text, key->len) == 0 &&
	       fd_write_all(fd, p->insns, bytes) == 0;
	if (!done || renameat(dir, tmp, dir, key->name) < 0)
		unlinkat(dir, tmp, 0);
}
