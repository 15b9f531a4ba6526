/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: owner, mode, extended attributes and times of a file just
 * made, through its own descriptor.  Which attributes an image may set is one table:
 * labels of the host's security policy never, overlayfs's own never in an overlay
 * layer (a layer could otherwise hide or redirect what lies below it).
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "image-tools/layer/apply_internal.h"

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool wanted(const struct apply *c, const char *name)
{
	if (has_prefix(name, "trusted.overlay.") || has_prefix(name, "user.overlay."))
		return !c->options->overlay && !c->options->userns;
	if (has_prefix(name, "user."))
		return true;
	if (strcmp(name, "security.capability") == 0 || strcmp(name, "security.ima") == 0)
		return true;
	return has_prefix(name, "trusted.") && !c->options->userns;
}

static int set_attributes(struct apply *c, struct archive_entry *e, int fd, bool capability, struct error *err)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK) {
		if (!name || !wanted(c, name) || (strcmp(name, "security.capability") == 0) != capability)
			continue;
		if (strlen(name) > XATTR_NAME_MAX || size > APPLY_XATTR_MAX)
			return error_set(err, ERR_CONFIG, EINVAL, "layer entry \"%.200s\": attribute is too large", c->path);
		if (fsetxattr(fd, name, value, size, 0) == 0)
			continue;
		if (errno != ENOTSUP && errno != EPERM)
			return error_sys(err, errno, "layer entry \"%.200s\": set attribute %.60s", c->path, name);
		if (c->result->xattrs_skipped++ == 0)
			log_warning("attribute %s cannot be stored here; it and others are left out", name);
	}
	return 0;
}

void apply_times(struct archive_entry *e, struct timespec times[static 2])
{
	times[1] = (struct timespec){ .tv_sec = archive_entry_mtime(e), .tv_nsec = archive_entry_mtime_nsec(e) };
	if (times[1].tv_nsec < 0 || times[1].tv_nsec > 999999999)
		times[1].tv_nsec = 0;
	times[0] = times[1];
}

bool apply_map_id(const struct id_map *map, int64_t id, uint32_t *mapped)
{
	*mapped = (uint32_t)id;
	if (map->count == 0)
		return true;
	for (size_t i = 0; i < map->count; i++) {
		const struct id_range *r = &map->ranges[i];

		if (id >= r->inside && id - r->inside < r->count) {
			*mapped = r->outside + (uint32_t)(id - r->inside);
			return true;
		}
	}
	return false;
}

bool apply_map_back(const struct id_map *map, uint32_t id, uint32_t *mapped)
{
	*mapped = id;
	if (!map || map->count == 0)
		return true;
	for (size_t i = 0; i < map->count; i++) {
		const struct id_range *r = &map->ranges[i];

		if (id >= r->outside && id - r->outside < r->count) {
			*mapped = r->inside + (id - r->outside);
			return true;
		}
	}
	return false;
}

int apply_owner(struct apply *c, struct archive_entry *e, uid_t *uid, gid_t *gid, struct error *err)
{
	int64_t u = archive_entry_uid(e), g = archive_entry_gid(e);

	if (!apply_map_id(&c->options->uids, u, uid) || !apply_map_id(&c->options->gids, g, gid)) {
		error_set(err, ERR_CONFIG, EOVERFLOW, "layer entry \"%.200s\": no mapping for its owner %lld:%lld", c->path,
			(long long)u, (long long)g);
		error_hint(err, "map more ids");
		return -EOVERFLOW;
	}
	return 0;
}

bool apply_owner_is_given(const struct apply *c, uid_t uid, gid_t gid)
{
	return c->options->squash || (uid == c->uid && gid == c->gid && gid == c->parent_gid);
}

bool apply_metadata_is_given(const struct apply *c, struct archive_entry *e)
{
	uint32_t uid, gid;

	return archive_entry_xattr_count(e) == 0 && apply_map_id(&c->options->uids, archive_entry_uid(e), &uid) &&
		apply_map_id(&c->options->gids, archive_entry_gid(e), &gid) && apply_owner_is_given(c, uid, gid);
}

int apply_metadata(struct apply *c, struct archive_entry *e, int fd, mode_t made_with, bool times, struct error *err)
{
	uid_t uid;
	gid_t gid;
	mode_t mode = archive_entry_mode(e) & 07777;
	struct timespec ts[2];
	int r = apply_owner(c, e, &uid, &gid, err);

	if (r < 0)
		return r;
	if (!c->options->squash && (made_with == APPLY_MODE_UNKNOWN || !apply_owner_is_given(c, uid, gid)) &&
		fchown(fd, uid, gid) < 0)
		return error_sys(err, errno, "layer entry \"%.200s\": set its owner %u:%u", c->path, uid, gid);
	if (mode != made_with && fchmod(fd, mode) < 0)
		return error_sys(err, errno, "layer entry \"%.200s\": set its mode", c->path);
	if (archive_entry_xattr_count(e) > 0) {
		r = set_attributes(c, e, fd, false, err);
		if (r == 0)
			r = set_attributes(c, e, fd, true, err);
	}
	if (r == 0 && times) {
		apply_times(e, ts);
		if (futimens(fd, ts) < 0)
			return error_sys(err, errno, "layer entry \"%.200s\": set its times", c->path);
	}
	return r;
}

void apply_defer_times(struct apply *c, const char *path, struct archive_entry *e)
{
	struct deferred_times *t = arena_new(&c->arena, struct deferred_times);

	t->path = arena_strdup(&c->arena, path);
	apply_times(e, t->times);
	t->next = c->deferred;
	c->deferred = t;
}

int apply_deferred_times(struct apply *c, struct error *err)
{
	/* Newest first; of several entries for one directory the last counts. */
	struct apply_set done;
	int r = 0;

	apply_set_init(&done);
	for (struct deferred_times *t = c->deferred; t && r == 0; t = t->next) {
		_cleanup_fd_ int fd = -1;

		if (apply_set_has(&done, t->path))
			continue;
		apply_set_add(&done, t->path);
		fd = path_open_in_root(c->options->root, *t->path ? t->path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		/* Replaced by something else later in the layer. */
		if (fd < 0)
			continue;
		if (futimens(fd, t->times) < 0)
			r = error_sys(err, errno, "layer entry \"%.200s\": set its times", t->path);
	}
	apply_set_free(&done);
	return r;
}
