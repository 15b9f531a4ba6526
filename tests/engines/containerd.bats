#!/usr/bin/env bats
# oci-rt under this machine's containerd, through ctr: under containerd's own shim (BinaryName)
# and under ours.  A check that fails runs once more with runc: see containerd.py.

load containerd

setup_file() { engine_start ctr; }
teardown_file() { engine_stop; }

@test "output, exit status, input" { check run; }
@test "detached, exec, pause, metrics, kill, delete" { check life; }
@test "kill --all reaches every process" { check kill_all; }
@test "terminals of run and exec" { check terminal; }
@test "memory and processor limits, a cgroup by name" { check limits; }
@test "an OOM kill: 137 and its events in order" { check oom; }
@test "a read-only root, bind mounts, a directory as root" { check root_filesystem; }
@test "working directory, environment, capabilities, no new privileges" { check process; }
@test "privileged" { check privileged; }
@test "the default seccomp profile" { check seccomp; }
@test "the host's network, another container's" { check network; }
@test "devices" { check devices; }
@test "a user namespace" { check user_namespace; }
@test "logs to a file and to a program, pid files" { check log_uri; }
@test "errors name their cause and break nothing" { check errors; }
@test "checkpoint of a running task" { check checkpoint; }
@test "ten at once" { check many; }
