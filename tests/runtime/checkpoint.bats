#!/usr/bin/env bats
# checkpoint, restore and mounts.  Where the kernel and criu work together (the virtual
# machine with --backend tcg) containers are really dumped and restored; elsewhere a program
# that speaks criu's protocol stands in for it.

load helpers

setup_file() {
	if command -v criu >/dev/null && criu check >/dev/null 2>&1; then touch "$BATS_FILE_TMPDIR/criu-works"; fi
}

prepare() {
	case $BATS_TEST_DESCRIPTION in features* | mounts*) ;; *) need_root ;; esac
}

need_criu() { [ -e "$BATS_FILE_TMPDIR/criu-works" ] || skip 'criu does not work on this host (criu check)'; }

# fake_criu ANSWER: criu is tests/lib/fakecriu.py
fake_criu() {
	mkdir -p "$T/fake"
	printf '#!/bin/sh\nexec %s %s "$@"\n' "$PYTHON" "$LIB/fakecriu.py" >"$T/fake/criu"
	chmod +x "$T/fake/criu"
	echo "$1" >"$T/fake/answer"
	export FAKE_CRIU=$T/fake PATH=$T/fake:$PATH
}
# request EXPR: of the last request, with jq
request() { tail -n 1 "$T/fake/requests" | jq -r "$1"; }

# counting: a container that counts, without a network of its own (criu would need iptables)
counting() {
	config '.linux.namespaces |= map(select(.type != "network"))'
	args /bin/sh -c 'i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done'
}
# silent, for ever; criu interrupts a sleep, so that alone would end
LOOP=(/bin/sh -c 'while :; do sleep 0.2; done')
# beyond FILE N: the last number counted in FILE is greater
beyond() { [ "$(grep -a tick "$1" | tail -n 1 | tr -cd 0-9)" -gt "$2" ]; }
last_tick() { grep -a tick "$1" | tail -n 1 | tr -cd 0-9; }

# ------------------------------------------------------------------ the command line

@test "features: checkpoint is there" {
	run rt features
	assert_eq "$(jq -r '.annotations["org.opencontainers.runc.checkpoint.enabled"]' <<<"$output")" true
	assert_eq "$(jq -r '.potentiallyUnsafeConfigAnnotations | index("org.criu.config") != null' <<<"$output")" true
}

@test "what an option cannot mean is refused by name" {
	local o
	for o in '--manage-cgroups-mode=some' '--network-lock=x' '--page-server=x' '--page-server=host:0' '--status-fd=77' \
		'--empty-ns=ipc' '--image-path='; do
		run rt checkpoint "$o" "$ID"
		assert_fails "${o%%=*}"
	done
	run rt restore --lsm-profile profile --bundle "$BUNDLE" "$ID"
	assert_fails '--lsm-profile'
	run rt checkpoint --no-such "$ID"
	assert_fails 'unknown option --no-such'
}

@test "only a container that runs can be dumped" {
	run rt checkpoint --image-path "$T/image" "$ID"
	assert_fails 'does not exist'
	rtd create --bundle "$BUNDLE" "$ID"
	run rt checkpoint --image-path "$T/image" "$ID"
	assert_fails 'in state created'
	rt start "$ID"
	rt kill "$ID" KILL
	wait_status stopped
	run rt checkpoint --image-path "$T/image" "$ID"
	assert_fails 'container not running'
	[ ! -e "$T/image" ]
}

# ------------------------------------------------------------------ the protocol

@test "every option of checkpoint reaches criu" {
	fake_criu ok
	mkdir -p "$T/earlier"
	started
	rt checkpoint --image-path "$T/image" --work-path "$T/criu-work" --leave-running --tcp-established --ext-unix-sk \
		--shell-job --file-locks --parent-path ../earlier --manage-cgroups-mode strict --tcp-skip-in-flight --link-remap \
		--auto-dedup --lazy-pages --page-server 127.0.0.1:27 --empty-ns network --network-lock nftables "$ID"
	assert_eq "$(request .type)" 1
	assert_eq "$(request '[.opts[("3", "4", "5", "7", "8", "15", "16", "18", "46", "48")][0]] | add')" 10
	assert_eq "$(request '.opts["2"][0]')" "$(pid_of)"
	assert_eq "$(request '.opts["14"][0]')" ../earlier
	assert_eq "$(request '.opts["34"][0]')" 5
	assert_eq "$(request '.opts["38"][0]')" 1073741824
	assert_eq "$(request '.opts["64"][0]')" 2
	assert_eq "$(request '.opts["10"][0]')" dump.log
	[ -e "$T/criu-work/dump.log" ]
	assert_eq "$(status_of)" running
}

@test "pre-dump leaves the container alone" {
	fake_criu ok
	started
	rt checkpoint --pre-dump --image-path "$T/image" "$ID"
	assert_eq "$(request .type)" 4
	assert_eq "$(request '.opts["15"][0]')" 1
	assert_eq "$(status_of)" running
}

@test "what comes from outside is named: binds through links, masked files, stdio" {
	fake_criu ok
	mkdir -p "$T/source" "$BUNDLE/rootfs/real"
	ln -s real "$BUNDLE/rootfs/link"
	config '.mounts += [{destination: "/link/data", type: "bind", source: $s, options: ["rbind"]}]' --arg s "$T/source"
	started
	rt checkpoint --leave-running --image-path "$T/image" "$ID"
	# a message of two strings: field 1 and 2
	run request '.opts["23"][]'
	assert_has $'/real/data\x12\n/real/data'
	assert_has $'/proc/timer_list\x12\t/dev/null'
	cgroup_v2 || assert_has $'/sys/fs/cgroup/pids\x12\x13/sys/fs/cgroup/pids'
	assert_eq "$(jq -r '.[0]' "$T/image/descriptors.json")" /dev/null
	run jq -r '.[1]' "$T/image/descriptors.json"
	assert_match '^file\[[0-9a-f]+:[0-9a-f]+\]$'
	assert_eq "$(request '.opts["37"] | length > 1')" true
	assert_eq "$(jq -r '.[3] | startswith("null:file[")' "$T/image/descriptors.json")" true
}

@test "what comes from outside is named: bound cgroup hierarchies" {
	local point
	[ -d /sys/fs/cgroup/memory ] || skip 'no hierarchy of cgroup v1 is mounted on this host'
	fake_criu ok
	started
	rt checkpoint --leave-running --image-path "$T/image" "$ID"
	run request '.opts["23"][]'
	assert_has /sys/fs/cgroup/
	while read -r point; do
		assert_has "$point"
	done < <(awk '$5 ~ "^/sys/fs/cgroup/" { print $5 }' "/proc/$(pid_of)/mountinfo")
}

@test "a dumped container is gone" {
	fake_criu ok
	started
	rt checkpoint --image-path "$T/image" "$ID"
	run rt state "$ID"
	assert_fails 'does not exist'
}

@test "a failure says what criu's log says, without the words of a missing program" {
	fake_criu fail
	started
	run rt checkpoint --image-path "$T/image" "$ID"
	assert_fails 'fake: ENOENT'
	refute_has 'No such file'
	refute_has 'FAILED'
	assert_has "$T/image/dump.log"
	assert_eq "$(status_of)" running
}

@test "org.criu.config: a file, none, one that is missing" {
	fake_criu ok
	echo >"$T/criu.conf"
	config '.annotations["org.criu.config"] = $f' --arg f "$T/criu.conf"
	started
	rt checkpoint --leave-running --image-path "$T/image" "$ID"
	assert_eq "$(request '.opts["51"][0]')" "$T/criu.conf"
	rm "$T/criu.conf"
	run rt checkpoint --leave-running --image-path "$T/image" "$ID"
	assert_fails org.criu.config
}

@test "--parent-path must be relative and lead somewhere" {
	started
	run rt checkpoint --image-path "$T/image" --parent-path "$T" "$ID"
	assert_fails 'must be relative'
	run rt checkpoint --image-path "$T/image" --parent-path ../none "$ID"
	assert_fails --parent-path
}

@test "what criu cannot do is refused before it starts" {
	config '(.linux.namespaces[] | select(.type == "mount")).path = "/proc/self/ns/mnt"'
	mkdir "$T/image"
	echo '["/dev/null","/dev/null","/dev/null"]' >"$T/image/descriptors.json"
	run rt restore --image-path "$T/image" --bundle "$BUNDLE" "$ID"
	assert_fails 'joined a mount namespace'
}

@test "restore refuses an image that leads elsewhere, and leaves nothing" {
	mkdir "$T/image"
	run rt restore --image-path "$T/nowhere" --bundle "$BUNDLE" "$ID"
	assert_fails "$T/nowhere"
	run rt restore --image-path "$T/image" --bundle "$BUNDLE" "$ID"
	assert_fails descriptors.json
	echo '["pipe:[1]","pipe:[1]","x"]' >"$T/image/descriptors.json"
	echo precious >"$T/precious"
	ln -s "$T/precious" "$T/image/pages-1.img"
	run rt restore --image-path "$T/image" --bundle "$BUNDLE" "$ID"
	assert_fails 'pages-1.img is a link'
	rm "$T/image/pages-1.img"
	ln -s "$T/precious" "$T/image/restore.log"
	run rt restore --image-path "$T/image" --bundle "$BUNDLE" "$ID"
	assert_fails
	assert_eq "$(cat "$T/precious")" precious
	assert_clean
}

@test "restore takes what engines pass" {
	mkdir "$T/image"
	run rt restore --image-path "$T/image" --work-path "$T/criu-work" --parent-path ../x --detach --pid-file "$T/pid" --no-pivot \
		-no-subreaper --bundle "$BUNDLE" "$ID"
	assert_fails descriptors.json
	run rt restore --bundle "$BUNDLE" --pid-file "$T/pid" --detach --image-path "$T/image" --work-path "$T/criu-work" \
		--tcp-established --tcp-close --file-locks --lsm-profile=apparmor:x --lsm-mount-context=a:b:c:s0 "$ID"
	assert_fails descriptors.json
	[ ! -e "$T/pid" ]
}

# ------------------------------------------------------------------ for real

@test "dump and restore: it goes on where it was, with the new caller's stdio" {
	local n
	need_criu
	mkdir "$T/source"
	echo bound >"$T/source/file"
	counting
	config '.mounts += [{destination: "/mnt/data", type: "bind", source: $s, options: ["rbind", "rprivate"]}] |
		.hooks = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "jq -r .status >>\($t)/hook"], "env": ["PATH=/usr/bin:/bin"]}],
			"poststart": [{"path": "/bin/sh", "args": ["sh", "-c", "jq -r .status >>\($t)/hook"], "env": ["PATH=/usr/bin:/bin"]}]}' \
		--arg s "$T/source" --arg t "$T"
	(rt run -d --bundle "$BUNDLE" "$ID" </dev/null 2>&1 | cat >"$T/first") 3>&- 4>&- &
	eventually beyond "$T/first" 2
	rt checkpoint --image-path "$T/image" --work-path "$T/criu-work" "$ID"
	wait
	n=$(last_tick "$T/first")
	rm "$T/hook"
	(rt restore -d --bundle "$BUNDLE" --image-path "$T/image" --work-path "$T/criu-work" --pid-file "$T/pid" "$ID" \
		</dev/null 2>&1 | cat >"$T/second") 3>&- 4>&- &
	eventually test -s "$T/pid" || cat "$T/second"
	assert_eq "$(status_of)" running
	assert_eq "$(cat "$T/pid")" "$(pid_of)"
	eventually beyond "$T/second" "$((n + 1))"
	assert_eq "$(grep -m 1 tick "$T/second")" "tick $((n + 1))"
	in_exec cat /mnt/data/file
	assert_output bound
	assert_eq "$(cat "$T/hook")" $'creating\nrunning'
	run cat "/proc/$(pid_of)/cgroup"
	assert_has "/$ID"
	# nothing of criu's own mounts is left on the host
	refute grep -q criu-root /proc/self/mountinfo
	# exec is in its time namespace too
	in_exec readlink /proc/self/ns/time
	assert_output "$(readlink "/proc/$(pid_of)/ns/time")"
	rt kill "$ID" KILL
	wait_status stopped
	rt delete "$ID"
}

@test "dump and restore on cgroup v1: the container sees its new cgroups where the old ones were" {
	need_v1
	need_criu
	counting
	started "${LOOP[@]}"
	in_exec sh -c 'ls /sys/fs/cgroup; grep cgroup /proc/self/mounts'
	local before=$output
	rt checkpoint --image-path "$T/image" "$ID"
	rtd restore -d --bundle "$BUNDLE" --image-path "$T/image" "$ID"
	in_exec sh -c 'ls /sys/fs/cgroup; grep cgroup /proc/self/mounts'
	assert_output "$before"
	in_exec cat /sys/fs/cgroup/pids/tasks
	assert_line 1
	[ "$(stat -c %i "/proc/$(pid_of)/root/sys/fs/cgroup/pids")" = "$(stat -c %i "$(cgdir pids)")" ]
}

# criu opens images, and files outside, as root of the user namespace.
@test "dump and restore with a user namespace; images out of its root's reach are refused by name" {
	need_criu
	counting
	# criu 4.1 cannot restore a cgroup namespace beside it
	config '.linux.namespaces |= map(select(.type != "cgroup")) + [{type: "user"}] |
		.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] | .linux.gidMappings = .linux.uidMappings | .mounts |= map(select(.destination | startswith("/sys") | not))'
	chown -R 100000:100000 "$BUNDLE/rootfs"
	(rt run -d --bundle "$BUNDLE" "$ID" </dev/null 2>&1 | cat >"$T/first") 3>&- 4>&- &
	eventually beyond "$T/first" 1
	rt checkpoint --image-path "$T/image" "$ID"
	run rt restore -d --bundle "$BUNDLE" --image-path "$T/image" "$ID"
	assert_fails "$T/image"
	assert_has 'user 100000'
	assert_clean
	chmod 711 "$T/image"
	(rt restore -d --bundle "$BUNDLE" --image-path "$T/image" "$ID" </dev/null 2>&1 | cat >"$T/second") 3>&- 4>&- &
	eventually beyond "$T/second" "$(last_tick "$T/first")" || fail "$(cat "$T/second")"
	in_exec sh -c 'cat /proc/1/uid_map; id -u; readlink /proc/self/ns/user'
	assert_eq "$(awk '{ print $1, $2, $3; exit }' <<<"$output")" '0 100000 1000'
	assert_line 0
	assert_line "$(readlink "/proc/$(pid_of)/ns/user")"
	assert_eq "$(stat -c %u "/proc/$(pid_of)")" 100000
}

@test "a file outside as stdout; pre-dump, leave running, then a dump on top of it" {
	local n
	need_criu
	counting
	args /bin/sh -c 'i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done 2>&1'
	rt run -d --bundle "$BUNDLE" "$ID" </dev/null >>"$T/stdout" 2>>"$T/stdout" 3>&- 4>&-
	eventually beyond "$T/stdout" 1
	if rt checkpoint --pre-dump --image-path "$T/before" "$ID" 2>"$T/why"; then
		assert_eq "$(status_of)" running
		rt checkpoint --image-path "$T/image" --parent-path ../before "$ID"
		[ -L "$T/image/parent" ]
	else
		grep -q 'track memory' "$T/why" || fail "$(cat "$T/why")"
		rt checkpoint --leave-running --image-path "$T/image" "$ID"
		assert_eq "$(status_of)" running
		rt checkpoint --image-path "$T/image" "$ID"
	fi
	n=$(last_tick "$T/stdout")
	# criu wants the file as it was
	rt restore -d --bundle "$BUNDLE" --image-path "$T/image" "$ID" </dev/null >>"$T/stdout" 2>>"$T/stdout" 3>&- 4>&-
	eventually beyond "$T/stdout" "$n"
	assert_eq "$(status_of)" running
}

@test "a terminal is handed over again" {
	need_criu
	receiver tty
	counting
	config '.process.terminal = true'
	rtd create --bundle "$BUNDLE" --console-socket "$T/tty.sock" "$ID"
	rt start "$ID"
	eventually beyond "$T/tty/tty" 1
	rt checkpoint --image-path "$T/image" "$ID"
	background "$PYTHON" "$LIB/recvfd.py" tty "$T/tty2.sock" "$T/tty2" ''
	eventually test -e "$T/tty2/ready"
	rtd restore -d --bundle "$BUNDLE" --image-path "$T/image" --console-socket "$T/tty2.sock" "$ID"
	eventually beyond "$T/tty2/tty" 1
}

@test "in the foreground: status of the program, and it is deleted" {
	need_criu
	counting
	args /bin/sh -c 'trap "exit 7" TERM; while :; do echo tick 1; sleep 0.2; done'
	(rt run -d --bundle "$BUNDLE" "$ID" </dev/null 2>&1 | cat >"$T/first") 3>&- 4>&- &
	eventually grep -q tick "$T/first"
	rt checkpoint --image-path "$T/image" "$ID"
	(
		(
			rc=0
			rt restore --bundle "$BUNDLE" --image-path "$T/image" "$ID" </dev/null || rc=$?
			echo "$rc" >"$T/rc"
		) 2>&1 | cat >"$T/second"
	) 3>&- 4>&- &
	eventually grep -q tick "$T/second"
	wait_status running
	rt kill "$ID" TERM
	eventually test -s "$T/rc"
	assert_eq "$(cat "$T/rc")" 7
	run rt state "$ID"
	assert_fails 'does not exist'
}

@test "namespaces by path: the container comes back into the new ones" {
	local holder
	need_criu
	unshare --net --ipc sleep 600 3>&- 4>&- &
	holder=$!
	HELPERS+=("$holder")
	counting
	eventually test "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$holder/ns/net")"
	config '.linux.namespaces += [{type: "network", path: "/proc/\($p)/ns/net"}]' --arg p "$holder"
	started "${LOOP[@]}"
	rt checkpoint --image-path "$T/image" --network-lock skip "$ID"
	rtd restore -d --bundle "$BUNDLE" --image-path "$T/image" --network-lock skip "$ID"
	assert_eq "$(readlink "/proc/$(pid_of)/ns/net")" "$(readlink "/proc/$holder/ns/net")"
}

@test "the systemd manager: the restored container has its scope" {
	need_criu
	[ -d /run/systemd/system ] || skip 'systemd is not PID 1'
	counting
	args "${LOOP[@]}"
	config '.linux.cgroupsPath = "system.slice:\($t):\($i)"' --arg t "$TAG" --arg i "$ID"
	rtd --systemd-cgroup run -d --bundle "$BUNDLE" "$ID"
	rt checkpoint --image-path "$T/image" "$ID"
	rtd --systemd-cgroup restore -d --bundle "$BUNDLE" --image-path "$T/image" "$ID"
	run cat "/proc/$(pid_of)/cgroup"
	assert_has "$TAG-$ID.scope"
	rt pause "$ID"
	rt resume "$ID"
	rt delete --force "$ID"
}

# ------------------------------------------------------------------ mounts

@test "mounts add and remove: binds, files, tmpfs" {
	started
	mkdir "$T/source"
	echo there >"$T/source/file"
	jq -n --arg s "$T/source" '[{destination: "/new/dir", type: "bind", source: $s, options: ["rbind", "ro"]},
		{destination: "/new/file", source: "\($s)/file", options: ["bind"]},
		{destination: "/new/dir2", type: "tmpfs", source: "tmpfs", options: ["size=64k", "nosuid"]}]' >"$T/mounts.json"
	if [ -n "$ROOTLESS" ]; then
		run rt mounts add "$ID" "$T/mounts.json"
		assert_fails "clone the mount of \"$T/source\": not allowed"
		jq '[.[2]]' "$T/mounts.json" >"$T/tmpfs.json"
		rt mounts add "$ID" "$T/tmpfs.json"
		in_exec grep /new/dir2 /proc/mounts
		assert_match 'tmpfs /new/dir2 tmpfs rw,.*size=64k'
		return
	fi
	rt mounts add "$ID" "$T/mounts.json"
	in_exec cat /new/dir/file /new/file
	assert_output $'there\nthere'
	in_exec touch /new/dir/x
	assert_ne "$status" 0
	in_exec grep /new/dir2 /proc/mounts
	assert_match 'tmpfs /new/dir2 tmpfs rw,(seclabel,)?nosuid.*size=64k'
	rt mounts remove "$ID" "$T/mounts.json"
	in_exec grep -c /new/ /proc/mounts
	assert_output 0
	run rt mounts remove "$ID" "$T/mounts.json"
	assert_fails 'nothing is mounted'
}

@test "mounts: all or nothing, and never out of the root" {
	started
	ln -s /../../../.. "$BUNDLE/rootfs/out"
	mkdir "$T/source"
	jq -n '[{destination: "/one", type: "tmpfs"}, {destination: "/proc/sys", type: "tmpfs"}]' >"$T/mounts.json"
	run rt mounts add "$ID" "$T/mounts.json"
	assert_fails 'mounts[1]'
	in_exec grep -c ' /one ' /proc/mounts
	assert_output 0
	jq -n --arg d "/out$T/source" '{mounts: [{destination: $d, type: "tmpfs"}]}' >"$T/mounts.json"
	rt mounts add "$ID" "$T/mounts.json"
	refute mountpoint -q "$T/source"
	in_exec grep -c "$T/source" /proc/mounts
	assert_output 1
	jq -n '[{destination: "/p", type: "proc"}]' >"$T/mounts.json"
	run rt mounts add "$ID" "$T/mounts.json"
	assert_fails 'at create only'
	run rt mounts change "$ID" "$T/mounts.json"
	assert_fails 'expected add or remove'
}

@test "mounts in a container with a user namespace" {
	config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] |
		.linux.gidMappings = .linux.uidMappings'
	chmod 755 "$T" "$BUNDLE" 2>/dev/null
	chown -R 100000:100000 "$BUNDLE/rootfs"
	started
	jq -n '[{destination: "/fresh", type: "tmpfs"}]' >"$T/mounts.json"
	rt mounts add "$ID" "$T/mounts.json"
	in_exec sh -c 'echo x >/fresh/file && stat -c %u /fresh'
	assert_output 0
}
