#!/bin/sh
# Nothing leaks, nothing fails open: a sample of the fault walk that meets every stage of
# every command, or with OCI_RT_TEST_LONG=1 (or LONG=1) the whole walk; TAP.
# run-tests: alone
#
# Theory of operation: faultwalk.c explains the walk, oracles.sh shows that each of its
# oracles can fail.  The environment gives OCI_RT (the runtime) and OCI_BUILD or BUILD (the
# build tree with `make yardsticks`); FAULTS_TSV keeps one line per injection.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${OCI_BUILD:-${BUILD:-$here/../../build}}
runtime=${OCI_RT:-$build/oci-rt}
long=${OCI_RT_TEST_LONG:-${LONG:-}}
tools=$build/tests/faults
profile=$here/../bench/seccomp-default.json

skip() {
	echo "1..1"
	echo "ok 1 - fault walk # skip $*"
	exit 0
}
[ "$(id -u)" = 0 ] || skip "root is needed"
[ "$(uname -m)" = x86_64 ] || skip "the injector knows x86-64 only"
make -s -C "$build" yardsticks >&2 || { echo "1..1"; echo "not ok 1 - build the fault walk"; exit 1; }

n=0
failed=0
line() { # the TAP of the tools has no numbers yet
	while IFS= read -r text; do
		case $text in
		"ok "*|"not ok "*)
			n=$((n + 1))
			echo "${text%% - *} $n - ${text#* - }"
			case $text in not*) failed=$((failed + 1)) ;; esac ;;
		1..*) ;;
		*) echo "$text" ;;
		esac
	done
	echo "$n $failed" >"$count"
}
count=$(mktemp)
trap 'rm -f "$count"' EXIT
walk() {
	"$tools/faultwalk" --runtime "oci-rt=$runtime" ${FAULTS_TSV:+--tsv "$FAULTS_TSV"} "$@" 2>&1 | line
	read -r n failed <"$count"
}

"$here/oracles.sh" "$tools" "$runtime" | sed 's/^\(ok\|not ok\) [0-9]* - /\1 - oracle: /' | line
read -r n failed <"$count"
if [ -n "$long" ]; then
	for variant in plain userns terminal; do
		walk --variant $variant --seccomp "$profile"
	done
	walk --mode random --kills 500 --op create
	walk --mode random --kills 100 --op start,exec,kill,update,delete,delete-force,run
	walk --mode random --kills 100 --variant userns --op create,run
else
	# Spread over time by --budget: a slow machine walks fewer points, never longer.
	walk --sample 60 --budget 3 --seccomp "$profile"
	walk --variant userns --sample 25 --budget 2 --op create,start,exec,delete-force,run
	walk --variant terminal --sample 20 --budget 2 --op create,start,delete-force
	walk --mode random --kills 12
fi
echo "1..$n"
[ "$failed" = 0 ]
