"""start, delete, -info, -v as the different callers run them."""
import hashlib

from shimlib import *


def expected_socket(env, key, dir="/run/containerd/s"):
    joined = os.path.normpath("/".join([env.address, env.ns, key]))
    return "%s/%s" % (dir, hashlib.sha256(joined.encode()).hexdigest())


def test_version():
    out = subprocess.check_output([SHIM, "-v"], text=True)
    assert "containerd-shim-oci-rt-v2" in out


def test_usage_errors(env):
    b = env.bundle("c1", ["true"])
    assert env.run(b, "start", argv=["-id", "c1", "start"]).returncode != 0
    assert env.run(b, "start", argv=["-namespace", env.ns, "start"]).returncode != 0
    assert env.run(b, "start", argv=["-namespace", env.ns, "-id", "c1", "dance"]).returncode != 0
    assert env.run(b, "delete", argv=["-namespace", env.ns, "-id", "../c1", "delete"]).returncode != 0


def test_start_as_containerd_1_6(env):
    """plain address, options as Any, nothing else printed"""
    b = env.bundle("c1", ["true"])
    out = env.start(b, stdin=enc([(1, RUNC_OPTIONS), (2, enc([(6, RUNTIME)]))]),
                    env=env.environment(MAX_SHIM_VERSION=None))
    assert out.decode() == "unix://" + expected_socket(env, "c1"), out
    assert open(b.bundle + "/address").read() == out.decode()
    c = env.connect(out)
    pid = list(env.pids)[0]
    links = {os.readlink("/proc/%d/fd/%d" % (pid, f)) for f in (0, 1)}
    assert links == {"/dev/null"}
    assert os.readlink("/proc/%d/fd/2" % pid).endswith("/log")
    assert os.getpgid(pid) == pid
    args = open("/proc/%d/cmdline" % pid).read().split("\0")
    assert "-namespace" in args and "start" not in args
    assert open("/proc/%d/oom_score_adj" % pid).read().strip() == str(
        min(1000, int(open("/proc/self/oom_score_adj").read()) + 1))
    fds = [os.readlink("/proc/%d/fd/%s" % (pid, f)) for f in os.listdir("/proc/%d/fd" % pid)]
    assert not [f for f in fds if f.startswith("pipe:")], fds


def test_flags_in_all_spellings(env):
    b = env.bundle("c1", ["true"])
    r = env.run(b, "start", argv=["--namespace=" + env.ns, "-id=c1", "--address", env.address, "-debug=true",
                                  "-some-new-flag", "value", "-publish-binary=/x", "start"])
    assert r.stdout.decode() == "unix://" + expected_socket(env, "c1"), r.stdout
    env.connect(r.stdout)


def test_start_with_bootstrap_params(env):
    """containerd 2.3: BootstrapParams on stdin, addresses in them"""
    b = env.bundle("c1", ["sleep", "100"])
    params = enc([(1, "c1"), (2, env.ns), (3, (1 << 64) - 4), (4, "2.3.4"), (5, env.address + ".ttrpc"),
                  (6, env.address), (7, "/usr/bin/containerd"),
                  (8, [(1, [(1, "type.googleapis.com/" + RUNC_OPTIONS), (2, enc([(6, RUNTIME)]))])]),
                  (9, env.dir + "/sock")])
    out = env.start(b, stdin=params, env=env.environment(TTRPC_ADDRESS=None),
                    argv=["-namespace", env.ns, "-id", "c1", "start"])
    assert out.decode() == "unix://" + expected_socket(env, "c1", env.dir + "/sock"), out
    c = env.connect(out)
    c.create(b)
    env.events.wait_for("/tasks/create", "c1")
    pid = list(env.pids)[0]
    assert "-debug" in open("/proc/%d/cmdline" % pid).read()


def test_answer_as_json_and_protobuf(env):
    b = env.bundle("c1", ["true"])
    out = env.start(b, env=env.environment(OCI_RT_SHIM_BOOTSTRAP="json"))
    m = json.loads(out)
    assert m == {"version": 2, "address": "unix://" + expected_socket(env, "c1"), "protocol": "ttrpc"}
    env.connect(m["address"])
    b = env.bundle("c2", ["true"])
    out = env.start(b, stdin=enc([(1, "c2"), (2, env.ns)]), env=env.environment(OCI_RT_SHIM_BOOTSTRAP="protobuf"))
    m = dec(out)
    assert one(m, 1) == 3 and text(m, 3) == "ttrpc" and text(m, 2) == "unix://" + expected_socket(env, "c2")
    env.connect(text(m, 2))


def test_an_any_is_not_taken_for_params(env):
    b = env.bundle("c1", ["true"])
    out = env.start(b, stdin=enc([(1, "runtimeoptions.v1.Options"), (2, enc([(3, 'BinaryName = "/x"')]))]))
    env.connect(out)
    b = env.bundle("c2", ["true"])
    r = env.run(b, "start", stdin=enc([(1, "no.such.Options"), (2, b"x")]))
    assert r.returncode != 0 and b"no.such.Options" in r.stdout


def test_start_as_cri_o(env):
    """no addresses: no events, Task v2, no rootfs"""
    b = env.bundle("c1", ["sh", "-c", "exit 9"])
    out = env.start(b, argv=["-namespace", "default", "-address", "", "-publish-binary", "/usr/bin/crio", "-id", "c1",
                             "start"], env=env.environment(TTRPC_ADDRESS=""))
    c = env.connect(out)
    c.create(b, options=options_any(root="/run/containerd/runc/" + env.ns))
    c.start("c1")
    assert c.wait_exit("c1") == 9
    c.delete("c1")
    c.shutdown()
    wait_until(lambda: gone(list(env.pids)[0]))
    assert env.events.list == []


def test_publish_binary_when_there_is_no_ttrpc_address(env):
    pub = env.dir + "/publish"
    with open(pub, "w") as f:
        f.write("#!/bin/sh\necho \"$@\" >>%s/published; cat >>%s/stdin\n" % (env.dir, env.dir))
    os.chmod(pub, 0o755)
    b = env.bundle("c1", ["true"])
    out = env.start(b, argv=["-namespace", env.ns, "-address", env.address, "-publish-binary", pub, "-id", "c1",
                             "start"], env=env.environment(TTRPC_ADDRESS=None))
    c = env.connect(out)
    c.create(b)
    c.start("c1")
    c.wait_exit("c1")
    c.delete("c1")
    wait_until(lambda: open(env.dir + "/published").read().count("\n") == 4
               if os.path.exists(env.dir + "/published") else False)
    lines = open(env.dir + "/published").read().splitlines()
    assert [x.split()[4] for x in lines] == ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"], lines
    assert lines[0] == "--address %s publish --topic /tasks/create --namespace %s" % (env.address, env.ns)
    assert b"containerd.events.TaskCreate" in open(env.dir + "/stdin", "rb").read()


def test_socket_in_use_and_stale(env):
    b1 = env.bundle("c1", ["true"])
    out = env.start(b1)
    env.connect(out)
    again = env.start(b1)
    assert again == out
    pid = list(env.pids)[0]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gone(pid))
    assert os.path.exists(out.decode()[7:])
    assert env.start(b1) == out
    c = env.connect(out)
    assert len(env.pids) == 2


def test_grouping_annotations(env):
    both = {"io.containerd.runc.v2.group": "g", "io.kubernetes.cri.sandbox-id": "s"}
    a1 = env.start(env.bundle("c1", ["true"], annotations=both)).decode()
    assert a1 == "unix://" + expected_socket(env, "g"), a1
    env.connect(a1)
    a2 = env.start(env.bundle("c2", ["true"], annotations={"io.kubernetes.cri.sandbox-id": "g"})).decode()
    assert a1 == a2


def test_options_as_toml(env):
    b, c = env.shim("c1", ["true"])
    toml = '# comment\nroot = "/run/containerd/runc"\n[options]\nBinaryName = "%s"\nSystemdCgroup = false\n' % RUNTIME
    opts = [(1, "runtimeoptions.v1.Options"), (2, enc([(1, "x"), (3, toml)]))]
    c.create(b, options=opts)
    saved = json.load(open(b.bundle + "/options.json"))
    assert saved == {"binary_name": RUNTIME, "root": "/run/containerd/runc"}, saved
    assert open(b.bundle + "/runtime").read() == RUNTIME
    c.delete("c1")
    path = env.dir + "/opts.toml"
    open(path, "w").write(toml)
    c.create(b, options=[(1, "runtimeoptions.v1.Options"), (2, enc([(2, path)]))])
    c.delete("c1")
    raises(2, c.create, b, options=[(1, "runtimeoptions.v1.Options"), (2, enc([(3, "BinaryName = ")]))])


def test_options_absent(env):
    """no options at all: oci-rt from PATH"""
    os.mkdir(env.dir + "/bin")
    os.symlink(RUNTIME, env.dir + "/bin/oci-rt")
    b = env.bundle("c1", ["true"])
    c = env.connect(env.start(b, env=env.environment(PATH=env.dir + "/bin:" + os.environ["PATH"])))
    c.create(b, options=None)
    c.start("c1")
    assert c.wait_exit("c1") == 0
    c.delete("c1")


def test_info():
    out = subprocess.run([SHIM, "-info"], input=enc([(1, RUNC_OPTIONS), (2, enc([(6, RUNTIME)]))]),
                         stdout=subprocess.PIPE, check=True).stdout
    m = dec(out)
    assert text(m, 1) == "containerd-shim-oci-rt-v2" and text(sub(m, 2), 1)
    assert text(sub(m, 3), 1) == RUNC_OPTIONS
    if 4 in m:
        assert text(sub(m, 4), 1).endswith("features/Features")
        json.loads(one(sub(m, 4), 2))
    assert "overlay" in text(dec(m[5][0]), 2)
    out = subprocess.run([SHIM, "-info"], input=b"", stdout=subprocess.PIPE, check=True).stdout
    assert text(dec(out), 1) == "containerd-shim-oci-rt-v2"


def test_delete_without_anything(env):
    """an unknown container, twice"""
    b = env.bundle("c1", ["true"])
    for i in range(2):
        r = env.run(b, "delete", argv=["-namespace", env.ns, "-address", env.address, "-id", "other", "-bundle",
                                       env.dir + "/task/%s/other" % env.ns, "delete"],
                    env=env.environment(PATH="/usr/sbin:/usr/bin:/bin"))
        assert r.returncode == 0, r.stdout


def test_shim_cgroup(env):
    name = env.ns + "-shim"
    dirs = ["/sys/fs/cgroup/%s" % d for d in ("cpu", "memory", "pids", "") if os.path.exists(
        "/sys/fs/cgroup/%s/cgroup.procs" % d)]
    for d in dirs:
        os.mkdir("%s/%s" % (d, name))
    try:
        b = env.bundle("c1", ["true"])
        env.connect(env.start(b, stdin=enc([(1, RUNC_OPTIONS), (2, enc([(3, "/" + name)]))])))
        pid = list(env.pids)[0]
        text_ = open("/proc/%d/cgroup" % pid).read()
        assert text_.count("/" + name) == len(dirs), text_
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: gone(pid))
    finally:
        time.sleep(0.1)
        for d in dirs:
            os.rmdir("%s/%s" % (d, name))


def test_sched_core(env):
    b = env.bundle("c1", ["true"])
    r = env.run(b, "start", env=env.environment(SCHED_CORE="1"))
    if r.returncode and b"core scheduling" in r.stdout:
        raise Skip("the kernel or this machine has no core scheduling")
    assert r.returncode == 0, r.stdout
    env.connect(r.stdout)


def test_log_does_not_block(env):
    """debug messages beyond what the FIFO holds are dropped"""
    b = env.bundle("c1", ["true"])
    c = env.connect(env.start(b, extra=["-debug"]))
    for i in range(2000):
        raises(5, c.state, "nobody-with-a-long-name" * 5)
    text_ = b.log_text()
    assert 'level=debug' in text_ and len(text_) <= 65536
    raises(5, c.state, "x")


def test_the_start_command_is_killed(env):
    """before it has told anybody the address: its server ends too, and soon"""
    b = env.bundle("c1", ["true"])
    r, w = os.pipe()
    os.set_blocking(w, False)
    try:
        while True:
            os.write(w, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(w, True)
    p = subprocess.Popen([SHIM, "-namespace", env.ns, "-address", env.address, "-id", "c1", "start"], stdout=w,
                         stdin=subprocess.DEVNULL, cwd=b.bundle, env=env.environment())
    os.close(w)

    def servers():
        out = []
        for pid in os.listdir("/proc"):
            try:
                args = open("/proc/%s/cmdline" % pid).read().split("\0")
            except OSError:
                continue
            if env.address in args and "start" not in args:
                out.append(int(pid))
        return out
    pid = wait_until(servers, what="the server")[0]
    assert p.poll() is None
    p.kill()
    p.wait()
    wait_until(lambda: gone(pid), what="the server ends")
    assert not os.path.exists(expected_socket(env, "c1"))
    os.close(r)


def test_terminate(env):
    b, c = env.shim("c1", ["true"])
    pid = list(env.pids)[0]
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: gone(pid))
