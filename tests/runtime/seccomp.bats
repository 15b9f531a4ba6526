#!/usr/bin/env bats
# linux.seccomp: actions, arguments, flags, unknown system calls, the notify listener.

load helpers

# seccomp DEFAULT [SYSCALL-RULE-JSON...]
seccomp() {
	local default=$1 rules=
	shift
	rules=$(IFS=,; echo "$*")
	config '.linux.seccomp = {"defaultAction": $d, "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": $r}' \
		--arg d "$default" --argjson r "[$rules]"
}

nr_mkdir=83 nr_getpriority=140

@test "the filter is on: mode 2 and one filter" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO"}'
	inside_ok 'grep -E "^Seccomp" /proc/self/status'
	assert_line $'Seccomp:\t2'
	assert_line $'Seccomp_filters:\t1'
}

@test "no seccomp in the configuration: no filter" {
	inside_ok 'grep ^Seccomp: /proc/self/status'
	assert_output $'Seccomp:\t0'
}

@test "ERRNO: EPERM by default, errnoRet when given, 0 too" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO"}' \
		'{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":28}' '{"names":["rmdir"],"action":"SCMP_ACT_ERRNO","errnoRet":0}'
	inside "probe syscall $nr_getpriority 0 0; probe syscall $nr_mkdir 0; probe syscall 84 0"
	assert_output "EPERM
ENOSPC
ok"
}

@test "defaultErrnoRet" {
	seccomp SCMP_ACT_ERRNO '{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}'
	config '.linux.seccomp.defaultErrnoRet = 38 | .linux.seccomp.syscalls += [{"names": $n, "action": "SCMP_ACT_ALLOW"}]' \
		--argjson n "$(sed -n 's/^/"/; s/$/",/; p' <<<"$common_calls" | tr -d '\n' | sed 's/,$//; s/^/[/; s/$/]/')"
	args /bin/probe syscall $nr_getpriority 0 0
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output ENOSYS
}

# what a static program needs, besides what the runtime itself does after loading the filter
common_calls='execve
execveat
brk
arch_prctl
set_tid_address
set_robust_list
rseq
prlimit64
readlink
readlinkat
getrandom
mprotect
mmap
munmap
fstat
newfstatat
ioctl
read
write
exit
exit_group
close
close_range
uname
futex
lseek
openat
fcntl
prctl
rt_sigaction
rt_sigprocmask
rt_sigreturn
getpid
gettid
getppid
sendmsg
recvmsg
sendto
recvfrom
capget
capset
setuid
setgid
setresuid
setresgid
setgroups
chdir
fchdir
getcwd
access
faccessat
faccessat2
poll
ppoll
epoll_wait
epoll_pwait
epoll_ctl
tgkill
kill
sigaltstack
madvise
nanosleep
clock_nanosleep
fchown
dup
dup2
dup3
umask
getuid
geteuid
getgid
getegid
setsid
stat
lstat
open'

@test "KILL_PROCESS ends the program by SIGSYS" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_KILL_PROCESS"}'
	args /bin/probe syscall $nr_getpriority 0 0
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 159
}

@test "KILL and KILL_THREAD end the thread" {
	local a
	for a in SCMP_ACT_KILL SCMP_ACT_KILL_THREAD; do
		seccomp SCMP_ACT_ALLOW "{\"names\":[\"getpriority\"],\"action\":\"$a\"}"
		args /bin/probe syscall $nr_getpriority 0 0
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 159
	done
}

@test "TRAP raises SIGSYS, which the program could catch" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_TRAP"}'
	inside "trap 'echo caught' SYS; probe syscall $nr_getpriority 0 0; echo status \$?"
	assert_line 'status 159'
}

@test "LOG lets the call pass" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_LOG"}'
	inside_ok "probe syscall $nr_getpriority 0 0"
	assert_output ok
}

@test "TRACE without a tracer is ENOSYS" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_TRACE","errnoRet":7}'
	inside "probe syscall $nr_getpriority 0 0"
	assert_output ENOSYS
}

@test "arguments: every operator" {
	local op v vt yes no
	# getpriority(which, who): which of 0..2 is valid; the rule answers ENOSPC
	while read -r op v vt yes no; do
		seccomp SCMP_ACT_ALLOW "{\"names\":[\"getpriority\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":28,
			\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_$op\",\"value\":$v,\"valueTwo\":$vt}]}"
		inside "probe syscall $nr_getpriority $yes 0; probe syscall $nr_getpriority $no 0"
		assert_output "ENOSPC
ok" || fail "operator $op"
	done <<-'END'
		EQ 1 0 1 0
		NE 1 0 0 1
		LT 1 0 0 1
		LE 1 0 1 2
		GT 1 0 2 1
		GE 1 0 1 0
		MASKED_EQ 1 1 1 2
	END
}

@test "several arguments of one rule must all match, several rules are alternatives" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":28,
		"args":[{"index":0,"op":"SCMP_CMP_EQ","value":0},{"index":1,"op":"SCMP_CMP_EQ","value":1}]}'
	inside "probe syscall $nr_getpriority 0 1; probe syscall $nr_getpriority 0 0; probe syscall $nr_getpriority 1 1"
	assert_output "ENOSPC
ok
ok"
}

@test "one argument compared twice in a rule means either" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":28,
		"args":[{"index":0,"op":"SCMP_CMP_EQ","value":0},{"index":0,"op":"SCMP_CMP_EQ","value":1}]}'
	inside "probe syscall $nr_getpriority 0 0; probe syscall $nr_getpriority 1 0; probe syscall $nr_getpriority 2 0"
	assert_output "ENOSPC
ENOSPC
ok"
}

@test "system calls that are newer than the profile are ENOSYS, not EPERM" {
	# allow-list of calls that are all older than clone3 (435) and openat2 (437)
	seccomp SCMP_ACT_ERRNO
	config '.linux.seccomp.syscalls = [{"names": $n, "action": "SCMP_ACT_ALLOW"}]' --argjson n "$(
		sed -e '/close_range/d; /faccessat2/d' -e 's/^/"/; s/$/",/' <<<"$common_calls" | tr -d '\n' | sed 's/,$//; s/^/[/; s/$/]/'
	)"
	args /bin/probe syscall 451 0
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output ENOSYS
	# inside the profile's time the default action holds
	args /bin/probe syscall $nr_getpriority 0 0
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_output EPERM
}

@test "names that this library does not know are ignored" {
	seccomp SCMP_ACT_ALLOW '{"names":["no_such_call","getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":28}'
	inside "probe syscall $nr_getpriority 0 0"
	assert_line ENOSPC
}

@test "a filter that denies what the runtime itself needs works without noNewPrivileges" {
	# loaded before capabilities are dropped: setuid and co. must have been done by then or be allowed
	config '.process.noNewPrivileges = false'
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority","mount","umount2","pivot_root","unshare","setns","clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":28}'
	inside "grep -E '^(NoNewPrivs|Seccomp:)' /proc/self/status; probe syscall $nr_getpriority 0 0"
	assert_line $'NoNewPrivs:\t0'
	assert_line $'Seccomp:\t2'
	assert_line ENOSPC
}

@test "an ordinary user without noNewPrivileges has the filter too" {
	config '.process.noNewPrivileges = false | .process.user = {"uid": 1000, "gid": 1000}'
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":28}'
	inside "grep ^Seccomp: /proc/self/status; probe syscall $nr_getpriority 0 0; id -u"
	assert_line $'Seccomp:\t2'
	assert_line ENOSPC
	assert_line 1000
}

@test "with noNewPrivileges the filter may even deny what is needed to set credentials" {
	seccomp SCMP_ACT_ALLOW '{"names":["setuid","setresuid","setgid","setresgid","setgroups","capset","prctl","chdir"],"action":"SCMP_ACT_ERRNO","errnoRet":28}'
	config '.process.user = {"uid": 1000, "gid": 1000}'
	inside_ok 'id -u'
	assert_output 1000
}

@test "flags: LOG and SPEC_ALLOW; an unknown one is an error" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO"}'
	config '.linux.seccomp.flags = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]'
	inside_ok 'grep -E "^(Seccomp:|Speculation_Store)" /proc/self/status'
	assert_line $'Seccomp:\t2'
	config '.linux.seccomp.flags = ["SECCOMP_FILTER_FLAG_TEAPOT"]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails SECCOMP_FILTER_FLAG_TEAPOT
}

# bpf CODE:JT:JF:K...: instructions as base64
bpf() { "$PYTHON" -c 'import base64, struct, sys
print(base64.b64encode(b"".join(struct.pack("=HBBI", *[int(n, 0) for n in i.split(":")]) for i in sys.argv[1:])).decode())' "$@"; }

@test "run.oci.seccomp_bpf_data: a compiled filter takes the place of the rules, for exec too" {
	# load the number; mkdir: ENOSPC; everything else: allow
	local filter
	filter=$(bpf 0x20:0:0:0 "0x15:0:1:$nr_mkdir" 0x06:0:0:0x0005001c 0x06:0:0:0x7fff0000)
	config '.annotations["run.oci.seccomp_bpf_data"] = $b' --arg b "$filter"
	inside_ok "probe syscall $nr_mkdir 0; grep ^Seccomp: /proc/self/status"
	assert_output $'ENOSPC\nSeccomp:\t2'
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":29}'
	started /bin/sleep 600
	in_exec probe syscall "$nr_mkdir" 0
	assert_output ENOSPC
	in_exec sh -c "[ \$(probe syscall $nr_getpriority 0 0) != ESPIPE ]"
	assert_status 0
	rt delete --force "$ID"
	# not base64; not whole instructions; a program that does not end
	for filter in 'AAA=A' 'AAAA' "$(bpf 0x20:0:0:0)"; do
		config '.annotations["run.oci.seccomp_bpf_data"] = $b' --arg b "$filter"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_fails
		assert_clean
	done
}

# A program that is traced gets no privileges by setuid: newuidmap cannot map an ordinary user's ranges, he himself is enough.
himself_only() { [ -z "$ROOTLESS" ] || config '.linux |= (.uidMappings |= .[:1] | .gidMappings |= .[:1])'; }

@test "flags: SPEC_ALLOW when there is no list, nothing when it is empty" {
	need_command strace
	himself_only
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO"}'
	args /bin/true
	# the leak detector works by ptrace too
	loaded() { ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -qq -f -e trace=seccomp -e signal=none -o "$T/calls" "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null; }
	loaded
	grep -q 'SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, {' "$T/calls"
	config '.linux.seccomp.flags = []'
	loaded
	grep -q 'SECCOMP_SET_MODE_FILTER, 0, {' "$T/calls"
	refute grep -q SPEC_ALLOW "$T/calls"
}

@test "flags: TSYNC, LOG, SPEC_ALLOW and WAIT_KILLABLE_RECV reach the kernel" {
	need_command strace
	himself_only
	receiver hold
	touch "$T/hold/release"
	seccomp SCMP_ACT_ALLOW '{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}'
	config '.linux.seccomp.listenerPath = $p' --arg p "$T/hold.sock"
	args /bin/true
	traced() { ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -qq -f -X raw -e trace=seccomp -e signal=none -o "$T/calls" "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null; }
	local flag bit bits
	while read -r flag bit; do
		config '.linux.seccomp.flags = [$f]' --arg f "$flag"
		traced
		# libseccomp's look at what the kernel can do has no filter
		sed -n 's/.*seccomp(0x1, \(0x[0-9a-f]*\), {.*/\1/p' "$T/calls" >"$T/values"
		[ -s "$T/values" ] || fail "$(cat "$T/calls")"
		while read -r bits; do (((bits & bit) == bit)) || fail "$flag is not in $bits"; done <"$T/values"
	done <<-'END'
		SECCOMP_FILTER_FLAG_TSYNC 0x1
		SECCOMP_FILTER_FLAG_LOG 0x2
		SECCOMP_FILTER_FLAG_SPEC_ALLOW 0x4
		SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV 0x20
	END
}

@test "errors: unknown action, unknown operator, unknown architecture, errnoRet that cannot be carried" {
	seccomp SCMP_ACT_TEAPOT
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails SCMP_ACT_TEAPOT
	seccomp SCMP_ACT_ALLOW '{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"op":"SCMP_CMP_TEAPOT","value":0}]}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails SCMP_CMP_TEAPOT
	seccomp SCMP_ACT_ALLOW
	config '.linux.seccomp.architectures = ["SCMP_ARCH_TEAPOT"]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails SCMP_ARCH_TEAPOT
	seccomp SCMP_ACT_ALLOW '{"names":["mkdir"],"action":"SCMP_ACT_KILL","errnoRet":1}'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails errnoRet
	seccomp SCMP_ACT_ALLOW
	config '.linux.seccomp.defaultErrnoRet = 1'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails defaultErrnoRet
	assert_clean
}

@test "exec has the container's filter" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":28}'
	started
	in_exec probe syscall $nr_getpriority 0 0
	assert_output ENOSPC
	in_exec grep ^Seccomp: /proc/self/status
	assert_output $'Seccomp:\t2'
}

@test "the cache of compiled filters is no container, and the second run has the same filter" {
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":28}'
	for _ in 1 2; do
		inside "probe syscall $nr_getpriority 0 0; probe syscall $nr_mkdir 0"
		assert_output "ENOSPC
EFAULT"
	done
	run rt list -q
	assert_output ''
	# another profile is not served from it
	seccomp SCMP_ACT_ALLOW '{"names":["getpriority"],"action":"SCMP_ACT_ERRNO","errnoRet":29}'
	inside "probe syscall $nr_getpriority 0 0"
	assert_output ESPIPE
}

@test "NOTIFY: the listener gets the descriptor and the state, and answers" {
	receiver seccomp
	seccomp SCMP_ACT_ALLOW '{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}'
	config '.linux.seccomp.listenerPath = $p | .linux.seccomp.listenerMetadata = "some metadata" | .annotations = {"a": "b"}' --arg p "$T/seccomp.sock"
	inside "probe syscall $nr_mkdir 0"
	assert_output EADDRNOTAVAIL
	jq -e --arg id "$ID" --arg b "$BUNDLE" '(.ociVersion | test("^1\\.")) and .fds == ["seccompFd"] and (.pid | type == "number" and . > 0) and
		.metadata == "some metadata" and .state.id == $id and .state.bundle == $b and .state.status == "creating" and
		.state.annotations == {"a": "b"} and (.state.ociVersion | test("^1\\."))' "$T/seccomp/seccomp-state"
	assert_eq "$(cat "$T/seccomp/count")" '1 fds'
}

# The agent's answer is what the exec'ed process waits for, with its filter loaded and execve to come: whatever it still
# has open of the host, somebody in the container who may look at it could follow (CVE-2016-9962).
@test "NOTIFY: an exec'ed process holds nothing of the host while it waits for the agent" {
	local pid link
	receiver hold
	seccomp SCMP_ACT_ALLOW '{"names":["execve","execveat"],"action":"SCMP_ACT_NOTIFY"}'
	config '.linux.seccomp.listenerPath = $p' --arg p "$T/hold.sock"
	started
	background "$OCI_RT" --root "$ROOT" exec "$ID" /bin/echo hello </dev/null >"$T/exec.out" 2>&1
	eventually test -e "$T/hold/held-2"
	pid=$(jq .pid "$T/hold/state-2")
	assert_eq "$(jq .state.pid "$T/hold/state-2")" "$(pid_of)"
	assert_eq "$(jq -r .state.status "$T/hold/state-2")" running
	assert_ne "$(readlink "/proc/$pid/ns/pid")" "$(readlink /proc/self/ns/pid)"
	if [ -n "$ROOTLESS" ]; then
		# it cannot be looked into, not even by the user who has started it
		refute ls "/proc/$pid/fd/"
	else
		for link in "/proc/$pid/fd"/*; do
			case $link in */0 | */1 | */2) continue ;; esac
			output+="$(readlink "$link")"$'\n'
		done
		assert_match '^(pipe|socket):'
		refute_match '^/[^m]|^/m[^e]'
	fi
	touch "$T/hold/release"
	eventually grep -qx hello "$T/exec.out"
}

@test "NOTIFY: the agent's socket from crun's annotation or environment variable, for exec too" {
	receiver hold
	touch "$T/hold/release"
	seccomp SCMP_ACT_ALLOW '{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}'
	config '.annotations["run.oci.seccomp.receiver"] = $p' --arg p "$T/hold.sock"
	started
	in_exec /bin/echo by annotation
	assert_output 'by annotation'
	eventually test -s "$T/hold/state-2"
	delete_all

	config 'del(.annotations)'
	RUN_OCI_SECCOMP_RECEIVER=$T/hold.sock started
	RUN_OCI_SECCOMP_RECEIVER=$T/hold.sock in_exec /bin/echo by variable
	assert_output 'by variable'
	eventually test -s "$T/hold/state-4"
	# without it the container lives on, but nobody would answer a further process
	in_exec /bin/echo nothing
	assert_fails listenerPath
	assert_eq "$(status_of)" running
	delete_all
	RUN_OCI_SECCOMP_RECEIVER=hold.sock run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'not an absolute path'
}

@test "NOTIFY: no listener is an error, and leaves nothing" {
	seccomp SCMP_ACT_ALLOW '{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}'
	config '.linux.seccomp.listenerPath = $p' --arg p "$T/nobody.sock"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails "$T/nobody.sock"
	assert_clean
	config 'del(.linux.seccomp.listenerPath)'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails listenerPath
	seccomp SCMP_ACT_ALLOW
	config '.linux.seccomp.listenerMetadata = "x"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails listenerMetadata
}

@test "NOTIFY on write, or as default action, is refused" {
	seccomp SCMP_ACT_ALLOW '{"names":["write"],"action":"SCMP_ACT_NOTIFY"}'
	config '.linux.seccomp.listenerPath = $p' --arg p "$T/x.sock"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails write
	seccomp SCMP_ACT_NOTIFY
	config '.linux.seccomp.listenerPath = $p' --arg p "$T/x.sock"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails
}

@test "a filter loaded before start may forbid prctl: nothing of the runtime's own comes after it" {
	config '.process.noNewPrivileges = false | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW",
		"syscalls": [{"names": ["prctl"], "action": "SCMP_ACT_ERRNO"}]}'
	inside_ok 'grep ^Seccomp: /proc/self/status'
	assert_eq "$(awk '{ print $2 }' <<<"$output")" 2
}
