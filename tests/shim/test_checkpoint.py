"""Checkpoint and restore through the shim: with the real criu where it works, else with a
program that speaks its protocol (tests/lib/fakecriu.py)."""
from shimlib import *

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKPOINT_OPTIONS = "containerd.runc.v1.CheckpointOptions"


def fake(env, answer):
    """An environment in which criu is the one that only listens."""
    if not RUNTIME.endswith("oci-rt"):
        raise Skip("the stand-in for criu answers oci-rt only")
    d = env.dir + "/fake"
    os.mkdir(d)
    with open(d + "/criu", "w") as f:
        f.write("#!/bin/sh\nexec /usr/bin/python3 %s/../lib/fakecriu.py \"$@\"\n" % HERE)
    os.chmod(d + "/criu", 0o755)
    with open(d + "/answer", "w") as f:
        f.write(answer)
    return env.environment(FAKE_CRIU=d, PATH=d + ":" + os.environ["PATH"])


def last_request(env):
    return json.loads(open(env.dir + "/fake/requests").readlines()[-1])


def checkpoint(c, id, path, *options):
    c.call("Checkpoint", [(1, id), (2, path), (3, [(1, CHECKPOINT_OPTIONS), (2, enc(list(options)))])], timeout=120)


def running(env, args, environment):
    b = env.bundle("c1", args)
    c = env.connect(env.start(b, env=environment))
    c.create(b)
    c.start("c1")
    return b, c


def test_options_reach_criu(env):
    b, c = running(env, ["sleep", "1000"], fake(env, "ok"))
    checkpoint(c, "c1", env.dir + "/image", (2, 1), (3, 1), (4, 1), (5, 1), (6, "network"), (7, "strict"))
    r = last_request(env)
    assert r["type"] == 1
    # leave_running, ext_unix_sk, tcp_established, shell_job, file_locks
    assert [r["opts"].get(str(n)) for n in (3, 5, 6, 7, 8)].count([1]) >= 4, r
    assert r["opts"]["34"] == [5] and r["opts"]["38"] == [0x40000000], r
    assert c.state("c1")["status"] == RUNNING
    assert not os.path.exists(os.path.join(b.bundle, "work/criu-work")), "criu's working directory goes"


def test_exit(env):
    """with the option exit the container ends, and its end is announced"""
    b, c = running(env, ["sleep", "1000"], fake(env, "ok"))
    checkpoint(c, "c1", env.dir + "/image", (1, True))
    assert "3" not in last_request(env)["opts"], "leave_running"
    assert c.wait_exit("c1") == 137
    env.events.wait_for("/tasks/exit", "c1")
    c.delete("c1")


def test_image_path_and_work_path(env):
    b, c = running(env, ["sleep", "1000"], fake(env, "ok"))
    checkpoint(c, "c1", env.dir + "/ignored", (8, env.dir + "/image"), (9, env.dir + "/work"))
    assert os.path.isdir(env.dir + "/image") and not os.path.exists(env.dir + "/ignored")
    assert os.path.exists(os.path.join(env.dir, "work/dump.log")), "a directory that was asked for stays"


def test_failure(env):
    """criu's words are in the answer, its log is in the bundle; the container goes on"""
    b, c = running(env, ["sleep", "1000"], fake(env, "fail"))
    e = raises(2, checkpoint, c, "c1", env.dir + "/image")
    assert "criu failed" in e.message, e
    assert os.path.exists(b.bundle + "/criu-dump.log")
    assert c.state("c1")["status"] == RUNNING
    c.exec("c1", "e", ["true"])
    c.start("c1", "e")
    assert c.wait_exit("c1", "e") == 0


def test_only_what_runs(env):
    b, c = env.shim("c1", ["sleep", "1000"])
    c.create(b)
    raises(9, checkpoint, c, "c1", env.dir + "/image")
    raises(5, checkpoint, c, "nobody", env.dir + "/image")


def test_restore_that_fails(env):
    """Create only keeps the path; Start fails; the container can be deleted"""
    os.mkdir(env.dir + "/image")
    b = env.bundle("c1", ["sleep", "1000"])
    c = env.connect(env.start(b, env=fake(env, "fail")))
    assert c.create(b, checkpoint=env.dir + "/image") == 0
    assert c.state("c1")["status"] == CREATED and c.state("c1")["pid"] == 0
    e = raises(2, c.start, "c1")
    assert "restore failed" in e.message, e
    c.delete("c1")
    raises(5, c.state, "c1")
    assert not os.path.exists("/run/containerd/runc/%s/c1" % env.ns)


def test_dump_and_restore(env):
    """a shell that counts goes on where it was, in the same shim and in another"""
    r = subprocess.run(["criu", "check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) \
        if shutil.which("criu") else None
    if not r or r.returncode:
        raise Skip("criu " + ("does not work here: " + r.stdout.decode().splitlines()[-1] if r else "is not installed"))
    args = ["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done"]
    last = 0
    for n in range(3):
        b = env.bundle("c%d" % n, args)
        with open(b.bundle + "/config.json") as f:
            conf = json.load(f)
        # criu would want iptables to block a network of its own
        conf["linux"]["namespaces"] = [x for x in conf["linux"]["namespaces"] if x["type"] != "network"]
        with open(b.bundle + "/config.json", "w") as f:
            json.dump(conf, f)
        c = env.connect(env.start(b))
        out = env.fifo("out%d" % n)
        r = Reader(out)
        pid = c.create(b, stdout=out, stderr=out, checkpoint=env.dir + "/image%d" % (n - 1) if n else None)
        assert bool(pid) == (n == 0)
        pid = c.start(b.id)
        assert c.state(b.id)["pid"] == pid and c.state(b.id)["status"] == RUNNING
        wait_until(lambda: r.data.count(b"\n") > 3, what="it counts")
        first = int(r.data.split()[0])
        assert first > last, (first, last)
        c.exec(b.id, "e", ["true"])
        c.start(b.id, "e")
        assert c.wait_exit(b.id, "e") == 0
        c.delete(b.id, "e")
        os.mkdir(env.dir + "/image%d" % n)
        checkpoint(c, b.id, env.dir + "/image%d" % n, (1, True))
        assert c.wait_exit(b.id) == 137
        wait_until(lambda: r.data.endswith(b"\n"))
        last = int(r.data.split()[-1])
        c.delete(b.id)
        env.events.wait_for("/tasks/delete", b.id)
        assert env.events.topics(b.id)[:2] == ["/tasks/create", "/tasks/start"]


test_dump_and_restore.limit = 180
