#!/usr/bin/env bats
# process.terminal: by console socket, direct, window size, /dev/console.

load helpers

prepare() { config '.process.terminal = true'; }

@test "console socket: one descriptor, a terminal, and what is typed reaches the program" {
	receiver tty 'typed line\n'
	args /bin/sh -c 'read x; echo "got $x"'
	rtd create --bundle "$BUNDLE" --console-socket "$T/tty.sock" "$ID"
	assert_eq "$(cat "$T/tty/count")" '1 fds'
	[ -s "$T/tty/message" ] || fail 'no name came with the descriptor'
	rt start "$ID"
	eventually grep -q 'got typed line' "$T/tty/tty"
	wait_status stopped
}

@test "the program has the terminal as stdin, stdout, stderr and controlling terminal" {
	receiver tty
	args /bin/sh -c 'probe ctty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; tty; probe fds | wc -l; readlink /proc/self/fd/0'
	rtd create --bundle "$BUNDLE" --console-socket "$T/tty.sock" "$ID"
	rt start "$ID"
	eventually test -e "$T/tty/hangup"
	run tr -d '\r' <"$T/tty/tty"
	assert_line '/dev/pts/0 sid=1'
	assert_line all
	assert_line 3
	assert_eq "$(grep -c '^/dev/pts/0$' <<<"$output")" 2
}

@test "/dev/console is the terminal" {
	receiver tty
	args /bin/sh -c 'stat -c "%t:%T" /dev/console; stat -Lc "%t:%T" /proc/self/fd/0; echo via-console >/dev/console'
	rtd create --bundle "$BUNDLE" --console-socket "$T/tty.sock" "$ID"
	rt start "$ID"
	eventually test -e "$T/tty/hangup"
	run tr -d '\r' <"$T/tty/tty"
	assert_match '^88:0$'
	assert_eq "${lines[0]}" "${lines[1]}"
	assert_line via-console
}

@test "consoleSize" {
	receiver tty
	config '.process.consoleSize = {"height": 37, "width": 111}'
	args /bin/probe winsize
	rtd create --bundle "$BUNDLE" --console-socket "$T/tty.sock" "$ID"
	rt start "$ID"
	eventually test -e "$T/tty/hangup"
	assert_eq "$(tr -d '\r\n' <"$T/tty/tty")" 37x111
}

@test "consoleSize without a terminal is ignored" {
	config '.process.terminal = false | .process.consoleSize = {"height": 37, "width": 111}'
	inside_ok 'echo fine'
	assert_output fine
}

@test "the terminal belongs to the user" {
	receiver tty
	config '.process.user = {"uid": 1000, "gid": 1000}'
	args /bin/sh -c 'stat -Lc %u /proc/self/fd/0; echo x >/dev/tty && echo writable'
	rtd create --bundle "$BUNDLE" --console-socket "$T/tty.sock" "$ID"
	rt start "$ID"
	eventually test -e "$T/tty/hangup"
	run tr -d '\r' <"$T/tty/tty"
	assert_line 1000
	assert_line writable
}

@test "a console socket with a path longer than a socket address" {
	local deep
	deep=$T/$(printf 'd%.0s' {1..120})
	mkdir "$deep"
	background "$PYTHON" "$LIB/recvfd.py" tty "$deep/tty.sock" "$T/tty"
	eventually test -e "$T/tty/ready"
	args /bin/echo hello
	rtd create --bundle "$BUNDLE" --console-socket "$deep/tty.sock" "$ID"
	rt start "$ID"
	eventually grep -q hello "$T/tty/tty"
}

@test "create with a terminal needs a console socket; a socket without terminal is an error too" {
	run rt create --bundle "$BUNDLE" "$ID" </dev/null 3>&-
	assert_status 1
	assert_has console
	assert_clean
	config '.process.terminal = false'
	run rt create --bundle "$BUNDLE" --console-socket "$T/none.sock" "$ID" </dev/null 3>&-
	assert_status 1
	assert_clean
}

@test "a console socket that nobody listens on is an error that names it" {
	run rt create --bundle "$BUNDLE" --console-socket "$T/nobody.sock" "$ID" </dev/null 3>&-
	assert_status 1
	assert_has "$T/nobody.sock"
	assert_clean
}

@test "run with a terminal of its own copies in both directions and restores the modes" {
	need_command script
	args /bin/sh -c 'read x; echo "got $x"; probe ctty; exit 5'
	run bash -c 'echo typed | script -qec "stty -g >$1/before; $2; rc=\$?; stty -g >$1/after; exit \$rc" /dev/null' - \
		"$T" "$OCI_RT --root $ROOT run --bundle $BUNDLE $ID"
	assert_status 5
	assert_has 'got typed'
	assert_has '/dev/pts/0 sid=1'
	cmp "$T/before" "$T/after"
	assert_clean
}

@test "exec --tty by console socket" {
	config '.process.terminal = false'
	started
	receiver tty 'from exec\n'
	rtd exec --tty --console-socket "$T/tty.sock" --detach --pid-file "$T/pid" "$ID" sh -c 'read x; echo "got $x"; probe ctty'
	eventually test -e "$T/tty/hangup"
	run tr -d '\r' <"$T/tty/tty"
	assert_line 'got from exec'
	assert_match 'sid=1$'
}

@test "exec --tty direct returns the command's status" {
	need_command script
	config '.process.terminal = false'
	started
	run bash -c 'script -qec "$1" /dev/null </dev/null' - "$OCI_RT --root $ROOT exec --tty $ID sh -c 'probe ctty; exit 9'"
	assert_status 9
	assert_has 'sid=1'
}

@test "what the program pushes into its terminal never reaches the caller's" {
	need_command script
	[ "$(cat /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null || echo 1)" = 1 ] || skip 'the kernel refuses TIOCSTI altogether'
	all_caps
	args /bin/probe tiocsti $'touch pushed\n'
	run bash -c 'cd "$1"; script -qec "bash --norc -i" /dev/null <<<"$2; exit"' - "$T" "$OCI_RT --root $ROOT run --bundle $BUNDLE $ID"
	[ ! -e "$T/pushed" ]
}
