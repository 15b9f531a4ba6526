#!/usr/bin/env bats
# The command line: forms of options, and the argument vectors that engines really use.

load helpers

@test "--root DIR, --root=DIR, -root DIR and -root=DIR are the same" {
	local form
	for form in "--root $ROOT" "--root=$ROOT" "-root $ROOT" "-root=$ROOT"; do
		# shellcheck disable=SC2086
		"$OCI_RT" $form create --bundle "$BUNDLE" "$ID" </dev/null >"$T/o" 2>&1 3>&-
		[ -d "$ROOT/$ID" ]
		# shellcheck disable=SC2086
		"$OCI_RT" $form delete --force "$ID"
		[ ! -e "$ROOT/$ID" ]
	done
}

@test "the state directory is made, and not readable for others" {
	(umask 0 && rtd create --bundle "$BUNDLE" "$ID")
	[ -d "$ROOT/$ID" ]
	local mode
	mode=$(stat -c %a "$ROOT")
	assert_eq $((8#$mode & 8#066)) 0 "others' rights on $ROOT ($mode)"
	find "$ROOT" -mindepth 1 -perm /o+w ! -type s ! -type l | (refute grep .)
}

@test "without --root: /run/oci-rt for root" {
	need_command unshare
	[ "$(id -u)" = 0 ] || skip 'needs root'
	# its own /run, so that nobody's containers are met
	run unshare --mount --propagation private bash -c 'mount -t tmpfs none /run && cd "$2" && "$1" create --bundle "$2" "$3" </dev/null >/dev/null &&
		ls -d "/run/oci-rt/$3" && "$1" delete --force "$3" && ls -A /run/oci-rt; rmdir /run/oci-rt/.cache 2>/dev/null; stat -c %a /run/oci-rt' \
		- "$OCI_RT" "$BUNDLE" "$ID" 3>&-
	assert_status 0
	assert_line "/run/oci-rt/$ID"
	assert_line 700
}

@test "--rootless in every spelling; --criu is taken, with a warning" {
	local o
	for o in --rootless --rootless=true --rootless=false --rootless=auto; do
		run "$OCI_RT" --root "$ROOT" "$o" list -q
		assert_status 0
		assert_output ''
	done
	run "$OCI_RT" --root "$ROOT" --rootless=perhaps list -q
	assert_fails perhaps
	rt --criu /no/such/criu list -q
	assert_warned --criu
	run rt --criu=/no/such/criu list -q
	assert_status 0
}

@test "options may precede or follow the id" {
	rtd create "$ID" --bundle "$BUNDLE"
	rt delete "$ID" --force
	assert_clean
	rtd create --bundle="$BUNDLE" "$ID"
	rt delete --force "$ID"
}

@test "what follows the id of exec belongs to the command, also when it looks like an option" {
	started
	run rt exec "$ID" echo --user -b --root x
	assert_status 0
	assert_output '--user -b --root x'
}

@test "single-dash long options are taken by every command" {
	rtd create -bundle "$BUNDLE" -pid-file "$T/pid" "$ID"
	assert_eq "$(cat "$T/pid")" "$(pid_of)"
	rt delete -force "$ID"
}

@test "an unknown option is refused by name" {
	run rt create --bundle "$BUNDLE" --frobnicate "$ID"
	assert_fails frobnicate
	run "$OCI_RT" --frobnicate list
	assert_fails frobnicate
	assert_clean
}

@test "an option that needs a value says so" {
	run rt create --bundle
	assert_fails bundle
}

@test "a missing container id is an error, too many arguments too" {
	local c
	for c in create start state kill delete pause resume; do
		run rt "$c"
		assert_status 1
		assert_fails "$c: an argument is missing"
	done
	run rt exec
	assert_status 255
	assert_has 'argument'
	run rt state "$ID" extra
	assert_status 1
	run rt start "$ID" extra
	assert_status 1
}

# ------------------------------------------------------------------ argv of the engines, verbatim

@test "containerd shim: create, start, state, kill, delete" {
	for_cgroupfs
	local prefix=(--root "$ROOT" --log "$T/log.json" --log-format json)
	"$OCI_RT" "${prefix[@]}" create --bundle "$BUNDLE" --pid-file "$T/init.pid" "$ID" </dev/null >"$T/o" 2>&1 3>&-
	"$OCI_RT" "${prefix[@]}" start "$ID"
	jq -e '.status == "running"' <<<"$("$OCI_RT" "${prefix[@]}" state "$ID")"
	"$OCI_RT" "${prefix[@]}" ps --format json "$ID" | jq -e 'length == 1'
	"$OCI_RT" "${prefix[@]}" pause "$ID"
	"$OCI_RT" "${prefix[@]}" resume "$ID"
	"$OCI_RT" "${prefix[@]}" kill --all "$ID" 9
	wait_status stopped
	"$OCI_RT" "${prefix[@]}" delete "$ID"
	"$OCI_RT" "${prefix[@]}" delete --force "$ID"
	[ ! -s "$T/log.json" ] || fail "something in the log: $(cat "$T/log.json")"
}

@test "containerd shim: exec --process FILE --detach --pid-file FILE ID" {
	started
	jq '.process | .args = ["/bin/sh", "-c", "echo $$ >/execed; exec sleep 601"]' "$BUNDLE/config.json" >"$T/runc-process123"
	rtd --log "$T/log.json" --log-format json exec --process "$T/runc-process123" --detach --pid-file "$T/e.pid" "$ID"
	eventually test -s "$BUNDLE/rootfs/execed"
	assert_eq "$(tr '\0' ' ' <"/proc/$(cat "$T/e.pid")/cmdline")" 'sleep 601 '
}

@test "containerd shim: update --resources=- ID" {
	need_controller pids
	started
	echo '{"pids":{"limit":77}}' | "$OCI_RT" --root "$ROOT" --log "$T/log.json" --log-format json update --resources=- "$ID"
	assert_eq "$(cat "$(cgdir pids)/pids.max")" 77
}

@test "containerd shim: options it passes on" {
	rtd create --bundle "$BUNDLE" --pid-file "$T/init.pid" --no-pivot --no-new-keyring "$ID"
	rt delete --force "$ID"
	args /bin/true
	rt --debug --rootless=false create --bundle "$BUNDLE" --pid-file "$T/init.pid" --preserve-fds 0 "$ID" </dev/null >"$T/o" 2>&1 3>&-
	rt delete --force "$ID"
}

@test "conmon: create and exec" {
	"$OCI_RT" --root "$ROOT" create --bundle "$BUNDLE" --pid-file "$T/pidfile" "$ID" </dev/null >"$T/o" 2>&1 3>&-
	"$OCI_RT" --root "$ROOT" start "$ID"
	jq '.process | .args = ["/bin/sleep", "602"]' "$BUNDLE/config.json" >"$T/exec-process"
	rtd exec --pid-file "$T/exec-pid" --process "$T/exec-process" --detach "$ID"
	assert_eq "$(tr '\0' ' ' <"/proc/$(cat "$T/exec-pid")/cmdline")" '/bin/sleep 602 '
}

@test "podman: --log-format=json --log FILE, kill --all ID 15, delete --force" {
	"$OCI_RT" --log-format=json --log "$T/oci-log" --root "$ROOT" create --bundle "$BUNDLE" --pid-file "$T/p" "$ID" </dev/null >"$T/o" 2>&1 3>&-
	env -i XDG_RUNTIME_DIR="$T" "$OCI_RT" --root "$ROOT" start "$ID"
	env -i XDG_RUNTIME_DIR="$T" "$OCI_RT" --root "$ROOT" kill --all "$ID" 9
	wait_status stopped
	env -i XDG_RUNTIME_DIR="$T" "$OCI_RT" --root "$ROOT" delete --force "$ID"
	assert_clean
}

@test "podman: --cgroup-manager disabled makes no cgroup, and the container knows nothing of it later" {
	"$OCI_RT" --root "$ROOT" --cgroup-manager disabled create --bundle "$BUNDLE" "$ID" </dev/null >"$T/o" 2>&1 3>&-
	assert_eq "$(cgroups_left)" '' cgroups
	rt start "$ID"
	rt kill "$ID" KILL
	wait_status stopped
	rt delete "$ID"
	assert_clean
}

@test "podman: --cgroup-manager cgroupfs" {
	for_cgroupfs
	"$OCI_RT" --root "$ROOT" --cgroup-manager=cgroupfs create --bundle "$BUNDLE" "$ID" </dev/null >"$T/o" 2>&1 3>&-
	[ -n "$(cgroups_left)" ]
}

@test "CRI-O: --root R exec --process F ID is attached and returns the status" {
	started
	jq '.process | .args = ["/bin/sh", "-c", "echo attached; exit 42"]' "$BUNDLE/config.json" >"$T/process"
	run rt exec --process "$T/process" "$ID"
	assert_status 42
	assert_output attached
}

@test "CRI-O: kill ID TERM; update --resources - ID; delete --force ID" {
	need_controller pids
	started /bin/probe wait-signal
	echo '{"pids":{"limit":55}}' | "$OCI_RT" --root "$ROOT" update --resources - "$ID"
	assert_eq "$(cat "$(cgdir pids)/pids.max")" 55
	"$OCI_RT" --root "$ROOT" kill "$ID" TERM
	wait_status stopped
	"$OCI_RT" --root "$ROOT" delete --force "$ID"
	assert_clean
}

@test "go-runc Run: run --bundle B --pid-file P --detach ID" {
	rtd --log "$T/l" --log-format json run --bundle "$BUNDLE" --pid-file "$T/p" --detach "$ID"
	assert_eq "$(cat "$T/p")" "$(pid_of)"
}

@test "crun: create --config FILE" {
	mv "$BUNDLE/config.json" "$T/elsewhere.json"
	rtd create --bundle "$BUNDLE" --config "$T/elsewhere.json" "$ID"
	assert_eq "$(status_of)" created
}
