#!/usr/bin/env bats
# linux.devices, the default devices, links in /dev and the device rules of the cgroup.

load helpers

@test "the default devices have the kernel's numbers and are usable by everyone" {
	config '.process.user = {"uid": 1000, "gid": 1000}'
	inside_ok 'for d in null zero full random urandom tty; do stat -c "%n %F %t:%T %a" /dev/$d; done'
	assert_output "/dev/null character special file 1:3 666
/dev/zero character special file 1:5 666
/dev/full character special file 1:7 666
/dev/random character special file 1:8 666
/dev/urandom character special file 1:9 666
/dev/tty character special file 5:0 666"
}

@test "the default devices work" {
	inside_ok 'echo x >/dev/null && head -c 3 /dev/zero | od -An -tx1 && head -c 5 /dev/urandom | wc -c; echo x 2>&1 >/dev/full; true'
	assert_line ' 00 00 00'
	assert_line 5
	assert_has 'No space left on device'
}

@test "links: fd, stdin, stdout, stderr, ptmx" {
	inside_ok 'for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done; echo via >/dev/stdout'
	assert_line 'fd /proc/self/fd'
	assert_line 'stdin /proc/self/fd/0'
	assert_line 'stdout /proc/self/fd/1'
	assert_line 'stderr /proc/self/fd/2'
	assert_match '^ptmx (/dev/)?pts/ptmx$'
	assert_line via
}

@test "no other device, and no host terminal, is there" {
	inside_ok 'ls /dev'
	assert_eq "$(sort <<<"$output" | grep -vx core | tr '\n' ' ')" 'fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero '
	inside_ok 'ls /dev/pts'
	assert_output ptmx
}

@test "extra devices of each type, with mode and owner" {
	config '.linux.devices = [
		{"path": "/dev/mychar", "type": "c", "major": 10, "minor": 229, "fileMode": 432, "uid": 7, "gid": 8},
		{"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 3},
		{"path": "/dev/myblock", "type": "b", "major": 7, "minor": 0, "fileMode": 384},
		{"path": "/dev/dir/deep/pipe", "type": "p", "fileMode": 420},
		{"path": "/opt/null", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]'
	need_root
	inside_ok 'stat -c "%n %F %t:%T %a %u %g" /dev/mychar /dev/unbuffered /dev/myblock /dev/dir/deep/pipe /opt/null'
	assert_match '^/dev/mychar character special file a:e5 660 7 8$'
	assert_match '^/dev/unbuffered character special file 1:3 [0-7]+ 0 0$'
	assert_match '^/dev/myblock block special file 7:0 600 0 0$'
	assert_match '^/dev/dir/deep/pipe fifo 0:0 644 0 0$'
	assert_match '^/opt/null character special file 1:3 666 0 0$'
}

@test "a device of the configuration is there although its own rule lets nobody make it" {
	# which the host has too: without privileges it is that one
	config '.linux.devices = [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]
		| .linux.resources.devices = [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rw"}]'
	inside_ok 'stat -c "%F %t:%T" /dev/kmsg; mknod /dev/other c 1 11 || echo "not allowed"'
	assert_line 'character special file 1:b'
	assert_line 'not allowed'
}

@test "in a user namespace too a device has the number, mode and owner asked for, wherever it is" {
	config '.linux.namespaces += [{"type": "user"}]'
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" 2>/dev/null || true
	chown -hR 100000:200000 "$BUNDLE/rootfs"
	config '.mounts |= map(select(.type != "cgroup"))
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
		| .linux.gidMappings = [{"containerID": 0, "hostID": 200000, "size": 65536}]
		| .linux.devices = [
		{"path": "/dev/mychar", "type": "c", "major": 10, "minor": 229, "fileMode": 432, "uid": 7, "gid": 8},
		{"path": "/dev/myblock", "type": "b", "major": 7, "minor": 0, "fileMode": 384},
		{"path": "/opt/null", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]
		| .linux.resources.devices = [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]'
	inside_ok 'stat -c "%n %F %t:%T %a %u %g" /dev/mychar /dev/myblock /opt/null; echo x >/opt/null && echo written'
	assert_line '/dev/mychar character special file a:e5 660 7 8'
	assert_line '/dev/myblock block special file 7:0 600 0 0'
	assert_line '/opt/null character special file 1:3 666 0 0'
	assert_line written
	assert_clean
}

@test "a slash at the end of a device's path means nothing" {
	config '.linux.devices = [{"path": "/dev/kmsg//", "type": "c", "major": 1, "minor": 11, "fileMode": 438}]'
	inside_ok 'stat -c "%F %t:%T" /dev/kmsg'
	assert_output 'character special file 1:b'
}

@test "the mode of a device does not depend on the umask" {
	need_root
	config '.linux.devices = [{"path": "/dev/my", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]'
	args /bin/stat -c %a /dev/my
	(umask 077 && rt run --bundle "$BUNDLE" "$ID" </dev/null) >"$T/o"
	assert_eq "$(cat "$T/o")" 666
}

@test "an existing node that matches is taken" {
	mknod "$BUNDLE/rootfs/mynull" c 1 3
	config '.linux.devices = [{"path": "/mynull", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]'
	inside_ok 'stat -c "%t:%T" /mynull'
	assert_output 1:3
}

@test "an existing file that does not match is an error that names it" {
	mknod "$BUNDLE/rootfs/my" c 1 5
	echo keep >"$BUNDLE/rootfs/file"
	local p
	for p in /my /file; do
		config '.linux.devices = [{"path": $p, "type": "c", "major": 1, "minor": 3}]' --arg p "$p"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 1
		assert_has "$p"
	done
	assert_eq "$(stat -c %t:%T "$BUNDLE/rootfs/my")" 1:5
	assert_eq "$(cat "$BUNDLE/rootfs/file")" keep
	assert_clean
}

@test "an unknown device type and a missing number are errors" {
	config '.linux.devices = [{"path": "/dev/x", "type": "t", "major": 1, "minor": 3}]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'linux.devices[0]'
	config '.linux.devices = [{"path": "/dev/x", "type": "c"}]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'linux.devices[0]'
	config '.linux.devices = [{"path": "relative", "type": "c", "major": 1, "minor": 3}]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'linux.devices[0]'
}

@test "denied devices cannot be opened, default ones can" {
	need_v2_or_devices
	all_caps
	config '.linux.devices = [{"path": "/dev/mem1", "type": "c", "major": 1, "minor": 11, "fileMode": 438}]'
	inside 'probe open /dev/mem1; probe open /dev/null rw; probe open /dev/zero; probe open /dev/ptmx rw'
	assert_output "EPERM
ok
ok
ok"
}

need_v2_or_devices() {
	[ -z "$ROOTLESS" ] || skip 'only root can load a device program'
	if ! cgroup_v2; then need_controller devices; fi
}

@test "an allowed device can be opened, only for what is allowed" {
	need_v2_or_devices
	all_caps
	config '.linux.devices = [{"path": "/dev/k", "type": "c", "major": 1, "minor": 11, "fileMode": 438}]
		| .linux.resources.devices += [{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]'
	inside 'probe open /dev/k r; probe open /dev/k w'
	assert_output "ok
EPERM"
}

@test "a device that is denied behind the list of allowed ones, as Docker writes it" {
	local made
	need_v2_or_devices
	all_caps
	config '.linux.resources.devices += [{"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
			{"allow": false, "type": "c", "major": 1, "minor": 11, "access": "rwm"}]'
	# v1 cannot take one device out of "mknod of any": its node can be made, and not be opened
	made=$'ok\nEPERM'
	if cgroup_v2; then made=$'EPERM\nENOENT'; fi
	inside 'probe mknod /dev/k c 1 11; probe open /dev/k; probe open /dev/zero; mknod /tmp/other c 1 12 && echo made'
	assert_output "$made
ok
made"
}

@test "mknod of any device is allowed, opening it is not" {
	need_v2_or_devices
	all_caps
	inside 'probe mknod /dev/k c 1 11; probe open /dev/k; probe mknod /dev/b b 7 0; probe open /dev/b'
	assert_output "ok
EPERM
ok
EPERM"
}

@test "rules are applied in order: a later deny wins, or is refused where v1 cannot express it" {
	need_v2_or_devices
	all_caps
	config '.linux.resources.devices = [{"allow": false, "access": "rwm"},
		{"allow": true, "type": "c", "major": 1, "access": "rwm"}, {"allow": false, "type": "c", "major": 1, "minor": 11, "access": "rw"}]'
	inside 'probe mknod /dev/k c 1 11; probe open /dev/k; probe open /dev/full'
	if [ "$status" != 0 ] && ! cgroup_v2; then
		assert_fails
		assert_has 'cgroup v1 cannot'
	else
		assert_output "ok
EPERM
ok"
	fi
}

@test "rules are applied in order: a later allow wins" {
	need_v2_or_devices
	all_caps
	config '.linux.resources.devices = [{"allow": true, "access": "rwm"}, {"allow": false, "access": "rwm"},
		{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rwm"}]'
	inside 'probe mknod /dev/k c 1 11; probe open /dev/k; probe mknod /dev/b b 7 0 >/dev/null; probe open /dev/b'
	assert_output "ok
ok
EPERM"
}

@test "only allow rules, no default rule: everything else stays denied" {
	need_v2_or_devices
	all_caps
	config '.linux.resources.devices = [{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]'
	inside 'probe mknod /dev/b b 7 0 >/dev/null; probe open /dev/b; probe open /dev/null rw'
	assert_output "EPERM
ok"
}

@test "everything allowed" {
	need_v2_or_devices
	all_caps
	config '.linux.resources.devices = [{"allow": true, "access": "rwm"}]'
	inside 'probe mknod /dev/k c 1 11; probe open /dev/k'
	assert_output "ok
ok"
}

@test "the rules of the v1 controller are visible and exact" {
	need_v1
	need_controller devices
	config '.linux.resources.devices += [{"allow": true, "type": "b", "major": 7, "minor": 3, "access": "rw"}]'
	started
	run cat "$(cgdir devices)/devices.list"
	assert_line 'b 7:3 rw'
	assert_line 'c 1:3 rwm'
	refute_line 'a *:* rwm'
}

@test "a bind-mounted /dev of the image is not touched when no /dev is mounted" {
	config '.mounts |= map(select(.destination | startswith("/dev") | not))'
	inside_ok 'stat -c "%t:%T" /dev/null /dev/zero; readlink /dev/fd'
	assert_output "1:3
1:5
/proc/self/fd"
}
