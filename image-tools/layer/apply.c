/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: libarchive parses the tar stream; nothing of its disk
 * writer is used.  Each entry's name is cleaned (no "..", no way above the root),
 * its parent directory is opened below the root by openat2 (links inside are
 * followed, but never out), and the last component is made with *at() calls that
 * follow nothing.  The parent's descriptor is kept while names share it.
 *
 * Order per inode: create, write, chown, chmod (chown clears set-id bits), extended
 * attributes (security.capability last: chown drops it), times; what creation gave
 * already is left out.  Directories get their times at the end, because making
 * children changes them.
 *
 * Whiteouts concern lower layers only, wherever they stand in the stream: a set of
 * hashes remembers what this layer has made.
 */
#include "image-tools/layer/apply.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image-tools/layer/apply_internal.h"
#include "image-tools/store/store.h"

#define READ_SIZE (256u * 1024)

static int entry_error(struct apply *c, struct error *err, int errnum, const char *doing)
{
	if (!c)
		return error_sys(err, errnum, "%s", doing);
	return error_sys(err, errnum, "layer entry \"%.200s\": %s", c->path, doing);
}

static int refuse(struct apply *c, struct error *err, const char *why)
{
	return error_set(err, ERR_CONFIG, EINVAL, "layer entry \"%.200s\": %s", c->raw, why);
}

/* "./a//b/" → "a/b".  A ".." that leaves the root is an error; "" is the root itself. */
int apply_clean_path(const char *raw, char out[static APPLY_PATH_MAX])
{
	size_t n = 0;
	unsigned int depth = 0;

	for (const char *p = raw; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.') {
			char *slash;

			if (n == 0)
				return -EXDEV;
			out[n] = '\0';
			slash = strrchr(out, '/');
			n = slash ? (size_t)(slash - out) : 0;
			depth--;
		} else if (len > 0 && !(len == 1 && *p == '.')) {
			if (len > 255 || n + len + 2 > APPLY_PATH_MAX || ++depth > APPLY_DEPTH_MAX)
				return -ENAMETOOLONG;
			if (n)
				out[n++] = '/';
			memcpy(out + n, p, len);
			n += len;
		}
		p += len;
		while (*p == '/')
			p++;
	}
	out[n] = '\0';
	return 0;
}

static void forget_parent(struct apply *c)
{
	if (c->parent >= 0)
		close(c->parent);
	c->parent = -1;
}

/* Make one missing or wrong component of a parent path a directory. */
static int force_directory(struct apply *c, int dir, const char *name, const char *so_far)
{
	struct stat st;
	bool whiteout = false;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode))
			return 0;
		whiteout = apply_is_whiteout(&st);
		/* A file that this very layer has made does not give way. */
		if (!whiteout && apply_set_has(&c->made, so_far))
			return -ENOTDIR;
		if (unlinkat(dir, name, 0) < 0)
			return -errno;
	}
	if (mkdirat(dir, name, 0755) < 0)
		return -errno;
	if (c->options->uids.count) {
		uint32_t uid, gid;

		if (!apply_map_id(&c->options->uids, 0, &uid) || !apply_map_id(&c->options->gids, 0, &gid))
			return -EOVERFLOW;
		if (fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	c->result->dependent = true;
	apply_set_add(&c->made, so_far);
	if (whiteout && c->options->overlay) {
		_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		return fd < 0 ? -errno : apply_set_opaque(c, fd);
	}
	return 0;
}

/* Open the directory `path` (clean) below the root, making what is missing. */
int apply_open_dir(struct apply *c, const char *path)
{
	int dir = path_open_in_root(c->options->root, *path ? path : ".", O_PATH | O_DIRECTORY);
	char work[APPLY_PATH_MAX];
	size_t len = 0;

	if (dir != -ENOENT && dir != -ENOTDIR)
		return dir;
	dir = path_open_in_root(c->options->root, ".", O_PATH | O_DIRECTORY);
	while (dir >= 0 && *path) {
		size_t n = strcspn(path, "/");
		char name[256];
		int r, next;

		memcpy(name, path, n);
		name[n] = '\0';
		if (len)
			work[len++] = '/';
		memcpy(work + len, name, n + 1);
		len += n;
		r = force_directory(c, dir, name, work);
		next = r < 0 ? r : path_open_in_root(c->options->root, work, O_PATH | O_DIRECTORY);
		close(dir);
		dir = next;
		path += n + (path[n] == '/');
	}
	return dir;
}

static int open_parent(struct apply *c, const char **name, struct error *err)
{
	char *slash = strrchr(c->path, '/');
	size_t n = slash ? (size_t)(slash - c->path) : 0;
	struct stat st;

	*name = slash ? slash + 1 : c->path;
	if (c->parent >= 0 && strlen(c->parent_path) == n && memcmp(c->parent_path, c->path, n) == 0)
		return 0;
	forget_parent(c);
	memcpy(c->parent_path, c->path, n);
	c->parent_path[n] = '\0';
	c->parent = apply_open_dir(c, c->parent_path);
	if (c->parent < 0) {
		int e = -c->parent;

		c->parent = -1;
		return entry_error(c, err, e, "open its directory");
	}
	if (fstat(c->parent, &st) < 0)
		return entry_error(c, err, errno, "examine its directory");
	c->parent_gid = st.st_gid;
	c->parent_setgid = st.st_mode & S_ISGID;
	return 0;
}

/* Something stands where the entry goes: remove it.  *opaque: it was a whiteout. */
static int clear_place(struct apply *c, const char *name, bool *opaque, struct error *err)
{
	struct stat st;
	int r;

	if (fstatat(c->parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : entry_error(c, err, errno, "examine what it replaces");
	*opaque = c->options->overlay && apply_is_whiteout(&st);
	if (!S_ISDIR(st.st_mode)) {
		r = unlinkat(c->parent, name, 0) < 0 ? -errno : 0;
	} else {
		int keep = c->parent;

		r = store_remove_tree(keep, name);
		/* In an overlay layer the directory may also exist below: the new thing hides it anyway. */
	}
	return r < 0 ? entry_error(c, err, -r, "remove what it replaces") : 0;
}

static int write_data(struct apply *c, struct archive *ar, int fd, int64_t size, struct error *err)
{
	int64_t end = 0;

	for (;;) {
		const void *buf;
		size_t n;
		la_int64_t offset;
		int r = archive_read_data_block(ar, &buf, &n, &offset);

		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return apply_archive_error(c, ar, err);
		if (offset < end || offset + (int64_t)n > size)
			return refuse(c, err, "its data does not fit its size");
		for (size_t done = 0; done < n;) {
			ssize_t w = pwrite(fd, (const char *)buf + done, n - done, offset + (int64_t)done);

			if (w < 0 && errno == EINTR)
				continue;
			if (w < 0)
				return entry_error(c, err, errno, "write");
			done += (size_t)w;
		}
		end = offset + (int64_t)n;
		c->result->bytes += n;
	}
	if (end < size && ftruncate(fd, size) < 0)
		return entry_error(c, err, errno, "set its size");
	return 0;
}

static int make_file(struct apply *c, struct archive *ar, struct archive_entry *e, const char *name, struct error *err)
{
	int64_t size = archive_entry_size_is_set(e) ? archive_entry_size(e) : 0;
	uint64_t max = c->options->max_bytes ? c->options->max_bytes : APPLY_BYTES_MAX;
	mode_t mode = archive_entry_mode(e) & 07777, first;
	_cleanup_fd_ int fd = -1;
	bool opaque = false;
	int r;

	if (size < 0 || (uint64_t)size > max || c->result->bytes > max)
		return refuse(c, err, "is larger than the limit");
	/* chown would clear set-id bits; anything else can be given at once. */
	first = mode & 07000 ? 0600 : mode;
	fd = openat(c->parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, first);
	if (fd < 0 && errno == EEXIST) {
		r = clear_place(c, name, &opaque, err);
		if (r < 0)
			return r;
		fd = openat(c->parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, first);
	}
	if (fd < 0)
		return entry_error(c, err, errno, "create");
	r = write_data(c, ar, fd, size, err);
	return r < 0 ? r : apply_metadata(c, e, fd, first, true, err);
}

static int make_directory(struct apply *c, struct archive_entry *e, const char *name, struct error *err)
{
	mode_t mode = archive_entry_mode(e) & 07777, first = mode;
	_cleanup_fd_ int fd = -1;
	bool opaque = false;
	int r;

	/* Below a directory with S_ISGID a new one gets that bit too. */
	if ((mode & 07000) || c->parent_setgid)
		first = APPLY_MODE_UNKNOWN;
	if (mkdirat(c->parent, name, first & 07777) < 0) {
		struct stat st;

		if (errno != EEXIST)
			return entry_error(c, err, errno, "create");
		if (fstatat(c->parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return entry_error(c, err, errno, "examine");
		if (S_ISDIR(st.st_mode)) {
			first = APPLY_MODE_UNKNOWN;
		} else {
			r = clear_place(c, name, &opaque, err);
			if (r < 0)
				return r;
			if (mkdirat(c->parent, name, first & 07777) < 0)
				return entry_error(c, err, errno, "create");
		}
	}
	apply_defer_times(c, c->path, e);
	if (first == mode && !opaque && apply_metadata_is_given(c, e))
		return 0;
	fd = openat(c->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return entry_error(c, err, errno, "open");
	if (opaque) {
		r = apply_set_opaque(c, fd);
		if (r < 0)
			return entry_error(c, err, -r, "hide what is below it");
	}
	return apply_metadata(c, e, fd, first, false, err);
}

static int make_link(struct apply *c, const char *raw_target, const char *name, struct error *err)
{
	char target[APPLY_PATH_MAX], *slash;
	_cleanup_fd_ int dir = -1;
	bool opaque = false;
	const char *last;
	int r = apply_clean_path(raw_target, target);

	if (r < 0 || !*target)
		return refuse(c, err, "is a hard link to something outside the root");
	if (strcmp(target, c->path) == 0)
		return refuse(c, err, "is a hard link to itself");
	slash = strrchr(target, '/');
	last = slash ? slash + 1 : target;
	if (slash)
		*slash = '\0';
	dir = path_open_in_root(c->options->root, slash ? target : ".", O_PATH | O_DIRECTORY);
	if (dir < 0) {
		r = dir;
	} else {
		r = linkat(dir, last, c->parent, name, 0) < 0 ? -errno : 0;
		if (r == -EEXIST) {
			r = clear_place(c, name, &opaque, err);
			if (r < 0)
				return r;
			r = linkat(dir, last, c->parent, name, 0) < 0 ? -errno : 0;
		}
	}
	if (r == -ENOENT && c->options->overlay) {
		c->result->dependent = true;
		return error_set(err, ERR_STATE, EXDEV, "layer entry \"%.200s\": hard link into a lower layer", c->path);
	}
	if (r < 0)
		return error_sys(err, -r, "layer entry \"%.200s\": hard link to \"%.200s\"", c->path, raw_target);
	return 0;
}

/* Symbolic link, device or fifo: made, or made again when something was in the way. */
static int make_special(struct apply *c, struct archive_entry *e, const char *name, struct error *err)
{
	mode_t type = archive_entry_filetype(e), mode = archive_entry_mode(e) & 07777;
	const char *target = type == AE_IFLNK ? archive_entry_symlink(e) : NULL;
	struct timespec times[2];
	bool opaque = false;
	uid_t uid;
	gid_t gid;
	int r;

	if (type == AE_IFLNK && (!target || !*target || strlen(target) >= APPLY_PATH_MAX))
		return refuse(c, err, "is a symbolic link with an invalid target");
	if ((type == AE_IFCHR || type == AE_IFBLK) && c->options->userns) {
		c->result->devices_skipped++;
		return 0;
	}
	for (int i = 0;; i++) {
		if (target)
			r = symlinkat(target, c->parent, name);
		else
			r = mknodat(c->parent, name, type | 0600, type == AE_IFIFO ? 0 : archive_entry_rdev(e));
		if (r == 0)
			break;
		if (errno != EEXIST || i > 0)
			return entry_error(c, err, errno, "create");
		r = clear_place(c, name, &opaque, err);
		if (r < 0)
			return r;
	}
	r = apply_owner(c, e, &uid, &gid, err);
	if (r < 0)
		return r;
	if (!apply_owner_is_given(c, uid, gid) && fchownat(c->parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return entry_error(c, err, errno, "set its owner");
	/* The node was made by us a moment ago in a directory that nobody else can reach: it is no link. */
	if (!target && fchmodat(c->parent, name, mode, 0) < 0)
		return entry_error(c, err, errno, "set its mode");
	apply_times(e, times);
	if (utimensat(c->parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return entry_error(c, err, errno, "set its times");
	return 0;
}

static int root_entry(struct apply *c, struct archive_entry *e, struct error *err)
{
	_cleanup_fd_ int fd = -1;

	if (archive_entry_filetype(e) != AE_IFDIR || archive_entry_hardlink(e))
		return refuse(c, err, "stands for the root directory but is none");
	fd = path_open_in_root(c->options->root, ".", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return entry_error(c, err, -fd, "open the root");
	apply_defer_times(c, "", e);
	/* What is known about it as a parent may change. */
	forget_parent(c);
	return apply_metadata(c, e, fd, APPLY_MODE_UNKNOWN, false, err);
}

static int check_ids(struct apply *c, struct archive_entry *e, struct error *err)
{
	int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return refuse(c, err, "its owner is no valid id");
	return 0;
}

static int apply_entry(struct apply *c, struct archive *ar, struct archive_entry *e, struct error *err)
{
	const char *name, *link = archive_entry_hardlink(e);
	mode_t type = archive_entry_filetype(e);
	int r;

	c->raw = archive_entry_pathname(e);
	if (!c->raw)
		return error_set(err, ERR_CONFIG, EINVAL, "layer: entry %llu has no name",
			(unsigned long long)c->result->entries);
	r = apply_clean_path(c->raw, c->path);
	if (r < 0)
		return refuse(c, err, r == -EXDEV ? "points outside the root" : "the name is too long");
	if (c->options->owner) {
		archive_entry_set_uid(e, c->options->owner[0]);
		archive_entry_set_gid(e, c->options->owner[1]);
	}
	r = check_ids(c, e, err);
	if (r < 0)
		return r;
	if (!*c->path)
		return root_entry(c, e, err);
	r = open_parent(c, &name, err);
	if (r < 0)
		return r;
	if (strncmp(name, ".wh.", 4) == 0)
		return apply_whiteout(c, name, err);
	if (link) {
		r = make_link(c, link, name, err);
	} else if (type == AE_IFREG) {
		r = make_file(c, ar, e, name, err);
	} else if (type == AE_IFDIR) {
		r = make_directory(c, e, name, err);
	} else if (type == AE_IFLNK || type == AE_IFCHR || type == AE_IFBLK || type == AE_IFIFO) {
		r = make_special(c, e, name, err);
	} else {
		return refuse(c, err, "is of an unknown type");
	}
	if (r == 0) {
		apply_set_add(&c->made, c->path);
		/* What is no directory may have replaced one on the way to the parent we keep open. */
		if (type != AE_IFREG && type != AE_IFDIR)
			forget_parent(c);
	}
	return r;
}

int apply_archive_error(struct apply *c, struct archive *ar, struct error *err)
{
	const char *why = archive_error_string(ar);

	if (c->source_error.errnum) {
		if (err)
			*err = c->source_error;
		return -c->source_error.errnum;
	}
	return error_set(err, ERR_CONFIG, EINVAL, "layer: invalid tar: %s", why ? why : "unknown error");
}

static la_ssize_t read_plain(struct archive *ar, void *opaque, const void **buf)
{
	struct apply *c = opaque;
	ssize_t n = decoder_read(c->decoder, c->buffer, READ_SIZE, &c->source_error);

	if (n < 0) {
		archive_set_error(ar, EIO, "read failed");
		return -1;
	}
	if (n > 0)
		digest_feed(&c->stream, c->buffer, (size_t)n);
	*buf = c->buffer;
	return n;
}

static int read_entries(struct apply *c, struct archive *ar, struct error *err)
{
	struct archive_entry *e;

	for (;;) {
		int r = archive_read_next_header(ar, &e);

		if (r == ARCHIVE_EOF)
			return 0;
		/* A warning is a malformed header, unless it is about a name that is no UTF-8. */
		if (r < ARCHIVE_WARN || (r == ARCHIVE_WARN && !strstr(archive_error_string(ar), "convert")))
			return apply_archive_error(c, ar, err);
		if (++c->result->entries > APPLY_ENTRIES_MAX)
			return error_set(err, ERR_CONFIG, EFBIG, "layer: more than %u entries", APPLY_ENTRIES_MAX);
		r = apply_entry(c, ar, e, err);
		if (r < 0)
			return r;
	}
}

/* Padding behind the end of the archive belongs to the digest. */
static int read_rest(struct apply *c, struct error *err)
{
	ssize_t n;

	while ((n = decoder_read(c->decoder, c->buffer, READ_SIZE, err)) > 0)
		digest_feed(&c->stream, c->buffer, (size_t)n);
	return n < 0 ? (int)n : decoder_drain(c->decoder, err);
}

/* A default ACL would give what is made here other modes than those asked for; images have none. */
static void drop_default_acl(int root)
{
	_cleanup_fd_ int fd = path_open_in_root(root, ".", O_RDONLY | O_DIRECTORY);

	if (fd >= 0)
		(void)!fremovexattr(fd, "system.posix_acl_default");
}

int apply_layer(struct decoder *d, enum digest_algorithm algorithm, const struct apply_options *options,
	struct apply_result *result, struct error *err)
{
	struct apply *c = calloc(1, sizeof *c);
	struct archive *ar = archive_read_new();
	int r;

	*result = (struct apply_result){ 0 };
	if (!c || !ar || !(c->buffer = malloc(READ_SIZE)) || digest_begin(&c->stream, algorithm) < 0) {
		r = error_sys(err, ENOMEM, "unpack a layer");
		goto out;
	}
	c->options = options;
	c->result = result;
	c->decoder = d;
	c->parent = -1;
	c->uid = geteuid();
	c->gid = getegid();
	apply_set_init(&c->made);
	drop_default_acl(options->root);
	archive_read_support_format_tar(ar);
	archive_read_support_format_empty(ar);
	if (archive_read_open(ar, c, NULL, read_plain, NULL) != ARCHIVE_OK)
		r = apply_archive_error(c, ar, err);
	else
		r = read_entries(c, ar, err);
	if (r == 0)
		r = read_rest(c, err);
	if (r == 0)
		r = apply_deferred_times(c, err);
	if (r == 0)
		digest_end(&c->stream, &result->diff_id);
out:
	if (ar)
		archive_read_free(ar);
	if (c) {
		forget_parent(c);
		digest_abort(&c->stream);
		apply_set_free(&c->made);
		arena_free(&c->arena);
		free(c->buffer);
		free(c);
	}
	return r;
}
