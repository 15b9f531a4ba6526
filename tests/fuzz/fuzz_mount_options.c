/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: any text as the options of a mount.  The first byte
 * chooses the type and whether there are mappings, the rest is cut into options
 * at newlines.  Beyond "no crash": a success contradicts itself nowhere (no bit
 * both set and cleared but the access time, which is cleared before it is set),
 * parsing again gives the same, and no data is empty or lost.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "runtime/mount/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                                                        \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			abort();                                                                                       \
	} while (0)

#define OPTIONS_MAX 512

static void sane(const struct config_mount *m, const struct mount_options *o)
{
	const size_t room = sizeof o->propagation / sizeof *o->propagation;

	MUST((o->attr_set & o->attr_clear & ~(uint64_t)MOUNT_ATTR__ATIME) == 0);
	MUST((o->rec_set & o->rec_clear & ~(uint64_t)MOUNT_ATTR__ATIME) == 0);
	MUST((o->attr_set & MOUNT_ATTR__ATIME) != MOUNT_ATTR__ATIME);
	MUST((o->super_set & o->super_clear) == 0);
	MUST(o->readonly == ((o->attr_set & MOUNT_ATTR_RDONLY) != 0));
	MUST(o->propagation_count <= room);
	MUST(!o->recursive_bind || o->bind);
	MUST(!o->recursive_idmap || o->idmap);
	MUST(!o->idmap || o->bind);
	MUST(!o->bind || o->data_count == 0);
	MUST(m->uid_mappings_count == 0 || o->idmap);
	for (size_t i = 0; i < o->data_count; i++)
		MUST(*o->data[i] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { NULL, "bind", "none", "tmpfs", "proc", "overlay", "cgroup", "" };
	struct config_id_mapping map = { 0, 1000, 1 };
	const char *options[OPTIONS_MAX];
	struct config_mount m = { .destination = "/x", .source = "/y", .options = options };
	struct mount_options first, second;
	struct error err = { 0 };
	struct arena arena = { 0 };
	char *text, *save = NULL;
	int r;

	if (size == 0)
		return 0;
	m.type = types[data[0] & 7];
	if (data[0] & 8) {
		m.uid_mappings = m.gid_mappings = &map;
		m.uid_mappings_count = m.gid_mappings_count = 1;
	}
	text = arena_strndup(&arena, (const char *)data + 1, size - 1);
	for (char *o = strtok_r(text, "\n", &save); o && m.options_count < OPTIONS_MAX; o = strtok_r(NULL, "\n", &save))
		options[m.options_count++] = o;
	r = mount_options_parse(&m, &arena, &first, &err);
	if (r < 0) {
		MUST(err.msg[0] != '\0');
	} else {
		sane(&m, &first);
		MUST(mount_options_parse(&m, &arena, &second, &err) == 0);
		MUST(first.attr_set == second.attr_set && first.attr_clear == second.attr_clear);
		MUST(first.data_count == second.data_count);
		for (size_t i = 0; i < first.data_count; i++)
			MUST(strcmp(first.data[i], second.data[i]) == 0);
	}
	arena_free(&arena);
	return 0;
}
