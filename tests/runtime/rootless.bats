#!/usr/bin/env bats
# A caller without privileges: user namespace, id ranges, cgroups that are his or not.
# The user is tester in the test machine's image, else uid 1000 with ranges that only a
# mount namespace of the test sees.

load helpers

setup_file() {
	[ "$(id -u)" = 0 ] || skip 'becoming another user needs root'
	command -v setpriv >/dev/null || skip 'setpriv is not installed'
}

# The user's own copy of everything, readable for him all the way down.
home() {
	USER_ID=1000
	HOME_DIR=$(mktemp -d "/tmp/$TAG.XXXXXX")
	BUNDLE=$HOME_DIR/bundle
	mkdir -p "$BUNDLE"
	cp -a "$(base_rootfs)" "$BUNDLE/rootfs"
	cp "$OCI_RT" "$HOME_DIR/rt"
	mkdir -m 700 "$HOME_DIR/run"
	chown -R "$USER_ID:$USER_ID" "$HOME_DIR"
	as_user "$HOME_DIR/rt" spec --rootless --bundle "$BUNDLE"
	config '.process.terminal = false'
}

as_user() { # COMMAND...
	setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups \
		env -i "PATH=$PATH" LC_ALL=C "HOME=$HOME_DIR" "XDG_RUNTIME_DIR=$HOME_DIR/run" "$@"
}

# urt ARG...: the runtime, as the user
urt() { as_user timeout --foreground -k 5 "${RT_TIMEOUT:-60}" "$HOME_DIR/rt" "$@"; }

# with_ranges UIDS GIDS COMMAND...: /etc/subuid and /etc/subgid have these lines meanwhile
with_ranges() {
	need_command newuidmap
	printf '%s\n' "$1" >"$T/subuid"
	printf '%s\n' "$2" >"$T/subgid"
	if [ ! -e /etc/subuid ] || [ ! -e /etc/subgid ]; then skip 'no /etc/subuid and /etc/subgid to cover'; fi
	export -f urt as_user
	export USER_ID HOME_DIR
	unshare --mount --propagation private bash -c '
		mount --bind "$1/subuid" /etc/subuid && mount --bind "$1/subgid" /etc/subgid || exit 99
		shift; "$@"' - "$T" "${@:3}"
}

teardown() {
	if [ -n "${HOME_DIR:-}" ]; then
		urt delete --force c >/dev/null 2>&1 || true
		rm -rf "$HOME_DIR"
	fi
	local d
	for d in $(cgroups_left); do rmdir "$d" || return 1; done
	rm -rf "$T"
}

ranges='.linux.uidMappings = [{containerID: 0, hostID: 1000, size: 1}, {containerID: 1, hostID: 300000, size: 1000}]
	| .linux.gidMappings = .linux.uidMappings'

@test "the configuration of spec --rootless runs as it is" {
	home
	args id
	run urt run --bundle "$BUNDLE" c </dev/null
	assert_status 0
	assert_has 'uid=0'
	[ ! -e "$HOME_DIR/run/oci-rt/c" ] || fail 'the state is still there'
}

@test "--rootless=false gives nobody privileges; a configuration without a user namespace is an error that says so" {
	home
	args id
	run urt --rootless=false run --bundle "$BUNDLE" c </dev/null
	assert_status 0
	assert_has 'uid=0'
	config 'del(.linux, .hostname, .mounts)'
	run urt run --bundle "$BUNDLE" c </dev/null
	assert_fails 'a container needs a user namespace'
}

@test "checkpoint and restore by an unprivileged user are refused with the reason" {
	home
	run urt checkpoint --image-path /tmp/x c
	assert_fails 'checkpoint and restore need root'
	run urt restore --image-path /tmp/x --bundle "$BUNDLE" c
	assert_fails 'checkpoint and restore need root'
}

@test "create, start, exec, ps, kill and delete by an unprivileged user" {
	home
	config '.process.oomScoreAdj = 77'
	args sleep 600
	urt create --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1 3>&-
	urt start c
	assert_eq "$(urt state c | jq -r .status)" running
	assert_eq "$(urt state c | jq -r .owner)" "$(getent passwd 1000 | cut -d: -f1)"
	run urt exec c cat /proc/self/uid_map
	assert_status 0
	assert_match '^ *0 +1000 +1$'
	run urt exec c sh -c 'exit 9'
	assert_status 9
	run urt exec c cat /proc/self/oom_score_adj
	assert_output 77
	run urt ps --format json c
	assert_eq "$output" "[$(urt state c | jq -r .pid)]"
	urt kill c KILL
	eventually sh -c "[ \"\$(setpriv --reuid 1000 --clear-groups env XDG_RUNTIME_DIR=$HOME_DIR/run $HOME_DIR/rt state c | jq -r .status)\" = stopped ]"
	urt delete c
	[ ! -e "$HOME_DIR/run/oci-rt/c" ] || fail 'the state is still there'
}

@test "ranges of /etc/subuid and /etc/subgid are mapped" {
	home
	config "$ranges | .process.user = {uid: 33, gid: 34, additionalGids: [5]}"
	args sh -c 'id; cat /proc/self/uid_map /proc/self/gid_map'
	run with_ranges 1000:300000:1000 1000:300000:1000 urt run --bundle "$BUNDLE" c </dev/null
	assert_status 0
	assert_has 'uid=33 gid=34 groups=5'
	assert_match '^ *1 +300000 +1000$'
}

@test "additional groups that a single mapping cannot give are an error that names them" {
	home
	config '.process.user.additionalGids = [5]'
	args id
	run urt run --bundle "$BUNDLE" c </dev/null
	assert_status 1
	assert_has 'additionalGids[0]'
	# mapped, but setgroups(2) is denied to whoever maps only himself: refused by name or left out with a warning
	config '.process.user.additionalGids = [0]'
	run urt run --bundle "$BUNDLE" c </dev/null
	if [ "$status" = 0 ]; then assert_has additionalGids; else assert_has roups; fi
}

@test "a missing range is an error that names it and the file" {
	home
	config "$ranges"
	args true
	run with_ranges 1000:400000:1000 1000:300000:1000 urt run --bundle "$BUNDLE" c </dev/null
	assert_status 1
	assert_has linux.uidMappings
	assert_has 300000
	assert_has /etc/subuid
	run with_ranges 1000:300000:1000 1000:300000:10 urt run --bundle "$BUNDLE" c </dev/null
	assert_status 1
	assert_has linux.gidMappings
	assert_has /etc/subgid
}

@test "without rights to cgroups: none when no limit is asked for, else an error that names the delegation" {
	home
	args cat /proc/self/cgroup
	run urt run --bundle "$BUNDLE" c </dev/null
	assert_status 0
	config '.linux.cgroupsPath = "/'"$ID"'/c"'
	run urt run --bundle "$BUNDLE" c </dev/null
	assert_status 0
	config '.linux.resources.pids.limit = 50'
	run urt run --bundle "$BUNDLE" c </dev/null
	assert_status 1
	assert_has delegated
	assert_has 'user 1000'
}

@test "what a container without a cgroup cannot do says so" {
	home
	args sleep 600
	urt run --detach --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1 3>&-
	run urt pause c
	assert_status 1
	assert_has 'no cgroup'
	run urt update --pids-limit 5 c
	assert_status 1
	assert_has cgroup
	urt delete --force c
}

@test "root of a user namespace, as a rootless engine calls it" {
	home
	config '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)
		| .linux.cgroupsPath = "/'"$ID"'/c"'
	args id
	run as_user unshare --user --map-root-user --mount "$HOME_DIR/rt" run --bundle "$BUNDLE" c </dev/null
	assert_status 0
	assert_has 'uid=0'
	[ -d "$HOME_DIR/run/oci-rt" ] || fail "the state is not in the user's directory"
}

@test "a new time namespace, with offsets, for the program and for exec" {
	[ -e /proc/self/ns/time ] || skip 'the kernel has no time namespaces'
	need_kernel 6.2 'execve into a new time namespace'
	home
	config '.linux.namespaces += [{"type": "time"}] | .linux.timeOffsets = {"boottime": {"secs": 1000000}} | .process.args = ["sleep", "600"]'
	urt create --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1 3>&-
	run urt exec c echo before start
	assert_output 'before start'
	urt start c
	run urt exec c sh -c 'readlink /proc/self/ns/time; readlink /proc/1/ns/time; cut -d. -f1 /proc/uptime; cat /proc/1/timens_offsets'
	assert_status 0
	assert_eq "${lines[0]}" "${lines[1]}"
	assert_ne "${lines[0]}" "$(readlink /proc/self/ns/time)"
	[ "${lines[2]}" -ge 1000000 ] || fail 'no offset'
	assert_match '^boottime +1000000 +0$'
}

@test "a new time namespace on a kernel whose execve does not enter it is an error that says so" {
	[ -e /proc/self/ns/time ] || skip 'the kernel has no time namespaces'
	home
	config '.linux.namespaces += [{"type": "time"}] | .process.args = ["true"]'
	# the version is what uname(2) says, and that a process may choose
	need_command setarch
	run as_user setarch "$(uname -m)" --uname-2.6 "$HOME_DIR/rt" run --bundle "$BUNDLE" c </dev/null
	assert_status 1
	assert_has 'needs Linux 6.2, this is 2.6'
	assert_has linux.namespaces
	[ ! -e "$HOME_DIR/run/oci-rt/c" ] || fail 'the state is still there'
}

@test "devices: the host's at its place, a pipe, and no error for rules that nobody without privileges can load" {
	home
	config '.linux.devices = [{"path": "/dev/kmsg//", "type": "c", "major": 1, "minor": 11},
		{"path": "/dev/dir/deep/pipe", "type": "p", "fileMode": 420, "uid": 0, "gid": 0}]
		| .linux.resources.devices = [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 12, "access": "rwm"}]'
	args sh -c 'stat -c "%n %F %t:%T" /dev/kmsg; stat -c "%n %F %a %u %g" /dev/dir/deep/pipe; probe open /dev/null rw
		probe mknod /dev/k c 1 12; probe mknod /dev/b b 7 0; true'
	run urt run --bundle "$BUNDLE" c </dev/null
	assert_output "/dev/kmsg character special file 1:b
/dev/dir/deep/pipe fifo 644 0 0
ok
EPERM
EPERM"
}

@test "devices: one that the host does not have, or has with other numbers, is an error that says so" {
	home
	config '.linux.devices = [{"path": "/dev/nowhere", "type": "c", "major": 1, "minor": 3}]'
	run urt run --bundle "$BUNDLE" c </dev/null
	assert_fails 'linux.devices[0]'
	assert_has 'the host must have it at the same path'
	config '.linux.devices = [{"path": "/dev/full", "type": "c", "major": 1, "minor": 3}]'
	run urt run --bundle "$BUNDLE" c </dev/null
	assert_fails "the host's /dev/full is another device"
}

# ------------------------------------------------ with delegation: systemd's user instance

delegated() {
	command -v as-user >/dev/null || skip 'needs a systemd user instance (the test machine has one)'
	home
	config '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 50}}'
	cat >"$HOME_DIR/life" <<-'S'
	set -e
	cd "$(dirname "$0")"
	rt() { ./rt --root "$XDG_RUNTIME_DIR/$TAG" $1 "${@:2}"; }
	rt "$1" create --bundle bundle c </dev/null >/dev/null
	rt '' start c
	g=/sys/fs/cgroup$(cut -d: -f3 "/proc/$(rt '' state c | jq -r .pid)/cgroup")
	echo "limits $(cat "$g/memory.max" "$g/pids.max" | paste -sd ' ')"
	echo "exec $(rt '' exec c cat /proc/self/cgroup)"
	rt '' update --memory 50331648 --pids-limit 33 c
	echo "updated $(cat "$g/memory.max" "$g/pids.max" | paste -sd ' ')"
	rt '' pause c
	echo "status $(rt '' state c | jq -r .status)"
	rt '' resume c
	rt '' kill c KILL
	while [ "$(rt '' state c | jq -r .status)" != stopped ]; do sleep 0.1; done
	rt '' delete c
	[ -e "$g" ] || echo gone
	S
	args sleep 600
}

lived() {
	assert_status 0
	assert_line 'limits 67108864 50'
	assert_line 'exec 0::/'
	assert_line 'updated 50331648 33'
	assert_line 'status paused'
	assert_line gone
}

@test "cgroupfs below the user's own tree: limits, exec, update, pause, delete" {
	delegated
	run as-user env "TAG=$TAG" bash "$HOME_DIR/life" ''
	lived
}

@test "a scope of the user's systemd: limits, exec, update, pause, delete" {
	delegated
	run as-user env "TAG=$TAG" bash "$HOME_DIR/life" --systemd-cgroup
	lived
}

@test "run.oci.systemd.subgroup: a cgroup below the scope's carries container and limits" {
	delegated
	config '.annotations["run.oci.systemd.subgroup"] = "inner"'
	sed -i 's/^echo "limits/echo "place ${g##*.scope}"\n&/' "$HOME_DIR/life"
	run as-user env "TAG=$TAG" bash "$HOME_DIR/life" --systemd-cgroup
	assert_line 'place /inner'
	lived
	config '.annotations["run.oci.systemd.subgroup"] = "../x"'
	run as-user "$HOME_DIR/rt" --systemd-cgroup run --bundle "$BUNDLE" c
	assert_status 1
	assert_has run.oci.systemd.subgroup
}

@test "a scope of the user's systemd, entered from a session beside it" {
	delegated
	run as_user "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus" XDG_RUNTIME_DIR=/run/user/1000 "TAG=$TAG" \
		bash "$HOME_DIR/life" --systemd-cgroup
	lived
}
