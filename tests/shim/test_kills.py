"""Random SIGKILLs: containerd, the shim or the runtime dies at a random moment of a container's
life; after containerd has been told to remove everything nothing may be left.

ROUNDS and SEED in the environment; a failure prints its seed."""
import hashlib
import random

from ctr import IMAGE, Containerd
from shimlib import *

VICTIMS = ("containerd", "shim", "runtime", "start", "init")


def processes():
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                yield int(p), open("/proc/%s/cmdline" % p).read().split("\0"), open("/proc/%s/stat" % p).read()
            except OSError:
                pass


def is_victim(d, kind, pid, args):
    ours = d.dir + "/c.sock" in args and "-namespace" in args
    command = "start" in args or "delete" in args
    if kind == "shim":
        return ours and not command
    if kind == "start":
        return ours and command
    if kind == "runtime":
        return "--root" in args and any(a.endswith("/" + d.ns) for a in args)
    return args[:2] == ["sleep", "98765"] and d.ns in open("/proc/%d/cgroup" % pid).read()


class Execs:
    """The kernel tells of every execve (the process connector): runtime and start commands live for a few
    milliseconds, in which a look through /proc does not find them.  Where it does not tell, there is that look."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
            self.sock.bind((0, 1))
            self.sock.send(struct.pack("=IHHIIIIIIHHI", 40, 3, 0, 0, 0, 1, 1, 0, 0, 4, 0, 1))
        except OSError:
            self.sock.close()
            self.sock = None

    def wait(self, seconds):
        """The process of the next execve, 0 for another event, None when there was nothing."""
        self.sock.settimeout(max(seconds, 0.001))
        try:
            data = self.sock.recv(4096)
        except (socket.timeout, OSError):
            return None
        what, pid = struct.unpack_from("=I", data, 36)[0], struct.unpack_from("=I", data, 56)[0]
        return pid if what == 2 else 0

    def close(self):
        if self.sock:
            self.sock.close()


def check_victim(d, kind, pid):
    try:
        return is_victim(d, kind, pid, open("/proc/%d/cmdline" % pid).read().split("\0"))
    except OSError:
        return False


def await_victim(d, kind, seconds, execs):
    """A process of that kind, which may live for milliseconds only, or None."""
    if kind == "containerd":
        return d.proc.pid
    end = time.time() + seconds
    while True:
        for p in os.listdir("/proc"):
            if p.isdigit() and check_victim(d, kind, int(p)):
                return int(p)
        while execs.sock and time.time() < end:
            pid = execs.wait(end - time.time())
            if pid and check_victim(d, kind, pid):
                return pid
        if time.time() >= end:
            return None


def life(d, i, rnd):
    """A container's life in the background; errors are expected."""
    def run(*args):
        subprocess.run(d.command(*args), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL, timeout=60)

    def body():
        try:
            run("run", "-d", "--runtime", "io.containerd.oci-rt.v2", "--memory-limit", "67108864", "--cgroup",
                "/%s/%s" % (d.ns, i), IMAGE, i, "sh", "-c", "sleep 98765 & sleep 98765 & wait")
            if rnd % 2:
                run("task", "exec", "--exec-id", "e", i, "sh", "-c", "echo x; sleep 0.05")
            if rnd % 3 == 0:
                run("task", "pause", i)
            if rnd % 3 == 1:
                run("task", "kill", "-s", "9", i)
            run("task", "rm", "-f", i)
        except subprocess.TimeoutExpired as e:
            print("# %s hangs" % " ".join(e.cmd[5:]))
    t = threading.Thread(target=body, daemon=True)
    t.start()
    return t


def stale(path, shim_killed):
    """A server that is killed before containerd has connected: containerd gives up and runs no `delete`, so nobody can
    remove the name.  The next start of that container does (test_bootstrap, socket in use and stale)."""
    if not shim_killed:
        return False
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
            return False
        except ConnectionRefusedError:
            os.unlink(path)
            return True


def leftovers(d, i, shim_killed):
    """What is left of a container, as text."""
    out = []
    for pid, args, stat_ in processes():
        if stat_.rsplit(")", 1)[1].split()[0] == "Z":
            continue
        try:
            inside = "/%s/%s" % (d.ns, i) in open("/proc/%d/cgroup" % pid).read()
        except OSError:
            continue
        if inside or i in args or (d.dir + "/c.sock" in args and "-namespace" in args):
            out.append("process %d %s" % (pid, " ".join(args)[:100]))
    out += ["mount " + x.split()[4] for x in open("/proc/self/mountinfo") if d.dir + "/state" in x]
    for c in os.listdir("/sys/fs/cgroup") + ["."]:
        path = "/sys/fs/cgroup/%s/%s/%s" % (c, d.ns, i)
        if os.path.exists(path):
            out.append("cgroup " + path)
    for root in ("/run/containerd/runc/", "/run/containerd/oci-rt/"):
        if os.path.exists(root + d.ns + "/" + i):
            out.append("state " + root + d.ns + "/" + i)
    s = "/run/containerd/s/" + hashlib.sha256(("%s/c.sock/%s/%s" % (d.dir, d.ns, i)).encode()).hexdigest()
    if os.path.exists(s) and not stale(s, shim_killed):
        out.append("socket " + s)
    bundle = "%s/state/io.containerd.runtime.v2.task/%s/%s" % (d.dir, d.ns, i)
    if os.path.exists(bundle):
        out.append("bundle " + bundle)
    return out


def one_round(d, number, rnd):
    i = "k%d" % number
    victim, delay = rnd.choice(VICTIMS), rnd.random() ** 2 * 0.4
    execs = Execs()
    t = life(d, i, rnd.randrange(100))
    time.sleep(delay)
    pid = await_victim(d, victim, 1, execs)
    execs.close()
    if pid:
        time.sleep(rnd.choice((0, 0, 0.001, 0.003)))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pid = None
    if d.proc.poll() is not None or (victim == "containerd" and pid):
        d.proc.wait()
        d.start()
    t.join(70)
    # containerd may still be finding out what became of it
    end = time.time() + 40
    start = time.time()
    left, before = ["?"], None
    while left and time.time() < end:
        d.ctr("task", "rm", "-f", i, rc=None)
        d.ctr("c", "rm", i, rc=None)
        before, left = left, leftovers(d, i, victim in ("shim", "start"))
        time.sleep(0.05)
    if time.time() > start + 20:
        print("# %s killed after %.3f s; for %.0f s there was %s" % (victim, delay, time.time() - start, before))
    assert not left, "%s killed after %.3f s: %s" % (victim, delay, left)
    return victim if pid else "nobody"


def test_random_kills(env):
    """containerd, shim, runtime, start command or container killed at random moments: nothing is left"""
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    rounds = int(os.environ.get("ROUNDS", 300 if os.environ.get("OCI_RT_TEST_LONG") else 10))
    rnd = random.Random(seed)
    d = Containerd(env)
    killed = {}
    slowest = 0
    try:
        for number in range(rounds):
            t = time.time()
            v = one_round(d, number, rnd)
            slowest = max(slowest, time.time() - t)
            killed[v] = killed.get(v, 0) + 1
        print("# seed %d, %d rounds, killed: %s; the slowest took %.1f s" % (
            seed, rounds, ", ".join("%s %d" % x for x in sorted(killed.items())), slowest))
    except BaseException:
        print("# seed %d, round %d" % (seed, number))
        for line in d.tail().splitlines()[-20:]:
            print("# containerd: " + line[:300])
        raise
    finally:
        d.close()


test_random_kills.limit = 3000 if os.environ.get("OCI_RT_TEST_LONG") else 300
