/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: what the store holds and what gc would free. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "image-tools/command/commands.h"

static uint64_t usage(int dir, const char *name, size_t *children)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t sum = 0;

	while (d && (e = readdir(d))) {
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (children)
			++*children;
		sum += (uint64_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode))
			sum += usage(dirfd(d), e->d_name, NULL);
	}
	if (d)
		closedir(d);
	return sum;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	static const struct {
		const char *what, *dir;
	} parts[] = { { "blobs", "blobs/sha256" }, { "layers", "layers" }, { "volumes", "volumes" },
		{ "cache", "cache" }, { "partial", "tmp" } };
	struct gc_options g = { .dry_run = true };
	struct gc_result result = { 0 };
	struct json_writer w;
	int r = program_store(p, err);

	(void)opaque;
	(void)argc;
	(void)argv;
	if (r < 0)
		return r;
	/* Somebody else at work: the sum of what could be freed stays 0. */
	store_gc(&p->store, &g, &result, NULL);
	json_writer_init(&w, &p->arena, true);
	json_write_object(&w);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		size_t count = 0;
		uint64_t bytes = usage(p->store.layout.dir, parts[i].dir, &count);

		if (!p->json)
			printf("%-10s %6zu  %s\n", parts[i].what, count, human_size(&p->arena, bytes));
		json_write_member_object(&w, parts[i].what);
		json_write_member_u64(&w, "count", count);
		json_write_member_u64(&w, "bytes", bytes);
		json_write_end_object(&w);
	}
	json_write_member_u64(&w, "reclaimable", result.bytes);
	json_write_end_object(&w);
	if (p->json)
		print_json(&w);
	else
		printf("gc would free %s\n", human_size(&p->arena, result.bytes));
	return 0;
}

const struct command command_df = { "df", "", "show how much space the store takes", NULL, 0, 0, 0, run };
