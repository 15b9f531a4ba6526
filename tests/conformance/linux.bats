# config-linux.md and the Linux process of config.md, where no other test proves it.

load ../runtime/helpers

user_namespace() {
	config '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
		| .linux.gidMappings = [{"containerID": 0, "hostID": 200000, "size": 65536}]'
	chmod 711 "$T" "$BUNDLE"
	local d=$T
	while [ "$d" != / ]; do
		chmod o+x "$d" 2>/dev/null || true
		d=$(dirname "$d")
	done
}

@test "a configuration without linux runs" {
	need_root
	config 'del(.linux, .hostname, .mounts)'
	inside 'echo inside; hostname'
	assert_status 0
	assert_line inside
	assert_line "$(hostname)"
	assert_clean
}

@test "idmap without mappings of its own takes those of the user namespace" {
	need_kernel 5.12 'idmapped mounts'
	user_namespace
	mkdir "$T/src" "$BUNDLE/rootfs/data"
	touch "$T/src/f"
	chown 5:6 "$T/src/f"
	config '.mounts += [{"destination": "/data", "type": "none", "source": $s, "options": ["bind", "idmap"]}]' --arg s "$T/src"
	inside_ok 'stat -c "%u %g" /data/f'
	assert_line '5 6'
}

@test "idmap without mappings of its own takes those of a user namespace that is joined" {
	need_root
	need_kernel 5.12 'idmapped mounts'
	user_namespace
	started
	local path first=$ID
	path=/proc/$(pid_of)/ns/user
	mkdir "$T/src"
	touch "$T/src/f"
	chown 5:6 "$T/src/f"
	bundle second
	ID=$first-second
	chmod 711 "$BUNDLE"
	mkdir "$BUNDLE/rootfs/data"
	config '.linux.namespaces += [{"type": "user", "path": $p}]
		| .mounts += [{"destination": "/data", "type": "none", "source": $s, "options": ["bind", "idmap"]}]' --arg p "$path" --arg s "$T/src"
	inside 'stat -c "%u %g" /data/f'
	ID=$first
	assert_status 0
	assert_line '5 6'
}

@test "scheduler: what is not given is zero" {
	config '.process.scheduler = {"policy": "SCHED_BATCH"}'
	inside_ok 'cut -d" " -f19,40,41 /proc/self/stat'
	# nice 0, real-time priority 0, policy 3
	assert_output '0 0 3'
}

@test "run.oci.mount_context_type takes four words, and no other" {
	config '.annotations["run.oci.mount_context_type"] = "teacontext"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails teacontext
	assert_at 'annotations["run.oci.mount_context_type"]'
	local type
	for type in context fscontext defcontext rootcontext; do
		config '.annotations["run.oci.mount_context_type"] = $t' --arg t "$type"
		inside_ok true
	done
}

@test "an AppArmor profile where there is no AppArmor, and an SELinux label where there is no SELinux, are errors" {
	local tried=''
	if [ ! -e /sys/kernel/security/apparmor ] && ! grep -qs Y /sys/module/apparmor/parameters/enabled; then
		config '.process.apparmorProfile = "unconfined-profile"'
		inside true
		assert_fails apparmor
		config 'del(.process.apparmorProfile)'
		tried=1
	fi
	if [ ! -e /sys/fs/selinux/enforce ]; then
		config '.process.selinuxLabel = "system_u:system_r:container_t:s0"'
		inside true
		assert_fails
		config 'del(.process.selinuxLabel) | .linux.mountLabel = "system_u:object_r:container_file_t:s0"'
		inside true
		assert_fails
		tried=1
	fi
	[ -n "$tried" ] || skip 'this machine has both AppArmor and SELinux'
	assert_clean
}

@test "a user namespace changes the owner of no file" {
	user_namespace
	chown 0:0 "$BUNDLE/rootfs/home"
	chown 7:8 "$BUNDLE/rootfs/home/user"
	find "$BUNDLE/rootfs" -printf '%P %U %G %m\n' | sort >"$T/before"
	inside_ok 'cat /proc/self/uid_map'
	find "$BUNDLE/rootfs" -printf '%P %U %G %m\n' | sort >"$T/after"
	diff "$T/before" "$T/after"
}

@test "one device under two names" {
	need_root
	config '.linux.devices = [{"path": "/dev/a", "type": "c", "major": 1, "minor": 3}, {"path": "/dev/b", "type": "c", "major": 1, "minor": 3}]'
	inside_ok 'stat -c %t:%T /dev/a /dev/b'
	assert_output $'1:3\n1:3'
}

@test "a pids limit of zero is a limit" {
	need_controller pids
	config '.linux.resources.pids = {"limit": 0}'
	rtd create --bundle "$BUNDLE" "$ID"
	assert_eq "$(cat "$(cgdir pids)/pids.max")" 0 pids.max
	rt delete --force "$ID"
	# the shell itself runs, but can make no process
	inside 'echo here; (:) & wait; sleep 0; echo "rc $?"'
	assert_has here
	refute_line 'rc 0'
}

@test "create into a cgroup with a process in it is an error" {
	local dir
	dir=$(cgdir memory)
	mkdir "$dir"
	sleep 900 3>&- &
	local pid=$!
	echo "$pid" >"$dir/cgroup.procs"
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	local rc=$status said=$output
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || true
	eventually rmdir "$dir"
	status=$rc output=$said
	assert_fails
	assert_has cgroup
}

@test "v2: what has no counterpart is an error that names it" {
	need_v2
	local r
	while IFS=$'\t' read -r path r; do
		config '.linux.resources = $r' --argjson r "$r"
		inside true
		assert_fails "$path"
		assert_clean
	done <<-'END'
		network.classID	{"network": {"classID": 1048577}}
		network.priorities	{"network": {"priorities": [{"name": "lo", "priority": 5}]}}
		realtimeRuntime	{"cpu": {"realtimeRuntime": 1000}}
		realtimePeriod	{"cpu": {"realtimePeriod": 100000}}
		swappiness	{"memory": {"swappiness": 10}}
		disableOOMKiller	{"memory": {"disableOOMKiller": true}}
		leafWeight	{"blockIO": {"leafWeight": 100}}
	END
}

@test "without intelRdt no step has to do with resctrl" {
	run rt plan "$BUNDLE/"
	assert_status 0
	refute_match 'resctrl|intel_rdt|intelRdt'
	config '.linux.intelRdt = {"l3CacheSchema": "L3:0=f"}'
	# where there is none the plan is an error that names it; where there is, a step
	run rt plan "$BUNDLE/"
	assert_match 'resctrl|intel_rdt|intelRdt'
}

@test "intelRdt without resctrl is an error" {
	! grep -q ' - resctrl ' /proc/self/mountinfo || skip 'resctrl is mounted here'
	config '.linux.intelRdt = {"l3CacheSchema": "L3:0=f"}'
	inside true
	assert_fails intelRdt
	assert_has resctrl
	assert_clean
}

@test "seccomp: a listener that no rule needs is ignored" {
	config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nobody/listens", "listenerMetadata": "m",
		"syscalls": [{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO"}]}'
	inside_ok 'grep "^Seccomp:" /proc/self/status'
	assert_has 2
}

# writable MODE: /sys/fs/cgroup with the option MODE, a program of user 1000 that tells the owners
owners() {
	config '.process.user = {"uid": 1000, "gid": 1000} | (.mounts[] | select(.type == "cgroup").options) |= (map(select(. != "ro" and . != "rw")) + [$m])' --arg m "$1"
	rtd create --bundle "$BUNDLE" "$ID"
	(cd "$(cgdir memory)" && stat -c '%n %u' . ./*)
	rt delete --force "$ID"
}

@test "a v2 cgroup belongs to the container's user when it is mounted writable, and only the delegated files do" {
	need_v2
	local name uid list
	list=$(cat /sys/kernel/cgroup/delegate)
	owners rw >"$T/owners"
	if [ -n "$ROOTLESS" ]; then
		# only the caller can have it: the container's root
		assert_warned 'give cgroup'
		refute grep -v " $(id -u)\$" "$T/owners"
		return
	fi
	grep -qxF '. 1000' "$T/owners" || fail "$(cat "$T/owners")"
	while read -r name uid; do
		name=${name#./}
		if [ "$name" = . ] || grep -qxF "$name" <<<"$list"; then assert_eq "$uid" 1000 "$name"; else assert_eq "$uid" 0 "$name"; fi
	done <"$T/owners"
}

@test "a v2 cgroup whose kernel does not say which files are delegated: the three of the specification are" {
	need_v2
	need_command unshare
	need_root
	local name uid
	config '.process.user = {"uid": 1000, "gid": 1000} | (.mounts[] | select(.type == "cgroup").options) |= (map(select(. != "ro" and . != "rw")) + ["rw"])'
	# a kernel without /sys/kernel/cgroup/delegate, for the runtime alone
	RT_COVER='mount -t tmpfs none /sys/kernel/cgroup && [ ! -e /sys/kernel/cgroup/delegate ] && exec "$@"'
	unshare --mount --propagation slave sh -c "$RT_COVER" - "$OCI_RT" --root "$ROOT" "${MANAGER[@]}" create --bundle "$BUNDLE" "$ID" </dev/null >"$T/stdout" 2>&1 3>&-
	(cd "$(cgdir memory)" && stat -c '%n %u' . ./*) >"$T/owners"
	while read -r name uid; do
		case ${name#./} in
		. | cgroup.procs | cgroup.subtree_control | cgroup.threads) assert_eq "$uid" 1000 "$name" ;;
		*) assert_eq "$uid" 0 "$name" ;;
		esac
	done <"$T/owners"
	grep -qx './cgroup.procs 1000' "$T/owners"
}

@test "a v2 cgroup keeps its owner without a cgroup namespace or a writable mount" {
	need_v2
	owners ro >"$T/owners"
	refute grep -v " $(id -u)\$" "$T/owners"
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	owners rw >"$T/owners"
	refute grep -v " $(id -u)\$" "$T/owners"
}

@test "a v1 cgroup never changes its owner" {
	need_v1
	owners rw >"$T/owners"
	refute grep -v ' 0$' "$T/owners"
}
