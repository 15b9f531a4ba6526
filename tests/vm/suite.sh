#!/usr/bin/env bash
# The runtime's suite in a throw-away guest: systemd as PID 1, pure cgroup v2.
# run-tests: alone
#
# The built runtime and the tests go in as a read-only disk; TAP comes out.  A system call
# costs some 50 us there and there is one processor, so only what depends on the cgroup
# version or on having every capability runs: VM_FILES; --long runs everything.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
here=$PWD
: "${OCI_BUILD:=$here/../../build}" "${OCI_RT:=$OCI_BUILD/oci-rt}"

VM_FILES=(cgroups update devices exec rootless)
[ -z "${OCI_RT_TEST_LONG:-}" ] || VM_FILES=(cgroups update devices lifecycle exec rootless namespaces
	mounts process output options hooks seccomp descriptors sysctl security robustness)

# by hand: tests/vm/suite.sh exec mounts
[ $# -eq 0 ] || VM_FILES=("$@")

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
mkdir -p "$W/src/tests" "$W/out"
cp -a ../lib ../runtime "$W/src/tests/"
cp "$here/guest.sh" "$W/src/"
cp "$OCI_RT" "$W/src/oci-rt"
cp "${OCI_PROBE:-$OCI_BUILD/tests/probe}" "$W/src/probe" 2>/dev/null ||
	"${CC:-cc}" -static -O1 -o "$W/src/probe" ../lib/probe.c || exit 1

rc=0
./vmtest.sh --backend "${VM_BACKEND:-uml}" --src "$W/src" --timeout "${VM_TIMEOUT:-1200}" -- ./guest.sh "${VM_FILES[@]}" >"$W/tap" 2>"$W/err" || rc=$?
tr -d '\r' <"$W/tap" | grep -E '^(1\.\.|ok |not ok |#)' >"$W/tap.clean"
# one plan for all files: their own numbers start again with each
awk -v rc="$rc" -v want="${#VM_FILES[@]}" '
	/^1\.\./ { split($0, p, /\.\./); plan += p[2]; files++; next }
	/^(not )?ok / { n++; sub(/ok [0-9]+/, "ok " n) }
	/^not ok / { bad++ }
	{ print }
	END {
		if (files != want) { n++; plan++; print "not ok " n " the guest ran " files + 0 " of " want " files (status " rc ")" }
		else if (rc > 1 || (rc && !bad)) { n++; plan++; print "not ok " n " the guest ended with status " rc }
		print "1.." plan + 0
	}' "$W/tap.clean"
cat "$W/err" >&2
