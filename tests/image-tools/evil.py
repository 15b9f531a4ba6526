#!/usr/bin/env python3
"""Write the corpus of hostile layers: one docker-archive per case into the directory given.

Each case is a list of layers, each layer raw tar bytes (or compressed).  The file `cases` lists
NAME EXPECT, where EXPECT is "ok" (must unpack), "fail" (must be refused) or "any" (must only do no harm).
DECOY is a directory outside that must not change."""
import gzip, hashlib, io, json, os, struct, sys, tarfile

out, decoy = sys.argv[1], sys.argv[2]
cases = []

def member(name, type=tarfile.REGTYPE, data=b"", link="", mode=0o644, uid=0, gid=0, mtime=1, pax=None, dev=(0, 0)):
    t = tarfile.TarInfo(name)
    t.type, t.mode, t.uid, t.gid, t.mtime, t.linkname = type, mode, uid, gid, mtime, link
    t.size = len(data)
    t.devmajor, t.devminor = dev
    t.pax_headers = pax or {}
    return t, data

def tar(*members, format=tarfile.PAX_FORMAT):
    f = io.BytesIO()
    with tarfile.open(fileobj=f, mode="w", format=format) as t:
        for info, data in members:
            t.addfile(info, io.BytesIO(data))
    return f.getvalue()

def raw(name, size=0, type=b"0", data=b"", link=b"", mode=b"0000644", sizefield=None, checksum=True, uid=b"0000000", mtime=b"00000000001"):
    h = bytearray(512)
    h[0:len(name)] = name
    h[100:107], h[108:108 + len(uid)], h[116:123] = mode, uid, b"0000000"
    h[124:124 + 12] = sizefield if sizefield else b"%011o\0" % size
    h[136:136 + len(mtime)] = mtime
    h[156:157] = type
    h[157:157 + len(link)] = link
    h[257:265] = b"ustar\00000"
    h[148:156] = b" " * 8
    if checksum:
        h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h) + data + b"\0" * (-len(data) % 512)

END = b"\0" * 1024
D, S, L, C, B, F = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE

def case(name, expect, *layers, diff_ids=None):
    blobs = {}
    plain = []
    names = []
    for i, layer in enumerate(layers):
        data, un = layer if isinstance(layer, tuple) else (layer, layer)
        blobs["l%d.tar" % i] = data
        names.append("l%d.tar" % i)
        plain.append("sha256:" + (un if isinstance(un, str) else hashlib.sha256(un).hexdigest()))
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]},
                         "rootfs": {"type": "layers", "diff_ids": diff_ids or plain}}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["evil/%s:1" % name], "Layers": names}]).encode()
    with tarfile.open(os.path.join(out, name + ".tar"), "w") as t:
        for n, data in [("c.json", config), ("manifest.json", manifest), *blobs.items()]:
            info = tarfile.TarInfo(n)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    cases.append((name, expect))

ok = member("ok", data=b"fine")
for n in [".", "/", "./.", "./"]:
    tag = {".": "dot", "/": "slash", "./.": "dotdot1", "./": "dotslash"}[n]
    case("root-symlink-" + tag, "fail", raw(n.encode(), type=b"2", link=decoy.encode()) + END, tar(member("x", data=b"bad")))
    case("root-file-" + tag, "fail", raw(n.encode(), 3, data=b"bad") + END)
    case("root-device-" + tag, "fail", raw(n.encode(), type=b"3") + END)
case("root-dir", "ok", tar(member("./", D, mode=0o755), ok))
case("parent", "fail", tar(member("../bad", data=b"bad")))
case("parent-deep", "fail", tar(member("a/../../bad", data=b"bad")))
case("parent-many", "fail", tar(member("../" * 40 + decoy.lstrip("/") + "/bad", data=b"bad")))
case("parent-inside", "ok", tar(member("a/../b", data=b"fine")))
case("absolute", "ok", tar(member(decoy + "/bad", data=b"kept inside")))
case("empty-name", "any", raw(b"", 3, data=b"bad") + END)
case("long-name", "fail", tar(member("a/" * 2500 + "x", data=b"bad")))
case("long-component", "fail", tar(member("n" * 5000, data=b"bad")))
case("deep", "fail", tar(member("d/" * 600 + "x", data=b"bad")))
case("symlink-then-file", "any", tar(member("l", S, link=decoy), member("l/bad", data=b"bad")))
case("symlink-rel", "any", tar(member("l", S, link="../../../../../../../.." + decoy), member("l/bad", data=b"bad")))
case("symlink-across", "any", tar(member("l", S, link=decoy)), tar(member("l/bad", data=b"bad")))
case("symlink-final", "ok", tar(member("l", S, link=decoy + "/file")), tar(member("l", data=b"replaced")))
case("symlink-mode", "ok", tar(member("a", S, link=decoy + "/file"), member("a", data=b"x", mode=0o777)))
case("dir-to-symlink", "any", tar(member("d", D), member("d", S, link=decoy), member("d/bad", data=b"bad")))
case("dir-replaced-across", "any", tar(member("d", D)), tar(member("d", S, link=decoy)), tar(member("d/bad", data=b"bad")))
case("symlink-loop", "fail", tar(member("a", S, link="b"), member("b", S, link="a"), member("a/x", data=b"bad")))
case("symlink-proc", "any", tar(member("p", S, link="/proc/self/root"), member("p/" + decoy + "/bad", data=b"bad")))
case("hardlink-symlink", "any", tar(member("l", S, link=decoy + "/file"), member("h", L, link="l"), member("h", data=b"bad")))
case("hardlink-outside", "fail", tar(member("h", L, link="../../../.." + decoy + "/file")))
case("hardlink-absolute", "fail", tar(member("h", L, link=decoy + "/file")))
case("hardlink-through", "fail", tar(member("l", S, link=decoy), member("h", L, link="l/file"), member("h", data=b"bad")))
case("hardlink-missing", "fail", tar(member("h", L, link="nothing")))
case("hardlink-self", "fail", tar(member("h", L, link="h")))
case("hardlink-proc", "fail", tar(member("h", L, link="/proc/self/exe")))
case("hardlink-dir", "fail", tar(member("d", D), member("h", L, link="d")))
case("hardlink-lower", "ok", tar(member("f", data=b"one")), tar(member("g", L, link="f")))
case("whiteout-dots", "fail", tar(member("a/.wh...", data=b"")))
case("whiteout-dot", "fail", tar(member(".wh..", data=b"")))
case("whiteout-bare", "fail", tar(member(".wh.", data=b"")))
case("whiteout-opq-symlink", "any", tar(member("l", S, link=decoy)), tar(member("l/.wh..wh..opq")))
case("whiteout-file-symlink", "any", tar(member("l", S, link=decoy)), tar(member("l/.wh.file")))
case("whiteout-root", "any", tar(member("a", data=b"x")), tar(member(".wh..wh..opq")))
case("whiteout-missing", "ok", tar(ok), tar(member(".wh.nothing")))
case("whiteout-same-layer", "ok", tar(member("k", data=b"kept"), member(".wh.k")))
case("whiteout-nested-symlink", "any", tar(member("d", D), member("d/l", S, link=decoy)), tar(member(".wh.d")))
case("devices", "any", tar(member("c", C, dev=(1, 3)), member("b", B, dev=(7, 0)), member("p", F)))
case("device-overlay", "any", tar(member("etc", D)), tar(member("etc", C, dev=(0, 0))))
case("setuid-xattr", "ok", tar(member("s", data=b"x", mode=0o4755, pax={"SCHILY.xattr.user.a": "b", "SCHILY.xattr.trusted.overlay.opaque": "y",
     "SCHILY.xattr.trusted.overlay.redirect": decoy, "SCHILY.xattr.security.selinux": "evil"})))
case("dir-overlay-xattr", "ok", tar(member("low", D), member("low/f", data=b"x")), tar(member("low", D, pax={"SCHILY.xattr.trusted.overlay.opaque": "y"})))
case("mtime-huge", "any", tar(member("f", data=b"x", pax={"mtime": "99999999999999999999.5"})))
case("mtime-negative", "any", tar(member("f", data=b"x", pax={"mtime": "-62135596800"})))
case("uid-huge", "fail", tar(member("f", data=b"x", pax={"uid": "4294967296"})))
case("uid-minus", "fail", tar(member("f", data=b"x", pax={"uid": "4294967295"})))
case("size-negative", "fail", raw(b"f", sizefield=b"\xff" * 12) + END)
case("size-large", "fail", raw(b"f", 1 << 20, data=b"short") + END)
case("size-huge", "fail", raw(b"f", sizefield=b"\x80" + b"\0" * 4 + b"\x7f" + b"\xff" * 6) + END)
case("checksum", "fail", tar(ok) [:1024] + raw(b"g", 1, data=b"x", checksum=False) + END)
case("pax-nul", "any", raw(b"x", 26, b"x", data=b"14 path=a\0b/c\n12 uid=000\n") + raw(b"f", 1, data=b"x") + END)
case("pax-duplicate", "any", raw(b"x", 26, b"x", data=b"13 path=good\n13 path=../b\n") + raw(b"f", 1, data=b"x") + END)
case("pax-huge", "fail", raw(b"x", 10 << 20, b"x", data=(b"%d path=" % (10 << 20)) + b"a" * ((10 << 20) - 14) + b"\n") + raw(b"f", 1, data=b"x") + END)
case("pax-endless", "fail", raw(b"x", 12, b"x", data=b"9999 path=a\n") + raw(b"f", 1, data=b"x") + END)
sparse = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "f", "GNU.sparse.realsize": str(1 << 40)}
case("sparse-huge", "fail", tar(member("f", data=b"1\n0\n512\n".ljust(512, b"\0") + b"x" * 512, pax=sparse)))
body = tar(ok)
case("junk-behind", "ok", body + b"junk after the end" * 100)
case("not-a-tar", "fail", b"this is no tar archive at all" * 100)
case("gzip-members", "ok", (gzip.compress(body[:700]) + gzip.compress(body[700:]), body))
case("gzip-truncated", "fail", (gzip.compress(os.urandom(2000) + body)[:-500], body))
case("gzip-crc", "fail", (gzip.compress(body)[:-8] + b"\0" * 8, body))
case("gzip-nested", "fail", (gzip.compress(gzip.compress(body)), gzip.compress(body)))
case("diff-id", "fail", (gzip.compress(body), "0" * 64))
case("zstd-window", "fail", (b"\x28\xb5\x2f\xfd" + bytes([0x00, 0xa8]) + b"\x01\x00\x00x", "0" * 64))
for n in range(512, len(body), 512):
    if n < 1536:
        case("truncated-%d" % n, "any", body[:n])
z = gzip.compress(b"\0" * (1 << 20))
case("bomb", "fail", (gzip.compress(raw(b"f", 8 << 30)) + gzip.compress(b"\0" * (1 << 28)) * 20, "0" * 64))
if os.environ.get("OCI_RT_TEST_LONG"):
    f = io.BytesIO()
    with gzip.GzipFile(fileobj=f, mode="wb", compresslevel=1) as g:
        h = hashlib.sha256()
        for i in range(1000000):
            d = raw(b"e/%07d" % i)
            g.write(d); h.update(d)
        g.write(END); h.update(END)
    case("million", "ok", (f.getvalue(), h.hexdigest()))
with open(os.path.join(out, "cases"), "w") as f:
    for c in cases:
        f.write("%s %s\n" % c)
