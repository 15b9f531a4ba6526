#!/usr/bin/env bats
# The shim on a pure cgroup v2 with systemd: cgroup2.py in a throw-away guest (tests/vm).  The
# guest runs once for all; each test below looks up its own line.

setup_file() {
	local here=$BATS_TEST_DIRNAME src=$BATS_FILE_TMPDIR/src build=${OCI_BUILD:-$BATS_TEST_DIRNAME/../../build} m
	local cache=${VMTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vmtest}
	if [ "${vm-1}" = '' ]; then
		echo 'the virtual machine was left out (--no-vm)'
	elif [ "${OCI_LEG:-plain}" != plain ]; then
		echo "the guest has no sanitizers' libraries"
	elif ! ls "$cache"/root-*.img >/dev/null 2>&1; then
		echo 'the guest has no image yet (tests/vm/vmtest.sh --build)'
	fi >"$BATS_FILE_TMPDIR/why-not"
	[ ! -s "$BATS_FILE_TMPDIR/why-not" ] || return 0
	mkdir -p "$src/shim" "$src/lib"
	cp "$here"/*.py "$src/shim/"
	cp "${OCI_RT:-$build/oci-rt}" "${SHIM:-$build/containerd-shim-oci-rt-v2}" "$src/"
	# what the guest's small Python lacks, and its own does not mind
	for m in shutil fnmatch; do
		cp "$(/usr/bin/python3 -c "import $m; print($m.__file__)")" "$src/lib/"
	done
	"$here/../vm/vmtest.sh" --src "$src" --timeout 400 -- sh -c '
		export SHIM=$PWD/containerd-shim-oci-rt-v2 OCI_RT=$PWD/oci-rt PYTHONPATH=$PWD/lib PYTHONDONTWRITEBYTECODE=1
		exec python3 shim/run.py cgroup2' >"$BATS_FILE_TMPDIR/tap" 2>&1 3>&- </dev/null ||
		echo "the guest ended with $?" >>"$BATS_FILE_TMPDIR/tap"
}

# in_guest TEXT: the line of cgroup2.py's test of that name
in_guest() {
	local line
	[ ! -s "$BATS_FILE_TMPDIR/why-not" ] || skip "$(cat "$BATS_FILE_TMPDIR/why-not")"
	line=$(tr -d '\r' <"$BATS_FILE_TMPDIR/tap" | grep -F -- "- shim cgroup2: $1" | head -n 1)
	case $line in
	'ok '*'# SKIP '*) skip "${line#*# SKIP }" ;;
	'ok '*) ;;
	*)
		tail -n 40 "$BATS_FILE_TMPDIR/tap"
		return 1
		;;
	esac
}

@test "statistics: each figure equals its file" { in_guest 'a frozen container'; }
@test "limits of an update" { in_guest 'limits of an update'; }
@test "without limits" { in_guest '"max" is the greatest number'; }
@test "an OOM kill of init comes before its exit" { in_guest 'oom kill of init'; }
@test "OOM kills of others" { in_guest 'each kill of a process'; }
@test "pause, resume, kill" { in_guest 'pause and kill'; }
@test "the systemd manager" { in_guest 'the systemd manager'; }
@test "the systemd manager by the form of the path" { in_guest 'options that cannot say so'; }
@test "the shim is killed, delete cleans up" { in_guest 'delete removes processes and cgroup'; }
@test "the shim's own cgroup" { in_guest 'shim cgroup'; }
