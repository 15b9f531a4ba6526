# shellcheck shell=bash
# For containerd.bats and cri.bats: one containerd per file, in mount and network namespaces of
# its own, and a check of containerd.py per test.

engine_program() { echo "$BATS_TEST_DIRNAME/containerd.py"; }

# engine_start KIND: ctr or cri
engine_start() {
	local dir=$BATS_FILE_TMPDIR/engine program
	program=$(engine_program)
	[ "$(id -u)" = 0 ] || skip 'needs root'
	command -v containerd >/dev/null || skip 'containerd is not installed'
	mkdir "$dir"
	chmod 755 "$dir" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
	unshare -m -n --propagation private sh -c '
		mount --make-rshared / && ip link set lo up && echo 1 >/proc/sys/net/ipv4/ip_forward
		exec python3 "$@"' sh "$program" start "$dir" "$1" 3>&- 4>&-
}

in_engine() { nsenter -m -n -t "$(jq .pid "$BATS_FILE_TMPDIR/engine/engine.json")" -- python3 "$(engine_program)" "$@"; }

engine_stop() { [ ! -e "$BATS_FILE_TMPDIR/engine/engine.json" ] || in_engine stop "$BATS_FILE_TMPDIR/engine"; }

# check NAME: under containerd's own shim and under ours
check() {
	local text rc=0
	text=$(in_engine check "$BATS_FILE_TMPDIR/engine" "$1" 2>&1) || rc=$?
	sed -n '/^# record /p' <<<"$text" >&3
	text=$(sed '/^# record /d' <<<"$text")
	[ "$rc" != 77 ] || skip "$text"
	[ "$rc" = 0 ] || echo "$text"
	return "$rc"
}
