#!/usr/bin/env bats
# A full Debian userland: package manager, shell pipelines, python, a server in a joined network namespace.

load helpers

setup_file() {
	local cache=${XDG_CACHE_HOME:-$HOME/.cache}/oci-rt tree tmp
	tree=$cache/debian-$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-stable}")
	export DEBIAN=$tree
	export DEBIAN_MISSING=''
	if [ -d "$tree" ]; then return; fi
	if ! command -v debootstrap >/dev/null; then
		DEBIAN_MISSING='debootstrap is not installed'
		return
	fi
	if [ -n "${OCI_RT_TEST_GUEST:-}" ]; then
		DEBIAN_MISSING='this virtual machine has no network to debootstrap from'
		return
	fi
	mkdir -p "$cache"
	tmp=$(mktemp -d "$cache/debian.XXXXXX")
	# debootstrap asks apt's own mirror when none is given
	local mirror
	mirror=$({ sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources
		sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .* main.*/\2/p' /etc/apt/sources.list; } 2>/dev/null | grep -m1 '/debian/\{0,1\}$' || true)
	# shellcheck disable=SC2086
	if debootstrap --variant=minbase --include=python3-minimal "${tree##*-}" "$tmp/root" $mirror >"$cache/debootstrap.log" 2>&1 3>&-; then
		rm -rf "$tmp/root/var/cache/apt/archives"/*.deb "$tmp/root/usr/share/doc" "$tmp/root/usr/share/locale"
		mv -T "$tmp/root" "$tree"
	else
		DEBIAN_MISSING="debootstrap failed: $(tail -n 1 "$cache/debootstrap.log")"
	fi
	rm -rf "$tmp"
}

prepare() {
	[ -z "$DEBIAN_MISSING" ] || skip "$DEBIAN_MISSING"
	config '.root = {"path": $p, "readonly": true} | .mounts += [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}, {"destination": "/run", "type": "tmpfs", "source": "tmpfs"}]' --arg p "$DEBIAN"
}

debian() {
	args /bin/bash -c "$1"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
}

@test "apt-get --version" {
	args /usr/bin/apt-get --version
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_match '^apt [0-9]+\.'
}

@test "a bash pipeline with process substitution, arrays and a trap" {
	debian 'set -euo pipefail; trap "echo bye" EXIT; a=(3 1 2); diff <(printf "%s\n" "${a[@]}" | sort) <(seq 3) && seq 1000 | awk "{ s += \$1 } END { print s }" | tee /tmp/sum >/dev/null; cat /tmp/sum'
	assert_status 0
	assert_output "500500
bye"
}

@test "a python3 script: threads, subprocess, temporary files" {
	cat >"$T/script.py" <<-'PY'
		import os, subprocess, sys, tempfile, threading
		out = []
		ts = [threading.Thread(target=out.append, args=(i * i,)) for i in range(20)]
		[t.start() for t in ts]
		[t.join() for t in ts]
		with tempfile.NamedTemporaryFile() as f:
		    f.write(b"hello")
		    f.flush()
		    n = len(open(f.name, "rb").read())
		u = subprocess.run(["uname", "-s"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
		print(sum(out), n, u, os.getpid(), sys.version_info[0])
	PY
	config '.mounts += [{"destination": "/run/script.py", "type": "bind", "source": $s, "options": ["bind", "ro"]}]' --arg s "$T/script.py"
	args /usr/bin/python3 /run/script.py
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_output '2470 5 Linux 1 3'
}

@test "a server is reached from a container that joins its network namespace" {
	cat >"$T/server.py" <<-'PY'
		import socket
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("127.0.0.1", 8080))
		s.listen(5)
		print("listening", flush=True)
		while True:
		    c, _ = s.accept()
		    c.sendall(b"hello over loopback\n")
		    c.close()
	PY
	config '.mounts += [{"destination": "/run/server.py", "type": "bind", "source": $s, "options": ["bind", "ro"]}]' --arg s "$T/server.py"
	started /usr/bin/python3 /run/server.py
	eventually grep -q listening "$T/stdout"
	local pid
	pid=$(pid_of)
	bundle client
	args /bin/nc 127.0.0.1 8080
	config '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "/proc/$pid/ns/net"
	run rt run --bundle "$BUNDLE" "$ID-client" </dev/null
	assert_status 0
	assert_output 'hello over loopback'
	# and not from outside
	refute timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080' 2>/dev/null
}

@test "system tools see a consistent system: ls -l, stat, df, mount, id, getent" {
	debian 'ls -l / >/dev/null && df / >/dev/null && mount | grep -q " on / " && id && getent passwd root && test "$(stat -c %u /)" = 0 && echo fine'
	assert_status 0
	assert_line fine
	assert_has 'uid=0(root) gid=0(root)'
}

@test "exec into a Debian container as an ordinary user" {
	started /bin/sleep 600
	run rt exec --user 33:33 --cwd /var "$ID" bash -c 'id -un; pwd; ls -d /var/lib' </dev/null
	assert_status 0
	assert_output "www-data
/var
/var/lib"
}
