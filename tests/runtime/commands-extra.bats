#!/usr/bin/env bats
# events, completion, and the corners of update, spec and features.

load helpers

# ------------------------------------------------------------------ events

used_memory() { rt events --stats "$ID" | jq -e '.data.memory.usage.usage > 0'; }

@test "events --stats: one line of JSON with every group" {
	need_controller memory
	need_controller pids
	config '.linux.resources += {"memory": {"limit": 67108864}, "pids": {"limit": 100}}'
	started
	# charged in batches: the first page may not have been yet
	eventually used_memory
	run --separate-stderr rt events --stats "$ID"
	assert_status 0
	assert_eq "${#lines[@]}" 1 'number of lines'
	jq -e --arg id "$ID" '.type == "stats" and .id == $id and (.data | keys) == (["blkio","cpu","cpuset","hugetlb",
		"intel_rdt","memory","network_interfaces","pids"])' <<<"$output"
	jq -e '.data | .pids == {"current": 1, "limit": 100} and .memory.usage.limit == 67108864 and .memory.usage.usage > 0
		and .cpu.usage.total > 0 and (.cpu.throttling | has("throttledPeriods")) and (.memory.raw | length) > 0' <<<"$output"
}

@test "events repeats in the interval, and ends when the container stops" {
	local pid
	started
	rt events --interval 200ms "$ID" >"$T/events" 2>"$T/err" 3>&- &
	pid=$!
	eventually sh -c "[ \$(wc -l <'$T/events') -ge 3 ]"
	rt kill "$ID" KILL
	wait "$pid"
	jq -es --arg id "$ID" 'all(.type == "stats" and .id == $id)' "$T/events"
	assert_eq "$(cat "$T/err")" ''
}

# waiting for news, on v2 by inotify, on v1 by an eventfd
listens() { find "/proc/$1/fd/" -lname '*inotify*' -o -lname '*eventfd*' | grep -q .; }

@test "events tells that memory ran out" {
	need_controller memory
	config '.linux.resources += {"memory": {"limit": 16777216, "swap": 16777216}}'
	started /bin/sh -c 'until [ -e /go ]; do sleep 0.1; done; x=0123456789; while :; do x=$x$x; done'
	"$OCI_RT" --root "$ROOT" events --interval 1h "$ID" >"$T/events" 3>&- &
	eventually listens $!
	sleep 0.2
	touch "$BUNDLE/rootfs/go"
	wait $!
	jq -e --arg id "$ID" '. == {"type": "oom", "id": $id}' <<<"$(head -n 1 "$T/events")"
	assert_eq "$(status_of)" stopped
}

@test "events: network interfaces of the container's own network, without loopback" {
	need_command ip
	started
	ip link add "veth$$a" type veth peer name "veth$$b" 2>/dev/null || skip 'no veth devices here'
	ip link set "veth$$b" netns "$(pid_of)"
	run rt events --stats "$ID"
	ip link del "veth$$a" 2>/dev/null || true
	jq -e --arg n "veth$$b" '[.data.network_interfaces[].Name] == [$n] and (.data.network_interfaces[0] | has("RxBytes"))' <<<"$output"
}

@test "events of a stopped, an unknown container and with a wrong interval" {
	local d
	started
	rt kill "$ID" KILL
	wait_status stopped
	run rt events --stats "$ID"
	assert_status 1
	assert_has 'container not running'
	run rt events "$ID-unknown"
	assert_status 1
	assert_has "container \"$ID-unknown\" does not exist"
	for d in 0s 5 -1s soon '' 1h5; do
		run rt events --interval "$d" "$ID"
		assert_fails '--interval'
	done
}

# ------------------------------------------------------------------ update

@test "update: sizes with suffixes" {
	need_controller memory
	config '.linux.resources += {"memory": {"limit": 67108864}}'
	started
	rt update --memory 96m "$ID"
	jq -e '.memory.limit == 100663296' "$ROOT/$ID/resources.json"
	rt update --memory 0.25GiB "$ID"
	jq -e '.memory.limit == 268435456' "$ROOT/$ID/resources.json"
	run rt update --memory 10x "$ID"
	assert_fails '--memory 10x'
	run rt update --memory 99999999999g "$ID"
	assert_fails 'too large'
	run rt update "$ID"
	assert_fails 'nothing to change'
}

@test "update: 0 leaves a limit as it is, but no process at all is a limit" {
	need_controller pids
	need_controller cpu
	config '.linux.resources += {"pids": {"limit": 100}, "cpu": {"quota": 40000, "period": 80000}}'
	started
	rt update -r - "$ID" <<<'{"memory": {"limit": 0, "swap": 0}, "cpu": {"quota": 0, "period": 0, "shares": 0}, "pids": {"limit": 0}}'
	assert_eq "$(cat "$(cgdir pids)/pids.max")" 0
	jq -e '.cpu.quota == 40000 and .cpu.period == 80000 and .pids.limit == 0' "$ROOT/$ID/resources.json"
}

@test "update: what was written before a refused value is put back, and the record stays" {
	need_controller cpu
	need_controller cpuset
	need_controller memory
	config '.linux.resources += {"cpu": {"shares": 512}, "memory": {"limit": 67108864, "swap": 67108864}}'
	started
	rt update --cpu-share 600 "$ID"
	cp "$ROOT/$ID/resources.json" "$T/before"
	run rt update --cpu-share 700 --cpuset-cpus 4000 "$ID"
	assert_fails
	cmp "$T/before" "$ROOT/$ID/resources.json"
	if cgroup_v2; then return; fi
	# v2 would rather kill than refuse; here the CPU is written before memory is refused
	run rt update --cpu-share 700 --memory 4096 --memory-swap 4096 "$ID"
	assert_fails memory
	cmp "$T/before" "$ROOT/$ID/resources.json"
	assert_eq "$(cat "$(cgdir cpu)/cpu.shares")" 600
	assert_eq "$(cat "$(cgdir memory)/memory.limit_in_bytes")" 67108864
}

@test "update never touches the device rules, even when the document names them" {
	if ! cgroup_v2; then need_controller devices; fi
	started
	rt update -r - "$ID" <<<'{"devices": [{"allow": true, "access": "rwm"}], "pids": {"limit": 50}}'
	if ! cgroup_v2; then refute grep -q '^a \*:\* rwm' "$(cgdir devices)/devices.list"; fi
	jq -e '.devices == [{"allow": false, "type": "a", "access": "rwm"}] or .devices[0].allow == false' "$ROOT/$ID/resources.json"
}

@test "update --l3-cache-schema: an error that names the flag" {
	started
	run rt update --l3-cache-schema L3:0=f "$ID"
	assert_fails l3-cache-schema
}

@test "update of a created container" {
	need_controller pids
	rtd create --bundle "$BUNDLE" "$ID"
	rt update --pids-limit 44 "$ID"
	assert_eq "$(cat "$(cgdir pids)/pids.max")" 44
	rt start "$ID"
	assert_eq "$(status_of)" running
}

# ------------------------------------------------------------------ spec, features

@test "spec --file, and that a file is never overwritten through a link" {
	mkdir "$T/new"
	rt spec -b "$T/new" -f other.json
	[ -f "$T/new/other.json" ]
	ln -s "$T/target" "$T/new/config.json"
	run rt spec -b "$T/new"
	assert_fails config.json
	[ ! -e "$T/target" ]
	run rt spec -b "$T/missing"
	assert_fails "$T/missing"
}

@test "spec writes documents that check finds valid" {
	mkdir -p "$T/new/rootfs" "$T/rootless/rootfs"
	rt spec -b "$T/new"
	run rt check "$T/new"
	assert_status 0
	refute_has 'warning:'
	rt spec --rootless -b "$T/rootless"
	run rt check "$T/rootless"
	assert_status 0
	refute_has 'warning:'
}

@test "features: names are sorted or in the specification's order, and none twice" {
	run "$OCI_RT" features
	jq -e '.mountOptions == (.mountOptions | sort | unique)' <<<"$output"
	jq -e '.linux | (.namespaces, .capabilities, .seccomp.actions, .seccomp.archs, .memoryPolicy.modes) | length == (unique | length)' <<<"$output"
	jq -e '.ociVersionMin == "1.0.0" and .ociVersionMax == "1.3.0" and (.linux.memoryPolicy.flags | length) == 3 and
		.linux.netDevices.enabled == true and (.linux.intelRdt | keys) == ["enabled","monitoring","schemata"]' <<<"$output"
	jq -e '.potentiallyUnsafeConfigAnnotations | index("run.oci.keep_original_groups") != null' <<<"$output"
}

# ------------------------------------------------------------------ completion

# complete WORD...: what bash is offered for the last word
complete_words() {
	bash -c 'eval "$("$OCI_RT" completion bash)"; compopt() { :; }
		COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _oci_rt; echo "${COMPREPLY[*]}"' bash "$@"
}

@test "completion bash: commands, options, values, containers" {
	started
	run complete_words oci-rt ''
	assert_match '\bcreate\b.*\bupdate\b'
	assert_eq "$(complete_words oci-rt --log-format '')" 'text json'
	assert_eq "$(complete_words oci-rt update --cpuset-)" '--cpuset-cpus --cpuset-mems'
	assert_eq "$(complete_words oci-rt completion '')" 'bash zsh fish'
	assert_eq "$(complete_words "$OCI_RT" --root "$ROOT" kill '')" "$ID"
	assert_eq "$(complete_words "$OCI_RT" --root = "$ROOT" state '')" "$ID"
}

@test "completion: the installed files are what the command prints" {
	local pair dir=$TESTS/../contrib/completion
	[ -d "$dir" ] || skip 'the sources are not here, only the tests'
	for pair in bash:oci-rt.bash zsh:_oci-rt fish:oci-rt.fish; do
		"$OCI_RT" completion "${pair%%:*}" | cmp - "$dir/${pair#*:}"
	done
}

@test "completion: the shells' own syntax checks" {
	local shell
	for shell in bash zsh fish; do
		"$OCI_RT" completion "$shell" >"$T/$shell"
		[ -s "$T/$shell" ]
	done
	bash -n "$T/bash"
	if command -v zsh >/dev/null; then zsh -fn "$T/zsh"; fi
	if command -v fish >/dev/null; then fish --no-execute "$T/fish"; fi
	run "$OCI_RT" completion tcsh
	assert_fails tcsh
}

@test "kill --regex and delete --regex: every container whose id matches, and no other" {
	local base=$ID n
	for n in a1 a2 b1; do
		ID=$base-$n
		bundle "$n"
		started
	done
	run rt kill --regex 'a[0-9]$' KILL
	assert_status 0
	for n in a1 a2; do wait_status stopped "$base-$n"; done
	assert_eq "$(status_of "$base-b1")" running
	# a failure with one of them does not keep the others
	run rt delete -r "^$base"
	assert_status 0
	assert_warned "$base-b1"
	run rt list -q
	assert_output "$base-b1"
	rt delete --force --regex .
	run rt list -q
	assert_output ''
	run rt kill --regex '(' KILL
	assert_fails --regex
	ID=$base
}

@test "-V, -? and --usage are what crun calls --version and --help" {
	local version help
	version=$("$OCI_RT" --version)
	help=$("$OCI_RT" exec --help)
	assert_eq "$("$OCI_RT" -V)" "$version"
	assert_eq "$("$OCI_RT" '-?')" "$("$OCI_RT" --help)"
	assert_eq "$("$OCI_RT" exec --usage)" "$help"
	assert_eq "$("$OCI_RT" exec '-?')" "$help"
}
