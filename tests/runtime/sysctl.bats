#!/usr/bin/env bats
# linux.sysctl: what belongs to a namespace of the container is set there; everything else is refused.

load helpers

@test "keys of the network, ipc and uts namespaces" {
	config '.linux.sysctl = {"net.ipv4.ip_forward": "1", "net.core.somaxconn": "256", "kernel.shmmni": "1234", "kernel.msgmax": "9000",
		"kernel.sem": "250 32000 32 100", "fs.mqueue.msg_max": "11"} | del(.domainname)'
	local before
	before=$(cat /proc/sys/kernel/shmmni)
	inside_ok 'cd /proc/sys; cat net/ipv4/ip_forward net/core/somaxconn kernel/shmmni kernel/msgmax kernel/sem fs/mqueue/msg_max | tr "\t" " "'
	assert_output "1
256
1234
9000
250 32000 32 100
11"
	assert_eq "$(cat /proc/sys/kernel/shmmni)" "$before" "the host's value"
}

@test "kernel.domainname in a uts namespace" {
	# the kernel gives this key, unlike the others, to the root of the machine only
	need_root
	config '.linux.sysctl = {"kernel.domainname": "example.net"}'
	inside_ok 'cat /proc/sys/kernel/domainname'
	assert_output example.net
}

@test "slashes and dots may both separate" {
	config '.linux.sysctl = {"net/ipv4/ip_forward": "1", "net.ipv4.conf.lo.forwarding": "1", "net/ipv4/conf/lo/rp_filter": "2"}'
	inside_ok 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/lo/rp_filter'
	assert_output "1
2"
}

@test "keys of the host are refused by name, and the host's value stays" {
	local k
	for k in kernel.core_pattern vm.swappiness kernel.panic fs.file-max kernel.hostname kernel.shm_rmid_forcedX; do
		config '.linux.sysctl = {($k): "1"}' --arg k "$k"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 1
		assert_has "$k"
	done
	assert_clean
}

@test "a key of a namespace that the container shares with the host is refused" {
	local t k
	while read -r t k; do
		bundle "s-$t"
		args /bin/true
		config '.linux.namespaces |= map(select(.type != $t)) | .linux.sysctl = {($k): "1"} | if $t == "uts" then del(.hostname) else . end' --arg t "$t" --arg k "$k"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 1
		assert_has "$k"
	done <<-'END'
		network net.ipv4.ip_forward
		ipc kernel.shmmni
		uts kernel.domainname
	END
}

@test "a key that tries to leave its directory is refused" {
	local k
	for k in net/../kernel/core_pattern net..kernel.core_pattern /net/ipv4/ip_forward net.ipv4.ip_forward/../../../kernel/panic; do
		config '.linux.sysctl = {($k): "1"}' --arg k "$k"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 1
	done
}

@test "a value cannot smuggle in another setting" {
	config '.linux.sysctl = {"net.ipv4.ip_forward": "1+kernel.core_pattern=x"}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails net.ipv4.ip_forward
	config '.linux.sysctl = {"net.ipv4.ip_forward": "1\nkernel.core_pattern=x"}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	refute grep -qx x /proc/sys/kernel/core_pattern
}

@test "a key that does not exist is an error that names it" {
	config '.linux.sysctl = {"net.ipv4.teapot": "1"}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_has net.ipv4.teapot
	assert_clean
}
