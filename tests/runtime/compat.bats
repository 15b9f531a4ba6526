#!/usr/bin/env bats
# What callers of runc can observe and rely on: descriptors by name, texts, working directories, defaults.

load helpers

# ------------------------------------------------------------------ descriptors as arguments

@test "exec --process and update --resources take a shell's <(program)" {
	started
	export PROCESS='{"args": ["/bin/sh", "-c", "probe fds; echo done"], "cwd": "/", "user": {"uid": 0, "gid": 0},
		"env": ["PATH=/bin"]}' ID
	# shellcheck disable=SC2016
	run bash -c 'exec "$@" --process <(printf %s "$PROCESS") "$ID"' - "$OCI_RT" --root "$ROOT" exec </dev/null 3>&- 4>&-
	assert_status 0
	assert_has 'done'
	refute_match '^(3|[0-9][0-9]) '
	# shellcheck disable=SC2016
	run bash -c 'exec "$@" --resources <(echo "{\"pids\": {\"limit\": 77}}") "$ID"' - "$OCI_RT" --root "$ROOT" update
	assert_status 0
}

# ------------------------------------------------------------------ processors

@test "the caller's CPU affinity is not the container's" {
	local all
	all=$(taskset -pc $$ | sed 's/.*: //')
	[[ $all == *[,-]* ]] || skip 'this machine has one processor'
	args grep Cpus_allowed_list /proc/self/status
	run taskset -c "${all%%[,-]*}" "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_ne "$output" "$(printf 'Cpus_allowed_list:\t%s' "${all%%[,-]*}")"
	started sleep 600
	run taskset -c "${all%%[,-]*}" "$OCI_RT" --root "$ROOT" exec "$ID" grep Cpus_allowed_list /proc/self/status </dev/null
	assert_status 0
	assert_ne "$output" "$(printf 'Cpus_allowed_list:\t%s' "${all%%[,-]*}")"
}

@test "execCPUAffinity.initial alone does not last" {
	local all
	all=$(taskset -pc $$ | sed 's/.*: //')
	[[ $all == *[,-]* ]] || skip 'this machine has one processor'
	config '.process.execCPUAffinity = {"initial": $c}' --arg c "${all%%[,-]*}"
	started
	in_exec grep Cpus_allowed_list /proc/self/status
	assert_status 0
	assert_ne "$output" "$(printf 'Cpus_allowed_list:\t%s' "${all%%[,-]*}")"
}

# ------------------------------------------------------------------ the program's surroundings

@test "an empty HOME counts as none, for a program with a terminal too" {
	config '.process.env += ["HOME=/first", "HOME="] | .process.terminal = true'
	# shellcheck disable=SC2016
	inside_ok 'echo $HOME; env | grep -c ^HOME='
	# and what a terminal in the foreground prints has no carriage returns
	assert_eq "$output" "$(printf '/root\n1')"
}

@test "a tmpfs on a directory that is not there has mode 1777, on one that is there the directory's" {
	mkdir -m 710 "$BUNDLE/rootfs/there"
	config '.mounts += [{"destination": "/there", "type": "tmpfs", "source": "tmpfs"},
		{"destination": "/new/deep", "type": "tmpfs", "source": "tmpfs"}]'
	inside_ok 'stat -c %a /there /new/deep /new'
	assert_eq "$output" "$(printf '710\n1777\n755')"
}

@test "an inheritable capability outside of the bounding set is a warning" {
	config '.process.capabilities.inheritable = ["CAP_KILL", "CAP_SYS_CHROOT"]'
	args /bin/grep ^CapInh /proc/self/status
	run --separate-stderr rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_output $'CapInh:\t0000000000000020'
	grep -q 'inheritable.*CAP_SYS_CHROOT' "$T/log.json" || fail "no warning: $(cat "$T/log.json")"
}

# ------------------------------------------------------------------ hooks

@test "hooks run in the bundle, createContainer in the root filesystem" {
	cd "$T"
	config '.hooks = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "pwd >\($t)/runtime"]}],
		"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo here >./from-hook"]}]}' --arg t "$T"
	inside_ok 'cat /from-hook'
	assert_output here
	assert_eq "$(cat "$T/runtime")" "$BUNDLE"
}

@test "startContainer hooks run under the filter, also where it refuses clone3" {
	local nnp
	config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
		{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}
		| .hooks = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "mkdir /tmp/made || echo refused >/tmp/hook"],
			"env": ["PATH=/bin"]}]}'
	for nnp in true false; do
		config '.process.noNewPrivileges = $n' --argjson n "$nnp"
		inside_ok 'cat /tmp/hook; rm /tmp/hook'
		assert_output refused
	done
}

@test "a failing hook is named by its kind and number" {
	config '.hooks = {"createRuntime": [{"path": "/bin/true"}, {"path": "/bin/false"}]}'
	run rt create --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'error running createRuntime hook #1:'
}

# ------------------------------------------------------------------ kill

@test "kill 0 asks whether the container's process is there" {
	started
	rt kill "$ID" 0
	rt kill "$ID" KILL
	wait_status stopped
	run rt kill "$ID" 0
	assert_status 1
	assert_has 'container not running'
}

@test "a created container ends by SIGTERM" {
	rtd create --bundle "$BUNDLE" "$ID"
	rt kill "$ID" TERM
	wait_status stopped
}

@test "kill KILL ends all processes of a container without a PID namespace of its own" {
	local child
	shares pid
	started
	rtd exec --detach --pid-file "$T/pid" "$ID" sleep 601
	child=$(cat "$T/pid")
	rt kill "$ID" KILL
	eventually gone "$child"
	rt delete "$ID"
	# and when the first one is gone already
	started
	rtd exec --detach --pid-file "$T/pid" "$ID" sleep 601
	child=$(cat "$T/pid")
	kill -KILL "$(pid_of)"
	wait_status stopped
	rt kill "$ID" KILL
	eventually gone "$child"
}

# ------------------------------------------------------------------ texts

@test "text: a program whose interpreter is not there" {
	printf '#!/no/such/interpreter\n' >"$BUNDLE/rootfs/script"
	chmod 755 "$BUNDLE/rootfs/script"
	args /script
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'exec /script: no such file or directory'
}

@test "text: a cgroup with processes in it, a frozen one, a sub-cgroup that leads out" {
	started
	in_exec true
	run rt exec --cgroup .. "$ID" true </dev/null
	assert_status 255
	assert_has 'bad sub cgroup path'
	run rt exec --cgroup none "$ID" true </dev/null
	assert_status 255
	assert_has 'adding pid to cgroup '
	run rt create --bundle "$BUNDLE" "$ID-2" </dev/null
	assert_fails "container's cgroup is not empty"
}

@test "text: the order of a state's first members" {
	started
	run rt list --format json
	assert_match '^\[\{"ociVersion":"[^"]*","id":"[^"]*","pid":[0-9]+,"status":"running","bundle":'
}
