"""What a kubelet asks of containerd, with oci-rt under its own shim and under ours.

Field numbers are those of runtime.v1's api.proto; see containerd.py for how checks are run."""
import json
import os
import subprocess
import urllib.request

from containerd import cgroup_file, version
from ctr import IMAGE, SYSTEMD
from grpc import Grpc, GrpcError
from shimlib import Skip, gone, wait_until
from wire import dec, one, sub, text

RUNTIME_SERVICE = "runtime.v1.RuntimeService"
POD, CONTAINER, NODE = 0, 1, 2
RUNNING, EXITED = 1, 2


class Kubelet:
    """Pods of one check; made on first use, gone at its end."""

    def __init__(self, t):
        self.t = t
        self.g = Grpc(t.d.dir + "/c.sock", timeout=90)
        self.pods = []
        self.configs = {}
        self.logs = t.dir + "/logs"
        os.mkdir(self.logs)
        t.undo.append(self.close)

    def call(self, method, *fields):
        return self.g.call(RUNTIME_SERVICE, method, list(fields))

    def fails(self, method, *fields):
        try:
            self.call(method, *fields)
        except GrpcError:
            return
        raise AssertionError(method + " succeeded")

    def pod(self, name="pod", ports=(), network=NODE, pid=CONTAINER, userns=None, handler=None, privileged=None,
            sysctls=()):
        """Run a sandbox; its id."""
        options = [(1, network), (2, pid), (5, userns)]
        unique = "%s-%d-%d" % (name, os.getpid(), len(self.pods))
        config = [(1, [(1, unique), (2, unique + "-uid"), (3, "default")]), (2, unique if network == POD else None),
                  (3, self.logs), (4, [(1, "10.0.0.10"), (2, "cluster.local")])]
        config += [(5, [(1, 0), (2, c), (3, h)]) for c, h in ports]
        config += [(6, [(1, "app"), (2, "check")]),
                   (8, [(1, self.t.d.env.ns + ".slice" if SYSTEMD else "/" + self.t.d.env.ns), (2, [(1, options), (6, privileged)])] +
                    [(3, [(1, k), (2, v)]) for k, v in sysctls])]
        pod = text(self.call("RunPodSandbox", (1, config), (2, handler or self.t.handler)), 1)
        self.pods.append(pod)
        self.configs[pod] = (config, options)
        return pod

    def create(self, pod, name, args, attempt=0, resources=(), mounts=(), security=(), env=(), tty=None, stdin=None,
               cwd=None):
        config, options = self.configs[pod]
        c = [(1, [(1, name), (2, attempt)]), (2, [(1, IMAGE)])] + [(3, a) for a in args] + [(5, cwd)]
        c += [(6, [(1, k), (2, v)]) for k, v in env]
        c += [(7, list(m)) for m in mounts]
        c += [(11, "%s.%d.log" % (name, attempt)), (12, stdin), (14, tty),
              (15, [(1, list(resources)), (2, [(3, options)] + list(security))])]
        return text(self.call("CreateContainer", (1, pod), (2, c), (3, config)), 1)

    def start(self, pod, name, args, **kw):
        c = self.create(pod, name, args, **kw)
        self.call("StartContainer", (1, c))
        return c

    def status(self, c):
        """State, exit code, reason."""
        s = sub(self.call("ContainerStatus", (1, c)), 1)
        return one(s, 3), one(s, 7), text(s, 10)

    def pid(self, c):
        info = dec(self.call("ContainerStatus", (1, c), (2, True))[2][0])
        return json.loads(text(info, 2))["pid"]

    def exited(self, c, timeout=30):
        wait_until(lambda: self.status(c)[0] == EXITED, timeout=timeout, what="the container exits")
        return self.status(c)[1]

    def exec(self, c, *args, timeout=20):
        m = self.call("ExecSync", (1, c), *[(2, a) for a in args], (3, timeout))
        return one(m, 1, b"").decode() + one(m, 2, b"").decode(), one(m, 3)

    def output(self, c, *args):
        out, rc = self.exec(c, *args)
        assert rc == 0, (args, out, rc)
        return out

    def log(self, name, attempt=0):
        lines = open("%s/%s.%d.log" % (self.logs, name, attempt)).read().splitlines()
        return [x.split(" ", 3)[3] for x in lines]

    def close(self):
        for pod in reversed(self.pods):
            self.call("StopPodSandbox", (1, pod))
            self.call("RemovePodSandbox", (1, pod))


def check_cri_pod(t):
    """an init container, then the application and a sidecar in one network and one shim"""
    k = Kubelet(t)
    pod = k.pod(network=POD)
    shared = t.dir + "/shared"
    os.mkdir(shared)
    volume = [(1, "/shared"), (2, shared)]
    init = k.start(pod, "init", ["sh", "-c", "echo prepared >/shared/file"], mounts=[volume])
    assert k.exited(init) == 0
    k.call("RemoveContainer", (1, init))
    app = k.start(pod, "app", ["sh", "-c", "cat /shared/file; echo up; exec httpd -f -p 8080 -h /shared"], mounts=[volume])
    side = k.start(pod, "side", ["sleep", "1000"], mounts=[volume + [(3, True)]], env=[("ROLE", "side")])
    out = wait_until(lambda: k.exec(side, "wget", "-q", "-O", "-", "http://127.0.0.1:8080/file")[0], what="the application")
    assert out == "prepared\n", out
    assert k.log("app") == ["prepared", "up"], k.log("app")
    assert k.exec(side, "touch", "/shared/x")[1] != 0, "a read-only mount"
    assert k.output(side, "sh", "-c", "echo $ROLE") == "side\n"
    assert k.output(side, "cat", "/proc/self/comm") == "cat\n"
    assert k.output(side, "hostname") == k.output(app, "hostname")
    assert len(t.d.shims()) == 1, "one shim for the pod"
    net = sub(sub(k.call("PodSandboxStatus", (1, pod)), 1), 5)
    assert text(net, 1).startswith("10.98.0."), net


def check_cri_probes(t):
    """ExecSync: success, failure, output of both streams, a deadline; nothing of it stays"""
    k = Kubelet(t)
    c = k.start(k.pod(), "app", ["sleep", "1000"])
    assert k.exec(c, "true") == ("", 0)
    assert k.exec(c, "sh", "-c", "echo out; echo err >&2; exit 3") == ("out\nerr\n", 3)
    k.fails("ExecSync", (1, c), (2, "/no/such"))
    for i in range(5):
        assert k.output(c, "echo", str(i)) == "%d\n" % i
    k.fails("ExecSync", (1, c), (2, "sleep"), (2, "600"), (3, 1))
    wait_until(lambda: k.output(c, "ps").count("sleep 600") == 0, what="the late probe was killed")
    assert k.status(c)[0] == RUNNING


def check_cri_restart(t):
    """a container that fails is made again in the same pod, with its own log"""
    k = Kubelet(t)
    pod = k.pod()
    for attempt in range(3):
        c = k.start(pod, "app", ["sh", "-c", "echo attempt; exit 4"], attempt=attempt)
        assert k.exited(c) == 4
        assert k.status(c)[2] == "Error"
        assert k.log("app", attempt) == ["attempt"]
        k.call("RemoveContainer", (1, c))
    c = k.start(pod, "app", ["true"], attempt=3)
    assert k.exited(c) == 0 and k.status(c)[2] == "Completed"


def check_cri_stop(t):
    """graceful stop: TERM first, KILL after the time given; twice is fine"""
    k = Kubelet(t)
    pod = k.pod()
    good = k.start(pod, "good", ["sh", "-c", "trap 'echo bye; exit 6' TERM; echo up; while :; do sleep 0.1; done"])
    bad = k.start(pod, "bad", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"])
    for n in ("good", "bad"):
        wait_until(lambda: k.log(n) == ["up"], what="it is up")
    pid = k.pid(bad)
    k.call("StopContainer", (1, good), (2, 30))
    assert k.status(good)[:2] == (EXITED, 6) and k.log("good") == ["up", "bye"]
    k.call("StopContainer", (1, bad), (2, 1))
    assert k.status(bad)[:2] == (EXITED, 137) and gone(pid)
    for method in ("StopContainer", "StopContainer", "RemoveContainer", "RemoveContainer"):
        k.call(method, (1, good))


def check_cri_oom(t):
    """an OOM kill is named in the status"""
    k = Kubelet(t)
    c = k.start(k.pod(), "app", ["sh", "-c", "x=a; while :; do x=$x$x; done"], resources=[(4, 24 << 20)])
    assert k.exited(c) == 137
    wait_until(lambda: k.status(c)[2] == "OOMKilled", what="reason OOMKilled, not " + k.status(c)[2])


def check_cri_update(t):
    """resources of a running container, and its statistics"""
    k = Kubelet(t)
    # some work: a kernel may count processor time in ticks
    c = k.start(k.pod(), "app", ["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exec sleep 1000"],
                resources=[(1, 100000), (2, 50000), (3, 512), (4, 64 << 20)])
    pid = k.pid(c)
    assert cgroup_file(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert cgroup_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    k.call("UpdateContainerResources", (1, c), (2, [(1, 100000), (2, 20000), (3, 256), (4, 96 << 20)]))
    assert cgroup_file(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(96 << 20)
    assert cgroup_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "20000"

    def stats(part):
        """Of 2, the processor, and 3, the memory: the first figure."""
        return one(sub(sub(sub(k.call("ContainerStats", (1, c)), 1), part), 2), 1)

    wait_until(lambda: stats(2) > 0, what="cpu")
    wait_until(lambda: stats(3) > 0, what="memory")
    assert len(k.call("ListContainerStats").get(1, [])) >= 1


def check_cri_ports(t):
    """a port of the host leads to the pod"""
    k = Kubelet(t)
    port = 20000 + os.getpid() % 10000
    pod = k.pod(network=POD, ports=[(8080, port)])
    web = t.dir + "/web"
    os.mkdir(web)
    open(web + "/index.html", "w").write("served\n")
    k.start(pod, "web", ["httpd", "-f", "-p", "8080", "-h", "/web"], mounts=[[(1, "/web"), (2, web)]])
    address = text(sub(sub(k.call("PodSandboxStatus", (1, pod)), 1), 5), 1)

    def get(where):
        try:
            return urllib.request.urlopen("http://%s/" % where, timeout=5).read()
        except OSError:
            return None
    assert wait_until(lambda: get(address + ":8080"), what="the pod's address") == b"served\n"
    assert wait_until(lambda: get("127.0.0.1:%d" % port), what="the host's port") == b"served\n"


def check_cri_security(t):
    """user, groups, capabilities, read-only root, masked paths, seccomp, no new privileges"""
    k = Kubelet(t)
    pod = k.pod(sysctls=[])
    c = k.start(pod, "app", ["sleep", "1000"], security=[
        (5, [(1, 1000)]), (12, [(1, 2000)]), (7, True), (8, 3000), (11, True), (1, [(2, "ALL"), (1, "NET_BIND_SERVICE")]),
        (13, "/proc/timer_list"), (14, "/proc/sys"), (15, [(1, 0)])])
    status = dict(x.split(":\t", 1) for x in k.output(c, "cat", "/proc/self/status").splitlines() if ":\t" in x)
    assert status["Uid"].split()[0] == "1000" and status["Gid"].split()[0] == "2000", status
    assert "3000" in status["Groups"].split(), status["Groups"]
    assert int(status["CapBnd"], 16) == 1 << 10, status["CapBnd"]
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
    assert k.exec(c, "touch", "/x")[1] != 0
    assert k.output(c, "cat", "/proc/timer_list") == ""
    p = k.start(k.pod("privileged", privileged=True), "app", ["sleep", "1000"], security=[(2, True)])
    assert k.output(p, "sh", "-c", "mount -t tmpfs none /tmp && echo mounted") == "mounted\n"


def check_cri_namespaces(t):
    """one pid namespace for the pod; sysctls; the host's network"""
    k = Kubelet(t)
    pod = k.pod(pid=POD, network=POD, sysctls=[("net.ipv4.ip_unprivileged_port_start", "80")])
    a = k.start(pod, "a", ["sleep", "1001"])
    b = k.start(pod, "b", ["sleep", "1002"])
    ps = k.output(a, "ps")
    assert "sleep 1001" in ps and "sleep 1002" in ps and "sleep 100000" in ps, ps
    assert k.output(b, "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start") == "80\n"
    k.call("StopContainer", (1, a), (2, 0))
    assert k.status(b)[0] == RUNNING, "the other container goes on"
    h = k.start(k.pod("host"), "app", ["sleep", "1000"])
    assert k.output(h, "readlink", "/proc/self/ns/net").strip() == os.readlink("/proc/self/ns/net")


def check_cri_logs(t):
    """a terminal, long lines, both streams, a log that is rotated"""
    k = Kubelet(t)
    pod = k.pod()
    c = k.start(pod, "app", ["sh", "-c", "while read x; do echo $x; done </pipe; sleep 1000"],
                mounts=[[(1, "/pipe"), (2, fifo(t))]])
    w = open(t.dir + "/fifo", "w")
    print("one", file=w, flush=True)
    wait_until(lambda: k.log("app") == ["one"], what="one")
    os.rename(k.logs + "/app.0.log", k.logs + "/old")
    k.call("ReopenContainerLog", (1, c))
    print("two", file=w, flush=True)
    wait_until(lambda: k.log("app") == ["two"], what="two")
    w.close()
    tty = k.start(pod, "tty", ["sh", "-c", "tty; stty -a | head -1; sleep 1000"], tty=True)
    wait_until(lambda: k.log("tty")[:1] == ["/dev/pts/0\r"] or k.log("tty")[:1] == ["/dev/pts/0"], what="a terminal")
    assert k.status(tty)[0] == RUNNING
    long_ = k.start(pod, "long", ["sh", "-c", "yes 0123456789 | tr -d '\\n' | head -c 100000; echo; echo end >&2"])
    assert k.exited(long_) == 0
    wait_until(lambda: sum(map(len, k.log("long"))) == 100003, what="100,003 characters")


def fifo(t):
    os.mkfifo(t.dir + "/fifo")
    return t.dir + "/fifo"


def check_cri_mounts(t):
    """propagation: none, from the host, both ways; devices"""
    k = Kubelet(t)
    pod = k.pod(privileged=True)
    for n in ("private", "slave", "shared"):
        os.mkdir(t.dir + "/" + n)
    subprocess.check_call(["mount", "-t", "tmpfs", "tmpfs", t.dir + "/shared"])
    subprocess.check_call(["mount", "--make-shared", t.dir + "/shared"])
    t.undo.insert(0, lambda: subprocess.call(["umount", "-R", "-l", t.dir + "/shared"]))
    os.mkdir(t.dir + "/shared/a")
    os.mkdir(t.dir + "/shared/b")
    c = k.start(pod, "app", ["sleep", "1000"], security=[(2, True)], mounts=[
        [(1, "/slave"), (2, t.dir + "/shared"), (5, 1)], [(1, "/both"), (2, t.dir + "/shared"), (5, 2)]])
    subprocess.check_call(["mount", "-t", "tmpfs", "fromhost", t.dir + "/shared/a"])
    assert "fromhost /slave/a" in k.output(c, "cat", "/proc/mounts")
    k.output(c, "mount", "-t", "tmpfs", "fromcontainer", "/both/b")
    assert "fromcontainer " in open("/proc/mounts").read()


def check_cri_errors(t):
    """a handler that is not there, a command that is not there; the pod goes on"""
    k = Kubelet(t)
    try:
        k.pod(handler="no-such-handler")
        raise AssertionError("an unknown handler was taken")
    except GrpcError:
        pass
    pod = k.pod()
    c = k.create(pod, "bad", ["/no/such"])
    k.fails("StartContainer", (1, c))
    assert k.status(c)[:2] in ((EXITED, 127), (EXITED, 128)), k.status(c)
    good = k.start(pod, "good", ["sleep", "1000"])
    assert k.status(good)[0] == RUNNING
    assert k.output(good, "echo", "alive") == "alive\n"


# ---------------------------------------------------------------------- containerd 2

def need_2():
    if version() < 2:
        raise Skip("containerd %d has no such thing" % version())


def need_features(t):
    need_2()
    if t.handler == "oci-rt":
        # no user namespaces, because it cannot join their options with others; with recursive
        # read-only mounts containerd 2.1.9 itself ends in a nil pointer
        raise Skip("containerd asks for features only when runtime_type is io.containerd.runc.v2: use runtime_path")


def check_cri2_user_namespace(t):
    """a pod in a user namespace of its own"""
    need_features(t)
    k = Kubelet(t)
    ids = [(1, 200000), (3, 65536)]
    pod = k.pod(network=POD, userns=[(1, POD), (2, ids), (3, ids)])
    os.mkdir(t.dir + "/volume")
    os.chmod(t.dir, 0o755)
    os.chmod(t.d.env.dir, 0o755)
    open(t.dir + "/volume/file", "w").write("x")
    c = k.start(pod, "app", ["sh", "-c", "echo to stderr >&2; sleep 1000"], mounts=[
        [(1, "/volume"), (2, t.dir + "/volume"), (6, ids), (7, ids)]])
    assert k.output(c, "cat", "/proc/self/uid_map").split() == ["0", "200000", "65536"]
    assert k.output(c, "stat", "-c", "%u", "/volume/file") == "0\n", "an idmapped volume"
    assert k.output(c, "stat", "-c", "%u", "/bin/busybox") == "0\n"
    assert os.stat("/proc/%d" % k.pid(c)).st_uid == 200000
    wait_until(lambda: k.log("app") == ["to stderr"], what="the streams belong to it")


def check_cri2_recursive_read_only(t):
    """recursive read-only mounts"""
    need_features(t)
    k = Kubelet(t)
    d = t.dir + "/tree"
    os.makedirs(d + "/below")
    subprocess.check_call(["mount", "-t", "tmpfs", "tmpfs", d + "/below"])
    t.undo.insert(0, lambda: subprocess.call(["umount", "-l", d + "/below"]))
    c = k.start(k.pod(), "app", ["sleep", "1000"], mounts=[
        [(1, "/rro"), (2, d), (3, True), (8, True)], [(1, "/ro"), (2, d), (3, True)]])
    assert k.exec(c, "touch", "/rro/below/x")[1] != 0
    assert k.exec(c, "touch", "/ro/x")[1] != 0
    assert k.output(c, "touch", "/ro/below/x") == ""


def check_cri2_features(t):
    """the handler says what its runtime can"""
    need_features(t)
    k = Kubelet(t)
    handlers = {text(dec(h), 1): sub(dec(h), 2) for h in k.call("Status").get(3, [])}
    assert t.handler in handlers, handlers.keys()
    assert one(handlers[t.handler], 1) == 1, "recursive read-only mounts"
    assert one(handlers[t.handler], 2) == 1, "user namespaces"


def check_cri2_checkpoint(t):
    """CheckpointContainer; the container goes on"""
    need_2()
    k = Kubelet(t)
    c = k.start(k.pod(), "app", ["sh", "-c", "while :; do sleep 0.1; done"])
    k.call("CheckpointContainer", (1, c), (2, t.dir + "/image.tar"), (3, 60))
    assert os.path.getsize(t.dir + "/image.tar") > 10000
    assert k.status(c)[0] == RUNNING
    assert k.output(c, "echo", "alive") == "alive\n"


def check_cri2_pod_stats(t):
    """statistics of a whole pod"""
    need_2()
    k = Kubelet(t)
    pod = k.pod(network=POD)
    k.start(pod, "app", ["sleep", "1000"])
    s = sub(k.call("PodSandboxStats", (1, pod)), 1)
    assert one(sub(sub(s, 2), 1), 1) or s, s
