"""Everything a test of the shim needs: bundles, the start command as containerd
runs it, a ttrpc client, and an event service that records."""
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import time

from wire import dec, enc, frame, one, request, sub, text

SHIM = os.environ.get("SHIM") or shutil.which("containerd-shim-oci-rt-v2")
RUNTIME = os.environ.get("RUNTIME") or os.environ.get("OCI_RT") or "/usr/sbin/runc"
CODES = {2: "Unknown", 3: "InvalidArgument", 5: "NotFound", 6: "AlreadyExists", 8: "ResourceExhausted",
         9: "FailedPrecondition", 12: "Unimplemented"}
TASK2 = "containerd.task.v2.Task"
TASK3 = "containerd.task.v3.Task"
RUNC_OPTIONS = "containerd.runc.v1.Options"
PROCESS_URL = "types.containerd.io/opencontainers/runtime-spec/1/Process"
UNKNOWN, CREATED, RUNNING, STOPPED, PAUSED, PAUSING = range(6)


class Skip(Exception):
    pass


class RpcError(Exception):
    def __init__(self, code, message):
        super().__init__("%s: %s" % (CODES.get(code, code), message))
        self.code = code
        self.message = message


class Client:
    """One ttrpc connection.  call() waits, begin() gives a handle for wait()."""

    def __init__(self, path, service=TASK2):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)
        self.service = service
        self.stream = -1
        self.answers = {}
        self.cond = threading.Condition()
        self.closed = False
        self.thread = threading.Thread(target=self.reader, daemon=True)
        self.thread.start()

    def recv(self, n):
        out = b""
        while len(out) < n:
            part = self.sock.recv(n - len(out))
            if not part:
                raise EOFError
            out += part
        return out

    def reader(self):
        try:
            while True:
                length, stream, kind, flags = struct.unpack(">IIBB", self.recv(10))
                payload = self.recv(length)
                with self.cond:
                    self.answers[stream] = (kind, payload)
                    self.cond.notify_all()
        except (EOFError, OSError):
            with self.cond:
                self.closed = True
                self.cond.notify_all()

    def begin(self, method, payload=b"", service=None):
        with self.cond:
            self.stream += 2
            stream = self.stream
        if isinstance(payload, list):
            payload = enc(payload)
        self.sock.sendall(frame(stream, 1, request(service or self.service, method, payload)))
        return stream

    def wait(self, stream, timeout=30):
        with self.cond:
            if not self.cond.wait_for(lambda: stream in self.answers or self.closed, timeout):
                raise TimeoutError("no answer")
            if stream not in self.answers:
                raise EOFError("connection closed")
            kind, payload = self.answers.pop(stream)
        msg = dec(payload)
        status = sub(msg, 1)
        if one(status, 1):
            raise RpcError(one(status, 1), text(status, 2))
        return dec(one(msg, 2, b""))

    def call(self, method, payload=b"", service=None, timeout=30):
        return self.wait(self.begin(method, payload, service), timeout)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    # the methods, with the usual arguments
    def create(self, c, **kw):
        rootfs = [(3, m) for m in kw.get("rootfs", [])]
        options = kw.get("options", options_any())
        return one(self.call("Create", enc([(1, c.id), (2, c.bundle)] + rootfs + [
            (4, kw.get("terminal")), (5, kw.get("stdin")), (6, kw.get("stdout")), (7, kw.get("stderr")),
            (8, kw.get("checkpoint")), (10, options)])), 1)

    def start(self, id, exec_id=None):
        return one(self.call("Start", [(1, id), (2, exec_id)]), 1)

    def state(self, id, exec_id=None):
        m = self.call("State", [(1, id), (2, exec_id)])
        return {"id": text(m, 1), "bundle": text(m, 2), "pid": one(m, 3), "status": one(m, 4), "stdin": text(m, 5),
                "stdout": text(m, 6), "stderr": text(m, 7), "terminal": one(m, 8), "exit_status": one(m, 9),
                "exited_at": one(sub(m, 10), 1), "exec_id": text(m, 11)}

    def wait_exit(self, id, exec_id=None, timeout=30):
        return one(self.call("Wait", [(1, id), (2, exec_id)], timeout=timeout), 1)

    def kill(self, id, sig=9, exec_id=None, all=None):
        self.call("Kill", [(1, id), (2, exec_id), (3, sig), (4, all)])

    def delete(self, id, exec_id=None):
        m = self.call("Delete", [(1, id), (2, exec_id)])
        return {"pid": one(m, 1), "exit_status": one(m, 2), "exited_at": one(sub(m, 3), 1)}

    def exec(self, id, exec_id, args, **kw):
        process = {"args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}
        process.update(kw.get("process", {}))
        self.call("Exec", [(1, id), (2, exec_id), (3, kw.get("terminal")), (4, kw.get("stdin")),
                           (5, kw.get("stdout")), (6, kw.get("stderr")),
                           (7, [(1, PROCESS_URL), (2, json.dumps(process))])])

    def pids(self, id):
        m = self.call("Pids", [(1, id)])
        return [one(dec(p), 1) for p in m.get(1, [])]

    def shutdown(self, id=""):
        self.call("Shutdown", [(1, id)])


def options_any(**kw):
    return [(1, RUNC_OPTIONS), (2, enc([(1, kw.get("no_pivot_root")), (4, kw.get("io_uid")), (5, kw.get("io_gid")),
                                        (6, kw.get("binary", RUNTIME)), (7, kw.get("root")),
                                        (9, kw.get("systemd"))]))]


class Events:
    """containerd's event service: records (topic, message, namespace)."""

    def __init__(self, path):
        self.path = path
        self.list = []
        self.raw = []
        self.cond = threading.Condition()
        self.listener = None
        self.conns = []
        self.refuse = None
        self.open()

    def open(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def close(self):
        """As if containerd had been killed."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for c in self.conns:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            c.close()
        self.conns = []

    def accept(self, listener):
        try:
            while True:
                c, _ = listener.accept()
                self.conns.append(c)
                threading.Thread(target=self.serve, args=(c,), daemon=True).start()
        except OSError:
            pass

    def serve(self, c):
        def recv(n):
            out = b""
            while len(out) < n:
                part = c.recv(n - len(out))
                if not part:
                    raise EOFError
                out += part
            return out
        try:
            while True:
                length, stream, kind, flags = struct.unpack(">IIBB", recv(10))
                req = dec(recv(length))
                assert text(req, 1) == "containerd.services.events.ttrpc.v1.Events"
                assert text(req, 2) == "Forward"
                env = sub(dec(one(req, 3, b"")), 1)
                any_ = sub(env, 4)
                with self.cond:
                    self.list.append((text(env, 3), dec(one(any_, 2, b"")), text(env, 2), text(any_, 1),
                                      sub(env, 1)))
                    self.cond.notify_all()
                c.sendall(frame(stream, 2, b""))
        except (EOFError, OSError):
            pass

    def topics(self, id=None):
        with self.cond:
            return [e[0] for e in self.list if id is None or text(e[1], 1) == id]

    def of(self, topic, id):
        with self.cond:
            return [e[1] for e in self.list if e[0] == topic and text(e[1], 1) == id]

    def wait_for(self, topic, id, count=1, timeout=10):
        with self.cond:
            ok = self.cond.wait_for(lambda: len([e for e in self.list if e[0] == topic and text(e[1], 1) == id])
                                    >= count, timeout)
        assert ok, "no %s for %s; have %s" % (topic, id, self.topics(id))


ROOTFS = None


def make_rootfs(path):
    os.makedirs(path + "/bin")
    for d in ("proc", "sys", "dev", "tmp", "etc", "root"):
        os.mkdir(path + "/" + d)
    shutil.copy("/bin/busybox", path + "/bin/busybox")
    for a in subprocess.check_output(["/bin/busybox", "--list"], text=True).split():
        if a != "busybox":
            os.symlink("busybox", path + "/bin/" + a)
    with open(path + "/etc/passwd", "w") as f:
        f.write("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    with open(path + "/etc/group", "w") as f:
        f.write("root:x:0:\n")


def config(args, rootfs, terminal=False, pidns=True, annotations=None, limits=None, cgroup=None):
    ns = ["mount", "ipc", "uts", "network"] + (["pid"] if pidns else [])
    caps = ["CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE", "CAP_CHOWN"]
    c = {
        "ociVersion": "1.0.2",
        "process": {"terminal": terminal, "user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/",
                    "env": ["PATH=/bin", "TERM=xterm"],
                    "capabilities": {k: caps for k in ("bounding", "effective", "permitted")},
                    "noNewPrivileges": True},
        "root": {"path": rootfs, "readonly": False},
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        ],
        "linux": {"namespaces": [{"type": n} for n in ns], "resources": limits or {}},
    }
    if cgroup:
        c["linux"]["cgroupsPath"] = cgroup
    if annotations:
        c["annotations"] = annotations
    return c


class Bundle:
    def __init__(self, env, id, args, **kw):
        self.id = id
        self.bundle = "%s/task/%s/%s" % (env.dir, env.ns, id)
        os.makedirs(self.bundle, mode=0o700)
        rootfs = kw.pop("rootfs", env.rootfs)
        kw.setdefault("cgroup", "/%s/%s" % (env.ns, id))
        with open(self.bundle + "/config.json", "w") as f:
            json.dump(config(args, rootfs, **kw), f)
        os.mkfifo(self.bundle + "/log", 0o700)
        self.log = os.open(self.bundle + "/log", os.O_RDWR | os.O_NONBLOCK)

    def log_text(self):
        out = b""
        try:
            while True:
                out += os.read(self.log, 65536)
        except BlockingIOError:
            return out.decode(errors="replace")


class Env:
    """A directory, an event service, and the shims that were started in it."""
    serial = 0

    def __init__(self):
        Env.serial += 1
        self.dir = tempfile.mkdtemp(prefix="shim", dir=os.environ.get("SHIM_TEST_DIR"))
        self.ns = "st%d-%d" % (os.getpid(), Env.serial)
        global ROOTFS
        if not ROOTFS:
            ROOTFS = tempfile.mkdtemp(prefix="shimroot") + "/rootfs"
            make_rootfs(ROOTFS)
        self.rootfs = ROOTFS
        self.events = Events(self.dir + "/c.sock.ttrpc")
        self.address = self.dir + "/c.sock"
        self.pids = set()
        self.clients = []
        self.bundles = []

    def bundle(self, id, args, **kw):
        b = Bundle(self, id, args, **kw)
        self.bundles.append(b)
        return b

    def environment(self, **kw):
        e = dict(os.environ, TTRPC_ADDRESS=self.address + ".ttrpc", GOMAXPROCS="2", MAX_SHIM_VERSION="2")
        e.update(kw)
        return {k: v for k, v in e.items() if v is not None}

    def run(self, b, action, stdin=b"", argv=None, env=None, cwd=None, extra=[]):
        if argv is None:
            argv = ["-namespace", self.ns, "-address", self.address, "-publish-binary", "/usr/bin/containerd",
                    "-id", b.id] + extra + [action]
        return subprocess.run([SHIM] + argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              cwd=cwd or b.bundle, env=env or self.environment(), timeout=30,
                              start_new_session=False)

    def start(self, b, **kw):
        r = self.run(b, "start", **kw)
        assert r.returncode == 0, "start: %d %r" % (r.returncode, r.stdout)
        return r.stdout

    def connect(self, address, service=TASK2):
        if isinstance(address, bytes):
            address = address.decode()
        assert address.startswith("unix://"), address
        c = Client(address[7:], service)
        self.pids.add(one(c.call("Connect", [(1, "x")]), 1))
        self.clients.append(c)
        return c

    def shim(self, id, args, **kw):
        """Bundle, start, connect."""
        b = self.bundle(id, args, **kw)
        return b, self.connect(self.start(b))

    def fifo(self, name):
        path = "%s/%s" % (self.dir, name)
        os.mkfifo(path)
        return path

    def close(self):
        for c in self.clients:
            c.close()
        for b in self.bundles:
            for root in ("/run/containerd/runc/", "/run/containerd/oci-rt/"):
                if os.path.isdir(root + self.ns + "/" + b.id):
                    subprocess.run([RUNTIME, "--root", root + self.ns, "delete", "--force", b.id],
                                   stderr=subprocess.DEVNULL)
            os.close(b.log)
        # at TERM a shim takes its socket with it
        for sig, seconds in ((signal.SIGTERM, 2), (signal.SIGKILL, 0)):
            for p in self.pids:
                try:
                    os.kill(p, sig)
                except ProcessLookupError:
                    pass
            end = time.time() + seconds
            while time.time() < end and not all(gone(p) for p in self.pids):
                time.sleep(0.01)
        self.events.close()
        for root in ("/run/containerd/runc/", "/run/containerd/oci-rt/"):
            shutil.rmtree(root + self.ns, ignore_errors=True)
        for line in sorted(open("/proc/self/mountinfo").read().splitlines(), reverse=True):
            mnt = line.split()[4]
            if mnt.startswith(self.dir):
                subprocess.run(["umount", "-l", mnt])
        shutil.rmtree(self.dir, ignore_errors=True)
        for d in os.listdir("/sys/fs/cgroup") + ["."]:
            try:
                os.rmdir("/sys/fs/cgroup/%s/%s" % (d, self.ns))
            except OSError:
                pass


class Reader:
    """Reads a FIFO to its end in the background."""

    def __init__(self, path):
        self.data = b""
        self.done = threading.Event()
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self.fd, True)
        self.started = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                part = os.read(self.fd, 65536)
            except OSError:
                break
            if part:
                self.started = True
                self.data += part
            elif self.started or self.stop_at_eof:
                break
            else:
                time.sleep(0.01)
        os.close(self.fd)
        self.done.set()

    stop_at_eof = False

    def until(self, what, timeout=10):
        end = time.time() + timeout
        while what not in self.data:
            assert time.time() < end, "no %r in %r" % (what, self.data)
            time.sleep(0.01)


def wait_until(f, timeout=10, what="condition"):
    end = time.time() + timeout
    while True:
        v = f()
        if v:
            return v
        assert time.time() < end, "timed out: " + what
        time.sleep(0.02)


def path_with_criu(env):
    """A PATH with a criu that works here: the system's, or that of the Debian sid root that the --long tests of
    tests/engines keep.  Skip where there is none."""
    why = "criu is not installed"
    sid = "/root/.cache/oci-rt-tests/sid-containerd"
    own = env.dir + "/criu-bin"
    if os.path.exists(sid + "/usr/sbin/criu") and not os.path.exists(own):
        os.mkdir(own)
        with open(own + "/criu", "w") as f:
            f.write('#!/bin/sh\nexec %s/lib64/ld-linux-x86-64.so.2 --library-path %s/usr/lib/x86_64-linux-gnu '
                    '%s/usr/sbin/criu "$@"\n' % (sid, sid, sid))
        os.chmod(own + "/criu", 0o755)
    for path in (os.environ["PATH"], own + ":" + os.environ["PATH"]):
        criu = shutil.which("criu", path=path)
        if criu:
            r = subprocess.run([criu, "check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if r.returncode == 0:
                return path
            why = "criu does not work here: " + (r.stdout.splitlines() or ["no word"])[-1]
    raise Skip(why)


def gone(pid):
    try:
        os.kill(pid, 0)
        return open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def memory(pid):
    out = {}
    for line in open("/proc/%d/smaps_rollup" % pid):
        p = line.split()
        if len(p) == 3:
            out[p[0][:-1]] = int(p[1])
    out["Private"] = out["Private_Clean"] + out["Private_Dirty"]
    return out


def raises(code, f, *args, **kw):
    try:
        f(*args, **kw)
    except RpcError as e:
        assert e.code == code, "%s instead of %s" % (e, CODES.get(code, code))
        return e
    raise AssertionError("no error, expected %s" % CODES.get(code, code))
