#!/usr/bin/env bats
# Power cuts and kills: the store lies on an ext4 of its own; at the n-th operation that makes something durable or
# visible everything stops, the disk is copied as it is (what was not synced is lost), and the copy must open, verify
# and go on.  Short: a few cuts spread over each verb; with OCI_RT_TEST_LONG every one.
load helpers

setup_file() {
	work_up
	[ -e /dev/loop-control ] || skip "no loop devices"
	gcc -shared -fPIC -O1 -o "$WORK/cut.so" "$HERE/cut.c" -ldl
	make_root "$WORK/root"
	rm "$WORK/root/data/sparse"
	head -c 300000 /dev/urandom >"$WORK/root/some"
	tar -C "$WORK/root" -cf "$WORK/one.tar" .
	mkdir "$WORK/more"; head -c 200000 /dev/urandom >"$WORK/more/else"
	tar -C "$WORK/more" -cf "$WORK/two.tar" .
	registry plain "" ""
	image import "$WORK/one.tar" app:1 -c 'CMD ["sh"]'
	image import "$WORK/two.tar" app:2 -c 'CMD ["sh"]'
	image push app:1 "localhost:$PORT_plain/app:1"
	image push app:2 "localhost:$PORT_plain/app:2"
	mkdir "$WORK/disk" "$WORK/copy"
	# a program of its own, so that the process that is started is the one to kill
	cat >"$WORK/cut-run" <<-'S'
		#!/bin/sh
		export LD_PRELOAD="$WORK/cut.so" ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0:detect_leaks=0" CUT_FILE="$WORK/count" CUT_AT="$1"
		shift
		exec setsid -w "$OCI_IMAGE" -q "$@"
	S
	chmod +x "$WORK/cut-run"
	export OCI_IMAGE
	truncate -s 48M "$WORK/disk.img"
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$WORK/disk.img"
}
teardown_file() { work_down; }
teardown() { umount "$WORK/copy" 2>/dev/null || true; umount -l "$WORK/disk" 2>/dev/null || true; }

# The disk as `prepare` leaves it, mounted.
fresh_disk() {
	# A new file each time: the kernel may keep a loop device, and its cache, of an old one a little longer.
	rm -f "$WORK"/now.*.img
	NOW=$WORK/now.$RANDOM$RANDOM.img
	cp --sparse=always "$WORK/disk.img" "$NOW"
	mount -o loop "$NOW" "$WORK/disk"
	export OCI_IMAGE_STORE=$WORK/disk/store
	[ -z "$1" ] || "$1"
	sync -f "$WORK/disk"
}


# The kernel lets go of what killed processes had open a moment later.
umount_disk() {
	for _ in $(seq 100); do
		! mountpoint -q "$WORK/disk/b/rootfs" || umount "$WORK/disk/b/rootfs" || true
		if umount "$WORK/disk" 2>/dev/null; then return 0; fi
		sleep 0.05
	done
	echo "the disk is still in use"
	return 1
}

# what the copy must be able to do: all names verify; everything else can be made again
check_copy() {
	mount -o loop "$COPY" "$WORK/copy"
	export OCI_IMAGE_STORE=$WORK/copy/store
	if [ -e "$OCI_IMAGE_STORE/index.json" ]; then
		python3 -m json.tool "$OCI_IMAGE_STORE/index.json" >/dev/null
		for b in "$OCI_IMAGE_STORE"/blobs/sha256/*; do
			[ ! -e "$b" ] || [ "$(sha256sum <"$b" | cut -d' ' -f1)" = "$(basename "$b")" ] || { echo "half a blob: $b"; return 1; }
		done
		for name in $("$OCI_IMAGE" --json images | jq -r '.[].name'); do
			image verify --tree "$name" || { echo "$name does not verify"; return 1; }
		done
	fi
	image pull "localhost:$PORT_plain/app:1" "localhost:$PORT_plain/app:2"
	image verify --tree "localhost:$PORT_plain/app:1"
	image verify --tree "localhost:$PORT_plain/app:2"
	image gc
	[ -z "$(ls "$OCI_IMAGE_STORE/tmp")" ] || { ls -R "$OCI_IMAGE_STORE/tmp"; return 1; }
	umount "$WORK/copy"
}

copy_disk() {
	rm -f "$WORK"/copy.*.img
	COPY=$WORK/copy.$RANDOM$RANDOM.img
	cp --sparse=always "$NOW" "$COPY"
}

# campaign PREPARE VERB...: count the operations, then cut at them
campaign() {
	local prepare=$1 total n step=1 pid
	shift
	rm -f "$WORK"/count*
	fresh_disk "$prepare"
	"$WORK/cut-run" 0 "$@"
	total=$(od -An -tu4 -N4 "$WORK/count" | tr -d ' ')
	umount_disk
	echo "$*: $total operations"
	[ "$total" -ge 2 ]
	[ -n "${OCI_RT_TEST_LONG:-}" ] || step=$((total / ${CUTS:-2} + 1))
	for ((n = 1 + RANDOM % step; n <= total; n += step)); do
		rm -f "$WORK"/count*
		fresh_disk "$prepare"
		"$WORK/cut-run" "$n" "$@" 3>&- &
		pid=$!
		for _ in $(seq 600); do { [ ! -e "$WORK/count.reached" ] && kill -0 $pid 2>/dev/null; } || break; sleep 0.02; done
		copy_disk
		kill -9 -- -$pid 2>/dev/null || kill -9 $pid 2>/dev/null || true
		wait $pid 2>/dev/null || true
		umount_disk
		check_copy || { echo "cut $n of $total in: $*"; return 1; }
	done
}

one_image() { image pull "localhost:$PORT_plain/app:1"; }
with_garbage() {
	image pull "localhost:$PORT_plain/app:1" "localhost:$PORT_plain/app:2"
	jq -c '.manifests |= map(select(.annotations["org.opencontainers.image.ref.name"] | endswith("app:1")))' "$OCI_IMAGE_STORE/index.json" >"$WORK/index"
	cat "$WORK/index" >"$OCI_IMAGE_STORE/index.json"
}
with_bundle() { one_image; image unpack "localhost:$PORT_plain/app:1" "$WORK/disk/b"; echo new >"$WORK/disk/b/rootfs/new"; }

@test "power cut in the first pull" { campaign "" pull "localhost:$PORT_plain/app:1"; }
@test "power cut in a pull beside another image" { campaign one_image pull "localhost:$PORT_plain/app:2"; }
@test "power cut in unpack" { campaign one_image unpack --flat --no-config "localhost:$PORT_plain/app:1" "$WORK/disk/flat"; }
@test "power cut in commit" { CUTS=2 campaign with_bundle commit "$WORK/disk/b" new:1; }
@test "power cut in gc" { campaign with_garbage gc; }
@test "power cut in tag and rmi" { CUTS=2 campaign one_image tag "localhost:$PORT_plain/app:1" other:1; CUTS=2 campaign with_garbage rmi "localhost:$PORT_plain/app:1"; }

@test "the oracle sees a half blob and a damaged name" {
	fresh_disk one_image
	for b in "$WORK"/disk/store/blobs/sha256/*; do [ "$(stat -c %s "$b")" -lt 100000 ] || truncate -s 5 "$b"; done
	# a container that starts beside us has the mount too for a moment, so that unmounting may write nothing
	sync -f "$WORK/disk"
	umount "$WORK/disk"
	copy_disk
	run check_copy
	[ "$status" != 0 ]
	[[ $output == *"half a blob"* ]]
}

@test "kill -9 at random moments of pull, unpack, commit, gc" {
	export OCI_IMAGE_STORE=$WORK/killed
	local i rounds=8
	[ -z "${OCI_RT_TEST_LONG:-}" ] || rounds=300
	one_image
	image unpack "localhost:$PORT_plain/app:1" "$WORK/kb"
	for ((i = 0; i < rounds; i++)); do
		case $((i % 4)) in
		0) set -- pull "localhost:$PORT_plain/app:2" ;;
		1) set -- unpack --flat --no-config "localhost:$PORT_plain/app:1" "$WORK/killed-b$i" ;;
		2) set -- commit "$WORK/kb" "new:$i" ;;
		3) image rmi "localhost:$PORT_plain/app:2" 2>/dev/null || true; set -- gc ;;
		esac
		setsid "$OCI_IMAGE" -q "$@" 2>/dev/null 3>&- &
		local pid=$!
		sleep "0.0$((RANDOM % 10))"
		kill -9 -- -$pid 2>/dev/null || kill -9 $pid 2>/dev/null || true
		wait $pid 2>/dev/null || true
	done
	# a process that unpacks dies with its parent
	for _ in $(seq 100); do pgrep -f "^oci-image apply-layer$" -g 0 >/dev/null || break; sleep 0.05; done
	for name in $("$OCI_IMAGE" --json images | jq -r '.[].name'); do image verify --tree "$name"; done
	image gc
	[ -z "$(ls "$WORK/killed/tmp")" ]
	image rm-bundle --force "$WORK/kb"
	rm -rf "$WORK"/killed-b*
}
