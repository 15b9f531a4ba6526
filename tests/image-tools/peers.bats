#!/usr/bin/env bats
# The same images unpacked by umoci, buildah and us: everything about every file must be the same.  And a very large layer.
load helpers

setup_file() {
	work_up
	python3 - "$WORK" <<-'P'
		import hashlib, gzip, io, json, os, random, sys, tarfile
		work = sys.argv[1]
		cap = bytes.fromhex("0100000200200000000000000000000000000000")
		CAP = {"SCHILY.xattr.security.capability": cap.decode("latin1")}
		def f(name, data=b"", **k): return dict(name=name, data=data, **k)
		def d(name, **k): return dict(name=name, type=tarfile.DIRTYPE, mode=k.pop("mode", 0o755), **k)
		def l(name, to, **k): return dict(name=name, type=tarfile.SYMTYPE, linkname=to, **k)
		def h(name, to): return dict(name=name, type=tarfile.LNKTYPE, linkname=to)
		base = [d("bin"), d("etc", mode=0o750, uid=3, gid=4), d("usr"), d("usr/lib", mtime=12345), f("usr/lib/a", b"lib a"), l("lib", "usr/lib"),
		        f("bin/suid", b"x" * 5000, mode=0o6755), f("bin/cap", b"ping", mode=0o755, uid=5, pax={"SCHILY.xattr.user.note": "hi", "SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20" + "\x00" * 14}),
		        h("bin/hard1", "bin/suid"), h("bin/hard2", "bin/suid"), l("bin/link", "../etc/passwd", uid=7, gid=8), f("etc/passwd", b"root:x:0:0\n", mtime=999999999.25),
		        dict(name="fifo", type=tarfile.FIFOTYPE, mode=0o622), d("dev"), dict(name="dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
		        dict(name="dev/loop", type=tarfile.BLKTYPE, devmajor=7, devminor=0, mode=0o660, gid=6), d("tmp", mode=0o1777), d("empty"), d("data"), d("data/sub"),
		        f("data/sub/one", b"1"), f("data/sub/two", b"2"), f("data/keep", b"k"), f("unicode-\u00e4\u4e2d", b"u"), f("n" * 200, b"long"), f("deep/" + "/".join("dir%02d" % i for i in range(30)) + "/leaf", b"deep"),
		        f("usr/big", random.Random(1).randbytes(700000), uid=70000, gid=70001), f("zero"), dict(name="user", type=tarfile.DIRTYPE, mode=0o755, pax={"SCHILY.xattr.user.dir": "d"}),
		        d("var/local", mode=0o2775, gid=50), f("var/local/file"), d("var/local/dir"), d("var/local/dir/sub", mode=0o700), l("var/local/link", "x"), f("var/local/shadow", b"s", mode=0o640, gid=42)]
		second = [f("data/.wh.sub"), f("bin/.wh.hard2"), f("etc/passwd", b"root:x:0:0\nme:x:1:1\n"), d("empty", mode=0o700, uid=9), f("zero", b"now full"), l("data/keep", "/etc"),
		          f("fifo", b"a file now"), h("usr/again", "usr/big2"), f("lib2/x", b"y")]
		second.insert(0, f("usr/big2", b"22", uid=1))
		second = [e for e in second if e["name"] != "usr/again"] + [h("usr/again", "usr/big2")]
		third = [d("data"), f("data/.wh..wh..opq"), f("data/only", b"o"), f("unicode-\u00e4\u4e2d", b"u2", mode=0o600), d("dev"), f("dev/.wh.loop"), d("lib2"), l("lib2/x", "nowhere")]
		def layer(entries):
		    out = io.BytesIO(); t = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT); seen = set()
		    for e in entries:
		        parts = e["name"].split("/")[:-1]
		        for i in range(len(parts)):
		            p = "/".join(parts[: i + 1])
		            if p not in seen and not any(x["name"] == p for x in entries):
		                i2 = tarfile.TarInfo(p); i2.type = tarfile.DIRTYPE; i2.mode = 0o755; i2.mtime = 77; t.addfile(i2)
		            seen.add(p)
		        i = tarfile.TarInfo(e["name"]); i.type = e.get("type", tarfile.REGTYPE); i.mode = e.get("mode", 0o644); i.uid = e.get("uid", 0); i.gid = e.get("gid", 0)
		        i.mtime = e.get("mtime", 1500000000); i.linkname = e.get("linkname", ""); i.devmajor = e.get("devmajor", 0); i.devminor = e.get("devminor", 0); i.pax_headers = e.get("pax", {})
		        if i.type == tarfile.LNKTYPE:
		            src = next(x for x in entries if x["name"] == i.linkname); i.mode = src.get("mode", 0o644); i.uid = src.get("uid", 0); i.gid = src.get("gid", 0)
		        data = e.get("data", b""); i.size = len(data) if i.isreg() else 0
		        t.addfile(i, io.BytesIO(data) if i.isreg() else None)
		    t.close(); return out.getvalue()
		l = work + "/layout"; os.makedirs(l + "/blobs/sha256")
		def put(b):
		    x = hashlib.sha256(b).hexdigest(); open(l + "/blobs/sha256/" + x, "wb").write(b); return {"digest": "sha256:" + x, "size": len(b)}
		plain = [layer(x) for x in (base, second, third)]
		config = put(json.dumps({"architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(p).hexdigest() for p in plain]}}).encode())
		m = put(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": dict(config, mediaType="application/vnd.oci.image.config.v1+json"),
		    "layers": [dict(put(gzip.compress(p, mtime=0)), mediaType="application/vnd.oci.image.layer.v1.tar+gzip") for p in plain]}).encode())
		json.dump({"schemaVersion": 2, "manifests": [dict(m, mediaType="application/vnd.oci.image.manifest.v1+json", annotations={"org.opencontainers.image.ref.name": "1"})]}, open(l + "/index.json", "w"))
		open(l + "/oci-layout", "w").write('{"imageLayoutVersion":"1.0.0"}')
	P
	image cp "oci:$WORK/layout:1" all:1
	image unpack --flat --no-config all:1 "$WORK/flat"
}
teardown_file() { work_down; }

# Everything: type, mode, owner, size, times, device, link, content, attributes, which names are one file.  Directories
# that a layer only implies have no time of their own.
everything() {
	python3 - "$1" "${2:-}" <<-'P'
		import hashlib, os, stat, sys
		root, skip = sys.argv[1:]
		names, inodes = [], {}
		for path, dirs, files in os.walk(root):
		    names += [os.path.join(path, n) for n in dirs + files]
		for n in sorted(names):
		    s = os.lstat(n); short = n[len(root):]
		    out = [short.encode("utf-8", "surrogateescape").hex() if not short.isascii() else short, oct(s.st_mode), s.st_uid, s.st_gid]
		    if not stat.S_ISDIR(s.st_mode): out += [s.st_nlink, s.st_size]
		    out.append(s.st_mtime_ns if skip != "whole-seconds" else s.st_mtime_ns // 10**9)
		    if stat.S_ISLNK(s.st_mode): out.append(os.readlink(n))
		    if stat.S_ISCHR(s.st_mode) or stat.S_ISBLK(s.st_mode): out.append(s.st_rdev)
		    if stat.S_ISREG(s.st_mode): out.append(hashlib.sha256(open(n, "rb").read()).hexdigest()[:16])
		    if stat.S_ISREG(s.st_mode) and s.st_nlink > 1: out.append("same as " + inodes.setdefault(s.st_ino, short))
		    out += [x + "=" + os.getxattr(n, x, follow_symlinks=False).hex() for x in sorted(os.listxattr(n, follow_symlinks=False)) if not x.startswith(("trusted.overlay", "security.selinux"))]
		    print(*out)
	P
}

@test "what it is: the traps of the image are there" {
	r=$WORK/flat/rootfs
	[ "$(stat -c '%a %u' "$r/bin/suid")" = "6755 0" ]
	getcap "$r/bin/cap" | grep -q cap_ || getfattr -n security.capability "$r/bin/cap" 2>/dev/null | grep -q capability
	[ "$(stat -c %h "$r/bin/hard1")" = 2 ]
	[ ! -e "$r/bin/hard2" ]
	[ "$(stat -c '%F %t:%T' "$r/dev/null")" = "character special file 1:3" ]
	[ ! -e "$r/dev/loop" ]
	[ "$(ls "$r/data")" = only ]
	[ "$(readlink "$r/lib2/x")" = nowhere ]
	[ "$r/usr/again" -ef "$r/usr/big2" ]
	[ "$(stat -c %Y "$r/usr/lib")" = 12345 ]
	[ -f "$r/fifo" ]
	# What is below a directory with the set-group-id bit has the image's group and mode, not the directory's.
	[ "$(stat -c '%a %u:%g' "$r/var/local" "$r/var/local/file" "$r/var/local/dir" "$r/var/local/dir/sub" "$r/var/local/shadow")" = \
		"$(printf '%s\n' '2775 0:50' '644 0:0' '755 0:0' '700 0:0' '640 0:42')" ]
}

@test "a default ACL of the place has no say" {
	mkdir "$WORK/acl"
	python3 -c 'import os, struct, sys; os.setxattr(sys.argv[1], "system.posix_acl_default", struct.pack("<I", 2) + b"".join(
	    struct.pack("<HHi", tag, mode, -1) for tag, mode in ((1, 7), (4, 5), (32, 0))))' "$WORK/acl"
	image unpack --flat --no-config all:1 "$WORK/acl/b"
	diff <(everything "$WORK/flat/rootfs") <(everything "$WORK/acl/b/rootfs")
}

@test "flat and overlay" {
	image unpack --no-config all:1 "$WORK/over"
	# a name in a lower layer still counts as a link there: overlayfs shows the number of the layer's own file
	diff <(everything "$WORK/flat/rootfs" | grep -v '/bin/suid\|/bin/hard1') <(everything "$WORK/over/rootfs" | grep -v '/bin/suid\|/bin/hard1')
	image rm-bundle "$WORK/over"
}

@test "umoci" {
	umoci raw unpack --image "$WORK/layout:1" "$WORK/umoci"
	diff <(everything "$WORK/flat/rootfs") <(everything "$WORK/umoci")
}

@test "buildah" {
	command -v buildah >/dev/null || skip "no buildah"
	b() { env -u REGISTRY_AUTH_FILE buildah --root "$WORK/bu" --runroot "$WORK/bur" --storage-driver vfs "$@"; }
	registry plain "" ""
	image push all:1 "localhost:$PORT_plain/all:1"
	container=$(b from -q --tls-verify=false "localhost:$PORT_plain/all:1")
	mounted=$(b mount "$container")
	diff <(everything "$WORK/flat/rootfs") <(everything "$mounted") >"$WORK/diff" || true
	cat "$WORK/diff"
	b umount "$container" >/dev/null; b rm "$container" >/dev/null
	[ ! -s "$WORK/diff" ]
}

@test "a layer of a million entries (long)" {
	[ -n "${OCI_RT_TEST_LONG:-}" ] || skip "only with --long"
	python3 - >"$WORK/million.tar" <<-'P'
		import sys
		zero = b"\0"
		def header(name, kind):
		    h = bytearray(512); n = name.encode(); h[:len(n)] = n
		    h[100:108] = b"0000755\0" if kind == b"5" else b"0000644\0"
		    h[108:116] = h[116:124] = b"0000000\0"; h[124:136] = b"00000000000\0"; h[136:148] = b"13000000000\0"; h[156:157] = kind; h[257:265] = b"ustar\00000"
		    h[148:156] = b"        "; h[148:156] = b"%06o\0 " % sum(h); return bytes(h)
		out = sys.stdout.buffer
		for d in range(1000):
		    out.write(header("d%03d/" % d, b"5"))
		    out.write(b"".join(header("d%03d/f%03d" % (d, f), b"0") for f in range(1000)))
		out.write(zero * 1024)
	P
	mkdir "$WORK/tmpfs"
	mount -t tmpfs -o size=8g,nr_inodes=3m none "$WORK/tmpfs"
	export OCI_IMAGE_STORE=$WORK/tmpfs/store
	image import "$WORK/million.tar" million:1
	/usr/bin/time -f %M -o "$WORK/rss" "$OCI_IMAGE" -q unpack --no-config million:1 "$WORK/tmpfs/b"
	[ "$(find "$WORK/tmpfs/b/rootfs" | wc -l)" = 1001001 ]
	[ "$(tail -n 1 "$WORK/rss")" -lt 300000 ]
	image rm-bundle "$WORK/tmpfs/b"
	umount "$WORK/tmpfs"
}
