#!/usr/bin/env bats
# SELinux in earnest: the runtime in the domain of container engines, the container in container_t, and a policy that
# denies: tests/vm has it (vmtest.sh --lsm selinux --enforcing).  A program cannot use descriptors that the test's own
# domain opened, so it writes to files.

load helpers

LABEL=system_u:system_r:container_t:s0:c1,c2
FILES=system_u:object_r:container_file_t:s0:c1,c2

# no log: the runtime's domain may not write where tests are
rt() { timeout --foreground -k 5 "${RT_TIMEOUT:-60}" "$OCI_RT" --root "$ROOT" "$@"; }

prepare() {
	[ "$(cat /sys/fs/selinux/enforce 2>/dev/null)" = 1 ] || skip 'SELinux does not enforce anything here'
	cp "$OCI_RT" "/usr/bin/$TAG-rt"
	OCI_RT=/usr/bin/$TAG-rt
	chcon -t container_engine_exec_t "$OCI_RT"
	ROOT=/run/containers/$ID
	mkdir -p /run/containers "/var/lib/containers/$ID"
	mv "$BUNDLE" "/var/lib/containers/$ID/bundle"
	BUNDLE=/var/lib/containers/$ID/bundle
	echo theirs >"$BUNDLE/rootfs/theirs"
	restorecon -R /run/containers /var/lib/containers
	chcon -R "$FILES" "$BUNDLE/rootfs"
	chcon system_u:object_r:container_file_t:s0:c3,c4 "$BUNDLE/rootfs/theirs"
	config '.process.selinuxLabel = $l | .linux.mountLabel = $m' --arg l "$LABEL" --arg m "$FILES"
}

finish() {
	case $OCI_RT in /usr/bin/*) delete_all && rm -rf "/var/lib/containers/$ID" "$ROOT" "$OCI_RT" ;; esac
}

LOOK='cat /proc/self/attr/current >/tmp/label; echo mine >/tmp/mine; cat /theirs >/tmp/read 2>/tmp/error'

looked() {
	assert_eq "$(tr -d '\0' <"$BUNDLE/rootfs/tmp/label")" "$LABEL"
	assert_eq "$(cat "$BUNDLE/rootfs/tmp/mine")" mine
	assert_eq "$(cat "$BUNDLE/rootfs/tmp/read")" '' "what is not the container's"
	grep -q 'Permission denied' "$BUNDLE/rootfs/tmp/error"
	rm "$BUNDLE/rootfs/tmp"/*
}

@test "the policy lets the runtime work, and the container have its own files and no others" {
	local nnp
	for nnp in true false; do
		config '.process.noNewPrivileges = $n' --argjson n "$nnp"
		inside "$LOOK"
		looked
	done
}

@test "the same for exec" {
	started
	in_exec sh -c "$LOOK"
	looked
}

@test "the same with a user namespace" {
	config '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$BUNDLE/rootfs"
	inside "$LOOK"
	looked
}
