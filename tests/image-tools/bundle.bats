#!/usr/bin/env bats
# From an image to a running container and back; archives; commit; users.
# run-tests: alone, because it looks whether bridge and rules of the host are gone
load helpers

setup_file() {
	work_up
	make_root "$WORK/root"
	tar -C "$WORK/root" -cf "$WORK/root.tar" .
	image import "$WORK/root.tar" app:1 -c 'CMD ["id"]' -c 'WORKDIR /made/by/workdir' -c 'VOLUME /data'
}
teardown_file() { work_down; }
teardown() {
	for c in test-web first second; do ! "$OCI_RT" state "image-$c-$$" >/dev/null 2>&1 || "$OCI_RT" delete --force "image-$c-$$" || true; done
	for b in "$WORK"/b*; do [ ! -d "$b" ] || "$OCI_IMAGE" -q rm-bundle --force "$b" || true; done
}

run_in() {
	local b=$1; shift
	"$OCI_RT" run -b "$b" "image-test-$$-$RANDOM" </dev/null
}

@test "the beginner's session" {
	port=$(free_port)
	image unpack -p "$port:80" -v site:/site app:1 "$WORK/b1" -- sh -c 'echo persisted >/site/f; echo new >/new; httpd -f -h /www -p 80'
	"$OCI_RT" run -d -b "$WORK/b1" "image-test-web-$$" </dev/null >/dev/null 2>&1 3>&-
	for _ in $(seq 50); do [ "$(curl -s "http://127.0.0.1:$port/")" = hello ] && break; sleep 0.1; done
	[ "$(curl -s "http://127.0.0.1:$port/")" = hello ]
	image unpack -v site:/site app:1 "$WORK/b2" -- sh -c 'ls /new; cat /site/f'
	run run_in "$WORK/b2"
	[[ $output == *"No such file"* ]]
	[[ $output == *persisted* ]]
	image verify --tree app:1
	# not under a container that runs
	run image rm-bundle "$WORK/b1"
	[ "$status" = 1 ]
	[[ $output == *"runs in it"* ]]
	[ "$(curl -s "http://127.0.0.1:$port/")" = hello ]
	"$OCI_RT" delete --force "image-test-web-$$"
	image rm-bundle "$WORK/b1" "$WORK/b2"
	if grep -q "$WORK" /proc/self/mountinfo; then false; fi
	[ -z "$(ls /run/oci-image/netns)" ]
	if iptables-save | grep -q CNI; then false; fi
	if ip link show oci0 2>/dev/null; then false; fi
	image volume rm site
}

@test "published ports: taken by another container, by a program, on a foreign address, without plugins: errors, nothing left" {
	port=$(free_port)
	second() {
		run "$OCI_RT" run -d -b "$WORK/b2" "image-second-$$" </dev/null
		echo "$status $output"
		[ "$status" = 1 ]
		[[ $output == *"$1"* ]]
		if "$OCI_RT" state "image-second-$$"; then return 1; fi
		image rm-bundle "$WORK/b2"
		[ "$(ls /run/oci-image/netns /run/oci-image/ports 2>/dev/null)" = "$noted" ]
		[ "$(iptables-save | grep -c CNI-)" = "$rules" ]
	}
	image unpack -p "$port:80" app:1 "$WORK/b1" -- httpd -f -h /www -p 80
	"$OCI_RT" run -d -b "$WORK/b1" "image-first-$$" </dev/null >/dev/null 2>&1 3>&-
	for _ in $(seq 50); do [ "$(curl -s "http://127.0.0.1:$port/")" = hello ] && break; sleep 0.1; done
	noted=$(ls /run/oci-image/netns /run/oci-image/ports)
	rules=$(iptables-save | grep -c CNI-)
	image unpack -p "$port:81" app:1 "$WORK/b2" -- sleep 100
	second "port $port/tcp: it is in use by container image-first-$$"
	image unpack -p "127.0.0.1:$port:81" app:1 "$WORK/b2" -- sleep 100
	second "in use by container"
	other=$(free_port)
	image unpack -p "$other:81" -p "$other:82" app:1 "$WORK/b2" -- sleep 100
	second "another -p"
	python3 -c "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', $other)); s.listen(); time.sleep(300)" 3>&- & listener=$!
	wait_port "$other"
	image unpack -p "$other:81" app:1 "$WORK/b2" -- sleep 100
	second "in use by a program"
	kill $listener
	wait $listener || true
	image unpack -p "203.0.113.77:$other:81" app:1 "$WORK/b2" -- sleep 100
	second "does not have that address"
	image unpack -p "$other:81" app:1 "$WORK/b2" -- sleep 100
	jq '.hooks[][].env += ["CNI_PATH=/nonexistent"]' "$WORK/b2/config.json" >"$WORK/changed"
	cat "$WORK/changed" >"$WORK/b2/config.json"
	second "containernetworking-plugins"
	# another protocol, and the port again once it is free
	image unpack -p "$port:81/udp" app:1 "$WORK/b2" -- ls /www
	run_in "$WORK/b2"
	image rm-bundle "$WORK/b2"
	"$OCI_RT" delete --force "image-first-$$"
	image unpack -p "$port:81" app:1 "$WORK/b2" -- ls /www
	run_in "$WORK/b2"
	image rm-bundle "$WORK/b1" "$WORK/b2"
}

@test "the first session of image-tools/README.md, line by line" {
	local line port n=0
	port=$(free_port)
	registry plain "" ""
	image import "$WORK/root.tar" web:1 -c 'CMD ["sh"]'
	image push web:1 "localhost:$PORT_plain/web:1"
	printf '[[registry]]\nprefix = "registry.example"\nlocation = "localhost:%s"\n' "$PORT_plain" >"$WORK/registries.conf"
	mkdir "$WORK/session" "$WORK/programs"
	cd "$WORK/session"
	ln -s "$OCI_IMAGE" "$WORK/programs/oci-image"
	ln -s "$(command -v "$OCI_RT")" "$WORK/programs/oci-rt"
	export PATH=$WORK/programs:$PATH CONTAINERS_REGISTRIES_CONF=$WORK/registries.conf OCI_IMAGE_STORE=$WORK/session-store
	while read -r line; do
		n=$((n + 1))
		# the port and the names of the containers are the machine's
		line=$(sed -E "s/8080/$port/g; s/(--bundle \\S+) (\\S+)/\1 session-$$-\2/; s/(exec|delete --force) web/\1 session-$$-web/" <<<"$line")
		echo "# $line"
		case $line in *"--bundle look"*) line="echo 'echo in-the-shell; exit' | script -qec '$line' /dev/null" ;; esac
		bash -ec "$line" </dev/null >"$WORK/line" 2>&1 3>&- || { cat "$WORK/line"; oci-rt delete --force "session-$$-web"; return 1; }
		cat "$WORK/line"
		case $line in
		*"--bundle hello"*) grep -q '^hello' "$WORK/line" ;;
		*"--bundle look"*) grep -q 'in-the-shell' "$WORK/line" ;;
		*curl*) grep -q 'hello\|changed' "$WORK/line"; [ "$n" -lt 11 ] || grep -q changed "$WORK/line" ;;
		*web.log) [[ $line != cat* ]] || grep -q started "$WORK/line" ;;
		*"inspect --diff"*) grep -q 'A /mine' "$WORK/line" ;;
		esac
	done < <(sed -n '/^## A first session/,/^## The store/s/^    # //p' "$HERE/../../image-tools/README.md")
	[ "$n" -ge 20 ]
	[ "$(ls -A "$WORK/session")" = web.log ]
	[ -z "$(ls -A "$WORK/session-store/layers")" ]
	if grep -q "$WORK" /proc/self/mountinfo; then false; fi
}

@test "user, env, workdir, read-only, limits reach the runtime" {
	image unpack -u www -e FOO=bar --read-only -m 64m --pids 20 --tmpfs /tmp app:1 "$WORK/b1" -- sh -c 'id; pwd; env; touch /x; touch /tmp/x && echo tmp-ok'
	run run_in "$WORK/b1"
	[[ $output == *"uid=1000(www) gid=1000(www) groups=1000(www),2000(extra)"* ]]
	[[ $output == *"/made/by/workdir"* ]]
	[[ $output == *FOO=bar* ]]
	[[ $output == *HOME=/www* ]]
	[[ $output == *"Read-only file system"* ]]
	[[ $output == *tmp-ok* ]]
	jq -e '.linux.resources.memory.limit == 67108864 and .linux.resources.pids.limit == 20' "$WORK/b1/config.json"
}

@test "users: table" {
	while read -r text want; do
		run image unpack --flat -u "$text" app:1 "$WORK/b1"
		got=fail
		[ "$status" != 0 ] || got=$(jq -r '"\(.process.user.uid):\(.process.user.gid)"' "$WORK/b1/config.json")
		[ ! -d "$WORK/b1" ] || image rm-bundle "$WORK/b1"
		echo "$text: $got, $want expected"
		[ "$got" = "$want" ]
	done <<-T
		www 1000:1000
		1000 1000:1000
		1234 1234:0
		root 0:0
		www:extra 1000:2000
		1000:77 1000:77
		77 77:0
		nobody fail
		www:nogroup fail
		2147483647 2147483647:0
		2147483648 fail
		4294967295 fail
		4294967296 fail
		4294967296:0 fail
		-1 fail
		1x fail
		0x1 fail
	T
}

@test "anonymous volume is seeded from the image, outside the layers" {
	image unpack app:1 "$WORK/b1" -- sh -c 'cat /data/seed; echo changed >/data/seed'
	run run_in "$WORK/b1"
	[[ $output == *seed* ]]
	[ "$(cat "$WORK/b1/volumes/0/seed")" = changed ]
	image verify --tree app:1
}

@test "workdir and volume through links stay inside (CVE-2026-55686, CVE-2022-23648)" {
	mkdir "$WORK/evilroot" "$WORK/decoy"
	cp -a "$WORK/root/." "$WORK/evilroot"
	echo secret >"$WORK/decoy/secret"
	ln -s "$WORK/decoy" "$WORK/evilroot/out"
	tar -C "$WORK/evilroot" -cf "$WORK/evil.tar" .
	image import "$WORK/evil.tar" evil:1 -c 'CMD ["id"]' -c 'WORKDIR /out/made' -c 'VOLUME /out'
	run image unpack evil:1 "$WORK/b1"
	[ "$(ls "$WORK/decoy")" = secret ]
	[ ! -e "$WORK/b1/volumes/0/secret" ]
}

@test "a failing unpack leaves nothing" {
	run image unpack -u nobody app:1 "$WORK/b1"
	[ "$status" = 1 ]
	[ ! -e "$WORK/b1" ]
	if grep -q "$WORK" /proc/self/mountinfo; then false; fi
}

@test "commit, diff, deterministic" {
	export SOURCE_DATE_EPOCH=1000000000
	image unpack app:1 "$WORK/b1" -- sh -c 'rm /www/index.html; echo hi >/tmp/hi; mkdir /fresh'
	run_in "$WORK/b1"
	image commit "$WORK/b1" app:2 -c 'ENV C=d'
	image commit "$WORK/b1" app:3 -c 'ENV C=d'
	[ "$("$OCI_IMAGE" --json images app:2 | jq -r '.[0].digest')" = "$("$OCI_IMAGE" --json images app:3 | jq -r '.[0].digest')" ]
	run "$OCI_IMAGE" -q inspect --diff app:1 app:2
	[[ $output == *"D /www/index.html"* ]]
	[[ $output == *"A /tmp/hi"* ]]
	[[ $output == *"A /fresh"* ]]
	image verify app:2
}

@test "commit of a flat bundle" {
	image unpack --flat app:1 "$WORK/b1"
	rm "$WORK/b1/rootfs/www/index.html"
	echo x >"$WORK/b1/rootfs/added"
	image commit "$WORK/b1" app:4
	run "$OCI_IMAGE" -q inspect --diff app:1 app:4
	[[ $output == *"D /www/index.html"* ]]
	[[ $output == *"A /added"* ]]
}

@test "commit of a flat bundle: a change that kept a file's size and time is one, a touched file is none" {
	image unpack --flat app:1 "$WORK/b1"
	cd "$WORK/b1/rootfs/www"
	cp -p index.html "$WORK/before"
	tr a-z A-Z <"$WORK/before" >index.html
	touch -r "$WORK/before" index.html
	! cmp -s index.html "$WORK/before" || false
	chmod 600 ../bin/busybox
	chmod 4755 ../bin/busybox
	image commit "$WORK/b1" app:5
	rm "$WORK/b1/tree"
	image commit "$WORK/b1" app:6
	for n in 5 6; do
		run "$OCI_IMAGE" -q inspect --diff app:1 "app:$n"
		echo "$n: $output"
		[[ $output == *'C /www/index.html'* && $output != *busybox* ]]
	done
}

@test "commit of a flat bundle: what unpack wrote down and a fresh copy give the same layer" {
	export SOURCE_DATE_EPOCH=1000000000
	python3 - "$WORK/l.tar" <<-'P'
		import io, sys, tarfile
		t = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
		def add(name, kind=tarfile.REGTYPE, data=b"", **k):
		    i = tarfile.TarInfo(name); i.type = kind; i.size = len(data); i.mtime = 1500000000; i.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
		    for n, v in k.items(): setattr(i, n, v)
		    t.addfile(i, io.BytesIO(data))
		for d in ("a", "a/b", "a/b/c", "gone", "gone/deep", "to-file", "to-file/x", "a-", "empty"): add(d, tarfile.DIRTYPE)
		for f in ("a/b/c/same", "a/b/edited", "a/x", "gone/1", "gone/deep/2", "to-dir", "mode", "attribute", "deleted", "a-/z", "last"): add(f, data=f.encode())
		add("noted", data=b"n", pax_headers={"SCHILY.xattr.user.note": "hi"})
		add("link", tarfile.SYMTYPE, linkname="mode"); add("link2", tarfile.SYMTYPE, linkname="mode"); add("hard", tarfile.LNKTYPE, linkname="last")
		t.close()
	P
	image import "$WORK/l.tar" tree:1
	image unpack --flat --no-config tree:1 "$WORK/b1"
	# Nothing but the end of the archive where nothing has changed.
	image commit "$WORK/b1" tree:0 --compress none
	blob=$("$OCI_IMAGE" --json inspect tree:0 | jq -r '.layers[-1].digest')
	[ "$(stat -c %s "$WORK/store/blobs/sha256/${blob#sha256:}")" = 1024 ]
	cd "$WORK/b1/rootfs"
	echo more >>a/b/edited; rm -r gone to-file deleted to-dir; echo f >to-file; mkdir to-dir; echo n >to-dir/new; chmod 600 mode
	python3 -c 'import os; os.setxattr("attribute", "user.new", b"1"); os.setxattr("noted", "user.note", b"ho")'
	ln -sfn other link2; mkdir a/b/c/d; echo x >a/b/c/d/new; mkdir a/0 zz; rmdir empty; touch -d @1600000000 a/x
	# Nobody asks for the image's layer ...
	base=$WORK/store/blobs/sha256/$("$OCI_IMAGE" --json inspect tree:1 | jq -r '.layers[0].digest | ltrimstr("sha256:")')
	mv "$base" "$WORK/base"
	image commit "$WORK/b1" tree:2
	mv "$WORK/base" "$base"
	# ... unless what was written down is damaged or missing.
	echo damage >>"$WORK/b1/tree"
	image commit "$WORK/b1" tree:3
	rm "$WORK/b1/tree"
	image commit "$WORK/b1" tree:4
	for n in 2 3 4; do "$OCI_IMAGE" --json images "tree:$n" | jq -r '.[0].digest'; done | sort -u >"$WORK/digests"
	cat "$WORK/digests"
	[ "$(wc -l <"$WORK/digests")" = 1 ]
	"$OCI_IMAGE" -q inspect --diff tree:1 tree:2 >"$WORK/changes"
	[ "$(tr '\n' ' ' <"$WORK/changes")" = "C /a A /a/0 C /a/b C /a/b/c A /a/b/c/d A /a/b/c/d/new C /a/b/edited C /a/x C /attribute D /deleted \
D /empty D /gone C /link2 C /mode C /noted C /to-dir A /to-dir/new C /to-file A /zz " ]
}

@test "save is byte-stable and readable by skopeo; load brings the same digests" {
	image save app:1 -o "$WORK/one.tar"
	image save app:1 >"$WORK/two.tar"
	cmp "$WORK/one.tar" "$WORK/two.tar"
	skopeo copy -q "oci-archive:$WORK/one.tar" "oci:$WORK/sk:1"
	skopeo copy -q "docker-archive:$WORK/one.tar" "oci:$WORK/sk:2"
	skopeo copy -q "docker-archive:$WORK/one.tar" "docker-archive:$WORK/sk.tar:from/skopeo:1"
	want=$("$OCI_IMAGE" --json images app:1 | jq -r '.[0].digest')
	OCI_IMAGE_STORE=$WORK/s2 image load "$WORK/one.tar"
	OCI_IMAGE_STORE=$WORK/s2 image load <"$WORK/sk.tar"
	gzip -c "$WORK/sk.tar" | OCI_IMAGE_STORE=$WORK/s2 image load
	[ "$(OCI_IMAGE_STORE=$WORK/s2 "$OCI_IMAGE" --json images app:1 | jq -r '.[0].digest')" = "$want" ]
	OCI_IMAGE_STORE=$WORK/s2 image verify from/skopeo:1
}

@test "rmi and gc keep what bundles and other names need" {
	image tag app:1 other:1
	image unpack app:1 "$WORK/b1"
	image rmi other:1
	image verify --tree app:1
	layers=$(find "$WORK/store/layers" -mindepth 1 -maxdepth 1 | wc -l)
	image gc
	[ "$(find "$WORK/store/layers" -mindepth 1 -maxdepth 1 | wc -l)" = "$layers" ]
	[ -e "$WORK/b1/rootfs/bin/sh" ]
}

@test "verify finds a changed blob and a changed tree" {
	cp -a "$WORK/store" "$WORK/hurt"
	# layers of other tests' images may have the file too: change it in all
	for f in "$WORK"/hurt/layers/*/fs/www/index.html; do echo changed >"$f"; done
	run env OCI_IMAGE_STORE="$WORK/hurt" "$OCI_IMAGE" -q verify --tree app:1
	[ "$status" = 6 ]
	[[ $output == *index.html* ]]
	big=$WORK/hurt/blobs/sha256/$("$OCI_IMAGE" inspect app:1 | jq -r ".layers[0].digest" | cut -d: -f2)
	printf X | dd of="$big" bs=1 seek=1000 conv=notrunc 2>/dev/null
	run env OCI_IMAGE_STORE="$WORK/hurt" "$OCI_IMAGE" -q verify app:1
	[ "$status" = 6 ]
}

@test "default filter and capabilities" {
	image unpack app:1 "$WORK/b1"
	jq -e '.process.capabilities.bounding | length == 14' "$WORK/b1/config.json"
	jq -e '.process.capabilities.inheritable == null and .process.capabilities.ambient == null' "$WORK/b1/config.json"
	jq -e '.linux.seccomp.defaultAction == "SCMP_ACT_ERRNO"' "$WORK/b1/config.json"
	jq -e '[.linux.seccomp.syscalls[0].names[] | select(. == "mount" or . == "bpf" or . == "keyctl" or . == "add_key" or . == "userfaultfd" or . == "io_uring_setup")] | length == 0' "$WORK/b1/config.json"
	jq -e '.linux.maskedPaths | index("/proc/kcore")' "$WORK/b1/config.json"
}

@test "exit statuses" {
	run image frobnicate; [ "$status" = 2 ]
	run image unpack app:1; [ "$status" = 2 ]
	run image inspect none:1; [ "$status" = 3 ]
	run image pull 'Bad/REF:x y'; [ "$status" = 2 ]
}

@test "without privileges: flat bundle, runs in a user namespace" {
	image save app:1 -o "$WORK/p.tar"
	chmod 755 "$WORK"; chmod 644 "$WORK/p.tar"
	mkdir -m 777 "$WORK/user"
	as() { setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$WORK/user" OCI_IMAGE_STORE="$WORK/user/store" "$OCI_IMAGE" -q "$@"; }
	as load "$WORK/p.tar"
	as unpack app:1 "$WORK/user/b" -- id
	[ "$(stat -c %u "$WORK/user/b/rootfs/www/index.html")" = 65534 ]
	jq -e '.linux.uidMappings[0].hostID == 65534' "$WORK/user/b/config.json"
	as verify app:1
	as rm-bundle "$WORK/user/b"
	[ ! -e "$WORK/user/b" ]
}
