#!/usr/bin/env python3
"""The other end of a runtime's sockets: receives descriptors and shows what they are.

recvfd.py tty SOCKET DIR [TEXT]   console socket: what the terminal prints goes to DIR/tty, TEXT is typed
recvfd.py pidfd SOCKET DIR        pidfd socket: DIR/pidfd-pid holds the pid behind the descriptor
recvfd.py seccomp SOCKET DIR      seccomp listener: DIR/seccomp-state holds the JSON state;
                                  each trapped system call fails with EADDRNOTAVAIL
recvfd.py hold SOCKET DIR         seccomp listeners, one of each connection N: DIR/state-N is the JSON state; the first
                                  one's trapped system calls go on, those of the others wait, with
                                  DIR/held-N there, for DIR/release
recvfd.py notify SOCKET DIR       datagrams of a service's notify socket, one per line in DIR/notify

The message that came with the descriptor is kept in DIR/message, "N fds" in DIR/count.
DIR/ready appears when the socket listens.
"""
import array
import errno
import fcntl
import os
import select
import socket
import struct
import sys
import threading
import time

NOTIF_RECV = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV: struct seccomp_notif, 80 bytes
NOTIF_SEND = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND: struct seccomp_notif_resp, 24 bytes


def save(folder, name, data):
    path = os.path.join(folder, name)
    with open(path + ".tmp", "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    os.rename(path + ".tmp", path)


def receive(conn):
    data, fds = b"", array.array("i")
    while True:
        msg, anc, _, _ = conn.recvmsg(65536, socket.CMSG_SPACE(16 * fds.itemsize))
        for level, kind, blob in anc:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(blob[: len(blob) - len(blob) % fds.itemsize])
        data += msg
        if fds or not msg:
            return data, list(fds)


def copy_terminal(fd, folder, text):
    with open(os.path.join(folder, "tty"), "wb", buffering=0) as out:
        if text:
            os.write(fd, text.encode().decode("unicode_escape").encode())
        while True:
            try:
                data = os.read(fd, 4096)
            except OSError as e:
                if e.errno == errno.EIO:
                    break
                raise
            if not data:
                break
            out.write(data)
    save(folder, "hangup", "")


def answer_notifications(fd):
    while True:
        p = select.poll()
        p.register(fd, select.POLLIN)
        if any(ev & (select.POLLHUP | select.POLLERR) for _, ev in p.poll(30000)):
            return
        buf = bytearray(80)
        try:
            fcntl.ioctl(fd, NOTIF_RECV, buf, True)
        except OSError as e:
            if e.errno in (errno.EINTR, errno.ENOENT):
                continue
            return
        (ident,) = struct.unpack_from("Q", buf)
        try:
            fcntl.ioctl(fd, NOTIF_SEND, struct.pack("QqiI", ident, 0, -errno.EADDRNOTAVAIL, 0))
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise


def hold_notifications(conn, folder, n):
    data, fds = receive(conn)
    while True:
        more = conn.recv(65536)
        if not more:
            break
        data += more
    save(folder, "state-%d" % n, data)
    while True:
        p = select.poll()
        p.register(fds[0], select.POLLIN)
        if any(ev & (select.POLLHUP | select.POLLERR) for _, ev in p.poll(30000)):
            return
        buf = bytearray(80)
        try:
            fcntl.ioctl(fds[0], NOTIF_RECV, buf, True)
        except OSError as e:
            if e.errno in (errno.EINTR, errno.ENOENT):
                continue
            return
        (ident,) = struct.unpack_from("Q", buf)
        if n > 1:
            save(folder, "held-%d" % n, "")
            while not os.path.exists(os.path.join(folder, "release")):
                time.sleep(0.02)
        try:
            fcntl.ioctl(fds[0], NOTIF_SEND, struct.pack("QqiI", ident, 0, 0, 1))  # go on
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise


def main():
    mode, path, folder = sys.argv[1:4]
    os.makedirs(folder, exist_ok=True)
    if mode == "notify":
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(path)
        os.chmod(path, 0o777)
        save(folder, "ready", "")
        lines = b""
        while True:
            lines += s.recv(65536) + b"\n"
            save(folder, "notify", lines)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # a path may be longer than sun_path: bind by its directory
    os.chdir(os.path.dirname(path))
    s.bind(os.path.basename(path))
    s.listen(8)
    save(folder, "ready", "")
    if mode == "hold":
        n = 0
        while True:
            conn, _ = s.accept()
            n += 1
            threading.Thread(target=hold_notifications, args=(conn, folder, n), daemon=True).start()
    conn, _ = s.accept()
    data, fds = receive(conn)
    if mode == "seccomp":
        while True:  # one state per connection; the sender closes
            more = conn.recv(65536)
            if not more:
                break
            data += more
    save(folder, "message", data)
    save(folder, "count", "%d fds" % len(fds))
    if not fds:
        return 1
    if mode == "tty":
        copy_terminal(fds[0], folder, sys.argv[4] if len(sys.argv) > 4 else "")
    elif mode == "pidfd":
        with open("/proc/self/fdinfo/%d" % fds[0]) as f:
            info = dict(line.split(":", 1) for line in f if ":" in line)
        save(folder, "pidfd-pid", info.get("Pid", "none").strip())
    elif mode == "seccomp":
        save(folder, "seccomp-state", data)
        answer_notifications(fds[0])
    return 0


sys.exit(main())
