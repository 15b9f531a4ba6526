/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: named volumes are directories below volumes/ of the store; unpack -v makes them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image-tools/command/commands.h"

static int list(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			puts(e->d_name);
	closedir(d);
	return 0;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	int r = program_store(p, err), fd;

	(void)opaque;
	if (r < 0)
		return r;
	fd = openat(p->store.layout.dir, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_sys(err, errno, "open %s/volumes", p->store.path);
	if (argc == 1 && strcmp(argv[0], "ls") == 0)
		return list(fd);
	if (argc < 2 || strcmp(argv[0], "rm") != 0) {
		close(fd);
		return error_set(err, ERR_USAGE, EINVAL, "volume: \"ls\" or \"rm NAME...\" expected");
	}
	for (int i = 1; r == 0 && i < argc; i++) {
		const char *user = store_volume_user(&p->store, argv[i]);

		if (user) {
			error_hint(err, "oci-image rm-bundle %s", user);
			r = error_set(err, ERR_STATE, EBUSY, "volume %s: bundle %s has it", argv[i], user);
		} else if (strchr(argv[i], '/') || argv[i][0] == '.')
			r = error_set(err, ERR_USAGE, EINVAL, "volume \"%s\": invalid name", argv[i]);
		else if ((r = store_remove_tree(fd, argv[i])) < 0)
			r = r == -ENOENT ? error_set(err, ERR_NOT_FOUND, ENOENT, "no volume %s", argv[i]) :
					   error_sys(err, -r, "remove volume %s", argv[i]);
	}
	close(fd);
	return r;
}

const struct command command_volume = { "volume", "ls | rm NAME...", "list or remove named volumes", NULL, 0, 1, -1, run };
