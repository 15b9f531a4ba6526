"""Kubernetes' runtime interface of Debian's containerd 1.6 with this shim."""
from ctr import IMAGE, Containerd
from grpc import Grpc, GrpcError
from shimlib import *

RUNTIME_SERVICE = "runtime.v1.RuntimeService"
NODE = 2


class Cri:
    def __init__(self, env):
        self.d = Containerd(env, cri=True)
        self.g = Grpc(self.d.dir + "/c.sock")
        self.logs = env.dir + "/logs"
        os.mkdir(self.logs)

    def call(self, method, *fields):
        return self.g.call(RUNTIME_SERVICE, method, list(fields))

    def pod_config(self, name):
        options = [(1, NODE)]
        return [(1, [(1, name), (2, name + "-uid"), (3, "default")]), (3, self.logs),
                (8, [(1, "/" + self.d.env.ns), (2, [(1, options)])])]

    def run_pod(self, name):
        return text(self.call("RunPodSandbox", (1, self.pod_config(name)), (2, "oci-rt")), 1)

    def create(self, pod, name, args, **kw):
        config = [(1, [(1, name)]), (2, [(1, IMAGE)])] + [(3, a) for a in args] + [
            (11, name + ".log"), (12, kw.get("stdin")), (14, kw.get("tty")),
            (15, [(1, [(4, kw.get("memory"))]), (2, [(2, None), (3, [(1, NODE)])])])]
        return text(self.call("CreateContainer", (1, pod), (2, config), (3, self.pod_config("x"))), 1)

    def status(self, id):
        s = sub(self.call("ContainerStatus", (1, id)), 1)
        return one(s, 3), one(s, 7)

    def exec_sync(self, id, *args):
        m = self.call("ExecSync", (1, id), *[(2, a) for a in args], (3, 10))
        return one(m, 1, b""), one(m, 2, b""), one(m, 3)


def test_pod_life(env):
    """pod, two containers in one shim, exec, logs, stats, update, stop, remove"""
    cri = Cri(env)
    try:
        assert text(cri.call("Version"), 2) == "containerd"
        pod = cri.run_pod("pod1")
        a = cri.create(pod, "a", ["sh", "-c", "echo to stdout; echo to stderr >&2; exec sleep 1000"], memory=64 << 20)
        b = cri.create(pod, "b", ["sh", "-c", "exit 7"])
        for c in (a, b):
            cri.call("StartContainer", (1, c))
        assert len(cri.d.shims()) == 1, "one shim for the pod"
        assert cri.status(a)[0] == 1
        wait_until(lambda: cri.status(b) == (2, 7), what="b has exited with 7")
        assert cri.exec_sync(a, "sh", "-c", "echo out; echo err >&2; exit 3") == (b"out\n", b"err\n", 3)
        try:
            cri.exec_sync(a, "/no/such")
            raise AssertionError("exec of nothing succeeded")
        except GrpcError:
            pass
        log = open(cri.logs + "/a.log").read()
        assert "stdout F to stdout" in log and "stderr F to stderr" in log, log
        stats = sub(cri.call("ContainerStats", (1, a)), 1)
        assert one(sub(sub(stats, 2), 2), 1) > 0, "cpu"
        assert one(sub(sub(stats, 3), 2), 1) > 0, "memory"
        cri.call("UpdateContainerResources", (1, a), (2, [(4, 96 << 20)]))
        limit = cri.exec_sync(a, "cat", "/proc/self/cgroup")
        path = [x.split(":")[2] for x in limit[0].decode().splitlines() if ":memory:" in x]
        if path:
            assert int(open("/sys/fs/cgroup/memory%s/memory.limit_in_bytes" % path[0]).read()) == 96 << 20
        m = memory(cri.d.shims()[0])
        print("# pod with three containers after execs: private %(Private)d KiB, PSS %(Pss)d, RSS %(Rss)d" % m)
        cri.call("StopContainer", (1, a), (2, 0))
        assert cri.status(a)[0] == 2
        for c in (a, b):
            cri.call("RemoveContainer", (1, c))
        cri.call("StopPodSandbox", (1, pod))
        cri.call("RemovePodSandbox", (1, pod))
        wait_until(lambda: cri.d.shims() == [], what="the shim is gone")
    except BaseException:
        for line in cri.d.tail().splitlines()[-15:]:
            print("# containerd: " + line[:400])
        raise
    finally:
        cri.d.close()


def test_pods_survive_a_restart(env):
    """containerd is killed; pods and their exits are found again; removal in any order"""
    cri = Cri(env)
    try:
        pod = cri.run_pod("pod1")
        a = cri.create(pod, "a", ["sleep", "1000"])
        b = cri.create(pod, "b", ["sh", "-c", "sleep 2; exit 4"])
        for c in (a, b):
            cri.call("StartContainer", (1, c))
        cri.d.kill()
        time.sleep(2.5)
        cri.d.start()
        cri.g = Grpc(cri.d.dir + "/c.sock")

        def ready():
            try:
                return cri.status(b)
            except GrpcError:
                return None
        assert wait_until(ready) == (2, 4), "the exit code was kept"
        assert cri.status(a)[0] == 1
        assert cri.exec_sync(a, "echo", "alive")[0] == b"alive\n"
        cri.call("StopPodSandbox", (1, pod))
        cri.call("RemovePodSandbox", (1, pod))
        wait_until(lambda: cri.d.shims() == [], what="the shim is gone")
    except BaseException:
        for line in cri.d.tail().splitlines()[-15:]:
            print("# containerd: " + line[:400])
        raise
    finally:
        cri.d.close()
