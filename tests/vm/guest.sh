#!/bin/bash
# Inside the guest: the named .bats files, of tests/runtime where no other room is named, and engines (ENGINE@VARIANT), one after the other.
cd "$(dirname "$0")" || exit 1
export OCI_RT=$PWD/oci-rt OCI_PROBE=$PWD/probe OCI_RT_TEST_GUEST=1 OCI_RT_TEST_SHORT=1
export TMPDIR=/tmp RT_TIMEOUT=120
if ! "$OCI_RT" --version >/tmp/version 2>&1; then
	echo '1..1'
	echo 'not ok 1 the runtime starts in the guest'
	sed 's/^/# /' /tmp/version
	exit 1
fi
rc=0
for f; do
	if [[ $f == *@* ]]; then
		OCI_SOURCE=$PWD OCI_BUILD=$PWD OCI_RT_ENGINES_WAIT=180 tests/engines/suite.sh "$f" 2>&1 || rc=1
		continue
	fi
	case $f in */*) file=tests/$f.bats ;; *) file=tests/runtime/$f.bats ;; esac
	bats --formatter tap "$file" 2>&1 | sed "s/^\(\(not \)\{0,1\}ok [0-9]*\) /\1 ${f##*/}: /"
	[ "${PIPESTATUS[0]}" = 0 ] || rc=1
done
exit "$rc"
