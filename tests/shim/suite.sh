#!/bin/sh
# run-tests: sanitizers
#
# Tests of the shim, as TAP.  Environment: SHIM (the shim), OCI_RT (a runtime;
# RUNTIME overrides it, without both: Debian's runc), BUILD (build directory).
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:=${OCI_BUILD:-$here/../..}}"
: "${SHIM:=$BUILD/containerd-shim-oci-rt-v2}"
export BUILD SHIM
if [ "$(id -u)" != 0 ]; then
	echo "1..0 # SKIP the shim's tests need root"
	exit 0
fi
# cgroup2.py needs a pure cgroup v2: elsewhere cgroup2.bats takes it into a guest
if [ $# = 0 ] && [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	# shellcheck disable=SC2046
	set -- $(cd "$here" && echo test_*.py | sed 's/\.py//g') cgroup2
fi
exec python3 "$here/run.py" "$@"
