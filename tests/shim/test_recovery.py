"""containerd is killed and comes back; events arrive in order, exactly once."""
from shimlib import *


def test_events_are_kept_while_containerd_is_away(env):
    b, c = env.shim("c1", ["sleep", "100"])
    c.create(b)
    c.start("c1")
    env.events.wait_for("/tasks/start", "c1")
    env.events.close()
    c.close()
    c = env.connect(open(b.bundle + "/address").read())
    for i in range(20):
        c.exec("c1", "e%d" % i, ["sh", "-c", "exit %d" % i])
        c.start("c1", "e%d" % i)
        assert c.wait_exit("c1", "e%d" % i) == i
    c.kill("c1")
    c.wait_exit("c1")
    n = len(env.events.list)
    time.sleep(0.5)
    env.events.open()
    env.events.wait_for("/tasks/exit", "c1", 21, timeout=15)
    exits = [text(e, 2) for e in env.events.of("/tasks/exit", "c1")]
    assert exits == ["e%d" % i for i in range(20)] + ["c1"], exits
    assert len(env.events.of("/tasks/exec-started", "c1")) == 20
    assert c.wait_exit("c1") == 137
    assert c.state("c1")["exit_status"] == 137
    assert c.pids("c1"), "a task without processes would be taken for a leak"
    c.delete("c1")


def test_the_queue_is_bounded(env):
    b, c = env.shim("c1", ["sleep", "1000"])
    c.create(b)
    c.start("c1")
    env.events.wait_for("/tasks/start", "c1")
    env.events.close()
    for i in range(2300):
        c.exec("c1", "e%d" % i, ["true"])
        c.delete("c1", "e%d" % i)
    pid = list(env.pids)[0]
    time.sleep(0.5)
    assert memory(pid)["Anonymous"] < 2000 or "asan" in os.popen("ldd " + SHIM).read(), memory(pid)
    env.events.open()
    env.events.wait_for("/tasks/exec-added", "c1", 2040, timeout=20)
    time.sleep(0.3)
    ids = [text(e, 2) for e in env.events.of("/tasks/exec-added", "c1")]
    assert ids == sorted(ids, key=lambda x: int(x[1:])), "order"
    assert ids[-1] == "e2299" and len(set(ids)) == len(ids)


def test_an_event_service_that_hangs(env):
    """an unanswered event is sent again, the others wait behind it"""
    env.events.close()
    hang = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.unlink(env.events.path)
    hang.bind(env.events.path)
    hang.listen(5)
    b, c = env.shim("c1", ["true"])
    c.create(b)
    c.start("c1")
    c.wait_exit("c1")
    hang.close()
    env.events.open()
    env.events.wait_for("/tasks/exit", "c1", timeout=15)
    c.delete("c1")
    env.events.wait_for("/tasks/delete", "c1")
    assert env.events.topics("c1") == ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]


def test_wait_survives_a_lost_connection(env):
    b, c = env.shim("c1", ["sh", "-c", "sleep 0.5; exit 6"])
    c.create(b)
    c.start("c1")
    c.begin("Wait", [(1, "c1")])
    c.close()
    c = env.connect(open(b.bundle + "/address").read())
    assert c.wait_exit("c1") == 6
    c.delete("c1")


def test_nobody_asks_for_shutdown(env):
    """the last container was deleted, a connection stays: the shim ends after ten seconds, not before a new container"""
    b, c = env.shim("c1", ["true"])
    pid = list(env.pids)[0]
    for _ in range(2):
        c.create(b)
        c.start("c1")
        c.wait_exit("c1")
        c.delete("c1")
        time.sleep(1)
        assert not gone(pid)
    wait_until(lambda: gone(pid), timeout=20, what="the shim ends")


def test_soak(env):
    """rounds of create, start, exec, delete: descriptors, threads and memory stay flat"""
    rounds = int(os.environ.get("SOAK", "2000" if os.environ.get("OCI_RT_TEST_LONG") else "100"))
    b, keep = env.shim("keep", ["sleep", "100000"], annotations={"io.kubernetes.cri.sandbox-id": "pod"})
    keep.create(b)
    keep.start("keep")
    pid = list(env.pids)[0]
    first = None
    b = env.bundle("c", ["sh", "-c", "read x; exit 3"], annotations={"io.kubernetes.cri.sandbox-id": "pod"})
    out, inp = env.fifo("o"), env.fifo("i")
    fd = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
    for i in range(rounds):
        c = env.connect(env.start(b))
        c.create(b, stdin=inp, stdout=out)
        c.start("c")
        c.exec("c", "e", ["sh", "-c", "echo x"], stdout=out)
        c.start("c", "e")
        assert c.wait_exit("c", "e") == 0
        # somebody reads, or each delete waits for the output to be taken
        wait_until(lambda: is_line(fd))
        c.delete("c", "e")
        c.call("CloseIO", [(1, "c"), (3, True)])
        assert c.wait_exit("c") == 3
        c.delete("c")
        c.shutdown("c")
        c.close()
        env.clients.remove(c)
        if i == rounds // 5:
            time.sleep(0.5)
            first = memory(pid)["Anonymous"], len(os.listdir("/proc/%d/fd" % pid))
    time.sleep(0.7)
    last = memory(pid)["Anonymous"], len(os.listdir("/proc/%d/fd" % pid))
    print("# %d rounds: anonymous %d -> %d KiB, descriptors %d -> %d" % (rounds, first[0], last[0], first[1], last[1]))
    assert last[1] == first[1]
    assert last[0] <= first[0] + 64 or "asan" in os.popen("ldd " + SHIM).read()
    assert os.listdir("/proc/%d/task" % pid) == [str(pid)]
    env.events.wait_for("/tasks/delete", "c", rounds)
    assert len(env.events.of("/tasks/exit", "c")) == 2 * rounds
    assert not [p for p in os.listdir("/proc") if p.isdigit() and zombie_of(p, pid)]


test_soak.limit = 7200


def is_line(fd):
    try:
        return os.read(fd, 10) == b"x\n"
    except BlockingIOError:
        return False


def zombie_of(p, parent):
    try:
        f = open("/proc/%s/stat" % p).read().rsplit(")", 1)[1].split()
        return f[0] == "Z" and f[1] == str(parent)
    except OSError:
        return False
