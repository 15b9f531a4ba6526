#!/usr/bin/env bats
# Regression tests of published advisories and of the peers' known weaknesses, with harmless targets.

load helpers

# a directory that stands for the host: nothing in it may change
decoy() {
	DECOY=$T/decoy
	mkdir -p "$DECOY/sub"
	echo keep >"$DECOY/ptmx"
	echo keep >"$DECOY/sub/file"
	chmod 755 "$DECOY"
	decoy_state >"$T/decoy.before"
}
decoy_state() { (cd "$DECOY" && find . -printf '%p %y %m %u %g %l %T@\n' | sort && cat ptmx sub/file); }
assert_decoy() { decoy_state | diff "$T/decoy.before" - || fail "something outside the root filesystem changed"; }

# either refused, or run with the decoy untouched
refused_or_safe() {
	[ "$status" != 124 ] || fail 'timed out'
	if [ "$status" != 0 ]; then assert_fails; fi
	assert_decoy
	assert_clean
}

@test "CVE-2024-21626: a cwd through a leaked descriptor is refused (T1)" {
	local n p
	args /bin/sh -c 'pwd; ls'
	for n in 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		for p in /proc/self/fd/$n /proc/1/fd/$n; do
			config '.process.cwd = $p' --arg p "$p"
			run rt run --bundle "$BUNDLE" "$ID" </dev/null
			[ "$status" != 0 ] || fail "$p: $output"
		done
	done
	assert_clean
}

@test "CVE-2024-21626: no program through a descriptor of the runtime" {
	local n
	for n in 3 4 5 6 7 8 9 10 11 12; do
		args "/proc/self/fd/$n"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		[ "$status" != 0 ] || fail "fd $n"
		args "/proc/self/fd/$n/bin/true"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		[ "$status" != 0 ] || fail "fd $n/bin/true"
	done
}

@test "CVE-2026-41579, CVE-2026-47766: rootfs/dev is a link out of the root, without a /dev mount (T2)" {
	decoy
	rmdir "$BUNDLE/rootfs/dev"
	ln -s "$DECOY" "$BUNDLE/rootfs/dev"
	config '.mounts |= map(select(.destination | startswith("/dev") | not))'
	inside 'echo ran'
	refused_or_safe
}

@test "CVE-2026-41579: the same with a tmpfs on /dev (T2b)" {
	decoy
	rmdir "$BUNDLE/rootfs/dev"
	ln -s "$DECOY" "$BUNDLE/rootfs/dev"
	inside 'echo ran'
	refused_or_safe
}

@test "CVE-2023-27561, CVE-2019-19921: rootfs/proc or rootfs/sys is a link (T3)" {
	local d
	for d in proc sys; do
		bundle "link-$d"
		mkdir "$BUNDLE/rootfs/evil"
		rmdir "$BUNDLE/rootfs/$d"
		ln -s /evil "$BUNDLE/rootfs/$d"
		args /bin/true
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_fails "$d"
	done
	assert_clean
}

@test "CVE-2025-31133: rootfs/dev/null is a link to something else, used neither as mask nor as stdin (T4)" {
	config '.mounts |= map(select(.destination | startswith("/dev") | not))'
	ln -s /proc/version "$BUNDLE/rootfs/dev/null"
	args /bin/sh -c '{ cat; readlink /proc/self/fd/0; for p in keys timer_list kcore; do [ ! -e /proc/$p ] || stat -c "mask %t:%T" /proc/$p; done; } >/result 2>&1; cp /proc/self/mountinfo /mountinfo'
	echo input | rt run --bundle "$BUNDLE" "$ID" >"$T/o" 2>&1 || status=$?
	output=$(cat "$T/o")
	if [ "${status:-0}" != 0 ]; then
		assert_fails
		[ ! -e "$BUNDLE/rootfs/result" ]
	else
		run cat "$BUNDLE/rootfs/result"
		assert_eq "${lines[0]}" input
		assert_has pipe:
		assert_eq "$(grep ^mask <<<"$output" | sort -u)" 'mask 1:3'
		refute grep -q '/version' "$BUNDLE/rootfs/mountinfo"
	fi
	assert_clean
}

@test "CVE-2025-52565: what is mounted as a device never lands where a link of the image leads" {
	config '.mounts |= map(select(.destination == "/dev/pts" or (.destination | startswith("/dev") | not)))'
	# in a user namespace the default devices are mounts too
	if [ -z "$ROOTLESS" ]; then
		config '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
			| .linux.gidMappings = .linux.uidMappings | .mounts |= map(select(.type != "cgroup"))'
		chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" 2>/dev/null || true
		chown -hR 100000:100000 "$BUNDLE/rootfs"
	fi
	ln -s /proc/version "$BUNDLE/rootfs/dev/zero"
	inside 'echo ran'
	assert_fails '/dev/zero is a link'
	assert_clean
	rm "$BUNDLE/rootfs/dev/zero"
	ln -s /proc/version "$BUNDLE/rootfs/dev/console"
	config '.process.terminal = true'
	receiver tty
	run rt create --bundle "$BUNDLE" --console-socket "$T/tty.sock" "$ID" </dev/null
	assert_fails '/dev/console is a link'
	assert_clean
}

@test "a leaked inheritable descriptor of / is not seen (T6)" {
	args /bin/probe fds
	run bash -c 'exec 8</; exec "$@"' - "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_eq "${#lines[@]}" 3
}

@test "deeply nested and huge configurations are refused quickly (T7)" {
	# processor time, which a busy machine does not change; beyond it the runtime is ended by a signal
	local limited=(bash -c 'ulimit -t 5; exec "$@"' - "$OCI_RT" --root "$ROOT" create --bundle "$BUNDLE" "$ID")
	{ printf '{"ociVersion":"1.0.0","x":'; head -c 2000000 /dev/zero | tr '\0' '['; } >"$BUNDLE/config.json"
	run "${limited[@]}"
	assert_status 1
	{ printf '{"ociVersion":"1.0.0","x":"'; head -c 50000000 /dev/zero | tr '\0' 'x'; printf '"}'; } >"$BUNDLE/config.json"
	run "${limited[@]}"
	assert_status 1
	assert_clean
}

@test "more mounts than the limit are refused, many are fine (T7)" {
	config '.mounts += [range(5000) | {"destination": "/tmp/\(.)", "type": "tmpfs", "source": "tmpfs"}]'
	run rt create --bundle "$BUNDLE" "$ID"
	assert_status 1
	assert_has mounts
	bundle many
	config '.mounts += [range(200) | {"destination": "/tmp/\(.)", "type": "tmpfs", "source": "tmpfs"}]'
	inside_ok 'grep -c " / /tmp/" /proc/self/mountinfo'
	assert_output 200
}

@test "a NUL in a string is refused, never a truncated argument (T8)" {
	args /bin/echo aXb
	sed -i 's/aXb/a\\u0000b/' "$BUNDLE/config.json"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'process.args[1]'
	assert_clean
}

@test "user ids that wrap around are refused (T9)" {
	local v
	for v in 4294967296 -1 8589934592; do
		args /bin/id -u
		sed -i "s/\"uid\": *-\\?[0-9]*/\"uid\": $v/" "$BUNDLE/config.json"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_fails process.user.uid
	done
}

@test "a cgroupsPath with .. is refused (T10)" {
	local p
	for p in "/$ID/../../../$ID-x" "../$ID" "/$ID/.." "$ID/../../x"; do
		args /bin/true
		config '.linux.cgroupsPath = $p' --arg p "$p"
		run rt run --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 1
		assert_has cgroupsPath
	done
	assert_clean
}

@test "container ids that are paths are refused by every command (T11)" {
	local id c
	for id in ../x a/b . ..; do
		for c in state start kill delete 'delete --force' pause; do
			# shellcheck disable=SC2086
			run rt $c "$id"
			assert_status 1
		done
		run rt create --bundle "$BUNDLE" "$id"
		assert_status 1
	done
}

@test "CVE-2016-3697: digits are a number, never a name of the image's passwd" {
	echo '1000:x:0:0::/:/bin/sh' >"$BUNDLE/rootfs/etc/passwd"
	started
	run rt exec --user 1000 "$ID" id -u </dev/null
	assert_output 1000
	run rt exec --user 4294967296 "$ID" id -u </dev/null
	assert_status 255
}

@test "CVE-2026-30892: exec --user is the user, for every form" {
	started
	run rt exec -u 1 "$ID" id -u </dev/null
	assert_output 1
	run rt exec -u 1:2 "$ID" sh -c 'id -u; id -g' </dev/null
	assert_output "1
2"
	run rt exec --user=5 "$ID" id -u </dev/null
	assert_output 5
}

@test "CVE-2022-24769, CVE-2022-29162: the inheritable set stays empty for run and exec --cap" {
	started
	in_exec grep CapInh /proc/self/status
	assert_output $'CapInh:\t0000000000000000'
	run rt exec --cap CAP_NET_RAW --cap CAP_CHOWN "$ID" grep CapInh /proc/self/status </dev/null
	assert_output $'CapInh:\t0000000000000000'
}

@test "CVE-2022-2989: the caller's supplementary groups are gone" {
	need_root
	need_command setpriv
	args /bin/grep ^Groups /proc/self/status
	run setpriv --groups 4,27,999 "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	refute_match '27|999'
}

@test "CVE-2019-5736: the runtime's binary cannot be opened for writing from inside" {
	local sum
	cp "$OCI_RT" "$T/oci-rt-copy"
	sum=$(sha256sum <"$T/oci-rt-copy")
	all_caps
	printf '#!/proc/self/exe\n' >"$BUNDLE/rootfs/bin/evil"
	chmod 755 "$BUNDLE/rootfs/bin/evil"
	# one process tries every other's binary while exec and start run "/proc/self/exe"
	args /bin/sh -c 'while :; do for p in /proc/[0-9]*; do [ "$p" = "/proc/$$" ] || { probe open $p/exe w; } 2>/dev/null; done | grep -x ok >>/opened; done'
	RT=$T/oci-rt-copy
	"$RT" --root "$ROOT" run -d --bundle "$BUNDLE" "$ID" </dev/null >"$T/o" 2>&1 3>&-
	local i
	for i in $(seq 30); do timeout 10 "$RT" --root "$ROOT" exec "$ID" /bin/evil </dev/null >/dev/null 2>&1 || true; done
	rt delete --force "$ID"
	assert_eq "$(sha256sum <"$T/oci-rt-copy")" "$sum" 'checksum of the runtime'
	[ ! -s "$BUNDLE/rootfs/opened" ] || fail "$(wc -l <"$BUNDLE/rootfs/opened") times a foreign binary was opened for writing"
}

@test "CVE-2016-9962: the joining process of exec cannot be traced or looked into" {
	all_caps
	# a program that lists the descriptors of every process but its own, as long as exec runs
	args /bin/sh -c 'while :; do for p in /proc/[0-9]*; do [ "$p" = /proc/1 ] || ls -l $p/fd $p/cwd 2>/dev/null; done | grep -E " -> (/[^dp]|.*oci-rt)" >>/seen; done'
	started
	local i
	for i in $(seq 30); do rt exec "$ID" /bin/true </dev/null; done
	rt delete --force "$ID"
	# the program's own files are beside these two
	refute grep -E " -> .*($ROOT|$BUNDLE)" "$BUNDLE/rootfs/seen"
}

@test "GHSA-g54h: only allow rules do not open the other devices" {
	need_root
	if ! cgroup_v2; then need_controller devices; fi
	all_caps
	config '.linux.resources.devices = [{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]'
	inside 'probe mknod /dev/b b 8 0 >/dev/null; probe open /dev/b; probe mknod /dev/l b 7 0 >/dev/null; probe open /dev/l'
	assert_output "EPERM
EPERM"
}

@test "CVE-2022-0492: release_agent cannot be written" {
	need_v1
	all_caps
	inside 'for f in /sys/fs/cgroup/*/release_agent; do [ ! -e $f ] || probe open $f w; done; echo end'
	refute_line ok
	assert_line end
}

@test "CVE-2023-25809: without a cgroup namespace the cgroup tree is read-only" {
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	all_caps
	inside 'mkdir /sys/fs/cgroup/x /sys/fs/cgroup/*/x 2>&1; awk "\$5 ~ \"^/sys/fs/cgroup\" { print \$6 }" /proc/self/mountinfo'
	refute_match '^rw'
}

@test "CVE-2025-52881: a sysctl write lands in the real key, or nowhere" {
	mkdir "$T/decoydir"
	echo untouched >"$T/decoydir/ip_forward"
	config '.linux.sysctl = {"net.ipv4.ip_forward": "1"} | .mounts += [{"destination": "/proc/sys/net/ipv4", "type": "bind", "source": $s, "options": ["bind"]}]' --arg s "$T/decoydir"
	inside 'true'
	assert_eq "$(cat "$T/decoydir/ip_forward")" untouched
}

@test "CVE-2019-16884: a mount over /proc is refused" {
	mkdir "$T/fake"
	config '.mounts += [{"destination": "/proc", "type": "bind", "source": $s, "options": ["bind"]}]' --arg s "$T/fake"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'mounts[7]'
	config '.mounts[7].destination = "/proc/self/attr" | .mounts[7].type = "tmpfs" | .mounts[7].options = []'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'mounts[7]'
	assert_clean
}

@test "CVE-2024-45310, CVE-2021-30465: mount targets made through links stay inside, while they are swapped" {
	decoy
	mkdir -p "$BUNDLE/rootfs/vol/a/b"
	config '.mounts += [{"destination": "/vol/a/b/new/deep", "type": "tmpfs", "source": "tmpfs"}]'
	args /bin/true
	ln -s "$DECOY" "$BUNDLE/rootfs/vol/link"
	background "$BUNDLE/rootfs/bin/probe" swap "$BUNDLE/rootfs/vol/a" "$BUNDLE/rootfs/vol/link"
	local i n=60
	[ -z "${OCI_RT_TEST_LONG:-}" ] || n=2000
	for ((i = 0; i < n; i++)); do rt run --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 || true; done
	kill -9 "${HELPERS[0]}"
	assert_decoy
	assert_clean
}

@test "CVE-2025-23266: hooks do not inherit the container's environment" {
	config '.process.env += ["LD_PRELOAD=/evil.so"] | .hooks.createContainer = [{"path": "/bin/sh", "args": ["sh", "-c", "env >\($t)/env"]}]
		| .hooks.prestart = [{"path": "/bin/sh", "args": ["sh", "-c", "env >>\($t)/env"]}]' --arg t "$T"
	inside true
	refute grep LD_PRELOAD "$T/env"
}

@test "passwd and group of the image: a FIFO, a link to a device, a huge file do not block or eat memory" {
	local f
	config '.process.user = {"uid": 1000, "gid": 1000}'
	for f in passwd group; do
		rm "$BUNDLE/rootfs/etc/$f"
		mkfifo "$BUNDLE/rootfs/etc/$f"
		RT_TIMEOUT=5 inside 'echo $HOME'
		[ "$status" != 124 ] || fail "blocked on a FIFO as $f"
		rm "$BUNDLE/rootfs/etc/$f"
		truncate -s 4G "$BUNDLE/rootfs/etc/$f"
		RT_TIMEOUT=5 inside 'echo $HOME'
		[ "$status" != 124 ] || fail "blocked on a sparse $f"
		rm "$BUNDLE/rootfs/etc/$f"
		ln -s /dev/zero "$BUNDLE/rootfs/etc/$f"
		RT_TIMEOUT=5 inside 'echo $HOME'
		[ "$status" != 124 ] || fail "blocked on a device as $f"
	done
	assert_clean
}

@test "CVE-2021-43784: very long namespace paths and mappings are clean errors" {
	local long
	long=/$(head -c 70000 /dev/zero | tr '\0' a)
	config '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "$long"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails
	bundle maps
	config '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [range(2000) | {"containerID": (. * 2), "hostID": (100000 + . * 2), "size": 1}] | .linux.gidMappings = .linux.uidMappings'
	args /bin/true
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails
	assert_clean
}

@test "paths longer than the system allows are clean errors" {
	local long
	long=/$(printf 'd%.0s/' {1..3000})
	config '.process.cwd = $p' --arg p "$long"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails
	config '.process.cwd = "/" | .mounts += [{"destination": $p, "type": "tmpfs", "source": "tmpfs"}]' --arg p "$long"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails
	assert_clean
}

@test "no path below the root filesystem is ever opened by name: links planted everywhere lead nowhere" {
	decoy
	local p
	for p in tmp run mnt var home; do
		rm -rf "${BUNDLE:?}/rootfs/$p"
		ln -s "$DECOY/sub" "$BUNDLE/rootfs/$p"
	done
	config '.mounts += [{"destination": "/run/x/y", "type": "tmpfs", "source": "tmpfs"}, {"destination": "/mnt/z", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}]
		| .process.cwd = "/home/made" | .linux.maskedPaths += ["/var/file"] | .linux.readonlyPaths += ["/tmp/file"]
		| .linux.devices = [{"path": "/var/dev/null", "type": "c", "major": 1, "minor": 3}]'
	inside 'true'
	refused_or_safe
}
