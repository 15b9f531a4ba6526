#!/usr/bin/env bash
# containerd-sid.sh make | enter COMMAND [ARGUMENT]...
#
# Debian sid's containerd 2, runc and criu on a machine that has older ones.
#
# Theory of operation: `make` debootstraps sid once into a cache and prints its directory;
# `enter` gives COMMAND mount and network namespaces of its own whose root is that tree
# (pivot_root: in a chroot criu finds no parent of the root's mount), with the caller's /tmp,
# /src (this tree) and /build (OCI_BUILD) in it.  The tree itself is an overlay's lower layer:
# nothing that COMMAND does stays.
#
# environment: OCI_BUILD, SID_CACHE (~/.cache/oci-rt-tests), SID_MIRROR
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_tree=$(cd "$here/../.." && pwd)
cache=${SID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/oci-rt-tests}
root=$cache/sid-containerd
packages=containerd,runc,criu,busybox-static,iptables,containernetworking-plugins,python3
packages+=,strace,procps,iproute2,ca-certificates,erofs-utils,e2fsprogs

# The Debian mirror that this machine's apt uses already.
mirror() {
	{
		sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources
		sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .* main.*/\2/p' /etc/apt/sources.list
	} 2>/dev/null | grep -m1 '/debian/\{0,1\}$' || true
}

make() {
	local from=${SID_MIRROR:-$(mirror)}
	mkdir -p "$cache"
	exec 9>"$cache/sid-containerd.lock"
	flock 9
	if [ "$(cat "$root/.complete" 2>/dev/null)" != "$packages" ]; then
		[ -n "$from" ] || { echo 'no Debian mirror in the configuration of apt: set SID_MIRROR' >&2; return 1; }
		command -v debootstrap >/dev/null || { echo 'debootstrap is not installed' >&2; return 1; }
		rm -rf --one-file-system "$root"
		debootstrap --variant=minbase --include="$packages" sid "$root" "$from" >"$cache/sid-containerd.log" 2>&1 9>&- ||
			{ tail -n 3 "$cache/sid-containerd.log" >&2; return 1; }
		rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
		echo "$packages" >"$root/.complete"
	fi
	exec 9>&-
	echo "$root"
}

# in the new namespaces
inside() {
	local new=$1
	shift
	mount -t tmpfs -o mode=755 tmpfs "$new"
	mkdir "$new/upper" "$new/work" "$new/root"
	mount -t overlay -o "lowerdir=$root,upperdir=$new/upper,workdir=$new/work" sid "$new/root"
	new=$new/root
	mkdir -p "$new/src" "$new/build" "$new/tmp" "$new/sys/fs/cgroup"
	mount --rbind /proc "$new/proc"
	mount --rbind /sys "$new/sys"
	mount --rbind /dev "$new/dev"
	mount --bind /tmp "$new/tmp"
	mount -t tmpfs tmpfs "$new/run"
	mount --bind "$source_tree" "$new/src"
	mount --bind "${OCI_BUILD:-$source_tree/build}" "$new/build"
	# containerd keeps images and snapshots here: overlay on overlay is none
	mkdir -p "$new/var/lib/work"
	mount -t tmpfs tmpfs "$new/var/lib/work"
	printf '127.0.0.1 localhost\n' >"$new/etc/hosts"
	cd "$new"
	pivot_root . .
	umount -l .
	cd /
	ip link set lo up
	echo 1 >/proc/sys/net/ipv4/ip_forward 2>/dev/null || true
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root OCI_BUILD=/build OCI_SOURCE=/src
	exec "$@"
}

case ${1:-} in
make) make ;;
enter)
	shift
	make >/dev/null
	new=$(mktemp -d "${TMPDIR:-/tmp}/sid.XXXXXX")
	rc=0
	unshare -m -n --propagation private -- "$BASH" "$here/containerd-sid.sh" inside "$new" "$@" || rc=$?
	rmdir "$new"
	exit "$rc"
	;;
inside)
	shift
	inside "$@"
	;;
*)
	sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2
	exit 2
	;;
esac
