#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""everyday.py STEPS > TRACE

The server's everyday life below tests/bench/steps, for tests/bench/order: containers of a pod on an
overlay, with FIFOs, execs, the questions that an engine asks every few seconds.
Environment: SHIM, RUNTIME or OCI_RT."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shimlib  # noqa: E402
from shimlib import Env, Reader, enc, wait_until  # noqa: E402

# every instruction is a stop
PATIENCE = 300


class Slow(shimlib.Client):
    def call(self, method, payload=b"", service=None, timeout=PATIENCE):
        return super().call(method, payload, service, PATIENCE)


def streams(env, name):
    paths = [env.fifo("%s.%d" % (name, n)) for n in range(3)]
    os.set_blocking(os.open(paths[0], os.O_RDWR | os.O_NONBLOCK), True)
    for p in paths[1:]:
        Reader(p)
    return {"stdin": paths[0], "stdout": paths[1], "stderr": paths[2]}


def overlay(env, name):
    upper, work = (os.path.join(env.dir, name + x) for x in (".upper", ".work"))
    os.mkdir(upper)
    os.mkdir(work)
    return [enc([(1, "overlay"), (2, "overlay"), (4, "index=off"), (4, "workdir=" + work), (4, "upperdir=" + upper),
                 (4, "lowerdir=" + env.rootfs)])]


def live(env, c, name, args):
    b = env.bundle(name, args, rootfs="rootfs", limits={"memory": {"limit": 1 << 28}})
    c.create(b, rootfs=overlay(env, name), **streams(env, name))
    waiting = c.begin("Wait", [(1, name)])
    c.start(name)
    return b, waiting


def main():
    env = Env()
    path = env.dir + "/server"
    pause = env.bundle("pause", ["sleep", "100000"])
    server = subprocess.Popen([sys.argv[1], shimlib.SHIM, "-namespace", env.ns, "-id", "pause", "-address",
                               env.address, "-publish-binary", "/usr/bin/containerd", "-socket", path],
                              cwd=pause.bundle, env=env.environment())
    try:
        wait_until(lambda: os.path.exists(path), PATIENCE)
        # what follows is what it does for the rest of its life
        time.sleep(3)
        server.send_signal(signal.SIGUSR1)
        time.sleep(1)
        c = Slow(path)
        c.call("Connect", [(1, "pause")])
        pause, _ = live(env, c, "pause1", ["sleep", "100000"])
        for i in range(2):
            _, waiting = live(env, c, "app", ["sh", "-c", "echo out; echo err >&2; exec sleep 100000"])
            for e in ("e1", "e2"):
                c.exec("app", e, ["sh", "-c", "echo out; read line; exit 3"], **streams(env, "%s%d" % (e, i)))
                done = c.begin("Wait", [(1, "app"), (2, e)])
                c.start("app", e)
                c.state("app", e)
                c.call("CloseIO", [(1, "app"), (2, e), (3, 1)])
                c.kill("app", exec_id=e)
                c.wait(done, PATIENCE)
                c.delete("app", e)
            for _ in range(2):
                c.state("app")
                c.pids("app")
                c.call("Stats", [(1, "app")])
            c.kill("app", 15)
            c.kill("app", 9)
            c.wait(waiting, PATIENCE)
            c.delete("app")
            for p in os.listdir(env.dir):
                if p.startswith(("app.", "e1", "e2")) and not p.endswith((".upper", ".work")):
                    os.unlink("%s/%s" % (env.dir, p))
            subprocess.run(["rm", "-rf", env.dir + "/app.upper", env.dir + "/app.work", env.bundles[-1].bundle])
        c.kill("pause1", 9)
        c.wait_exit("pause1", timeout=PATIENCE)
        c.delete("pause1")
        c.shutdown("pause")
        server.wait(PATIENCE)
    finally:
        if server.poll() is None:
            server.kill()
        env.close()


main()
