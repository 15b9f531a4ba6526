#!/usr/bin/env bats
# What callers type and read, verbatim: every argument vector of go-runc (containerd's shim, BuildKit), conmon, Podman and
# CRI-O as a whole, in their order, and the documents and texts that they parse.

load ../runtime/helpers

prepare() {
	# each caller says itself whether it wants systemd
	# shellcheck disable=SC2034 # rt()'s and cgdir()'s
	MANAGER=()
	for_cgroupfs
	# go-runc's prefix; Docker's root is /var/run/docker/runtime-runc/moby, containerd's /run/containerd/runc/NAMESPACE
	PREFIX=(--root "$ROOT/runc/k8s.io" --log "$BUNDLE/log.json" --log-format json)
	STATES=$ROOT
	ROOT=$ROOT/runc/k8s.io
}

finish() { ROOT=$STATES/runc/k8s.io delete_all; rm -rf "$STATES/runc"; ROOT=$STATES; }

# call ARG...: the runtime with go-runc's prefix, stdio that outlives it
call() { call_with_3 "$@" 3>&-; }
call_with_3() { timeout --foreground -k 5 "${RT_TIMEOUT:-60}" "$OCI_RT" "${PREFIX[@]}" "$@" </dev/null >"$T/stdout" 2>"$T/stderr" 4>&-; }
# direct ARG...: Podman's direct calls, with next to no environment; an ordinary user's has his own directory there
direct() {
	local run=$T
	[ -z "$ROOTLESS" ] || run=${XDG_RUNTIME_DIR:-$T}
	env -i XDG_RUNTIME_DIR="$run" timeout --foreground -k 5 "${RT_TIMEOUT:-60}" "$OCI_RT" --root "$ROOT" "$@"
}
cmdline() { tr '\0' ' ' <"/proc/$1/cmdline"; }

# process_file [JQ]: what engines write for exec; in $FILE
process_file() {
	FILE=$T/runc-process$RANDOM
	jq ".process | .terminal = false | .args = [\"/bin/sleep\", \"602\"] | ${1:-.}" "$BUNDLE/config.json" >"$FILE"
}

@test "containerd shim: create with a terminal and everything it can pass on" {
	receiver tty
	receiver pidfd
	config '.process.terminal = true'
	args /bin/sh -c 'cat <&3; tty; exec sleep 600'
	PREFIX=(--root "$ROOT" --debug --log "$BUNDLE/log.json" --log-format json --rootless=false)
	call_with_3 create --bundle "$BUNDLE" --pid-file "$BUNDLE/init.pid" --console-socket "$T/tty.sock" --pidfd-socket "$T/pidfd.sock" \
		--no-pivot --no-new-keyring --preserve-fds 1 "$ID" 3<<<'the third'
	assert_eq "$(cat "$BUNDLE/init.pid")" "$(pid_of)"
	call start "$ID"
	eventually grep -q /dev/pts/0 "$T/tty/tty"
	grep -q 'the third' "$T/tty/tty"
	assert_eq "$(cat "$T/pidfd/pidfd-pid")" "$(pid_of)"
}

@test "containerd shim: the same with --systemd-cgroup" {
	need_systemd
	config '.linux.cgroupsPath = $p' --arg p "system.slice:cri-containerd:$ID"
	PREFIX+=(--systemd-cgroup)
	call create --bundle "$BUNDLE" --pid-file "$BUNDLE/init.pid" "$ID"
	call start "$ID"
	grep -q "/system.slice/cri-containerd-$ID.scope\$" "/proc/$(cat "$BUNDLE/init.pid")/cgroup"
	call kill --all "$ID" 9
	wait_status stopped
	call delete "$ID"
	call delete --force "$ID"
}

@test "containerd shim: exec --process F --console-socket S --detach --pid-file P ID, and without a terminal" {
	call create --bundle "$BUNDLE" --pid-file "$BUNDLE/init.pid" "$ID"
	call start "$ID"
	process_file
	call exec --process "$FILE" --detach --pid-file "$BUNDLE/e1.pid" "$ID"
	assert_eq "$(cmdline "$(cat "$BUNDLE/e1.pid")")" '/bin/sleep 602 '
	receiver tty
	process_file '.terminal = true | .args = ["/bin/sh", "-c", "tty; exec sleep 603"]'
	call exec --process "$FILE" --console-socket "$T/tty.sock" --detach --pid-file "$BUNDLE/e2.pid" "$ID"
	eventually grep -q /dev/pts/0 "$T/tty/tty"
	eventually sh -c "tr '\\0' ' ' </proc/$(cat "$BUNDLE/e2.pid")/cmdline | grep -q '^sleep 603'"
}

@test "containerd shim: pause, resume, update, ps, events, kill, delete, features, --version" {
	call create --bundle "$BUNDLE" --pid-file "$BUNDLE/init.pid" "$ID"
	call start "$ID"
	call pause "$ID"
	assert_eq "$(status_of)" paused
	call resume "$ID"
	assert_eq "$(status_of)" running
	"$OCI_RT" "${PREFIX[@]}" update --resources=- "$ID" <<<'{"pids": {"limit": 57}}'
	assert_eq "$(cat "$(cgdir pids)/pids.max")" 57
	call ps --format json "$ID"
	assert_eq "$(cat "$T/stdout")" "[$(pid_of)]"
	call events --stats "$ID"
	jq -e '.type == "stats"' "$T/stdout"
	# its first line comes at once, or after the five seconds
	"$OCI_RT" "${PREFIX[@]}" events --interval=5s "$ID" >"$T/events" 2>&1 3>&- &
	local job=$!
	eventually test -s "$T/events"
	call kill "$ID" 9
	wait "$job"
	jq -es 'all(.type == "stats")' "$T/events"
	wait_status stopped
	run "$OCI_RT" "${PREFIX[@]}" kill "$ID" 15
	assert_status 1
	call delete "$ID"
	run "$OCI_RT" "${PREFIX[@]}" delete "$ID"
	assert_status 1
	call delete --force "$ID"
	run "$OCI_RT" features
	assert_status 0
	jq -e '.ociVersionMin != "" and .ociVersionMax != ""' <<<"$output"
	run "$OCI_RT" --version
	assert_status 0
}

@test "go-runc: run, as BuildKit does it" {
	args /bin/sh -c 'echo built; exit 3'
	run "$OCI_RT" "${PREFIX[@]}" run --bundle "$BUNDLE" --no-subreaper --keep "$ID" </dev/null
	assert_status 3
	assert_line built
	assert_eq "$(status_of)" stopped
	call delete "$ID"
}

@test "conmon: create with everything it can pass on, exec with a terminal" {
	local manager=()
	if [ -d /run/systemd/system ]; then
		manager=(--systemd-cgroup)
		config '.linux.cgroupsPath = $p' --arg p "machine.slice:libpod:$ID"
	fi
	receiver tty
	config '.process.terminal = true'
	args /bin/sh -c 'cat <&3; tty; exec sleep 600'
	call_conmon() { timeout --foreground -k 5 "${RT_TIMEOUT:-60}" "$OCI_RT" "$@" </dev/null >"$T/stdout" 2>"$T/stderr" 4>&-; }
	call_conmon "${manager[@]}" --root "$ROOT" --log-format=json --log "$T/oci-log" create --bundle "$BUNDLE" --pid-file "$T/pidfile" --no-pivot \
		--no-new-keyring --preserve-fds 1 --console-socket "$T/tty.sock" "$ID" 3<<<'the third'
	# every later command comes without --systemd-cgroup
	direct start "$ID"
	eventually grep -q /dev/pts/0 "$T/tty/tty"
	grep -q 'the third' "$T/tty/tty"
	assert_eq "$(cat "$T/pidfile")" "$(pid_of)"
	mkdir "$T/second"
	background "$PYTHON" "$LIB/recvfd.py" tty "$T/second/tty.sock" "$T/second"
	eventually test -e "$T/second/ready"
	process_file '.terminal = true | .args = ["/bin/sh", "-c", "cat <&3; tty; exec sleep 604"]'
	call_conmon --root "$ROOT" --log-format=json --log "$T/oci-log" exec --pid-file "$T/exec-pid" --process "$FILE" --detach --preserve-fds 1 \
		--console-socket "$T/second/tty.sock" "$ID" 3<<<'of exec'
	eventually grep -q 'of exec' "$T/second/tty"
	eventually sh -c "tr '\\0' ' ' </proc/$(cat "$T/exec-pid")/cmdline | grep -q '^sleep 604'"
	# --no-pivot earns a warning, and nothing else is said
	jq -es 'all(.level == "warning" and (.msg | contains("--no-pivot")))' "$T/oci-log"
	direct kill --all "$ID" 9
	wait_status stopped
	direct delete --force "$ID"
}

@test "podman: a life by direct calls, with and without --cgroup-manager disabled" {
	local a
	for a in '' '--cgroup-manager disabled'; do
		args /bin/sh -c 'trap "exit 0" TERM; echo ready; while :; do sleep 0.1; done'
		# shellcheck disable=SC2086
		"$OCI_RT" --root "$ROOT" $a --log-format=json --log "$T/oci-log" create --bundle "$BUNDLE" --pid-file "$T/pidfile" "$ID" \
			</dev/null >"$T/stdout" 2>&1 3>&-
		direct start "$ID"
		eventually grep -q ready "$T/stdout"
		direct state "$ID" | jq -e '.status == "running"'
		if [ -z "$a" ]; then
			direct pause "$ID"
			direct resume "$ID"
			echo '{"pids": {"limit": 58}}' >"$T/resources"
			direct update "--resources=$T/resources" "$ID"
			assert_eq "$(cat "$(cgdir pids)/pids.max")" 58
			direct kill --all "$ID" 15
		else
			direct kill "$ID" 15
		fi
		wait_status stopped
		direct delete --force "$ID"
	done
	assert_clean
}

@test "CRI-O: a life" {
	local rt=("$OCI_RT" --root "$ROOT")
	if [ -d /run/systemd/system ]; then
		rt+=(--systemd-cgroup)
		config '.linux.cgroupsPath = $p' --arg p "system.slice:crio:$ID"
	fi
	args /bin/sh -c 'trap "exit 0" TERM; echo ready; while :; do sleep 0.1; done'
	"${rt[@]}" create --bundle "$BUNDLE" --pid-file "$T/pidfile" "$ID" </dev/null >"$T/stdout" 2>&1 3>&-
	"${rt[@]}" start "$ID"
	eventually grep -q ready "$T/stdout"
	# what it reads of the state
	"${rt[@]}" state "$ID" | jq -e --arg id "$ID" '.id == $id and .status == "running" and .pid > 1 and (.created | test("Z$|[+-]..:..$")) and
		((.annotations // {}) | type) == "object"'
	echo '{"pids": {"limit": 59}}' | "${rt[@]}" update --resources - "$ID"
	assert_eq "$(cat "/sys/fs/cgroup$(cgroup_v2 || echo /pids)$(sed -n 's/^\(0:\|[0-9]*:pids\):\(.*\)/\2/p' "/proc/$(pid_of)/cgroup" | head -n 1)/pids.max")" 59
	process_file '.args = ["/bin/sh", "-c", "echo attached; exit 42"]'
	run "${rt[@]}" exec --process "$FILE" "$ID" </dev/null
	assert_status 42
	assert_output attached
	"${rt[@]}" kill "$ID" TERM
	wait_status stopped
	run "${rt[@]}" kill "$ID" TERM
	assert_status 1
	# its three words, as they are written
	[[ $output == *'no such process'* || $output == *'container not running'* ]] || fail 'CRI-O would not understand that'
	"${rt[@]}" delete --force "$ID"
	"${rt[@]}" delete --force "$ID"
}

@test "podman, CRI-O: checkpoint and conmon's restore, word for word" {
	need_root
	mkdir -p "$T/fake" "$T/image" "$T/x"
	printf '#!/bin/sh\nexec %s %s "$@"\n' "$PYTHON" "$LIB/fakecriu.py" >"$T/fake/criu"
	chmod +x "$T/fake/criu"
	echo ok >"$T/fake/answer"
	export FAKE_CRIU=$T/fake PATH=$T/fake:$PATH
	call create --bundle "$BUNDLE" --pid-file "$BUNDLE/init.pid" "$ID"
	call start "$ID"
	run "$OCI_RT" --root "$ROOT" checkpoint --image-path "$T/image" --work-path "$T/work" --leave-running --tcp-established --file-locks \
		--pre-dump --parent-path ../x "$ID"
	assert_status 0
	run "$OCI_RT" --root "$ROOT" checkpoint --image-path "$T/image" --work-path "$T/work" --leave-running --tcp-established --file-locks "$ID"
	assert_status 0
	call delete --force "$ID"
	# the image of the stand-in cannot be restored: what is shown is that every word was understood
	rm "$T/image/descriptors.json"
	run "$OCI_RT" --root "$ROOT" restore --bundle "$BUNDLE" --pid-file "$T/p" --detach --image-path "$T/image" --work-path "$BUNDLE" --tcp-established \
		--tcp-close --file-locks --lsm-profile=apparmor:x --lsm-mount-context=a:b:c:s0 "$ID"
	assert_fails descriptors.json
	run "$OCI_RT" "${PREFIX[@]}" restore --image-path "$T/image" --work-path "$T/work" --parent-path ../x --detach --pid-file "$T/p" --no-pivot \
		-no-subreaper --bundle "$BUNDLE" "$ID"
	assert_fails descriptors.json
}

# ------------------------------------------------------------------ what callers read

@test "events --stats has every member that go-runc decodes, with its type" {
	need_controller memory
	call create --bundle "$BUNDLE" "$ID"
	call start "$ID"
	call events --stats "$ID"
	assert_eq "$(wc -l <"$T/stdout")" 1 lines
	jq -e '.data | .cpu.usage as $u | ($u.total, $u.kernel, $u.user | type == "number") and ($u.total >= 1000) and
		(.cpu.throttling | (.periods // 0), (.throttledPeriods // 0), (.throttledTime // 0) | type == "number")' "$T/stdout"
	jq -e '.data | .memory | ([.usage, .swap, .kernel, .kernelTCP] | all(. == null or ((.limit, (.usage // 0), (.max // 0), .failcnt) | type == "number"))) and
		(.usage.usage > 0) and ((.cache // 0) | type == "number") and (.raw | type == "object" and length > 0 and all(type == "number"))' "$T/stdout"
	jq -e '.data | .pids.current == 1 and (.blkio | type == "object") and (.hugetlb | type == "object") and (.intel_rdt | type == "object") and
		((.network_interfaces // []) | type == "array")' "$T/stdout"
	jq -e '.data.blkio | [.ioServiceBytesRecursive, .ioServicedRecursive] | all(. == null or all(.[]; (.major, .minor, .value | type == "number") and (.op | type == "string")))' "$T/stdout"
}

@test "a bind mount of a directory on a file: the words that Docker looks for, and never a missing program's" {
	mkdir "$T/directory"
	touch "$BUNDLE/rootfs/file"
	config '.mounts += [{"destination": "/file", "type": "bind", "source": $s, "options": ["bind"]}]' --arg s "$T/directory"
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	assert_status 1
	assert_has 'not a directory'
	refute_has 'executable file not found'
	refute_has 'no such file or directory'
}

@test "called as runc: the three lines that go-runc takes apart" {
	ln -s "$OCI_RT" "$T/runc"
	run "$T/runc" --version
	assert_status 0
	[[ ${lines[0]} =~ ^runc\ version\ [0-9]+\.[0-9]+\.[0-9]+ ]] || fail "line 1"
	[[ ${lines[1]} =~ ^commit:\ . ]] || fail "line 2"
	[[ ${lines[2]} =~ ^spec:\ 1\.[0-9]+\.[0-9]+ ]] || fail "line 3"
}

@test "the log of a failure that came after warnings is one document, which Podman can read" {
	config '.process.capabilities.bounding += ["CAP_TEAPOT"] | .process.args = ["no-such-program"]'
	run "$OCI_RT" --root "$ROOT" --log-format=json --log "$T/oci-log" create --bundle "$BUNDLE" --pid-file "$T/p" "$ID" </dev/null 3>&-
	assert_status 1
	jq -es 'length == 1 and .[0].level == "error" and (.[0].msg | test("executable file not found in"))' "$T/oci-log"
	[ ! -e "$T/p" ]
	config '.process.args = ["/etc/passwd"]'
	rm "$T/oci-log"
	run "$OCI_RT" --root "$ROOT" --log-format=json --log "$T/oci-log" create --bundle "$BUNDLE" --pid-file "$T/p" "$ID" </dev/null 3>&-
	assert_status 1
	jq -es 'length == 1 and (.[0].msg | test("permission denied"))' "$T/oci-log"
	config '.process.args = ["/no/such/program"]'
	rm "$T/oci-log"
	run "$OCI_RT" --root "$ROOT" --log-format=json --log "$T/oci-log" create --bundle "$BUNDLE" --pid-file "$T/p" "$ID" </dev/null 3>&-
	assert_status 1
	jq -es 'length == 1 and (.[0].msg | test("no such file or directory"))' "$T/oci-log"
}
