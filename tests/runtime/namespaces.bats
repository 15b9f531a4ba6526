#!/usr/bin/env bats
# Namespaces: new, joined by path, inherited; user and time namespaces; host and domain name.

load helpers

# ns TYPE [PID]: the identity of a namespace
ns() { readlink "/proc/${2:-self}/ns/$1"; }

# holder UNSHARE-OPTION...: a process with namespaces of its own; sets HOLDER to its pid.  An ordinary user's are below a
# user namespace, which the container has to join as well.
holder() {
	local user=()
	[ -z "$ROOTLESS" ] || user=(--user --map-root-user --map-auto)
	command unshare "${user[@]}" "$@" --fork --kill-child sleep 600 3>&- 4>&- </dev/null >/dev/null 2>&1 &
	local up=$!
	HELPERS+=("$up")
	eventually holding "$up"
	HELPERS=("$HOLDER" "${HELPERS[@]}")
	if [ -n "$ROOTLESS" ]; then
		set_namespace user "/proc/$HOLDER/ns/user"
		config 'del(.linux.uidMappings, .linux.gidMappings)'
	fi
}

# beside it unshare may have a child that maps its ids
holding() {
	local p
	for p in $(cat "/proc/$1/task/$1/children"); do
		HOLDER=$p
		if grep -q sleep "/proc/$p/comm"; then return; fi
	done
	return 1
}

# set_namespace TYPE [PATH]: replaces or adds
set_namespace() {
	config '.linux.namespaces |= (map(select(.type != $t)) + [{"type": $t} + (if $p == "" then {} else {"path": $p} end)])' \
		--arg t "$1" --arg p "${2:-}"
}

@test "each namespace of the list is new" {
	if ! cgroup_v2; then set_namespace cgroup; fi
	inside_ok 'for n in pid net ipc uts mnt cgroup; do echo $n $(readlink /proc/self/ns/$n); done'
	local n
	for n in pid net ipc uts mnt cgroup; do
		assert_match "^$n $n:\\[[0-9]+\\]"
		refute_line "$n $(ns "$n")"
	done
}

@test "namespaces that are not listed are inherited" {
	local n all='pid net ipc uts cgroup time user'
	shares pid network ipc uts cgroup
	[ -z "$ROOTLESS" ] || all=${all% user}
	inside_ok "for n in $all; do echo \$n \$(readlink /proc/self/ns/\$n); done"
	for n in $all; do assert_line "$n $(ns "$n")"; done
}

@test "without a mount namespace the host's is inherited, and delete leaves its mounts as they were" {
	need_root
	config '.linux.namespaces |= map(select(.type != "mount"))'
	local before
	before=$(cut -d' ' -f1-7 /proc/self/mountinfo)
	inside_ok 'readlink /proc/self/ns/mnt; ls /; cat /proc/sys/kernel/hostname; ! ls -d /proc/1/root/nowhere'
	assert_line "$(ns mnt)"
	assert_line testbox
	refute_line boot
	assert_eq "$(cut -d' ' -f1-7 /proc/self/mountinfo)" "$before" 'mounts of the host'
	started sleep 600
	in_exec sh -c 'readlink /proc/self/ns/mnt; echo here >/from-exec; pwd'
	assert_status 0
	assert_line "$(ns mnt)"
	assert_line /
	assert_eq "$(cat "$BUNDLE/rootfs/from-exec")" here
	run rt mounts add "$ID" "$BUNDLE/config.json"
	assert_fails 'no mount namespace of its own'
	rt delete --force "$ID"
	assert_eq "$(cut -d' ' -f1-7 /proc/self/mountinfo)" "$before" 'mounts of the host'
}

@test "a failing create without a mount namespace leaves no mount" {
	local before
	before=$(cut -d' ' -f1-7 /proc/self/mountinfo)
	config '.linux.namespaces |= map(select(.type != "mount")) | .process.args = ["/nowhere"]'
	run rt create --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails
	assert_eq "$(cut -d' ' -f1-7 /proc/self/mountinfo)" "$before" 'mounts of the host'
}

@test "a user namespace without a mount namespace is an error" {
	config '.linux.namespaces |= (map(select(.type != "mount" and .type != "user")) + [{"type": "user"}])
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 10}] | .linux.gidMappings = .linux.uidMappings'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'needs a mount namespace'
}

@test "a namespace with a path is joined: network, ipc, uts, cgroup" {
	holder --net --ipc --uts --cgroup
	local n pair
	for pair in network:net ipc:ipc uts:uts cgroup:cgroup; do
		set_namespace "${pair%:*}" "/proc/$HOLDER/ns/${pair#*:}"
	done
	config 'del(.hostname)'
	inside_ok 'for n in net ipc uts cgroup; do echo $n $(readlink /proc/self/ns/$n); done'
	for n in net ipc uts cgroup; do assert_line "$n $(ns "$n" "$HOLDER")"; done
}

@test "a pid namespace with a path is joined" {
	holder --pid
	set_namespace pid "/proc/$HOLDER/ns/pid"
	inside_ok 'readlink /proc/self/ns/pid; echo $$'
	assert_line "$(ns pid "$HOLDER")"
	refute_line 1
}

@test "a mount namespace with a path is joined" {
	holder --mount
	command nsenter --target "$HOLDER" ${ROOTLESS:+--user --preserve-credentials} --mount sh -c "mkdir $T/mnt && mount -t tmpfs mark $T/mnt && touch $T/mnt/here && mkdir $BUNDLE/rootfs/seen"
	set_namespace mount "/proc/$HOLDER/ns/mnt"
	config '.mounts += [{"destination": "/seen", "type": "bind", "source": $s, "options": ["rbind"]}]' --arg s "$T/mnt"
	inside_ok 'ls /seen'
	assert_line here
}

@test "a user namespace with a path is joined" {
	if [ -n "$ROOTLESS" ]; then holder --net --mount; else holder --user --map-root-user --net --mount; fi
	local id
	id=$(ns user "$HOLDER")
	set_namespace user "/proc/$HOLDER/ns/user"
	config '.mounts |= map(select(.type != "cgroup"))'
	inside_ok 'readlink /proc/self/ns/user; id -u'
	assert_line "$id"
	assert_line 0
}

@test "a time namespace with a path is joined" {
	[ -e /proc/self/ns/time ] || skip 'the kernel has no time namespaces'
	holder --time --boottime 1000000
	set_namespace time "/proc/$HOLDER/ns/time_for_children"
	inside_ok 'readlink /proc/self/ns/time'
	assert_output "$(readlink "/proc/$HOLDER/ns/time_for_children")"
}

@test "a path of the wrong namespace type is an error that names both" {
	local pair
	for pair in network:ipc ipc:uts uts:net pid:mnt mount:pid cgroup:net; do
		bundle wrong-${pair%:*}
		args /bin/true
		set_namespace "${pair%:*}" "/proc/self/ns/${pair#*:}"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 1
		assert_has "/proc/self/ns/${pair#*:}"
	done
	assert_clean
}

@test "a namespace path that does not exist or is no namespace is an error" {
	local p
	for p in "$T/missing" /dev/null "$T"; do
		set_namespace network "$p"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 1
		assert_has "$p"
	done
	assert_clean
}

@test "a namespace listed twice is an error" {
	config '.linux.namespaces += [{"type": "network"}]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_at 'linux.namespaces'
	assert_clean
}

@test "an unknown namespace type is an error" {
	config '.linux.namespaces += [{"type": "teapot"}]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_has teapot
}

@test "the new network namespace has only lo, and it is up" {
	inside_ok 'ip -o link; cat /proc/net/dev | wc -l'
	assert_match '^1: lo: <LOOPBACK,UP,LOWER_UP>'
	assert_eq "$(grep -c '^[0-9]*: lo' <<<"$output")" 1
	# a server that has no input may leave before it has read: another attempt, with a bit more patience
	inside_ok 'for i in 1 2 3 4 5 6 7 8 9; do nc -l -p 700$i </dev/null >/tmp/got & p=$!; sleep 0.$i; echo hi | nc 127.0.0.1 700$i 2>/dev/null
		sleep 0.$i; kill $p 2>/dev/null; wait; grep hi /tmp/got && break; done'
	assert_line hi
}

@test "hostname and domainname are set in the new uts namespace only" {
	local host
	host=$(hostname)
	config '.hostname = "inner.example" | .domainname = "example.org"'
	inside_ok 'hostname; cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname'
	assert_output "inner.example
inner.example
example.org"
	assert_eq "$(hostname)" "$host" "the host's name"
}

@test "hostname without a uts namespace of its own is an error" {
	config '.linux.namespaces |= map(select(.type != "uts"))'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_has hostname
	refute [ "$(hostname)" = testbox ]
}

# ------------------------------------------------------------------ user namespaces

# user_namespace: root's choice of ids, or the ordinary user's only one; sets UID_MAP and GID_MAP to what the kernel shows
user_namespace() {
	set_namespace user
	config '.mounts |= map(select(.type != "cgroup"))'
	if [ -n "$ROOTLESS" ]; then
		UID_MAP=$(jq -r '.linux.uidMappings[] | " \(.containerID) \(.hostID) \(.size)"' "$BUNDLE/config.json")
		GID_MAP=$(jq -r '.linux.gidMappings[] | " \(.containerID) \(.hostID) \(.size)"' "$BUNDLE/config.json")
		return
	fi
	config '.linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.gidMappings = [{"containerID":0,"hostID":200000,"size":65536}]'
	UID_MAP=' 0 100000 65536'
	GID_MAP=' 0 200000 65536'
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" 2>/dev/null || true
	chown -hR 100000:200000 "$BUNDLE/rootfs"
}

# outside uid|gid ID: what the host calls it
outside() {
	if [ -n "$ROOTLESS" ]; then on_host "$@"; elif [ "$1" = uid ]; then echo $((100000 + $2)); else echo $((200000 + $2)); fi
}

@test "a new user namespace has the mappings of the configuration" {
	user_namespace
	inside_ok 'cat /proc/self/uid_map; echo --; cat /proc/self/gid_map; echo --; id -u; id -g; readlink /proc/self/ns/user'
	assert_eq "$(tr -s ' ' <<<"$output" | sed '$d')" "$UID_MAP
--
$GID_MAP
--
0
0"
	assert_match '^user:\[[0-9]+\]$'
	assert_ne "$(sed -n '$p' <<<"$output")" "$(ns user)"
}

@test "several mappings, in order" {
	user_namespace
	local root first
	root=$(outside uid 0) first=$(outside uid 1)
	config '.linux.uidMappings = [{"containerID":0,"hostID":$r,"size":1},{"containerID":1,"hostID":$f,"size":999},
		{"containerID":1000,"hostID":($f + 2000),"size":1},{"containerID":2000,"hostID":($f + 1000),"size":10}]' --argjson r "$root" --argjson f "$first"
	inside_ok 'cat /proc/self/uid_map'
	assert_eq "$(tr -s ' ' <<<"$output")" " 0 $root 1
 1 $first 999
 1000 $((first + 2000)) 1
 2000 $((first + 1000)) 10"
}

@test "many mappings; more than the kernel takes are an error that says how many" {
	user_namespace
	# their text, too, must fit a page, and an ordinary user's ids have more digits
	local most=340
	[ -z "$ROOTLESS" ] || most=300
	many() {
		config '.linux.uidMappings = [range($n) | {"containerID": ., "hostID": (2 * . + 1), "size": 1}] | .linux.gidMappings = .linux.uidMappings' \
			--argjson n "$1"
		# the first one is then himself
		[ -z "$ROOTLESS" ] || config '.linux |= (.uidMappings[1:] |= map(.hostID += $f) | .gidMappings = .uidMappings
			| .uidMappings[0].hostID = $u | .gidMappings[0].hostID = $g)' --argjson f "$(on_host uid 1)" --argjson u "$(id -u)" --argjson g "$(id -g)"
	}
	[ -n "$ROOTLESS" ] || chown -hR 1:1 "$BUNDLE/rootfs"
	many "$most"
	config '.process.args = ["cat", "/proc/self/uid_map"]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_eq "${#lines[@]}" "$most" 'number of mappings'
	many 341
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_at linux.uidMappings
	assert_has 340
	assert_clean
}

@test "from outside the process runs as the mapped user" {
	user_namespace
	config '.process.user = {"uid": 1000, "gid": 50}'
	started
	local pid uid gid
	pid=$(pid_of) uid=$(outside uid 1000) gid=$(outside gid 50)
	assert_eq "$(awk '/^Uid/ { print $2, $3, $4, $5 }' "/proc/$pid/status")" "$uid $uid $uid $uid"
	assert_eq "$(awk '/^Gid/ { print $2, $3, $4, $5 }' "/proc/$pid/status")" "$gid $gid $gid $gid"
}

@test "in a user namespace an error about sysfs names the namespace that is missing" {
	user_namespace
	config '.linux.namespaces |= map(select(.type != "network"))'
	inside true
	assert_fails sysfs
	assert_has '{"type": "network"}'
}

@test "default devices work in a user namespace" {
	user_namespace
	inside_ok 'echo x >/dev/null && head -c 4 /dev/zero | od -An -tx1; head -c 1 /dev/urandom | wc -c; [ -c /dev/null ] && echo chr'
	assert_line ' 00 00 00 00'
	assert_line 1
	assert_line chr
}

@test "the container's root may not touch files of the real root" {
	need_root
	user_namespace
	echo secret >"$BUNDLE/rootfs/etc/secret"
	chmod 600 "$BUNDLE/rootfs/etc/secret"
	inside 'cat /etc/secret; echo status $?'
	assert_has 'Permission denied'
	assert_line 'status 1'
}

@test "a user namespace without mappings is refused" {
	set_namespace user
	config 'del(.linux.uidMappings, .linux.gidMappings)'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails
	assert_has apping
	assert_clean
}

@test "mappings without a user namespace are refused" {
	config '.linux.namespaces |= map(select(.type != "user")) | .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails uidMappings
	assert_clean
}

@test "a user that is not mapped is refused" {
	user_namespace
	config '.process.user = {"uid": 70000, "gid": 0}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails
	assert_clean
}

@test "exec enters the user namespace" {
	user_namespace
	started
	in_exec cat /proc/self/uid_map
	assert_eq "$(tr -s ' ' <<<"$output")" "$UID_MAP"
	in_exec id -u
	assert_output 0
}

# ------------------------------------------------------------------ time namespaces

@test "time namespace offsets are seen inside" {
	[ -e /proc/self/ns/time ] || skip 'the kernel has no time namespaces'
	set_namespace time
	config '.linux.timeOffsets = {"monotonic": {"secs": 7881, "nanosecs": 2718281}, "boottime": {"secs": 1337, "nanosecs": 3141519}}'
	inside_ok 'cat /proc/self/timens_offsets'
	assert_eq "$(tr -s ' ' <<<"$output")" 'monotonic 7881 2718281
boottime 1337 3141519'
}

@test "exec sees the container's time namespace" {
	[ -e /proc/self/ns/time ] || skip 'the kernel has no time namespaces'
	set_namespace time
	config '.linux.timeOffsets = {"boottime": {"secs": 1000000}}'
	started
	in_exec readlink /proc/self/ns/time
	assert_output "$(ns time "$(pid_of)")"
	assert_ne "$output" "$(ns time)"
}

@test "timeOffsets without a time namespace is an error" {
	config '.linux.timeOffsets = {"boottime": {"secs": 10}}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails timeOffsets
	assert_clean
}

# ------------------------------------------------------------------ cgroup namespace

@test "in a new cgroup namespace the container's cgroup is the root" {
	set_namespace cgroup
	inside_ok 'cat /proc/self/cgroup'
	refute_has "$ID"
	local line
	while read -r line; do [[ $line == *:/ ]] || fail "not a root: $line"; done <<<"$output"
}

@test "without a cgroup namespace the real path is seen" {
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	inside_ok 'cat /proc/self/cgroup'
	assert_match ":/(.*/)?$ID(\.scope)?\$"
}
