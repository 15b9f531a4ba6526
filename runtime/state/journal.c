/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see journal.h. */
#include "runtime/state/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"

int journal_append(int state_fd, const char *text, size_t len, struct error *err)
{
	_cleanup_fd_ int fd = -1;
	int r;

	if (len == 0)
		return 0;
	fd = openat(state_fd, JOURNAL_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_sys(err, errno, "open the journal in the state directory");
	r = fd_write_all(fd, text, len);
	return r < 0 ? error_sys(err, -r, "write the journal in the state directory") : 0;
}

int journal_replay(int state_fd, struct arena *a, journal_undo_fn *undo, struct error *err)
{
	struct error one = { 0 };
	char *buf, *end;
	size_t len;
	int r, first = 0;

	r = fd_read_file(state_fd, JOURNAL_FILE, a, JOURNAL_MAX, &buf, &len);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_sys(err, -r, "read the journal in the state directory");
	end = memrchr(buf, '\n', len);
	while (end) {
		char *line, *space;

		*end = '\0';
		line = memrchr(buf, '\n', (size_t)(end - buf));
		space = strchr(line ? line + 1 : buf, ' ');
		if (space) {
			*space = '\0';
			error_clear(&one);
			r = undo(line ? line + 1 : buf, space + 1, &one);
			if (r < 0 && first == 0) {
				first = r;
				*err = one;
			}
		}
		end = line;
	}
	return first;
}
