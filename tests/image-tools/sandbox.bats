#!/usr/bin/env bats
# The process that parses a layer: what it may, and that an exploit in it reaches nothing.
load helpers

setup_file() {
	work_up
	gcc -shared -fPIC -O1 -o "$WORK/escape.so" "$HERE/escape.c" -ldl
	make_root "$WORK/root"
	echo x >"$WORK/root/escape"
	head -c 3000000 /dev/urandom >"$WORK/root/zbig"
	tar -C "$WORK/root" -cf "$WORK/root.tar" ./escape ./bin ./etc ./www ./zbig
	image import "$WORK/root.tar" app:1
}
teardown_file() { work_down; }

# Preloaded into the whole program; only the worker ever creates a file "escape".
exploit() { env LD_PRELOAD="$WORK/escape.so" ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0" "$OCI_IMAGE" -q "$@"; }

# Nothing but "inside" may have worked.
check_report() {
	cat "$1"
	[ "$(awk '$2 == 0 { print $1 }' "$1")" = inside ]
	[ "$(wc -l <"$1")" -ge 22 ]
}

@test "an exploit in the parser reaches nothing outside the layer" {
	local mode
	for mode in flat overlay; do
		rm -rf "$WORK"/store/layers/*
		exploit unpack "--$mode" --no-config app:1 "$WORK/b"
		check_report "$WORK/b/rootfs/escape-report"
		image rm-bundle "$WORK/b"
	done
	image inspect app:1 >/dev/null
}

@test "an exploit in the parser of an unprivileged user reaches nothing either" {
	image save app:1 -o "$WORK/p.tar"
	chmod 755 "$WORK"; chmod 644 "$WORK/p.tar" "$WORK/escape.so"
	mkdir -m 777 "$WORK/user"
	as() { setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$WORK/user" OCI_IMAGE_STORE="$WORK/user/store" "$@"; }
	as "$OCI_IMAGE" -q load "$WORK/p.tar"
	as env LD_PRELOAD="$WORK/escape.so" ASAN_OPTIONS=verify_asan_link_order=0 "$OCI_IMAGE" -q unpack --flat --no-config app:1 "$WORK/user/b"
	check_report "$WORK/user/b/rootfs/escape-report"
}

@test "status of the worker: filter, no_new_privs, capabilities, root, descriptors, environment" {
	image cp app:1 "oci:$WORK/layout:1"
	port=$(free_port)
	python3 "$HERE/faultserver.py" "$port" "$WORK/layout" "$WORK/log" 3>&- & echo $! >"$WORK/one.pid"
	wait_port "$port"
	# the server sends 50 kB and then waits
	OCI_IMAGE_STORE=$WORK/s2 OCI_IMAGE_STALL_SECONDS=60 SECRET=hush "$OCI_IMAGE" -q pull "localhost:$port/stall/app:1" 3>&- &
	parent=$!
	for _ in $(seq 200); do
		worker=$(pgrep -P "$parent" || true)
		[ -z "$worker" ] || ! grep -q '^Seccomp:.*2' "/proc/$worker/status" || break
		sleep 0.05
	done
	cat "/proc/$worker/status" >"$WORK/status"
	ls -l "/proc/$worker/fd" >"$WORK/fds"
	root=$(ls "/proc/$worker/root/")
	environment=$(tr '\0' '\n' <"/proc/$worker/environ")
	kill -9 "$parent"; wait "$parent" || true
	for _ in $(seq 100); do [ -e "/proc/$worker" ] || break; sleep 0.05; done
	[ ! -e "/proc/$worker" ]
	grep -E 'Seccomp|NoNewPrivs|Cap' "$WORK/status"
	grep -q '^Seccomp:[[:space:]]*2' "$WORK/status"
	grep -q '^NoNewPrivs:[[:space:]]*1' "$WORK/status"
	# CHOWN DAC_OVERRIDE FOWNER FSETID, SYS_ADMIN for trusted.overlay, MKNOD, SETFCAP
	[ "$(awk '$1 == "CapEff:" { print $2 }' "$WORK/status")" = 000000008820001b ]
	[ "$(awk '$1 == "CapBnd:" { print $2 }' "$WORK/status")" = 000000008820001b ]
	echo "root $root"; cat "$WORK/fds"
	[[ $'\n'$root != *$'\nusr'* ]]
	if grep -q socket "$WORK/fds"; then false; fi
	[[ $environment != *hush* ]]
}
