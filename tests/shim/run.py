#!/usr/bin/env python3
"""Runs every function test_* of the modules given (default: all test_*.py) and
prints TAP.  A test takes no argument or an Env, which is made and cleaned up for
it.  A function may be skipped by raising Skip."""
import importlib
import os
import signal
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shimlib  # noqa: E402


Skip = shimlib.Skip


def too_long(signum, frame):
    raise TimeoutError("the test takes too long")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    only = [a[7:] for a in sys.argv[1:] if a.startswith("--only=")]
    if not names:
        names = sorted(f[:-3] for f in os.listdir(here) if f.startswith("test_") and f.endswith(".py"))
    tests = []
    for n in names:
        m = importlib.import_module(n)
        tests += [(n[5:] if n.startswith("test_") else n, k, f) for k, f in vars(m).items()
                  if k.startswith("test_") and callable(f) and (not only or any(o in k for o in only))]
    print("1..%d" % len(tests), flush=True)
    failed = 0
    signal.signal(signal.SIGALRM, too_long)
    for i, (mod, name, f) in enumerate(tests, 1):
        label = "shim %s: %s" % (mod, (f.__doc__ or name[5:].replace("_", " ")).strip().split("\n")[0])
        env = shimlib.Env() if f.__code__.co_argcount else None
        t = time.time()
        signal.alarm(int(getattr(f, "limit", 60)))
        try:
            f(env) if env else f()
            print("ok %d - %s" % (i, label), flush=True)
        except Skip as e:
            print("ok %d - %s # SKIP %s" % (i, label, e), flush=True)
        except BaseException:
            failed += 1
            print("not ok %d - %s" % (i, label))
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            for b in env.bundles if env else []:
                for line in b.log_text().splitlines()[-5:]:
                    print("# log: " + line)
            sys.stdout.flush()
        finally:
            signal.alarm(0)
            if env:
                try:
                    env.close()
                except Exception as e:
                    print("# clean-up: %s" % e)
        if os.environ.get("TIMES"):
            print("# %.2f s" % (time.time() - t), flush=True)
    sys.stdout.flush()
    os._exit(1 if failed else 0)


main()
