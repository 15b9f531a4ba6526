#!/usr/bin/env bats
# update: from a file, from stdin, by flags; merged with what is stored.

load helpers

value() { cat "$(cgdir "$1")/$2"; }

prepare() {
	need_controller memory
	need_controller pids
	need_controller cpu
	config '.linux.resources += {"memory": {"limit": 67108864, "swap": 67108864}, "pids": {"limit": 100}, "cpu": {"shares": 512, "quota": 40000, "period": 80000}}'
	started
}

memory_limit() { if cgroup_v2; then value memory memory.max; else value memory memory.limit_in_bytes; fi; }
cpu_quota() { if cgroup_v2; then cut -d' ' -f1 <"$(cgdir cpu)/cpu.max"; else value cpu cpu.cfs_quota_us; fi; }
cpu_period() { if cgroup_v2; then cut -d' ' -f2 <"$(cgdir cpu)/cpu.max"; else value cpu cpu.cfs_period_us; fi; }

@test "from stdin: -r -, --resources -, --resources=-" {
	echo '{"pids": {"limit": 20}}' | rt update -r - "$ID"
	assert_eq "$(value pids pids.max)" 20
	echo '{"pids": {"limit": 21}}' | rt update --resources - "$ID"
	assert_eq "$(value pids pids.max)" 21
	echo '{"pids": {"limit": 22}}' | rt update --resources=- "$ID"
	assert_eq "$(value pids pids.max)" 22
}

@test "from a file; what it does not mention stays" {
	echo '{"memory": {"limit": 50331648, "swap": 50331648}}' >"$T/r.json"
	rt update --resources="$T/r.json" "$ID"
	assert_eq "$(memory_limit)" 50331648
	assert_eq "$(value pids pids.max)" 100
	assert_eq "$(cpu_quota)" 40000
}

@test "by flags" {
	rt update --pids-limit 33 --cpu-quota 30000 --cpu-period 60000 --memory 50331648 --memory-swap 50331648 "$ID"
	assert_eq "$(value pids pids.max)" 33
	assert_eq "$(cpu_quota)" 30000
	assert_eq "$(cpu_period)" 60000
	assert_eq "$(memory_limit)" 50331648
	if cgroup_v2; then assert_eq "$(value memory memory.swap.max)" 0; fi
}

@test "every flag: reservation, burst, idle, real time, weight, and the deprecated ones" {
	local f
	rt update --memory-reservation 33554432 "$ID"
	if cgroup_v2; then assert_eq "$(value memory memory.low)" 33554432; else assert_eq "$(value memory memory.soft_limit_in_bytes)" 33554432; fi
	if cgroup_v2; then f=cpu.max.burst; else f=cpu.cfs_burst_us; fi
	if [ -e "$(cgdir cpu)/$f" ]; then
		rt update --cpu-burst 20000 "$ID"
		assert_eq "$(value cpu "$f")" 20000
	fi
	if [ -e "$(cgdir cpu)/cpu.idle" ]; then
		rt update --cpu-idle 1 "$ID"
		assert_eq "$(value cpu cpu.idle)" 1
		rt update --cpu-idle 0 "$ID"
		assert_eq "$(value cpu cpu.idle)" 0
	fi
	# written, or refused by name, and then nothing is changed
	for f in '--cpu-rt-runtime 4000' '--cpu-rt-period 900000' '--blkio-weight 300'; do
		# shellcheck disable=SC2086
		run rt update $f --pids-limit 41 "$ID"
		if [ "$status" = 0 ]; then
			assert_eq "$(value pids pids.max)" 41
			rt update --pids-limit 100 "$ID"
		else
			assert_fails
			[[ $(last_error .path) == linux.resources.* ]] || fail "$f: the error's path is $(last_error .path)"
			assert_eq "$(value pids pids.max)" 100
		fi
	done
	run rt update --kernel-memory-tcp 50331648 "$ID"
	assert_status 0
	assert_warned kernel
	run rt update --mem-bw-schema MB:0=50 "$ID"
	assert_fails mem-bw-schema
}

@test "--cpu-share" {
	rt update --cpu-share 1024 "$ID"
	if cgroup_v2; then assert_eq "$(value cpu cpu.weight)" 100; else assert_eq "$(value cpu cpu.shares)" 1024; fi
}

@test "a quota alone keeps the period, a period alone keeps the quota" {
	rt update --cpu-quota 20000 "$ID"
	assert_eq "$(cpu_quota) $(cpu_period)" '20000 80000'
	# a ratio that systemd, which knows steps of ten milliseconds a second, can express
	rt update --cpu-period 40000 "$ID"
	assert_eq "$(cpu_quota) $(cpu_period)" '20000 40000'
}

@test "the memory limit can be raised and lowered, with swap in the right order" {
	rt update --memory 134217728 --memory-swap 134217728 "$ID"
	assert_eq "$(memory_limit)" 134217728
	rt update --memory 33554432 --memory-swap 33554432 "$ID"
	assert_eq "$(memory_limit)" 33554432
	rt update --memory -1 --memory-swap -1 "$ID"
	if cgroup_v2; then assert_eq "$(memory_limit)" max; else assert_eq "$(memory_limit)" 9223372036854771712; fi
}

@test "-1 lifts the pids limit" {
	rt update --pids-limit -1 "$ID"
	assert_eq "$(value pids pids.max)" max
}

@test "--cpuset-cpus" {
	need_controller cpuset
	rt update --cpuset-cpus 0 --cpuset-mems 0 "$ID"
	assert_eq "$(value cpuset cpuset.cpus)" 0
	in_exec probe affinity
	assert_output '0 '
}

@test "--kernel-memory is a warning" {
	run rt update --kernel-memory 50331648 "$ID"
	assert_status 0
	assert_warned kernel
}

@test "a value that the kernel refuses is an error that names the property, and changes nothing else" {
	need_controller cpuset
	run rt update --cpuset-cpus 4000 "$ID"
	assert_fails cpus
	assert_eq "$(value pids pids.max)" 100
}

@test "broken JSON, a wrong type, an unknown file: errors without effect" {
	run rt update -r - "$ID" <<<'{"pids": {"limit": '
	assert_fails
	run rt update -r - "$ID" <<<'{"pids": {"limit": "many"}}'
	assert_fails pids.limit
	run rt update -r "$T/missing" "$ID"
	assert_fails "$T/missing"
	run rt update --pids-limit many "$ID"
	assert_fails many
	assert_eq "$(value pids pids.max)" 100
}

@test "update without devices leaves the device rules alone" {
	if ! cgroup_v2; then need_controller devices; fi
	rt update --pids-limit 50 "$ID"
	in_exec probe open /dev/null rw
	assert_output ok
	if ! cgroup_v2; then refute grep -qx 'a \*:\* rwm' "$(cgdir devices)/devices.list"; fi
}

@test "update of a paused container" {
	rt pause "$ID"
	rt update --pids-limit 60 "$ID"
	assert_eq "$(value pids pids.max)" 60
	assert_eq "$(status_of)" paused
}

@test "update of a stopped and of an unknown container are errors" {
	rt kill "$ID" KILL
	wait_status stopped
	run rt update --pids-limit 60 "$ID"
	assert_fails
	run rt update --pids-limit 60 "$ID-unknown"
	assert_status 1
	assert_has "container \"$ID-unknown\" does not exist"
}

@test "checkBeforeUpdate: a limit below the use is refused before anything changes" {
	in_exec true
	run rt update -r - "$ID" <<<'{"memory": {"limit": 4096, "swap": 4096, "checkBeforeUpdate": true}, "pids": {"limit": 61}}'
	assert_fails memory
	assert_eq "$(memory_limit)" 67108864
	assert_eq "$(value pids pids.max)" 100
	assert_eq "$(status_of)" running
}
