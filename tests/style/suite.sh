#!/usr/bin/env bash
# The rules of the house that a compiler does not know; see check.py.  Prints TAP.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
exec python3 check.py "${OCI_SOURCE:-$(cd ../.. && pwd)}"
