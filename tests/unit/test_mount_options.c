/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the options of a mount as tables: every name of
 * runtime-spec's list with what it must set and clear, what overrides what, and
 * what is left for the filesystem.  The table of names is compared with the
 * parser's own, so that neither has an option that the other lacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "runtime/mount/options.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

#define ATIME MOUNT_ATTR__ATIME

static struct arena arena;

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* Parse the comma-free words of a text, separated by blanks, as the options of a mount. */
static int parse(const char *type, const char *words, struct mount_options *o, struct error *err)
{
	const char *list[64];
	struct config_mount m = {.destination = "/x", .type = type, .source = "/y", .options = list};

	for (char *save = NULL, *word = strtok_r(arena_strdup(&arena, words), " ", &save); word;
		word = strtok_r(NULL, " ", &save))
		list[m.options_count++] = word;
	memset(err, 0, sizeof *err);
	return mount_options_parse(&m, &arena, o, err);
}

/* What one option does to a mount that has no others. */
static const struct expectation {
	const char *name;
	uint64_t set, clear, rec_set, rec_clear;
	unsigned int super_set, super_clear;
	uint64_t propagation;
	bool recursive;
} expectations[] = {
	{.name = "async", .super_clear = MOUNT_SUPER_SYNC},
	{.name = "atime", .clear = ATIME},
	{.name = "bind"},
	{.name = "copy-symlink"},
	{.name = "defaults"},
	{.name = "dest-nofollow"},
	{.name = "dev", .clear = MOUNT_ATTR_NODEV},
	{.name = "diratime", .clear = MOUNT_ATTR_NODIRATIME},
	{.name = "dirsync", .super_set = MOUNT_SUPER_DIRSYNC},
	{.name = "exec", .clear = MOUNT_ATTR_NOEXEC},
	{.name = "idmap"},
	{.name = "iversion", .super_set = MOUNT_SUPER_IVERSION},
	{.name = "lazytime", .super_set = MOUNT_SUPER_LAZYTIME},
	{.name = "loud", .super_clear = MOUNT_SUPER_SILENT},
	{.name = "mand", .super_set = MOUNT_SUPER_MAND},
	{.name = "noatime", .set = MOUNT_ATTR_NOATIME, .clear = ATIME},
	{.name = "nodev", .set = MOUNT_ATTR_NODEV},
	{.name = "nodiratime", .set = MOUNT_ATTR_NODIRATIME},
	{.name = "noexec", .set = MOUNT_ATTR_NOEXEC},
	{.name = "noiversion", .super_clear = MOUNT_SUPER_IVERSION},
	{.name = "nolazytime", .super_clear = MOUNT_SUPER_LAZYTIME},
	{.name = "nomand", .super_clear = MOUNT_SUPER_MAND},
	{.name = "norelatime", .set = MOUNT_ATTR_STRICTATIME, .clear = ATIME},
	{.name = "nostrictatime", .clear = ATIME},
	{.name = "nosuid", .set = MOUNT_ATTR_NOSUID},
	{.name = "nosymfollow", .set = MOUNT_ATTR_NOSYMFOLLOW},
	{.name = "private", .propagation = MS_PRIVATE},
	{.name = "ratime", .rec_clear = ATIME},
	{.name = "rbind"},
	{.name = "rdev", .rec_clear = MOUNT_ATTR_NODEV},
	{.name = "rdiratime", .rec_clear = MOUNT_ATTR_NODIRATIME},
	{.name = "relatime", .clear = ATIME},
	{.name = "remount"},
	{.name = "rexec", .rec_clear = MOUNT_ATTR_NOEXEC},
	{.name = "ridmap"},
	{.name = "rnoatime", .rec_set = MOUNT_ATTR_NOATIME, .rec_clear = ATIME},
	{.name = "rnodev", .rec_set = MOUNT_ATTR_NODEV},
	{.name = "rnodiratime", .rec_set = MOUNT_ATTR_NODIRATIME},
	{.name = "rnoexec", .rec_set = MOUNT_ATTR_NOEXEC},
	{.name = "rnorelatime", .rec_set = MOUNT_ATTR_STRICTATIME, .rec_clear = ATIME},
	{.name = "rnostrictatime", .rec_clear = ATIME},
	{.name = "rnosuid", .rec_set = MOUNT_ATTR_NOSUID},
	{.name = "rnosymfollow", .rec_set = MOUNT_ATTR_NOSYMFOLLOW},
	{.name = "ro", .set = MOUNT_ATTR_RDONLY},
	{.name = "rprivate", .propagation = MS_PRIVATE, .recursive = true},
	{.name = "rrelatime", .rec_clear = ATIME},
	{.name = "rro", .rec_set = MOUNT_ATTR_RDONLY},
	{.name = "rrw", .rec_clear = MOUNT_ATTR_RDONLY},
	{.name = "rshared", .propagation = MS_SHARED, .recursive = true},
	{.name = "rslave", .propagation = MS_SLAVE, .recursive = true},
	{.name = "rstrictatime", .rec_set = MOUNT_ATTR_STRICTATIME, .rec_clear = ATIME},
	{.name = "rsuid", .rec_clear = MOUNT_ATTR_NOSUID},
	{.name = "rsymfollow", .rec_clear = MOUNT_ATTR_NOSYMFOLLOW},
	{.name = "runbindable", .propagation = MS_UNBINDABLE, .recursive = true},
	{.name = "rw", .clear = MOUNT_ATTR_RDONLY},
	{.name = "shared", .propagation = MS_SHARED},
	{.name = "silent", .super_set = MOUNT_SUPER_SILENT},
	{.name = "slave", .propagation = MS_SLAVE},
	{.name = "src-nofollow"},
	{.name = "strictatime", .set = MOUNT_ATTR_STRICTATIME, .clear = ATIME},
	{.name = "suid", .clear = MOUNT_ATTR_NOSUID},
	{.name = "symfollow", .clear = MOUNT_ATTR_NOSYMFOLLOW},
	{.name = "sync", .super_set = MOUNT_SUPER_SYNC},
	{.name = "tmpcopyup"},
	{.name = "unbindable", .propagation = MS_UNBINDABLE},
};

#define COUNT (sizeof expectations / sizeof *expectations)

/* idmap needs a bind mount, tmpcopyup a tmpfs. */
static const char *type_for(const char *name)
{
	return strstr(name, "idmap") || strcmp(name, "rbind") == 0 ? "bind" : "tmpfs";
}

static void every_option(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		const struct expectation *e = &expectations[i];
		struct mount_options o;
		struct error err;

		print_message("# %s\n", e->name);
		assert_int_equal(parse(type_for(e->name), e->name, &o, &err), 0);
		assert_int_equal(o.attr_set, e->set);
		assert_int_equal(o.attr_clear, e->clear);
		assert_int_equal(o.rec_set, e->rec_set);
		assert_int_equal(o.rec_clear, e->rec_clear);
		assert_int_equal(o.super_set, e->super_set);
		assert_int_equal(o.super_clear, e->super_clear);
		assert_int_equal(o.propagation_count, e->propagation ? 1 : 0);
		if (e->propagation) {
			assert_int_equal(o.propagation[0].flag, e->propagation);
			assert_int_equal(o.propagation[0].recursive, e->recursive);
		}
		assert_int_equal(o.readonly, strcmp(e->name, "ro") == 0);
		assert_int_equal(o.remount, strcmp(e->name, "remount") == 0);
		assert_int_equal(o.recursive_bind, strcmp(e->name, "rbind") == 0);
		assert_int_equal(o.bind, strcmp(e->name, "bind") == 0 || strcmp(type_for(e->name), "bind") == 0);
		assert_int_equal(o.idmap, strstr(e->name, "idmap") != NULL);
		assert_int_equal(o.recursive_idmap, strcmp(e->name, "ridmap") == 0);
		assert_int_equal(o.tmpcopyup, strcmp(e->name, "tmpcopyup") == 0);
		assert_int_equal(o.copy_symlink, strcmp(e->name, "copy-symlink") == 0);
		assert_int_equal(o.source_nofollow, strcmp(e->name, "src-nofollow") == 0);
		assert_int_equal(o.dest_nofollow, strcmp(e->name, "dest-nofollow") == 0);
	}
}

/* The same names on both sides: what `features` prints is what is tested here. */
static void names_are_complete(void **state)
{
	const char *const *names = mount_options_names(&arena);
	size_t n = 0;

	(void)state;
	for (; names[n]; n++) {
		bool found = false;

		for (size_t i = 0; i < COUNT; i++)
			found |= strcmp(expectations[i].name, names[n]) == 0;
		if (!found)
			fail_msg("\"%s\" is not in this test's table", names[n]);
	}
	assert_int_equal(n, COUNT);
}

/* No name of the table ends up in the filesystem's data. */
static void nothing_of_the_table_is_data(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		struct mount_options o;
		struct error err;

		assert_int_equal(parse(type_for(expectations[i].name), expectations[i].name, &o, &err), 0);
		assert_int_equal(o.data_count, 0);
	}
}

/* The last of two contradicting options wins, and both orders are tried. */
static void later_options_win(void **state)
{
	static const struct {
		const char *on, *off;
		uint64_t bit;
	} pairs[] = {
		{"ro", "rw", MOUNT_ATTR_RDONLY}, {"nosuid", "suid", MOUNT_ATTR_NOSUID},
		{"nodev", "dev", MOUNT_ATTR_NODEV}, {"noexec", "exec", MOUNT_ATTR_NOEXEC},
		{"nodiratime", "diratime", MOUNT_ATTR_NODIRATIME}, {"nosymfollow", "symfollow", MOUNT_ATTR_NOSYMFOLLOW},
	};
	static const struct {
		const char *on, *off;
		unsigned int bit;
	} super[] = {
		{"sync", "async", MOUNT_SUPER_SYNC}, {"lazytime", "nolazytime", MOUNT_SUPER_LAZYTIME},
		{"iversion", "noiversion", MOUNT_SUPER_IVERSION}, {"mand", "nomand", MOUNT_SUPER_MAND},
		{"silent", "loud", MOUNT_SUPER_SILENT},
	};
	struct mount_options o;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		assert_int_equal(parse("tmpfs", arena_printf(&arena, "%s %s", pairs[i].on, pairs[i].off), &o, &err), 0);
		assert_int_equal(o.attr_set, 0);
		assert_int_equal(o.attr_clear, pairs[i].bit);
		assert_int_equal(parse("tmpfs", arena_printf(&arena, "%s %s", pairs[i].off, pairs[i].on), &o, &err), 0);
		assert_int_equal(o.attr_set, pairs[i].bit);
		assert_int_equal(o.attr_clear, 0);
		/* the recursive ones are the same names with an r before them */
		assert_int_equal(parse("bind", arena_printf(&arena, "r%s r%s", pairs[i].on, pairs[i].off), &o, &err), 0);
		assert_int_equal(o.rec_set, 0);
		assert_int_equal(o.rec_clear, pairs[i].bit);
		assert_int_equal(o.attr_set | o.attr_clear, 0);
	}
	for (size_t i = 0; i < sizeof super / sizeof *super; i++) {
		assert_int_equal(parse("tmpfs", arena_printf(&arena, "%s %s", super[i].on, super[i].off), &o, &err), 0);
		assert_int_equal(o.super_set, 0);
		assert_int_equal(o.super_clear, super[i].bit);
		assert_int_equal(parse("tmpfs", arena_printf(&arena, "%s %s", super[i].off, super[i].on), &o, &err), 0);
		assert_int_equal(o.super_set, super[i].bit);
		assert_int_equal(o.super_clear, 0);
	}
	/* one field of three values: the last one alone */
	assert_int_equal(parse("tmpfs", "noatime strictatime", &o, &err), 0);
	assert_int_equal(o.attr_set, MOUNT_ATTR_STRICTATIME);
	assert_int_equal(parse("tmpfs", "strictatime noatime", &o, &err), 0);
	assert_int_equal(o.attr_set, MOUNT_ATTR_NOATIME);
	assert_int_equal(parse("tmpfs", "noatime atime", &o, &err), 0);
	assert_int_equal(o.attr_set, 0);
	assert_int_equal(o.attr_clear, ATIME);
	assert_int_equal(parse("tmpfs", "ro nosuid rw", &o, &err), 0);
	assert_false(o.readonly);
	assert_int_equal(o.attr_set, MOUNT_ATTR_NOSUID);
}

static void propagation_keeps_its_order(void **state)
{
	struct mount_options o;
	struct error err;

	(void)state;
	assert_int_equal(parse("none", "rbind rslave shared", &o, &err), 0);
	assert_int_equal(o.propagation_count, 2);
	assert_int_equal(o.propagation[0].flag, MS_SLAVE);
	assert_true(o.propagation[0].recursive);
	assert_int_equal(o.propagation[1].flag, MS_SHARED);
	assert_false(o.propagation[1].recursive);
	assert_int_equal(parse("none",
		"rbind shared slave private unbindable rshared rslave rprivate runbindable", &o, &err), 0);
	assert_int_equal(o.propagation_count, 8);
	assert_int_equal(parse("none",
		"rbind shared slave private unbindable rshared rslave rprivate runbindable shared", &o, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "too many propagation options"));
}

/* What is not in the table is the filesystem's: a list with commas is several, quotes and backslashes protect commas. */
static void data_and_commas(void **state)
{
	static const struct {
		const char *options, *data[4];
	} cases[] = {
		{"size=64k", {"size=64k"}},
		{"size=64k mode=755", {"size=64k", "mode=755"}},
		{"size=64k,mode=755", {"size=64k", "mode=755"}},
		{",,size=64k,,", {"size=64k"}},
		{",", {NULL}},
		{"context=\"system_u:object_r:x_t:s0:c1,c2\"", {"context=\"system_u:object_r:x_t:s0:c1,c2\""}},
		{"context=\"a,b\",size=1", {"context=\"a,b\"", "size=1"}},
		{"lowerdir=/a\\,b:/c,upperdir=/d", {"lowerdir=/a\\,b:/c", "upperdir=/d"}},
		{"a=\"x\\\",y\",b", {"a=\"x\\\",y\"", "b"}},
		{"open=\"never,closed", {"open=\"never,closed"}},
		{"end=\\", {"end=\\"}},
		{"size=1,ro", {"size=1", "ro"}}, /* an option is an element of the array; a list is the filesystem's */
		{"RO", {"RO"}}, {"norelatimes", {"norelatimes"}}, {"r", {"r"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct mount_options o;
		struct error err;
		size_t n = 0;

		print_message("# %s\n", cases[i].options);
		assert_int_equal(parse("tmpfs", cases[i].options, &o, &err), 0);
		for (; n < 4 && cases[i].data[n]; n++) {
			assert_true(n < o.data_count);
			assert_string_equal(o.data[n], cases[i].data[n]);
		}
		assert_int_equal(o.data_count, n);
		assert_int_equal(o.attr_set | o.attr_clear | o.rec_set | o.rec_clear, 0);
	}
}

static void mappings_mean_idmap(void **state)
{
	struct config_id_mapping map = {0, 1000, 1};
	const char *bind[] = {"rbind"};
	struct config_mount m = {.destination = "/x", .type = "none", .source = "/y", .options = bind, .options_count = 1,
		.uid_mappings = &map, .uid_mappings_count = 1, .gid_mappings = &map, .gid_mappings_count = 1};
	struct mount_options o;
	struct error err = {0};

	(void)state;
	assert_int_equal(mount_options_parse(&m, &arena, &o, &err), 0);
	assert_true(o.idmap);
	assert_false(o.recursive_idmap);
}

/* buildah 1.28 hands the runtime what it has already done: labels (z, Z) and owners (U). */
static void words_of_engines(void **state)
{
	struct mount_options o;
	struct error err;

	(void)state;
	assert_int_equal(parse("bind", "rbind z U rprivate", &o, &err), 0);
	assert_true(o.bind);
	assert_int_equal(o.data_count, 0);
	assert_int_equal(o.propagation_count, 1);
	assert_int_equal(parse("none", "bind Z ro", &o, &err), 0);
	assert_true(o.readonly);
	assert_int_equal(o.data_count, 0);
	/* a filesystem may have options of these names */
	assert_int_equal(parse("tmpfs", "z", &o, &err), 0);
	assert_int_equal(o.data_count, 1);
}

static void impossible_options(void **state)
{
	static const struct {
		const char *type, *options, *text;
	} cases[] = {
		{"bind", "size=64k", "unknown option \"size=64k\" of a bind mount"},
		{"bind", "z size=64k", "unknown option \"size=64k\" of a bind mount"},
		{"bind", "zz", "unknown option \"zz\" of a bind mount"},
		{"none", "bind nosuid mode=755", "unknown option \"mode=755\" of a bind mount"},
		{"tmpfs", "idmap", "idmap needs a bind mount"},
		{"tmpfs", "ridmap", "idmap needs a bind mount"},
		{"none", "bind tmpcopyup", "tmpcopyup needs a tmpfs"},
		{NULL, "tmpcopyup", "tmpcopyup needs a tmpfs"},
		{"none", "bind idmap=uids=0-1-2", "give the mapping in uidMappings and gidMappings"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct mount_options o;
		struct error err;

		assert_int_equal(parse(cases[i].type, cases[i].options, &o, &err), -EINVAL);
		assert_non_null(strstr(err.msg, cases[i].text));
	}
}

/* A remount is no bind mount, whatever the type says: nothing is cloned. */
static void remount_of_a_bind_mount(void **state)
{
	struct mount_options o;
	struct error err;

	(void)state;
	assert_int_equal(parse("bind", "ro", &o, &err), 0);
	assert_true(o.bind);
	assert_int_equal(parse("bind", "remount ro", &o, &err), 0);
	assert_false(o.bind);
	assert_true(o.remount);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, tear_down)
	const struct CMUnitTest tests[] = {
		T(every_option),
		T(names_are_complete),
		T(nothing_of_the_table_is_data),
		T(later_options_win),
		T(propagation_keeps_its_order),
		T(data_and_commas),
		T(mappings_mean_idmap),
		T(words_of_engines),
		T(impossible_options),
		T(remount_of_a_bind_mount),
	};

	return cmocka_run_group_tests_name("mount_options", tests, NULL, NULL);
}
