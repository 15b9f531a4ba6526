# runtime.md and the hooks of config.md, where no other test proves it: order, places, annotations.

load ../runtime/helpers

# hook KIND SCRIPT: appends a hook that runs SCRIPT with sh
hook() { config '.hooks[$k] += [{"path": "/bin/sh", "args": ["sh", "-c", $s]}]' --arg k "$1" --arg s "$2"; }

@test "state without annotations has none, and is otherwise complete" {
	rtd create --bundle "$BUNDLE" "$ID"
	run rt state "$ID"
	assert_status 0
	jq -e '(.annotations // {}) == {} and (["ociVersion", "id", "status", "pid", "bundle"] - keys == [])' <<<"$output"
	rt delete --force "$ID"
	config '.annotations = {}'
	rtd create --bundle "$BUNDLE" "$ID"
	rt state "$ID" | jq -e '(.annotations // {}) == {}'
}

@test "unknown annotations are kept and change nothing" {
	config '.annotations = {"org.opencontainers.image.stopSignal": "SIGUSR1", "org.opencontainers.image.os": "plan9",
		"org.opencontainers.unknown": "x", "no-reverse-domain": "", "com.example.key": "value"}'
	started /bin/sh -c 'trap "echo terminated; exit 7" TERM; trap "echo usr1" USR1; echo ready; while :; do sleep 0.05; done'
	rt state "$ID" | jq -e '.annotations == {"org.opencontainers.image.stopSignal": "SIGUSR1", "org.opencontainers.image.os": "plan9",
		"org.opencontainers.unknown": "x", "no-reverse-domain": "", "com.example.key": "value"}'
	eventually grep -q ready "$T/stdout"
	rt kill "$ID"
	wait_status stopped
	assert_eq "$(tail -n 1 "$T/stdout")" terminated
	[ ! -s "$T/log.json" ] || fail "$(cat "$T/log.json")"
}

@test "createRuntime hooks find the namespaces and the mounts made, and the old root in place" {
	local k
	for k in prestart createRuntime; do
		hook "$k" "pid=\$(sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p'); for n in pid net ipc uts mnt; do readlink /proc/\$pid/ns/\$n; done >$T/$k.ns; \
			cat /proc/\$pid/mountinfo >$T/$k.mounts; readlink /proc/\$pid/root >$T/$k.root"
	done
	rtd create --bundle "$BUNDLE" "$ID"
	local pid n
	pid=$(pid_of)
	for k in prestart createRuntime; do
		# the first process may still be on its way into the pid namespace's view, but it is in all of them
		for n in net ipc uts mnt; do grep -qxF "$(readlink "/proc/$pid/ns/$n")" "$T/$k.ns" || fail "$k: $n is not the container's: $(cat "$T/$k.ns")"; done
		for n in /proc /dev /dev/pts /dev/shm /sys; do
			grep -qF " $BUNDLE/rootfs$n " "$T/$k.mounts" || fail "$k: $n is not mounted below the host's path: $(cat "$T/$k.mounts")"
		done
		assert_eq "$(cat "$T/$k.root")" / "$k: root of the process"
	done
}

@test "a hook's path is the runtime's for createContainer, the container's for startContainer" {
	cp "$(command -v busybox)" "$T/only-outside"
	mkdir "$BUNDLE/rootfs/only-inside"
	cp "$(command -v busybox)" "$BUNDLE/rootfs/only-inside/busybox"
	config '.hooks = {"createContainer": [{"path": $o, "args": ["touch", $t]}],
		"startContainer": [{"path": "/only-inside/busybox", "args": ["touch", "/inside-ran"]}]}' --arg o "$T/only-outside" --arg t "$T/outside-ran"
	inside_ok 'ls /inside-ran'
	[ -e "$T/outside-ran" ] || fail 'createContainer did not run'
	config '.hooks = {"startContainer": [{"path": $o}]}' --arg o "$T/only-outside"
	inside 'true'
	assert_fails "$T/only-outside"
	config '.hooks = {"createContainer": [{"path": "/only-inside/busybox"}]}'
	inside 'true'
	assert_fails /only-inside/busybox
	assert_clean
}

@test "poststop hooks run after a failing startContainer and poststart hook" {
	local k
	for k in startContainer poststart; do
		bundle "h-$k"
		hook "$k" 'exit 3'
		hook poststop "cat >$T/stopped-$k"
		rtd create --bundle "$BUNDLE" "$ID"
		run rt start "$ID"
		assert_status 1
		assert_at "hooks.${k}[0]"
		eventually test -s "$T/stopped-$k"
		jq -e '.status == "stopped"' "$T/stopped-$k"
		run rt state "$ID"
		assert_fails 'does not exist'
		assert_clean
	done
}

@test "start returns after its poststart hooks, delete after its poststop hooks" {
	local dir
	dir=$(cgdir memory)
	hook poststart "sleep 0.3; echo started >$T/poststart"
	hook poststop "[ -d $dir ] && echo cgroup there >$T/poststop.seen; sleep 0.3; echo deleted >$T/poststop"
	rtd create --bundle "$BUNDLE" "$ID"
	rt start "$ID"
	assert_eq "$(cat "$T/poststart")" started
	rt kill "$ID" KILL
	wait_status stopped
	[ ! -e "$T/poststop" ] || fail 'poststop ran before delete'
	rt delete "$ID"
	assert_eq "$(cat "$T/poststop")" deleted
	[ ! -e "$T/poststop.seen" ] || fail 'poststop ran before the cgroup was removed'
}
