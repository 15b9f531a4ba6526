#!/usr/bin/env bash
# checkpoint.bats in a guest whose kernel criu works with: emulated, so it takes ten
# minutes or more and is run by hand.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
if ! command -v qemu-system-x86_64 >/dev/null; then
	echo '1..1'
	echo 'ok 1 checkpoint and restore with a real criu # skip qemu-system-x86_64 is not installed'
	exit 0
fi
VM_BACKEND=tcg VM_TIMEOUT=${VM_TIMEOUT:-1800} exec ./suite.sh checkpoint
