#!/usr/bin/env bash
# table.sh [FILE|DIRECTORY]... >docs/support.md
#
# The support table, out of the TAP of the engines' suites: files, directories of *.tap, or OCI_RESULTS.
# To have everything in it:  OCI_RT_TEST_LONG=1 tests/engines/suite.sh >engines.tap; tests/engines/table.sh engines.tap
#
# Theory of operation: lib.bash writes one "# record" per check.  A feature is a row, an engine with its version and the
# machine's cgroup mode a column; of two records of the same the later counts.  A suite without records (bats) becomes a list of its tests.
set -euo pipefail
export LC_ALL=C

files=()
[ $# -gt 0 ] || set -- "${OCI_RESULTS:?no file given, and OCI_RESULTS is not set}"
for f; do
	if [ -d "$f" ]; then
		for g in "$f"/engines*.plain.tap; do [ ! -e "$g" ] || files+=("$g"); done
	else
		files+=("$f")
	fi
done
[ ${#files[@]} -gt 0 ] || { echo "$0: no TAP found" >&2; exit 1; }

cat <<'END'
# Engines

What runs on oci-rt, as the tests of `tests/engines` found it. The file is made by `tests/engines/table.sh`, out of their output.

Each feature is a check that does what users do and looks at what they see; it ran with oci-rt and, on the same daemon, with the
engine's own runtimes. **yes**: passes. **machine**: passes with none of the runtimes on the machine of this run, for the reason below the
table. **no**: passes with another runtime and not with oci-rt. A name in brackets is a runtime with which it did not pass there.

END

awk -F ' *[|] *' '
function family(e) {
	sub(/[+@].*/, "", e)
	return e == "docker" ? "Docker" : e == "podman" ? "Podman" : e == "CRI" ? "Kubernetes (CRI of containerd)" : e
}
FNR == 1 { name = FILENAME; sub(/.*\//, "", name); sub(/(\.plain)?\.tap$/, "", name) }
/^# record / {
	sub(/^# record /, "")
	recorded[FILENAME] = 1
	fam = family($1)
	if (!(fam in families)) { families[fam] = ++nfam; famname[nfam] = fam }
	label = fam " " $2 ($1 ~ /[+]shim-as-runc$/ ? ", our shim in the place of the stock one" : $1 ~ /[+]shim$/ ? ", our shim" : "") ", cgroup " $3
	if (!((fam, label) in column)) { column[fam, label] = ++ncol[fam]; colname[fam, ncol[fam]] = label }
	c = column[fam, label]
	if (!((fam, $4) in row)) { row[fam, $4] = ++nrow[fam]; rowname[fam, nrow[fam]] = $4 }
	r = row[fam, $4]
	n = split($5, result, " ")
	ok = bad = others = ""
	for (i = 1; i <= n; i++) {
		split(result[i], kv, "=")
		if (kv[1] == "oci-rt") ours = kv[2]
		else { others = others " " kv[1]; if (kv[2] == "ok") ok = ok " " kv[1]; else bad = bad " " kv[1] }
	}
	cell = ours == "ok" ? "yes" : ok != "" ? "**no**" : "machine"
	if (ours == "ok" && bad != "") { sub(/^ /, "", bad); gsub(/ /, ", ", bad); cell = cell " (" bad ")" }
	cells[fam, r, c] = cell
	if (cell == "machine") { why[fam, r] = $6; blamed[fam, r] = c }
	else if (blamed[fam, r] == c) delete why[fam, r]	# an earlier record of the same
	peers[label] = others
	for (i = 1; i <= n; i++) { split(result[i], kv, "="); outcome[fam, r, c, kv[1]] = kv[2] }
	next
}
/^(not )?ok / {
	line = $0
	state = line ~ /^not ok/ ? "**no**" : tolower(line) ~ /# skip/ ? "skipped" : "yes"
	reason = ""
	if (state == "skipped") { reason = line; sub(/.*# [sS][kK][iI][pP] */, "", reason) }
	sub(/^(not )?ok [0-9]+ */, "", line); sub(/ *# [sS][kK][iI][pP].*/, "", line)
	gsub(/[|]/, "/", line); gsub(/[|]/, "/", reason)
	plain[FILENAME, ++nplain[FILENAME]] = "| " line " | " state (reason != "" ? ": " reason : "") " |"
	if (nplain[FILENAME] == 1) { pfile[++np] = FILENAME; pname[np] = name }
}
END {
	print "## Counts\n"
	print "| engine | checks | oci-rt | with its own runtimes | the machine |"
	print "|---|--:|--:|---|--:|"
	for (f = 1; f <= nfam; f++) for (c = 1; c <= ncol[famname[f]]; c++) {
		fam = famname[f]; l = colname[fam, c]
		n = split(peers[l] " oci-rt", p, " ")
		delete passes
		total = machine = 0
		for (r = 1; r <= nrow[fam]; r++) if ((fam, r, c) in cells) {
			total++
			if (cells[fam, r, c] == "machine") machine++
			for (i = 1; i <= n; i++) if (outcome[fam, r, c, p[i]] == "ok") passes[p[i]]++
		}
		text = ""
		for (i = 1; i < n; i++) text = text (text == "" ? "" : ", ") p[i] " " passes[p[i]] + 0
		printf "| %s | %d | %d | %s | %d |\n", l, total, passes["oci-rt"], text == "" ? "(not run)" : text, machine
	}
	for (f = 1; f <= nfam; f++) {
		fam = famname[f]
		printf "\n## %s\n\n| |", fam
		for (c = 1; c <= ncol[fam]; c++) { l = colname[fam, c]; l = substr(l, length(fam) + 2); printf " %s |", l }
		printf "\n|---|"
		for (c = 1; c <= ncol[fam]; c++) printf "---|"
		print ""
		notes = 0
		for (r = 1; r <= nrow[fam]; r++) {
			printf "| %s |", rowname[fam, r]
			for (c = 1; c <= ncol[fam]; c++) printf " %s |", (fam, r, c) in cells ? cells[fam, r, c] : "-"
			print ""
		}
		for (r = 1; r <= nrow[fam]; r++) if ((fam, r) in why) {
			if (!notes++) print "\nThe machine, in the words of the last runtime that was tried:\n"
			text = why[fam, r]; gsub(/[ \t]+/, " ", text)
			printf "- %s: `%s`\n", rowname[fam, r], text
		}
	}
	for (i = 1; i <= np; i++) if (!recorded[pfile[i]]) {
		printf "\n## %s\n\n| | |\n|---|---|\n", pname[i]
		for (k = 1; k <= nplain[pfile[i]]; k++) print plain[pfile[i], k]
	}
}' "${files[@]}"

cat <<'END'

## What each needs in its configuration

| engine | file | what |
|---|---|---|
| Docker 20.10 and later | `/etc/docker/daemon.json` as [contrib/docker/daemon.json](../contrib/docker/daemon.json) | `runtimes` with the path; `default-runtime` is optional. `kill -HUP` of dockerd makes it read both again |
| Docker 23 and later, our shim | as [contrib/docker/daemon-shim.json](../contrib/docker/daemon-shim.json) | `runtimeType`, an absolute path; on the command line only `--runtime io.containerd.oci-rt.v2`, with the shim in dockerd's PATH. `oci-rt` is looked for in PATH |
| BuildKit within Docker | none | It takes the program called `runc` in dockerd's PATH, whatever `default-runtime` says: a link of that name to `oci-rt` before the real one |
| Podman 4 and 5 | `containers.conf` as [contrib/podman/containers.conf](../contrib/podman/containers.conf) | the name below `[engine.runtimes]`, and in the lists of what Podman believes of a runtime |
| buildah | none | `--runtime /usr/local/bin/oci-rt`, or `BUILDAH_RUNTIME` in the environment; with `--isolation oci` (root's default) |
| containerd, Kubernetes | see README, "Plug it in" | |

Machines without CAP_SYS_RESOURCE (in a container, usually): limits above the hard ones and lower OOM scores are refused to every
runtime; Podman needs `default_ulimits`. Podman 4 sometimes does not notice at once that an init container has ended, whatever the runtime;
the check asks again, but not for ever. Hybrid cgroup hierarchies: crun refuses them; for its column the unified one was hidden from it.

With cgroup v2 and systemd's cgroup manager, systemd removes a container's scope with its last process, often before containerd's own shim or
Podman's conmon has read there that memory ran out: the container then counts as killed, not as OOMKilled, with every runtime; our shim does not
lose it. The checks try again. The annotation `run.oci.systemd.subgroup=container` puts the container into a cgroup below the scope, which
made the loss rare (25 of 30 seen, 8 without it, 3 with runc, in the slow guest).

"cgroup v2, systemd": a guest with systemd as PID 1 (`tests/vm/suite.sh`), where the engine's cgroup manager, in Docker's words its cgroup driver,
is systemd's: `cgroup_manager = "systemd"` for Podman, `"exec-opts": ["native.cgroupdriver=systemd"]` for Docker. "rootless" is a user with a
delegated cgroup there. That kernel, User-Mode Linux, has one processor, no cpusets, no address translation and no checkpoints: what needs one of them
ran in an emulated machine, or has no entry. Under SELinux the runtime's file has the type `container_engine_exec_t`, as runc's and crun's have.
END
