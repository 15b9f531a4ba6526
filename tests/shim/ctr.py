"""Debian's containerd, started by the test with directories and sockets of its own."""
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

import shimlib
from grpc import Grpc, GrpcError

CONTAINERD = shutil.which("containerd")
CTR = shutil.which("ctr")
IMAGE = "docker.io/library/test:1"
PAUSE = "docker.io/library/pause:1"

CONFIG = """
version = 2
root = "{d}/root"
state = "{d}/state"
disabled_plugins = [{disabled}]
oom_score = 0
[grpc]
  address = "{d}/c.sock"
[debug]
  level = "debug"
[plugins]
  [plugins."io.containerd.internal.v1.opt"]
    path = "{d}/opt"
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "{pause}"
    restrict_oom_score_adj = true
    disable_apparmor = true
    stream_server_address = "127.0.0.1"
    disable_tcp_service = true
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "{d}/cni-bin"
      conf_dir = "{d}/cni"
    [plugins."io.containerd.grpc.v1.cri".containerd]
      snapshotter = "{snapshotter}"
      default_runtime_name = "oci-rt"
{handlers}"""

HANDLER = """\
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]
        runtime_type = "{type}"
        privileged_without_host_devices = true
{path}        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}.options]
          BinaryName = "{binary}"
          SystemdCgroup = {systemd}
"""
# Pods in scopes of systemd, as a kubelet has them (cri.bats in the guest).
SYSTEMD = os.environ.get("OCI_RT_TEST_MANAGER") == "systemd"

NONET_LIST = """{"cniVersion": "0.3.1", "name": "nonet", "plugins": [{"type": "nonet"}]}"""
# A network plugin that gives a pod an address without making anything.
NONET = """#!/bin/sh
case $CNI_COMMAND in
ADD) echo '{"cniVersion":"0.3.1","interfaces":[{"name":"eth0","sandbox":"x"}],"ips":[{"version":"4","interface":0,"address":"10.9.8.7/24"}]}' ;;
VERSION) echo '{"cniVersion":"0.3.1","supportedVersions":["0.3.0","0.3.1","0.4.0"]}' ;;
esac
"""


def image_tar(path, rootfs, name, config):
    """A docker archive with one layer, of a directory."""
    import hashlib
    import io
    import json
    import tarfile
    layer = path + ".layer"
    with tarfile.open(layer, "w") as t:
        t.add(rootfs, arcname=".", recursive=True)
    diff = hashlib.sha256(open(layer, "rb").read()).hexdigest()
    conf = json.dumps({"architecture": "amd64", "os": "linux", "config": config,
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + diff]}}).encode()
    cname = hashlib.sha256(conf).hexdigest() + ".json"
    with tarfile.open(path, "w") as t:
        def add(n, data):
            i = tarfile.TarInfo(n)
            i.size = len(data)
            t.addfile(i, io.BytesIO(data))
        add(cname, conf)
        t.add(layer, arcname="layer.tar")
        add("manifest.json", json.dumps([{"Config": cname, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode())
    os.unlink(layer)


def handler(name, kind, binary, path=None):
    return HANDLER.format(name=name, type=kind, binary=binary, systemd=str(SYSTEMD).lower(),
                          path='        runtime_path = "%s"\n' % path if path else "")


class Other:
    """As much of a Popen as is needed for a process that is not our child."""

    def __init__(self, pid):
        self.pid = pid

    def terminate(self):
        os.kill(self.pid, signal.SIGTERM)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout=10):
        end = time.time() + timeout
        while not shimlib.gone(self.pid):
            if time.time() > end:
                raise subprocess.TimeoutExpired("containerd", timeout)
            time.sleep(0.05)


class Containerd:
    def __init__(self, env, cri=False, handlers="", network=None):
        """cri: with that plugin; handlers: more of handler(); network: a CNI configuration list, which then
        takes Debian's plugins, instead of addresses that are only said to be there."""
        if not CONTAINERD or not CTR:
            raise shimlib.Skip("containerd is not installed")
        self.env = env
        self.dir = tempfile.mkdtemp(prefix="ctrd")
        self.ns = env.ns if not cri else "k8s.io"
        os.makedirs(self.dir + "/opt/bin")
        os.mkdir(self.dir + "/cni")
        open(self.dir + "/cni/10.conflist", "w").write(network or NONET_LIST)
        if network:
            os.symlink("/usr/lib/cni", self.dir + "/cni-bin")
        else:
            os.mkdir(self.dir + "/cni-bin")
            for n in ("nonet", "loopback"):
                open(self.dir + "/cni-bin/" + n, "w").write(NONET)
                os.chmod(self.dir + "/cni-bin/" + n, 0o755)
        shutil.copy(shimlib.SHIM, self.dir + "/opt/bin/containerd-shim-oci-rt-v2")
        os.symlink(shimlib.RUNTIME, self.dir + "/opt/bin/oci-rt")
        self.snapshotter = "overlayfs"
        self.config = self.dir + "/config.toml"
        with open(self.config, "w") as f:
            f.write(CONFIG.format(d=self.dir, disabled="" if cri else '"io.containerd.grpc.v1.cri"', pause=PAUSE,
                                  snapshotter=self.snapshotter,
                                  handlers=handler("oci-rt", "io.containerd.oci-rt.v2", shimlib.RUNTIME) + handlers))
        self.proc = None
        self.log = open(self.dir + "/log", "ab")
        self.start()
        tar = self.dir + "/image.tar"
        if os.environ.get("SHIM_TEST_IMAGE"):  # made where Python is whole
            self.ctr("image", "import", os.environ["SHIM_TEST_IMAGE"])
            return
        image_tar(tar, env.rootfs, IMAGE, {"Env": ["PATH=/bin"], "Cmd": ["sh"], "WorkingDir": "/"})
        self.ctr("image", "import", tar)
        image_tar(tar, env.rootfs, PAUSE, {"Env": ["PATH=/bin"], "Entrypoint": ["sleep", "100000"],
                                           "WorkingDir": "/"})
        self.ctr("image", "import", tar)
        for image in (IMAGE, PAUSE) if cri else ():
            # the plugin hears of what ctr has imported a little later
            shimlib.wait_until(lambda: self.cri_knows(image), timeout=20, what="CRI knows the image " + image)

    def cri_knows(self, image):
        try:
            return Grpc(self.dir + "/c.sock").call("runtime.v1.ImageService", "ImageStatus", [(1, [(1, image)])])
        except GrpcError:
            return False

    @classmethod
    def attach(cls, env, directory, ns, pid):
        """One that another process has started."""
        self = cls.__new__(cls)
        self.env, self.dir, self.ns, self.proc = env, directory, ns, Other(pid)
        self.config = directory + "/config.toml"
        self.log = open(directory + "/log", "ab")
        return self

    def start(self):
        self.proc = subprocess.Popen([CONTAINERD, "-c", self.config], stdout=self.log, stderr=self.log,
                                     stdin=subprocess.DEVNULL, start_new_session=True,
                                     env=dict(os.environ, PATH=os.environ["PATH"]))
        end = time.time() + 20
        while subprocess.call([CTR, "-a", self.dir + "/c.sock", "version"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL):
            assert time.time() < end and self.proc.poll() is None, "containerd does not start: " + self.tail()
            time.sleep(0.1)

    def tail(self):
        return open(self.dir + "/log", errors="replace").read()[-3000:]

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def command(self, *args):
        return [CTR, "-a", self.dir + "/c.sock", "-n", self.ns] + list(args)

    def ctr(self, *args, rc=0, input=None, timeout=60):
        r = subprocess.run(self.command(*args), input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=timeout, stdin=subprocess.DEVNULL if input is None else None)
        out = r.stdout.decode(errors="replace")
        assert rc is None or r.returncode == rc, "ctr %s: %d: %s" % (" ".join(args), r.returncode, out)
        return out if rc is not None else (r.returncode, out)

    def run(self, *args, **kw):
        return self.ctr("run", "--runtime", "io.containerd.oci-rt.v2", *args, **kw)

    def shims(self):
        """Servers; not their children between fork and execve."""
        found = [p for p in os.listdir("/proc") if p.isdigit() and self.is_shim(p)]
        return [int(p) for p in found if self.parent(p) not in found]

    @staticmethod
    def parent(p):
        try:
            return open("/proc/%s/stat" % p).read().rsplit(")", 1)[1].split()[1]
        except OSError:
            return None

    def is_shim(self, p):
        try:
            args = open("/proc/%s/cmdline" % p).read().split("\0")
        except OSError:
            return False
        if "start" in args or "delete" in args:
            return False  # a command, not a server
        return "-address" in args and self.dir + "/c.sock" in args and "-namespace" in args

    def close(self):
        for t in self.ctr("task", "ls", "-q", rc=None)[1].split():
            subprocess.run(self.command("task", "rm", "-f", t), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           timeout=20)
        try:
            self.proc.terminate()
            self.proc.wait(10)
        except ProcessLookupError:
            pass  # it has died on its own
        except subprocess.TimeoutExpired:
            self.kill()
        for p in self.shims():
            os.kill(p, signal.SIGKILL)
        for line in sorted(open("/proc/self/mountinfo").read().splitlines(), reverse=True):
            mnt = line.split()[4]
            if mnt.startswith(self.dir):
                subprocess.run(["umount", "-l", mnt])
        # containerd leaves the cgroups above those of its containers
        for name in {self.ns, self.env.ns}:
            for top in glob.glob("/sys/fs/cgroup/" + name) + glob.glob("/sys/fs/cgroup/*/" + name):
                for path, _, _ in os.walk(top, topdown=False):
                    try:
                        os.rmdir(path)
                    except OSError:
                        pass  # in use, or gone
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
