#!/usr/bin/env bats
# process.selinuxLabel, linux.mountLabel and run.oci.mount_context_type on a kernel with SELinux and a policy that knows
# container_t: tests/vm brings one (vmtest.sh --lsm selinux).

load helpers

LABEL=system_u:system_r:container_t:s0:c1,c2
OTHER=system_u:system_r:container_t:s0:c3,c4
FILES=system_u:object_r:container_file_t:s0:c1,c2

prepare() {
	[ "$(stat -fc %t /sys/fs/selinux 2>/dev/null)" = f97cff8c ] || skip 'SELinux is not enabled in this kernel'
	[ "$(cat /sys/fs/selinux/enforce)" = 0 ] ||
		skip 'the policy is enforced, and does not let the domain of the tests into container_t (selinux-enforcing.bats is about that)'
	config '.process.selinuxLabel = $l | .linux.mountLabel = $m' --arg l "$LABEL" --arg m "$FILES"
}

# what /proc has is terminated by a NUL
label() { echo "tr -d '\\0' </proc/${1:-self}/attr/current; echo"; }

@test "the program has the label, and so have its children" {
	inside_ok "$(label); sh -c \"$(label)\""
	assert_output "$LABEL
$LABEL"
}

@test "the label with and without no_new_privs, as root and as another user" {
	local nnp uid
	for nnp in true false; do
		for uid in 0 1000; do
			config '.process.noNewPrivileges = $n | .process.user = {"uid": $u, "gid": $u}' --argjson n "$nnp" --argjson u "$uid"
			inside_ok "$(label)"
			assert_output "$LABEL"
		done
	done
}

@test "the label in a user namespace" {
	config '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$BUNDLE/rootfs"
	started
	in_exec sh -c "$(label); $(label 1)"
	assert_output "$LABEL
$LABEL"
}

@test "exec has the container's label, another one by --process-label or by its file" {
	started
	in_exec sh -c "$(label)"
	assert_output "$LABEL"
	run rt exec --process-label "$OTHER" "$ID" sh -c "$(label); $(label 1)" </dev/null
	assert_output "$OTHER
$LABEL"
	jq --arg l "$OTHER" --arg c "$(label)" '.process | .selinuxLabel = $l | .args = ["/bin/sh", "-c", $c]' "$BUNDLE/config.json" >"$T/process.json"
	run rt exec --process "$T/process.json" "$ID" </dev/null
	assert_output "$OTHER"
}

@test "a startContainer hook comes before the program and does not take its label away" {
	config '.hooks.startContainer = [{"path": "/bin/true"}]'
	inside_ok "$(label)"
	assert_output "$LABEL"
}

@test "a label that the policy does not know is an error that Podman recognises, on run and exec" {
	config '.process.selinuxLabel = "system_u:system_r:teapot_t:s0"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails teapot_t
	# the form of Podman's pattern: the file in backticks
	assert_match '`/proc/[0-9a-z/]*attr/exec`'
	assert_at process.selinuxLabel
	assert_clean
	config '.process.selinuxLabel = $l' --arg l "$LABEL"
	started
	run rt exec --process-label system_u:system_r:teapot_t:s0 "$ID" true </dev/null
	assert_status 255
	assert_match '`/proc/[0-9a-z/]*attr/exec`'
}

@test "mountLabel: the filesystems made for the container have it, those of the kernel do not" {
	inside_ok 'cat /proc/mounts; mkdir /dev/shm/x; probe getxattr /dev/shm/x security.selinux; probe getxattr /dev/shm security.selinux'
	assert_match "^tmpfs /dev tmpfs .*context=\"?$FILES"
	assert_match "^shm /dev/shm tmpfs .*context=\"?$FILES"
	assert_match "^devpts /dev/pts devpts .*context=\"?$FILES"
	refute_match '^(proc|sysfs|mqueue|cgroup2?) .*context='
	assert_eq "$(grep -cx "$FILES" <<<"$output")" 2
	config 'del(.linux.mountLabel)'
	inside_ok 'cat /proc/mounts'
	refute_match "$FILES"
}

@test "run.oci.mount_context_type: fscontext, rootcontext instead of context; what SELinux does not take is an error" {
	local type
	for type in context fscontext rootcontext; do
		config '.annotations["run.oci.mount_context_type"] = $t' --arg t "$type"
		inside_ok 'cat /proc/mounts'
		assert_match "^tmpfs /dev tmpfs .*[ ,]$type=\"?$FILES"
		[ "$type" = context ] || refute_match "[ ,]context=\"?$FILES"
	done
	# a tmpfs has labels of its own, so none is the default
	config '.annotations["run.oci.mount_context_type"] = "defcontext"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails "defcontext=$FILES"
	assert_at 'mounts[1]'
	assert_clean
}

@test "a mountLabel that the policy does not know is an error that names the mount" {
	config '.linux.mountLabel = "system_u:object_r:teapot_t:s0"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails teapot_t
	assert_at 'mounts['
	assert_clean
}

@test "without a label the program has the one that the policy says" {
	config 'del(.process.selinuxLabel)'
	inside_ok "$(label)"
	refute_match container_t
	assert_match '^[a-z_]+:[a-z_]+:[a-z_]+:s0'
}
