#!/usr/bin/env bash
# run-tests: last
#
# The conformance ledgers (specs/conformance*.tsv) against the tests: every row is well
# formed, every test that a row names exists, and it ran before this suite.
#
# Theory of operation: one awk program reads the names of all tests from their sources, the
# results (TAP) of the suites that ran before ($OCI_RESULTS), then the ledgers.  A suite of
# which there is no result at all was left out (--only): of its tests only the existence is
# checked.  Skipped counts as ran, failed counts as ran: that they fail is told elsewhere.
# Before the real ledgers, ledgers that are wrong in one way each: the check must find it.
#
# A proof is one of
#   ROOM/FILE.bats: TITLE           a test of tests/ROOM/FILE.bats
#   unit/PROGRAM: FUNCTION          a cmocka test of tests/unit/PROGRAM.c
#   corpus: MESSAGE                 the beginning of a message in tests/unit/data/broken-configs.txt,
#                                   which unit/test_config_corpus compares with what is said
#   untested: REASON
set -uo pipefail
SOURCE=${OCI_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
RESULTS=${OCI_RESULTS:-}
LEG=${OCI_LEG:-plain}
work=$(mktemp -d "${TMPDIR:-/tmp}/conformance.XXXXXX")
trap 'rm -rf "$work"' EXIT

# known: "ROOM/FILE.bats: TITLE", "unit/PROGRAM: FUNCTION", "corpus: MESSAGE", one per line
known() {
	(
		cd "$SOURCE/tests" || exit 1
		awk 'sub(/^@test "/, "") && sub(/" *\{ *$/, "") { gsub(/\\"/, "\""); print FILENAME ": " $0 }' ./*/*.bats | sed 's|^\./||'
		# functions of a table of tests: cmocka_unit_test*(f, or a macro T(f) around it
		awk 'FNR == 1 { name = FILENAME; sub(/^\.\//, "", name); sub(/\.c$/, "", name) }
			/^static void [a-z0-9_]+\(void \*\*/ { f = $3; sub(/\(.*/, "", f); defined[name ": " f] = 1; next }
			{ while (match($0, /\([a-z0-9_]+[,)]/)) {
				f = substr($0, RSTART + 1, RLENGTH - 2)
				if ((name ": " f) in defined) print name ": " f
				$0 = substr($0, RSTART + RLENGTH) } }' ./unit/*.c | sort -u
		sed -n 's/^> */corpus: /p' unit/data/broken-configs.txt
	)
}

# ran DIRECTORY: "suite ROOM/FILE.bats" for each suite with a result, "ran NAME" for each test in it
ran() {
	local f name
	[ -n "$1" ] || return 0
	for f in "$1"/*."$LEG".tap; do
		[ -f "$f" ] || continue
		name=$(basename "$f" ".$LEG.tap")
		case $name in
		unit)
			echo 'suite unit'
			sed -n 's/^\(not \)\{0,1\}ok [0-9]* \([^ :]*\): *\([A-Za-z0-9_]*\).*/ran unit\/\2: \3/p' "$f"
			;;
		*.*)
			name=${name%%.*}/${name#*.}.bats
			echo "suite $name"
			sed -n 's/^\(not \)\{0,1\}ok [0-9]* //p' "$f" | sed 's/ # skip.*//; s/ # timeout.*//' | awk -v n="$name" '{ print "ran " n ": " $0 }'
			;;
		esac
	done
}

# check_ledger KNOWN RAN LEDGER...: complaints, one per line; the last line is "rows N untested N"
check_ledger() {
	awk -F '\t' '
		function bad(text) { print FILENAME ":" FNR ": " text }
		FILENAME == ARGV[1] { known[$0] = 1; if (sub(/^corpus: /, "")) corpus[++messages] = $0; next }
		FILENAME == ARGV[2] { if (sub(/^suite /, "")) suite[$0] = 1; else if (sub(/^ran /, "")) ran[$0] = 1; next }
		FNR == 1 {
			if ($0 != "id\tsection\tlevel\trule\tdecision\tproof") bad("the first line must name the columns")
			next
		}
		{
			rows++
			if (NF != 6) { bad(NF " columns, expected 6"); next }
			for (i = 1; i <= 6; i++) if ($i ~ /^ *$/) bad("column " i " is empty")
			if ($1 !~ /^[A-Z][A-Z]-[0-9][0-9][0-9]$/) bad("id \"" $1 "\"")
			if ($1 in ids) bad("id " $1 " is used twice")
			ids[$1] = 1
			if ($3 !~ /^(MUST|MUST NOT|SHOULD|SHOULD NOT|MAY|MAY MUST|MUST MAY|SHOULD MUST|MAY NOT|REQUIRED|OPTIONAL|NOT RECOMMENDED|must|should|P0|P1|-)$/)
				bad("level \"" $3 "\"")
			if ($5 !~ /^(applied|rejected|own choice: .|not applicable: .|missing: .)/)
				bad("decision \"" $5 "\": applied, rejected, own choice: …, not applicable: … or missing: …")
			n = split($6, proof, / \| /)
			for (i = 1; i <= n; i++) {
				p = proof[i]
				if (p ~ /^untested: ./) { untested++; continue }
				if (p ~ /^corpus: ./) {
					text = substr(p, 9)
					found = 0
					for (m = 1; m <= messages && !found; m++) found = index(corpus[m], text) == 1
					if (!found) bad("no message begins with \"" text "\"")
					p = "unit/test_config_corpus: broken_configs"
				} else if (p !~ /^[a-z-]+\/[A-Za-z0-9_.-]+: ./) { bad("proof \"" p "\""); continue }
				if (!(p in known)) { bad("there is no test \"" p "\""); continue }
				s = p
				sub(/: .*/, "", s)
				if (s ~ /^unit\//) s = "unit"
				if ((s in suite) && !(p in ran)) bad("\"" p "\" did not run")
			}
		}
		END { print "rows " rows + 0 " untested " untested + 0 }' "$@"
}

n=0
result() { # ok|not ok, TITLE
	n=$((n + 1))
	echo "$1 $n $2"
}

known >"$work/known"
ran "$RESULTS" >"$work/ran"

# ------------------------------------------------------------------ the check can fail

cat >"$work/known.self" <<'END'
runtime/a.bats: one: with a colon
unit/test_a: f
unit/test_config_corpus: broken_configs
corpus: process.cwd: required member is missing
END
cat >"$work/ran.self" <<'END'
suite runtime/a.bats
END
row() { printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$@"; }
# self TITLE EXPECTED RAN ROW...: the rows make the check say EXPECTED (nothing when empty)
self() {
	local title=$1 expected=$2 ran=$3 said
	shift 3
	{
		printf 'id\tsection\tlevel\trule\tdecision\tproof\n'
		printf '%s\n' "$@"
	} >"$work/ledger.self"
	said=$(check_ledger "$work/known.self" "$ran" "$work/ledger.self" | sed '$d')
	if { [ -z "$expected" ] && [ -z "$said" ]; } || { [ -n "$expected" ] && grep -qF -- "$expected" <<<"$said"; }; then
		result ok "self-test: $title"
	else
		result 'not ok' "self-test: $title"
		sed 's/^/# said: /' <<<"$said"
	fi
}
echo "nothing" >"$work/ran.none"
self 'good rows are good' '' "$work/ran.none" "$(row RT-001 s MUST r applied 'runtime/a.bats: one: with a colon | unit/test_a: f')" \
	"$(row RT-002 s MAY r 'own choice: x' 'corpus: process.cwd: required')" "$(row RT-003 s - r 'not applicable: y' 'untested: why')"
self 'an unknown test' 'there is no test "runtime/a.bats: two"' "$work/ran.none" "$(row RT-001 s MUST r applied 'runtime/a.bats: two')"
self 'an unknown cmocka test' 'there is no test "unit/test_a: g"' "$work/ran.none" "$(row RT-001 s MUST r applied 'unit/test_a: g')"
self 'an unknown message' 'no message begins with' "$work/ran.none" "$(row RT-001 s MUST r applied 'corpus: process.cwd: nonsense')"
self 'no test at all' 'column 6 is empty' "$work/ran.none" "$(row RT-001 s MUST r applied '')"
self 'a test that did not run though its suite did' 'did not run' "$work/ran.self" "$(row RT-001 s MUST r applied 'runtime/a.bats: one: with a colon')"
self 'a missing column' '5 columns, expected 6' "$work/ran.none" "$(printf 'RT-001\ts\tMUST\tr\tapplied')"
self 'an id given twice' 'used twice' "$work/ran.none" "$(row RT-001 s MUST r applied 'unit/test_a: f')" "$(row RT-001 s MUST r applied 'unit/test_a: f')"
self 'a malformed id' 'id "x"' "$work/ran.none" "$(row x s MUST r applied 'unit/test_a: f')"
self 'an unknown level' 'level "MUSTARD"' "$work/ran.none" "$(row RT-001 s MUSTARD r applied 'unit/test_a: f')"
self 'a decision that is none' 'decision "perhaps"' "$work/ran.none" "$(row RT-001 s MUST r perhaps 'unit/test_a: f')"
self 'own choice without a reason' 'decision "own choice"' "$work/ran.none" "$(row RT-001 s MUST r 'own choice' 'unit/test_a: f')"

# ------------------------------------------------------------------ the ledgers

if [ "$(wc -l <"$work/known")" -lt 100 ]; then result 'not ok' "the tests' names could be read"; else result ok "the tests' names could be read"; fi
suites=$(grep -c '^suite ' "$work/ran" || true)
for ledger in "$SOURCE"/specs/conformance*.tsv; do
	said=$(check_ledger "$work/known" "$work/ran" "$ledger")
	summary=$(tail -n 1 <<<"$said")
	title="${ledger##*/}: $summary; results of $suites suites looked at"
	if [ "$(wc -l <<<"$said")" = 1 ] && [[ $summary != 'rows 0 '* ]]; then
		result ok "$title"
	else
		result 'not ok' "$title"
		sed '$d; s/^/# /' <<<"$said"
	fi
done
echo "1..$n"
