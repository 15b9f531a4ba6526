#!/usr/bin/env bats
# linux.resources and cgroupsPath: the values as the kernel's files show them.

load helpers

# value CONTROLLER FILE: of the container's cgroup
value() { cat "$(cgdir "$1")/$2"; }

# assert_value CONTROLLER FILE VALUE
assert_value() { assert_eq "$(value "$1" "$2")" "$3" "$2"; }

resources() { config '.linux.resources += $r' --argjson r "$1"; }

@test "every process of the container is in the configured cgroup, in every hierarchy" {
	started
	local line path
	while read -r line; do
		path=${line##*:}
		case $line in
		0::*) cgroup_v2 || continue ;;
		esac
		assert_eq "$path" "$(cgpath)" "cgroup in $line"
	done <"/proc/$(pid_of)/cgroup"
}

@test "the program is in its cgroup from the first instruction" {
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	args /bin/cat /proc/self/cgroup
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	local line
	while read -r line; do
		case $line in
		0::*) cgroup_v2 || continue ;;
		esac
		[[ $line == *":$(cgpath)" ]] || fail "$line"
	done <<<"$output"
}

@test "no cgroupsPath: the container has a cgroup of its own" {
	config 'del(.linux.cgroupsPath)'
	started
	grep -q "$ID" "/proc/$(pid_of)/cgroup"
	rt delete --force "$ID"
	assert_clean
}

@test "a cgroupsPath of several levels is made, and the leaf removed by delete" {
	need_cgroupfs
	config '.linux.cgroupsPath = $p' --arg p "$(cgroups_path "/$ID/a/b")"
	started
	grep -q ":$(cgpath "/$ID/a/b")\$" "/proc/$(pid_of)/cgroup"
	rt delete --force "$ID"
	[ ! -d "$(cgdir pids "/$ID/a/b")" ]
	# parents that are empty now may stay or go
	find /sys/fs/cgroup -depth -type d \( -path "*/$ID" -o -path "*/$ID/*" \) -exec rmdir {} \;
}

@test "a relative cgroupsPath is below a place of the runtime's choice, always the same" {
	need_cgroupfs
	config '.linux.cgroupsPath = $p' --arg p "$ID-relative"
	started
	local first
	first=$(grep pids "/proc/$(pid_of)/cgroup" || grep ^0:: "/proc/$(pid_of)/cgroup")
	[[ $first == *"$ID-relative" ]] || fail "$first"
	rt delete --force "$ID"
	started
	assert_eq "$(grep pids "/proc/$(pid_of)/cgroup" || grep ^0:: "/proc/$(pid_of)/cgroup")" "$first"
	rt delete --force "$ID"
	assert_clean
}

@test "delete removes the cgroups that the container made below its own" {
	started
	local d
	for d in $(cgroups_left); do mkdir -p "$d/inner/deep"; done
	rt delete --force "$ID"
	assert_clean
}

@test "memory: limit and reservation" {
	need_controller memory
	resources '{"memory": {"limit": 67108864, "reservation": 33554432}}'
	started
	if cgroup_v2; then
		assert_value memory memory.max 67108864
		assert_value memory memory.low 33554432
	else
		assert_value memory memory.limit_in_bytes 67108864
		assert_value memory memory.soft_limit_in_bytes 33554432
	fi
}

@test "memory: swap is memory plus swap on v1, swap alone on v2" {
	need_controller memory
	if cgroup_v2; then
		[ -e /sys/fs/cgroup/init.scope/memory.swap.max ] || [ -n "$(find /sys/fs/cgroup -maxdepth 2 -name memory.swap.max -print -quit)" ] ||
			skip 'the kernel accounts no swap'
	else
		[ -e /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes ] || skip 'the kernel accounts no swap'
	fi
	resources '{"memory": {"limit": 67108864, "swap": 100663296}}'
	started
	if cgroup_v2; then assert_value memory memory.swap.max 33554432; else assert_value memory memory.memsw.limit_in_bytes 100663296; fi
}

@test "memory: swap below the limit is an error" {
	need_controller memory
	resources '{"memory": {"limit": 67108864, "swap": 1048576}}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails swap
	assert_clean
}

@test "memory: -1 is unlimited" {
	need_controller memory
	resources '{"memory": {"limit": -1, "swap": -1}}'
	started
	if cgroup_v2; then assert_value memory memory.max max; else assert_value memory memory.limit_in_bytes 9223372036854771712; fi
}

@test "memory: the limit is enforced" {
	need_controller memory
	resources '{"memory": {"limit": 33554432, "swap": 33554432}}'
	args /bin/probe eat 128
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 137
	refute_has survived
	args /bin/probe eat 8
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output survived
}

@test "memory, v1: swappiness, disableOOMKiller, useHierarchy" {
	need_v1
	need_controller memory
	resources '{"memory": {"limit": 67108864, "swappiness": 17, "disableOOMKiller": true, "useHierarchy": true}}'
	started
	assert_value memory memory.use_hierarchy 1
	assert_value memory memory.swappiness 17
	value memory memory.oom_control | grep -qx 'oom_kill_disable 1'
}

@test "memory, v2: swappiness cannot be converted: an error that names it" {
	need_v2
	resources '{"memory": {"swappiness": 17}}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails swappiness
	assert_clean
}

@test "memory: the deprecated kernel limits are a warning" {
	resources '{"memory": {"kernel": 67108864, "kernelTCP": 67108864}}'
	args /bin/echo runs
	run --separate-stderr rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_output runs
	assert_warned kernel
}

@test "cpu: shares, quota, period" {
	need_controller cpu
	resources '{"cpu": {"shares": 512, "quota": 40000, "period": 80000}}'
	started
	if cgroup_v2; then
		assert_value cpu cpu.max '40000 80000'
		assert_value cpu cpu.weight 59
	else
		assert_value cpu cpu.shares 512
		assert_value cpu cpu.cfs_quota_us 40000
		assert_value cpu cpu.cfs_period_us 80000
	fi
}

@test "cpu: 1024 shares are weight 100" {
	need_v2
	need_controller cpu
	resources '{"cpu": {"shares": 1024}}'
	started
	assert_value cpu cpu.weight 100
}

@test "cpu: quota -1 is no limit, a quota alone keeps the default period" {
	need_controller cpu
	resources '{"cpu": {"quota": -1}}'
	started
	if cgroup_v2; then assert_value cpu cpu.max 'max 100000'; else assert_value cpu cpu.cfs_quota_us -1; fi
	rt delete --force "$ID"
	resources '{"cpu": {"quota": 50000}}'
	started
	if cgroup_v2; then assert_value cpu cpu.max '50000 100000'; else
		assert_value cpu cpu.cfs_quota_us 50000
		assert_value cpu cpu.cfs_period_us 100000
	fi
}

@test "cpu: burst" {
	need_controller cpu
	local f
	if cgroup_v2; then f=cpu.max.burst; else f=cpu.cfs_burst_us; fi
	[ -n "$(find /sys/fs/cgroup/ -maxdepth 3 -name "$f" -print -quit)" ] || skip "the kernel has no $f"
	resources '{"cpu": {"quota": 40000, "period": 80000, "burst": 20000}}'
	started
	assert_value cpu "$f" 20000
}

@test "cpu: idle" {
	need_controller cpu
	[ -n "$(find /sys/fs/cgroup/ -maxdepth 3 -name cpu.idle -print -quit)" ] || skip 'the kernel has no cpu.idle'
	resources '{"cpu": {"idle": 1}}'
	started
	assert_value cpu cpu.idle 1
}

@test "cpu, v2: a real-time budget is an error that names it" {
	need_v2
	resources '{"cpu": {"realtimeRuntime": 5000, "realtimePeriod": 100000}}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails realtime
	assert_clean
}

@test "cpu, v1: a real-time budget is written, or an error that names it" {
	need_v1
	need_controller cpu
	resources '{"cpu": {"realtimeRuntime": 5000, "realtimePeriod": 500000}}'
	args /bin/sleep 600
	run rtd create --bundle "$BUNDLE" "$ID"
	if [ "$status" = 0 ]; then
		assert_value cpu cpu.rt_runtime_us 5000
		assert_value cpu cpu.rt_period_us 500000
	else
		# RT_GROUP_SCHED is not in the kernel, or the parent has no budget to give: less than this hundredth of its period is left
		[ ! -e /sys/fs/cgroup/cpu/cpu.rt_runtime_us ] || [ "$(($(cat /sys/fs/cgroup/cpu/cpu.rt_runtime_us) -
			$(cat /sys/fs/cgroup/cpu/*/cpu.rt_runtime_us | awk '{ n += $1 } END { print n + 0 }')))" -lt 10000 ] || fail 'there is a budget'
		assert_fails realtime
		assert_clean
	fi
}

@test "cpuset: cpus and mems, and the program's affinity follows" {
	need_controller cpuset
	resources '{"cpu": {"cpus": "0", "mems": "0"}}'
	inside_ok 'grep -E "^(Cpus|Mems)_allowed_list" /proc/self/status; probe affinity'
	assert_line $'Cpus_allowed_list:\t0'
	assert_line $'Mems_allowed_list:\t0'
	assert_line '0 '
}

@test "cpuset: a processor that is not there is an error that names the property" {
	need_controller cpuset
	resources '{"cpu": {"cpus": "4000"}}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails cpus
	assert_clean
}

@test "cpuset without values: the parent's processors are inherited on v1 too" {
	need_controller cpuset
	started
	if ! cgroup_v2; then assert_value cpuset cpuset.cpus "$(cat /sys/fs/cgroup/cpuset/cpuset.cpus)"; fi
	grep -q . "$(cgdir cpuset)/cgroup.procs"
}

@test "pids: the limit is written and enforced" {
	need_controller pids
	resources '{"pids": {"limit": 10}}'
	started
	assert_value pids pids.max 10
	rt delete --force "$ID"
	args /bin/probe forks 50
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_eq "${lines[0]}" 9
}

@test "pids: -1 is unlimited" {
	need_controller pids
	resources '{"pids": {"limit": -1}}'
	started
	assert_value pids pids.max max
}

@test "blkio, v1: weight and throttling" {
	need_v1
	need_controller blkio
	local dev
	dev=$(lsblk -dno MAJ:MIN 2>/dev/null | tr -d ' ' | head -n 1)
	[ -n "$dev" ] || skip 'no block device'
	config '.linux.resources.blockIO = {"throttleReadBpsDevice": [{"major": $a, "minor": $b, "rate": 1048576}],
		"throttleWriteBpsDevice": [{"major": $a, "minor": $b, "rate": 2097152}],
		"throttleReadIOPSDevice": [{"major": $a, "minor": $b, "rate": 100}],
		"throttleWriteIOPSDevice": [{"major": $a, "minor": $b, "rate": 200}]}' --argjson a "${dev%:*}" --argjson b "${dev#*:}"
	started
	assert_value blkio blkio.throttle.read_bps_device "$dev 1048576"
	assert_value blkio blkio.throttle.write_bps_device "$dev 2097152"
	assert_value blkio blkio.throttle.read_iops_device "$dev 100"
	assert_value blkio blkio.throttle.write_iops_device "$dev 200"
}

@test "blkio weight, v1: written, or an error that names it where the scheduler has none" {
	need_v1
	need_controller blkio
	resources '{"blockIO": {"weight": 300}}'
	args /bin/sleep 600
	run rtd create --bundle "$BUNDLE" "$ID"
	# the root group has no weight: look where a group of its own is
	local probe=/sys/fs/cgroup/blkio/probe-$ID file
	mkdir "$probe"
	for file in blkio.weight blkio.bfq.weight ""; do [ -z "$file" ] || [ ! -e "$probe/$file" ] || break; done
	rmdir "$probe"
	if [ -n "$file" ]; then
		assert_value blkio "$file" 300
	else
		assert_fails weight
		assert_clean
	fi
}

@test "io, v2: throttling" {
	need_v2
	need_controller io
	local dev
	dev=$(cat /sys/block/*/dev | head -n 1)
	config '.linux.resources.blockIO = {"throttleReadBpsDevice": [{"major": $a, "minor": $b, "rate": 1048576}],
		"throttleWriteIOPSDevice": [{"major": $a, "minor": $b, "rate": 200}]}' --argjson a "${dev%:*}" --argjson b "${dev#*:}"
	started
	assert_value io io.max "$dev rbps=1048576 wbps=max riops=max wiops=200"
	rt delete --force "$ID"
	config '.linux.resources.blockIO = {"throttleWriteBpsDevice": [{"major": $a, "minor": $b, "rate": 2097152}],
		"throttleReadIOPSDevice": [{"major": $a, "minor": $b, "rate": 100}]}' --argjson a "${dev%:*}" --argjson b "${dev#*:}"
	started
	assert_value io io.max "$dev rbps=max wbps=2097152 riops=100 wiops=max"
}

@test "io weight, v2: of the group and of a device, or an error that names it where no scheduler takes it" {
	need_v2
	need_controller io
	local dev d
	dev=$(cat /sys/block/*/dev | head -n 1)
	resources '{"blockIO": {"weight": 300}}'
	run rtd create --bundle "$BUNDLE" "$ID"
	if [ "$status" = 0 ]; then
		d=$(cgdir io)
		if [ -e "$d/io.bfq.weight" ]; then assert_value io io.bfq.weight 'default 300'; else assert_value io io.weight 'default 2929'; fi
		rt delete --force "$ID"
	else
		assert_fails weight
		assert_at linux.resources.blockIO
	fi
	config '.linux.resources.blockIO = {"weightDevice": [{"major": $a, "minor": $b, "weight": 400}]}' --argjson a "${dev%:*}" --argjson b "${dev#*:}"
	run rtd create --bundle "$BUNDLE" "$ID"
	if [ "$status" = 0 ]; then
		grep -qs "^$dev 400" "$(cgdir io)/io.bfq.weight" || grep -qs "^$dev " "$(cgdir io)/io.weight" || fail 'no weight of the device'
		rt delete --force "$ID"
	else
		assert_fails
		assert_at linux.resources.blockIO
	fi
	assert_clean
}

@test "hugetlb limits" {
	need_controller hugetlb
	local size
	size=$(find /sys/kernel/mm/hugepages -maxdepth 1 -name 'hugepages-*kB' | head -n 1)
	[ -n "$size" ] || skip 'the kernel has no huge pages'
	resources '{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}'
	started
	if cgroup_v2; then assert_value hugetlb hugetlb.2MB.max 4194304; else assert_value hugetlb hugetlb.2MB.limit_in_bytes 4194304; fi
	if cgroup_v2; then assert_value hugetlb hugetlb.2MB.rsvd.max 4194304; else assert_value hugetlb hugetlb.2MB.rsvd.limit_in_bytes 4194304; fi
}

@test "a limit of a controller that is not there is an error that names it" {
	local c j
	while read -r c j; do
		if cgroup_v2; then grep -qw "$c" /sys/fs/cgroup/cgroup.controllers && continue; else
			[ ! -d "/sys/fs/cgroup/$c" ] || continue
			# on a hybrid host the unified hierarchy may have it
			! grep -qw "$c" /sys/fs/cgroup/unified/cgroup.controllers 2>/dev/null || continue
		fi
		bundle "r-$c"
		args /bin/true
		resources "$j"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 1
		assert_at "linux.resources.$(jq -r 'keys[0]' <<<"$j")"
	done <<-'END'
		hugetlb {"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}
		rdma {"rdma": {"mlx5_1": {"hcaHandles": 3}}}
		net_cls {"network": {"classID": 1048577}}
	END
	assert_clean
}

@test "unified: files are written verbatim" {
	need_v2
	resources '{"unified": {"pids.max": "44", "memory.high": "50000000"}}'
	started
	assert_value pids pids.max 44
	assert_value memory memory.high "$((50000000 / 4096 * 4096))"
}

@test "unified: the controllers are enabled all the way down, and files that nobody here knows are written" {
	need_v2
	need_cgroupfs
	need_controller memory
	config '.linux.cgroupsPath = $p' --arg p "$(cgroups_path "/$ID/a/b")"
	resources '{"unified": {"memory.oom.group": "1", "cgroup.max.depth": "3", "pids.max": "44"}}'
	started
	local d
	d=$(cgdir memory "/$ID/a/b")
	assert_eq "$(cat "$d/memory.oom.group")" 1
	assert_eq "$(cat "$d/cgroup.max.depth")" 3
	grep -qw memory "$d/../cgroup.subtree_control"
	grep -qw memory "$d/../../cgroup.subtree_control"
	rt delete --force "$ID"
	find /sys/fs/cgroup -depth -type d \( -path "*/$ID" -o -path "*/$ID/*" \) -exec rmdir {} \;
}

@test "unified: a controller that is not there is an error that names the file, and leaves nothing" {
	need_v2
	local c f tried=
	for c in cpuset:cpuset.cpus hugetlb:hugetlb.2MB.max rdma:rdma.max misc:misc.max dmem:dmem.max; do
		f=${c#*:}
		if grep -qw "${c%%:*}" /sys/fs/cgroup/cgroup.controllers; then continue; fi
		config '.linux.resources.unified = {($f): "0"}' --arg f "$f"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 1
		assert_fails "$f"
		assert_clean
		tried=1
	done
	[ -n "$tried" ] || skip 'this kernel has every controller'
}

@test "unified: wins over the converted value; an unknown file and a path are errors" {
	need_v2
	resources '{"pids": {"limit": 10}, "unified": {"pids.max": "44"}}'
	started
	assert_value pids pids.max 44
	rt delete --force "$ID"
	local k
	for k in teapot.max ../pids.max pids/max cgroup; do
		config 'del(.linux.resources.unified) | .linux.resources.unified[$k] = "1"' --arg k "$k"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_fails "$k"
	done
	assert_clean
}

@test "unified on a v1 host is an error" {
	need_v1
	resources '{"unified": {"pids.max": "44"}}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails unified
	assert_clean
}

@test "a cgroup that exists already is used, and only what is in it by the container is removed" {
	# systemd makes the directory of a scope, and takes it away with the scope
	need_cgroupfs
	local d
	d=$(cgdir pids "/$ID")
	mkdir "$d"
	started
	grep -qx "$(pid_of)" "$d/cgroup.procs"
	mkdir "$d/inner"
	rt delete --force "$ID"
	[ -d "$d" ] || fail "$d, which was there before, is gone"
	[ ! -e "$d/inner" ] || fail "what the container made is left"
	rmdir "$d"
}

@test "a cgroup that is frozen already is an error that says so, and stays as it is" {
	need_cgroupfs
	local d file frozen
	if cgroup_v2; then d=$(cgdir any) file=cgroup.freeze frozen=1; else
		need_controller freezer
		d=$(cgdir freezer) file=freezer.state frozen=FROZEN
	fi
	mkdir "$d"
	echo "$frozen" >"$d/$file"
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	local rc=$status said=$output now
	now=$(cat "$d/$file")
	rmdir "$d"
	status=$rc output=$said
	assert_status 1
	assert_fails 'unexpectedly frozen'
	assert_at linux.cgroupsPath
	assert_eq "$now" "$frozen"
	assert_clean
}

@test "two containers side by side do not see or touch each other's cgroup" {
	started
	local a=$ID pid
	pid=$(pid_of)
	ID=$ID-b
	bundle second
	started
	rt delete --force "$ID"
	ID=$a
	assert_eq "$(status_of)" running
	grep -q ":$(cgpath)\$" "/proc/$pid/cgroup"
}

@test "run.oci.delegate-cgroup, v2: the processes are in a cgroup of their own, below the one with the limits" {
	need_v2
	config '.annotations["run.oci.delegate-cgroup"] = "/payload/init"'
	resources '{"memory": {"limit": 67108864}}'
	started /bin/sh -c 'cat /proc/self/cgroup; ls -d /sys/fs/cgroup/payload/init; cat /sys/fs/cgroup/memory.max; sleep 600'
	eventually grep -q 67108864 "$T/stdout"
	assert_eq "$(cat "$T/stdout")" "0::/payload/init
/sys/fs/cgroup/payload/init
67108864"
	assert_eq "$(cat "$(cgdir memory)/payload/memory.max")" max 'limit of the payload'
	grep -qw memory "$(cgdir memory)/payload/cgroup.controllers"
	# a further process goes where the first one is
	in_exec cat /proc/self/cgroup
	assert_output '0::/payload/init'
	assert_eq "$(rt ps --format json "$ID" | jq length)" "$(wc -l <"$(cgdir memory)/payload/init/cgroup.procs")"
	rt pause "$ID"
	assert_eq "$(status_of)" paused
	rt resume "$ID"
	rt delete --force "$ID"
	assert_clean
}

@test "run.oci.delegate-cgroup, v2: it belongs to the container's user, the limits do not" {
	need_v2
	config '.annotations["run.oci.delegate-cgroup"] = "payload" | .process.user = {"uid": 1000, "gid": 1000} |
		(.mounts[] | select(.type == "cgroup")).options -= ["ro"]'
	if [ -n "$ROOTLESS" ]; then
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_fails "only the container's root, user $(id -u), can have it"
		config '.process.user = {"uid": 0, "gid": 0}'
		inside_ok 'cd /sys/fs/cgroup && mkdir payload/x && echo 0 >payload/x/cgroup.procs && cat /proc/self/cgroup'
		assert_line 0::/payload/x
		return
	fi
	inside_ok 'cd /sys/fs/cgroup && mkdir payload/x && echo 0 >payload/x/cgroup.procs && cat /proc/self/cgroup'
	assert_line 0::/payload/x
	config '.linux.namespaces += [{"type": "user"}] | .process.user = {"uid": 0, "gid": 0} |
		.linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$BUNDLE/rootfs"
	inside_ok 'cd /sys/fs/cgroup && mkdir payload/x && stat -c %u payload && echo 0 >payload/x/cgroup.procs && cat /proc/self/cgroup'
	assert_line 0
	assert_line 0::/payload/x
}

@test "run.oci.delegate-cgroup: a way out, and cgroup v1, are refused" {
	config '.annotations["run.oci.delegate-cgroup"] = "../x"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails
	assert_at 'annotations["run.oci.delegate-cgroup"]'
	assert_clean
	if cgroup_v2; then return; fi
	config '.annotations["run.oci.delegate-cgroup"] = "x"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'cgroup v2 only'
}
