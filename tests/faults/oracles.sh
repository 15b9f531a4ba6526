#!/bin/sh
# Theory of operation: proves that every oracle of the fault walk can fail.  Each planted
# defect of broken-runtime is run without any fault and must be found under its own name;
# the undamaged wrapper must be found clean.  Output is TAP.
# usage: oracles.sh TOOLS REAL-RUNTIME
set -u
tools=$1
REAL=$2
export REAL BROKEN
here=$(dirname "$0")
tsv=$(mktemp)
trap 'rm -f "$tsv"' EXIT
n=0
check() { # defect, operation, verdict
	BROKEN=$1
	: >"$tsv"
	"$tools/faultwalk" --runtime "$1=$here/broken-runtime" --golden "$REAL" --mode none --op "$2" \
		--tsv "$tsv" >/dev/null 2>&1
	n=$((n + 1))
	found=$(cut -f12 "$tsv" | head -1)
	case ,$found, in
	*,$3,*) echo "ok $n - $1 in $2 is found: $found" ;;
	*) echo "not ok $n - $1 in $2: expected $3, found ${found:-nothing}" ;;
	esac
}
echo 1..14
check none create ok
check none run ok
check leak-cgroup start STUCK
check leak-process start STUCK
check leak-file start STUCK
check loud start LOUD
check hang start HANG
check weaker create OPEN
check weaker run OPEN
check lie-start start FALSE
check lie-delete delete FALSE
check no-reuse start REUSE
check crash start CRASH
check lie-update update OPEN
