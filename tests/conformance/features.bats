# features.md: what the document lists is really accepted, and it lists nothing else.

load ../runtime/helpers

features() { "$OCI_RT" features; }
# accepted WHAT: check finds nothing wrong
accepted() {
	run rt check "$BUNDLE/"
	[ "$status" = 0 ] || fail "$1 is not accepted"
}

@test "both versions of the features document are accepted" {
	local v
	for v in ociVersionMin ociVersionMax; do
		config '.ociVersion = $v' --arg v "$(features | jq -r ".$v")"
		accepted "$v"
		inside_ok true
	done
	assert_eq "$(features | jq -r '.ociVersionMin, .ociVersionMax' | sort -V | head -n 1)" "$(features | jq -r .ociVersionMin)" 'the lower version'
}

@test "every name of the features document is accepted in a configuration" {
	local list
	list=$(features)
	config '.linux.namespaces = [$f.linux.namespaces[] | {"type": .}] | .linux.uidMappings = [{"containerID": 0, "hostID": 0, "size": 1}]
		| .linux.gidMappings = .linux.uidMappings' --argjson f "$list"
	accepted namespaces
	config '.process.capabilities = {"bounding": $f.linux.capabilities, "permitted": $f.linux.capabilities, "effective": $f.linux.capabilities}' --argjson f "$list"
	accepted capabilities
	refute_has unknown
	# each option in a mount of its own; idmap needs mappings, remount a mount below it
	config '.mounts += [$f.mountOptions[] | select(test("idmap") | not) | if . == "tmpcopyup" then {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": [.]}
		else {"destination": "/tmp", "type": "none", "source": "/", "options": (["bind"] + if . == "bind" then [] else [.] end)} end]' --argjson f "$list"
	accepted 'mount options'
	run rt plan "$BUNDLE/"
	assert_status 0
	config '.mounts += [$f.mountOptions[] | select(test("idmap")) | {"destination": "/tmp", "type": "none", "source": "/", "options": ["bind", .]}]' --argjson f "$list"
	accepted idmap
	config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": $f.linux.seccomp.archs, "listenerPath": "/x",
		"flags": $f.linux.seccomp.supportedFlags,
		"syscalls": ([$f.linux.seccomp.actions[] | {"names": ["getpriority"], "action": .}] +
			[$f.linux.seccomp.operators[] | {"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "valueTwo": 1, "op": .}]}])}' --argjson f "$list"
	accepted seccomp
	jq -e '.linux.seccomp.supportedFlags - .linux.seccomp.knownFlags == []' <<<"$list"
	config 'del(.linux.seccomp) | .hooks = ($f.hooks | map({key: ., value: [{"path": "/bin/true"}]}) | from_entries)' --argjson f "$list"
	accepted hooks
	config '.linux.memoryPolicy = {"mode": $m}' --arg m MPOL_DEFAULT
	local m
	for m in $(jq -r '.linux.memoryPolicy.modes[]' <<<"$list"); do
		config '.linux.memoryPolicy = {"mode": $m} | if ["MPOL_DEFAULT", "MPOL_LOCAL"] | index($m) then . else .linux.memoryPolicy.nodes = "0" end' --arg m "$m"
		accepted "$m"
	done
}

@test "no member is null, and none is unknown to version 1.3" {
	features | jq -e '[.. | select(. == null)] == []'
	features | jq -e 'keys - ["annotations", "hooks", "linux", "mountOptions", "ociVersionMax", "ociVersionMin", "potentiallyUnsafeConfigAnnotations"] == []'
	features | jq -e '.linux | keys - ["apparmor", "capabilities", "cgroup", "intelRdt", "memoryPolicy", "mountExtensions", "namespaces", "netDevices", "seccomp", "selinux"] == []'
	features | jq -e '.linux.cgroup | keys - ["rdma", "systemd", "systemdUser", "v1", "v2"] == []'
	features | jq -e '.linux.seccomp | keys - ["actions", "archs", "enabled", "knownFlags", "operators", "supportedFlags"] == []'
	features | jq -e '.linux | (.intelRdt | keys - ["enabled", "monitoring", "schemata"] == []) and (.memoryPolicy | keys - ["flags", "modes"] == []) and
		(.mountExtensions == {"idmap": {"enabled": true}}) and (.apparmor, .selinux, .netDevices | keys == ["enabled"])'
	features | jq -e '.annotations | type == "object" and ([.[] | type] | unique == ["string"])'
}

@test "the annotations that change something are listed" {
	local code name
	features | jq -e '.potentiallyUnsafeConfigAnnotations == ["org.criu.config", "org.systemd.property.", "run.oci.delegate-cgroup",
		"run.oci.hooks.stderr", "run.oci.hooks.stdout", "run.oci.keep_original_groups", "run.oci.mount_context_type",
		"run.oci.pidfd_receiver", "run.oci.seccomp.receiver", "run.oci.seccomp_bpf_data", "run.oci.seccomp_fail_unknown_syscall", "run.oci.systemd.subgroup"]'
	# what the code looks up is there, whoever adds to it
	code=$TESTS/../runtime
	[ -d "$code" ] || return 0
	while read -r name; do
		features | jq -e --arg n "$name" '.potentiallyUnsafeConfigAnnotations | index($n) != null' || fail "$name is not listed"
	done < <(grep -rhoE '"(run\.oci|org\.criu|org\.systemd\.property)\.[a-z._-]*"' "$code" --include='*.c' --include='*.h' | tr -d '"' | sort -u)
}
