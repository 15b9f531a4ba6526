#!/bin/sh
# Theory of operation: regenerates tests/faults/REPORT.md: the full walk of oci-rt (all calls,
# all errnos, short transfers, both kinds of SIGKILL, 500 random kills) and, for comparison,
# a walk of the peers found on this machine.
#
# usage: report.sh [--build DIR] [--peers-sample N] [--from DIR]
#   --peers-sample N  points per walk for the peers, which are slow to walk whole   [150]
#   --from DIR        do not walk: make the report from DIR/*.tsv (see suite.sh, FAULTS_TSV)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
sample=150
from=''
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=$2; shift ;;
	--peers-sample) sample=$2; shift ;;
	--from) from=$2; shift ;;
	*) sed -n '/^# usage/,/^#   --from/s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
	shift
done
tools=$build/tests/faults
dir=$from
if [ -z "$dir" ]; then
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	make -s -C "$build" oci-rt yardsticks
	FAULTS_TSV=$dir/oci-rt.tsv OCI_BUILD=$build OCI_RT_TEST_LONG=1 "$here/suite.sh" >&2 || true
	for peer in crun runc; do
		path=$(command -v $peer) || continue
		# without seccomp: crun 1.8 then fails now and then without any fault
		"$tools/faultwalk" --runtime "$peer=$path" --sample "$sample" --budget 60 \
			--tsv "$dir/$peer.tsv" >&2 || true
		"$tools/faultwalk" --runtime "$peer=$path" --mode random --kills 100 --op create,delete-force \
			--tsv "$dir/$peer.tsv" >&2 || true
	done
fi
versions() {
	for peer in crun runc; do
		$peer --version 2>/dev/null | head -n 1
	done
	"$build/oci-rt" --version 2>/dev/null | head -n 1
}
{
	echo "# Nothing leaks, nothing fails open"
	echo
	echo "Made by \`tests/faults/report.sh\`; every line of it comes from one injection that was really made."
	echo "Linux $(uname -r), $(nproc) processors; $(versions | paste -sd, | sed 's/,/, /g')."
	echo
	cat <<'END'
A fault is one system call of the command's whole process tree that fails (EINTR, EAGAIN, ENOMEM, EMFILE, ENOSPC, EIO,
EPERM, EROFS), moves half of what was asked, or is not made because its process, or the command, is killed at that
moment; *random* kills come at a random time. After each: one `delete --force`, a comparison of processes, mounts,
cgroups, files, keyrings, network namespaces and devices, and BPF programs with the snapshot from before, and a second
use of the same name. A success is checked against the container's own view of its confinement.

- **hang**: a command took more than 5 s
- **stuck**: something is left although `delete --force` said success; *loud*: … and it said failure
- **false**: exit status 0 with something left, or without the effect
- **open**: exit status 0 and the container's view is not the one of a run without faults
- **reuse**: the name could not be used again; **crash**: died of a signal nobody sent
- *left*: a remark: a failed create or run left something that `delete --force` then removed

END
	cat "$dir"/*.tsv | awk -F'\t' '
	function has(word) { return ("," $12 ",") ~ ("," word ",") }
	{
		key = $1 SUBSEP $2 SUBSEP $3 SUBSEP $4
		if (!(key in n)) order[++keys] = key
		n[key]++; total[$1]++
		hang[key] += has("HANG"); stuck[key] += has("STUCK"); loud[key] += has("LOUD"); lie[key] += has("FALSE")
		open[key] += has("OPEN"); reuse[key] += has("REUSE"); crash[key] += has("CRASH"); left[key] += has("left")
		if (!($1 in seen)) { seen[$1] = 1; names[++peers] = $1 }
		if ($12 ~ /[A-Z]/ && has("HANG") + has("STUCK") + has("LOUD") + has("FALSE") + has("OPEN") + has("REUSE") + has("CRASH"))
			example[$1, ++examples[$1]] = sprintf("- `%s %s %s` at %s: **%s**: %s", $3, $4, $5, $9, $12, substr($13, 1, 200))
	}
	function row(name, a) { printf "| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d |\n", name, a["n"], a["hang"], a["stuck"], a["loud"], a["lie"], a["open"], a["reuse"], a["crash"], a["left"] }
	END {
		for (p = 1; p <= peers; p++) {
			name = names[p]
			printf "## %s: %d injections\n\n", name, total[name]
			print "| variant, command, fault | injections | hang | stuck | loud | false | open | reuse | crash | *left* |"
			print "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
			split("", sum)
			for (i = 1; i <= keys; i++) {
				split(order[i], f, SUBSEP)
				if (f[1] != name) continue
				k = order[i]
				a["n"] = n[k]; a["hang"] = hang[k]; a["stuck"] = stuck[k]; a["loud"] = loud[k]; a["lie"] = lie[k]
				a["open"] = open[k]; a["reuse"] = reuse[k]; a["crash"] = crash[k]; a["left"] = left[k]
				for (w in a) sum[w] += a[w]
				row(f[2] " " f[3] " " f[4], a)
			}
			row("**all**", sum)
			print ""
			if (examples[name]) {
				printf("What fell%s:\n\n", (examples[name] > 15) ? sprintf(" (the first 15 of %d)", examples[name]) : "")
				for (e = 1; e <= examples[name] && e <= 15; e++) print example[name, e]
				print ""
			}
		}
	}'
} >"$here/REPORT.md"
echo "report: $here/REPORT.md" >&2
