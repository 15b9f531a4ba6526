#!/usr/bin/env python3
"""containerd with oci-rt under its own shim and under ours, through ctr.

usage: containerd.py start DIR [cri]        a containerd with everything of its own below DIR
       containerd.py check DIR NAME         one check with every combination that has oci-rt in it
       containerd.py all DIR [MODULE...]    every check with every combination, runc too: TSV in DIR/results
       containerd.py stop DIR

Theory of operation: a check is a function check_* of this file or of cri.py; it gets a Try,
which knows the combination (which shim, which runtime), names what it makes and cleans it up.
When a check fails, the same one runs with containerd's own shim and runc: what fails there too
is the machine's (status 77, a skip with the reason), what fails only with ours is a failure.
After each check no shim may be left.

environment: OCI_RT, OCI_BUILD (the shim), RUNC, OCI_RT_TEST_SHORT (our shim only)"""
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../shim")]
os.environ.setdefault("SHIM", os.environ.get("OCI_BUILD", HERE + "/../../build") + "/containerd-shim-oci-rt-v2")
import ctr  # noqa: E402
import shimlib  # noqa: E402
from ctr import IMAGE, Containerd, handler  # noqa: E402
from grpc import GrpcError  # noqa: E402
from shimlib import Skip, wait_until  # noqa: E402

OCI_RT = os.environ.get("OCI_RT") or os.environ.get("OCI_BUILD", HERE + "/../../build") + "/oci-rt"
RUNC = os.environ.get("RUNC") or shutil.which("runc") or "/usr/sbin/runc"
shimlib.RUNTIME = OCI_RT
STOCK = "io.containerd.runc.v2"

# name: (CRI handler, ctr's arguments)
COMBINATIONS = {
    "stock+oci-rt": ("stock-oci-rt", ["--runtime", STOCK, "--runc-binary", OCI_RT]),
    "ours+oci-rt": ("oci-rt", ["--runtime", "io.containerd.oci-rt.v2"]),
    "ours-as-runc+oci-rt": ("ours-as-runc", None),  # CRI of containerd 2 only
}
REFERENCE = {"stock+runc": ("stock-runc", ["--runtime", STOCK, "--runc-binary", RUNC])}

NETWORK = """{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "%s", "ranges": [[{"subnet": "10.98.0.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}]}"""


class Place:
    """What Containerd wants to know of an Env."""

    def __init__(self, directory, ns):
        self.dir = directory
        self.ns = ns
        self.rootfs = directory + "/rootfs"


def start(directory, kind):
    place = Place(directory, "eng%d" % os.getpid())
    shimlib.make_rootfs(place.rootfs)
    names = COMBINATIONS["stock+oci-rt"][0], COMBINATIONS["ours-as-runc+oci-rt"][0], REFERENCE["stock+runc"][0]
    handlers = handler(names[0], STOCK, OCI_RT) + handler(names[2], STOCK, RUNC)
    if version() >= 2:
        handlers += handler(names[1], STOCK, OCI_RT, path=shimlib.SHIM)
    d = Containerd(place, cri=kind == "cri", handlers=handlers,
                   network=NETWORK % (directory + "/ipam") if kind == "cri" else None)
    os.chmod(d.dir, 0o711)  # root of a user namespace goes through it
    with open(directory + "/engine.json", "w") as f:
        json.dump({"dir": d.dir, "ns": d.ns, "place": place.ns, "pid": d.proc.pid}, f)


def version():
    """containerd's major version."""
    text = subprocess.check_output([ctr.CONTAINERD or "containerd", "--version"], text=True).split()[2]
    return int(text.lstrip("v").split(".")[0])


def attach(directory):
    e = json.load(open(directory + "/engine.json"))
    return Containerd.attach(Place(directory, e["place"]), e["dir"], e["ns"], e["pid"])


class Try:
    """One check with one combination."""
    serial = 0

    def __init__(self, daemon, name, combination):
        Try.serial += 1
        self.d = daemon
        self.handler, self.args = combination
        self.name = name
        self.ids = []
        self.dir = "%s/try%d-%d" % (daemon.env.dir, os.getpid(), Try.serial)
        self.undo = []
        os.mkdir(self.dir)

    def id(self):
        self.ids.append("c%d-%d-%d" % (os.getpid(), Try.serial, len(self.ids)))
        return self.ids[-1]

    def run(self, *args, options=(), rc=0, **kw):
        """ctr run --rm; output."""
        return self.d.ctr("run", "--rm", *self.args, *options, IMAGE, self.id(), *args, rc=rc, **kw)

    def detached(self, *args, options=()):
        """ctr run -d: id and pid."""
        i = self.id()
        self.d.ctr("run", "-d", *self.args, *options, IMAGE, i, *args)
        return i, self.pid(i)

    def pid(self, i):
        return int([x for x in self.d.ctr("task", "ls").splitlines() if x.startswith(i + " ")][0].split()[1])

    def exec(self, i, *args, options=(), **kw):
        Try.serial += 1
        return self.d.ctr("task", "exec", "--exec-id", "e%d" % Try.serial, *options, i, *args, **kw)

    def status(self, i):
        lines = [x.split() for x in self.d.ctr("task", "ls").splitlines() if x.startswith(i + " ")]
        return lines[0][2] if lines else None

    def close(self):
        for f in reversed(self.undo):
            f()
        for i in self.ids:
            for words in (("task", "rm", "-f"), ("c", "rm")):
                self.d.ctr(*words, i, rc=None)
        shutil.rmtree(self.dir, ignore_errors=True)
        try:
            wait_until(lambda: self.d.shims() == [], timeout=20)
        except Exception:
            # Not for the next attempt, which may be the reference's: it would fail for it.
            left = [open("/proc/%d/cmdline" % p).read().split("\0") for p in self.d.shims()]
            for p in self.d.shims():
                os.kill(p, signal.SIGKILL)
            raise AssertionError("shims are left: %s" % left)


def attempt(daemon, name, f, combination):
    """None, or (kind, text)."""
    t = Try(daemon, name, combination)
    trouble = None
    try:
        f(t)
    except Skip as e:
        trouble = ("skip", str(e))
    except Exception as e:
        where = traceback.extract_tb(e.__traceback__)
        line = [x for x in where if "check_" in x.name][-1:] or where[-1:]
        trouble = ("fail", "line %d: %s: %s" % (line[0].lineno, type(e).__name__, shorten(str(e))))
        if isinstance(e, GrpcError):
            errors = [x for x in daemon.tail().splitlines() if "level=error" in x]
            trouble = ("fail", " ".join([trouble[1]] + errors[-1:]))
    try:
        t.close()
    except Exception as e:
        trouble = trouble or ("fail", "clean-up: %s" % e)
    return trouble


def checks(modules):
    out = {}
    for m in modules:
        for k, f in vars(importlib.import_module(m)).items():
            if k.startswith("check_") and callable(f):
                out[k[6:]] = f
    return out


def shorten(text):
    """ctr prints all its options when it does not like one."""
    return re.sub(r"NAME:.*OPTIONS:.*\n(?=ctr:)", "...", text, flags=re.S)[-1500:]


def first_line(text):
    """The reason, without the command line that ctr was given."""
    line = " ".join(text.strip().splitlines()[0].split())
    return line[line.rfind(" ctr: ") + 1:][:500]


# combination: what lib.bash's records and table.sh call the engine
COLUMNS = {"stock+oci-rt": "", "ours+oci-rt": "+shim", "ours-as-runc+oci-rt": "+shim-as-runc"}


def cgroup_mode():
    if not os.path.isdir("/sys/fs/cgroup/memory"):
        return "v2, systemd" if ctr.SYSTEMD else "v2"
    return "hybrid" if os.path.ismount("/sys/fs/cgroup/unified") else "v1"


def records(f, results):
    """Lines for table.sh (lib.bash says what they are), out of {combination: None or (kind, text)}."""
    runc = results.get("stock+runc")
    release = subprocess.check_output([ctr.CONTAINERD or "containerd", "--version"], text=True).split()[2]
    out = []
    for combination, column in COLUMNS.items():
        trouble = results.get(combination, ("skip", ""))
        if trouble and trouble[0] == "skip":
            continue
        reason = "runc: " + first_line(runc[1]) if trouble and runc else ""
        feature = " ".join((f.__doc__ or f.__name__[6:]).split("\n")[0].split())
        out.append("# record %s%s | %s | %s | %s | oci-rt=%s runc=%s | %s | 0 s" % (
            "CRI" if f.__module__ == "cri" else "containerd", column, re.split("[~+]", release.lstrip("v"))[0],
            cgroup_mode(), feature, "fail" if trouble else "ok", "fail" if runc else "ok",
            re.sub("[|#`]|/tmp/[^ :]*/", "", reason)))
    return out


def check(directory, name):
    """Exit status: 0, 1, or 77 (a skip; its reason is the output).  In the long form with runc too, and records."""
    d = attach(directory)
    f = checks(["containerd", "cri"])[name]
    skipped = None
    ran = False
    results = {}
    if os.environ.get("OCI_RT_TEST_LONG"):
        results["stock+runc"] = attempt(d, name, f, REFERENCE["stock+runc"])
    for combination, how in COMBINATIONS.items():
        if os.environ.get("OCI_RT_TEST_SHORT") and combination.startswith("stock"):
            continue
        if how[1] is None and (f.__module__ != "cri" or version() < 2):
            continue
        trouble = results[combination] = attempt(d, name, f, how)
        if trouble and trouble[0] == "fail":
            reference = results.get("stock+runc") or attempt(d, name, f, REFERENCE["stock+runc"])
            # Under load ctr may open a FIFO after containerd's own shim has closed it for good, and prints
            # nothing: with runc too, only more rarely.  Our shim has no such excuse.
            if not reference and combination.startswith("stock") and not attempt(d, name, f, how):
                print("# unsteady with %s: %s" % (combination, trouble[1]), file=sys.stderr)
                results[combination] = None
                ran = True
                continue
            if not reference:
                print("%s fails with %s and not with runc: %s" % (name, combination, trouble[1]))
                print("\n".join(d.tail().splitlines()[-15:] + (records(f, results) if "stock+runc" in results else [])))
                return 1
            skipped = "fails with containerd's own shim and runc on this machine too: " + first_line(reference[1])
        elif trouble:
            skipped = trouble[1]
        else:
            ran = True
    if "stock+runc" in results:
        for line in records(f, results):
            print(line)
    if skipped and not ran:
        print(skipped)
        return 77
    return 0


def everything(directory, modules):
    d = attach(directory)
    failures = 0
    with open(directory + "/results", "a") as out:
        for name, f in checks(modules).items():
            results = {}
            for combination, how in list(REFERENCE.items()) + list(COMBINATIONS.items()):
                if how[1] is None and (f.__module__ != "cri" or version() < 2):
                    continue
                trouble = attempt(d, name, f, how)
                if trouble and trouble[0] == "fail" and combination.startswith("stock"):
                    trouble = attempt(d, name, f, how)  # as in check()
                results[combination] = trouble
                if trouble and trouble[0] == "fail":
                    print("# %s, %s: %s" % (name, combination, trouble[1].replace("\n", "\n# ")))
                    print("# " + "\n# ".join(d.tail().splitlines()[-6:]))
            words = [(results[c][0] if results[c] else "ok") if c in results else "-"
                     for c in list(REFERENCE) + list(COMBINATIONS)]
            reason = next((first_line(r[1]) for r in results.values() if r), "")
            out.write("\t".join([modules[0], name] + words + [reason]) + "\n")
            out.writelines(line + "\n" for line in records(f, results))
            print("\t".join([name] + words), flush=True)
            if "fail" in words[1:] and words[0] != "fail":
                failures += 1
    return 1 if failures else 0


# ---------------------------------------------------------------------- checks with ctr

def check_run(t):
    """output, exit status, streams apart"""
    assert t.run("echo", "hello") == "hello\n"
    assert t.run("sh", "-c", "exit 7", rc=7) == ""
    assert t.run("md5sum", input=b"y" * 200000).startswith("".join(__import__("hashlib").md5(b"y" * 200000).hexdigest()))


def check_life(t):
    """detached, exec, pause, resume, metrics, kill, delete"""
    i, pid = t.detached("sleep", "1000")
    assert t.status(i) == "RUNNING"
    assert t.exec(i, "echo", "in") == "in\n"
    assert t.exec(i, "sh", "-c", "exit 9", rc=9) == ""
    assert t.exec(i, "cat", input=b"input") == "input"
    assert t.exec(i, "sh", "-c", "id -u; pwd", options=["--user", "65534", "--cwd", "/tmp"]) == "65534\n/tmp\n"
    t.d.ctr("task", "exec", "-d", "--exec-id", "bg", i, "sleep", "500")
    assert t.d.ctr("task", "ps", i).count("\n") == 3
    t.d.ctr("task", "kill", "--exec-id", "bg", i)
    t.d.ctr("task", "pause", i)
    assert t.status(i) == "PAUSED"
    t.d.ctr("task", "resume", i)
    assert t.status(i) == "RUNNING"
    usage = json.loads(t.d.ctr("task", "metrics", "--format", "json", i))["memory"]["usage"]
    assert (usage["usage"] if isinstance(usage, dict) else usage) > 0, usage  # cgroup v1, v2
    t.d.ctr("task", "kill", "-s", "KILL", i)
    wait_until(lambda: t.status(i) == "STOPPED", what="stopped")
    assert shimlib.gone(pid)


def check_kill_all(t):
    """kill --all reaches every process"""
    i, pid = t.detached("sh", "-c", "sleep 500 & sleep 500 & wait")
    wait_until(lambda: t.d.ctr("task", "ps", i).count("\n") == 4, what="three processes")
    t.d.ctr("task", "kill", "-a", "-s", "KILL", i)
    wait_until(lambda: t.status(i) == "STOPPED", what="stopped")


def check_terminal(t):
    """run -t and exec -t"""
    line = " ".join(t.d.command("run", "--rm", "-t", *t.args, IMAGE, t.id(), "sh", "-c"))
    r = subprocess.run(["script", "-qec", line + " 'tty; stty size; exit 5'", "/dev/null"], stdout=subprocess.PIPE,
                       stdin=subprocess.DEVNULL, timeout=60)
    assert b"/dev/pts/0" in r.stdout and r.returncode == 5, r
    i, _ = t.detached("sleep", "1000")
    line = " ".join(t.d.command("task", "exec", "-t", "--exec-id", "tty", i, "sh", "-c"))
    r = subprocess.run(["script", "-qec", line + " 'tty; exit 6'", "/dev/null"], stdout=subprocess.PIPE,
                       stdin=subprocess.DEVNULL, timeout=60)
    assert b"/dev/pts/0" in r.stdout and r.returncode == 6, r


def cgroup_file(pid, controller, v1, v2):
    """Content of a file of the process's cgroup."""
    for line in open("/proc/%d/cgroup" % pid):
        _, names, path = line.rstrip("\n").split(":", 2)
        if controller in names.split(","):
            return open("/sys/fs/cgroup/%s%s/%s" % (controller, path, v1)).read().strip()
    path = [x.rstrip("\n")[3:] for x in open("/proc/%d/cgroup" % pid) if x.startswith("0::")][0]
    return open("/sys/fs/cgroup%s/%s" % (path, v2)).read().strip()


def check_limits(t):
    """memory, processor, --cgroup"""
    i, pid = t.detached("sleep", "1000", options=[
        "--memory-limit", str(48 << 20), "--cpu-quota", "20000", "--cpu-period", "50000", "--cpu-shares", "512",
        "--cgroup", "/%s/limits" % t.d.env.ns])
    assert cgroup_file(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(48 << 20)
    assert cgroup_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "20000"
    assert "/%s/limits" % t.d.env.ns in open("/proc/%d/cgroup" % pid).read()


def check_oom(t):
    """137, and the events in their order"""
    log = open(t.dir + "/events", "wb")
    ev = subprocess.Popen(t.d.command("events"), stdout=log)
    t.undo.append(lambda: (ev.kill(), ev.wait()))
    time.sleep(0.5)
    rc, out = t.run("sh", "-c", "x=a; while :; do x=$x$x; done", options=["--memory-limit", str(16 << 20)], rc=None)
    assert rc == 137, (rc, out)

    def topics():
        lines = open(t.dir + "/events").read().splitlines()
        return [x.split()[5] for x in lines if "/tasks/" in x and t.ids[-1] in x]
    wait_until(lambda: "/tasks/delete" in topics(), what="delete event")
    # containerd's own shim announces the OOM kill on a path of its own
    assert sorted(topics()) == sorted("/tasks/" + x for x in ("create", "start", "oom", "exit", "delete")), topics()
    assert [x for x in topics() if "oom" not in x] == ["/tasks/" + x for x in ("create", "start", "exit", "delete")]


def check_root_filesystem(t):
    """--read-only, bind mounts, --rootfs"""
    open(t.dir + "/file", "w").write("from the host\n")
    out = t.run("sh", "-c", "touch /x || echo read-only; cat /data/file; touch /data/y || echo bind too",
                options=["--read-only", "--mount", "type=bind,src=%s,dst=/data,options=rbind:ro" % t.dir])
    for word in ("read-only", "from the host", "bind too"):
        assert word in out, out
    i = t.id()
    out = t.d.ctr("run", "--rm", *t.args, "--rootfs", t.d.env.rootfs, i, "/bin/sh", "-c", "echo plain directory")
    assert out == "plain directory\n", out


def check_process(t):
    """--cwd, --env, capabilities, no new privileges"""
    out = t.run("sh", "-c", "pwd; echo $A; grep -E NoNewPrivs /proc/self/status",
                options=["--cwd", "/tmp", "--env", "A=b"])
    assert out == "/tmp\nb\nNoNewPrivs:\t1\n", out
    out = t.run("grep", "CapEff", "/proc/self/status", options=["--cap-add", "CAP_SYS_PTRACE"])
    assert int(out.split()[1], 16) >> 19 & 1, out
    out = t.run("grep", "CapEff", "/proc/self/status", options=["--cap-drop", "CAP_CHOWN"])
    assert not int(out.split()[1], 16) & 1, out


def check_privileged(t):
    """--privileged: devices of the host"""
    out = t.run("sh", "-c", "ls /dev | wc -l; grep Seccomp: /proc/self/status", options=["--privileged"])
    assert "Seccomp:\t0" in out, out


def check_seccomp(t):
    """--seccomp: a filter is there and denies"""
    out = t.run("sh", "-c", "grep Seccomp: /proc/self/status; unshare -U true || echo denied", options=["--seccomp"])
    assert "Seccomp:\t2" in out and "denied" in out, out


def check_network(t):
    """--net-host and a network namespace by path"""
    mine = os.readlink("/proc/self/ns/net")
    assert t.run("readlink", "/proc/self/ns/net", options=["--net-host"]).strip() == mine
    i, pid = t.detached("sleep", "1000")
    other = os.readlink("/proc/%d/ns/net" % pid)
    assert other != mine
    out = t.run("readlink", "/proc/self/ns/net", options=["--with-ns", "network:/proc/%d/ns/net" % pid])
    assert out.strip() == other, out


def check_devices(t):
    """--device; what is not given cannot be opened"""
    nodes = [x for x in ("/dev/loop-control", "/dev/fuse", "/dev/net/tun") if os.path.exists(x)]
    if not nodes:
        raise Skip("no device here that is neither every container's nor guarded by a capability")
    node = nodes[0]
    number = os.stat(node).st_rdev
    number = os.major(number), os.minor(number)
    try_it = "mknod /tmp/m c %d %d; if true </tmp/m; then echo opened; else echo denied; fi" % number
    out = t.run("sh", "-c", "ls -l %s; %s" % (node, try_it), options=["--device", node, "--cap-add", "CAP_MKNOD"])
    assert "%d," % number[0] in out and "opened" in out, out
    out = t.run("sh", "-c", try_it, options=["--cap-add", "CAP_MKNOD"])
    assert "denied" in out and "opened" not in out, out


def check_user_namespace(t):
    """--uidmap, --gidmap: root is another user; it can write to its files and its streams"""
    out = t.run("sh", "-c", "cat /proc/self/uid_map; id -u; touch /tmp/x && ls -ln /tmp/x; echo >/dev/stderr",
                options=["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"])
    assert out.split()[:3] == ["0", "100000", "65536"], out
    assert "/dev/stderr" not in out and " 0        0 " in out, out


def check_log_uri(t):
    """--log-uri file and binary, --pid-file"""
    log = t.dir + "/log"
    i, pid = t.detached("sh", "-c", "echo to the log; sleep 1000",
                        options=["--log-uri", "file://" + log, "--pid-file", t.dir + "/pid"])
    assert open(t.dir + "/pid").read() == str(pid)
    wait_until(lambda: os.path.exists(log) and open(log).read() == "to the log\n", what="the log")
    logger = t.dir + "/logger"
    with open(logger, "w") as f:
        f.write("#!/bin/sh\nexec 5>&-\ncat <&3 >%s/binary-log\n" % t.dir)
    os.chmod(logger, 0o755)
    t.detached("echo", "to the logger", options=["--log-uri", "binary://" + logger])
    wait_until(lambda: os.path.exists(t.dir + "/binary-log") and
               open(t.dir + "/binary-log").read() == "to the logger\n", what="the logger's file")


def check_errors(t):
    """a command that is not there, a mount that is not there"""
    rc, out = t.run("/no/such", rc=None)
    assert rc != 0 and ("no such file" in out or "not found" in out), out
    rc, out = t.run("true", rc=None, options=["--mount", "type=bind,src=/no/such/dir,dst=/x,options=rbind"])
    assert rc != 0 and "/no/such/dir" in out, out
    i, _ = t.detached("sleep", "1000")
    rc, out = t.exec(i, "/no/such", rc=None)
    assert rc != 0 and ("no such file" in out or "not found" in out), out
    assert t.exec(i, "echo", "alive") == "alive\n"


def check_checkpoint(t):
    """task checkpoint to a directory; the task goes on"""
    i, pid = t.detached("sh", "-c", "while :; do sleep 0.1; done", options=["--net-host"])
    os.mkdir(t.dir + "/image")
    t.d.ctr("task", "checkpoint", "--image-path", t.dir + "/image", i, timeout=120)
    assert os.path.exists(t.dir + "/image/inventory.img"), os.listdir(t.dir + "/image")
    assert t.status(i) == "RUNNING"


def check_many(t):
    """ten at once"""
    ids = [t.id() for _ in range(10)]
    all_ = [subprocess.Popen(t.d.command("run", "--rm", *t.args, IMAGE, i, "echo", i), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL) for i in ids]
    for i, p in zip(ids, all_):
        out = p.communicate(timeout=120)[0].decode()
        assert out == i + "\n", out


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    verb, directory = sys.argv[1], os.path.abspath(sys.argv[2])
    if verb == "start":
        start(directory, sys.argv[3] if len(sys.argv) > 3 else "ctr")
    elif verb == "check":
        sys.exit(check(directory, sys.argv[3]))
    elif verb == "all":
        sys.exit(everything(directory, sys.argv[3:] or ["containerd"]))
    else:
        d = attach(directory)
        d.close()
        for root in ("runc", "oci-rt"):
            shutil.rmtree("/run/containerd/%s/%s" % (root, d.env.ns), ignore_errors=True)


if __name__ == "__main__":
    main()
