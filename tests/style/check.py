#!/usr/bin/env python3
"""The rules of the house that a compiler does not know, as TAP.

Theory of operation: each rule is a function from a source file to complaints, (line, text).
Comments, strings and character constants are blanked first (lines stay where they are), so
that no rule is misled by what a comment says.  What is allowed in spite of a rule is a line
in allow.txt with its reason; a line there that allows nothing is a failure too.  Before the
tree each rule sees a small bad file that it must complain about and a good one that it must
not: a rule that cannot fail says nothing.

    layers    who may include whom (README, "The rooms")
    facility  a facility includes facility.h and its own headers, no other facility's
    paths     no call that takes a path as a string: runtime/, base/ (but path.c), image-tools/layer/
    cloexec   every descriptor is close-on-exec from birth
    theory    every .c file opens with its theory of operation, a test with what it tests
    words     no notes to oneself
    length    no file of more than 700 lines
"""
import os
import re
import sys

ROOMS = {
    "base": {"base"},
    "specs": {"base", "specs"},
    "runtime": {"base", "specs", "runtime"},
    "shim": {"base", "specs", "shim"},
    "image-tools": {"base", "specs", "image-tools"},
}
LENGTH_MAX = 700
BY_STRING = (
    "open creat mkdir mkfifo mknod mount umount umount2 chown lchown chmod unlink remove rmdir symlink link rename "
    "truncate chroot pivot_root fopen opendir utimes"
).split()
# What makes a descriptor, and the word that must be in its statement.
MAKERS = {
    **{name: "CLOEXEC" for name in (
        "open openat openat2 socket socketpair pipe2 memfd_create accept4 epoll_create1 inotify_init1 eventfd signalfd "
        "timerfd_create dup3 open_tree fsopen fsmount fanotify_init userfaultfd open_by_handle_at").split()},
    **{name: None for name in "pipe accept epoll_create inotify_init dup creat".split()},
}


class Source:
    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.code = blank(text)

    def line_of(self, offset):
        return self.code.count("\n", 0, offset) + 1


def blank(text):
    """The text with comments and the insides of strings replaced by blanks; line breaks stay."""
    out = []
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    last = 0
    for m in pattern.finditer(text):
        out.append(text[last : m.start()])
        token = m.group()
        if token[0] in "\"'":
            out.append(token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[0])
        else:
            out.append(re.sub(r"[^\n]", " ", token))
        last = m.end()
    out.append(text[last:])
    return "".join(out)


def includes(s):
    # the name is a string, so it is read from the text, not from the blanked code
    for n, line in enumerate(s.lines, 1):
        m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if m:
            yield n, m.group(1)


def calls(s, names):
    """(line, name, statement) of each call; a declaration or definition is none."""
    for m in re.finditer(r"(?<![\w.>])(%s)\s*\(" % "|".join(names), s.code):
        before = s.code[: m.start()].rstrip(" \t")
        # "int open(" declares, "struct x *open(" too; "return open(" and "else open(" call
        word = re.search(r"(\w+)\s*\**$", before)
        if word and before and before[-1] not in "(,;{}=!&|?:<>+-" and word.group(1) not in ("return", "else", "do", "case"):
            continue
        depth, end = 0, m.end() - 1
        while end < len(s.code):
            depth += {"(": 1, ")": -1}.get(s.code[end], 0)
            end += 1
            if depth == 0:
                break
        yield s.line_of(m.start()), m.group(1), s.code[m.start() : end]


# ---------------------------------------------------------------- the rules


def rule_layers(s):
    room = s.path.split("/")[0]
    if room not in ROOMS or not s.path.endswith((".c", ".h")):
        return
    for n, name in includes(s):
        other = name.split("/")[0]
        if "/" in name and other in ROOMS and other not in ROOMS[room]:
            yield n, "%s may not include %s" % (room, name)
        if name.startswith(".."):
            yield n, "%s: includes are written from the top of the tree" % name


def rule_facility(s, families=None):
    prefix = "runtime/facility/"
    families = families if families is not None else FAMILIES
    stem = os.path.splitext(os.path.basename(s.path))[0]

    def family(name):
        fits = [f for f in families if name == f or name.startswith(f + "_")]
        return min(fits, key=len) if fits else name

    for n, name in includes(s):
        if not name.startswith(prefix) or name == prefix + "facility.h":
            continue
        other = os.path.splitext(name[len(prefix) :])[0]
        if s.path.startswith("tests/"):
            continue
        if not s.path.startswith(prefix):
            yield n, "only facilities include %s" % name
        elif family(stem) != family(other):
            yield n, "facility %s may not include that of %s" % (stem, other)


def rule_paths(s):
    if not s.path.startswith(("runtime/", "base/", "image-tools/layer/")) or not s.path.endswith(".c") or s.path == "base/path.c":
        return
    for n, name, _ in calls(s, BY_STRING):
        # the root directory is no path: nothing is looked up
        if re.match(r'\s*open\("/",', s.lines[n - 1][s.lines[n - 1].find("open(") :]):
            continue
        yield n, "%s() takes a path by name: use base/path.h, or the *at form on a descriptor" % name


def rule_cloexec(s):
    if s.path.split("/")[0] not in ROOMS or not s.path.endswith(".c"):
        return
    for n, name, text in calls(s, MAKERS):
        word = MAKERS[name]
        if word is None:
            yield n, "%s() cannot make a descriptor close-on-exec" % name
        elif word not in text:
            yield n, "%s() without CLOEXEC" % name
    for n, name, _ in calls(s, ["fopen", "popen"]):
        if not re.search(r'%s\s*\([^;]*"[rwa+b]*e[^"]*"' % name, "\n".join(s.lines[n - 1 : n + 2])):
            yield n, "%s() without \"e\"" % name


def rule_theory(s):
    opening = re.sub(r"/\* SPDX[^\n]*\n", "", "\n".join(s.lines[:12]), count=1)
    if s.path.startswith("tests/"):
        if s.path.endswith(".c") and not opening.startswith("/*"):
            yield 1, "does not open with a comment on what it tests"
    elif s.path.endswith(".c") and "heory of operation" not in opening:
        yield 1, "does not open with its theory of operation"


def rule_words(s):
    for n, line in enumerate(s.lines, 1):
        m = re.search(r"\b(%s)\b" % "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]), line)
        if m:
            yield n, "%s: do it, or describe it where it will be found" % m.group(1)


def rule_length(s):
    if len(s.lines) - 1 > LENGTH_MAX:
        yield LENGTH_MAX, "%d lines: two rooms share a wall" % (len(s.lines) - 1)


RULES = {name[5:]: f for name, f in list(globals().items()) if name.startswith("rule_")}
THEORY = "/* Theory of operation: none. */\n"
# rule: (path, bad text), (path, good text)
SELF = {
    "layers": [
        ("base/x.c", THEORY + '#include "specs/config.h"\n'),
        ("shim/x.c", THEORY + '#include "runtime/state/state.h"\n'),
        ("image-tools/x.c", THEORY + '#include "shim/server.h"\n'),
        ("runtime/x.c", THEORY + '#include "../base/fd.h"\n'),
    ],
    "facility": [
        ("runtime/facility/mount.c", THEORY + '#include "runtime/facility/seccomp_program.h"\n'),
        ("runtime/plan/x.c", THEORY + '#include "runtime/facility/seccomp_program.h"\n'),
    ],
    "paths": [
        ("runtime/facility/x.c", THEORY + 'int f(void) { return mkdir(path, 0755); }\n'),
        ("runtime/facility/x.c", THEORY + 'int f(void)\n{\n\tif (mount(a, b, c, 0, 0) < 0)\n\t\treturn 1;\n}\n'),
        ("image-tools/layer/x.c", THEORY + 'int f(void) { return open("/etc/passwd", O_RDONLY | O_CLOEXEC); }\n'),
    ],
    "cloexec": [
        ("base/x.c", THEORY + "int f(void) { return openat(d, p, O_RDONLY); }\n"),
        ("shim/x.c", THEORY + "int f(void) { return pipe(fds); }\n"),
        ("shim/x.c", THEORY + "int f(void) { return socket(AF_UNIX,\n\t\tSOCK_STREAM, 0); } /* CLOEXEC */\n"),
        ("shim/x.c", THEORY + 'FILE *f(void) { return fopen(p, "r"); }\n'),
    ],
    "theory": [("base/x.c", "#include <stdio.h>\n"), ("tests/unit/x.c", "/* SPDX-License-Identifier: x */\n#include <stdio.h>\n")],
    "words": [("base/x.h", "/* TO" + "DO: later */\n")],
    "length": [("base/x.c", THEORY + "\n" * LENGTH_MAX)],
}
GOOD = [
    ("base/x.c", THEORY + '#include "base/fd.h"\n#include <fcntl.h>\nint open(const char *, int, ...);\n'
        "/* mkdir(path) pipe(fds) */\nconst char *s = \"open(x)\";\n"
        "int f(void) { return openat(d, p,\n\tO_RDONLY |\n\t\tO_CLOEXEC); }\n"),
    ("runtime/facility/seccomp_cache.c", THEORY + '#include "runtime/facility/facility.h"\n#include "runtime/facility/seccomp_program.h"\n'
        "int g(void) { return c->open(x) + path_open_in_root(r, p, 0) + mkdirat(d, n, 0); }\n"),
    ("shim/x.c", THEORY + '#include "base/fd.h"\nint f(void) { return mkdir(p, 0700) + pipe2(fds, O_CLOEXEC); }\n'),
]


# ---------------------------------------------------------------- the tree


def tree(top):
    for base in list(ROOMS) + ["tests"]:
        for folder, folders, files in os.walk(os.path.join(top, base)):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(folder, name)
                text_file = name.endswith((".c", ".h", ".py", ".sh", ".bats", ".bash", ".am", ".proto"))
                if text_file and not os.path.islink(path) and "/corpus" not in folder:
                    with open(path, encoding="utf-8", errors="replace") as f:
                        yield Source(os.path.relpath(path, top), f.read())


def read_allowed(path):
    """RULE FILE [WORD] -- REASON; WORD must be in the complaint."""
    allowed = {}
    with open(path, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            line = line.split("#")[0].strip() if line.startswith("#") else line.strip()
            if not line:
                continue
            head, _, reason = line.partition(" -- ")
            words = head.split()
            if len(words) not in (2, 3) or words[0] not in RULES or not reason.strip():
                sys.exit("allow.txt:%d: expected RULE FILE [WORD] -- REASON" % n)
            allowed[(words[0], words[1], words[2] if len(words) == 3 else "")] = 0
    return allowed


count = 0


def result(ok, title, notes=()):
    global count
    count += 1
    print("%sok %d %s" % ("" if ok else "not ", count, title))
    for note in notes:
        print("# " + note)


top = sys.argv[1]
facilities = os.path.join(top, "runtime/facility")
FAMILIES = {os.path.splitext(f)[0] for f in os.listdir(facilities) if f.endswith(".c")}

for rule, bad in SELF.items():
    missed = [path + ": " + text for path, text in bad if not list(RULES[rule](Source(path, text)))]
    wrong = ["%s:%d: %s" % (path, n, said) for path, text in GOOD for n, said in RULES[rule](Source(path, text))]
    result(not missed and not wrong, "self-test: rule %s finds what is bad and nothing else" % rule, missed + wrong)

allowed = read_allowed(os.path.join(os.path.dirname(os.path.abspath(__file__)), "allow.txt"))
sources = list(tree(top))
for rule, check in RULES.items():
    complaints = []
    for s in sources:
        for n, said in check(s):
            fits = [k for k in allowed if k[0] == rule and k[1] == s.path and re.search(r"\b%s" % re.escape(k[2]), said)]
            if fits:
                allowed[fits[0]] += 1
            else:
                complaints.append("%s:%d: %s" % (s.path, n, said))
    result(not complaints, "%s: %d files" % (rule, len(sources)), complaints)
stale = ["%s %s %s" % k for k, used in allowed.items() if not used]
result(not stale, "allow.txt allows nothing that is not there", stale)
print("1..%d" % count)
