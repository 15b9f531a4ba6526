"""ttrpc: frames, streams, limits, services, peers."""
from shimlib import *
from wire import varint


def raw(env):
    b = env.bundle("c1", ["true"])
    address = env.start(b).decode()
    env.connect(address)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(5)
    s.connect(address[7:])
    return b, s


def answer(s):
    out = b""
    while len(out) < 10:
        part = s.recv(10 - len(out))
        assert part, "closed"
        out += part
    length, stream, kind, flags = struct.unpack(">IIBB", out)
    body = b""
    while len(body) < length:
        body += s.recv(length - len(body))
    status = sub(dec(body), 1)
    return stream, kind, one(status, 1), text(status, 2)


CONNECT = request(TASK2, "Connect", enc([(1, "x")]))


def test_both_services_and_unknown_ones(env):
    b, c = env.shim("c1", ["true"])
    for service in (TASK2, TASK3):
        m = c.call("Connect", [(1, "c1")], service=service)
        assert one(m, 1) == list(env.pids)[0]
    assert raises(12, c.call, "Connect", b"", "containerd.task.v9.Task").message == "service containerd.task.v9.Task"
    assert raises(12, c.call, "Nonsense").message == "method Nonsense"
    raises(12, c.call, "CreateSandbox", b"", "containerd.runtime.sandbox.v1.Sandbox")


def test_malformed_messages(env):
    b, s = raw(env)
    s.sendall(frame(1, 1, b"\xff\xff\xff"))
    assert answer(s)[:3] == (1, 2, 3)
    s.sendall(frame(3, 1, request(TASK2, "State", b"\x0a\xff\x01")))
    assert answer(s)[:3] == (3, 2, 3)
    s.sendall(frame(5, 1, b""))
    assert answer(s)[:3] == (5, 2, 12)
    s.sendall(frame(7, 1, CONNECT))
    assert answer(s)[:3] == (7, 2, 0)


def test_stream_ids(env):
    b, s = raw(env)
    s.sendall(frame(2, 1, CONNECT))
    assert answer(s)[:3] == (2, 2, 3)
    s.sendall(frame(9, 1, CONNECT))
    assert answer(s)[:3] == (9, 2, 0)
    for stream in (9, 7, 1):
        s.sendall(frame(stream, 1, CONNECT))
        assert answer(s)[:3] == (stream, 2, 3)
    s.sendall(frame(11, 1, CONNECT))
    assert answer(s)[:3] == (11, 2, 0)


def test_unknown_frame_types_are_ignored(env):
    b, s = raw(env)
    s.sendall(frame(1, 77, b"abc") + frame(1, 3, b"data") + frame(1, 2, b"") + frame(1, 1, CONNECT))
    assert answer(s)[:3] == (1, 2, 0)


def test_four_mebibytes(env):
    b, s = raw(env)
    big = request(TASK2, "Connect", enc([(1, "x" * (3 << 20))]))
    s.sendall(frame(1, 1, big))
    assert answer(s)[:3] == (1, 2, 0)
    exact = 4 << 20
    pad = exact - len(request(TASK2, "Connect", enc([(1, "x" * (4 << 20))]))) + (4 << 20)
    msg = request(TASK2, "Connect", enc([(1, "x" * pad)]))
    assert len(msg) == exact, len(msg)
    s.sendall(frame(3, 1, msg))
    assert answer(s)[:3] == (3, 2, 0)
    s.sendall(frame(5, 1, msg + b"\0"))
    assert answer(s)[:3] == (5, 2, 8)
    s.sendall(frame(7, 1, CONNECT))
    assert answer(s)[:3] == (7, 2, 0)
    pid = list(env.pids)[0]
    time.sleep(0.5)
    assert memory(pid)["Anonymous"] < 3000 or "asan" in os.popen("ldd " + SHIM).read(), memory(pid)


def test_bytes_one_by_one_and_all_at_once(env):
    b, s = raw(env)
    for byte in frame(1, 1, CONNECT):
        s.send(bytes([byte]))
    assert answer(s)[:3] == (1, 2, 0)
    n = 500
    s.sendall(b"".join(frame(3 + 2 * i, 1, CONNECT) for i in range(n)))
    assert sorted(answer(s)[0] for i in range(n)) == [3 + 2 * i for i in range(n)]


def test_a_client_that_never_reads(env):
    b, s = raw(env)
    c = env.clients[0]
    n = 0
    s.settimeout(0.5)
    chunk = b"".join(frame(1 + 2 * i, 1, request(TASK2, "Nonsense" * 400, b"")) for i in range(200))
    try:
        for i in range(4000):
            s.sendall(b"".join(frame(1 + 2 * (200 * i + j), 1, CONNECT) for j in range(200)))
            n += 1
    except (socket.timeout, BrokenPipeError, ConnectionResetError):
        pass
    t = time.time()
    c.call("Connect", [(1, "x")])
    assert time.time() - t < 1
    s.close()
    time.sleep(1)
    assert memory(list(env.pids)[0])["Anonymous"] < 2000 or "asan" in os.popen("ldd " + SHIM).read()


def test_peer_credentials(env):
    b, s = raw(env)
    path = open(b.bundle + "/address").read()[7:]
    st = os.stat(path)
    assert stat.S_IMODE(st.st_mode) == 0o600 and stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    os.chmod(path, 0o666)
    os.chmod(os.path.dirname(path), 0o755)
    try:
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            ok = b"refused"
            try:
                t = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                t.settimeout(3)
                t.connect(path)
                t.sendall(frame(1, 1, CONNECT))
                if t.recv(1):
                    ok = b"answered"
            except OSError:
                pass
            os.write(w, ok)
            os._exit(0)
        os.waitpid(pid, 0)
        assert os.read(r, 100) == b"refused"
    finally:
        os.chmod(os.path.dirname(path), 0o700)


def test_invalid_ids(env):
    b, c = env.shim("c1", ["sleep", "100"])
    for bad in ("", "../x", "a/b", "-x", ".", "a" * 300, "a b"):
        raises(3, c.call, "Create", enc([(1, bad), (2, b.bundle), (10, options_any())]))
    c.create(b)
    c.start("c1")
    for bad in ("../x", "a/b", "-x", "."):
        raises(3, c.exec, "c1", bad, ["true"])
    raises(3, c.call, "Exec", [(1, "c1"), (2, "e"), (7, [(1, PROCESS_URL), (2, "[1,2]")])])
    raises(3, c.call, "Exec", [(1, "c1"), (2, "e"), (7, [(1, PROCESS_URL), (2, "{nonsense")])])


def test_no_abstract_socket(env):
    b, s = raw(env)
    key = "%s" % list(env.pids)[0]
    with open("/proc/net/unix") as f:
        lines = [x for x in f if "@" in x and env.dir in x]
    assert not lines
