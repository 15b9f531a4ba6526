#!/usr/bin/env bats
# process.apparmorProfile on a kernel with AppArmor: tests/vm brings one (vmtest.sh --lsm apparmor).

load helpers

# profile NAME FILE: loads one that denies FILE and nothing else
profile() {
	cat >"$T/$1.profile" <<-END
	profile $1 flags=(attach_disconnected,mediate_deleted) {
	  file,
	  capability,
	  network,
	  mount,
	  umount,
	  pivot_root,
	  signal,
	  ptrace,
	  deny $2 rwl,
	}
	END
	apparmor_parser -r "$T/$1.profile"
}

prepare() {
	[ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] || skip 'AppArmor is not enabled in this kernel'
	need_command apparmor_parser
	PROFILE=$TAG-first OTHER=$TAG-second
	profile "$PROFILE" /secret
	profile "$OTHER" /etc/passwd
	echo secret >"$BUNDLE/rootfs/secret"
	config '.process.apparmorProfile = $p' --arg p "$PROFILE"
}

finish() {
	local f
	for f in "$T"/*.profile; do
		[ ! -e "$f" ] || apparmor_parser -R "$f"
	done
}

SHOW='cat /proc/self/attr/current; cat /secret; head -n 1 /etc/passwd'

@test "the profile is enforced: what it denies fails, the rest works" {
	inside_ok "$SHOW"
	assert_line "$PROFILE (enforce)"
	assert_has "can't open '/secret': Permission denied"
	assert_has 'root:x:0:0'
	config 'del(.process.apparmorProfile)'
	inside_ok "$SHOW"
	assert_line unconfined
	assert_line secret
}

@test "the profile with and without no_new_privs, as root and as another user" {
	local nnp uid
	for nnp in true false; do
		for uid in 0 1000; do
			config '.process.noNewPrivileges = $n | .process.user = {"uid": $u, "gid": $u}' --argjson n "$nnp" --argjson u "$uid"
			inside_ok "$SHOW"
			assert_line "$PROFILE (enforce)"
			assert_has "can't open '/secret': Permission denied"
		done
	done
}

@test "the profile in a user namespace, for exec too" {
	config '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$BUNDLE/rootfs"
	started
	in_exec cat /proc/1/attr/current
	assert_output "$PROFILE (enforce)"
	in_exec sh -c "$SHOW"
	assert_line "$PROFILE (enforce)"
	assert_has "can't open '/secret': Permission denied"
}

@test "exec has the container's profile, another one by --apparmor or by its file" {
	started
	in_exec sh -c "$SHOW"
	assert_line "$PROFILE (enforce)"
	assert_has "can't open '/secret': Permission denied"
	run rt exec --apparmor "$OTHER" "$ID" sh -c "$SHOW" </dev/null
	assert_line "$OTHER (enforce)"
	assert_line secret
	assert_has "/etc/passwd: Permission denied"
	jq --arg p "$OTHER" '.process | .apparmorProfile = $p | .args = ["/bin/cat", "/proc/self/attr/current", "/etc/passwd"]' \
		"$BUNDLE/config.json" >"$T/process.json"
	run rt exec --process "$T/process.json" "$ID" </dev/null
	assert_line "$OTHER (enforce)"
	assert_has "can't open '/etc/passwd': Permission denied"
}

@test "a program with a seccomp filter and a startContainer hook has the profile" {
	config '.hooks.startContainer = [{"path": "/bin/true"}] |
		.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}'
	inside_ok "$SHOW"
	assert_line "$PROFILE (enforce)"
}

@test "a profile that is not loaded is an error that names it, on run and exec; nothing is left" {
	config '.process.apparmorProfile = "no-such-profile"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails no-such-profile
	assert_at process.apparmorProfile
	assert_has apparmor_parser
	assert_clean
	config '.process.apparmorProfile = $p' --arg p "$PROFILE"
	started
	run rt exec --apparmor no-such-profile "$ID" true </dev/null
	assert_status 255
	assert_has no-such-profile
}

@test "unconfined is a profile like any other" {
	config '.process.apparmorProfile = "unconfined"'
	inside_ok "$SHOW"
	assert_line unconfined
	assert_line secret
}
