#!/usr/bin/env bats
# hooks: kinds, order, namespaces, the state on stdin, environment, time-outs and failures.

load helpers

# hook KIND SCRIPT [EXTRA-JSON]: appends a hook that runs SCRIPT with sh
hook() {
	config '.hooks[$k] += [{"path": "/bin/sh", "args": ["sh", "-c", $s]} + $e]' --arg k "$1" --arg s "$2" --argjson e "${3:-{\}}"
}

@test "the six kinds run in the specification's order" {
	local k
	# startContainer runs in the container: its file is in the root filesystem
	for k in prestart createRuntime createContainer poststart poststop; do hook "$k" "echo $k >>$T/order"; done
	hook startContainer 'echo startContainer >/started-hook'
	args /bin/sh -c 'cat /started-hook >/ran'
	rtd create --bundle "$BUNDLE" "$ID"
	assert_eq "$(cat "$T/order")" "prestart
createRuntime
createContainer"
	[ ! -e "$BUNDLE/rootfs/started-hook" ]
	rt start "$ID"
	wait_status stopped
	assert_eq "$(cat "$BUNDLE/rootfs/ran")" startContainer
	assert_eq "$(tail -n 1 "$T/order")" poststart
	rt delete "$ID"
	assert_eq "$(cat "$T/order")" "prestart
createRuntime
createContainer
poststart
poststop"
}

@test "hooks of one kind run in the order of the list" {
	hook createRuntime "sleep 0.1; echo 1 >>$T/order"
	hook createRuntime "echo 2 >>$T/order"
	hook createRuntime "echo 3 >>$T/order"
	inside_ok true
	assert_eq "$(tr '\n' ' ' <"$T/order")" '1 2 3 '
}

@test "the state on stdin has the status of the moment, id, pid, bundle and annotations" {
	config '.annotations = {"key": "value"}'
	local k
	for k in prestart createRuntime createContainer poststart poststop; do hook "$k" "cat >$T/state-$k"; done
	hook startContainer 'cat >/state-startContainer'
	rtd create --bundle "$BUNDLE" "$ID"
	local pid
	pid=$(pid_of)
	rt start "$ID"
	rt kill "$ID" KILL
	wait_status stopped
	rt delete "$ID"
	cp "$BUNDLE/rootfs/state-startContainer" "$T/"
	local want
	while read -r k want; do
		jq -e --arg id "$ID" --arg b "$BUNDLE" --arg s "$want" '.id == $id and .bundle == $b and .status == $s and
			.annotations == {"key": "value"} and (.ociVersion | test("^1\\.[0-9]"))' "$T/state-$k" ||
			fail "$k: $(cat "$T/state-$k")"
	done <<-'END'
		prestart creating
		createRuntime creating
		createContainer creating
		startContainer created
		poststart running
		poststop stopped
	END
	for k in prestart createRuntime poststart; do assert_eq "$(jq .pid "$T/state-$k")" "$pid" "pid for $k"; done
	assert_eq "$(jq .pid "$T/state-startContainer")" 1 'pid as the container sees it'
}

@test "the namespaces a hook runs in" {
	local k
	for k in prestart createRuntime createContainer poststart poststop; do
		hook "$k" "readlink /proc/self/ns/mnt >$T/ns-$k; readlink /proc/self/ns/pid >>$T/ns-$k; readlink /proc/self/ns/net >>$T/ns-$k"
	done
	hook startContainer 'readlink /proc/self/ns/mnt >/ns-startContainer; pwd >>/ns-startContainer; ls -d /bin/busybox >>/ns-startContainer'
	started
	local own mnt
	own=$(readlink /proc/self/ns/mnt)
	mnt=$(readlink "/proc/$(pid_of)/ns/mnt")
	rt delete --force "$ID"
	for k in prestart createRuntime poststart poststop; do assert_eq "$(head -n 1 "$T/ns-$k")" "$own" "$k"; done
	assert_eq "$(head -n 1 "$T/ns-createContainer")" "$mnt" createContainer
	assert_eq "$(sed -n 3p "$T/ns-createRuntime")" "$(readlink /proc/self/ns/net)"
	assert_eq "$(cat "$BUNDLE/rootfs/ns-startContainer")" "$mnt
/
/bin/busybox"
}

@test "createContainer runs before pivot_root: the container's mounts below the host's paths" {
	hook createContainer "awk '{ print \$5 }' /proc/self/mountinfo >$T/mounts"
	inside_ok true
	grep -qx "$BUNDLE/rootfs/proc" "$T/mounts"
	grep -qx / "$T/mounts"
}

@test "createRuntime sees the network namespace by the pid and can change it" {
	need_root
	hook createRuntime "pid=\$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/'); nsenter -t \$pid -n ip link add hookdev type dummy 2>$T/err || nsenter -t \$pid -n ip link set lo mtu 1234"
	inside_ok 'ip -o link'
	assert_match 'hookdev|mtu 1234'
}

@test "poststart runs after the program was executed" {
	hook poststart "tr '\\0' ' ' </proc/\$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/')/cmdline >$T/cmdline"
	started
	assert_eq "$(cat "$T/cmdline")" '/bin/sleep 600 '
}

@test "a hook's environment is exactly its own" {
	hook createRuntime "env | sort >$T/env" '{"env": ["A=1", "PATH=/bin:/usr/bin"]}'
	hook createContainer "env | sort >$T/env2"
	config '.process.env += ["LD_PRELOAD=/evil.so", "SECRET=x"]'
	LEAK=outside inside_ok true
	assert_eq "$(grep -vE '^(PWD|SHLVL|_|OLDPWD)=' "$T/env")" "A=1
PATH=/bin:/usr/bin"
	refute grep -qE 'LD_PRELOAD|SECRET|LEAK' "$T/env2"
}

@test "args[0] of a hook is what the configuration says" {
	config '.hooks.createRuntime = [{"path": "/bin/sh", "args": ["my name", "-c", "echo $0 >$1/argv0", "zero", $t]}]' --arg t "$T"
	inside_ok true
	assert_eq "$(cat "$T/argv0")" zero
	config '.hooks.createRuntime = [{"path": $p}]' --arg p "$T/script"
	printf '#!/bin/sh\necho $# >%s/count\n' "$T" >"$T/script"
	chmod 755 "$T/script"
	inside_ok true
	assert_eq "$(cat "$T/count")" 0
}

@test "a hook has no descriptor but its standard files" {
	exec 7</dev/null
	hook createRuntime "ls /proc/self/fd >$T/fds"
	hook poststop "ls /proc/self/fd >$T/fds2"
	inside_ok true
	exec 7<&-
	# ls itself holds one for the directory
	assert_eq "$(wc -l <"$T/fds")" 4
	assert_eq "$(wc -l <"$T/fds2")" 4
}

@test "a hook that does not read its stdin is no error" {
	local k
	config '.annotations = {"big": $b}' --arg b "$(head -c 100000 /dev/zero | tr '\0' x)"
	for k in prestart createRuntime createContainer startContainer poststart poststop; do hook "$k" 'exec <&-; exit 0'; done
	inside_ok 'echo fine'
	assert_line fine
}

@test "a failing hook before start destroys the container and names the hook" {
	local k
	for k in prestart createRuntime createContainer; do
		bundle "h-$k"
		hook "$k" 'echo from the hook >&2; exit 3'
		hook poststop "touch $T/stopped-$k"
		run rt create --bundle "$BUNDLE" "$ID" 3>&-
		assert_status 1
		assert_at "hooks.${k}[0]"
		assert_has 3
		run rt state "$ID"
		assert_status 1
		assert_clean
		[ -e "$T/stopped-$k" ] || fail "poststop did not run after a failing $k"
	done
}

@test "a failing startContainer hook: the program never runs, the container is gone" {
	hook startContainer 'exit 4'
	args /bin/touch /ran
	rtd create --bundle "$BUNDLE" "$ID"
	run rt start "$ID"
	assert_status 1
	assert_at 'hooks.startContainer[0]'
	[ ! -e "$BUNDLE/rootfs/ran" ]
	run rt state "$ID"
	[ "$status" != 0 ] || assert_eq "$(jq -r .status <<<"$output")" stopped
}

@test "a failing poststart hook ends the container" {
	hook poststart 'exit 5'
	rtd create --bundle "$BUNDLE" "$ID"
	local pid
	pid=$(pid_of)
	run rt start "$ID"
	assert_status 1
	assert_at 'hooks.poststart[0]'
	eventually gone "$pid"
}

@test "a failing poststop hook is a warning, the next one runs, delete succeeds" {
	hook poststop 'exit 6'
	hook poststop "touch $T/second"
	started
	run rt delete --force "$ID"
	assert_status 0
	assert_warned poststop
	[ -e "$T/second" ]
	assert_clean
}

@test "a hook ended by a signal is a failure" {
	hook createRuntime 'kill -9 $$'
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	assert_status 1
	assert_at 'hooks.createRuntime[0]'
	assert_clean
}

@test "a hook that takes longer than its timeout is killed, with its children" {
	hook createRuntime "echo \$\$ >$T/hookpid; sleep 611 & echo \$! >$T/childpid; wait" '{"timeout": 1}'
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	assert_status 1
	assert_at 'hooks.createRuntime[0]'
	assert_match 'time'
	eventually gone "$(cat "$T/hookpid")"
	eventually gone "$(cat "$T/childpid")"
	assert_clean
}

@test "a timeout of zero or less, and a relative path, are errors" {
	hook createRuntime true '{"timeout": 0}'
	run rt create --bundle "$BUNDLE" "$ID"
	assert_fails 'hooks.createRuntime[0].timeout'
	config '.hooks.createRuntime[0].timeout = -1'
	run rt create --bundle "$BUNDLE" "$ID"
	assert_fails 'hooks.createRuntime[0].timeout'
	config '.hooks.createRuntime = [{"path": "bin/sh"}]'
	run rt create --bundle "$BUNDLE" "$ID"
	assert_fails 'hooks.createRuntime[0].path'
}

@test "a hook that is not there names its path" {
	config '.hooks.createRuntime = [{"path": "/no/such/hook"}]'
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	assert_status 1
	assert_has /no/such/hook
	assert_clean
}

@test "hooks of a run: poststop also after a normal end" {
	hook poststop "touch $T/stopped"
	inside_ok true
	[ -e "$T/stopped" ]
}

@test "stdout of a hook does not mix with the program's" {
	hook createRuntime 'echo noise'
	args /bin/echo clean
	run --separate-stderr rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_eq "$output" clean
}

@test "run.oci.hooks.stdout, .stderr: what every hook says is appended to the files" {
	local k
	echo before >"$T/hooks.out"
	config '.annotations = {"run.oci.hooks.stdout": $o, "run.oci.hooks.stderr": $e}' --arg o "$T/hooks.out" --arg e "$T/hooks.err"
	for k in prestart createRuntime createContainer startContainer poststart poststop; do hook "$k" "echo out $k; echo err $k >&2"; done
	started
	# the program has none of them
	rt exec "$ID" ls -l /proc/1/fd >"$T/fds"
	refute grep -q hooks "$T/fds"
	rt delete --force "$ID"
	assert_eq "$(cat "$T/hooks.out")" "before
out prestart
out createRuntime
out createContainer
out startContainer
out poststart
out poststop"
	assert_eq "$(grep -c ^err "$T/hooks.err")" 6
}

@test "run.oci.hooks.stdout alone: stderr is still in the message; a file that cannot be opened is an error" {
	config '.annotations = {"run.oci.hooks.stdout": $o}' --arg o "$T/hooks.out"
	hook createRuntime 'echo to the file; echo to the message >&2; false'
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	assert_fails 'to the message'
	refute_has 'to the file'
	assert_eq "$(cat "$T/hooks.out")" 'to the file'
	assert_clean
	config '.annotations["run.oci.hooks.stdout"] = $o' --arg o "$T/no/such/directory"
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	assert_fails "$T/no/such/directory"
	assert_at 'annotations["run.oci.hooks.stdout"]'
	assert_clean
}

@test "run.oci.hooks.stdout in a user namespace: the caller's right to write counts" {
	mkdir -m 700 "$T/private"
	config '.annotations = {"run.oci.hooks.stdout": $o} | .linux.namespaces += [{"type": "user"}] |
		.linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings' \
		--arg o "$T/private/hooks.out"
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" 2>/dev/null || true
	chown -R 100000:100000 "$BUNDLE/rootfs"
	hook createContainer 'echo container'
	hook startContainer 'echo start'
	inside_ok true
	assert_eq "$(cat "$T/private/hooks.out")" "container
start"
}
