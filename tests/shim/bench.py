#!/usr/bin/env python3
"""Measures the shim beside containerd-shim-runc-v2, driven by the same client
with the same runtime: memory (smaps_rollup of the server process) and CPU (of the
server process, and of the start command).  Prints one JSON object, or with --csv, for
run-bench, lines "bench,unit,program,value" of so many interleaved rounds.

usage: bench.py [--csv ROUNDS] [lives [execs]]      environment: SHIM, RUNTIME or OCI_RT"""
import json
import os
import resource
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shimlib  # noqa: E402
from shimlib import Env, memory  # noqa: E402


def cpu_of(pid):
    """CPU seconds of all threads of a process, ended ones too."""
    return time.clock_gettime(~pid << 3 | 2)


def children():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def figures(pid):
    m = memory(pid)
    return {"private": m["Private"], "anonymous": m["Anonymous"], "pss": m["Pss"], "rss": m["Rss"],
            "threads": len(os.listdir("/proc/%d/task" % pid)), "fds": len(os.listdir("/proc/%d/fd" % pid))}


def measure(shim, lives, execs):
    shimlib.SHIM = shim
    env = Env()
    out = {"shim": shim}
    try:
        note = {"io.kubernetes.cri.sandbox-id": "pod"}
        t = children()
        b, c = env.shim("c0", ["sleep", "1000"], annotations=note)
        out["start_ms"] = round((children() - t) * 1000, 2)
        pid = list(env.pids)[0]
        time.sleep(1)
        out["idle"] = figures(pid)
        c.create(b)
        c.start("c0")
        time.sleep(1)
        out["one_container"] = figures(pid)
        # a node has more than one pod: the text is shared then
        other = env.shim("d0", ["sleep", "1000"])[1]
        out["beside"] = figures(pid)
        other.shutdown()
        t = cpu_of(pid)
        for i in range(execs):
            e = "e%d" % i
            c.exec("c0", e, ["true"])
            c.start("c0", e)
            c.wait_exit("c0", e)
            c.delete("c0", e)
        out["exec_cpu_ms"] = round((cpu_of(pid) - t) * 1000 / execs, 3)
        time.sleep(1)
        out["after_execs"] = figures(pid)
        b = env.bundle("c1", ["true"], annotations=note)
        t = cpu_of(pid)
        wall = time.time()
        for i in range(lives):
            c.create(b)
            c.start("c1")
            c.wait_exit("c1")
            c.delete("c1")
        out["life_cpu_ms"] = round((cpu_of(pid) - t) * 1000 / lives, 3)
        out["life_wall_ms"] = round((time.time() - wall) * 1000 / lives, 1)
        time.sleep(1)
        out["after_lives"] = figures(pid)
        t = cpu_of(pid)
        for i in range(500):
            c.state("c0")
        out["state_cpu_us"] = round((cpu_of(pid) - t) * 1e6 / 500, 1)
    finally:
        env.close()
    return out


# bench, unit, where measure() has it
ROWS = [("shim: private idle", "KiB", ("idle", "private")), ("shim: PSS alone idle", "KiB", ("idle", "pss")),
        ("shim: private with a container", "KiB", ("one_container", "private")),
        ("shim: PSS alone with a container", "KiB", ("one_container", "pss")),
        ("shim: private with another shim beside", "KiB", ("beside", "private")),
        ("shim: private after 20 execs", "KiB", ("after_execs", "private")),
        ("shim: threads", "threads", ("one_container", "threads")),
        ("shim: CPU of start", "ms", ("start_ms",)), ("shim: CPU of a life", "ms", ("life_cpu_ms",)),
        ("shim: CPU of an exec", "ms", ("exec_cpu_ms",)), ("shim: CPU of State", "us", ("state_cpu_us",))]


def main():
    # Bundles are on a tmpfs in real life; a disk would be most of what is measured.
    os.environ.setdefault("SHIM_TEST_DIR", "/dev/shm")
    argv = sys.argv[1:]
    rounds = 0
    if argv[:1] == ["--csv"]:
        rounds = int(argv[1])
        argv = argv[2:]
    lives = int(argv[0]) if argv else 30
    execs = int(argv[1]) if len(argv) > 1 else 20
    shims = [x for x in (("oci-rt", shimlib.SHIM), ("runc", shutil.which("containerd-shim-runc-v2"))) if x[1]]
    if not rounds:
        print(json.dumps([measure(s, lives, execs) for _, s in shims], indent=1))
    for _ in range(rounds):
        for name, s in shims:
            got = measure(s, lives, execs)
            for bench, unit, path in ROWS:
                value = got
                for key in path:
                    value = value[key]
                print("%s,%s,%s,%s" % (bench, unit, name, value))


main()
