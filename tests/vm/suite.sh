#!/usr/bin/env bash
# The runtime's suite in throw-away guests: systemd as PID 1, pure cgroup v2.
# run-tests: alone
#
# The built runtime and the tests go in as a read-only disk; TAP comes out.  A system call
# costs some 50 us there and there is one processor, so only what depends on the cgroup
# version or on having every capability runs, and a look at the security modules; --long
# runs everything, with each cgroup driver and with each security module.
#
# A guest is a line of GUESTS: its name, options for vmtest.sh, variables, then the files of
# tests/runtime (or ROOM/FILE of another one), or ENGINE@VARIANT of tests/engines.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
here=$PWD
: "${OCI_BUILD:=$here/../../build}" "${OCI_RT:=$OCI_BUILD/oci-rt}"

GUESTS=(
	'v2        | | | cgroups update devices exec rootless systemd'
	'selinux   | --lsm selinux  | | selinux'
	'apparmor  | --lsm apparmor | | apparmor'
)
# "*": every file of tests/runtime and tests/conformance
LONG_GUESTS=(
	'v2        | | | *'
	'systemd   | | OCI_RT_TEST_MANAGER=systemd | *'
	# an ordinary user, in what his own systemd delegates to him
	'user      | | OCI_RT_TEST_USER=1 | *'
	'user-systemd | | OCI_RT_TEST_USER=1 OCI_RT_TEST_MANAGER=systemd | *'
	'selinux   | --lsm selinux  | | *'
	'enforcing | --lsm selinux --enforcing | | selinux-enforcing'
	'apparmor  | --lsm apparmor | | *'
	'podman    | --engines --mem 3072 --timeout 5400 | OCI_RT_TEST_LONG=1 | podman@systemd podman@cgroupfs'
	'rootless  | --engines --mem 3072 --timeout 5400 | OCI_RT_TEST_LONG=1 | podman@rootless-systemd podman@rootless-cgroupfs'
	# emulated, and the same column of the table: ports, checkpoints, cpusets
	'podman-rest | --backend tcg --engines --mem 3072 --timeout 5400 | OCI_RT_TEST_LONG=1 OCI_RT_ENGINES_REST=1 OCI_RT_ENGINES_WAIT=300
		| podman@systemd'
	'containerd | --engines --mem 3072 --timeout 5400 | OCI_RT_TEST_LONG=1 | engines/containerd engines/cri'
	'cri-systemd | --engines --mem 3072 --timeout 5400 | OCI_RT_TEST_LONG=1 OCI_RT_TEST_MANAGER=systemd | engines/cri'
	'docker    | --engines --mem 3072 --timeout 5400 | OCI_RT_TEST_LONG=1 | docker@systemd'
	'podman-selinux  | --engines --mem 3072 --timeout 3600 --lsm selinux | | podman@systemd-selinux'
	'podman-apparmor | --engines --mem 3072 --timeout 3600 --lsm apparmor | | podman@systemd-apparmor'
	# a kernel with checkpoint/restore, emulated: ten minutes or more
	'checkpoint | --backend tcg --timeout 2400 | | checkpoint'
)
every_file() { (cd .. && printf '%s\n' runtime/*.bats conformance/*.bats) | sed 's/\.bats$//; s|^runtime/||'; }
[ -z "${OCI_RT_TEST_LONG:-}" ] || GUESTS=("${LONG_GUESTS[@]}")

# by hand: tests/vm/suite.sh exec mounts, or tests/vm/suite.sh --guest selinux; VM_VARIABLES='NAME=VALUE', of which
# OCI_RT_TEST_USER=1 makes everything an ordinary user's
case ${1:-} in
--guest)
	mapfile -t GUESTS < <(printf '%s\0' "${LONG_GUESTS[@]}" | grep -z "^$2 " | tr '\n\0' ' \n')
	[ ${#GUESTS[@]} -gt 0 ] || { echo "suite.sh: no guest $2" >&2; exit 2; }
	;;
?*) GUESTS=("v2 | | ${VM_VARIABLES:-} | $*") ;;
esac

skip_all() {
	echo '1..1'
	echo "ok 1 the runtime's suite on cgroup v2 # skip $*"
	exit 0
}

[ "$(uname -m)" = x86_64 ] || skip_all "the virtual machine is made for x86_64, this is $(uname -m)"
cache=${VMTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vmtest}
if ! ls "$cache"/root-*.img >/dev/null 2>&1; then
	for tool in debootstrap mke2fs python3 zstd dpkg-deb apt-get; do
		command -v "$tool" >/dev/null || skip_all "no image in the cache, and $tool, which makes one, is not installed"
	done
	[ "$(id -u)" = 0 ] || skip_all 'no image in the cache, and making one needs root'
	mkdir -p "$cache"
	./vmtest.sh --build >"$cache/build.log" 2>&1 ||
		skip_all "the guest's image could not be made here: $(tail -n 1 "$cache/build.log")"
fi

W=$(mktemp -d "${TMPDIR:-/tmp}/oci-rt-vm.XXXXXX")
trap 'rm -rf "$W"' EXIT
mkdir -p "$W/src/tests"
cp -a ../lib ../runtime ../conformance ../engines ../shim "$W/src/tests/"
cp -a ../../contrib "$W/src/"
cp "$here/guest.sh" "$W/src/"
cp "$OCI_RT" "$W/src/oci-rt"
cp "$OCI_BUILD/containerd-shim-oci-rt-v2" "$W/src/" 2>/dev/null || true
cp "${OCI_PROBE:-$OCI_BUILD/tests/probe}" "$W/src/probe" 2>/dev/null ||
	"${CC:-cc}" -static -O1 -o "$W/src/probe" ../lib/probe.c || exit 1

# one plan for all files of all guests: their own numbers start again with each
: >"$W/tap"
for guest in "${GUESTS[@]}"; do
	IFS='|' read -r name options variables files <<<"${guest//[$'\n\t']/ }"
	read -r name <<<"$name"
	read -ra options <<<"$options"
	read -ra variables <<<"$variables"
	read -ra files <<<"$files"
	if [ "${files[*]}" = '*' ]; then mapfile -t files < <(every_file); fi
	if [[ ${options[*]} == *tcg* ]] && ! command -v qemu-system-x86_64 >/dev/null; then
		printf '%s\n' "guest $name 0 1" '1..1' "ok 1 # skip qemu-system-x86_64 is not installed" >>"$W/tap"
		continue
	fi
	rc=0
	./vmtest.sh --backend "${VM_BACKEND:-uml}" --timeout "${VM_TIMEOUT:-3600}" "${options[@]}" --src "$W/src" -- \
		env "${variables[@]}" ./guest.sh "${files[@]}" >"$W/out" 2>"$W/err" || rc=$?
	echo "guest $name $rc ${#files[@]}" >>"$W/tap"
	tr -d '\r' <"$W/out" | grep -E '^(1\.\.|ok |not ok |#)' >>"$W/tap"
	cat "$W/err" >&2
done
awk '
	function finish() {
		if (name == "") return
		if (files != want) print "not ok " ++n " " name ": the guest ran " files + 0 " of " want " files (status " rc ")"
		else if (rc > 1 || (rc && !bad)) print "not ok " ++n " " name ": the guest ended with status " rc
		else return
		plan++
	}
	/^guest / { finish(); name = $2; rc = $3; want = $4; files = bad = 0; next }
	/^1\.\./ { split($0, p, /\.\./); plan += p[2]; files++; next }
	/^(not )?ok / { n++; bad += /^not/; sub(/ok [0-9]+/, "ok " n (name == "v2" ? "" : " " name)) }
	{ print }
	END { finish(); print "1.." plan + 0 }' "$W/tap"
