"""Standard streams: FIFOs, files, loggers, terminals."""
import hashlib

from shimlib import *


def test_stdin(env):
    b, c = env.shim("c1", ["sh", "-c", "cat; echo end"])
    i, o = env.fifo("i"), env.fifo("o")
    r = Reader(o)
    c.create(b, stdin=i, stdout=o)
    c.start("c1")
    with open(i, "wb") as f:
        f.write(b"some input\n")
    time.sleep(0.2)
    assert c.state("c1")["status"] == RUNNING, "stdin must stay open until CloseIO"
    c.call("CloseIO", [(1, "c1"), (3, True)])
    assert c.wait_exit("c1") == 0
    c.delete("c1")
    r.done.wait(5)
    assert r.data == b"some input\nend\n", r.data


def test_large_stdin_and_stdout(env):
    b, c = env.shim("c1", ["sh", "-c", "md5sum; head -c 20000000 /dev/zero"])
    i, o = env.fifo("i"), env.fifo("o")
    r = Reader(o)
    c.create(b, stdin=i, stdout=o)
    c.start("c1")
    data = os.urandom(3 << 20)
    with open(i, "wb") as f:
        f.write(data)
    c.call("CloseIO", [(1, "c1"), (3, True)])
    assert c.wait_exit("c1") == 0
    c.delete("c1")
    r.done.wait(10)
    assert hashlib.md5(data).hexdigest().encode() in r.data[:64]
    assert len(r.data) == 20000000 + r.data.index(b"\n") + 1


def test_both_ends_are_held(env):
    """the reader leaves and comes back: the container never notices"""
    b, c = env.shim("c1", ["sh", "-c", "for i in 1 2 3 4 5 6; do echo line $i || exit 9; sleep 0.2; done"])
    o = env.fifo("o")
    c.create(b, stdout=o)
    c.start("c1")
    fd = os.open(o, os.O_RDONLY)
    assert os.read(fd, 100).startswith(b"line 1")
    os.close(fd)
    time.sleep(0.5)
    r = Reader(o)
    assert c.wait_exit("c1") == 0
    r.until(b"line 6\n")
    c.delete("c1")


def test_slow_reader_does_not_grow_the_shim(env):
    b, c = env.shim("c1", ["sh", "-c", "yes | head -c 50000000"])
    o = env.fifo("o")
    fd = os.open(o, os.O_RDONLY | os.O_NONBLOCK)
    c.create(b, stdout=o)
    c.start("c1")
    time.sleep(1)
    pid = list(env.pids)[0]
    assert memory(pid)["Anonymous"] < 1000 or "asan" in os.popen("ldd " + SHIM).read(), memory(pid)
    ticks = open("/proc/%d/stat" % pid).read().split()[13:15]
    time.sleep(0.5)
    assert open("/proc/%d/stat" % pid).read().split()[13:15] == ticks, "the shim spins"
    os.set_blocking(fd, True)
    n = 0
    while n < 50000000:
        n += len(os.read(fd, 1 << 20))
    assert c.wait_exit("c1") == 0
    c.delete("c1")
    os.close(fd)


def test_exit_is_not_held_up_by_a_reader(env):
    b, c = env.shim("c1", ["sh", "-c", "yes | head -c 40000; exit 5"])
    o = env.fifo("o")
    fd = os.open(o, os.O_RDONLY | os.O_NONBLOCK)
    c.create(b, stdout=o)
    c.start("c1")
    assert c.wait_exit("c1", timeout=5) == 5
    c.delete("c1")
    assert len(os.read(fd, 1 << 20)) == 40000
    os.close(fd)


def test_delete_is_bounded_when_a_pipe_stays_open(env):
    b, c = env.shim("c1", ["sleep", "100"])
    c.create(b)
    c.start("c1")
    o = env.fifo("o")
    r = Reader(o)
    c.exec("c1", "e1", ["sh", "-c", "sleep 50 & echo gone"], stdout=o)
    c.start("c1", "e1")
    assert c.wait_exit("c1", "e1", timeout=3) == 0
    t = time.time()
    c.delete("c1", "e1")
    assert 1 < time.time() - t < 4
    r.done.wait(3)
    assert r.data == b"gone\n"


def test_missing_fifo_is_an_error(env):
    b, c = env.shim("c1", ["true"])
    raises(2, c.create, b, stdout=env.dir + "/nowhere")
    raises(2, c.create, b, stdout="http://x/y")
    c.create(b)
    c.delete("c1")


def test_files(env):
    b, c = env.shim("c1", ["sh", "-c", "echo one; echo two >&2"])
    for n in ("o", "e"):
        open(env.dir + "/" + n, "w").write("before\n")
    c.create(b, stdout=env.dir + "/o", stderr=env.dir + "/e")
    c.start("c1")
    c.wait_exit("c1")
    c.delete("c1")
    assert open(env.dir + "/o").read() == "before\none\n"
    assert open(env.dir + "/e").read() == "before\ntwo\n"


def test_file_uri(env):
    b, c = env.shim("c1", ["sh", "-c", "echo one; exec 1>&-; sleep 0.2; echo two >&2"])
    path = env.dir + "/deep/er/log"
    c.create(b, stdout="file://" + path, stderr="file://" + path)
    c.start("c1")
    c.wait_exit("c1")
    c.delete("c1")
    assert sorted(open(path).read().split()) == ["one", "two"]
    os.symlink("/etc/passwd", env.dir + "/link")
    raises(2, c.create, b, stdout="file://" + env.dir + "/link")


def test_full_disk_does_not_stop_a_container(env):
    small = env.dir + "/small"
    os.mkdir(small)
    subprocess.check_call(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small])
    try:
        b, c = env.shim("c1", ["sh", "-c", "head -c 5000000 /dev/zero; exit 4"])
        c.create(b, stdout="file://" + small + "/log")
        c.start("c1")
        assert c.wait_exit("c1", timeout=10) == 4
        c.delete("c1")
        assert os.path.getsize(small + "/log") > 30000
    finally:
        subprocess.call(["umount", small])


def logger(env, body):
    path = env.dir + "/logger"
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + body)
    os.chmod(path, 0o755)
    return path


def test_binary_logger(env):
    b, c = env.shim("c1", ["sh", "-c", "echo one; echo two >&2"])
    path = logger(env, "env >%s/env; echo \"$@\" >%s/args; echo x >&5; exec 5>&-; cat <&3 >%s/o & cat <&4 >%s/e; wait\n"
                  % ((env.dir,) * 4))
    c.create(b, stdout="binary://%s?key=value&other=a%%20b" % path)
    assert open(env.dir + "/args").read() == "key value other a b\n"
    e = open(env.dir + "/env").read()
    assert "CONTAINER_ID=c1" in e and "CONTAINER_NAMESPACE=" + env.ns in e and "TTRPC" not in e
    c.start("c1")
    assert c.wait_exit("c1") == 0
    c.delete("c1")
    wait_until(lambda: open(env.dir + "/e").read())
    assert open(env.dir + "/o").read() == "one\n" and open(env.dir + "/e").read() == "two\n"


def test_logger_that_is_not_ready(env):
    b, c = env.shim("c1", ["true"])
    path = logger(env, "exit 1\n")
    e = raises(2, c.create, b, stdout="binary-v2://" + path)
    raises(5, c.state, "c1")
    os.chmod(path, 0o777)
    e = raises(2, c.create, b, stdout="binary://" + path)
    assert "changed by somebody else" in e.message
    raises(2, c.create, b, stdout="binary://relative/path")
    c.create(b)


def test_logger_that_dies_is_started_again(env):
    b, c = env.shim("c1", ["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo line $i || exit 9; sleep 0.2; done"])
    path = logger(env, "echo $$ >%s/pid; exec 5>&-; exec cat <&3 >>%s/o\n" % (env.dir, env.dir))
    c.create(b, stdout="binary://" + path)
    c.start("c1")
    time.sleep(0.3)
    os.kill(int(open(env.dir + "/pid").read()), signal.SIGKILL)
    assert c.wait_exit("c1") == 0
    wait_until(lambda: "line 8" in open(env.dir + "/o").read())
    c.delete("c1")


def test_slow_logger_reads_to_the_end(env):
    """a logger that is behind when its container is deleted loses nothing; the shim waits for it"""
    b, c = env.shim("c1", ["sh", "-c", "for i in $(seq 100); do echo line $i; done"])
    path = logger(env, "exec 5>&-; sleep 0.7; exec cat <&3 >>%s/o\n" % env.dir)
    c.create(b, stdout="binary://" + path)
    c.start("c1")
    assert c.wait_exit("c1") == 0
    c.delete("c1")
    c.shutdown("c1")
    wait_until(lambda: gone(list(env.pids)[0]), what="the shim ends after the logger")
    assert open(env.dir + "/o").read().count("line") == 100


def test_terminal(env):
    b, c = env.shim("c1", ["sh", "-c", "test -t 0 && test -t 1 && echo tty; stty size; read x; stty size; echo got $x"],
                    terminal=True)
    i, o = env.fifo("i"), env.fifo("o")
    r = Reader(o)
    c.create(b, stdin=i, stdout=o, terminal=True)
    c.start("c1")
    r.until(b"tty")
    c.call("ResizePty", [(1, "c1"), (3, 132), (4, 43)])
    with open(i, "wb") as f:
        f.write(b"word\n")
        f.flush()
        assert c.wait_exit("c1") == 0
    assert c.state("c1")["terminal"]
    c.delete("c1")
    r.done.wait(5)
    assert b"43 132" in r.data and b"got word" in r.data, r.data


def test_exec_with_terminal(env):
    b, c = env.shim("c1", ["sleep", "100"])
    c.create(b)
    c.start("c1")
    i, o = env.fifo("i"), env.fifo("o")
    r = Reader(o)
    c.exec("c1", "e1", ["sh"], stdin=i, stdout=o, terminal=True)
    c.start("c1", "e1")
    c.call("ResizePty", [(1, "c1"), (2, "e1"), (3, 99), (4, 11)])
    with open(i, "wb") as f:
        f.write(b"tty; stty size; exit 8\n")
        f.flush()
        assert c.wait_exit("c1", "e1") == 8
    c.delete("c1", "e1")
    r.done.wait(5)
    assert b"/dev/pts" in r.data and b"11 99" in r.data, r.data
    sockets = [f for f in os.listdir("/run/containerd/s") if f.startswith("pty-%d-" % list(env.pids)[0])]
    assert not sockets


def test_io_owner(env):
    b, c = env.shim("c1", ["sh", "-c", "stat -L -c %u:%g /proc/self/fd/1"])
    o = env.fifo("o")
    r = Reader(o)
    c.create(b, stdout=o, options=options_any(io_uid=1234, io_gid=4321))
    c.start("c1")
    c.wait_exit("c1")
    c.delete("c1")
    r.done.wait(5)
    # runc gives the stream to the container's own user again, but leaves the group
    assert r.data.endswith(b":4321\n"), r.data


def test_short_lines_share_pages(env):
    """a FIFO that nobody reads takes 64 KiB of short lines, not sixteen"""
    b, c = env.shim("c1", ["sh", "-c", "for i in $(seq 200); do echo $i; usleep 2000; done; exit 4"])
    o = env.fifo("o")
    fd = os.open(o, os.O_RDONLY | os.O_NONBLOCK)
    c.create(b, stdout=o)
    c.start("c1")
    assert c.wait_exit("c1", timeout=10) == 4
    t = time.time()
    c.delete("c1")
    assert time.time() - t < 1
    assert os.read(fd, 65536).count(b"\n") == 200
    os.close(fd)


def test_a_reader_that_comes_late(env):
    """a command is over before anybody has opened its output: nothing is lost, Delete waits a little"""
    b, c = env.shim("c1", ["sh", "-c", "echo hello; exit 3"])
    for i in range(3):
        o = env.fifo("o%d" % i)
        c.create(b, stdout=o)
        c.start("c1")
        assert c.wait_exit("c1") == 3
        d = c.begin("Delete", [(1, "c1")])
        time.sleep(0.05)
        fd = os.open(o, os.O_RDONLY)
        assert os.read(fd, 100) == b"hello\n" and os.read(fd, 100) == b""
        os.close(fd)
        c.wait(d)


def test_a_reader_that_never_comes(env):
    """Delete does not wait for it for long, and does not spin"""
    b, c = env.shim("c1", ["echo", "hello"])
    c.create(b, stdout=env.fifo("o"))
    c.start("c1")
    c.wait_exit("c1")
    c.delete("c1")
    pid = list(env.pids)[0]
    fds = os.listdir("/proc/%d/fd" % pid)
    assert not [f for f in fds if os.readlink("/proc/%d/fd/%s" % (pid, f)).endswith("/o")]


def test_close_io_without_stdin(env):
    b, c = env.shim("c1", ["true"])
    c.create(b)
    c.call("CloseIO", [(1, "c1"), (3, True)])
    c.call("ResizePty", [(1, "c1"), (3, 80), (4, 24)])
