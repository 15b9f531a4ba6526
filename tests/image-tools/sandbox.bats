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

# read_exploit WHAT COMMAND...: the report of the process that reads WHAT; nothing at all may have worked in it.  Whoever
# only hashes a blob sees the marker too, without a filter: verify and builds do.
read_exploit() {
	local what=$1
	shift
	exploit "$@" 2>"$WORK/report.$what" || { cat "$WORK/report.$what"; return 1; }
	cat "$WORK/report.$what"
	grep -q '^escape-report$' "$WORK/report.$what"
	[ "$(grep -c '^[a-z-]* [0-9]*$' "$WORK/report.$what")" -ge 24 ]
	case $what in verify | add) sed -i '/^no-filter 0$/d' "$WORK/report.$what" ;; esac
	if grep '^[a-z-]* 0$' "$WORK/report.$what"; then return 1; fi
}

@test "import, load, push --compress, verify and ADD: an exploit in what reads their archives reaches nothing at all" {
	local tar=$WORK/escape-marker
	cp "$WORK/root.tar" "$tar"
	gzip -N -k "$tar"
	read_exploit import import "$tar.gz" marked:1
	# save writes a plain tar; compressed with a name it has the marker
	image save marked:1 -o "$WORK/saved"
	cp "$WORK/saved" "$tar"; rm "$tar.gz"; gzip -N -k "$tar"
	read_exploit load load "$tar.gz"
	# a layout whose layer's header has the marker, as skopeo might have left it
	cp "$WORK/root.tar" "$tar"; rm "$tar.gz"; gzip -N -k "$tar"
	python3 - "$tar.gz" "$WORK/marked" <<-'P'
		import gzip, hashlib, json, os, sys
		layer = open(sys.argv[1], "rb").read()
		os.makedirs(sys.argv[2] + "/blobs/sha256")
		def put(data, kind):
		    digest = hashlib.sha256(data).hexdigest()
		    open(sys.argv[2] + "/blobs/sha256/" + digest, "wb").write(data)
		    return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": len(data)}
		plain = "sha256:" + hashlib.sha256(gzip.decompress(layer)).hexdigest()
		config = put(json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [plain]}}).encode(), "config.v1+json")
		manifest = put(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
		    "layers": [put(layer, "layer.v1.tar+gzip")]}).encode(), "manifest.v1+json")
		manifest["annotations"] = {"org.opencontainers.image.ref.name": "1"}
		open(sys.argv[2] + "/index.json", "w").write(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
		open(sys.argv[2] + "/oci-layout", "w").write('{"imageLayoutVersion":"1.0.0"}')
	P
	image cp "oci:$WORK/marked:1" marked:2
	read_exploit compress cp --compress zstd marked:2 "oci:$WORK/again:1"
	read_exploit verify verify marked:2
	mkdir "$WORK/context"
	mv "$tar.gz" "$WORK/context/x.tar.gz"
	printf 'FROM scratch\nADD x.tar.gz /\n' >"$WORK/context/Dockerfile"
	read_exploit add build -t added "$WORK/context"
}

@test "a process that reads archives and is killed, or lies: an error, nothing half-stored" {
	head -c 20000000 /dev/urandom >"$WORK/random"
	tar -C "$WORK" -cf "$WORK/large.tar" random
	before=$(ls "$WORK/store/blobs/sha256" | wc -l)
	(cat "$WORK/large.tar"; sleep 20) | "$OCI_IMAGE" -q import - large:1 2>"$WORK/killed" 3>&- &
	parent=$!
	for _ in $(seq 200); do
		worker=$(pgrep -f -P "$parent" '^oci-image read-stream$' || true)
		[ -z "$worker" ] || break
		sleep 0.05
	done
	kill -9 "$worker"
	status=0
	wait "$parent" || status=$?
	cat "$WORK/killed"
	[ "$status" = 1 ]
	grep -q 'the process that reads an archive failed' "$WORK/killed"
	[ "$(ls "$WORK/store/blobs/sha256" | wc -l)" = "$before" ]
	run image inspect large:1
	[ "$status" = 3 ]
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
