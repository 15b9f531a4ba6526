# linux.netDevices.  The devices are made in a network namespace of the test's own, in which the runtime is called.

load ../runtime/helpers

prepare() {
	need_root
	need_command ip
	background unshare -n sleep 900
	NET=$!
	eventually other_net
	in_net ip link set lo up
	in_net ip link add oct0 type veth peer name oct1 2>/dev/null || skip 'this kernel has no veth devices'
	config '.linux.netDevices = {"oct0": {}}'
}

other_net() { [ "$(readlink "/proc/$NET/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
in_net() { nsenter -t "$NET" -n "$@"; }
# inside_net SCRIPT: as inside, with the runtime in that namespace
inside_net() {
	args /bin/sh -c "$1"
	run in_net timeout -k 5 60 "$OCI_RT" --root "$ROOT" --log "$T/log.json" --log-format json run --bundle "$BUNDLE" "$ID" </dev/null
}

@test "a device is moved, under its name" {
	inside_net 'ip -o link show oct0; ls /sys/class/net'
	assert_status 0
	assert_match 'oct0[@:].*[<,]UP[,>]'
	refute_line oct1
	run in_net ip link show oct0
	assert_ne "$status" 0 'status of ip link on the outside'
}

@test "a device is moved under a new name" {
	config '.linux.netDevices = {"oct0": {"name": "inner0"}}'
	inside_net 'ip -o link show inner0; ls /sys/class/net'
	assert_status 0
	assert_match 'inner0[@:].*[<,]UP[,>]'
	refute_line oct0
}

@test "permanent global addresses and attributes stay" {
	in_net ip address add 192.0.2.7/24 dev oct0
	in_net ip address add 2001:db8::7/64 dev oct0 nodad
	in_net ip link set oct0 mtu 1400 address 02:00:00:00:00:77
	config '.linux.netDevices = {"oct0": {"name": "inner0"}}'
	inside_net 'ip address show inner0; cat /proc/net/if_inet6'
	assert_status 0
	assert_has 192.0.2.7/24
	assert_match '20010db8000000000000000000000007 .* 40 00 .* inner0'
	assert_has 'mtu 1400'
	assert_has 02:00:00:00:00:77
}

@test "a name that exists inside is an error, and the device stays" {
	background nsenter -t "$NET" -n unshare -n sleep 900
	local inner=$!
	eventually differs "$inner"
	nsenter -t "$inner" -n ip link add inner0 type veth peer name inner1
	config '.linux.netDevices = {"oct0": {"name": "inner0"}} | (.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "/proc/$inner/ns/net"
	inside_net true
	assert_fails inner0
	in_net ip link show oct0
	assert_clean
}
differs() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink "/proc/$NET/ns/net")" ]; }

@test "a template with %d gets a number" {
	config '.linux.netDevices = {"oct0": {"name": "dev%d"}}'
	inside_net 'ls /sys/class/net'
	assert_status 0
	assert_line dev0
}

@test "a device that is not there is an error that names it, and leaves nothing" {
	config '.linux.netDevices = {"oct9": {}}'
	inside_net true
	assert_fails oct9
	assert_clean
	in_net ip link show oct0
}

@test "after the container's end the runtime moves nothing back" {
	# a veth device dies with its namespace; had the runtime moved it out, it would be here
	inside_net true
	assert_status 0
	eventually device_gone
}
device_gone() { ! in_net ip link show oct0 2>/dev/null; }
