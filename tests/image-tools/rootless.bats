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

@test "a user's bundle has subordinate ids and the container sees the image's owners" {
	as "$OCI_IMAGE" -q load "$WORK/p.tar"
	as "$OCI_IMAGE" -q unpack app:1 "$WORK/user/b" -- sh -c 'id -u; stat -c "%u:%g %a" /data/seed /www; cat /proc/self/uid_map; touch /made'
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

@test "commit, export, verify, gc, removal by the same user" {
	as "$OCI_IMAGE" -q unpack app:1 "$WORK/user/c"
	as "$OCI_IMAGE" -q unpack app:1 "$WORK/user/d" -- sh -c 'echo new >/data/new; chown 5:6 /data/new; rm /www/index.html'
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
