/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the digest of one entry of a tree.  A regular file's content
 * digest covers its data and those extended attributes that are copied; it is what
 * the table of file digests remembers.  An entry's digest adds what belongs to the
 * name: type, mode, owner, device number, link target.
 *
 * Every field goes into the hash with its length or an end mark, so that no two
 * different entries are the same bytes.  Only regular files are opened, never through
 * a link, and only when they still are what stat said: a fifo put in its place does
 * not block us and a device is not read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/build/context_digests.h"

#define BUFFER_SIZE (128u * 1024)

bool tree_attribute_wanted(const char *name)
{
	if (strncmp(name, "user.overlay.", 13) == 0)
		return false;
	return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void feed_number(struct digest_stream *s, uint64_t n)
{
	uint8_t le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)(n >> 8 * i);
	digest_feed(s, le, sizeof le);
}

static int feed_attribute(struct digest_stream *s, int fd, const char *name, char *value)
{
	ssize_t n = fgetxattr(fd, name, value, TREE_ATTRIBUTES_MAX);

	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	digest_feed(s, name, strlen(name) + 1);
	feed_number(s, (uint64_t)n);
	digest_feed(s, value, (size_t)n);
	return 0;
}

int file_digest_attributes(struct digest_stream *s, int fd, const char *path, struct error *err)
{
	const char *names[256];
	size_t count = 0;
	char *list;
	ssize_t len = flistxattr(fd, NULL, 0);
	int r = 0;

	if (len <= 0)
		return len == 0 || errno == ENOTSUP ? 0 : error_sys(err, errno, "list attributes of \"%s\"", path);
	list = malloc(2 * TREE_ATTRIBUTES_MAX);
	if (!list)
		return error_sys(err, ENOMEM, "list attributes of \"%s\"", path);
	len = flistxattr(fd, list, TREE_ATTRIBUTES_MAX);
	if (len < 0)
		r = -errno;
	for (char *p = list; len > 0 && p < list + len; p += strlen(p) + 1)
		if (tree_attribute_wanted(p) && count < sizeof names / sizeof names[0])
			names[count++] = p;
	qsort(names, count, sizeof *names, compare_strings);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = feed_attribute(s, fd, names[i], list + TREE_ATTRIBUTES_MAX);
	free(list);
	return r < 0 ? error_sys(err, -r, "read attributes of \"%s\"", path) : 0;
}

static int changed(const struct tree_entry *e, struct error *err)
{
	error_set(err, ERR_STATE, ESTALE, "\"%s\" changed while it was being read", e->path);
	error_hint(err, "stop what writes to it, or exclude it in .dockerignore, and build again");
	return -ESTALE;
}

static int feed_data(struct digest_stream *s, int fd, const struct tree_entry *e, struct error *err)
{
	uint64_t done = 0;
	char *buf = malloc(BUFFER_SIZE);
	ssize_t n = buf ? 1 : -1;

	while (n > 0) {
		n = read(fd, buf, BUFFER_SIZE);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		if (n > 0)
			digest_feed(s, buf, (size_t)n);
		done += n > 0 ? (uint64_t)n : 0;
	}
	if (n < 0)
		n = error_sys(err, buf ? errno : ENOMEM, "read \"%s\"", e->path);
	else if (done != (uint64_t)e->st.st_size)
		n = changed(e, err);
	free(buf);
	return (int)n;
}

/* The key in the table.  An overlay gets another device number each time it is mounted, but its files have the inode
 * numbers of the file system below, and all our overlays lie on the store's: for the table they are one device. */
static struct file_key table_key(const struct tree_entry *e)
{
	struct file_key k = file_key_of(&e->st);
	struct statfs fs;

	if (major(e->st.st_dev) == 0 && fstatfs(e->dir, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC)
		k.dev = OVERLAYFS_SUPER_MAGIC;
	return k;
}

int file_digest(struct file_digests *f, const struct tree_entry *e, uint8_t out[static 32], bool *settled,
	struct error *err)
{
	struct file_key key = file_key_of(&e->st), in_table = table_key(e), now;
	struct digest_stream s;
	struct timespec start;
	struct digest d;
	struct stat st;
	int r;

	*settled = true;
	if (f && file_digests_find(f, &in_table, out))
		return 0;
	_cleanup_fd_ int fd = openat(e->dir, e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "open \"%s\"", e->path);
	clock_gettime(CLOCK_REALTIME, &start);
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "examine \"%s\"", e->path);
	now = file_key_of(&st);
	if (!S_ISREG(st.st_mode) || !file_key_equal(&key, &now))
		return changed(e, err);
	if (digest_begin(&s, DIGEST_SHA256) < 0)
		return error_sys(err, ENOMEM, "digest \"%s\"", e->path);
	r = feed_data(&s, fd, e, err);
	if (r == 0)
		r = file_digest_attributes(&s, fd, e->path, err);
	if (r < 0) {
		digest_abort(&s);
		return r;
	}
	digest_end(&s, &d);
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "examine \"%s\"", e->path);
	now = file_key_of(&st);
	if (!file_key_equal(&key, &now))
		return changed(e, err);
	memcpy(out, d.bytes, 32);
	*settled = !file_key_racy(&key, &start);
	if (f)
		file_digests_add(f, &in_table, out, *settled);
	return 0;
}

static int feed_directory_attributes(struct digest_stream *s, const struct tree_entry *e, struct error *err)
{
	_cleanup_fd_ int fd = openat(e->dir, *e->name ? e->name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "open directory \"%s\"", e->path);
	return file_digest_attributes(s, fd, e->path, err);
}

static char type_letter(mode_t mode)
{
	return S_ISREG(mode)  ? 'f' :
	       S_ISDIR(mode)  ? 'd' :
	       S_ISLNK(mode)  ? 'l' :
	       S_ISCHR(mode)  ? 'c' :
	       S_ISBLK(mode)  ? 'b' :
	       S_ISFIFO(mode) ? 'p' :
				'?';
}

int tree_entry_digest(struct file_digests *f, const struct tree_entry *e, bool keep_owner, uint8_t out[static 32],
	uint8_t content[static 32], bool *settled, struct error *err)
{
	struct digest_stream s;
	char head[128], target[TREE_PATH_MAX];
	struct digest d;
	ssize_t len = 0;
	int r = 0;

	*settled = true;
	memset(content, 0, 32);
	if (S_ISREG(e->st.st_mode))
		r = file_digest(f, e, content, settled, err);
	if (S_ISLNK(e->st.st_mode)) {
		len = readlinkat(e->dir, e->name, target, sizeof target);
		if (len < 0)
			r = error_sys(err, errno, "read link \"%s\"", e->path);
	}
	if (r == 0 && digest_begin(&s, DIGEST_SHA256) < 0)
		r = error_sys(err, ENOMEM, "digest \"%s\"", e->path);
	if (r < 0)
		return r;
	/* A link's mode means nothing; file systems disagree about it. */
	snprintf(head, sizeof head, "%c %o %u %u %llx", type_letter(e->st.st_mode),
		S_ISLNK(e->st.st_mode) ? 0777 : e->st.st_mode & 07777, keep_owner ? e->st.st_uid : 0,
		keep_owner ? e->st.st_gid : 0,
		S_ISCHR(e->st.st_mode) || S_ISBLK(e->st.st_mode) ? (unsigned long long)e->st.st_rdev : 0);
	digest_feed(&s, head, strlen(head) + 1);
	if (S_ISDIR(e->st.st_mode))
		r = feed_directory_attributes(&s, e, err);
	digest_feed(&s, target, (size_t)len);
	digest_feed(&s, content, 32);
	if (r < 0) {
		digest_abort(&s);
		return r;
	}
	digest_end(&s, &d);
	memcpy(out, d.bytes, 32);
	return 0;
}

char *tree_hex(const uint8_t digest[static 32], char buf[static 65])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 32; i++) {
		buf[2 * i] = digits[digest[i] >> 4];
		buf[2 * i + 1] = digits[digest[i] & 15];
	}
	buf[64] = '\0';
	return buf;
}
