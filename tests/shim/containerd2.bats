#!/usr/bin/env bats
# containerd 1.6 with the shim on a pure cgroup v2 with systemd: containerd2.py in a throw-away guest
# (tests/vm), with both cgroup drivers.  The guest runs once for all; each test looks up its own line.

setup_file() {
	local here=$BATS_TEST_DIRNAME src=$BATS_FILE_TMPDIR/src build=${OCI_BUILD:-$BATS_TEST_DIRNAME/../../build} m
	local cache=${VMTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vmtest}
	if [ -z "${OCI_RT_TEST_LONG:-}" ]; then
		echo 'takes a minute in the guest: --long'
	elif [ "${vm-1}" = '' ]; then
		echo 'the virtual machine was left out (--no-vm)'
	elif [ "${OCI_LEG:-plain}" != plain ]; then
		echo "the guest has no sanitizers' libraries"
	elif ! command -v containerd ctr >/dev/null; then
		echo 'containerd is not installed'
	elif ! ls "$cache"/root-*.img >/dev/null 2>&1; then
		echo 'the guest has no image yet (tests/vm/vmtest.sh --build)'
	fi >"$BATS_FILE_TMPDIR/why-not"
	[ ! -s "$BATS_FILE_TMPDIR/why-not" ] || return 0
	mkdir -p "$src/shim" "$src/lib" "$src/bin"
	cp "$here"/*.py "$src/shim/"
	cp "$(command -v containerd)" "$(command -v ctr)" "$src/bin/"
	cp "${OCI_RT:-$build/oci-rt}" "${SHIM:-$build/containerd-shim-oci-rt-v2}" "$src/"
	# containerd 1.6 takes options of runc for this name only
	ln -s ../containerd-shim-oci-rt-v2 "$src/bin/containerd-shim-runc-v2"
	# what the guest's small Python lacks, and its own does not mind
	for m in shutil fnmatch; do
		cp "$(/usr/bin/python3 -c "import $m; print($m.__file__)")" "$src/lib/"
	done
	(cd "$here" && /usr/bin/python3 -c '
import shimlib, ctr, sys, tempfile
root = tempfile.mkdtemp(dir=sys.argv[1]) + "/rootfs"
shimlib.make_rootfs(root)
ctr.image_tar(sys.argv[1] + "/src/image.tar", root, ctr.IMAGE, {"Env": ["PATH=/bin"], "Cmd": ["sh"], "WorkingDir": "/"})
' "$BATS_FILE_TMPDIR")
	"$here/../vm/vmtest.sh" --src "$src" --timeout 500 -- sh -c '
		export SHIM=$PWD/containerd-shim-oci-rt-v2 OCI_RT=$PWD/oci-rt PYTHONPATH=$PWD/lib PYTHONDONTWRITEBYTECODE=1
		export PATH=$PWD/bin:$PATH SHIM_TEST_IMAGE=$PWD/image.tar TIMES=1
		exec python3 shim/run.py containerd2' >"$BATS_FILE_TMPDIR/tap" 2>&1 3>&- </dev/null ||
		echo "the guest ended with $?" >>"$BATS_FILE_TMPDIR/tap"
}

# in_guest TEXT: the line of containerd2.py's test of that name
in_guest() {
	local line
	[ ! -s "$BATS_FILE_TMPDIR/why-not" ] || skip "$(cat "$BATS_FILE_TMPDIR/why-not")"
	line=$(tr -d '\r' <"$BATS_FILE_TMPDIR/tap" | grep -F -- "- shim containerd2: $1" | head -n 1)
	case $line in
	'ok '*'# SKIP '*) skip "${line#*# SKIP }" ;;
	'ok '*) ;;
	*)
		tail -n 60 "$BATS_FILE_TMPDIR/tap"
		return 1
		;;
	esac
}

@test "run, exec, pause, kill: cgroupfs" { in_guest 'run, exec, pause, kill, cgroupfs'; }
@test "run, exec, pause, kill: systemd" { in_guest 'run, exec, pause, kill, systemd'; }
@test "figures and an update: cgroupfs" { in_guest 'figures and an update, cgroupfs'; }
@test "figures and an update: systemd" { in_guest 'figures and an update, systemd'; }
@test "an OOM kill is told before the exit: cgroupfs" { in_guest 'an OOM kill is told before the exit, cgroupfs'; }
@test "an OOM kill is told before the exit: systemd" { in_guest 'an OOM kill is told before the exit, systemd'; }
@test "containerd is killed and finds everything again: cgroupfs" {
	in_guest 'containerd is killed and finds everything again, cgroupfs'
}
@test "containerd is killed and finds everything again: systemd" {
	in_guest 'containerd is killed and finds everything again, systemd'
}
@test "nothing is left" { in_guest 'nothing is left'; }
