# Shared by the suites of image-tools.  Each file has its own work directory and store; the registry of a file
# listens on a free port of the loopback and dies with the file.
: "${OCI_IMAGE:=${OCI_BUILD:-${BUILD:-$PWD}}/oci-image}"
: "${OCI_RT:=runc}"
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export OCI_IMAGE_RETRY_MS=20 OCI_IMAGE_STALL_SECONDS=2

image() { "$OCI_IMAGE" -q "$@"; }

work_up() {
	WORK=$(mktemp -d /tmp/oci-image-test.XXXXXX)
	export WORK OCI_IMAGE_STORE=$WORK/store HOME=$WORK/home REGISTRY_AUTH_FILE=$WORK/auth.json
	mkdir "$HOME"
}

work_down() {
	for f in "$WORK"/*.pid; do
		[ -e "$f" ] && kill "$(cat "$f")" 2>/dev/null
	done
	while read -r m; do umount -l "$m"; done < <(awk -v w="$WORK/" 'index($5, w) == 1 { print $5 }' /proc/self/mountinfo)
	rm -rf "$WORK"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_port() {
	for _ in $(seq 100); do
		(: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
		sleep 0.05
	done
	return 1
}

# registry NAME [extra yaml for http:] [extra top-level yaml]: sets PORT_NAME
registry() {
	local port
	port=$(free_port)
	cat >"$WORK/$1.yml" <<-Y
		version: 0.1
		log: {level: error, accesslog: {disabled: true}}
		storage: {filesystem: {rootdirectory: $WORK/$1.data}, delete: {enabled: true}}
		http:
		  addr: 127.0.0.1:$port
		$2
		$3
	Y
	env -u REGISTRY_AUTH_FILE docker-registry serve "$WORK/$1.yml" >"$WORK/$1.log" 2>&1 3>&- &
	echo $! >"$WORK/$1.pid"
	wait_port "$port"
	printf -v "PORT_$1" %s "$port"
	export "PORT_$1"
}

# A small root filesystem: busybox with a few users and files of every kind.
make_root() {
	local r=$1
	mkdir -p "$r"/bin "$r"/etc "$r"/data "$r"/www "$r/tmp"
	cp /bin/busybox "$r/bin/busybox"
	for a in sh ls cat id echo sleep httpd mkdir touch rm stat pwd env ip; do ln -s busybox "$r/bin/$a"; done
	printf 'root:x:0:0:root:/root:/bin/sh\nwww:x:1000:1000::/www:/bin/sh\n1234:x:0:0::/:/bin/sh\n' >"$r/etc/passwd"
	printf 'root:x:0:\nwww:x:1000:\nextra:x:2000:www\n' >"$r/etc/group"
	echo hello >"$r/www/index.html"
	echo seed >"$r/data/seed"
	ln "$r/data/seed" "$r/data/link"
	chmod 4755 "$r/bin/busybox"
	chown 1000:1000 "$r/www"
	chmod 1777 "$r/tmp"
	truncate -s 1M "$r/data/sparse"
	setfattr -n user.note -v hi "$r/data/seed" 2>/dev/null || true
	mkfifo "$r/data/fifo"
	touch -d 2001-02-03T04:05:06Z "$r/data/seed" "$r/www" "$r/etc/passwd"
}

# Everything about a tree that an image must carry.
tree() { (cd "$1" && find . -mindepth 1 \( -type d -printf '%p %y %m %U %G\n' -o -printf '%p %y %m %U %G %l %T@ %n\n' \) | grep -v '^\./\(dev\|proc\|sys\) ' | sort && find . -type f -exec sha256sum {} + | sort -k2 &&
	getfattr -R -h -d -m '^user\.' . 2>/dev/null); }
