#!/usr/bin/env bash
# Dockerfiles built by oci-image and by Debian's buildah: same trees, same configurations, or a listed reason.
# A sample of ten by default, all of them with --long.
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${OCI_BUILD:=$PWD}" "${OCI_RT:=$OCI_BUILD/oci-rt}"
if ! command -v buildah >/dev/null; then
	echo "not ok 1 buildah is installed (tests/lib/packages.sh names it)"
	echo "1..1"
	exit 1
fi
sample=()
[ -n "${OCI_RT_TEST_LONG:-}" ] || sample=(--sample)
exec python3 "$here/compare_builders.py" "$OCI_BUILD/oci-image" "$OCI_RT" "${sample[@]}"
