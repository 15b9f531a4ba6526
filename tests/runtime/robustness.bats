#!/usr/bin/env bats
# Cycles, kills at any point, damaged state: nothing stays behind, and delete --force always cleans.

load helpers

@test "300 create, start, kill, delete cycles leave nothing" {
	local i n=300
	[ -z "${OCI_RT_TEST_SHORT:-}" ] || n=30
	for ((i = 0; i < n; i++)); do
		rtd create --bundle "$BUNDLE" "$ID" || fail "create number $i"
		rt start "$ID" || fail "start number $i"
		rt kill "$ID" KILL || fail "kill number $i"
		rt delete "$ID" 2>/dev/null || { wait_status stopped && rt delete "$ID"; } || fail "delete number $i"
	done
	assert_clean
}

@test "100 runs leave nothing" {
	local i n=100
	[ -z "${OCI_RT_TEST_SHORT:-}" ] || n=20
	args /bin/true
	for ((i = 0; i < n; i++)); do rt run --bundle "$BUNDLE" "$ID" </dev/null || fail "run number $i"; done
	assert_clean
}

@test "containers in parallel" {
	local i jobs=() rc
	args /bin/sh -c 'exit 7'
	config 'del(.linux.cgroupsPath)'
	for i in 1 2 3 4 5 6 7 8 9 10; do
		rt run --bundle "$BUNDLE" "$ID-$i" </dev/null >"$T/out-$i" 2>&1 3>&- &
		jobs+=($!)
	done
	for i in "${!jobs[@]}"; do
		rc=0
		wait "${jobs[i]}" || rc=$?
		assert_eq "$rc" 7 "status of $i ($(cat "$T/out-$((i + 1))"))"
	done
	assert_clean
}

@test "two creates of one id at once: exactly one wins" {
	local i round won
	for round in 1 2 3 4 5; do
		won=0
		for i in 1 2; do
			(rt create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$T/e$i" 3>&- && touch "$T/won$round-$i") 3>&- &
		done
		wait
		won=$(find "$T" -name "won$round-*" | wc -l)
		assert_eq "$won" 1 "winners of round $round"
		assert_eq "$(status_of)" created
		rt delete --force "$ID"
	done
}

# kill_create DELAY: a create that is killed after DELAY seconds
kill_create() {
	local job never
	[ -p "$T/never" ] || mkfifo "$T/never"
	exec {never}<>"$T/never"
	"$OCI_RT" --root "$ROOT" create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- &
	job=$!
	# not sleep(1): making its process can take longer than create does
	read -rt "$1" -u "$never" || true
	kill -KILL "$job" 2>/dev/null || true
	wait "$job" 2>/dev/null || true
	exec {never}>&-
}

@test "SIGKILL at 50 points of create, then delete --force leaves nothing" {
	local i n=50 took unfinished=0
	[ -z "${OCI_RT_TEST_SHORT:-}" ] || n=10
	config '.process.rlimits = [] | .linux.resources += {"pids": {"limit": 50}} | .linux.sysctl = {"net.ipv4.ip_forward": "1"}'
	local t0=${EPOCHREALTIME/./}
	rtd create --bundle "$BUNDLE" "$ID"
	took=$((${EPOCHREALTIME/./} - t0))
	rt delete --force "$ID"
	for ((i = 0; i < n; i++)); do
		kill_create "$(printf '0.%06d' $((took * i / n)))"
		[ "$(status_of 2>/dev/null || echo none)" = created ] || unfinished=$((unfinished + 1))
		rt delete --force "$ID" || fail "delete --force after kill number $i"
		assert_clean || fail "after kill number $i"
		# and the id is free again
		if ((i % 10 == 0)); then
			rtd create --bundle "$BUNDLE" "$ID" || fail "create after kill number $i"
			rt delete --force "$ID"
		fi
	done
	[ "$unfinished" -gt 0 ] || fail 'no create was hit before its end'
}

@test "SIGKILL of create: the container's first process does not outlive it" {
	local i
	for i in 0.002 0.004 0.006 0.008 0.010 0.012 0.015; do
		kill_create "$i"
		if [ "$(status_of 2>/dev/null || echo none)" != created ]; then
			eventually no_process || fail "after $i s: $(processes_left)"
		fi
		rt delete --force "$ID"
	done
}

no_process() { [ -z "$(processes_left)" ]; }

@test "SIGKILL of start and of delete: delete --force finishes" {
	local i job
	for i in 0.001 0.003 0.005 0.008; do
		rtd create --bundle "$BUNDLE" "$ID"
		"$OCI_RT" --root "$ROOT" start "$ID" </dev/null >/dev/null 2>&1 3>&- &
		job=$!
		sleep "$i"
		kill -KILL "$job" 2>/dev/null || true
		wait "$job" 2>/dev/null || true
		"$OCI_RT" --root "$ROOT" delete --force "$ID" </dev/null >/dev/null 2>&1 3>&- &
		job=$!
		sleep "$i"
		kill -KILL "$job" 2>/dev/null || true
		wait "$job" 2>/dev/null || true
		rt delete --force "$ID"
		assert_clean
	done
}

@test "SIGKILL of run: delete --force cleans" {
	"$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- &
	local job=$!
	wait_status running
	kill -KILL "$job"
	wait "$job" 2>/dev/null || true
	rt delete --force "$ID"
	assert_clean
}

@test "SIGTERM during create leaves nothing, or a container that delete --force removes" {
	"$OCI_RT" --root "$ROOT" create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- &
	local job=$!
	sleep 0.005
	kill -TERM "$job" 2>/dev/null || true
	wait "$job" || true
	rt delete --force "$ID"
	assert_clean
}

# every regular file of the state directory in turn
@test "truncated and corrupt state: a clear error, and delete --force cleans" {
	local f name how pid
	started
	mapfile -t files < <(cd "$ROOT/$ID" && find . -type f -size +0)
	rt delete --force "$ID"
	[ ${#files[@]} -gt 0 ]
	for name in "${files[@]}"; do
		for how in empty half garbage lines; do
			started
			pid=$(pid_of)
			f=$ROOT/$ID/$name
			case $how in
			empty) : >"$f" ;;
			half) truncate -s $(($(stat -c %s "$f") / 2)) "$f" ;;
			garbage) head -c 200 /dev/urandom >"$f" ;;
			lines) printf 'unknown \33[31mkind\ncgroup relative\n' >"$f" ;;
			esac
			run rt state "$ID"
			[ "$status" = 0 ] || assert_fails
			run rt delete --force "$ID"
			assert_status 0
			eventually gone "$pid" || fail "$name $how: process left"
			assert_clean || fail "$name $how"
		done
	done
}

@test "an empty state directory of a container: state is a clear error, delete --force cleans" {
	mkdir -p "$ROOT/$ID"
	run rt state "$ID"
	[ "$status" = 0 ] || assert_fails
	run rt list -q
	assert_status 0
	rt delete --force "$ID"
	assert_clean
}

@test "a damaged container does not hide the others from list" {
	started
	mkdir -p "$ROOT/$ID-broken"
	run --separate-stderr rt list -q
	assert_status 0
	assert_line "$ID"
	rt delete --force "$ID-broken"
}

@test "a pid that was used again is not the container's" {
	started
	local pid state
	pid=$(pid_of)
	state=$(grep -rlE "\"pid\": *$pid\\b" "$ROOT/$ID" | head -n 1)
	[ -n "$state" ]
	rt kill "$ID" KILL
	wait_status stopped
	# the same record, but a pid that lives: this shell's own, whose start time differs
	sed -i -E "s/(\"pid\": *)[0-9]+/\\1$$/" "$state"
	assert_eq "$(status_of)" stopped
	run rt kill "$ID" KILL
	assert_fails 'container not running'
	kill -0 $$
	rt delete "$ID"
}

@test "no space in the state directory: an error, nothing left" {
	mkdir "$T/small"
	mount -t tmpfs -o size=4k,nr_inodes=4 small "$T/small"
	run timeout 20 "$OCI_RT" --root "$T/small/state" create --bundle "$BUNDLE" "$ID" </dev/null 3>&-
	local rc=$status
	umount -l "$T/small"
	[ "$rc" != 0 ] && [ "$rc" != 124 ]
	assert_clean
}

@test "few descriptors, little memory: an error or success, never a trace" {
	local n
	# the sanitizers open files of their own and wait for ever when they cannot
	[ "${OCI_LEG:-}" != sanitizers ] || skip 'the sanitizers themselves need descriptors'
	args /bin/true
	for n in 6 8 10 12 16 24 32; do
		run bash -c 'ulimit -n "$1"; shift; exec "$@"' - "$n" timeout 20 "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
		[ "$status" = 0 ] || assert_fails
		rt delete --force "$ID"
		assert_clean
	done
}

@test "the bundle disappears while the container runs" {
	started
	rm -rf "$BUNDLE"
	assert_eq "$(status_of)" running
	rt delete --force "$ID"
	assert_clean
	bundle
}

@test "stdout closed by the reader is no reason to hang" {
	started
	rt state "$ID" | true
	rt list | true
	assert_eq "$(status_of)" running
}
