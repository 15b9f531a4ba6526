#!/usr/bin/env bats
# Users who are not root: subordinate ids, containers run without privileges; and id maps for root.
load helpers

setup_file() {
	work_up
	make_root "$WORK/root"
	chown 33:34 "$WORK/root/data/seed"
	tar -C "$WORK/root" -cf "$WORK/root.tar" .
	image import "$WORK/root.tar" app:1 -c 'CMD ["id"]'
	image save app:1 -o "$WORK/p.tar"
	chmod 755 "$WORK"; chmod 644 "$WORK/p.tar"
	mkdir "$WORK/user"
	chown 54321:54321 "$WORK/user"
	# A user of this test alone: seen in a mount namespace where these files are bound over the machine's.
	(cat /etc/passwd; echo "imgtest:x:54321:54321::$WORK/user:/bin/sh") >"$WORK/passwd"
	(cat /etc/group; echo "imgtest:x:54321:") >"$WORK/group"
	echo "imgtest:7000000:65536" >"$WORK/subuid"
	chmod 644 "$WORK"/{passwd,group,subuid}
}
teardown_file() { work_down; }

# as COMMAND...: as that user, with its subordinate ids
as() {
	unshare -m sh -c 'mount --make-rprivate / && mount --bind "$WORK/passwd" /etc/passwd && mount --bind "$WORK/group" /etc/group &&
		touch /etc/subuid /etc/subgid && mount --bind "$WORK/subuid" /etc/subuid && mount --bind "$WORK/subuid" /etc/subgid &&
		cd "$WORK/user" && exec runuser -u imgtest -- env -u REGISTRY_AUTH_FILE HOME="$WORK/user" XDG_RUNTIME_DIR="$WORK/user" \
		OCI_IMAGE_STORE="$WORK/user/store" PATH="$PATH:/usr/sbin" "$@"' sh "$@"
}

@test "a user's flat bundle has subordinate ids and the container sees the image's owners" {
	as "$OCI_IMAGE" -q load "$WORK/p.tar"
	as "$OCI_IMAGE" -q unpack --flat app:1 "$WORK/user/b" -- sh -c 'id -u; stat -c "%u:%g %a" /data/seed /www; cat /proc/self/uid_map; touch /made'
	# 33 is the 33rd subordinate id, 0 the user
	[ "$(stat -c %u:%g "$WORK/user/b/rootfs/data/seed")" = 7000032:7000033 ]
	[ "$(stat -c %u:%g "$WORK/user/b/rootfs/bin")" = 54321:54321 ]
	jq -e '.linux.uidMappings == [{containerID: 0, hostID: 54321, size: 1}, {containerID: 1, hostID: 7000000, size: 65536}]' "$WORK/user/b/config.json"
	run as "$OCI_RT" --root "$WORK/user/run" run -b "$WORK/user/b" "image-rootless-$$" </dev/null
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = "33:34 644" ]
	[ "${lines[2]}" = "1000:1000 755" ]
	[ "$(stat -c %u "$WORK/user/b/rootfs/made")" = 54321 ]
}

@test "same tree as root's, seen through the map" {
	image unpack --flat --no-config app:1 "$WORK/flat"
	as "$OCI_IMAGE" -q unpack --no-config app:1 "$WORK/user/same"
	diff <(tree "$WORK/flat/rootfs") <(tree "$WORK/user/same/rootfs" | sed -E 's/ 54321 54321/ 0 0/; s/ 7000999 7000999/ 1000 1000/; s/ 7000032 7000033/ 33 34/')
}

@test "a user's overlay: shared layers, a writable one of its own, the image's owners" {
	grep -qw overlay /proc/filesystems || modprobe overlay || skip "no overlayfs"
	as "$OCI_IMAGE" -q unpack --overlay app:1 "$WORK/user/o1" -- sh -c 'id -u; stat -c "%u:%g %a" /data/seed /www /; touch /made; rm /www/index.html; chown 5:6 /data/seed; ls /; cat /data/link; awk "{ print \$5, \$(NF-2) }" /proc/self/mountinfo | head -1'
	as "$OCI_IMAGE" -q unpack --overlay app:1 "$WORK/user/o2" -- sh -c 'ls /made; cat /www/index.html; stat -c %u:%g /data/seed'
	before=$(tree "$WORK/user/store/layers")
	[ -z "$(ls "$WORK/user/o1/rootfs")" ]
	run as "$OCI_RT" --root "$WORK/user/run" run -b "$WORK/user/o1" "image-overlay-$$" </dev/null
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = "33:34 644" ]
	[ "${lines[2]}" = "1000:1000 755" ]
	[[ $output == *"seed"* ]]
	[ "${lines[-1]}" = "/ overlay" ]
	# in the writable layer of this one, in ids that are the user's
	[ "$(stat -c %u "$WORK/user/o1/upper/made")" = 54321 ]
	[ "$(stat -c %u:%g "$WORK/user/o1/upper/data/seed")" = 7000004:7000005 ]
	run as "$OCI_RT" --root "$WORK/user/run" run -b "$WORK/user/o2" "image-overlay2-$$" </dev/null
	echo "$output"
	[[ $output == *"/made: No such file"* ]]
	[[ $output == *hello* ]]
	[ "${lines[-1]}" = 33:34 ]
	diff <(echo "$before") <(tree "$WORK/user/store/layers")
	# the same container again has what it wrote
	jq '.process.args = ["ls", "/made", "/www"]' "$WORK/user/o1/config.json" >"$WORK/again"
	cat "$WORK/again" >"$WORK/user/o1/config.json"
	run as "$OCI_RT" --root "$WORK/user/run" run -b "$WORK/user/o1" "image-overlay-$$" </dev/null
	[[ $output == *"/made"* ]]
	[[ $output != *index.html* ]]
	# commit and export take the writable layer along
	as "$OCI_IMAGE" -q commit "$WORK/user/o1" app:3
	run as "$OCI_IMAGE" -q inspect --diff app:1 app:3
	echo "$output"
	[[ $output == *"A /made"* && $output == *"D /www/index.html"* ]]
	as "$OCI_IMAGE" -q export "$WORK/user/o1" -o "$WORK/user/o1.tar"
	tar --numeric-owner -tvf "$WORK/user/o1.tar" >"$WORK/listing"
	grep -q '5/6 .*data/seed' "$WORK/listing"
	grep -q ' made$' "$WORK/listing"
	if grep index.html "$WORK/listing"; then false; fi
	as "$OCI_IMAGE" -q mount "$WORK/user/o1"
}

@test "a user's overlay: gc keeps its layers, rm-bundle waits for the container and removes all of it" {
	as "$OCI_IMAGE" -q unpack --overlay app:1 "$WORK/user/o3" -- sh -c 'mkdir -p /d; echo x >/d/f; chmod 0 /d; sleep 100'
	as "$OCI_RT" --root "$WORK/user/run" run -d -b "$WORK/user/o3" "image-overlay3-$$" </dev/null >/dev/null 2>&1
	as "$OCI_IMAGE" -q rmi app:1
	as "$OCI_IMAGE" -q gc
	as "$OCI_RT" --root "$WORK/user/run" exec "image-overlay3-$$" cat /www/index.html
	run as "$OCI_IMAGE" -q rm-bundle "$WORK/user/o3"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"runs in it"* ]]
	as "$OCI_RT" --root "$WORK/user/run" delete --force "image-overlay3-$$"
	as "$OCI_IMAGE" -q rm-bundle "$WORK/user/o1" "$WORK/user/o2" "$WORK/user/o3"
	for i in 1 2 3; do [ ! -e "$WORK/user/o$i" ]; done
	as "$OCI_IMAGE" -q rmi app:3
	as "$OCI_IMAGE" -q gc
	[ -z "$(ls "$WORK/user/store/layers")" ]
	if grep -r "$WORK/user/o" "$WORK/user/store/bundles"; then false; fi
	as "$OCI_IMAGE" -q load "$WORK/p.tar"
}

@test "where the kernel gives users no overlay the bundle becomes flat, and --overlay is an error that says why" {
	printf '#include <errno.h>\n#include <stdarg.h>\n#include <sys/syscall.h>\n#include <dlfcn.h>\n
		long syscall(long n, ...) { static long (*real)(long, ...); va_list v; long a[6]; va_start(v, n);
		for (int i = 0; i < 6; i++) a[i] = va_arg(v, long);
		va_end(v); if (n == SYS_fsopen) { errno = EPERM; return -1; }
		if (!real) real = (long (*)(long, ...))dlsym(((void *)-1L), "syscall");
		return real(n, a[0], a[1], a[2], a[3], a[4], a[5]); }\n' >"$WORK/nofs.c"
	gcc -shared -fPIC -o "$WORK/nofs.so" "$WORK/nofs.c" -ldl
	chmod 644 "$WORK/nofs.so"
	as sh -c "LD_PRELOAD=$WORK/nofs.so ASAN_OPTIONS=verify_asan_link_order=0"' exec "$@"' sh "$OCI_IMAGE" -q unpack app:1 "$WORK/user/f" -- cat /www/index.html
	[ -e "$WORK/user/f/rootfs/bin/busybox" ]
	[ ! -e "$WORK/user/f/upper" ]
	jq -e '.mounts[0].destination == "/proc"' "$WORK/user/f/config.json"
	run as sh -c "LD_PRELOAD=$WORK/nofs.so ASAN_OPTIONS=verify_asan_link_order=0"' exec "$@"' sh "$OCI_IMAGE" -q unpack --overlay app:1 "$WORK/user/g"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *overlay* ]]
	[ ! -e "$WORK/user/g" ]
	as "$OCI_IMAGE" -q rm-bundle "$WORK/user/f"
	run as "$OCI_IMAGE" -q unpack --overlay --no-config app:1 "$WORK/user/g"
	[ "$status" = 1 ]
	[[ $output == *--no-config* ]]
}

@test "what config.json mounts on / is the root: an overlay, a bind mount; read-only when asked" {
	mkdir -p "$WORK/empty/rootfs" "$WORK/up" "$WORK/wk"
	image unpack --flat app:1 "$WORK/lower" -- sh -c 'cat /www/index.html; stat -c %u:%g /data/seed; touch /made 2>/dev/null && echo made; ls /dev/null /proc/self/status'
	cp "$WORK/lower/config.json" "$WORK/empty/plain.json"
	for kind in overlay bind; do
		case $kind in
		overlay) mount="{\"destination\": \"/\", \"type\": \"overlay\", \"source\": \"o\", \"options\": [\"lowerdir=$WORK/lower/rootfs\", \"upperdir=$WORK/up\", \"workdir=$WORK/wk\"]}" ;;
		bind) mount="{\"destination\": \"/\", \"type\": \"bind\", \"source\": \"$WORK/lower/rootfs\", \"options\": [\"rbind\"]}" ;;
		esac
		for readonly in true false; do
			jq --argjson m "$mount" --argjson ro $readonly '.mounts |= [$m] + . | .root.readonly = $ro' "$WORK/empty/plain.json" >"$WORK/empty/config.json"
			run "$OCI_RT" run -b "$WORK/empty" "image-root-$$" </dev/null
			echo "$kind $readonly: $output"
			[ "$status" = 0 ]
			[[ $output == *hello*33:34* && $output == */dev/null*/proc/self/status* ]]
			if [ $readonly = true ]; then [[ $output != *made* ]]; else [[ $output == *made* ]]; fi
			# the directory below stays as it is
			[ "$(ls "$WORK/empty/rootfs")" = "" ]
		done
	done
	[ -e "$WORK/up/made" ]
}

@test "the store of a user is in his home" {
	as env -u OCI_IMAGE_STORE "$OCI_IMAGE" -q load "$WORK/p.tar"
	[ -e "$WORK/user/.local/share/oci-image/index.json" ]
	as env -u OCI_IMAGE_STORE "$OCI_IMAGE" -q unpack app:1 "$WORK/user/home" -- cat /www/index.html
	run as env -u OCI_IMAGE_STORE "$OCI_RT" --root "$WORK/user/run" run -b "$WORK/user/home" "image-home-$$" </dev/null
	[ "$output" = hello ]
	as env -u OCI_IMAGE_STORE "$OCI_IMAGE" -q rm-bundle "$WORK/user/home"
	as env -u OCI_IMAGE_STORE XDG_DATA_HOME="$WORK/user/xdg" "$OCI_IMAGE" -q load "$WORK/p.tar"
	[ -e "$WORK/user/xdg/oci-image/index.json" ]
}

@test "commit, export, verify, gc, removal by the same user" {
	as "$OCI_IMAGE" -q unpack --flat app:1 "$WORK/user/c"
	as "$OCI_IMAGE" -q unpack --flat app:1 "$WORK/user/d" -- sh -c 'echo new >/data/new; chown 5:6 /data/new; rm /www/index.html'
	as "$OCI_RT" --root "$WORK/user/run" run -b "$WORK/user/d" "image-rootless-c-$$" </dev/null
	as "$OCI_IMAGE" -q commit "$WORK/user/d" app:2
	as "$OCI_IMAGE" -q verify app:2
	run as "$OCI_IMAGE" -q inspect --diff app:1 app:2
	[[ $output == *"A /data/new"* ]]
	[[ $output == *"D /www/index.html"* ]]
	as "$OCI_IMAGE" -q export app:2 -o "$WORK/user/out.tar"
	tar --numeric-owner -tvf "$WORK/user/out.tar" | grep -q '5/6 .*data/new'
	tar --numeric-owner -tvf "$WORK/user/out.tar" | grep -q '33/34 .*data/seed'
	as "$OCI_IMAGE" -q rm-bundle "$WORK/user/c" "$WORK/user/d"
	[ ! -e "$WORK/user/c" ]
	as "$OCI_IMAGE" -q rmi app:2
	as "$OCI_IMAGE" -q gc
	as "$OCI_IMAGE" -q verify app:1
}

@test "exit statuses pass through; a range that is not ours is refused" {
	run as "$OCI_IMAGE" -q inspect none:1
	[ "$status" = 3 ]
	run as "$OCI_IMAGE" -q frobnicate
	[ "$status" = 2 ]
	cp "$WORK/subuid" "$WORK/subuid.good"
	echo "imgtest:4294967295:65536" >"$WORK/subuid"
	run as "$OCI_IMAGE" -q images
	[ "$status" = 0 ]
	cat "$WORK/subuid.good" >"$WORK/subuid"
}

@test "where users get no namespaces everything belongs to one id" {
	printf '#include <errno.h>\nint unshare(int flags) { (void)flags; errno = EPERM; return -1; }\n' >"$WORK/none.c"
	gcc -shared -fPIC -o "$WORK/none.so" "$WORK/none.c"
	chmod 644 "$WORK/none.so"
	as sh -c "LD_PRELOAD=$WORK/none.so ASAN_OPTIONS=verify_asan_link_order=0"' exec "$@"' sh "$OCI_IMAGE" -q unpack app:1 "$WORK/user/one"
	[ "$(stat -c %u:%g "$WORK/user/one/rootfs/data/seed")" = 54321:54321 ]
	jq -e '.linux.uidMappings == [{containerID: 0, hostID: 54321, size: 1}]' "$WORK/user/one/config.json"
	as "$OCI_IMAGE" -q rm-bundle "$WORK/user/one"
}

@test "root: --uid-map chowns the tree and the container runs in a user namespace" {
	image unpack --uid-map 0:200000:65536 --gid-map 0:300000:65536 app:1 "$WORK/b" -- sh -c 'id -u; stat -c "%u:%g" /data/seed /www; cat /proc/self/uid_map'
	[ "$(stat -c %u:%g "$WORK/b/rootfs/data/seed")" = 200033:300034 ]
	[ "$(stat -c %u:%g "$WORK/b/rootfs")" = 200000:300000 ]
	run "$OCI_RT" run -b "$WORK/b" "image-idmap-$$" </dev/null
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = 33:34 ]
	[ "${lines[2]}" = 1000:1000 ]
	[[ ${lines[3]} == *200000*65536* ]]
	# what changed goes back with the container's ids, with and without the record of the tree, and nothing else does
	echo new >"$WORK/b/rootfs/data/new"
	chown 200033:300034 "$WORK/b/rootfs/data/new"
	for how in recorded compared; do
		image commit "$WORK/b" "mapped:$how"
		image export "mapped:$how" | tar -tv --numeric-owner >"$WORK/list"
		grep -E ' 33/34 .* data/new$' "$WORK/list"
		image inspect --files "mapped:$how" "$(image inspect --raw "mapped:$how" | jq '.layers | length')" >"$WORK/list"
		cat "$WORK/list"
		grep -q data/new "$WORK/list"
		run grep -E 'www|data/seed|/bin|/lib' "$WORK/list"
		[ "$status" = 1 ]
		rm -f "$WORK/b/tree"
	done
	image export "$WORK/b" | tar -tv --numeric-owner | grep -E ' 33/34 .* data/new$'
	chown 5:5 "$WORK/b/rootfs/data/new"
	run image commit "$WORK/b" mapped:3
	[ "$status" = 1 ]
	[[ $output == *'data/new": its owner 5:5 is nobody in the container'* ]]
	image rm-bundle "$WORK/b"
	run image unpack --uid-map 0:200000:30 app:1 "$WORK/b"
	[ "$status" = 1 ]
	[[ $output == *"no mapping for its owner"* ]]
	[ ! -e "$WORK/b" ]
	for bad in 0:1 a:1:1 0:1:0 0:4294967295:2 -1:0:1 1:2:3:4; do
		run image unpack --uid-map "$bad" app:1 "$WORK/b"
		[ "$status" = 2 ]
	done
	run image unpack --uid-map 0:1:10 --uid-map 5:100:10 app:1 "$WORK/b"
	[ "$status" = 2 ]
}

@test "--spec is merged over config.json" {
	cat >"$WORK/patch.json" <<-'J'
		{"hostname": "merged", "process": {"oomScoreAdj": null, "env": ["ONLY=this"], "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 4611686018427387904, "soft": 100}]},
		 "annotations": {"org.example": "1"}}
	J
	image unpack --flat app:1 "$WORK/plain"
	image unpack --flat --spec "$WORK/patch.json" app:1 "$WORK/b"
	jq -e '.hostname == "merged" and .process.env == ["ONLY=this"] and (.process | has("oomScoreAdj") | not) and .process.cwd == "/"' "$WORK/b/config.json"
	grep -q 4611686018427387904 "$WORK/b/config.json"
	diff <(jq -S '.linux, .mounts, .root' "$WORK/plain/config.json" | sed "s,$WORK/plain,X,") <(jq -S '.linux, .mounts, .root' "$WORK/b/config.json" | sed "s,$WORK/b,X,")
	"$OCI_RT" check "$WORK/b" || [ -z "$("$OCI_RT" --help | grep -w check)" ]
	for text in '[]' '{' '' '{"a":1}{}'; do
		printf %s "$text" >"$WORK/bad.json"
		run image unpack --flat --spec "$WORK/bad.json" app:1 "$WORK/x"
		[ "$status" = 1 ]
		[ ! -e "$WORK/x" ]
	done
}
