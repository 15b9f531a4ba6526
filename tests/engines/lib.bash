# shellcheck shell=bash
# shellcheck disable=SC2034	# what the suites and lib.bash tell one another
# What the engines' suites share: checks and their TAP, a place of their own, images, a registry.
#
# Theory of operation.  A check is a function that does with an engine what its users do and fails when they would see
# something else.  It runs with oci-rt; when that fails it runs once more with each peer (runc, crun).  It passes with a peer:
# "not ok".  It fails with every peer too: the machine or the engine is the reason, and the check is a skip that quotes it.
# With OCI_RT_TEST_LONG all checks run with all runtimes.  Every check leaves a comment that table.sh reads:
#
#     # record ENGINE | VERSION | CGROUP MODE | FEATURE | oci-rt=ok runc=ok | PEER'S LAST WORDS
#
# The place: mount, network and pid namespaces whose /run, /etc/docker, /var/lib/... are empty file systems.  The engine's
# daemons, its bridges, iptables rules, mounts and processes end with it; only cgroups are the machine's, and they are
# below /$TAG.  The network has nothing but what a check makes, and a registry on 127.0.0.1:5000.

WAIT=${OCI_RT_ENGINES_WAIT:-60}	# seconds that anything may take on a busy machine

# ------------------------------------------------------------------ checks

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# Within a check any failing command ends it.  The one that did is named.
check_trap() { printf '%s: line %s: status %s: %s\n' "${BASH_SOURCE[1]##*/}" "${BASH_LINENO[0]}" "$1" "$BASH_COMMAND"; }

# one FUNCTION RUNTIME: status of the check; its output in $W/out.RUNTIME.  No caller may test its status in place: bash
# ignores -e below a condition.
one() {
	local rc
	use_runtime "$2" >"$W/out.$2" 2>&1
	set +e
	(
		set -eE -o pipefail
		trap 'check_trap $?' ERR
		T=$W/t
		rm -rf "$T"
		mkdir -p "$T"
		cd "$T"
		RUNTIME=$2
		"$1"
	) >>"$W/out.$2" 2>&1 </dev/null
	rc=$?
	clean_check >"$W/out.clean" 2>&1
	return $rc
}

# t FEATURE FUNCTION: a check; T FEATURE FUNCTION: one of the long runs
t() {
	local feature=$1 function=$2 rc peer record ours=1 better='' last='' peers=() start=$SECONDS
	[ -z "${ONLY:-}" ] || [[ $feature =~ $ONLY ]] || return 0
	one "$function" oci-rt
	rc=$?
	record="oci-rt=ok"
	if [ $rc != 0 ]; then
		ours=0
		record="oci-rt=fail"
	fi
	if [ $ours = 0 ] || [ -n "${OCI_RT_TEST_LONG:-}" ]; then
		peers=("${PEERS[@]}")
	fi
	for peer in "${peers[@]}"; do
		one "$function" "$peer"
		rc=$?
		if [ $rc = 0 ]; then
			record+=" $peer=ok"
			better+=" $peer"
		else
			record+=" $peer=fail"
			last="$peer: $(last_words "$W/out.$peer")"
		fi
	done
	[ $ours = 1 ] && last=''
	say "# record $ENGINE | $VERSION | $CGROUP | $feature | $record | $last | $((SECONDS - start)) s"
	if [ $ours = 1 ]; then
		say "ok $ENGINE $VERSION: $feature"
	elif [ -z "$better" ] && [ ${#peers[@]} -gt 0 ]; then
		say "ok $ENGINE $VERSION: $feature # skip not on this machine, with its own runtimes neither: $last"
		sed "s/^/#   with $peer: /" "$W/out.$peer" | tail -n 6
	else
		say "not ok $ENGINE $VERSION: $feature (passes with:$better)"
		sed 's/^/#   with oci-rt: /' "$W/out.oci-rt" | tail -n 30
	fi
}
T() { [ -z "${OCI_RT_TEST_LONG:-}" ] || t "$@"; }

# last_words FILE: the line that says most, without the trap's line and without ids
last_words() {
	local line
	line=$(grep -E 'rror|ermitted|ailed|annot|denied' "$1" | grep -vE '^[a-z-]+\.bash: line' | tail -n 1)
	[ -n "$line" ] || line=$(grep -vE '^[a-z-]+\.bash: line' "$1" | tail -n 1)
	printf %s "$line" | tr -d '#|' | sed -E 's/[0-9a-f]{64}/ID/g' | tail -c 240
}

# equal WHAT GOT WANTED
equal() {
	[ "$2" = "$3" ] || { printf '%s is "%s", not "%s"\n' "$1" "$2" "$3"; return 1; }
}

# matches WHAT GOT EXTENDED-REGEX
matches() {
	[[ $2 =~ $3 ]] || { printf '%s is\n%s\nwithout: %s\n' "$1" "$2" "$3"; return 1; }
}

# lacks WHAT GOT EXTENDED-REGEX
lacks() {
	if [[ $2 =~ $3 ]]; then
		printf '%s is\n%s\nwith: %s\n' "$1" "$2" "$3"
		return 1
	fi
}

# status N COMMAND...: ends with it; its output, both streams, is in $output
status() {
	local want=$1 rc=0
	shift
	output=$("$@" 2>&1) || rc=$?
	[ $rc = "$want" ] || { printf '%s: status %s, not %s; output:\n%s\n' "$*" "$rc" "$want" "$output"; return 1; }
}

# oom_until NAME COMMAND...: COMMAND makes container NAME, which is killed for its memory, again until the engine has seen why.
# Where systemd has made its scope, systemd also removes it with the last process, often before containerd's shim or
# conmon has read the count in it: with every runtime (one run in the guest with Docker, of 30 kills seen: runc 3,
# oci-rt 8, crun 1.21, which has a cgroup below the scope, 26; oci-rt with run.oci.systemd.subgroup=container 25).
oom_until() {
	local name=$1 tries=1
	shift
	case $CGROUP in v2*systemd*) tries=25 ;; esac
	while :; do
		status 137 "$@"
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] && [ "$(inspect '{{.State.OOMKilled}}' "$name")" = false ] || break
		"$KIND" rm "$name"
	done
}

# eventually COMMAND...: succeeds within $WAIT
eventually() {
	local end=$((SECONDS + WAIT))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "not within $WAIT s: $*"; return 1; }
		sleep 0.2
	done
}

# until_output REGEX COMMAND...: its output matches within $WAIT; it is in $output then
until_output() {
	local want=$1 end=$((SECONDS + WAIT))
	shift
	until
		output=$("$@" 2>&1) || true
		[[ $output =~ $want ]]
	do
		[ $SECONDS -lt $end ] || { printf '%s within %s s prints\n%s\nwithout: %s\n' "$*" "$WAIT" "$output" "$want"; return 1; }
		sleep 0.2
	done
}

# http HOST:PORT/PATH: the body of a 200.  By bash itself: a static busybox may crash in the host's name service modules.
http() (
	host=${1%%/*} path=/${1#*/}
	exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
	printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$path" "$host" >&3
	answer=$(timeout 20 cat <&3)
	[[ $answer =~ ^HTTP/1.[01]\ 200 ]] || { echo "$1: ${answer%%$'\r'*}" >&2; exit 1; }
	printf '%s\n' "${answer#*$'\r\n\r\n'}"
)
# web REGEX HOST:PORT/PATH
web() { until_output "$1" http "$2"; }

# pty EXPECT SEND... -- COMMAND...: on a terminal; prints what appeared there
pty() { python3 "$HERE/lib-pty.py" "$WAIT" "$@"; }

# typed first: engines set the size of a terminal some time after the start
SIZED='until [ "$(stty size)" = "40 100" ]; do sleep 0.1; done; '

cgroup_mode() {
	if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
		echo v2
	elif mountpoint -q /sys/fs/cgroup/unified; then
		echo hybrid
	else
		echo v1
	fi
}

# cpuset_option: nothing where the kernel has no such controller (User-Mode Linux has one processor)
cpuset_option() {
	if [ -d /sys/fs/cgroup/cpuset ] || grep -qw cpuset /sys/fs/cgroup/cgroup.controllers; then echo --cpuset-cpus 0; fi
}

# ------------------------------------------------------------------ images

# rootfs DIR: a busybox tree, with bash (and its libraries) as the tutorials want one
rootfs() {
	local d=$1 applet lib
	mkdir -p "$d"/{bin,dev,proc,sys,tmp,etc,root,home/user,run,mnt,var/www/html,usr/bin,usr/sbin,sbin}
	chmod 1777 "$d/tmp"
	cp "$(command -v busybox)" "$d/bin/busybox"
	for applet in $("$d/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$d/bin/$applet"
	done
	cp "$(command -v bash)" "$d/bin/bash"
	ldd "$(command -v bash)" | grep -o '/[^ ]*' | while read -r lib; do
		mkdir -p "$d${lib%/*}"
		cp -L "$lib" "$d$lib"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n' >"$d/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\nstaff:x:50:user\n' >"$d/etc/group"
	chown -R 1000:1000 "$d/home/user"
	[ -z "${OCI_PROBE:-}" ] || cp "$OCI_PROBE" "$d/bin/probe"
}

# archive TAR ROOTFS REFERENCE CONFIG: a docker-archive of one layer
archive() {
	local d layer config
	d=$(mktemp -d "$W/archive.XXXXXX")
	tar -C "$2" --sort=name --mtime=@0 -cf "$d/layer.tar" .
	layer=$(sha256sum "$d/layer.tar" | cut -d' ' -f1)
	jq -nc --arg l "sha256:$layer" --argjson c "$4" '{architecture:"amd64",os:"linux",created:"2026-01-01T00:00:00Z",
		config:$c,rootfs:{type:"layers",diff_ids:[$l]},history:[{created:"2026-01-01T00:00:00Z"}]}' >"$d/c.json"
	config=$(sha256sum "$d/c.json" | cut -d' ' -f1)
	mv "$d/c.json" "$d/$config.json"
	jq -nc --arg c "$config.json" --arg r "$3" '[{Config:$c,RepoTags:[$r],Layers:["layer.tar"]}]' >"$d/manifest.json"
	tar -C "$d" -cf "$1" manifest.json "$config.json" layer.tar
	rm -rf "$d"
}

# registry: on 127.0.0.1:5000, with the images that the checks pull by their well-known names
registry() {
	local path='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]' name
	cat >"$W/registry.yml" <<-YAML
	version: 0.1
	log: { level: error }
	storage: { filesystem: { rootdirectory: $W/registry }, delete: { enabled: true } }
	http: { addr: "127.0.0.1:5000" }
	YAML
	docker-registry serve "$W/registry.yml" >"$W/registry.log" 2>&1 &
	rootfs "$W/tree"
	archive "$W/busybox.tar" "$W/tree" docker.io/library/busybox:latest "{$path,\"Cmd\":[\"sh\"]}"
	mkdir -p "$W/web/var/www/html"
	cp -a "$W/tree/." "$W/web/"
	echo 'Welcome to the container' >"$W/web/var/www/html/index.html"
	archive "$W/web.tar" "$W/web" docker.io/docker/getting-started:latest \
		"{$path,\"Cmd\":[\"httpd\",\"-f\",\"-p\",\"80\",\"-h\",\"/var/www/html\"],\"ExposedPorts\":{\"80/tcp\":{}}}"
	rm -rf "$W/web"
	eventually http 127.0.0.1:5000/v2/ || die "no registry: $(cat "$W/registry.log")"
	for name in library/busybox library/ubuntu library/alpine; do
		skopeo --insecure-policy copy -q --dest-tls-verify=false "docker-archive:$W/busybox.tar" "docker://127.0.0.1:5000/$name:latest"
	done || die 'the images could not be pushed'
	skopeo --insecure-policy copy -q --dest-tls-verify=false "docker-archive:$W/web.tar" "docker://127.0.0.1:5000/docker/getting-started:latest" ||
		die 'the image could not be pushed'
}

# ------------------------------------------------------------------ the place

# private_place: called in new mount, network and pid namespaces
private_place() {
	local d
	mount -t tmpfs -o mode=755,size=3g tmpfs "$W"
	mount --make-shared "$W"
	for d in /run /etc/docker /var/lib/docker /var/lib/containers /var/lib/containerd /var/lib/cni /etc/cni /etc/containers; do
		mkdir -p "$d"
		mount -t tmpfs -o mode=755 tmpfs "$d"
	done
	mkdir -p /run/lock "$W/home" "$W/tmp" "$W/bin"
	export HOME=$W/home TMPDIR=$W/tmp DOCKER_CONFIG=$W/home/.docker
	export PATH=$W/bin:/usr/sbin:/usr/bin:/sbin:/bin
	mkdir -p "$DOCKER_CONFIG"
	echo "{}" >"$DOCKER_CONFIG/config.json"
	unset XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_DATA_HOME DOCKER_HOST CONTAINER_HOST
	ip link set lo up
	echo 1 >/proc/sys/net/ipv4/ip_forward
	printf '127.0.0.1 localhost\n' >"$W/hosts"
	mount --bind "$W/hosts" /etc/hosts
	printf 'nameserver 127.0.0.53\n' >"$W/resolv.conf"
	mount --bind "$W/resolv.conf" "$(readlink -f /etc/resolv.conf)" 2>/dev/null || true
}

# guest_place ENGINE@VARIANT: in a guest, which is thrown away: nothing needs hiding.  MANAGER, VARIANT and the rest of the
# environment are set.  A rootless variant goes on as the user "tester", below his own manager.
guest_place() {
	local m
	VARIANT=${1#*@} MANAGER=cgroupfs
	[[ $VARIANT != *systemd* ]] || MANAGER=systemd
	export VARIANT MANAGER HOME=$W/home TMPDIR=$W/tmp DOCKER_CONFIG=$W/home/.docker PATH=$W/bin:/usr/sbin:/usr/bin:/sbin:/bin
	if [[ $VARIANT != *rootless* ]] || [ "$(id -u)" = 0 ]; then
		# the root of a user namespace and "tester" go through it
		chmod 755 "${W%/*}"
		mount -t tmpfs -o mode=755 tmpfs "$W"
		mkdir -p "$W/home" "$W/tmp" "$W/bin" "$DOCKER_CONFIG"
		echo "{}" >"$DOCKER_CONFIG/config.json"
		for m in overlay fuse tun veth bridge br_netfilter; do modprobe -q "$m" || true; done
		chmod 666 /dev/net/tun /dev/fuse	# as udev would have it
		# User-Mode Linux translates no addresses: Docker's proxy and Podman's for the unprivileged forward ports there
		FIREWALL=none
		modprobe -q nft_chain_nat && FIREWALL=nftables
		export FIREWALL
		echo 1 >/proc/sys/net/ipv4/ip_forward
		registry
	fi
	if [[ $VARIANT == *selinux* ]]; then
		# the type that the policy gives to runc and crun; Podman itself, which the policy keeps from /dev/urandom, goes unconfined
		cp "$OCI_RT" /usr/local/bin/oci-rt
		OCI_RT=/usr/local/bin/oci-rt
		chcon -t container_engine_exec_t "$OCI_RT"
		chcon -t bin_t "$(command -v podman)"
		mkdir -p /run/containers /var/lib/containers
		restorecon -RF /run/containers /var/lib/containers
	fi
	[[ $VARIANT == *rootless* && $(id -u) = 0 ]] || return 0
	chown -R tester: "$W"
	exec /usr/local/bin/as-user env TAG="$TAG" W="$W" HOME="$HOME" OCI_RT="$OCI_RT" OCI_SOURCE="$OCI_SOURCE" OCI_BUILD="$OCI_BUILD" \
		FIREWALL="$FIREWALL" OCI_RT_TEST_GUEST=1 OCI_RT_TEST_LONG="${OCI_RT_TEST_LONG:-}" ONLY="${ONLY:-}" "$BASH" "$HERE/suite.sh" --stage "$1"
}

# into_sid COMMAND...: in a copy-on-write view of the sid root, with this tree, the build and $W in their places
into_sid() {
	exec unshare -m --propagation private "$BASH" -c '
		set -e
		sid=$1 new=$2 tree=$3 build=$4 W=$5
		shift 5
		mkdir -p "$new" "$W/upper" "$W/work"
		mount -t overlay -o "lowerdir=$sid,upperdir=$W/upper,workdir=$W/work" sid "$new"
		for d in /proc /sys /dev /run "$W" "$tree" "$build"; do
			mkdir -p "$new$d"
			mount --rbind "$d" "$new$d"
		done
		# overlay upon overlay is none: what engines keep is on a tmpfs
		for d in /var/lib/docker /var/lib/containers /var/lib/containerd /tmp; do
			case $W/ in $d/*) continue ;; esac
			mkdir -p "$new$d"
			mount -t tmpfs tmpfs "$new$d"
		done
		cp "$W/hosts" "$new/etc/hosts"
		cp "$W/resolv.conf" "$new/etc/resolv.conf"
		cd "$new"
		pivot_root . .
		umount -l .
		cd /
		mount --make-shared "$W"
		exec "$@"' into_sid "$SID_CACHE" "$W/sid" "$OCI_SOURCE" "$OCI_BUILD" "$W" "$@"
}
