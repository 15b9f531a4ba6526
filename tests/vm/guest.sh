#!/bin/bash
# Inside the guest: the named .bats files, of tests/runtime where no other room is named, and engines (ENGINE@VARIANT), one after the other.
# OCI_RT_TEST_USER=1: all of it as the user tester, in a delegated cgroup of his systemd instance.
cd "$(dirname "$0")" || exit 1
export OCI_RT=$PWD/oci-rt OCI_PROBE=$PWD/probe OCI_RT_TEST_GUEST=1 OCI_RT_TEST_SHORT=1
export TMPDIR=/tmp RT_TIMEOUT=120
if ! "$OCI_RT" --version >/tmp/version 2>&1; then
	echo '1..1'
	echo 'not ok 1 the runtime starts in the guest'
	sed 's/^/# /' /tmp/version
	exit 1
fi

# A cgroup that hands controllers down holds no processes: bats goes into a leaf of it.  BASHPID, because systemd reads
# two dollar signs as one.
AS_USER='c=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)
mkdir "$c/bats" && echo $BASHPID >"$c/bats/cgroup.procs" || exit 1
for k in $(cat "$c/cgroup.controllers"); do echo "+$k" >"$c/cgroup.subtree_control"; done
exec bats --formatter tap "$1"'

run_bats() { # FILE
	if [ -z "${OCI_RT_TEST_USER:-}" ]; then
		bats --formatter tap "$1"
	else
		as-user env OCI_RT="$OCI_RT" OCI_PROBE="$OCI_PROBE" OCI_RT_TEST_GUEST=1 OCI_RT_TEST_SHORT=1 TMPDIR="$TMPDIR" RT_TIMEOUT="$RT_TIMEOUT" \
			OCI_RT_TEST_MANAGER="${OCI_RT_TEST_MANAGER:-}" bash -c "$AS_USER" - "$1"
	fi
}

rc=0
for f; do
	if [[ $f == *@* ]]; then
		OCI_SOURCE=$PWD OCI_BUILD=$PWD OCI_RT_ENGINES_WAIT=${OCI_RT_ENGINES_WAIT:-60} tests/engines/suite.sh "$f" 2>&1 || rc=1
		continue
	fi
	case $f in */*) file=tests/$f.bats ;; *) file=tests/runtime/$f.bats ;; esac
	case $f in engines/*) export OCI_BUILD=$PWD SHIM=$PWD/containerd-shim-oci-rt-v2 OCI_RT_TEST_SHORT= ;; esac
	run_bats "$PWD/$file" 2>&1 | sed "s/^\(\(not \)\{0,1\}ok [0-9]*\) /\1 ${f##*/}: /"
	[ "${PIPESTATUS[0]}" = 0 ] || rc=1
done
exit "$rc"
