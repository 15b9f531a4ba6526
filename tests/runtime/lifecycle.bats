#!/usr/bin/env bats
# create, start, state, kill, delete, run, pause, resume, and the exit statuses.

load helpers

@test "create makes a container that has not run its program yet" {
	args /bin/sh -c 'touch /ran; sleep 600'
	rtd create --bundle "$BUNDLE" "$ID"
	assert_eq "$(status_of)" created
	[ ! -e "$BUNDLE/rootfs/ran" ]
	[ -d "/proc/$(pid_of)" ]
}

@test "create uses the current directory as bundle when none is given" {
	cd "$BUNDLE"
	rtd create "$ID"
	assert_eq "$(rt state "$ID" | jq -r .bundle)" "$BUNDLE"
}

@test "start runs the program and the container is running" {
	args /bin/sh -c 'touch /ran; sleep 600'
	rtd create --bundle "$BUNDLE" "$ID"
	rt start "$ID"
	assert_eq "$(status_of)" running
	eventually test -e "$BUNDLE/rootfs/ran"
}

@test "the container's first process is pid 1 in its namespace and the pid of state outside" {
	started /bin/sh -c 'readlink /proc/self >/self; echo $$ >/mypid; exec sleep 600'
	eventually test -s "$BUNDLE/rootfs/mypid"
	assert_eq "$(cat "$BUNDLE/rootfs/mypid")" 1
	assert_match_file "/proc/$(pid_of)/status" $'^NSpid:.*\t1$'
}

assert_match_file() { grep -qP -- "$2" "$1" || fail "$1 does not match $2: $(cat "$1")"; }

@test "a container whose program ends is stopped, with pid 0" {
	started /bin/true
	wait_status stopped
	assert_eq "$(pid_of)" 0
}

@test "a second create of the same id fails and leaves the first alone" {
	rtd create --bundle "$BUNDLE" "$ID"
	local pid
	pid=$(pid_of)
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	assert_status 1
	assert_fails "$ID"
	assert_eq "$(pid_of)" "$pid"
	assert_eq "$(status_of)" created
}

@test "the same id can be used again after delete" {
	started
	rt delete --force "$ID"
	started
	assert_eq "$(status_of)" running
}

@test "the same id can be used under another root at the same time" {
	started
	config '.linux.cgroupsPath += "-b"'
	"$OCI_RT" --root "$T/state2" create --bundle "$BUNDLE" "$ID" </dev/null >"$T/o" 2>&1 3>&-
	"$OCI_RT" --root "$T/state2" delete --force "$ID"
	assert_eq "$(status_of)" running
}

@test "start of a running container is an error without effect" {
	started
	run rt start "$ID"
	assert_status 1
	assert_fails
	assert_eq "$(status_of)" running
}

@test "start of a stopped container is an error without effect" {
	started /bin/true
	wait_status stopped
	run rt start "$ID"
	assert_fails
	assert_eq "$(status_of)" stopped
}

@test "start of an unknown container is an error" {
	run rt start "$ID"
	assert_status 1
	assert_has "container \"$ID\" does not exist"
}

@test "start reports the errno and the name when the program cannot be executed" {
	printf '#!/no/such/interpreter\n' >"$BUNDLE/rootfs/bin/script"
	chmod 755 "$BUNDLE/rootfs/bin/script"
	args /bin/script
	rtd create --bundle "$BUNDLE" "$ID"
	run rt start "$ID"
	assert_status 1
	assert_has /bin/script
	assert_has 'no such file or directory'
}

@test "start reports an executable of a foreign format" {
	printf 'garbage' >"$BUNDLE/rootfs/bin/garbage"
	chmod 755 "$BUNDLE/rootfs/bin/garbage"
	args /bin/garbage
	rtd create --bundle "$BUNDLE" "$ID"
	run rt start "$ID"
	assert_status 1
	assert_has /bin/garbage
	assert_has 'exec format error'
}

@test "create reports a program that is not there, and leaves nothing" {
	args /bin/nonexistent
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	assert_status 1
	assert_has /bin/nonexistent
	assert_clean
}

@test "create reports a program that is not executable" {
	echo text >"$BUNDLE/rootfs/bin/plain"
	args /bin/plain
	run rt create --bundle "$BUNDLE" "$ID" 3>&-
	assert_status 1
	assert_has 'permission denied'
	assert_clean
}

@test "delete of a created container is an error without effect" {
	rtd create --bundle "$BUNDLE" "$ID"
	run rt delete "$ID"
	assert_status 1
	assert_fails
	assert_eq "$(status_of)" created
	rt start "$ID"
	assert_eq "$(status_of)" running
}

@test "delete of a running container is an error without effect" {
	started
	run rt delete "$ID"
	assert_status 1
	assert_fails
	assert_eq "$(status_of)" running
}

@test "delete of a paused container is an error without effect" {
	started
	rt pause "$ID"
	run rt delete "$ID"
	assert_fails
	assert_eq "$(status_of)" paused
}

@test "delete of a stopped container removes every trace" {
	started /bin/true
	wait_status stopped
	rt delete "$ID"
	assert_clean
	run rt state "$ID"
	assert_status 1
}

@test "delete --force kills a running container" {
	started
	local pid
	pid=$(pid_of)
	rt delete --force "$ID"
	gone "$pid"
	assert_clean
}

@test "delete --force kills a created container" {
	rtd create --bundle "$BUNDLE" "$ID"
	local pid
	pid=$(pid_of)
	rt delete -f "$ID"
	gone "$pid"
	assert_clean
}

@test "delete --force kills a paused container" {
	started
	rt pause "$ID"
	rt delete --force "$ID"
	assert_clean
}

@test "delete of an unknown container is an error, delete --force of it is not" {
	run rt delete "$ID"
	assert_status 1
	assert_has "container \"$ID\" does not exist"
	run rt delete --force "$ID"
	assert_status 0
	run rt delete --force "$ID"
	assert_status 0
}

@test "delete --force ends processes that share the host's pid namespace" {
	shares pid
	started /bin/sh -c 'setsid sleep 601 & setsid sleep 602 & sleep 603'
	eventually ps_at_least 3
	rt delete --force "$ID"
	assert_clean
}

@test "kill sends the signal that is named: name, SIGname and number" {
	local sig n
	for sig in TERM:15 SIGUSR1:10 2:2 usr2:12; do
		n=${sig#*:}
		rm -f "$T/stdout"
		started /bin/probe wait-signal
		eventually grep -q ready "$T/stdout"
		rt kill "$ID" "${sig%:*}"
		wait_status stopped
		assert_eq "$(tail -n 1 "$T/stdout")" "signal $n"
		rt delete "$ID"
	done
}

@test "kill without a signal sends SIGTERM" {
	started /bin/probe wait-signal
	eventually grep -q ready "$T/stdout"
	rt kill "$ID"
	wait_status stopped
	assert_eq "$(tail -n 1 "$T/stdout")" "signal 15"
}

@test "kill accepts real-time signals by number" {
	started /bin/sh -c 'trap "echo got34; exit" 34; echo ready; while :; do sleep 0.05; done'
	eventually grep -q ready "$T/stdout"
	rt kill "$ID" 34
	wait_status stopped
	assert_eq "$(tail -n 1 "$T/stdout")" got34
}

@test "kill with an unknown signal is an error without effect" {
	started
	local sig
	for sig in NOSUCH 0x 99 15x; do
		run rt kill "$ID" "$sig"
		assert_fails
	done
	assert_eq "$(status_of)" running
}

@test "kill works on a created container" {
	rtd create --bundle "$BUNDLE" "$ID"
	rt kill "$ID" KILL
	wait_status stopped
	rt delete "$ID"
}

@test "kill of a stopped container is an error" {
	started /bin/true
	wait_status stopped
	run rt kill "$ID" TERM
	assert_status 1
	assert_has 'container not running: no such process'
}

@test "kill KILL ends a paused container" {
	started
	rt pause "$ID"
	rt kill "$ID" KILL
	wait_status stopped
	rt delete "$ID"
}

@test "kill --all reaches every process of the container" {
	shares pid
	started /bin/sh -c 'setsid sleep 601 & setsid sleep 602 & sleep 603'
	eventually ps_at_least 3
	rt kill --all "$ID" KILL
	wait_status stopped
	eventually ps_count 0
	rt delete "$ID"
}

ps_at_least() { [ "$(grep -c . "$(cgdir pids)/cgroup.procs")" -ge "$1" ]; }
# systemd removes a scope that is empty
ps_count() {
	local n
	n=$(grep -c . "$(cgdir pids)/cgroup.procs" 2>/dev/null) || true
	[ "${n:-0}" = "$1" ]
}

@test "kill --all of a stopped container succeeds or says that it does not run" {
	started /bin/true
	wait_status stopped
	run rt kill --all "$ID" 9
	[ "$status" = 0 ] || assert_has 'container not running'
}

@test "pause stops every process, resume continues them" {
	started /bin/sh -c 'while :; do echo x >>/ticks; sleep 0.01; done'
	eventually test -s "$BUNDLE/rootfs/ticks"
	rt pause "$ID"
	assert_eq "$(status_of)" paused
	local before
	before=$(stat -c %s "$BUNDLE/rootfs/ticks")
	sleep 0.2
	assert_eq "$(stat -c %s "$BUNDLE/rootfs/ticks")" "$before" "size after pause"
	rt resume "$ID"
	assert_eq "$(status_of)" running
	eventually bigger "$BUNDLE/rootfs/ticks" "$before"
}

bigger() { [ "$(stat -c %s "$1")" -gt "$2" ]; }

@test "pause and resume in the wrong state are errors" {
	started
	run rt resume "$ID"
	assert_fails
	rt pause "$ID"
	run rt pause "$ID"
	assert_fails
	assert_eq "$(status_of)" paused
	rt kill "$ID" KILL
	wait_status stopped
	run rt pause "$ID"
	assert_fails
	run rt resume "$ID"
	assert_fails
}

@test "run returns the program's exit status" {
	local n
	for n in 0 1 7 126 127 255; do
		args /bin/sh -c "exit $n"
		run "-$n" rt run --bundle "$BUNDLE" "$ID" </dev/null
	done
	assert_clean
}

@test "run returns 128 + n for a signal" {
	local n
	for n in 9 15 6; do
		args /bin/sh -c "/bin/probe raise $n & wait \$!; exit \$?"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status $((128 + n))
	done
	# the first process itself, killed from outside
	args /bin/sleep 600
	rt run --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- &
	local job=$!
	wait_status running
	rt kill "$ID" KILL
	local rc=0
	wait "$job" || rc=$?
	assert_eq "$rc" 137
	assert_clean
}

@test "run passes stdin, stdout and stderr through" {
	args /bin/sh -c 'read x; echo "out:$x"; echo "err:$x" >&2'
	echo hello | rt run --bundle "$BUNDLE" "$ID" >"$T/o" 2>"$T/e"
	assert_eq "$(cat "$T/o")" out:hello
	assert_eq "$(cat "$T/e")" err:hello
}

@test "run forwards signals to the program" {
	local sig
	for sig in TERM INT USR1; do
		: >"$T/o"
		args /bin/probe wait-signal
		"$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >"$T/o" 2>&1 3>&- &
		local job=$!
		eventually grep -q ready "$T/o"
		kill -s "$sig" "$job"
		wait "$job" || true
		assert_eq "$(tail -n 1 "$T/o")" "signal $(kill -l "$sig")"
	done
	assert_clean
}

@test "run leaves nothing behind, also after a failure" {
	args /bin/false
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_clean
	args /nonexistent
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails /nonexistent
	assert_clean
}

@test "run reaps orphans of the container without its own pid namespace" {
	shares pid
	inside_ok '(setsid sleep 603 &) ; echo ran'
	assert_line ran
	assert_clean
}

@test "run --detach returns at once and leaves the container running" {
	rtd run --detach --bundle "$BUNDLE" "$ID"
	assert_eq "$(status_of)" running
	rt kill "$ID" KILL
	wait_status stopped
	rt delete "$ID"
}

@test "run --keep keeps the stopped container" {
	args /bin/true
	rt run --keep --bundle "$BUNDLE" "$ID" </dev/null
	assert_eq "$(status_of)" stopped
	rt delete "$ID"
	assert_clean
}

@test "run BUNDLE/ takes a directory and names the container after it" {
	args /bin/sh -c 'echo hello from the bundle'
	config 'del(.linux.cgroupsPath)'
	mv "$BUNDLE" "$T/$ID-dir"
	run rt run "$T/$ID-dir/" </dev/null
	assert_status 0
	assert_line 'hello from the bundle'
	cd "$T"
	run rt run "$ID-dir/" </dev/null
	assert_status 0
	assert_line 'hello from the bundle'
	run rt run "./$ID-dir" </dev/null
	assert_status 0
	assert_clean
}

@test "run BUNDLE/ -d: the id is the directory's name" {
	config 'del(.linux.cgroupsPath)'
	mv "$BUNDLE" "$T/$ID-dir"
	rtd run -d "$T/$ID-dir/"
	assert_eq "$(status_of "$ID-dir")" running
}

@test "config.json may change after create without effect" {
	args /bin/sh -c 'echo old; sleep 600'
	rtd create --bundle "$BUNDLE" "$ID"
	args /bin/sh -c 'echo new'
	config '.hostname = "changed" | .process.cwd = "/nonexistent"'
	rt start "$ID"
	eventually grep -q . "$T/stdout"
	assert_eq "$(cat "$T/stdout")" old
	in_exec hostname
	assert_output testbox
}

@test "config.json may disappear after create" {
	rtd create --bundle "$BUNDLE" "$ID"
	rm "$BUNDLE/config.json"
	rt start "$ID"
	in_exec hostname
	assert_output testbox
	rt kill "$ID" KILL
	wait_status stopped
	rt delete "$ID"
}

@test "create without config.json names the file" {
	rm "$BUNDLE/config.json"
	run rt create --bundle "$BUNDLE" "$ID"
	assert_status 1
	assert_has config.json
	assert_has 'not found'
	assert_clean
}

@test "the name of a bundle below the current directory is no bundle, and the error says how to give it" {
	cd "$(dirname "$BUNDLE")"
	run rt run "$(basename "$BUNDLE")"
	assert_status 1
	assert_has config.json
	assert_has "give it as \"$(basename "$BUNDLE")/\" or with --bundle"
	run rt run no-such
	assert_status 1
	refute_has 'give it as'
}

@test "create with a bundle that does not exist names it" {
	run rt create --bundle "$T/missing" "$ID"
	assert_status 1
	assert_has "$T/missing"
}

@test "create without process succeeds, start of it is an error" {
	config 'del(.process)'
	rtd create --bundle "$BUNDLE" "$ID"
	assert_eq "$(status_of)" created
	run rt start "$ID"
	assert_fails
	assert_has process
}

@test "a zombie counts as stopped" {
	# the caller of create does not reap: the container becomes a zombie when it ends
	background "$BUNDLE/rootfs/bin/probe" subreaper-for "$OCI_RT" --root "$ROOT" create --bundle "$BUNDLE" "$ID" </dev/null >"$T/go"
	eventually grep -q ready "$T/go"
	local pid
	pid=$(pid_of)
	rt kill "$ID" KILL
	eventually grep -q '^State:.Z' "/proc/$pid/status"
	assert_eq "$(status_of)" stopped
	rt delete "$ID"
}

@test "container ids are checked before anything is touched" {
	local id
	for id in ../x a/b . .. '' 'a b' $'a\nb' 'ä' "$(printf 'a%.0s' {1..300})" '~'; do
		run rt create --bundle "$BUNDLE" -- "$id"
		assert_status 1
		assert_fails
	done
	[ ! -e "$T/x" ]
	assert_clean
}

@test "container ids may hold letters, digits, _ + - ." {
	config 'del(.linux.cgroupsPath)'
	local id=$TAG.A_b+c-1.x
	rtd create --bundle "$BUNDLE" "$id"
	assert_eq "$(status_of "$id")" created
	rt delete --force "$id"
}

@test "the runtime's parent death signal does not reach the container" {
	inside_ok '/bin/probe pdeathsig'
	assert_output 0
}
