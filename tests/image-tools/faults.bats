#!/usr/bin/env bats
# A registry that breaks, lies and stalls: recovery or a clear error, nothing half-stored, no credentials leaked.
load helpers

setup_file() {
	work_up
	make_root "$WORK/root"
	head -c 3000000 /dev/urandom >"$WORK/root/big"
	tar -C "$WORK/root" -cf "$WORK/root.tar" .
	image import "$WORK/root.tar" app:1 -c 'CMD ["sh"]'
	image cp app:1 "oci:$WORK/layout:1"
	rm -rf "$WORK/store"
	PORT=$(free_port) OTHER=$(free_port)
	export PORT OTHER
	python3 "$HERE/faultserver.py" "$PORT" "$WORK/layout" "$WORK/log" "$OTHER" 3>&- & echo $! >"$WORK/one.pid"
	python3 "$HERE/faultserver.py" "$OTHER" "$WORK/layout" "$WORK/log2" 3>&- & echo $! >"$WORK/two.pid"
	wait_port "$PORT" && wait_port "$OTHER"
	printf '{"auths":{"localhost:%s":{"auth":"%s"}}}' "$PORT" "$(printf user:secret | base64)" >"$REGISTRY_AUTH_FILE"
	cp -a "$WORK" "$WORK.pristine" 2>/dev/null || true
	rm -rf "$WORK.pristine"
}
teardown_file() { work_down; }
setup() { rm -rf "$WORK/store"; : >"$WORK/log"; : >"$WORK/log2"; }

good() {
	run image pull "localhost:$PORT/$1/app:1"
	echo "$output"
	[ "$status" = 0 ]
	image verify --tree "localhost:$PORT/$1/app:1"
	[ -z "$(ls "$WORK/store/tmp")" ]
}

# bad FAULT STATUS WORDS: also nothing may have a name, no blob may be wrong, no layer may be there
bad() {
	run image pull "localhost:$PORT/$1/app:1"
	echo "status $status: $output"
	[ "$status" = "$2" ]
	[[ $output == *"$3"* ]]
	[ -z "$("$OCI_IMAGE" -q images)" ]
	for b in "$WORK"/store/blobs/sha256/*; do
		[ -e "$b" ] || continue
		[ "$(sha256sum <"$b" | cut -d' ' -f1)" = "$(basename "$b")" ]
	done
	[ -z "$(find "$WORK/store/layers" -mindepth 1)" ]
	[ -z "$(find "$WORK/store/tmp" -mindepth 1 -maxdepth 1 -name 'run*')" ]
}

@test "no fault" { good plain; }
@test "body cut three times: resumed with Range" { good truncated; grep -q 'bytes=' "$WORK/log"; }
@test "body cut for ever: network error" { bad truncated-forever 5 ""; }
@test "Content-Length too short" { run image pull "localhost:$PORT/short-length/app:1"; [ "$status" = 0 ] || [ "$status" = 5 ]; }
@test "wrong digest" { bad wrong-digest 6 "digest"; [ -z "$(ls "$WORK/store/tmp")" ]; }
@test "longer than the manifest says" { bad too-long 6 "longer"; }
@test "range ignored: 200 is not appended twice" { good range-ignored; }
@test "range shifted: refused" { bad range-shifted 5 "range"; }
@test "stall: broken off and resumed" { good stall; grep -q 'bytes=' "$WORK/log"; }
@test "429 with both forms of Retry-After" { start=$SECONDS; good status-429; [ $((SECONDS - start)) -ge 1 ]; }
@test "500 three times" { good status-500; }
@test "503 for ever" { bad status-500-forever 5 "503"; }
@test "manifest of another type than sent" { bad wrong-type 1 "sent as"; }
@test "manifest and index at once (CVE-2021-41190)" { bad both 1 "ambiguity"; }
@test "schema 1" { bad schema1 1 "schema 1"; }
@test "manifest that is no JSON" { bad not-json 1 ""; }
@test "manifest of 5 MB" { bad huge-manifest 1 "larger"; }
@test "index loop" { bad index-loop 6 ""; }
@test "digest header that lies" { bad digest-header 6 "digest"; }
@test "digest as a path (CVE-2024-3727)" { bad evil-digest 1 "digest"; }
@test "redirect to another host" { good redirect; }
@test "redirect to another host: no token goes along" {
	good auth-redirect
	grep -q 'Bearer tok' "$WORK/log"
	grep -q GET "$WORK/log2"
	if grep -q 'Bearer\|Basic' "$WORK/log2"; then false; fi
}
@test "redirect loop" { bad redirect-loop 5 "redirect"; }
@test "redirect to a file" { bad redirect-file 1 "redirect"; }
@test "token, with credentials sent to the realm only" {
	good auth
	grep -q "GET /token.* Basic $(printf user:secret | base64)" "$WORK/log"
	if grep '/v2/' "$WORK/log" | grep -q Basic; then false; fi
}
@test "token expires in the middle" { good auth-expires; [ "$(grep -c 'GET /token' "$WORK/log")" -ge 2 ]; }
@test "realm on a private address (SSRF)" { bad auth-private 4 "private"; }

@test "killed in the middle, resumed by another process" {
	local i=0
	# stall answers the first request with 50 kB and then nothing
	kill "$(cat "$WORK/one.pid")"; sleep 0.2
	python3 "$HERE/faultserver.py" "$PORT" "$WORK/layout" "$WORK/log" "$OTHER" 3>&- & echo $! >"$WORK/one.pid"
	wait_port "$PORT"
	OCI_IMAGE_STALL_SECONDS=30 "$OCI_IMAGE" -q pull "localhost:$PORT/stall/app:1" &
	local pid=$!
	until [ -n "$(find "$WORK/store/tmp" -name '*.part' -size +40k 2>/dev/null)" ] || [ $((i++)) -gt 100 ]; do sleep 0.05; done
	kill -9 $pid
	wait $pid || true
	: >"$WORK/log"
	image pull "localhost:$PORT/stall/app:1"
	grep -q 'bytes=5' "$WORK/log"
	image verify --tree "localhost:$PORT/stall/app:1"
}

@test "kill -9 at random points, then everything is well" {
	for i in $(seq 1 "${OCI_RT_TEST_LONG:+100}${OCI_RT_TEST_LONG:-15}" 2>/dev/null || seq 15); do
		"$OCI_IMAGE" -q pull "localhost:$PORT/plain/app:1" &
		local pid=$!
		sleep "0.0$((RANDOM % 9))$((RANDOM % 9))"
		kill -9 $pid 2>/dev/null || true # it may be through already
		wait $pid 2>/dev/null || true
		for b in "$WORK"/store/blobs/sha256/*; do
			[ ! -e "$b" ] || [ "$(sha256sum <"$b" | cut -d' ' -f1)" = "$(basename "$b")" ]
		done
		[ ! -e "$WORK/store/index.json" ] || python3 -m json.tool "$WORK/store/index.json" >/dev/null
		[ $((i % 5)) != 0 ] || rm -rf "$WORK/store"
	done
	good_after() { image pull "localhost:$PORT/plain/app:1" && image verify --tree "localhost:$PORT/plain/app:1"; }
	good_after
	image gc
	[ -z "$(ls "$WORK/store/tmp")" ]
}

@test "full disk: error, nothing half-stored, recovery" {
	mkdir -p "$WORK/small"
	mount -t tmpfs -o size=2m none "$WORK/small"
	run env OCI_IMAGE_STORE="$WORK/small" "$OCI_IMAGE" -q pull "localhost:$PORT/plain/app:1"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *ENOSPC* || $output == *"space"* ]]
	mount -o remount,size=50m "$WORK/small"
	OCI_IMAGE_STORE="$WORK/small" image pull "localhost:$PORT/plain/app:1"
	OCI_IMAGE_STORE="$WORK/small" image verify --tree "localhost:$PORT/plain/app:1"
	umount "$WORK/small"
}
