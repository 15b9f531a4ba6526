"""Pure cgroup v2: every figure of the statistics beside its file, OOM kills, the systemd
manager.  Run by cgroup2.bats in a guest, by suite.sh where the host is one."""
import re

from shimlib import *

ROOT = "/sys/fs/cgroup"
MAX = (1 << 64) - 1

# memory.stat's names in the order of the message's fields, from 1
MEMORY_STAT = ("anon file kernel_stack slab sock shmem file_mapped file_dirty file_writeback anon_thp inactive_anon "
               "active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable pgfault pgmajfault "
               "workingset_refault workingset_activate workingset_nodereclaim pgrefill pgscan pgsteal pgactivate "
               "pgdeactivate pglazyfree pglazyfreed thp_fault_alloc thp_collapse_alloc").split()


def group(pid):
    return ROOT + open("/proc/%d/cgroup" % pid).read().strip().split("::")[1]


def number(path):
    text_ = open(path).read().strip()
    return MAX if text_ == "max" else int(text_)


def table(path):
    return {k: int(v) for k, v in (x.split() for x in open(path).read().splitlines())}


def stats(c, id):
    any_ = sub(c.call("Stats", [(1, id)]), 1)
    assert text(any_, 1) == "io.containerd.cgroups.v2.Metrics"
    return dec(one(any_, 2, b""))


def differences(c, g):
    """(name, in the message, in the file) of what is not the same."""
    m = stats(c, "c1")
    pairs = [("memory.current", one(sub(m, 4), 32), number(g + "/memory.current")),
             ("memory.max", one(sub(m, 4), 33), number(g + "/memory.max")),
             ("pids.current", one(sub(m, 1), 1), number(g + "/pids.current")),
             ("pids.max", one(sub(m, 1), 2), number(g + "/pids.max"))]
    for field, file, names in (
            (4, "memory.stat", MEMORY_STAT),
            (2, "cpu.stat", "usage_usec user_usec system_usec nr_periods nr_throttled throttled_usec".split()),
            (8, "memory.events", "low high max oom oom_kill".split())):
        part, content = sub(m, field), table(g + "/" + file)
        pairs += [(n, one(part, i), content[n]) for i, n in enumerate(names, 1) if n in content]
    content = [re.match(r"(\d+):(\d+) rbytes=(\d+) wbytes=(\d+) rios=(\d+) wios=(\d+)", x)
               for x in open(g + "/io.stat")] if os.path.exists(g + "/io.stat") else []
    pairs += [("io.stat", [[one(dec(e), i) for i in range(1, 7)] for e in sub(m, 6).get(1, [])],
               [[int(n) for n in x.groups()] for x in content if x])]
    assert len(pairs) > 30, pairs
    return [p for p in pairs if p[1] != p[2]]


def begin(env, args, id="c1", **kw):
    b, c = env.shim(id, args, **kw)
    pid = c.create(b)
    c.start(id)
    return b, c, group(pid)


def test_statistics_against_files(env):
    """a frozen container: each figure equals its file"""
    limits = {"memory": {"limit": 64 << 20}, "pids": {"limit": 33}, "cpu": {"quota": 20000, "period": 100000}}
    b, c, g = begin(env, ["sh", "-c", "dd if=/dev/zero of=/tmp/x bs=64k count=64 2>/dev/null; "
                          "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 1000"], limits=limits)
    wait_until(lambda: table(g + "/cpu.stat")["nr_periods"] > 0, timeout=20)
    c.call("Pause", [(1, "c1")])
    time.sleep(2.5)  # the kernel adds up memory.stat at most every two seconds

    # the kernel still moves a page between two looks now and then: all must be equal in one of them
    wait_until(lambda: not differences(c, g), timeout=20, what="equal figures: %s" % differences(c, g))
    m = stats(c, "c1")
    assert sum(1 for n in MEMORY_STAT if table(g + "/memory.stat").get(n)) >= 5, "the container has used memory"
    assert one(sub(m, 4), 32) > 0 and one(sub(m, 4), 33) == 64 << 20
    assert one(sub(m, 1), 2) == 33 and one(sub(m, 2), 1) > 0
    c.call("Resume", [(1, "c1")])


def test_limits_of_an_update(env):
    b, c, g = begin(env, ["sleep", "1000"], limits={"memory": {"limit": 64 << 20}})
    resources = {"memory": {"limit": 96 << 20}, "pids": {"limit": 44}, "cpu": {"quota": 30000, "period": 100000}}
    c.call("Update", [(1, "c1"), (2, [(1, "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"),
                                     (2, json.dumps(resources))])])
    assert number(g + "/memory.max") == 96 << 20 and number(g + "/pids.max") == 44
    assert open(g + "/cpu.max").read().split() == ["30000", "100000"]
    m = stats(c, "c1")
    assert one(sub(m, 4), 33) == 96 << 20 and one(sub(m, 1), 2) == 44
    assert one(sub(m, 4), 35) == number(g + "/memory.swap.max")


def test_without_limits(env):
    """"max" is the greatest number"""
    b, c, g = begin(env, ["sleep", "1000"])
    m = stats(c, "c1")
    assert one(sub(m, 4), 33) == number(g + "/memory.max") == MAX
    assert one(sub(m, 1), 2) == number(g + "/pids.max")
    assert c.pids("c1") == [int(x) for x in open(g + "/cgroup.procs")]


def test_oom_kill_of_init(env):
    b, c, g = begin(env, ["sh", "-c", "x=a; while :; do x=$x$x; done"], limits={"memory": {"limit": 16 << 20}})
    assert c.wait_exit("c1") == 137
    env.events.wait_for("/tasks/exit", "c1")
    t = env.events.topics("c1")
    assert t.count("/tasks/oom") == 1 and t.index("/tasks/oom") < t.index("/tasks/exit"), t
    c.delete("c1")
    assert not os.path.exists(g)
    raises(5, c.call, "Stats", [(1, "c1")])


def test_oom_kills_of_others(env):
    """each kill of a process that is not the init is told while the container goes on"""
    b, c, g = begin(env, ["sh", "-c", "while :; do sleep 1; done"],
                    limits={"memory": {"limit": 16 << 20}})
    c.exec("c1", "e", ["sh", "-c", "x=a; while :; do x=$x$x; done"])
    for i in range(1, 3):
        if i > 1:
            c.exec("c1", "e", ["sh", "-c", "x=a; while :; do x=$x$x; done"])
        c.start("c1", "e")
        assert c.wait_exit("c1", "e") == 137
        c.delete("c1", "e")
        env.events.wait_for("/tasks/oom", "c1", i, timeout=30)
        assert one(sub(stats(c, "c1"), 8), 5) == table(g + "/memory.events")["oom_kill"] == i
    time.sleep(0.5)
    assert env.events.topics("c1").count("/tasks/oom") == 2
    assert c.state("c1")["status"] == RUNNING


def test_pause_and_kill(env):
    b, c, g = begin(env, ["sleep", "1000"])
    c.call("Pause", [(1, "c1")])
    assert table(g + "/cgroup.events")["frozen"] == 1 and c.state("c1")["status"] == PAUSED
    c.call("Resume", [(1, "c1")])
    assert table(g + "/cgroup.events")["frozen"] == 0
    c.call("Pause", [(1, "c1")])
    c.kill("c1", 9)
    c.wait_exit("c1")
    c.delete("c1")
    assert not os.path.exists(g)


def test_the_systemd_manager(env):
    if not os.path.exists("/run/systemd/system"):
        raise Skip("systemd is not PID 1 here")
    name = env.ns
    b, c = env.shim("c1", ["sleep", "1000"], cgroup="system.slice:%s:c1" % name, limits={"memory": {"limit": 64 << 20}})
    pid = c.create(b, options=options_any(systemd=True))
    c.start("c1")
    g = group(pid)
    assert g == ROOT + "/system.slice/%s-c1.scope" % name, g
    assert one(sub(stats(c, "c1"), 4), 33) == 64 << 20
    c.exec("c1", "e", ["sleep", "500"])
    e = c.start("c1", "e")
    assert group(e) == g
    assert sorted(c.pids("c1")) == sorted([pid, e])
    c.kill("c1")
    c.wait_exit("c1")
    c.delete("c1")
    wait_until(lambda: not os.path.exists(g), what="the scope is gone")


def test_the_systemd_manager_by_the_form_of_the_path(env):
    """options that cannot say so: SLICE:PREFIX:NAME is systemd's"""
    if not os.path.exists("/run/systemd/system"):
        raise Skip("systemd is not PID 1 here")
    b = env.bundle("c1", ["sleep", "1000"], cgroup="system.slice:%s:c1" % env.ns)
    c = env.connect(env.start(b))
    pid = c.create(b, options=[(1, "runtimeoptions.v1.Options"), (2, enc([
        (3, 'BinaryName = "%s"\n' % RUNTIME)]))])
    assert group(pid).endswith("/system.slice/%s-c1.scope" % env.ns), group(pid)
    c.delete("c1")


def test_the_shim_is_killed(env):
    """delete removes processes and cgroup"""
    b, c, g = begin(env, ["sh", "-c", "sleep 500 & sleep 500 & wait"])
    wait_until(lambda: len(c.pids("c1")) == 3)
    shim_ = list(env.pids)[0]
    os.kill(shim_, signal.SIGKILL)
    wait_until(lambda: gone(shim_))
    r = env.run(b, "delete")
    assert r.returncode == 0, r
    assert not os.path.exists(g)
    assert one(dec(r.stdout), 2) == 137


def test_shim_cgroup(env):
    import test_bootstrap
    test_bootstrap.test_shim_cgroup(env)
