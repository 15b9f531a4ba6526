#!/usr/bin/env bats
# process: arguments, environment, user, limits, capabilities and the other attributes of the program.

load helpers

@test "args reach the program unchanged" {
	args /bin/sh -c 'for a; do echo "[$a]"; done' name 'two words' '' '"quoted" \back' "tab	ü"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_output "[two words]
[]
[\"quoted\" \\back]
[tab	ü]"
}

@test "args[0] is looked up in the container's PATH" {
	config '.process.env = ["PATH=/nowhere:/usr/local/bin:/bin"]'
	printf '#!/bin/sh\necho mine\n' >"$BUNDLE/rootfs/usr/local/bin/tool"
	chmod 755 "$BUNDLE/rootfs/usr/local/bin/tool"
	args tool
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output mine
}

@test "a directory or a file without the x bit in PATH is passed over" {
	config '.process.env = ["PATH=/first:/second:/usr/local/bin"]'
	mkdir -p "$BUNDLE/rootfs/first/tool" "$BUNDLE/rootfs/second"
	echo no >"$BUNDLE/rootfs/second/tool"
	printf '#!/bin/sh\necho third\n' >"$BUNDLE/rootfs/usr/local/bin/tool"
	chmod 755 "$BUNDLE/rootfs/usr/local/bin/tool"
	args tool
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output third
}

@test "a relative args[0] with a slash is relative to cwd" {
	printf '#!/bin/sh\necho from $PWD\n' >"$BUNDLE/rootfs/home/user/tool"
	chmod 755 "$BUNDLE/rootfs/home/user/tool"
	config '.process.cwd = "/home/user"'
	args ./tool
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output 'from /home/user'
}

@test "the environment is exactly the configured one, plus HOME" {
	config '.process.env = ["PATH=/bin", "A=1", "B=with = sign", "EMPTY="]'
	args /bin/env
	LEAK=from-outside run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_eq "$(sort <<<"$output")" "A=1
B=with = sign
EMPTY=
HOME=/root
PATH=/bin"
}

@test "a variable given twice has the last value, once" {
	config '.process.env = ["PATH=/bin", "A=first", "A=last"]'
	inside_ok 'env | grep ^A='
	assert_output A=last
}

@test "HOME comes from the container's passwd unless it is set" {
	config '.process.user = {"uid": 1000, "gid": 1000}'
	inside_ok 'echo $HOME'
	assert_output /home/user
	config '.process.user = {"uid": 4242, "gid": 1}'
	inside_ok 'echo $HOME'
	assert_output /
	config '.process.env += ["HOME=/set"]'
	inside_ok 'echo $HOME'
	assert_output /set
}

@test "cwd" {
	config '.process.cwd = "/home/user"'
	inside_ok 'readlink /proc/self/cwd'
	assert_output /home/user
}

@test "a cwd that does not exist is made inside the root filesystem" {
	config '.process.cwd = "/made/for/me"'
	inside_ok 'pwd'
	assert_output /made/for/me
	[ -d "$BUNDLE/rootfs/made/for/me" ]
}

@test "a cwd below a link that points out of the root stays inside" {
	mkdir "$T/outside"
	ln -s "$T/outside" "$BUNDLE/rootfs/link"
	config '.process.cwd = "/link/sub"'
	inside 'pwd'
	[ "$status" = 0 ] || assert_fails
	assert_eq "$(ls -A "$T/outside")" '' 'what was made outside'
}

@test "a relative cwd is an error" {
	config '.process.cwd = "tmp"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails process.cwd
}

@test "a cwd that only the user may enter" {
	mkdir "$BUNDLE/rootfs/private"
	chmod 700 "$BUNDLE/rootfs/private"
	if [ -z "$ROOTLESS" ]; then
		chown 1000:1000 "$BUNDLE/rootfs/private"
	else
		# the container's root can
		capabilities CAP_CHOWN
		inside_ok 'chown 1000:1000 /private'
	fi
	config '.process.user = {"uid": 1000, "gid": 1000} | .process.cwd = "/private"'
	inside_ok pwd
	assert_output /private
}

# ------------------------------------------------------------------ user

@test "uid, gid and exactly the additional groups" {
	# the last one of all, and of an ordinary user's range
	local last=4294967294
	[ -z "$ROOTLESS" ] || last=$(jq '.linux.gidMappings | last | .containerID + .size - 1' "$BUNDLE/config.json")
	config '.process.user = {"uid": 1000, "gid": 1001, "additionalGids": [50, 7, $l]}' --argjson l "$last"
	inside_ok "grep -E '^(Uid|Gid|Groups)' /proc/self/status"
	assert_line $'Uid:\t1000\t1000\t1000\t1000'
	assert_line $'Gid:\t1001\t1001\t1001\t1001'
	assert_match "^Groups:.7 50 $last ?\$"
}

@test "the caller's groups are dropped when none are given" {
	need_root
	need_command setpriv
	args /bin/sh -c 'grep ^Groups /proc/self/status'
	run setpriv --groups 4,27 "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_match $'^Groups:\t ?$'
}

@test "user ids beyond 32 bits, negative ones, fractions and text are refused" {
	local v
	for v in 4294967296 -1 1.5 '"0"' 18446744073709551616 1e3; do
		bundle "uid"
		args /bin/id -u
		sed -i "s/\"uid\": *0/\"uid\": $v/" "$BUNDLE/config.json"
		grep -qF -- "\"uid\": $v" "$BUNDLE/config.json"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		if [ "$v" = 1e3 ] && [ "$output" = 1000 ]; then continue; fi
		assert_status 1
		assert_has process.user.uid
	done
}

@test "the highest ids are exact" {
	need_root
	config '.process.user = {"uid": 4294967294, "gid": 2147483648}'
	inside_ok 'id -u; id -g'
	assert_output "4294967294
2147483648"
}

@test "the user can open its standard files" {
	config '.process.user = {"uid": 1000, "gid": 1000}'
	args /bin/sh -c 'echo out >/proc/self/fd/1; echo err >/proc/self/fd/2'
	rt run --bundle "$BUNDLE" "$ID" </dev/null >"$T/o" 2>"$T/e"
	assert_eq "$(cat "$T/o" "$T/e")" "out
err"
}

@test "umask is 022 when it is not given, whatever the caller's is" {
	args /bin/probe umask
	(umask 077 && rt run --bundle "$BUNDLE" "$ID" </dev/null) >"$T/o"
	assert_eq "$(cat "$T/o")" 022
}

@test "umask is the given one, 0 too" {
	config '.process.user.umask = 63'
	inside_ok '/bin/probe umask'
	assert_output 077
	config '.process.user.umask = 0'
	inside_ok '/bin/probe umask'
	assert_output 000
}

# ------------------------------------------------------------------ limits

# whether this machine's root may raise a hard limit
can_raise() { (ulimit -Sc 0 && ulimit -Hc 0 && ulimit -Hc 1) 2>/dev/null; }

@test "rlimits, each of them" {
	local type field hard
	while read -r type field; do
		config '.process.rlimits = [{"type": $t, "soft": 5, "hard": 6}]' --arg t "$type"
		case $type in
		RLIMIT_AS | RLIMIT_DATA | RLIMIT_STACK) config '.process.rlimits[0] |= (.soft = 1073741824 | .hard = 1073741824)' ;;
		RLIMIT_NOFILE | RLIMIT_NPROC | RLIMIT_FSIZE) config '.process.rlimits[0] |= (.soft = 500 | .hard = 600)' ;;
		esac
		# no more than this machine's root may have
		hard=$(sed -n "s/^$field  *[^ ][^ ]*  *\([0-9]*\) .*/\1/p" /proc/self/limits)
		if [ -n "$hard" ] && [ "$hard" -lt 6 ] && ! can_raise; then
			config '.process.rlimits[0] |= (.soft = 0 | .hard = $h)' --argjson h "$hard"
		fi
		args /bin/cat /proc/self/limits
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 0
		assert_match "^$field +$(jq -r '.process.rlimits[0] | "\(.soft) +\(.hard)"' "$BUNDLE/config.json") "
	done <<-'END'
		RLIMIT_AS Max address space
		RLIMIT_CORE Max core file size
		RLIMIT_CPU Max cpu time
		RLIMIT_DATA Max data size
		RLIMIT_FSIZE Max file size
		RLIMIT_LOCKS Max file locks
		RLIMIT_MEMLOCK Max locked memory
		RLIMIT_MSGQUEUE Max msgqueue size
		RLIMIT_NICE Max nice priority
		RLIMIT_NOFILE Max open files
		RLIMIT_NPROC Max processes
		RLIMIT_RSS Max resident set
		RLIMIT_RTPRIO Max realtime priority
		RLIMIT_RTTIME Max realtime timeout
		RLIMIT_SIGPENDING Max pending signals
		RLIMIT_STACK Max stack size
	END
}

@test "a hard limit above the caller's" {
	can_raise || skip 'CAP_SYS_RESOURCE is missing here: hard limits cannot be raised'
	config '.process.rlimits = [{"type": "RLIMIT_CORE", "soft": 20, "hard": 30}]'
	args /bin/cat /proc/self/limits
	run bash -c 'ulimit -c 0; exec "$0" "$@"' "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_match 'core file size +20 +30'
}

@test "a limit that the kernel refuses is an error that names it" {
	if can_raise; then skip 'this root may raise every limit'; fi
	config '.process.rlimits = [{"type": "RLIMIT_CORE", "soft": 20, "hard": 30}]'
	run bash -c 'ulimit -c 0; exec "$0" "$@"' "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_has RLIMIT_CORE
	assert_clean
}

@test "an unknown, a duplicate and an impossible limit are errors" {
	config '.process.rlimits = [{"type": "RLIMIT_TEAPOTS", "soft": 1, "hard": 1}]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails RLIMIT_TEAPOTS
	config '.process.rlimits = [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}, {"type": "RLIMIT_CORE", "soft": 2, "hard": 2}]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails RLIMIT_CORE
	config '.process.rlimits = [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails
	assert_clean
}

@test "oomScoreAdj is set when given, untouched when not" {
	config '.process.oomScoreAdj = 321'
	inside_ok 'cat /proc/self/oom_score_adj'
	assert_output 321
	config 'del(.process.oomScoreAdj)'
	inside_ok 'cat /proc/self/oom_score_adj'
	assert_output "$(cat /proc/self/oom_score_adj)"
}

@test "a lower oomScoreAdj is set, or refused by name" {
	config '.process.oomScoreAdj = -500'
	inside 'cat /proc/self/oom_score_adj'
	if (echo -500 >/proc/self/oom_score_adj) 2>/dev/null; then
		assert_output -500
	else
		assert_fails oomScoreAdj
	fi
	assert_clean
}

# ------------------------------------------------------------------ capabilities

# cap_mask NAME...: the hexadecimal form of the status file
cap_mask() {
	local n mask=0
	for n; do
		case $n in
		CHOWN) ((mask |= 1 << 0)) ;; KILL) ((mask |= 1 << 5)) ;; SETUID) ((mask |= 1 << 7)) ;;
		NET_BIND_SERVICE) ((mask |= 1 << 10)) ;; NET_RAW) ((mask |= 1 << 13)) ;; AUDIT_WRITE) ((mask |= 1 << 29)) ;;
		SYS_ADMIN) ((mask |= 1 << 21)) ;;
		esac
	done
	printf '%016x' "$mask"
}

@test "the five capability sets are exactly the configured ones" {
	config '.process.capabilities = {"bounding": ["CAP_CHOWN","CAP_KILL","CAP_NET_RAW","CAP_NET_BIND_SERVICE"],
		"permitted": ["CAP_CHOWN","CAP_KILL","CAP_NET_RAW"], "effective": ["CAP_CHOWN","CAP_KILL"],
		"inheritable": ["CAP_CHOWN","CAP_NET_RAW"], "ambient": ["CAP_CHOWN"]} | .process.user = {"uid": 1000, "gid": 1000}'
	# as a user, execve leaves the ambient set: permitted and effective follow it
	inside_ok 'grep ^Cap /proc/self/status'
	assert_line "$(printf 'CapBnd:\t%s' "$(cap_mask CHOWN KILL NET_RAW NET_BIND_SERVICE)")"
	assert_line "$(printf 'CapInh:\t%s' "$(cap_mask CHOWN NET_RAW)")"
	assert_line "$(printf 'CapAmb:\t%s' "$(cap_mask CHOWN)")"
	assert_line "$(printf 'CapPrm:\t%s' "$(cap_mask CHOWN)")"
	assert_line "$(printf 'CapEff:\t%s' "$(cap_mask CHOWN)")"
}

@test "root has the bounding set's capabilities and nothing inheritable by default" {
	inside_ok 'grep ^Cap /proc/self/status'
	local m
	m=$(cap_mask AUDIT_WRITE KILL NET_BIND_SERVICE)
	assert_line "$(printf 'CapInh:\t%016x' 0)"
	assert_line "$(printf 'CapPrm:\t%s' "$m")"
	assert_line "$(printf 'CapEff:\t%s' "$m")"
	assert_line "$(printf 'CapBnd:\t%s' "$m")"
	assert_line "$(printf 'CapAmb:\t%016x' 0)"
}

@test "an ordinary user without ambient capabilities has none" {
	config '.process.user = {"uid": 1000, "gid": 1000}'
	inside_ok 'grep -E "^Cap(Prm|Eff|Inh|Amb)" /proc/self/status'
	assert_eq "$(awk '{ print $2 }' <<<"$output" | sort -u)" 0000000000000000
}

@test "empty sets mean no capability at all" {
	config '.process.capabilities = {"bounding": [], "effective": [], "permitted": [], "inheritable": [], "ambient": []}'
	inside_ok 'grep ^Cap /proc/self/status'
	assert_eq "$(awk '{ print $2 }' <<<"$output" | sort -u)" 0000000000000000
}

@test "an unknown capability is a warning, the others are set" {
	config '.process.capabilities.bounding += ["CAP_TEAPOT"]'
	args /bin/grep ^CapBnd /proc/self/status
	run --separate-stderr rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_eq "$output" "$(printf 'CapBnd:\t%s' "$(cap_mask AUDIT_WRITE KILL NET_BIND_SERVICE)")"
	grep -q CAP_TEAPOT "$T/log.json" || fail "no warning: $(cat "$T/log.json")"
}

@test "a capability that this machine's root lacks is a warning" {
	need_root
	local mask
	mask=$((16#$(awk '/^CapBnd/ { print $2 }' /proc/self/status)))
	if ((mask >> 24 & 1)); then skip 'this root has every capability'; fi
	capabilities CAP_SYS_RESOURCE CAP_KILL
	args /bin/grep ^CapEff /proc/self/status
	run --separate-stderr rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_eq "$output" "$(printf 'CapEff:\t%s' "$(cap_mask KILL)")"
	grep -q CAP_SYS_RESOURCE "$T/log.json" || fail "no warning: $(cat "$T/log.json")"
}

@test "a capability that its own sets do not allow is a warning, the others are set" {
	config '.process.capabilities = {"bounding": ["CAP_CHOWN","CAP_KILL"], "permitted": ["CAP_CHOWN","CAP_KILL"],
		"effective": ["CAP_KILL","CAP_NET_RAW"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL","CAP_CHOWN"]}
		| .process.user = {"uid": 1000, "gid": 1000}'
	args /bin/grep ^Cap /proc/self/status
	run --separate-stderr rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_line "$(printf 'CapAmb:\t%s' "$(cap_mask KILL)")"
	grep -q "can't raise ambient capability CAP_CHOWN: " "$T/log.json" || fail "no warning: $(cat "$T/log.json")"
	grep -q 'capabilities.effective.*CAP_NET_RAW' "$T/log.json" || fail "no warning: $(cat "$T/log.json")"
	! grep -q 'CAP_KILL' "$T/log.json" || fail "a warning of what was set: $(cat "$T/log.json")"
}

@test "noNewPrivileges" {
	inside_ok 'grep NoNewPrivs /proc/self/status'
	assert_match '1$'
	config '.process.noNewPrivileges = false'
	inside_ok 'grep NoNewPrivs /proc/self/status'
	assert_match '0$'
	config 'del(.process.noNewPrivileges)'
	inside_ok 'grep NoNewPrivs /proc/self/status'
	assert_match '0$'
}

# ------------------------------------------------------------------ scheduling and the rest

@test "scheduler: SCHED_BATCH with a nice value" {
	config '.process.scheduler = {"policy": "SCHED_BATCH", "nice": 7}'
	inside_ok '/bin/probe scheduler'
	assert_has 'policy=3 nice=7 '
}

@test "scheduler: SCHED_FIFO with a priority" {
	if [ -n "$ROOTLESS" ]; then
		config '.process.scheduler = {"policy": "SCHED_FIFO", "priority": 12}'
		inside true
		assert_fails
		assert_at process.scheduler
		return
	fi
	need_cap SYS_NICE 23
	need_command chrt
	chrt -f 1 true 2>/dev/null || skip 'real-time scheduling is refused in this cgroup'
	config '.process.scheduler = {"policy": "SCHED_FIFO", "priority": 12}'
	inside '/bin/probe scheduler'
	if [ "$status" != 0 ]; then
		# a v1 cpu controller with RT_GROUP_SCHED gives a new cgroup no real-time budget
		assert_fails scheduler
		[ -e /sys/fs/cgroup/cpu/cpu.rt_runtime_us ] || fail 'refused without a reason of the kernel'
	else
		assert_has 'policy=1 nice=0 priority=12 '
	fi
}

@test "scheduler: SCHED_IDLE and flags" {
	config '.process.scheduler = {"policy": "SCHED_OTHER", "nice": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}'
	args /bin/probe scheduler
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_has 'policy=0 nice=3 priority=0 flags=1 '
	config '.process.scheduler = {"policy": "SCHED_IDLE"}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_has 'policy=5 '
}

@test "scheduler: SCHED_DEADLINE with its three times, or refused by name" {
	need_cap SYS_NICE 23
	config '.process.scheduler = {"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 10000000, "period": 20000000}'
	inside '/bin/probe scheduler'
	# a budget that is used up, or RT_GROUP_SCHED
	if [ "$status" != 0 ]; then
		assert_fails
		assert_at process.scheduler
		refute chrt -d --sched-runtime 1000000 --sched-deadline 10000000 --sched-period 20000000 0 true
	else
		assert_has 'policy=6 '
	fi
	assert_clean
}

@test "scheduler: SCHED_RR, and every flag of the specification is known" {
	config '.process.scheduler = {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN",
		"SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"]}'
	run rt check "$BUNDLE"
	assert_status 0
	need_cap SYS_NICE 23
	need_command chrt
	chrt -r 1 true 2>/dev/null || skip 'real-time scheduling is refused in this cgroup'
	config '.process.scheduler = {"policy": "SCHED_RR", "priority": 3}'
	inside '/bin/probe scheduler'
	if [ "$status" != 0 ]; then
		assert_fails scheduler
		[ -e /sys/fs/cgroup/cpu/cpu.rt_runtime_us ] || fail 'refused without a reason of the kernel'
	else
		assert_has 'policy=2 nice=0 priority=3 '
	fi
}

@test "a caller that is pinned to a CPU: the program has every CPU of its cgroup, and so has exec" {
	need_command taskset
	local all
	all=$(taskset -c 0-4095 "$BUNDLE/rootfs/bin/probe" affinity)
	[ "$all" != '0 ' ] || skip 'this machine has one CPU'
	args /bin/sh -c 'probe affinity; sleep 600'
	taskset -c 0 "$OCI_RT" --root "$ROOT" run --detach --bundle "$BUNDLE" "$ID" </dev/null >"$T/stdout" 2>&1 3>&-
	eventually test -s "$T/stdout"
	assert_eq "$(cat "$T/stdout")" "$all" 'CPUs of the program'
	run taskset -c 0 "$OCI_RT" --root "$ROOT" exec "$ID" probe affinity </dev/null
	assert_output "$all"
}

@test "scheduler: an unknown policy and an unknown flag are errors" {
	config '.process.scheduler = {"policy": "SCHED_TEAPOT"}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails SCHED_TEAPOT
	config '.process.scheduler = {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_TEAPOT"]}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails SCHED_FLAG_TEAPOT
}

@test "ioPriority, each class" {
	config '.process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 6}'
	args /bin/probe ioprio
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output 'class=2 level=6'
	config '.process.ioPriority = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_match '^class=3 '
	if [ "$(id -u)" = 0 ]; then
		config '.process.ioPriority = {"class": "IOPRIO_CLASS_RT", "priority": 2}'
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_output 'class=1 level=2'
	fi
	config '.process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 8}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails ioPriority
}

@test "personality" {
	config '.linux.personality = {"domain": "LINUX32"}'
	inside_ok 'uname -m; probe personality'
	assert_line 8
	# where the kernel runs 32-bit programs at all, the machine's name follows
	assert_line "$(setarch linux32 uname -m)"
	config '.linux.personality = {"domain": "LINUX"}'
	inside_ok 'probe personality'
	assert_output 0
	config '.linux.personality = {"domain": "HURD"}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails HURD
}

@test "memoryPolicy" {
	if ! "$BUNDLE/rootfs/bin/probe" mempolicy | grep -q mode; then skip 'the kernel has no NUMA memory policies'; fi
	local mode nodes want
	while read -r mode nodes want; do
		config '.linux.memoryPolicy = {"mode": $m} + if $n == "-" then {} else {"nodes": ($n | ltrimstr("-"))} end' \
			--arg m "$mode" --arg n "${nodes/empty/}"
		inside_ok 'probe mempolicy'
		assert_output "$want" || fail "$mode $nodes"
	done <<-'END'
		MPOL_DEFAULT - mode=0 nodes=0
		MPOL_DEFAULT empty mode=0 nodes=0
		MPOL_PREFERRED 0 mode=1 nodes=1
		MPOL_BIND 0 mode=2 nodes=1
		MPOL_INTERLEAVE 0 mode=3 nodes=1
		MPOL_LOCAL - mode=4 nodes=0
		MPOL_PREFERRED_MANY 0 mode=5 nodes=1
		MPOL_WEIGHTED_INTERLEAVE 0 mode=6 nodes=1
	END
	config '.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}'
	started /bin/sleep 600
	in_exec probe mempolicy
	assert_output 'mode=32770 nodes=1'
	rt delete --force "$ID"
	config '.linux.memoryPolicy = {"mode": "MPOL_TEAPOT", "nodes": "0"}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails MPOL_TEAPOT
}

@test "the session keyring is the container's own, unless --no-new-keyring" {
	probe_keyring=$("$BUNDLE/rootfs/bin/probe" keyring) || skip "the kernel refuses keyctl: $probe_keyring"
	args /bin/probe keyring
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_match ";_ses\\.$ID\$"
	run rt run --no-new-keyring --bundle "$BUNDLE" "$ID" </dev/null
	refute_has "_ses.$ID"
}

@test "the program is not ptraceable by accident: dumpable as usual after exec, no death signal, no subreaper" {
	inside_ok 'probe dumpable; probe pdeathsig; probe subreaper'
	assert_output "1
0
0"
}

@test "signals are at their defaults and none is blocked" {
	args /bin/grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status
	run sh -c 'trap "" USR1 PIPE HUP; exec "$0" "$@"' "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_line $'SigBlk:\t0000000000000000'
	assert_line $'SigIgn:\t0000000000000000'
}
