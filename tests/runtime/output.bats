#!/usr/bin/env bats
# What callers read: state, list, ps, pid file, version, features, the log.

load helpers

@test "the pid file is the pid in decimal, without a newline" {
	rtd create --bundle "$BUNDLE" --pid-file "$T/pid" "$ID"
	local pid
	pid=$(pid_of)
	assert_eq "$(od -An -c "$T/pid" | tr -d ' \n')" "$pid"
	rt start "$ID"
	assert_eq "$(cat "$T/pid")" "$pid"
	assert_eq "$(find "$T" -maxdepth 1 -name '*pid*' | wc -l)" 1 "files beside the pid file"
}

@test "the pid file replaces an old one" {
	echo 'something longer than a pid' >"$T/pid"
	rtd create --bundle "$BUNDLE" --pid-file "$T/pid" "$ID"
	assert_eq "$(cat "$T/pid")" "$(pid_of)"
}

@test "no pid file is written when create fails" {
	args /nonexistent
	run rt create --bundle "$BUNDLE" --pid-file "$T/pid" "$ID"
	assert_status 1
	[ ! -e "$T/pid" ]
}

@test "a pid file that cannot be written is an error that names it, and leaves nothing" {
	run rt create --bundle "$BUNDLE" --pid-file "$T/missing/pid" "$ID" 3>&-
	assert_status 1
	assert_has "$T/missing/pid"
	assert_clean
}

@test "state prints every key with its type" {
	config '.annotations = {"org.example.key": "some value", "empty": ""}'
	rtd create --bundle "$BUNDLE" "$ID"
	run rt state "$ID"
	assert_status 0
	jq -e --arg id "$ID" --arg b "$BUNDLE" '
		.ociVersion == "1.2.0" and .id == $id and .status == "created" and
		(.pid | type == "number" and . > 1) and .bundle == $b and .rootfs == $b + "/rootfs" and
		.annotations == {"org.example.key": "some value", "empty": ""} and
		.owner == $u' --arg u "$(id -un)" <<<"$output"
}

@test "state's created is RFC 3339 with fractions of a second and stays the same" {
	local before after created
	before=$(date +%s)
	rtd create --bundle "$BUNDLE" "$ID"
	after=$(date +%s)
	created=$(rt state "$ID" | jq -r .created)
	[[ $created =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,9}(Z|[+-][0-9]{2}:[0-9]{2})$ ]]
	[ "$(date -d "$created" +%s)" -ge "$before" ]
	[ "$(date -d "$created" +%s)" -le "$after" ]
	rt start "$ID"
	assert_eq "$(rt state "$ID" | jq -r .created)" "$created"
}

@test "state follows the life of the container" {
	rtd create --bundle "$BUNDLE" "$ID"
	assert_eq "$(status_of)" created
	rt start "$ID"
	assert_eq "$(status_of)" running
	rt pause "$ID"
	assert_eq "$(status_of)" paused
	rt resume "$ID"
	assert_eq "$(status_of)" running
	rt kill "$ID" KILL
	wait_status stopped
	jq -e '.pid == 0' <<<"$(rt state "$ID")"
}

@test "state of an unknown container" {
	run rt state "$ID"
	assert_status 1
	assert_has "container \"$ID\" does not exist"
}

@test "list --format json prints [] when there is none" {
	run rt list --format json
	assert_status 0
	assert_output '[]'
	mkdir -p "$ROOT"
	run rt list -f json
	assert_status 0
	assert_output '[]'
}

@test "list --format json is an array of states" {
	started
	run rt list --format json
	assert_status 0
	jq -e --arg id "$ID" --arg b "$BUNDLE" 'type == "array" and length == 1 and .[0].id == $id and
		.[0].status == "running" and .[0].bundle == $b and (.[0].pid | type == "number" and . > 1) and
		(.[0].created | type == "string") and .[0].owner == $u' --arg u "$(id -un)" <<<"$output"
}

@test "list prints a table with a heading" {
	started
	run rt list
	assert_status 0
	assert_match '^ID +PID +STATUS +BUNDLE +CREATED +OWNER'
	assert_match "^$ID +$(pid_of) +running +$BUNDLE +[0-9-]+T.* +$(id -un)"
	assert_eq "${#lines[@]}" 2 'number of lines'
}

@test "list -q prints ids only" {
	started
	run rt list -q
	assert_output "$ID"
	run rt list --quiet
	assert_output "$ID"
}

@test "list shows containers of its own root only, stopped ones too" {
	started /bin/true
	wait_status stopped
	run rt list --format json
	jq -e '.[0].status == "stopped" and .[0].pid == 0' <<<"$output"
	run "$OCI_RT" --root "$T/other" list -q
	assert_output ''
}

@test "list rejects an unknown format" {
	run rt list --format yaml
	assert_status 1
	assert_has yaml
}

@test "ps --format json is a flat array of host pids" {
	started /bin/sh -c 'sleep 600 & sleep 601 & wait'
	eventually ps_shows 3
	run rt ps --format json "$ID"
	assert_status 0
	jq -e --argjson pid "$(pid_of)" 'type == "array" and all(type == "number") and (index([$pid]) != null)' <<<"$output"
	assert_eq "$(jq -r '.[]' <<<"$output" | sort -n)" "$(sort -n "$(cgdir pids)/cgroup.procs")"
}

ps_shows() { [ "$(rt ps --format json "$ID" | jq length)" = "$1" ]; }

@test "ps prints a table of the container's processes only" {
	started /bin/sh -c 'sleep 600 & wait'
	eventually ps_shows 2
	run rt ps "$ID"
	assert_status 0
	assert_match 'PID'
	assert_match "\\b$(pid_of)\\b.*"
	assert_has 'sleep 600'
	refute_has "$BATS_RUN_TMPDIR"
	assert_eq "${#lines[@]}" 3 'number of lines'
}

@test "ps passes its arguments on to ps" {
	started
	run rt ps "$ID" -o pid,comm
	assert_status 0
	assert_match "^ *$(pid_of) +sleep"
}

@test "ps of an unknown container" {
	run rt ps --format json "$ID"
	assert_status 1
	assert_has "container \"$ID\" does not exist"
}

@test "--version: name, commit, spec, one per line" {
	local flag
	for flag in --version -v; do
		run "$OCI_RT" "$flag"
		assert_status 0
		[[ ${lines[0]} =~ ^oci-rt\ version\ [0-9]+\.[0-9]+ ]] || fail "first line"
		assert_match '^commit: '
		assert_match '^spec: 1\.[0-9]+\.[0-9]+'
	done
}

@test "called as runc, the version's first line is runc's" {
	ln -s "$OCI_RT" "$T/runc"
	run "$T/runc" --version
	assert_status 0
	[[ ${lines[0]} =~ ^runc\ version\ [0-9]+\.[0-9]+ ]] || fail "first line"
	assert_match '^spec: 1\.'
}

@test "--help and a wrong command name" {
	run "$OCI_RT" --help
	assert_status 0
	local c
	for c in create start state kill delete run exec ps pause resume update list spec features; do
		assert_match "\\b$c\\b"
	done
	run "$OCI_RT" frobnicate
	assert_fails frobnicate
	run "$OCI_RT"
	refute_match 'Segmentation'
}

@test "features: versions, hooks, mount options, namespaces, capabilities" {
	run "$OCI_RT" features
	assert_status 0
	jq -e '(.ociVersionMin | test("^1\\.")) and (.ociVersionMax | test("^1\\.[0-9]+\\.")) and
		(.hooks | sort) == (["prestart","createRuntime","createContainer","startContainer","poststart","poststop"] | sort)' <<<"$output"
	jq -e '.mountOptions as $m | ["async","atime","bind","defaults","dev","diratime","dirsync","exec","iversion",
		"lazytime","loud","noatime","nodev","nodiratime","noexec","noiversion","nolazytime","norelatime",
		"nostrictatime","nosuid","nosymfollow","private","ratime","rbind","rdev","rdiratime","relatime","remount",
		"rexec","rnoatime","rnodev","rnodiratime","rnoexec","rnorelatime","rnostrictatime","rnosuid",
		"rnosymfollow","ro","rprivate","rrelatime","rro","rrw","rshared","rslave","rstrictatime","rsuid",
		"rsymfollow","runbindable","rw","shared","silent","slave","strictatime","suid","symfollow","sync",
		"tmpcopyup","unbindable","idmap","ridmap"] - $m == []' <<<"$output"
	jq -e '(.linux.namespaces | sort) == ["cgroup","ipc","mount","network","pid","time","user","uts"]' <<<"$output"
	jq -e '.linux.capabilities | index("CAP_CHECKPOINT_RESTORE") != null and index("CAP_CHOWN") != null and length >= 41' <<<"$output"
}

@test "features: cgroup, seccomp, mount extensions, labels" {
	run "$OCI_RT" features
	assert_status 0
	jq -e '.linux.cgroup.v1 == true and .linux.cgroup.v2 == true' <<<"$output"
	jq -e '.linux.seccomp.enabled == true and
		(["SCMP_ACT_ALLOW","SCMP_ACT_ERRNO","SCMP_ACT_KILL","SCMP_ACT_KILL_PROCESS","SCMP_ACT_KILL_THREAD",
		"SCMP_ACT_LOG","SCMP_ACT_NOTIFY","SCMP_ACT_TRACE","SCMP_ACT_TRAP"] - .linux.seccomp.actions == []) and
		(["SCMP_CMP_EQ","SCMP_CMP_GE","SCMP_CMP_GT","SCMP_CMP_LE","SCMP_CMP_LT","SCMP_CMP_MASKED_EQ","SCMP_CMP_NE"]
		- .linux.seccomp.operators == []) and
		(.linux.seccomp.archs | index("SCMP_ARCH_X86_64") != null) and
		(.linux.seccomp.supportedFlags | index("SECCOMP_FILTER_FLAG_LOG") != null)' <<<"$output"
	jq -e '.linux.mountExtensions.idmap.enabled == true' <<<"$output"
	jq -e '(.linux.apparmor.enabled | type) == "boolean" and (.linux.selinux.enabled | type) == "boolean"' <<<"$output"
}

@test "features does not depend on the machine: the same without /proc and /sys" {
	need_command unshare
	"$OCI_RT" features >"$T/a"
	local hide='mount -t tmpfs none /sys'
	# the leak detector of a sanitizer build cannot do without /proc, and would not find its options
	grep -q __asan_init "$OCI_RT" || hide+=' && mount -t tmpfs none /proc'
	unshare -m sh -c "$hide"' && exec "$0" features' "$OCI_RT" >"$T/b"
	cmp "$T/a" "$T/b"
}

@test "spec writes config.json that runs as it is" {
	mkdir "$T/new"
	cp -a "$(base_rootfs)" "$T/new/rootfs"
	cd "$T/new"
	"$OCI_RT" spec ${ROOTLESS:+--rootless}
	jq -e '.process.terminal == true and .root.path == "rootfs" and (.ociVersion | test("^1\\."))' config.json
	jq -e '(.process.capabilities.inheritable // []) == []' config.json
	BUNDLE=$T/new
	config '.process.terminal = false | .linux.cgroupsPath = $cg' --arg cg "$(cgroups_path "/$ID")"
	inside_ok 'echo it runs; hostname'
	assert_line 'it runs'
}

@test "spec does not overwrite a file, and takes --bundle" {
	mkdir "$T/new"
	run "$OCI_RT" spec --bundle "$T/new"
	assert_status 0
	[ -f "$T/new/config.json" ]
	echo mine >"$T/new/config.json"
	run "$OCI_RT" spec -b "$T/new"
	assert_status 1
	assert_has config.json
	assert_eq "$(cat "$T/new/config.json")" mine
}

@test "spec --rootless maps the caller's user and drops what it cannot do" {
	mkdir "$T/new"
	run "$OCI_RT" spec --rootless --bundle "$T/new"
	assert_status 0
	jq -e --argjson u "$(id -u)" --argjson g "$(id -g)" '([.linux.namespaces[].type] | index("user") != null and index("network") == null) and
		.linux.uidMappings == [{"containerID":0,"hostID":$u,"size":1}] and
		.linux.gidMappings == [{"containerID":0,"hostID":$g,"size":1}] and (.linux | has("resources") | not)' "$T/new/config.json"
}

@test "spec: a cgroup namespace, and without privileges the cgroup mount, on cgroup v2 only" {
	local v2=false
	if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then v2=true; fi
	mkdir "$T/new"
	"$OCI_RT" spec --bundle "$T/new"
	jq -e --argjson v2 "$v2" '([.linux.namespaces[].type] | index("cgroup") != null) == $v2' "$T/new/config.json"
	rm "$T/new/config.json"
	"$OCI_RT" spec --rootless --bundle "$T/new"
	jq -e --argjson v2 "$v2" '([.mounts[].type] | index("cgroup") != null) == $v2' "$T/new/config.json"
}

# ------------------------------------------------------------------ errors and the log

@test "an error is one line on stderr that starts with the program's name" {
	run --separate-stderr rt state "$ID"
	assert_status 1
	assert_eq "$output" '' stdout
	assert_eq "${#stderr_lines[@]}" 1 'number of lines on stderr'
	assert_eq "$stderr" "oci-rt: container \"$ID\" does not exist"
}

@test "--log-format json: one object per line with msg, level and time" {
	run --separate-stderr rt --log "$T/log" --log-format json state "$ID"
	assert_status 1
	assert_eq "$(wc -l <"$T/log")" 1 'number of lines'
	jq -e --arg m "container \"$ID\" does not exist" '.level == "error" and .msg == $m and
		(.time | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}"))' "$T/log"
}

@test "a failing create leaves exactly one error in the json log, with code, step and hint" {
	config '.mounts += [{"destination": "/data", "type": "none", "source": "/no/such/source", "options": ["bind"]}]'
	run rt --log "$T/log.json" --log-format=json create --bundle "$BUNDLE" "$ID" 3>&-
	assert_status 1
	assert_eq "$(wc -l <"$T/log.json")" 1 'number of lines'
	jq -e '.level == "error" and (.msg | contains("/no/such/source"))' "$T/log.json"
	jq -e '(.code | type == "string") and (.step | type == "string") and (.path | contains("mounts[7]"))' "$T/log.json"
}

@test "a warning before the error does not make the json log two objects" {
	config '.process.capabilities.bounding += ["CAP_TEAPOT"]'
	args /nonexistent
	run rt --log "$T/one.json" create --bundle "$BUNDLE" "$ID" 3>&-
	assert_status 1
	jq -es 'length == 1 and .[0].level == "error"' "$T/one.json"
}

@test "messages escape control characters of the configuration" {
	config '.process.args = ["/bin/\u001b[31mx\ny"]'
	run rt --log "$T/log" --log-format json create --bundle "$BUNDLE" "$ID" 3>&-
	assert_fails
	refute_has $'\033'
	assert_eq "$(wc -l <"$T/log")" 1 'number of lines'
	jq -e .msg "$T/log"
}

@test "--debug and --log-level do not disturb the program's output" {
	args /bin/echo hello
	run --separate-stderr rt --debug run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_eq "$output" hello
}

@test "--log-level: error leaves warnings out, debug tells more" {
	config '.process.capabilities.bounding += ["CAP_TEAPOT"] |
		.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["teapot", "mkdir"], "action": "SCMP_ACT_ERRNO"}]}'
	args /bin/true
	local level
	for level in error warning info debug; do
		rm -rf "$ROOT/.cache"
		"$OCI_RT" --root "$ROOT" --log "$T/log-$level" --log-format json --log-level "$level" run --bundle "$BUNDLE" "$ID" </dev/null
	done
	rm -rf "$ROOT/.cache"
	"$OCI_RT" --root "$ROOT" --log "$T/log-flag" --log-format json --debug run --bundle "$BUNDLE" "$ID" </dev/null
	[ ! -s "$T/log-error" ] || fail "$(cat "$T/log-error")"
	jq -es 'length == 1 and .[0].level == "warning"' "$T/log-warning"
	jq -es 'map(.level) | index("debug") != null and index("warning") != null' "$T/log-debug"
	jq -es 'map(.level) | index("debug") != null' "$T/log-flag"
	run "$OCI_RT" --root "$ROOT" --log-level chatty list
	assert_fails chatty
}

@test "--log file is appended to, never truncated" {
	echo first >"$T/log"
	run rt --log "$T/log" state "$ID"
	assert_status 1
	assert_eq "$(head -n 1 "$T/log")" first
	assert_eq "$(wc -l <"$T/log")" 2
}

# One text per row that callers look for, byte for byte.
@test "text: unknown container, for every command that takes an id" {
	local c
	for c in state start kill delete pause resume 'ps --format json'; do
		# shellcheck disable=SC2086
		run --separate-stderr rt $c "$ID"
		assert_status 1
		assert_eq "$stderr" "oci-rt: container \"$ID\" does not exist" "$c"
	done
	run --separate-stderr rt exec "$ID" true
	assert_status 255
	assert_eq "$stderr" "oci-rt: container \"$ID\" does not exist" exec
}

@test "text: kill of a stopped container" {
	started /bin/true
	wait_status stopped
	run --separate-stderr rt kill "$ID" TERM
	assert_status 1
	assert_eq "$stderr" 'oci-rt: container not running: no such process'
}

@test "text: a program that is not in PATH" {
	args foo
	run --separate-stderr rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_eq "$stderr" "oci-rt: exec: \"foo\": executable file not found in \$PATH"
}

@test "text: a program by path that is not there" {
	args /bin/foo
	run --separate-stderr rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	[[ $stderr == *'exec: "/bin/foo": '*'no such file or directory'* ]] || fail "$stderr"
}

@test "text: a program that may not be executed" {
	echo x >"$BUNDLE/rootfs/bin/foo"
	args foo
	run --separate-stderr rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	[[ $stderr == *'exec: "'*'foo": '*'permission denied'* ]] || fail "$stderr"
}

@test "text: exec of what is not there has status 255 and the same text" {
	started
	run --separate-stderr rt exec "$ID" foo
	assert_status 255
	assert_eq "$stderr" "oci-rt: exec: \"foo\": executable file not found in \$PATH"
}

@test "text: a failure outside exec never looks like a missing program" {
	args /bin/true
	config '.linux.cgroupsPath = "/../escape"'
	run --separate-stderr rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	[[ $stderr != *'executable file not found'* ]]
	[[ $stderr == *cgroupsPath* ]] || fail "$stderr"
}

@test "--log file:PATH is PATH" {
	run "$OCI_RT" --root "$ROOT" --log "file:$T/plain.log" --log-format json state nosuch
	assert_status 1
	jq -e '.level == "error"' "$T/plain.log"
	refute [ -e "file:$T" ]
}

# with_socket PATH COMMAND...: our receiver is at PATH, in a mount namespace of its own
with_socket() {
	unshare --mount --propagation private bash -c 'mount -t tmpfs none "/$(cut -d/ -f2 <<<"$2")" && mkdir -p "$(dirname "$2")" &&
		touch "$2" && mount --bind "$1" "$2" && shift 2 && exec "$@"' - "$T/notify.sock" "$@" </dev/null
}

@test "--log journald:NAME: one entry with priority, name and message" {
	need_root
	receiver notify
	run with_socket /run/systemd/journal/socket "$OCI_RT" --root "$ROOT" --log journald:the-name state nosuch
	assert_status 1
	assert_has 'does not exist'
	eventually grep -qx 'SYSLOG_IDENTIFIER=the-name' "$T/notify/notify"
	grep -qx 'PRIORITY=3' "$T/notify/notify"
	grep -q '^MESSAGE=.*container "nosuch" does not exist' "$T/notify/notify"
}

@test "--log syslog:NAME: one line for the system's log; without a syslog an error that says so" {
	need_root
	receiver notify
	run with_socket /dev/log "$OCI_RT" --root "$ROOT" --log syslog:the-name state nosuch
	assert_status 1
	eventually grep -q '^<27>the-name: .*container "nosuch" does not exist' "$T/notify/notify"
	run unshare --mount --propagation private bash -c 'mount -t tmpfs none /dev && exec "$@"' - "$OCI_RT" --log syslog:x list </dev/null
	assert_fails /dev/log
}
