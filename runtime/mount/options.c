/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one table, one loop.  A later option overrides an
 * earlier one that it contradicts.  A name that is not in the table belongs to
 * the filesystem; for a bind mount, which has none, it is an error, but for the
 * words of engines' volumes (z, Z, U): buildah 1.28 leaves those in when it has
 * done what they ask for.
 */
#include "runtime/mount/options.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

enum kind { IGNORE, SET, CLEAR, ATIME, REC_SET, REC_CLEAR, REC_ATIME, SUPER_SET, SUPER_CLEAR, PROPAGATION, FLAG };

enum flag { BIND, RBIND, REMOUNT, IDMAP, RIDMAP, TMPCOPYUP, COPY_SYMLINK, SRC_NOFOLLOW, DEST_NOFOLLOW };

static const struct option {
	const char *name;
	enum kind kind;
	uint64_t value;
	bool recursive;
} table[] = {
	{ "async", SUPER_CLEAR, MOUNT_SUPER_SYNC },
	{ "atime", CLEAR, MOUNT_ATTR_NOATIME },
	{ "bind", FLAG, BIND },
	{ "copy-symlink", FLAG, COPY_SYMLINK },
	{ "defaults", IGNORE, 0 },
	{ "dest-nofollow", FLAG, DEST_NOFOLLOW },
	{ "dev", CLEAR, MOUNT_ATTR_NODEV },
	{ "diratime", CLEAR, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", SUPER_SET, MOUNT_SUPER_DIRSYNC },
	{ "exec", CLEAR, MOUNT_ATTR_NOEXEC },
	{ "idmap", FLAG, IDMAP },
	{ "iversion", SUPER_SET, MOUNT_SUPER_IVERSION },
	{ "lazytime", SUPER_SET, MOUNT_SUPER_LAZYTIME },
	{ "loud", SUPER_CLEAR, MOUNT_SUPER_SILENT },
	{ "mand", SUPER_SET, MOUNT_SUPER_MAND },
	{ "noatime", ATIME, MOUNT_ATTR_NOATIME },
	{ "nodev", SET, MOUNT_ATTR_NODEV },
	{ "nodiratime", SET, MOUNT_ATTR_NODIRATIME },
	{ "noexec", SET, MOUNT_ATTR_NOEXEC },
	{ "noiversion", SUPER_CLEAR, MOUNT_SUPER_IVERSION },
	{ "nolazytime", SUPER_CLEAR, MOUNT_SUPER_LAZYTIME },
	{ "nomand", SUPER_CLEAR, MOUNT_SUPER_MAND },
	{ "norelatime", ATIME, MOUNT_ATTR_STRICTATIME },
	{ "nostrictatime", ATIME, MOUNT_ATTR_RELATIME },
	{ "nosuid", SET, MOUNT_ATTR_NOSUID },
	{ "nosymfollow", SET, MOUNT_ATTR_NOSYMFOLLOW },
	{ "private", PROPAGATION, MS_PRIVATE, false },
	{ "ratime", REC_CLEAR, MOUNT_ATTR_NOATIME },
	{ "rbind", FLAG, RBIND },
	{ "rdev", REC_CLEAR, MOUNT_ATTR_NODEV },
	{ "rdiratime", REC_CLEAR, MOUNT_ATTR_NODIRATIME },
	{ "relatime", ATIME, MOUNT_ATTR_RELATIME },
	{ "remount", FLAG, REMOUNT },
	{ "rexec", REC_CLEAR, MOUNT_ATTR_NOEXEC },
	{ "ridmap", FLAG, RIDMAP },
	{ "rnoatime", REC_ATIME, MOUNT_ATTR_NOATIME },
	{ "rnodev", REC_SET, MOUNT_ATTR_NODEV },
	{ "rnodiratime", REC_SET, MOUNT_ATTR_NODIRATIME },
	{ "rnoexec", REC_SET, MOUNT_ATTR_NOEXEC },
	{ "rnorelatime", REC_ATIME, MOUNT_ATTR_STRICTATIME },
	{ "rnostrictatime", REC_ATIME, MOUNT_ATTR_RELATIME },
	{ "rnosuid", REC_SET, MOUNT_ATTR_NOSUID },
	{ "rnosymfollow", REC_SET, MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro", SET, MOUNT_ATTR_RDONLY },
	{ "rprivate", PROPAGATION, MS_PRIVATE, true },
	{ "rrelatime", REC_ATIME, MOUNT_ATTR_RELATIME },
	{ "rro", REC_SET, MOUNT_ATTR_RDONLY },
	{ "rrw", REC_CLEAR, MOUNT_ATTR_RDONLY },
	{ "rshared", PROPAGATION, MS_SHARED, true },
	{ "rslave", PROPAGATION, MS_SLAVE, true },
	{ "rstrictatime", REC_ATIME, MOUNT_ATTR_STRICTATIME },
	{ "rsuid", REC_CLEAR, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", REC_CLEAR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", PROPAGATION, MS_UNBINDABLE, true },
	{ "rw", CLEAR, MOUNT_ATTR_RDONLY },
	{ "shared", PROPAGATION, MS_SHARED, false },
	{ "silent", SUPER_SET, MOUNT_SUPER_SILENT },
	{ "slave", PROPAGATION, MS_SLAVE, false },
	{ "src-nofollow", FLAG, SRC_NOFOLLOW },
	{ "strictatime", ATIME, MOUNT_ATTR_STRICTATIME },
	{ "suid", CLEAR, MOUNT_ATTR_NOSUID },
	{ "symfollow", CLEAR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", SUPER_SET, MOUNT_SUPER_SYNC },
	{ "tmpcopyup", FLAG, TMPCOPYUP },
	{ "unbindable", PROPAGATION, MS_UNBINDABLE, false },
};

static void set_attr(uint64_t *set, uint64_t *clear, uint64_t bits)
{
	*set |= bits;
	*clear &= ~bits;
}

/* The access-time policy is one field of three values, relatime being 0: mount_setattr(2) wants it cleared as a
 * whole before it is set. */
static void set_atime(uint64_t *set, uint64_t *clear, uint64_t value)
{
	*set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | value;
	*clear |= MOUNT_ATTR__ATIME;
}

static void clear_attr(uint64_t *set, uint64_t *clear, uint64_t bits)
{
	/* "atime" undoes noatime: back to the kernel's default. */
	if (bits == MOUNT_ATTR_NOATIME) {
		set_atime(set, clear, MOUNT_ATTR_RELATIME);
		return;
	}
	*set &= ~bits;
	*clear |= bits;
}

static void set_flag(struct mount_options *o, enum flag flag)
{
	switch (flag) {
	case RBIND:
		o->recursive_bind = true;
		o->bind = true;
		break;
	case BIND:
		o->bind = true;
		break;
	case REMOUNT:
		o->remount = true;
		break;
	case RIDMAP:
		o->recursive_idmap = true;
		o->idmap = true;
		break;
	case IDMAP:
		o->idmap = true;
		break;
	case TMPCOPYUP:
		o->tmpcopyup = true;
		break;
	case COPY_SYMLINK:
		o->copy_symlink = true;
		break;
	case SRC_NOFOLLOW:
		o->source_nofollow = true;
		break;
	case DEST_NOFOLLOW:
		o->dest_nofollow = true;
		break;
	}
}

static int apply(struct mount_options *o, const struct option *opt, struct error *err)
{
	switch (opt->kind) {
	case IGNORE:
		break;
	case SET:
		set_attr(&o->attr_set, &o->attr_clear, opt->value);
		break;
	case CLEAR:
		clear_attr(&o->attr_set, &o->attr_clear, opt->value);
		break;
	case ATIME:
		set_atime(&o->attr_set, &o->attr_clear, opt->value);
		break;
	case REC_SET:
		set_attr(&o->rec_set, &o->rec_clear, opt->value);
		break;
	case REC_CLEAR:
		clear_attr(&o->rec_set, &o->rec_clear, opt->value);
		break;
	case REC_ATIME:
		set_atime(&o->rec_set, &o->rec_clear, opt->value);
		break;
	case SUPER_SET:
		o->super_set |= (unsigned int)opt->value;
		o->super_clear &= ~(unsigned int)opt->value;
		break;
	case SUPER_CLEAR:
		o->super_clear |= (unsigned int)opt->value;
		o->super_set &= ~(unsigned int)opt->value;
		break;
	case PROPAGATION:
		if (o->propagation_count == sizeof o->propagation / sizeof *o->propagation)
			return error_set(err, ERR_CONFIG, EINVAL, "too many propagation options");
		o->propagation[o->propagation_count++] =
			(struct mount_propagation){ .flag = opt->value, .recursive = opt->recursive };
		break;
	case FLAG:
		set_flag(o, (enum flag)opt->value);
		break;
	}
	return 0;
}

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

/* Filesystem data is a comma-separated list like mount(2)'s; commas in double quotes are part of the value. */
static void add_data(struct mount_options *o, struct arena *a, const char *text)
{
	while (*text) {
		const char *p = text;
		bool quoted = false;

		for (; *p && (quoted || *p != ','); p++) {
			if (*p == '"')
				quoted = !quoted;
			else if (*p == '\\' && p[1])
				p++;
		}
		if (p > text) {
			o->data = arena_grow(a, o->data, o->data_count * sizeof *o->data,
				(o->data_count + 1) * sizeof *o->data);
			o->data[o->data_count++] = arena_strndup(a, text, (size_t)(p - text));
		}
		text = *p ? p + 1 : p;
	}
}

static void drop_words_of_engines(struct mount_options *o)
{
	size_t kept = 0;

	for (size_t i = 0; i < o->data_count; i++) {
		const char *d = o->data[i];

		if (strcmp(d, "z") != 0 && strcmp(d, "Z") != 0 && strcmp(d, "U") != 0)
			o->data[kept++] = d;
	}
	o->data_count = kept;
}

int mount_options_parse(const struct config_mount *m, struct arena *a, struct mount_options *o, struct error *err)
{
	memset(o, 0, sizeof *o);
	for (size_t i = 0; i < m->options_count; i++) {
		const struct option *opt = find(m->options[i]);
		int r;

		if (!opt) {
			/* crun's spelling with a mapping of its own belongs to the same option. */
			if (strncmp(m->options[i], "idmap=", 6) == 0 || strncmp(m->options[i], "ridmap=", 7) == 0)
				return error_set(err, ERR_CONFIG, EINVAL,
					"option \"%s\": give the mapping in uidMappings and gidMappings", m->options[i]);
			add_data(o, a, m->options[i]);
			continue;
		}
		r = apply(o, opt, err);
		if (r < 0)
			return r;
	}
	if (m->type && strcmp(m->type, "bind") == 0 && !o->remount)
		o->bind = true;
	if (m->uid_mappings_count && !o->idmap)
		o->idmap = true;
	o->readonly = (o->attr_set & MOUNT_ATTR_RDONLY) != 0;
	if (o->bind)
		drop_words_of_engines(o);
	if (o->bind && o->data_count) {
		error_hint(err, "a bind mount has no filesystem of its own that could take it");
		return error_set(err, ERR_CONFIG, EINVAL, "unknown option \"%s\" of a bind mount", o->data[0]);
	}
	if (o->idmap && !o->bind)
		return error_set(err, ERR_CONFIG, EINVAL, "idmap needs a bind mount");
	if (o->tmpcopyup && (!m->type || strcmp(m->type, "tmpfs") != 0))
		return error_set(err, ERR_CONFIG, EINVAL, "tmpcopyup needs a tmpfs");
	return 0;
}

const char *const *mount_options_names(struct arena *a)
{
	size_t n = sizeof table / sizeof *table;
	const char **names = arena_array(a, const char *, n + 1);

	for (size_t i = 0; i < n; i++)
		names[i] = table[i].name;
	return names;
}
