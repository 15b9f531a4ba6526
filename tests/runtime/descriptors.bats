#!/usr/bin/env bats
# Descriptors that are passed on purpose, and those that must not be; LISTEN_FDS, NOTIFY_SOCKET, pidfd.

load helpers

# leaky COMMAND...: run with descriptors 5..30 open, one of them /
leaky() { bash -c 'exec 5</ 6</etc 9</proc; for ((i = 10; i < 30; i++)); do eval "exec $i</dev/null"; done; exec "$@"' - "$@"; }

@test "the program has 0, 1, 2 and nothing else" {
	args /bin/probe fds
	run leaky "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_eq "$(awk '{ print $1 }' <<<"$output" | tr '\n' ' ')" '0 1 2 '
}

@test "a created container waits with nothing of the host open but the two pipes of start" {
	leaky "$OCI_RT" --root "$ROOT" create --bundle "$BUNDLE" "$ID" </dev/null >"$T/o" 2>&1 3>&-
	local pid fd mount
	pid=$(pid_of)
	for fd in "/proc/$pid/fd"/*; do
		case ${fd##*/}:$(readlink "$fd") in
		[012]:* | *:"$ROOT/$ID/start" | *:"$ROOT/$ID/proof" | *:socket:* | *:pipe:* | *:anon_inode:* | */memfd:*) ;;
		*)
			# a file or directory: it must lie on a mount of the container
			mount=$(awk '/^mnt_id/ { print $2 }' "/proc/$pid/fdinfo/${fd##*/}")
			grep -q "^$mount " "/proc/$pid/mountinfo" || fail "descriptor ${fd##*/}: $(readlink "$fd")"
			;;
		esac
	done
	rt start "$ID"
}

@test "--preserve-fds N passes exactly N descriptors after stderr" {
	args /bin/sh -c 'cat <&3; cat <&4; probe fds | wc -l'
	run bash -c 'exec 3<<<"three" 4<<<"four" 5<<<"five"; exec "$@"' - "$OCI_RT" --root "$ROOT" run --preserve-fds 2 --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_output "three
four
5"
}

@test "--preserve-fds through create and start" {
	args /bin/sh -c 'cat <&3'
	bash -c 'exec 3<<<"kept"; exec "$@"' - "$OCI_RT" --root "$ROOT" create --preserve-fds 1 --bundle "$BUNDLE" "$ID" </dev/null >"$T/stdout" 2>&1
	rt start "$ID"
	wait_status stopped
	assert_eq "$(cat "$T/stdout")" kept
}

@test "--preserve-fds with a descriptor that is not open is an error that names it" {
	args /bin/true
	run bash -c 'exec 3<&- 4<&- 5<&- 6<&-; exec "$@"' - "$OCI_RT" --root "$ROOT" run --preserve-fds 3 --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_match '\b3\b'
	assert_clean
}

@test "LISTEN_FDS: descriptors, LISTEN_FDS and LISTEN_PID reach the program" {
	args /bin/sh -c 'echo $LISTEN_FDS $LISTEN_PID $$; cat <&3; cat <&4; probe fds | wc -l'
	run env LISTEN_FDS=2 bash -c 'exec 3<<<"three" 4<<<"four"; export LISTEN_PID=$$; exec "$@"' - "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_output "2 1 1
three
four
5"
}

@test "LISTEN_FDS that was meant for another process, or names nothing that is open, is ignored" {
	args /bin/sh -c 'echo "<$LISTEN_FDS$LISTEN_PID>"; probe fds | wc -l'
	run env LISTEN_FDS=1 LISTEN_PID=1 bash -c 'exec 3<<<"secret"; exec "$@"' - "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output "<>
3"
	run env LISTEN_FDS=1 LISTEN_PID=1 bash -c 'exec 3<&-; exec "$@"' - "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output "<>
3"
	run env -u LISTEN_PID LISTEN_FDS=1 bash -c 'exec 3<&-; exec "$@"' - "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output "<>
3"
}

@test "LISTEN_FDS without LISTEN_PID counts when the descriptors are open" {
	args /bin/sh -c 'echo $LISTEN_FDS $LISTEN_PID; cat <&3'
	run env -u LISTEN_PID LISTEN_FDS=1 bash -c 'exec 3<<<"three"; exec "$@"' - "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output "1 1
three"
}

@test "LISTEN_FDS and --preserve-fds together: the listening ones first" {
	args /bin/sh -c 'echo $LISTEN_FDS; cat <&3; cat <&4'
	run env LISTEN_FDS=1 bash -c 'exec 3<<<"three" 4<<<"four"; export LISTEN_PID=$$; exec "$@"' - "$OCI_RT" --root "$ROOT" run --preserve-fds 1 --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_output "1
three
four"
}

@test "without LISTEN_FDS the program has neither variable" {
	inside_ok 'env'
	refute_has LISTEN_
}

@test "NOTIFY_SOCKET: READY=1 of the program reaches the caller's socket" {
	receiver notify
	args /bin/sh -c 'echo $NOTIFY_SOCKET; probe notify READY=1; sleep 0.3'
	run env NOTIFY_SOCKET="$T/notify.sock" "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_line ok
	refute_has "$T"
	eventually grep -qx 'READY=1' "$T/notify/notify"
	assert_clean
}

@test "NOTIFY_SOCKET: READY=1 is forwarded even when the program ends at once" {
	receiver notify
	args /bin/probe notify READY=1
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
		run env NOTIFY_SOCKET="$T/notify.sock" "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 0
	done
	assert_clean
	eventually bash -c 'test "$(grep -cx READY=1 "$1")" = 12' - "$T/notify/notify"
}

@test "NOTIFY_SOCKET: nothing but the service's own messages is forwarded" {
	receiver notify
	args /bin/sh -c 'probe notify STATUS=hello; probe notify READY=1; sleep 0.3'
	run env NOTIFY_SOCKET="$T/notify.sock" "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	eventually grep -qx 'READY=1' "$T/notify/notify"
	refute grep -q STATUS "$T/notify/notify"
}

@test "NOTIFY_SOCKET: create, start, detached" {
	receiver notify
	args /bin/sh -c 'probe notify READY=1; sleep 600'
	NOTIFY_SOCKET=$T/notify.sock "$OCI_RT" --root "$ROOT" create --bundle "$BUNDLE" "$ID" </dev/null >"$T/o" 2>&1 3>&-
	NOTIFY_SOCKET=$T/notify.sock "$OCI_RT" --root "$ROOT" start "$ID" </dev/null >"$T/o2" 2>&1 3>&-
	eventually grep -qx 'READY=1' "$T/notify/notify"
	rt delete --force "$ID"
	assert_clean
}

@test "create --pidfd-socket sends a descriptor of the first process" {
	receiver pidfd
	rtd create --bundle "$BUNDLE" --pidfd-socket "$T/pidfd.sock" "$ID"
	eventually test -s "$T/pidfd/pidfd-pid"
	assert_eq "$(cat "$T/pidfd/pidfd-pid")" "$(pid_of)"
	assert_eq "$(cat "$T/pidfd/count")" '1 fds'
}

@test "run.oci.pidfd_receiver is --pidfd-socket as an annotation" {
	receiver pidfd
	config '.annotations["run.oci.pidfd_receiver"] = $s' --arg s "$T/pidfd.sock"
	rtd create --bundle "$BUNDLE" "$ID"
	eventually test -s "$T/pidfd/pidfd-pid"
	assert_eq "$(cat "$T/pidfd/pidfd-pid")" "$(pid_of)"
	run rt features
	jq -e '.potentiallyUnsafeConfigAnnotations | index("run.oci.pidfd_receiver") != null' <<<"$output"
}

@test "closed standard files do not become something of the runtime's" {
	args /bin/sh -c 'probe fds >/fds 2>/dev/null || true'
	"$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" <&- >&- 2>&- || true
	assert_clean
	if [ -e "$BUNDLE/rootfs/fds" ]; then refute grep -vE '^[012] (/dev/null|/fds)' "$BUNDLE/rootfs/fds"; fi
}
