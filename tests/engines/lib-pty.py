#!/usr/bin/env python3
"""lib-pty.py SECONDS [EXPECT SEND]... -- COMMAND...: a command on a terminal of 40 rows and 100 columns.

For each pair: wait until EXPECT (a regular expression) appears after what matched before, then type SEND (escapes of C:
\\n, \\x10).  Prints all that appeared; ends with the command's status, or 124 when something does not come within SECONDS.
"""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time


def main():
    limit = time.monotonic() + float(sys.argv[1])
    split = sys.argv.index("--")
    pairs = sys.argv[2:split]
    command = sys.argv[split + 1:]
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        os.execvp(command[0], command)
    seen, done = "", 0
    while True:
        if pairs:
            found = re.compile(pairs[0]).search(seen, done)
            if found:
                done = found.end()
                os.write(fd, pairs[1].encode().decode("unicode_escape").encode("latin1"))
                pairs = pairs[2:]
                continue
        if time.monotonic() > limit:
            sys.stdout.write(seen.replace("\r", ""))
            print(f"\nlib-pty: not in time; still expected: {pairs[:1]}")
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            return 124
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data.decode("utf-8", "replace")
    sys.stdout.write(seen.replace("\r", ""))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


sys.exit(main())
