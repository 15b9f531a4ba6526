"""containerd 1.6 and this shim, named as the one it replaces, on a pure cgroup v2, with both cgroup drivers.
Run by containerd2.bats in a guest."""
from ctr import IMAGE, Containerd
from grpc import Grpc
from shimlib import *

SHARED = {}
ROOT = "/sys/fs/cgroup"


def daemon():
    """One containerd for all tests of this file."""
    if not SHARED:
        SHARED["env"] = Env()
        SHARED["d"] = Containerd(SHARED["env"])
    return SHARED["d"]


def start(d, id, systemd, *args, limit=64 << 20):
    """A container in the background; returns its cgroup's directory."""
    d.ctr("run", "-d", "--runtime", "io.containerd.runc.v2", "--runc-binary", RUNTIME, "--memory-limit", str(limit),
          *(["--runc-systemd-cgroup", "--cgroup", "system.slice:shimtest:" + id] if systemd
            else ["--cgroup", "/shimtest/" + id]), IMAGE, id, *args)
    group = ROOT + ("/system.slice/shimtest-%s.scope" % id if systemd else "/shimtest/" + id)
    assert os.path.isdir(group), "%s; there is %s" % (group, d.ctr("task", "ls"))
    return group


def read(path):
    return open(path).read().strip()


def remove(d, id, group):
    d.ctr("task", "rm", "-f", id, rc=None)
    d.ctr("c", "rm", id)
    wait_until(lambda: not os.path.exists(group), what="the cgroup is gone")
    wait_until(lambda: not d.shims(), timeout=20, what="the shim is gone")


def life(systemd):
    d = daemon()
    group = start(d, "life", systemd, "sleep", "1000")
    shim, = d.shims()
    assert os.readlink("/proc/%d/exe" % shim) == os.path.realpath(SHIM), "it is our shim"
    assert d.ctr("task", "exec", "--exec-id", "e1", "life", "echo", "in") == "in\n"
    d.ctr("task", "exec", "--exec-id", "e2", "life", "sh", "-c", "exit 9", rc=9)
    inside = d.ctr("task", "exec", "--exec-id", "e3", "life", "cat", "/proc/self/cgroup").strip()
    assert inside == "0::/" or group.endswith(inside[3:]), inside
    d.ctr("task", "pause", "life")
    assert "frozen 1" in read(group + "/cgroup.events") and "PAUSED" in d.ctr("task", "ls")
    d.ctr("task", "resume", "life")
    assert "frozen 0" in read(group + "/cgroup.events") and "RUNNING" in d.ctr("task", "ls")
    d.ctr("task", "kill", "-s", "9", "life")
    wait_until(lambda: "STOPPED" in d.ctr("task", "ls"))
    remove(d, "life", group)


def figures(systemd):
    d = daemon()
    group = start(d, "fig", systemd, "sleep", "1000")
    metrics = dict(x.split()[:2] for x in d.ctr("task", "metrics", "fig").splitlines() if len(x.split()) == 2)
    assert metrics["memory.usage_limit"] == read(group + "/memory.max") == str(64 << 20), metrics
    assert metrics["pids.current"] == read(group + "/pids.current") == "1", metrics
    assert int(metrics["cpu.usage_usec"]) > 0, metrics
    change = {"memory": {"limit": 96 << 20}, "pids": {"limit": 44}}
    Grpc(d.dir + "/c.sock").call(
        "containerd.services.tasks.v1.Tasks", "Update",
        [(1, "fig"), (2, [(1, "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"),
                          (2, json.dumps(change))])], namespace=d.ns)
    assert read(group + "/memory.max") == str(96 << 20) and read(group + "/pids.max") == "44"
    if systemd:
        show = subprocess.check_output(["systemctl", "show", os.path.basename(group), "-p", "MemoryMax", "-p", "TasksMax"],
                                       text=True).split()
        assert sorted(show) == ["MemoryMax=%d" % (96 << 20), "TasksMax=44"], show
    remove(d, "fig", group)


def out_of_memory(systemd):
    d = daemon()
    log = open(d.dir + "/events", "wb")
    listener = subprocess.Popen(d.command("events"), stdout=log, stdin=subprocess.DEVNULL)
    try:
        time.sleep(1)
        group = start(d, "oom", systemd, "sh", "-c", "sleep 1; x=a; while :; do x=$x$x; done", limit=16 << 20)

        def topics():
            return [x.split()[5] for x in open(d.dir + "/events") if " /tasks/" in x and '"oom"' in x]
        wait_until(lambda: "/tasks/exit" in topics(), timeout=40, what="an exit in %s" % topics())
        t = topics()
        assert t.count("/tasks/oom") == 1 and t.index("/tasks/oom") < t.index("/tasks/exit"), t
        remove(d, "oom", group)
    finally:
        listener.terminate()
        listener.wait()


def restart(systemd):
    d = daemon()
    group = start(d, "stay", systemd, "sh", "-c", "while [ ! -e /go ]; do sleep 0.1; done; exit 3")
    pid = read(group + "/cgroup.procs").split()[0]
    d.kill()
    assert os.path.exists("/proc/" + pid)
    d.start()
    assert "RUNNING" in d.ctr("task", "ls") and pid in d.ctr("task", "ls")
    d.ctr("task", "exec", "--exec-id", "e1", "stay", "touch", "/go")
    wait_until(lambda: "STOPPED" in d.ctr("task", "ls"))
    out = d.ctr("task", "rm", "stay", rc=None)[1]
    assert "exit code 3" in out, out
    remove(d, "stay", group)


def define(name, f):
    def cgroupfs():
        f(False)

    def systemd():
        if not os.path.exists("/run/systemd/system"):
            raise Skip("systemd is not PID 1 here")
        f(True)
    for g in (cgroupfs, systemd):
        g.__doc__ = "%s, %s" % (name, g.__name__)
        g.limit = 120
        globals()["test_%s_%s" % (f.__name__, g.__name__)] = g


define("run, exec, pause, kill", life)
define("figures and an update", figures)
define("an OOM kill is told before the exit", out_of_memory)
define("containerd is killed and finds everything again", restart)


def test_close():
    """nothing is left"""
    d = daemon()
    assert d.ctr("task", "ls", "-q") == "" and not d.shims(), d.ctr("task", "ls")
    d.close()
    SHARED["env"].close()
