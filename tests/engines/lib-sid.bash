# shellcheck shell=bash
# The newest engines: a root of Debian sid, kept in ~/.cache, to pivot into.
#
# Theory of operation: bookworm's engines are the oldest that people still run; sid's are the newest.  They need sid's
# libc, so they live in a debootstrapped root of their own, made once (two minutes) below ~/.cache/oci-rt-tests/sid-engines
# and never changed by a run: a run lays an overlay over it that is thrown away.  Delete the directory to have newer ones.

SID_CACHE=${OCI_RT_SID_ENGINES:-${XDG_CACHE_HOME:-$HOME/.cache}/oci-rt-tests/sid-engines}
SID_PACKAGES=docker.io,docker-cli,docker-buildx,podman,buildah,containerd,runc,crun,conmon,netavark,aardvark-dns,catatonit
SID_PACKAGES+=,iptables,nftables,iproute2,procps,jq,busybox-static,python3,bsdutils,util-linux,passt,ca-certificates
SID_PACKAGES+=,docker-registry,containernetworking-plugins,libseccomp2,libyajl2,kmod

sid_mirror() {
	{
		sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources
		sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .* main.*/\2/p' /etc/apt/sources.list
	} 2>/dev/null | grep -m1 '/debian/\{0,1\}$'
}

# sid_root: makes the root unless it is there; prints why not on stderr
sid_root() {
	local mirror new=$SID_CACHE.new.$$
	[ ! -e "$SID_CACHE/.complete" ] || return 0
	command -v debootstrap >/dev/null || { echo 'debootstrap is not installed' >&2; return 1; }
	mirror=${VMTEST_MIRROR:-$(sid_mirror)}
	[ -n "$mirror" ] || { echo "no Debian mirror in apt's sources" >&2; return 1; }
	mkdir -p "${SID_CACHE%/*}"
	exec 8>"$SID_CACHE.lock"
	flock 8
	if [ ! -e "$SID_CACHE/.complete" ]; then
		rm -rf "$SID_CACHE" "$SID_CACHE".new.*
		mkdir -p "$new/usr/sbin"
		printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
		chmod +x "$new/usr/sbin/policy-rc.d"
		if ! debootstrap --variant=minbase --include="$SID_PACKAGES" --components=main \
			--keyring=/usr/share/keyrings/debian-archive-keyring.gpg sid "$new" "$mirror" >"$SID_CACHE.log" 2>&1; then
			tail -n 3 "$SID_CACHE.log" >&2
			rm -rf "$new"
			exec 8>&-
			return 1
		fi
		rm -rf "$new"/var/cache/apt/archives/*.deb "$new/var/lib/apt/lists"
		cp /etc/hosts "$new/etc/hosts"
		: >"$new/.complete"
		mv -T "$new" "$SID_CACHE"
	fi
	exec 8>&-
}
