#!/usr/bin/env bats
# mounts, root: every option of the specification as the container's mountinfo shows it.

load helpers

# mount_at DEST: the container's line of mountinfo, from $output
mount_at() { awk -v d="$1" '$5 == d' <<<"$output" | tail -n 1; }
options_at() { mount_at "$1" | cut -d' ' -f6; }

# add_mount DEST TYPE SOURCE OPTION...
add_mount() {
	local json dest=$1 type=$2 source=$3
	shift 3
	json_list "$@"
	config '.mounts += [{"destination": $d, "type": $t, "source": $s, "options": $o}]' \
		--arg d "$dest" --arg t "$type" --arg s "$source" --argjson o "$json"
}

mountinfo() { inside_ok 'cat /proc/self/mountinfo'; }

has_option() { [[ ",$(options_at "$1")," == *",$2,"* ]] || fail "$1 lacks $2: $(mount_at "$1")"; }
lacks_option() { [[ ",$(options_at "$1")," != *",$2,"* ]] || fail "$1 has $2: $(mount_at "$1")"; }

@test "the default mounts are there, with their types and flags" {
	mountinfo
	assert_match ' /proc .* - proc proc rw'
	assert_match ' /dev rw,nosuid - tmpfs|/dev rw,nosuid'
	assert_match ' /dev/pts rw,nosuid,noexec,relatime .*- devpts devpts rw,(seclabel,)?mode=620,ptmxmode=666'
	assert_match ' /dev/shm rw,nosuid,nodev,noexec.* - tmpfs shm rw,(seclabel,)?size=65536k'
	assert_match ' /dev/mqueue rw,nosuid,nodev,noexec.* - mqueue mqueue rw'
	assert_match ' /sys ro,nosuid,nodev,noexec.* - sysfs sysfs '
}

@test "nothing of the host is mounted but the root filesystem" {
	config '.mounts |= map(select(.type != "cgroup"))'
	mountinfo
	# what remains: / and the configured ones, masks and read-only paths
	run awk '{ print $5 }' <<<"$output"
	refute_match "^$T"
	assert_eq "$(grep -cx / <<<"$output")" 1 'mounts on /'
}

@test "each flag option shows in mountinfo" {
	local o want
	while read -r o want; do
		bundle "m-$o"
		add_mount /data tmpfs tmpfs "$o"
		mountinfo
		has_option /data "$want"
	done <<-'END'
		ro ro
		rw rw
		nosuid nosuid
		nodev nodev
		noexec noexec
		noatime noatime
		nodiratime nodiratime
		relatime relatime
		nosymfollow nosymfollow
		defaults rw
		nostrictatime relatime
		atime relatime
	END
	# not relatime, which is the kernel's default, but every access
	bundle m-norelatime
	add_mount /data tmpfs tmpfs norelatime
	mountinfo
	lacks_option /data relatime
}

@test "remount changes the flags of what is mounted there, and mounts nothing more" {
	add_mount /data tmpfs tmpfs nosuid
	add_mount /data none none remount ro noexec
	mountinfo
	assert_eq "$(awk '$5 == "/data"' <<<"$output" | wc -l)" 1 'mounts on /data'
	has_option /data ro
	has_option /data noexec
}

@test "positive options undo earlier negative ones, in order" {
	add_mount /a tmpfs tmpfs nosuid nodev noexec ro noatime suid dev exec rw atime
	add_mount /b tmpfs tmpfs suid dev exec rw nosuid nodev noexec ro
	add_mount /c tmpfs tmpfs nosymfollow symfollow nodiratime diratime
	add_mount /d tmpfs tmpfs strictatime
	mountinfo
	assert_match "$(printf ' /a rw,relatime|/a rw ')"
	lacks_option /a nosuid
	lacks_option /a noexec
	lacks_option /a noatime
	has_option /b nosuid
	has_option /b nodev
	has_option /b noexec
	has_option /b ro
	lacks_option /c nosymfollow
	lacks_option /c nodiratime
	lacks_option /d relatime
	lacks_option /d noatime
}

@test "superblock options: sync, dirsync, lazytime, and what undoes them" {
	# ext4 behind a file would need a loop device: tmpfs shows what the kernel keeps
	add_mount /a tmpfs tmpfs sync dirsync
	add_mount /b tmpfs tmpfs sync async
	add_mount /c tmpfs tmpfs iversion noiversion lazytime nolazytime silent loud mand nomand
	add_mount /d tmpfs tmpfs dirsync
	add_mount /e tmpfs tmpfs lazytime
	mountinfo
	super() { mount_at "$1" | sed 's/.* - tmpfs tmpfs /,/; s/$/,/'; }
	[[ $(super /a) == *,sync,* && $(super /a) == *,dirsync,* ]] || fail "$(mount_at /a)"
	[[ $(super /b) == ,* && $(super /b) != *sync* ]] || fail "$(mount_at /b)"
	[[ $(super /c) == ,* && $(super /c) != *time* ]] || fail "$(mount_at /c)"
	[[ $(super /d) == *,dirsync,* && $(super /d) != *,sync,* ]] || fail "$(mount_at /d)"
	[[ $(super /e) == *,lazytime,* ]] || fail "$(mount_at /e)"
}

@test "data options reach the filesystem" {
	all_caps
	add_mount /data tmpfs tmpfs size=64k mode=711 nr_inodes=100 uid=1000 gid=50
	inside_ok 'cat /proc/self/mountinfo; stat -c "%a %u %g" /data; dd if=/dev/zero of=/data/f bs=1k count=128 2>&1 | grep -c "No space"'
	# tmpfs tells the ids of the initial user namespace, whoever asks
	[[ $(mount_at /data) == *size=64k*nr_inodes=100*mode=711*uid=$(on_host uid 1000),gid=$(on_host gid 50)* ]] || fail "$(mount_at /data)"
	assert_line '711 1000 50'
	assert_line 1
}

@test "an option that the filesystem does not know is an error that names it" {
	add_mount /data tmpfs tmpfs teapot=1
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_at 'mounts[7]'
	assert_has /data
	assert_clean
}

@test "bind mounts of a directory and of a file, with flags" {
	mkdir "$T/src"
	echo content >"$T/src/file"
	echo single >"$T/one"
	add_mount /dir none "$T/src" bind ro nosuid nodev noexec
	add_mount /etc/one none "$T/one" bind
	inside_ok 'cat /proc/self/mountinfo /dir/file /etc/one; touch /dir/x 2>&1; echo more >>/etc/one'
	has_option /dir ro
	has_option /dir noexec
	has_option /etc/one rw
	assert_line content
	assert_line single
	assert_has 'Read-only file system'
	assert_eq "$(tail -n 1 "$T/one")" more
}

@test "type bind without the bind option is a bind mount too" {
	mkdir "$T/src"
	touch "$T/src/here"
	add_mount /dir bind "$T/src" ro
	inside_ok 'ls /dir'
	assert_output here
}

@test "a relative source is relative to the bundle" {
	mkdir "$BUNDLE/volume"
	touch "$BUNDLE/volume/here"
	add_mount /dir none volume rbind
	inside_ok 'ls /dir'
	assert_output here
}

@test "bind does not bring what is mounted below, rbind does" {
	mkdir -p "$T/src/sub"
	mount -t tmpfs mark "$T/src/sub"
	touch "$T/src/sub/deep"
	add_mount /one none "$T/src" bind
	add_mount /all none "$T/src" rbind
	args /bin/sh -c 'ls /one/sub; echo --; ls /all/sub'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	umount "$T/src/sub"
	assert_status 0
	assert_output "--
deep"
}

@test "the type of a bind mount means nothing, whatever it is" {
	local type
	mkdir "$T/src"
	touch "$T/src/here"
	for type in tmpfs proc teapotfs ''; do
		bundle "t-$type"
		add_mount /dir "$type" "$T/src" bind
		if [ -z "$type" ]; then config 'del(.mounts[-1].type)'; fi
		inside_ok 'ls /dir'
		assert_output here
	done
}

@test "copy-symlink, src-nofollow, dest-nofollow: crun's options" {
	mkdir "$T/src" "$BUNDLE/rootfs/there"
	echo pointed to >"$T/src/file"
	ln -s file "$T/src/link"
	ln -s there "$BUNDLE/rootfs/at"
	# the link itself is made in the container
	add_mount /copied none "$T/src/link" bind copy-symlink
	# what is no link is mounted as ever
	add_mount /plain none "$T/src/file" bind copy-symlink
	inside_ok 'readlink /copied; cat /plain; cat /proc/self/mountinfo'
	assert_line file
	assert_line 'pointed to'
	assert_eq "$(mount_at /copied)" '' 'a mount on the copied link'
	# the link is mounted, not what it points to
	bundle src
	touch "$BUNDLE/rootfs/onto"
	ln -s /nowhere/at/all "$T/src/dangling"
	add_mount /onto none "$T/src/dangling" bind src-nofollow dest-nofollow
	inside 'readlink /onto'
	if [ "$status" = 0 ]; then assert_output /nowhere/at/all; else assert_at 'mounts[7]'; fi
	# the mount lies on the link, and not on what it points to
	bundle dest
	mkdir "$BUNDLE/rootfs/there"
	ln -s there "$BUNDLE/rootfs/at"
	ln -s x "$T/src/other"
	add_mount /at none "$T/src/other" bind src-nofollow dest-nofollow
	inside 'readlink /at; ls -A /there; cat /proc/self/mountinfo'
	if [ "$status" = 0 ]; then
		assert_line x
		assert_eq "$(mount_at /there)" '' 'a mount where the link leads'
	else
		assert_at 'mounts[7]'
	fi
	assert_clean
}

@test "ro with rbind leaves the mounts below writable, rro does not" {
	mkdir -p "$T/src/sub"
	mount -t tmpfs mark "$T/src/sub"
	add_mount /ro none "$T/src" rbind ro
	add_mount /rro none "$T/src" rbind rro
	args /bin/cat /proc/self/mountinfo
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	umount "$T/src/sub"
	assert_status 0
	has_option /ro ro
	has_option /ro/sub rw
	has_option /rro ro
	has_option /rro/sub ro
}

@test "each recursive option reaches the mounts below" {
	mkdir -p "$T/src/sub"
	mount -t tmpfs -o nosymfollow mark "$T/src/sub"
	local o pairs=(rnosuid:nosuid rnodev:nodev rnoexec:noexec rnoatime:noatime rnodiratime:nodiratime rro:ro rnosymfollow:nosymfollow rrelatime:relatime)
	for o in "${pairs[@]}"; do add_mount "/${o%:*}" none "$T/src" rbind "${o%:*}"; done
	add_mount /undone none "$T/src" rbind rnosuid rsuid rnodev rdev rnoexec rexec rro rrw rsymfollow
	args /bin/cat /proc/self/mountinfo
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	umount "$T/src/sub"
	assert_status 0
	for o in "${pairs[@]}"; do
		has_option "/${o%:*}" "${o#*:}"
		has_option "/${o%:*}/sub" "${o#*:}"
	done
	for o in nosuid nodev noexec ro nosymfollow; do lacks_option /undone/sub "$o"; done
}

@test "propagation of a mount: private, shared, slave, unbindable and the recursive ones" {
	mkdir -p "$T/src/sub"
	mount -t tmpfs mark "$T/src"
	mkdir "$T/src/sub"
	mount -t tmpfs mark2 "$T/src/sub"
	mount --make-rshared "$T/src"
	local o
	for o in private shared slave unbindable rprivate rshared rslave runbindable; do add_mount "/$o" none "$T/src" rbind "$o"; done
	args /bin/cat /proc/self/mountinfo
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	umount "$T/src/sub" "$T/src"
	assert_status 0
	for o in '' r; do
		[[ $(mount_at "/${o}shared") == *' shared:'* ]] || fail "${o}shared: $(mount_at "/${o}shared")"
		[[ $(mount_at "/${o}slave") == *' master:'* ]] || fail "${o}slave: $(mount_at "/${o}slave")"
		[[ $(mount_at "/${o}private") != *' master:'* && $(mount_at "/${o}private") != *' shared:'* ]] || fail "${o}private"
		[[ $(mount_at "/${o}unbindable") == *' unbindable '* ]] || fail "${o}unbindable: $(mount_at "/${o}unbindable")"
	done
	[[ $(mount_at /rslave/sub) == *' master:'* ]] || fail "rslave/sub: $(mount_at /rslave/sub)"
	[[ $(mount_at /runbindable/sub) == *' unbindable '* ]] || fail "runbindable/sub"
	[[ $(mount_at /rprivate/sub) != *' shared:'* ]] || fail "rprivate/sub"
}

@test "mounts are made in the order of the list" {
	add_mount /data tmpfs first
	add_mount /data/sub tmpfs second
	add_mount /over tmpfs lower
	add_mount /over tmpfs upper
	mountinfo
	assert_match ' /data/sub .* - tmpfs second'
	assert_eq "$(awk '$5 == "/over" { print $(NF-1) }' <<<"$output" | tail -n 1)" upper
}

@test "missing targets are made: directories for directories, files for files" {
	mkdir "$T/src"
	echo x >"$T/file"
	add_mount /new/deep/dir none "$T/src" bind
	add_mount /new/deep/file none "$T/file" bind
	add_mount /new/tmp tmpfs tmpfs
	inside_ok '[ -d /new/deep/dir ] && cat /new/deep/file && [ -d /new/tmp ] && echo all'
	assert_line all
	[ -d "$BUNDLE/rootfs/new/deep/dir" ]
	[ -f "$BUNDLE/rootfs/new/deep/file" ]
}

@test "a target of the wrong kind is an error that names the mount" {
	mkdir "$T/src"
	touch "$BUNDLE/rootfs/plain"
	add_mount /plain none "$T/src" bind
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_at 'mounts[7]'
	assert_has /plain
	assert_clean
}

@test "a target behind a link, absolute or with many .., stays inside the root filesystem" {
	mkdir "$T/outside" "$T/src"
	touch "$T/src/here"
	ln -s "$T/outside" "$BUNDLE/rootfs/absolute"
	ln -s ../../../../../../../../../../"$T/outside" "$BUNDLE/rootfs/dots"
	add_mount /absolute/x none "$T/src" bind
	add_mount /dots/y none "$T/src" bind
	add_mount /../../../../up none "$T/src" bind
	inside "ls $T/outside/x $T/outside/y /up"
	assert_eq "$(ls -A "$T/outside")" '' 'what was made outside'
	[ ! -e "$T/up" ]
	if [ "$status" = 0 ]; then assert_eq "$(grep -c '^here$' <<<"$output")" 3; else assert_fails; fi
}

@test "a relative destination is relative to /" {
	add_mount data tmpfs tmpfs
	mountinfo
	assert_match ' /data .* - tmpfs tmpfs'
	run rt check "$BUNDLE"
	assert_status 0
	assert_match 'warning: .*mounts\[7\]\.destination'
}

@test "a destination that is a link to nothing: what it names below the root is made" {
	local link
	echo payload >"$T/file"
	mkdir -p "$T/dir" "$BUNDLE/rootfs/etc"
	echo inside >"$T/dir/entry"
	ln -s ../run/resolve/at.conf "$BUNDLE/rootfs/etc/relative"
	ln -s /deep/er/file "$BUNDLE/rootfs/etc/absolute"
	ln -s ../../../../../../outside "$BUNDLE/rootfs/etc/up"
	ln -s chain2 "$BUNDLE/rootfs/etc/chain1"
	ln -s /chained "$BUNDLE/rootfs/etc/chain2"
	ln -s nowhere "$BUNDLE/rootfs/etc/directory"
	config '.mounts += ([("relative", "absolute", "up", "chain1") | {"destination": ("/etc/" + .), "type": "bind", "source": $f, "options": ["bind"]}]
		+ [{"destination": "/etc/directory/below", "type": "bind", "source": $d, "options": ["bind"]}])' --arg f "$T/file" --arg d "$T/dir"
	inside_ok 'cat /run/resolve/at.conf /deep/er/file /outside /chained /etc/relative; cat /etc/nowhere/below/entry'
	assert_output "payload
payload
payload
payload
payload
inside"
	for link in relative absolute up chain1 directory; do
		[ -L "$BUNDLE/rootfs/etc/$link" ] || fail "$link is no link any more"
	done
	refute [ -e /outside ]
}

@test "a destination that is a link to itself is an error" {
	mkdir -p "$BUNDLE/rootfs/etc"
	ln -s loop "$BUNDLE/rootfs/etc/loop"
	config '.mounts += [{"destination": "/etc/loop", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}]'
	inside true
	assert_fails ELOOP
}

@test "an error names the mount's index, destination and source" {
	add_mount /data none /no/such/source bind
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_at 'mounts[7]'
	assert_has /data
	assert_has '/no/such/source'
	assert_clean
}

@test "an unknown filesystem type is an error that names it" {
	add_mount /data teapotfs none
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_at 'mounts[7]'
	assert_has teapotfs
	assert_clean
}

@test "tmpcopyup: what the image has there is copied, with modes, owners and links" {
	mkdir -p "$BUNDLE/rootfs/data/sub"
	echo text >"$BUNDLE/rootfs/data/sub/file"
	chmod 640 "$BUNDLE/rootfs/data/sub/file"
	chown 12:34 "$BUNDLE/rootfs/data/sub/file"
	ln -s /etc/passwd "$BUNDLE/rootfs/data/link"
	chmod 1755 "$BUNDLE/rootfs/data"
	all_caps
	add_mount /data tmpfs tmpfs tmpcopyup
	inside_ok 'cat /data/sub/file; stat -c "%a %u %g" /data/sub/file; readlink /data/link; stat -c %a /data; echo new >/data/sub/file'
	assert_line text
	assert_line '640 12 34'
	assert_line /etc/passwd
	assert_line 1755
	assert_eq "$(cat "$BUNDLE/rootfs/data/sub/file")" text "the image's file"
}

@test "idmap with the mount's own mappings" {
	need_kernel 5.12 'idmapped mounts'
	mkdir "$T/src"
	touch "$T/src/f"
	chown 5:6 "$T/src/f"
	config '.mounts += [{"destination": "/data", "type": "bind", "source": $s, "options": ["bind", "idmap"],
		"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 100}],
		"gidMappings": [{"containerID": 0, "hostID": 2000, "size": 100}]}]' --arg s "$T/src"
	inside_ok 'stat -c "%u %g" /data/f; cat /proc/self/mountinfo'
	assert_line '1005 2006'
	[[ $(mount_at /data) == *idmapped* ]] || fail "$(mount_at /data)"
	# the mappings alone mean it too
	config '.mounts[-1].options = ["bind"]'
	inside_ok 'stat -c "%u %g" /data/f'
	assert_output '1005 2006'
}

@test "the source of a bind mount may be what an earlier entry has mounted below the root filesystem" {
	local add
	mkdir -p "$T/src/a" "$BUNDLE/rootfs/mnt"
	echo text >"$T/src/a/file"
	chown -R 100005:100006 "$T/src"
	config '.mounts += [{"destination": "/mnt", "type": "bind", "source": $s, "options": ["bind"]},
		{"destination": "/mnt/a/more", "type": "tmpfs", "source": "tmpfs"},
		{"destination": "/final", "type": "bind", "source": ($b + "/rootfs/mnt/a"), "options": ["rbind"]},
		{"destination": "/relative", "type": "bind", "source": "rootfs/mnt/a", "options": ["bind", "ro"]}]' --arg s "$T/src" --arg b "$BUNDLE"
	for add in . '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'; do
		config "$add"
		inside_ok 'cat /final/file /relative/file; echo >/final/more/new; ls /mnt/a/more /relative/more; mkdir /relative/x || echo "read-only"'
		assert_has 'text
text'
		assert_line new
		assert_line read-only
	done
	# nothing of that is on the host
	assert_eq "$(ls "$BUNDLE/rootfs/mnt")" ''
	config '.mounts[-2] |= (.options += ["idmap"] | .uidMappings = [{"containerID": 100005, "hostID": 7, "size": 1}] | .gidMappings = .uidMappings)'
	run rt run --bundle "$BUNDLE" "$ID"
	assert_status 1
	assert_has 'mounts['
	assert_has 'cannot be idmapped in a user namespace'
	config 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces -= [{"type": "user"}]'
	inside_ok 'stat -c %u /final/file /mnt/a/file'
	assert_output '7
100005'
}

@test "idmap reaches the mounts below only with ridmap" {
	need_kernel 5.12 'idmapped mounts'
	mkdir -p "$T/src/sub"
	mount -t tmpfs mark "$T/src/sub"
	touch "$T/src/sub/f"
	config '.mounts += [{"destination": "/one", "type": "bind", "source": $s, "options": ["rbind", "idmap"], "uidMappings": $m, "gidMappings": $m},
		{"destination": "/all", "type": "bind", "source": $s, "options": ["rbind", "ridmap"], "uidMappings": $m, "gidMappings": $m}]' \
		--arg s "$T/src" --argjson m '[{"containerID": 0, "hostID": 1000, "size": 100}]'
	args /bin/stat -c %u /one/sub/f /all/sub/f
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	umount "$T/src/sub"
	assert_status 0
	assert_output "0
1000"
}

@test "idmap without any mapping is an error" {
	mkdir "$T/src"
	add_mount /data bind "$T/src" bind idmap
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'mounts[7]'
	assert_clean
}

@test "uidMappings of a mount without gidMappings is an error" {
	config '.mounts += [{"destination": "/data", "type": "bind", "source": "/tmp", "options": ["bind", "idmap"],
		"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 100}]}]'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails 'mounts[7]'
}

@test "a read-only bind of a mount with flags that a user namespace may not take away" {
	mkdir "$T/src"
	mount -t tmpfs -o nosuid,nodev,noexec,noatime locked "$T/src"
	touch "$T/src/here"
	config '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings | .mounts |= map(select(.type != "cgroup"))'
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" 2>/dev/null || true
	chown -hR 100000:100000 "$BUNDLE/rootfs"
	add_mount /d none "$T/src" bind ro
	inside 'ls /d; cat /proc/self/mountinfo'
	umount "$T/src"
	assert_status 0
	assert_line here
	local o
	for o in ro nosuid nodev noexec noatime; do has_option /d "$o"; done
}

# ------------------------------------------------------------------ the root

@test "a read-only tmpfs on /dev, as Podman writes it" {
	config '(.mounts[] | select(.destination == "/dev") | .options) += ["ro", ""]
		| .mounts += [{"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]},
			{"destination": "/t/below", "type": "tmpfs", "source": "tmpfs"},
			{"destination": "/alone", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]}]'
	inside 'for d in /dev /t /alone; do touch $d/x 2>/dev/null && echo "$d is writable"; done
		touch /dev/shm/x /t/below/x && head -c 1 /dev/zero | wc -c; ls /dev/pts/ptmx /dev/stdin
		grep -cE " (/dev|/t|/alone) ro[, ]" /proc/self/mountinfo'
	assert_output "1
/dev/pts/ptmx
/dev/stdin
3"
}

@test "root.readonly" {
	config '.root.readonly = true'
	inside_ok 'touch /x 2>&1 || true; cat /proc/self/mountinfo; echo x >/dev/shm/ok && echo shm writable'
	assert_has 'Read-only file system'
	has_option / ro
	assert_line 'shm writable'
}

@test "root.path: absolute, relative, a link, and one that is not there" {
	config '.root.path = $p' --arg p "$BUNDLE/rootfs"
	inside_ok 'echo absolute'
	ln -s rootfs "$BUNDLE/link"
	config '.root.path = "link"'
	inside_ok 'echo through a link'
	assert_line 'through a link'
	config '.root.path = "missing"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_has missing
	config '.root.path = "config.json"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_clean
}

@test "the root filesystem may be a mount point" {
	mkdir "$T/mnt"
	mount --bind "$BUNDLE/rootfs" "$T/mnt"
	config '.root.path = $p' --arg p "$T/mnt"
	inside 'echo fine; touch /x'
	umount "$T/mnt"
	assert_line fine
	[ -e "$BUNDLE/rootfs/x" ]
}

@test "rootfsPropagation" {
	local p
	for p in private slave shared unbindable; do
		config '.linux.rootfsPropagation = $p' --arg p "$p"
		mountinfo
		case $p in
		shared) [[ $(mount_at /) == *' shared:'* ]] || fail "$(mount_at /)" ;;
		unbindable) [[ $(mount_at /) == *unbindable* ]] || fail "$(mount_at /)" ;;
		*) [[ $(mount_at /) != *' shared:'* ]] || fail "$(mount_at /)" ;;
		esac
	done
	# of a shared mount of the host's: slave still hears of it, private does not
	mkdir "$T/mnt"
	mount --bind "$BUNDLE/rootfs" "$T/mnt"
	mount --make-private "$T/mnt"
	mount --make-shared "$T/mnt"
	config '.root.path = $p' --arg p "$T/mnt"
	local -A seen=()
	for p in slave private rslave rprivate; do
		config '.linux.rootfsPropagation = $p' --arg p "$p"
		inside 'cat /proc/self/mountinfo'
		seen[$p]=$(mount_at /)
	done
	umount "$T/mnt"
	for p in slave rslave; do [[ ${seen[$p]} == *' master:'* ]] || fail "$p: ${seen[$p]}"; done
	for p in private rprivate; do [[ -n ${seen[$p]} && ${seen[$p]} != *' master:'* ]] || fail "$p: ${seen[$p]}"; done
	config '.root.path = "rootfs" | .linux.rootfsPropagation = "teapot"'
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_fails teapot
}

@test "mounts made in the container do not reach the host, and the other way round" {
	all_caps
	mkdir "$T/src"
	add_mount /dir none "$T/src" rbind
	started /bin/sh -c 'mount -t tmpfs inner /dir && touch /dir/inner; sleep 600'
	eventually grep -q inner "/proc/$(pid_of)/mountinfo"
	[ ! -e "$T/src/inner" ]
	refute grep -q "$T/src" /proc/self/mountinfo
}

@test "--no-pivot: the same view without pivot_root" {
	mkdir "$T/outside"
	args /bin/sh -c 'ls -d /bin /proc/1 && cat /proc/self/mountinfo; ls -d /../../..'"$T/outside"
	run rt run --no-pivot --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 1
	assert_line /proc/1
	assert_match ' /proc .* - proc proc rw'
	assert_match 'outside.*No such file'
	assert_eq "$(awk -v t="$T" 'index($5, t) == 1' <<<"$output")" '' 'mount points with a path of the host'
}

@test "--no-pivot: the host's procfs does not help a user namespace to one without masks" {
	local flag
	config '.process.capabilities |= (.bounding += ["CAP_SETFCAP"] | .permitted += ["CAP_SETFCAP"])'
	for flag in '' --no-pivot; do
		args sh -c 'unshare -mrpf true && echo may; unshare -mrpf sh -c "mount -t proc none /proc && echo mounted"; true'
		run rt run ${flag:+"$flag"} --bundle "$BUNDLE" "$ID" </dev/null
		assert_status 0
		if ! grep -qx may <<<"$output"; then skip 'no user namespaces in a container here'; fi
		refute_line mounted
	done
}

# ------------------------------------------------------------------ masked and read-only paths

@test "maskedPaths: files read as empty, directories are empty and read-only" {
	echo secret >"$BUNDLE/rootfs/etc/secret"
	mkdir "$BUNDLE/rootfs/hidden"
	echo secret >"$BUNDLE/rootfs/hidden/file"
	config '.linux.maskedPaths += ["/etc/secret", "/hidden", "/does/not/exist"]'
	inside_ok 'cat /etc/secret; ls -A /hidden; echo; stat -c "%F %t:%T" /etc/secret; touch /hidden/x 2>&1; true'
	refute_line secret
	assert_line 'character special file 1:3'
	assert_has 'Read-only file system'
	# one filesystem for all of them
	mountinfo
	assert_eq "$(mount_at /hidden | cut -d' ' -f3)" "$(mount_at /sys/firmware | cut -d' ' -f3)" 'device of the masks'
	[ ! -e "$BUNDLE/rootfs/does" ]
}

@test "maskedPaths: the kernel's secrets of the default configuration" {
	inside_ok 'for p in kcore keys timer_list; do [ ! -e /proc/$p ] || stat -c "%t:%T" /proc/$p; done; ls -A /sys/firmware | wc -l'
	assert_eq "$(sort -u <<<"$output")" "0
1:3"
}

@test "readonlyPaths cannot be written, whatever the capabilities" {
	all_caps
	mkdir "$BUNDLE/rootfs/fixed"
	config '.linux.readonlyPaths += ["/fixed", "/does/not/exist"] | .process.noNewPrivileges = false'
	inside_ok 'touch /fixed/x 2>&1; echo x 2>&1 >/proc/sys/kernel/domainname; cat /proc/self/mountinfo; true'
	assert_eq "$(grep -c 'Read-only file system' <<<"$output")" 2
	local p
	for p in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger /fixed; do
		[ ! -e "$p" ] && [ "$p" != /fixed ] || has_option "$p" ro
	done
	[ ! -e "$BUNDLE/rootfs/does" ]
}

@test "masked and read-only paths follow no link out of the root" {
	mkdir "$T/outside"
	echo keep >"$T/outside/file"
	ln -s "$T/outside" "$BUNDLE/rootfs/link"
	config '.linux.maskedPaths += ["/link/file"] | .linux.readonlyPaths += ["/link"]'
	inside 'cat /proc/self/mountinfo'
	refute_has "$T/outside"
	assert_eq "$(cat "$T/outside/file")" keep
}

@test "cgroup mount: read-only, and only the container's own part" {
	all_caps
	inside_ok 'cat /proc/self/mountinfo; ls /sys/fs/cgroup; mkdir /sys/fs/cgroup/x 2>&1; true'
	[[ $(mount_at /sys/fs/cgroup) == *' ro,'* ]] || fail "$(mount_at /sys/fs/cgroup)"
	assert_has 'Read-only file system'
	local line
	while read -r line; do
		[[ $(cut -d' ' -f6 <<<"$line") == ro* ]] || fail "writable: $line"
	done < <(awk '$5 ~ "^/sys/fs/cgroup"' <<<"$output")
}

@test "cgroup mount, v1: every controller of the container is visible at its place" {
	need_v1
	inside_ok 'cat /sys/fs/cgroup/pids/cgroup.procs; cat /sys/fs/cgroup/memory/memory.limit_in_bytes'
	assert_line 1
}

@test "cgroup mount, v2: the container's own cgroup is the root of the mount" {
	need_v2
	inside_ok 'cat /sys/fs/cgroup/cgroup.procs; cat /proc/self/mountinfo'
	assert_line 1
	[[ $(mount_at /sys/fs/cgroup) == *' - cgroup2 '* ]] || fail "$(mount_at /sys/fs/cgroup)"
}
