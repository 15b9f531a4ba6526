#!/usr/bin/env bats
# exec: every flag, the process file, and what the new process inherits from the container.

load helpers

prepare() { config '.process.env += ["FROM=config"]'; }

# process_file JQ-EXPRESSION: $T/process.json, from the container's own process
process_file() { jq ".process | .args = [\"/bin/true\"] | $1" "$BUNDLE/config.json" >"$T/process.json"; }

@test "the command runs inside: namespaces, root, cgroup of the container" {
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	started
	local pid n
	pid=$(pid_of)
	in_exec sh -c 'for n in pid net ipc uts mnt cgroup user time; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup; hostname'
	assert_status 0
	for n in pid net ipc uts mnt cgroup user time; do assert_line "$(readlink "/proc/$pid/ns/$n")"; done
	while read -r n; do assert_line "$n"; done <"/proc/$pid/cgroup"
	assert_line testbox
}

@test "exit statuses: the command's, 128 + n, 255 for our own errors" {
	started
	in_exec sh -c 'exit 7'
	assert_status 7
	in_exec sh -c 'kill -9 $$'
	assert_status 137
	in_exec sh -c 'kill -15 $$'
	assert_status 143
	in_exec no-such-command
	assert_status 255
	run rt exec --cwd relative "$ID" true
	assert_status 255
}

@test "stdin, stdout and stderr pass through" {
	started
	echo input | rt exec "$ID" sh -c 'read x; echo "out $x"; echo "err $x" >&2' >"$T/o" 2>"$T/e"
	assert_eq "$(cat "$T/o")" 'out input'
	assert_eq "$(cat "$T/e")" 'err input'
}

@test "a created container can be entered" {
	rtd create --bundle "$BUNDLE" "$ID"
	in_exec hostname
	assert_output testbox
	assert_eq "$(status_of)" created
}

@test "stopped, paused and unknown containers refuse" {
	run rt exec "$ID" true
	assert_status 255
	assert_has "container \"$ID\" does not exist"
	started
	rt pause "$ID"
	run rt exec "$ID" true
	assert_status 255
	assert_has paused
	rt resume "$ID"
	rt kill "$ID" KILL
	wait_status stopped
	run rt exec "$ID" true
	assert_status 255
	assert_has 'container not running'
}

@test "--ignore-paused starts in a paused container, and runs when it is resumed" {
	started
	rt pause "$ID"
	RT_TIMEOUT=20 rtd exec --ignore-paused --detach "$ID" touch /woke &
	local job=$!
	sleep 0.3
	[ ! -e "$BUNDLE/rootfs/woke" ]
	rt resume "$ID"
	wait "$job"
	eventually test -e "$BUNDLE/rootfs/woke"
}

@test "the environment is the container's, --env adds and overrides" {
	started
	run rt exec --env A=1 -e FROM=flag "$ID" env </dev/null
	assert_status 0
	assert_line A=1
	assert_line FROM=flag
	refute_line FROM=config
	assert_line HOME=/root
	in_exec env
	assert_line FROM=config
}

@test "--cwd" {
	started
	run rt exec --cwd /home/user "$ID" pwd </dev/null
	assert_output /home/user
	in_exec pwd
	assert_output /
}

@test "--user UID, UID:GID" {
	started
	run rt exec --user 1000 "$ID" sh -c 'id -u; id -g; echo $HOME' </dev/null
	assert_output "1000
0
/home/user"
	run rt exec -u 1000:50 "$ID" sh -c 'id -u; id -g' </dev/null
	assert_output "1000
50"
}

@test "--user with anything but numbers in range is an error, never root" {
	started
	local u
	for u in 0x1 -1 '' 1x 4294967295 4294967296 1:2:3 1: :1 ' 1' 1,2; do
		run rt exec --user "$u" "$ID" id -u </dev/null
		[ "$status" = 255 ] || fail "--user '$u'"
	done
}

@test "additional groups: exactly those of -g, by default the container's" {
	config '.process.user.additionalGids = [7, 8]'
	started
	in_exec grep ^Groups /proc/self/status
	assert_match $'^Groups:\t7 8 ?$'
	run rt exec --additional-gids 50 -g 60 "$ID" grep ^Groups /proc/self/status </dev/null
	assert_match $'50 60 ?$'
}

@test "hard limits above the caller's, in a user namespace too" {
	need_cap SYS_RESOURCE 24
	config '.process.rlimits = [{"type": "RLIMIT_NPROC", "soft": 7000, "hard": 8000}, {"type": "RLIMIT_NOFILE", "soft": 300, "hard": 2048}]
		| .linux.namespaces += [{"type": "user"}] | .mounts |= map(select(.type != "cgroup"))
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" 2>/dev/null || true
	(
		ulimit -u 6000
		ulimit -n 1024
		started
	)
	run grep -E 'processes|open files' "/proc/$(pid_of)/limits"
	assert_match '^Max processes +7000 +8000'
	assert_match '^Max open files +300 +2048'
	run prlimit --nproc=6000 --nofile=1024 "$OCI_RT" --root "$ROOT" exec "$ID" cat /proc/self/limits </dev/null
	assert_status 0
	assert_match '^Max processes +7000 +8000'
	assert_match '^Max open files +300 +2048'
}

@test "capabilities, noNewPrivileges, rlimits, oomScoreAdj, umask are the container's" {
	local adj=77
	# without privileges it can only grow, and a user's systemd gives his programs some already
	[ -z "$ROOTLESS" ] || adj=$(($(cat /proc/self/oom_score_adj) + 77))
	config '.process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 300, "hard": 301}] | .process.oomScoreAdj = $adj
		| .process.user.umask = 63' --argjson adj "$adj"
	started
	in_exec sh -c 'grep -E "^(Cap|NoNew)" /proc/self/status; grep files /proc/self/limits; cat /proc/self/oom_score_adj; probe umask'
	assert_status 0
	local want
	while read -r want; do assert_line "$want"; done < <(grep -E '^(Cap|NoNew)' "/proc/$(pid_of)/status")
	assert_match '^Max open files +300 +301'
	assert_line "$adj"
	assert_line 077
}

@test "--cap adds a capability, and never an inheritable one" {
	started
	run rt exec --cap CAP_NET_RAW "$ID" grep ^Cap /proc/self/status </dev/null
	assert_status 0
	assert_match $'^CapEff:\t0000000020002420$'
	assert_match $'^CapBnd:\t0000000020002420$'
	assert_line $'CapInh:\t0000000000000000'
}

@test "--cap is ambient too when it is in the container's inheritable set" {
	config '.process.capabilities |= (.inheritable = ["CAP_NET_RAW","CAP_CHOWN"] | .permitted += ["CAP_CHOWN"]
		| .bounding += ["CAP_CHOWN","CAP_NET_RAW"] | .ambient = ["CAP_CHOWN"])'
	started
	run rt exec --cap CAP_NET_RAW --cap CAP_SYS_CHROOT "$ID" grep ^Cap /proc/self/status </dev/null
	assert_status 0
	assert_line $'CapInh:\t0000000000002001'
	assert_line $'CapAmb:\t0000000000002001'
}

@test "--cap with a name that is no capability is a warning, and changes nothing" {
	started
	run rt exec "$ID" grep ^Cap /proc/self/status </dev/null
	local without=$output
	run rt exec --cap CAP_NO_SUCH "$ID" grep ^Cap /proc/self/status </dev/null
	assert_status 0
	assert_has "$without"
}

@test "--no-new-privs" {
	config '.process.noNewPrivileges = false'
	started
	in_exec grep NoNewPrivs /proc/self/status
	assert_output $'NoNewPrivs:\t0'
	run rt exec --no-new-privs "$ID" grep NoNewPrivs /proc/self/status </dev/null
	assert_output $'NoNewPrivs:\t1'
}

@test "--detach returns at once; --pid-file has the pid on the host" {
	started
	rtd exec --detach --pid-file "$T/pid" "$ID" sleep 602
	local pid
	pid=$(cat "$T/pid")
	assert_eq "$(od -An -c "$T/pid" | tr -d ' \n')" "$pid"
	assert_eq "$(tr '\0' ' ' <"/proc/$pid/cmdline")" 'sleep 602 '
	assert_eq "$(readlink "/proc/$pid/ns/pid")" "$(readlink "/proc/$(pid_of)/ns/pid")"
}

@test "--detach reports what cannot be executed, and writes no pid file" {
	started
	run rt exec --detach --pid-file "$T/pid" "$ID" nothing </dev/null 3>&-
	assert_status 255
	assert_has 'executable file not found in $PATH'
	[ ! -e "$T/pid" ]
}

@test "--process FILE: everything of it is applied" {
	started
	process_file '.args = ["/bin/sh", "-c", "id -u; id -g; pwd; echo $X; grep -E \"^(CapBnd|CapEff|NoNew|Groups)\" /proc/self/status; grep files /proc/self/limits"]
		| .user = {"uid": 1000, "gid": 1001, "additionalGids": [5]} | .cwd = "/tmp" | .env = ["PATH=/bin", "X=file"]
		| .capabilities = {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}
		| .noNewPrivileges = false | .rlimits = [{"type": "RLIMIT_NOFILE", "soft": 200, "hard": 201}]'
	run rt exec --process "$T/process.json" "$ID" </dev/null
	assert_status 0
	local want
	for want in 1000 1001 /tmp file $'CapBnd:\t0000000000000020' $'CapEff:\t0000000000000000' $'NoNewPrivs:\t0'; do assert_line "$want"; done
	assert_match $'^Groups:\t5 ?$'
	assert_match '^Max open files +200 +201'
}

@test "--process FILE: broken JSON, missing args, a file that is not there" {
	started
	echo '{"args": ["/bin/true"], "cwd": ' >"$T/p"
	run rt exec --process "$T/p" "$ID"
	assert_status 255
	echo '{"cwd": "/", "user": {"uid": 0, "gid": 0}}' >"$T/p"
	run rt exec --process "$T/p" "$ID"
	assert_status 255
	assert_has args
	run rt exec --process "$T/missing" "$ID"
	assert_status 255
	assert_has "$T/missing"
}

@test "--process FILE: scheduler, ioPriority and execCPUAffinity" {
	started
	process_file '.args = ["/bin/sh", "-c", "probe scheduler; probe ioprio; probe affinity"] | .scheduler = {"policy": "SCHED_BATCH", "nice": 4}
		| .ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 1} | .execCPUAffinity = {"final": "0"}'
	run rt exec --process "$T/process.json" "$ID" </dev/null
	assert_match '^policy=3 nice=4 '
	assert_line 'class=2 level=1'
	assert_line '0 '
}

@test "execCPUAffinity: initial holds until the process is in its cgroup, final from there on" {
	need_command taskset
	[ "$(taskset -c 0-4095 "$BUNDLE/rootfs/bin/probe" affinity)" != '0 ' ] || skip 'this machine has one CPU'
	started
	process_file '.args = ["/bin/probe", "affinity"] | .execCPUAffinity = {"initial": "1", "final": "0"}'
	run rt exec --process "$T/process.json" "$ID" </dev/null
	assert_output '0 '
	# without final: those of the cgroup
	process_file '.args = ["/bin/probe", "affinity"] | .execCPUAffinity = {"initial": "1"}'
	run rt exec --process "$T/process.json" "$ID" </dev/null
	assert_output "$(taskset -c 0-4095 "$BUNDLE/rootfs/bin/probe" affinity)"
	# more CPUs than any kernel's mask was made for
	process_file '.args = ["/bin/probe", "affinity"] | .execCPUAffinity = {"final": "0,2000-4000"}'
	run rt exec --process "$T/process.json" "$ID" </dev/null
	assert_output '0 '
	# the container's own, when there is no file
	rt delete --force "$ID"
	config '.process.execCPUAffinity = {"final": "1"}'
	started /bin/sh -c 'probe affinity; sleep 600'
	eventually test -s "$T/stdout"
	assert_eq "$(cat "$T/stdout")" "$(taskset -c 0-4095 "$BUNDLE/rootfs/bin/probe" affinity)" 'CPUs of the first process'
	in_exec probe affinity
	assert_output '1 '
}

@test "exec without a command is an error" {
	started
	run rt exec "$ID"
	assert_status 255
}

@test "--cgroup puts the process into a sub-cgroup" {
	started
	mkdir "$(cgdir pids)/sub"
	if cgroup_v2; then
		run rt exec --cgroup sub "$ID" cat /proc/1/cgroup /proc/self/cgroup </dev/null
		assert_match '/sub$'
	else
		run rt exec --cgroup pids:sub "$ID" grep pids /proc/self/cgroup </dev/null
		assert_match '/sub$'
	fi
	assert_status 0
}

@test "a container that handed its controllers down: exec goes where the first process is" {
	need_v2
	need_controller memory
	all_caps
	config '(.mounts[] | select(.type == "cgroup")).options -= ["ro"]'
	started /bin/sh -c 'mkdir /sys/fs/cgroup/init && echo 1 >/sys/fs/cgroup/init/cgroup.procs &&
		echo +memory >/sys/fs/cgroup/cgroup.subtree_control && echo done; sleep 600'
	eventually grep -q 'done' "$T/stdout"
	in_exec cat /proc/self/cgroup
	assert_status 0
	assert_output 0::/init
}

@test "--cgroup that is not there, or leads out, is an error" {
	started
	local c
	for c in missing ../.. ; do
		if ! cgroup_v2; then c=pids:$c; fi
		run rt exec --cgroup "$c" "$ID" true </dev/null
		assert_status 255
	done
}

@test "--preserve-fds" {
	started
	run bash -c 'exec 3<<<"three" 4<<<"four"; exec "$@"' - "$OCI_RT" --root "$ROOT" exec --preserve-fds 2 "$ID" sh -c 'cat <&3; cat <&4; probe fds | wc -l' </dev/null
	assert_status 0
	assert_output "three
four
5"
}

@test "no descriptor of the caller or of the runtime is left open" {
	started
	run bash -c 'exec 5</ 6</etc 77</dev/null; exec "$@"' - "$OCI_RT" --root "$ROOT" exec "$ID" probe fds </dev/null
	assert_status 0
	assert_eq "$(awk '{ print $1 }' <<<"$output" | tr '\n' ' ')" '0 1 2 '
}

@test "exec in a container without some namespaces" {
	shares pid network ipc uts cgroup
	started
	in_exec readlink /proc/self/ns/net
	assert_output "$(readlink /proc/self/ns/net)"
}

@test "a cwd that points at a descriptor of the runtime is refused" {
	started
	local n
	for n in 3 4 5 6 7 8 9 10 11 12 13 14; do
		run rt exec --cwd "/proc/self/fd/$n" "$ID" pwd </dev/null
		[ "$status" != 0 ] || fail "fd $n: $output"
		run rt exec --cwd "/proc/1/fd/$n" "$ID" pwd </dev/null
		[ "$status" != 0 ] || fail "pid 1, fd $n: $output"
	done
}

@test "--pidfd-socket sends one descriptor of the process" {
	started
	receiver pidfd
	rtd exec --detach --pid-file "$T/pid" --pidfd-socket "$T/pidfd.sock" "$ID" sleep 603
	eventually test -s "$T/pidfd/pidfd-pid"
	assert_eq "$(cat "$T/pidfd/pidfd-pid")" "$(cat "$T/pid")"
}

@test "fifty execs in a row leave no process" {
	started
	local i
	for i in $(seq 50); do rt exec "$ID" true </dev/null || fail "number $i"; done
	assert_eq "$(rt ps --format json "$ID" | jq length)" 1
}

@test "parallel execs" {
	started
	local i pids=()
	for i in 1 2 3 4 5 6 7 8; do
		rt exec "$ID" sh -c "exit $i" </dev/null 3>&- &
		pids+=($!)
	done
	for i in 1 2 3 4 5 6 7 8; do
		local rc=0
		wait "${pids[i - 1]}" || rc=$?
		assert_eq "$rc" "$i"
	done
}
