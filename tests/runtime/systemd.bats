#!/usr/bin/env bats
# The systemd cgroup manager on a machine whose PID 1 is systemd: what the scope says, and that a daemon-reload, after
# which systemd writes everything anew, takes nothing away.  For an ordinary user it is his own systemd.

load helpers

prepare() {
	need_systemd
	MANAGER=(--systemd-cgroup)
	SLICE=system.slice
	PLACE=/system.slice
	if [ -n "$ROOTLESS" ]; then
		SLICE=user.slice
		PLACE=${OWN_CGROUP%%.service/*}.service/user.slice
		systemctl() { command systemctl --user "$@"; }
	fi
	config '.linux.cgroupsPath = $p' --arg p "$SLICE:oci:$ID"
	UNIT=oci-$ID.scope
}

# property NAME: of the scope
property() { systemctl show -P "$1" "$UNIT"; }
scope_file() { cat "/sys/fs/cgroup$PLACE/$UNIT/$1"; }

resources() { config '.linux.resources += $r' --argjson r "$1"; }
LIMITS='{"memory": {"limit": 67108864}, "cpu": {"shares": 512, "quota": 20000, "period": 100000}, "pids": {"limit": 33}}'

limited() {
	assert_eq "$(scope_file memory.max)" 67108864 memory.max
	assert_eq "$(scope_file cpu.max)" '20000 100000' cpu.max
	assert_eq "$(scope_file cpu.weight)" 59 cpu.weight
	assert_eq "$(scope_file pids.max)" 33 pids.max
}

@test "the scope has the limits as properties and in its files" {
	need_v2
	resources "$LIMITS"
	started
	assert_eq "$(property ActiveState)" active
	assert_eq "$(property Slice)" "$SLICE"
	assert_eq "$(property Delegate)" yes
	assert_eq "$(property MemoryMax)" 67108864
	assert_eq "$(property TasksMax)" 33
	assert_eq "$(property CPUWeight)" 59
	assert_eq "$(property CPUQuotaPerSecUSec)" 200ms
	assert_eq "$(property DevicePolicy)" strict
	limited
	rt delete --force "$ID"
	assert_eq "$(property LoadState)" not-found
	assert_clean
}

@test "limits and updated limits survive a daemon-reload" {
	need_v2
	resources "$LIMITS"
	started
	systemctl daemon-reload
	limited
	rt update --memory 32M --pids-limit 44 "$ID"
	assert_eq "$(property MemoryMax)" 33554432
	assert_eq "$(property TasksMax)" 44
	systemctl daemon-reload
	assert_eq "$(scope_file memory.max)" 33554432
	assert_eq "$(scope_file pids.max)" 44
	assert_eq "$(scope_file cpu.max)" '20000 100000'
}

# A device without a driver behind it: "no such device" when the program lets it pass, "not permitted" when not.
@test "access to devices survives a daemon-reload and an update, and its denial too" {
	need_root
	config '.linux.devices = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 2}, {"path": "/dev/denied", "type": "c", "major": 1, "minor": 6}]'
	resources '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 2, "access": "rw"}]}'
	started
	local when
	for when in before reload update; do
		case $when in
		reload) systemctl daemon-reload ;;
		update)
			rt update --pids-limit 50 "$ID"
			systemctl daemon-reload
			;;
		esac
		in_exec cat /dev/mine
		assert_has 'No such device or address'
		in_exec cat /dev/denied
		assert_has 'Operation not permitted'
		in_exec sh -c 'echo x >/dev/null; head -c 1 /dev/zero | wc -c'
		assert_output 1
	done
}

@test "annotations set properties of the scope" {
	config '.annotations = {"org.systemd.property.TimeoutStopUSec": "uint64 7000000", "org.systemd.property.KillSignal": "37",
		"org.systemd.property.CollectMode": "\u0027inactive-or-failed\u0027"}'
	started
	assert_eq "$(property TimeoutStopUSec)" 7s
	assert_eq "$(property KillSignal)" 37
	assert_eq "$(property CollectMode)" inactive-or-failed
}

@test "the manager is remembered: every other command works without the option" {
	started
	# shellcheck disable=SC2034 # rt()'s
	MANAGER=()
	in_exec cat /proc/self/cgroup
	assert_output 0::/
	rt update --pids-limit 55 "$ID"
	assert_eq "$(property TasksMax)" 55
	rt pause "$ID"
	assert_eq "$(status_of)" paused
	rt resume "$ID"
	assert_eq "$(rt ps --format json "$ID" | jq length)" 1
	rt delete --force "$ID"
	assert_eq "$(property LoadState)" not-found
	assert_clean
}

@test "run.oci.systemd.subgroup and run.oci.delegate-cgroup: container and payload below the scope" {
	need_v2
	config '.annotations = {"run.oci.systemd.subgroup": "inner", "run.oci.delegate-cgroup": "payload"}'
	resources '{"memory": {"limit": 67108864}}'
	started
	grep -qx "0::$PLACE/$UNIT/inner/payload" "/proc/$(pid_of)/cgroup"
	assert_eq "$(scope_file inner/memory.max)" 67108864
	in_exec cat /proc/self/cgroup
	assert_output 0::/payload
	rt delete --force "$ID"
	assert_clean
}

# SIGKILL ends a frozen process too, and its scope may be gone before the runtime thaws it.
@test "kill KILL of a paused container, again and again" {
	for _ in 1 2 3 4 5; do
		started
		rt pause "$ID"
		rt kill "$ID" KILL
		wait_status stopped
		rt delete "$ID"
	done
	assert_clean
}

@test "a scope that somebody stops ends the container; delete cleans up" {
	started
	systemctl stop "$UNIT"
	wait_status stopped
	rt delete "$ID"
	assert_clean
}
