#!/usr/bin/env python3
"""The same Dockerfiles built by oci-image and by buildah: file trees and configurations side by side, as TAP.

Theory of operation: one context for all (make_context), one base image of busybox, made by oci-image and
given to buildah as an OCI layout.  dockerfiles/NN-NAME.Dockerfile is the case, NN-NAME.ignore its
.dockerignore, and a last line "#: OPTIONS" what both command lines get besides.  Every difference is one
line of text; dockerfiles/differences allows it with a reason, and an entry that allows nothing in a case
that was built is a failure too.  Times are not compared: oci-image sets its own on purpose.

usage: compare_builders.py OCI_IMAGE OCI_RT [--sample] [NAME...]
"""
import fnmatch
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "dockerfiles")
# Enough of each kind to notice when something breaks; all of them take minutes.
SAMPLE = ["copy-several", "copy-chown", "copy-merge", "copy-from-stage-owner", "add-tar", "ignore-exceptions", "env", "onbuild", "run-remove", "debian-like"]
# What a builder's sandbox leaves or an engine writes over anyway.
SANDBOX = re.compile(r"(dev|proc|sys|run)(/.*)?|etc/(resolv\.conf|hosts|hostname|mtab)")
KEYS = ["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "OnBuild", "Healthcheck", "Shell"]

count = 0


def tap(ok, title, notes=()):
    global count
    count += 1
    print("%sok %d %s" % ("" if ok else "not ", count, title))
    for note in notes:
        print("# " + note)
    sys.stdout.flush()


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(text.encode() if isinstance(text, str) else text)
    os.chmod(path, mode)


def make_context(top):
    write(top + "/plain.txt", "plain\n")
    write(top + "/other.txt", "other\n", 0o600)
    write(top + "/with space.txt", "space\n")
    write(top + "/script.sh", "#!/bin/sh\necho hi\n", 0o755)
    write(top + "/dir/a.txt", "a\n")
    write(top + "/dir/b.txt", "b\n", 0o640)
    write(top + "/dir/sub/note.md", "note\n")
    write(top + "/dir/sub/deep/secret", "secret\n", 0o400)
    os.chmod(top + "/dir/sub", 0o711)
    os.symlink("plain.txt", top + "/link-to-file")
    os.symlink("dir", top + "/link-to-dir")
    write(top + "/links/target", "t\n")
    for name, to in [("relative", "target"), ("absolute", "/etc/passwd"), ("dangling", "nowhere"), ("up", "../plain.txt")]:
        os.symlink(to, top + "/links/" + name)
    write(top + "/hard/one", "hard\n")
    os.link(top + "/hard/one", top + "/hard/two")
    for mode in (0o4755, 0o2755, 0o600, 0o777, 0o000):
        write(top + "/modes/%04o" % mode, "m\n", mode)
    os.makedirs(top + "/modes/sticky")
    os.chmod(top + "/modes/sticky", 0o1777)
    write(top + "/hidden/.dot", "dot\n")
    write(top + "/hidden/.d/f", "f\n")
    os.makedirs(top + "/hidden/empty")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as t:
        for name, mode, uid in [("one", 0o644, 0), ("sub/two", 0o4711, 1000)]:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid, info.gid, info.mtime = 4, mode, uid, uid, 1000000000
            t.addfile(info, io.BytesIO(b"abc\n"))
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "sub/two"
        t.addfile(info)
    write(top + "/archive.tar", data.getvalue())
    for tool, end in [("gzip", "gz"), ("bzip2", "bz2"), ("xz", "xz")]:
        write(top + "/archive.tar." + end, subprocess.run([tool, "-c"], input=data.getvalue(), stdout=subprocess.PIPE, check=True).stdout)
    write(top + "/text.gz", subprocess.run(["gzip", "-nc"], input=b"text\n", stdout=subprocess.PIPE, check=True).stdout)


def tree(top):
    """path → everything about it that an image must carry"""
    found, inodes = {}, {}
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            rel = os.path.relpath(path, top)
            if SANDBOX.fullmatch(rel):
                continue
            st = os.lstat(path)
            text = "%s %o %d:%d" % (stat.filemode(st.st_mode)[0], 0o777 if stat.S_ISLNK(st.st_mode) else stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid)
            if stat.S_ISLNK(st.st_mode):
                text += " -> " + os.readlink(path)
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    text += " " + hashlib.sha256(f.read()).hexdigest()[:12]
                first = inodes.setdefault(st.st_ino, rel)
                if first != rel:
                    text += " linked to " + first
            found[rel] = text
    return found


class Builders:
    def __init__(self, work, image, runtime):
        self.work, self.image, self.runtime = work, image, runtime
        self.env = dict(os.environ, OCI_IMAGE_STORE=work + "/store", BUILDAH_ISOLATION="chroot", HOME=work, TMPDIR=work + "/tmp", STORAGE_DRIVER="vfs")
        self.env.pop("REGISTRY_AUTH_FILE", None)
        os.makedirs(work + "/tmp")

    def run(self, *words):
        p = subprocess.run(words, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
        return p.returncode, p.stdout.decode(errors="replace").strip(), p.stderr.decode(errors="replace").strip()

    def must(self, *words):
        code, out, err = self.run(*words)
        if code != 0:
            sys.exit("Bail out! %s: %s" % (" ".join(words), err or out))
        return out

    def buildah(self, *words):
        return ("buildah", "--root", self.work + "/bd/root", "--runroot", self.work + "/bd/run", *words)

    def base(self):
        c = self.work + "/base"
        write(c + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww:x:1000:1000::/home/www:/bin/sh\n")
        write(c + "/etc/group", "root:x:0:\nwww:x:1000:\nextra:x:2000:www\n")
        for name in "bin dev proc sys run root home/www opt".split():
            os.makedirs(c + "/" + name)
        os.makedirs(c + "/tmp")
        os.chmod(c + "/tmp", 0o1777)
        shutil.copy(shutil.which("busybox"), c + "/bin/busybox")
        for name in "sh cat chmod chown cp echo env id ln ls mkdir mkfifo printf pwd rm sed touch true".split():
            os.symlink("busybox", c + "/bin/" + name)
        write(self.work + "/base.Dockerfile", "FROM scratch\nCOPY . /\nCMD [\"/bin/sh\"]\n")
        self.must(self.image, "-q", "build", "-t", "localhost/base", "-f", self.work + "/base.Dockerfile", c)
        self.must(self.image, "-q", "cp", "localhost/base", "oci:%s/layout:base" % self.work)
        self.must(*self.buildah("pull", "-q", "oci:%s/layout:base" % self.work))
        name = json.loads(self.must(*self.buildah("images", "--json")))[0]["id"]
        self.must(*self.buildah("tag", name, "localhost/base"))

    def ours(self, dockerfile, context, options):
        out = self.work + "/ours"
        shutil.rmtree(out, ignore_errors=True)
        code, _, err = self.run(self.image, "build", "--progress", "plain", "--network", "none", "--runtime", self.runtime, "-t", "case", "-f", dockerfile,
            "-o", "type=local,dest=" + out, *options, context)
        if code != 0:
            return None, None, err
        return tree(out), json.loads(self.must(self.image, "inspect", "--config", "case")), ""

    def theirs(self, dockerfile, context, options):
        out = self.work + "/theirs"
        shutil.rmtree(out, ignore_errors=True)
        code, _, err = self.run(*self.buildah("bud", "--format", "docker", "--pull-never", "--network", "none", "-t", "case", "-f", dockerfile,
            "-o", "type=local,dest=" + out, *options, context))
        if code != 0:
            return None, None, err
        config = json.loads(self.must(*self.buildah("inspect", "--type", "image", "case")))["Docker"]
        self.run(*self.buildah("rmi", "-f", "case"))
        return tree(out), config, ""


def plain(key, value):
    """nothing, empty and the default are the same"""
    if key == "Labels":
        value = {k: v for k, v in (value or {}).items() if not k.startswith("io.buildah.")}
    if key == "WorkingDir" and value == "/":
        value = ""
    return value or None


def compare(ours, theirs):
    lines = []
    for path in sorted(set(ours[0]) | set(theirs[0])):
        a, b = ours[0].get(path, "nothing"), theirs[0].get(path, "nothing")
        if a != b:
            lines.append("tree %s: %s, buildah: %s" % (path, a, b))
    for key in KEYS:
        a, b = plain(key, ours[1].get("config", {}).get(key)), plain(key, theirs[1].get("config", {}).get(key))
        if a != b:
            lines.append("config %s: %s, buildah: %s" % (key, json.dumps(a, sort_keys=True), json.dumps(b, sort_keys=True)))
    if (ours[1].get("author") or "") != (theirs[1].get("author") or ""):
        lines.append("author: %s, buildah: %s" % (ours[1].get("author"), theirs[1].get("author")))
    return lines


def read_differences():
    """CASE<tab>REGULAR EXPRESSION<tab>REASON"""
    entries = []
    with open(os.path.join(CASES, "differences"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                name, pattern, reason = line.rstrip("\n").split("\t")
                entries.append([name, re.compile(pattern), reason, 0])
    return entries


def run_case(b, name, context, entries):
    path = os.path.join(CASES, name + ".Dockerfile")
    with open(path, encoding="utf-8", newline="") as f:
        last = f.read().rstrip("\n").rsplit("\n", 1)[-1]
    options = shlex.split(last[2:].replace("@SECOND@", b.work + "/second").replace("@SECRET@", b.work + "/secret")) if last.startswith("#:") else []
    shutil.rmtree(context, ignore_errors=True)
    make_context(context)
    if os.path.exists(os.path.join(CASES, name + ".ignore")):
        shutil.copy(os.path.join(CASES, name + ".ignore"), context + "/.dockerignore")
    ours, theirs = b.ours(path, context, options), b.theirs(path, context, options)
    lines, notes = [], []
    if ours[0] is None or theirs[0] is None:
        lines = ["fails: %s" % ("both" if ours[0] is theirs[0] else "ours" if ours[0] is None else "buildah")]
        notes = (ours[2] + "\n" + theirs[2]).strip().split("\n")[-8:]
    else:
        lines = compare(ours, theirs)
    bad = []
    for line in lines:
        fits = [e for e in entries if fnmatch.fnmatch(name.split("-", 1)[1], e[0]) and e[1].search(line)]
        for e in fits:
            e[3] += 1
        bad += [] if fits else [line]
    tap(not bad, name, bad + (notes if bad else []))


def main():
    image, runtime, words = sys.argv[1], sys.argv[2], sys.argv[3:]
    names = sorted(f[: -len(".Dockerfile")] for f in os.listdir(CASES) if f.endswith(".Dockerfile"))
    if words == ["--sample"]:
        words = SAMPLE
    if words:
        names = [n for n in names if n in words or n.split("-", 1)[1] in words]
    entries = read_differences()
    os.umask(0o022)
    # hexadecimal: buildah reads the path of a layout as if it were a reference
    work = "%s/oci-image-compare-%s" % (tempfile.gettempdir(), os.urandom(6).hex())
    os.mkdir(work, 0o700)
    try:
        b = Builders(work, image, runtime)
        b.base()
        write(work + "/second/file", "second\n")
        write(work + "/secret", "hush\n")
        for name in names:
            run_case(b, name, work + "/context", entries)
        built = [n.split("-", 1)[1] for n in names]
        stale = ["%s: %s" % (e[0], e[1].pattern) for e in entries if not e[3] and ("*" not in e[0] or not words) and any(fnmatch.fnmatch(n, e[0]) for n in built)]
        tap(not stale, "every difference that is allowed was there", stale)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("1..%d" % count)


main()
