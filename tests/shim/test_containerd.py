"""Debian's containerd 1.6 with this shim, through ctr."""
import threading

from ctr import IMAGE, Containerd
from shimlib import *

SHARED = {}


class Daemon:
    """One containerd for the tests of this file."""

    def __enter__(self):
        if not SHARED:
            SHARED["env"] = Env()
            SHARED["d"] = Containerd(SHARED["env"])
        return SHARED["d"]

    def __exit__(self, kind, e, tb):
        if e is not None and not isinstance(e, Skip):
            for line in SHARED["d"].tail().splitlines()[-25:]:
                print("# containerd: " + line[:300])


def test_run():
    with Daemon() as d:
        assert d.run("--rm", IMAGE, "t1", "echo", "hello") == "hello\n"
        assert d.run("--rm", IMAGE, "t1", "sh", "-c", "exit 7", rc=7) == ""
        wait_until(lambda: d.shims() == [], what="shims are gone")


def test_command_not_found():
    with Daemon() as d:
        rc, out = d.run("--rm", IMAGE, "t2", "/no/such", rc=None)
        assert rc != 0 and ("no such file" in out or "not found" in out), out
        d.ctr("c", "rm", "t2", rc=None)


def test_terminal():
    with Daemon() as d:
        script = "ctr='%s'; $ctr run --rm -t --runtime io.containerd.oci-rt.v2 %s t3 sh -c 'tty; stty size; exit 5'" % (
            " ".join(d.command()), IMAGE)
        r = subprocess.run(["script", "-qec", script, "/dev/null"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                           timeout=30)
        assert b"/dev/pts/0" in r.stdout and r.returncode == 5, r


def count_of(d, id, exec_id):
    return int(d.ctr("task", "exec", "--exec-id", exec_id, id, "cat", "/count"))


def test_checkpoint_image_and_restore(env):
    """ctr containers checkpoint and restore: a shell that counts goes on in a new container, with its files"""
    before = os.environ["PATH"]
    os.environ["PATH"] = path_with_criu(env)
    try:
        d = Containerd(env)
    finally:
        os.environ["PATH"] = before
    try:
        # criu would want iptables to block a network of its own
        d.run("-d", "--net-host", IMAGE, "ck", "sh", "-c",
              "i=0; while :; do i=$((i+1)); echo $i >/new; mv /new /count; sleep 0.1; done")
        wait_until(lambda: d.ctr("task", "exec", "--exec-id", "e0", "ck", "test", "-e", "/count", rc=None)[0] == 0)
        wait_until(lambda: count_of(d, "ck", "e1") > 5)
        d.ctr("c", "checkpoint", "--rw", "--image", "--task", "ck", "localhost/ck:1")
        assert "RUNNING" in d.ctr("task", "ls"), "it goes on after a checkpoint"
        first = count_of(d, "ck", "e2")
        d.ctr("task", "rm", "-f", "ck")
        d.ctr("c", "rm", "ck")
        wait_until(lambda: d.shims() == [], what="the shim is gone")
        d.ctr("c", "restore", "--rw", "--live", "ck", "localhost/ck:1")
        assert "RUNNING" in d.ctr("task", "ls")
        # the old process, not a new one from 1; and it goes on
        again = count_of(d, "ck", "e3")
        assert again > 5, (first, again)
        wait_until(lambda: count_of(d, "ck", "e4") > again)
        d.ctr("task", "kill", "-s", "9", "ck")
        wait_until(lambda: "STOPPED" in d.ctr("task", "ls"))
        d.ctr("task", "rm", "ck", rc=None)
        d.ctr("c", "rm", "ck")
    finally:
        d.close()


test_checkpoint_image_and_restore.limit = 120


def test_detached_exec_kill():
    with Daemon() as d:
        d.run("-d", IMAGE, "t4", "sleep", "1000")
        assert "RUNNING" in d.ctr("task", "ls")
        assert d.ctr("task", "exec", "--exec-id", "e1", "t4", "echo", "in") == "in\n"
        d.ctr("task", "exec", "--exec-id", "e2", "t4", "sh", "-c", "exit 9", rc=9)
        assert d.ctr("task", "exec", "--exec-id", "e3", "t4", "cat", input=b"input") == "input"
        d.ctr("task", "exec", "-d", "--exec-id", "e4", "t4", "sleep", "500")
        assert d.ctr("task", "ps", "t4").count("\n") == 3
        d.ctr("task", "kill", "--exec-id", "e4", "t4")
        d.ctr("task", "pause", "t4")
        assert "PAUSED" in d.ctr("task", "ls")
        d.ctr("task", "resume", "t4")
        assert "RUNNING" in d.ctr("task", "ls")
        m = d.ctr("task", "metrics", "t4")
        assert "memory" in m and "pids" in m, m
        d.ctr("task", "kill", "-s", "9", "t4")
        wait_until(lambda: "STOPPED" in d.ctr("task", "ls"))
        d.ctr("task", "rm", "t4", rc=None)
        d.ctr("c", "rm", "t4")
        wait_until(lambda: d.shims() == [], what="shims are gone")


def test_stdin():
    with Daemon() as d:
        assert d.run("--rm", IMAGE, "t5", "md5sum", input=b"x" * 300000).startswith(
            __import__("hashlib").md5(b"x" * 300000).hexdigest())


def test_limits_and_oom():
    with Daemon() as d:
        log = open(d.dir + "/events", "wb")
        ev = subprocess.Popen(d.command("events"), stdout=log)
        time.sleep(0.3)
        rc, out = d.run("--rm", "--memory-limit", str(16 << 20), IMAGE, "t6", "sh", "-c",
                        "x=a; while :; do x=$x$x; done", rc=None, timeout=60)
        time.sleep(0.5)
        ev.kill()
        ev.wait()
        text_ = open(d.dir + "/events").read()
        topics = [x.split()[5] for x in text_.splitlines() if "/tasks/" in x and "t6" in x]
        if rc != 137:
            raise Skip("no OOM on this machine: %s" % out)
        assert topics == ["/tasks/create", "/tasks/start", "/tasks/oom", "/tasks/exit", "/tasks/delete"], topics


def test_file_log():
    with Daemon() as d:
        log = d.dir + "/container.log"
        d.run("-d", "--log-uri", "file://" + log, IMAGE, "t7", "sh", "-c", "echo to the log; sleep 0.2")
        wait_until(lambda: "STOPPED" in d.ctr("task", "ls"))
        d.ctr("task", "rm", "t7", rc=None)
        d.ctr("c", "rm", "t7", rc=None)
        assert open(log).read() == "to the log\n"


def test_containerd_killed_and_restarted():
    with Daemon() as d:
        d.run("-d", IMAGE, "t8", "sleep", "1000")
        d.run("-d", IMAGE, "t9", "sh", "-c", "sleep 2; exit 5")
        pids = sorted(d.shims())
        d.kill()
        time.sleep(2.5)
        assert sorted(d.shims()) == pids
        d.start()
        ls = d.ctr("task", "ls")
        assert any("t8" in x and "RUNNING" in x for x in ls.splitlines()), ls
        assert any("t9" in x and "STOPPED" in x for x in ls.splitlines()), ls
        assert sorted(d.shims()) == pids
        rc, out = d.ctr("task", "rm", "t9", rc=None)
        assert rc == 5 or "5" in out, (rc, out)
        assert d.ctr("task", "exec", "--exec-id", "x", "t8", "echo", "still") == "still\n"
        d.ctr("task", "kill", "-s", "9", "t8")
        wait_until(lambda: "STOPPED" in d.ctr("task", "ls"))
        d.ctr("task", "rm", "t8", rc=None)
        for t in ("t8", "t9"):
            d.ctr("c", "rm", t)
        wait_until(lambda: d.shims() == [], what="shims are gone")


def test_shim_killed():
    with Daemon() as d:
        d.run("-d", IMAGE, "t10", "sleep", "1000")
        pid = d.shims()[0]
        init = int([x for x in d.ctr("task", "ls").splitlines() if "t10" in x][0].split()[1])
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: gone(init), what="the container is gone with its shim")
        wait_until(lambda: "t10" not in d.ctr("task", "ls"))
        d.ctr("c", "rm", "t10")


def test_fifty_at_once():
    with Daemon() as d:
        errors = []

        def one_run(n):
            try:
                out = d.run("--rm", IMAGE, "m%d" % n, "sh", "-c", "echo $((%d * 2))" % n, timeout=120)
                assert out.strip() == str(n * 2), out
            except BaseException as e:
                errors.append(e)
        threads = [threading.Thread(target=one_run, args=(n,)) for n in range(50)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not errors, errors[:3]
        wait_until(lambda: d.shims() == [], what="shims are gone")


test_fifty_at_once.limit = 150


def test_memory_under_containerd():
    with Daemon() as d:
        for i in range(5):
            d.run("-d", IMAGE, "p%d" % i, "sleep", "1000")
        time.sleep(0.5)
        m = [memory(p) for p in d.shims()]
        assert len(m) == 5
        for k in ("Private", "Anonymous", "Pss", "Rss"):
            print("# five shims, each: %s %s KiB" % (k, sorted(x[k] for x in m)))
        for i in range(5):
            d.ctr("task", "rm", "-f", "p%d" % i, rc=None)
            d.ctr("c", "rm", "p%d" % i)


def test_nothing_is_left():
    with Daemon() as d:
        wait_until(lambda: d.shims() == [])
        left = os.listdir(d.dir + "/state/io.containerd.runtime.v2.task/" + d.ns)
        assert left == [], left
        mounts = [x for x in open("/proc/self/mountinfo") if d.dir + "/state" in x]
        assert not mounts, mounts
    SHARED["d"].close()
    SHARED.pop("env").close()
    SHARED.clear()
