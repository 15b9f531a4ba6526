#!/usr/bin/env bash
# suite.sh [ENGINE]...: the checks of lib.bash under real engines, as TAP.
#
# Docker, Podman and buildah of this distribution; with OCI_RT_TEST_LONG also the newest ones, of Debian sid (lib-sid.bash).
# ENGINE: docker podman buildah docker-sid shim-sid podman-sid buildah-sid.   ONLY=REGEX picks features by name.
# In the guest of tests/vm (guest.sh there) also ENGINE@VARIANT, VARIANT of words with "-" between: the cgroup manager
# (systemd, cgroupfs), "rootless", "selinux", "apparmor".
#
# Each engine runs in namespaces of its own (lib.bash), two at a time; what they print is numbered here.  In a guest
# there are none, because systemd finds only its own processes, and one runs at a time.
# shellcheck disable=SC2034	# ENGINE, CGROUP: for the checks
set -uo pipefail
export LC_ALL=C
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export HERE
: "${OCI_SOURCE:=$(cd "$HERE/../.." && pwd)}" "${OCI_BUILD:=$OCI_SOURCE/build}"
: "${OCI_RT:=$OCI_BUILD/oci-rt}" "${SHIM:=$OCI_BUILD/containerd-shim-oci-rt-v2}"
export OCI_SOURCE OCI_BUILD OCI_RT SHIM
. "$HERE/lib.bash"
. "$HERE/lib-sid.bash"

# stage ENGINE: in the new namespaces; TAG and W are in the environment
if [ "${1:-}" = --stage ]; then
	KIND=${2%%[-@]*}
	case $2 in
	*@*)
		guest_place "$2"
		;;
	*-sid)
		private_place
		registry
		into_sid "$BASH" "$HERE/suite.sh" --checks "$2"
		;;
	*)
		private_place
		registry
		;;
	esac
elif [ "${1:-}" = --checks ]; then
	KIND=${2%%[-@]*}
fi
if [ -n "${KIND:-}" ]; then
	ENGINE=$KIND
	case $KIND in shim) ENGINE=docker+shim KIND=docker ;; esac
	CGROUP=$(cgroup_mode)${VARIANT:+, ${VARIANT//-/, }}
	# shellcheck source=/dev/null
	. "$HERE/$KIND-checks.bash"
	engine_start
	engine_checks
	engine_stop
	echo '# all done'
	exit 0
fi

[ -x "$OCI_RT" ] || die "no runtime: $OCI_RT (set OCI_RT, or OCI_BUILD to the build directory)"
engines=(docker podman buildah)
[ -z "${OCI_RT_TEST_LONG:-}" ] || engines+=(docker-sid shim-sid podman-sid buildah-sid)
[ $# -eq 0 ] || engines=("$@")

# Podman has one parent for its cgroups; pods leave directories in the hierarchies that it does not know (name=systemd)
podman_cgroups() { find /sys/fs/cgroup -depth -mindepth 2 -type d -path '*/libpod_parent*' 2>/dev/null | sort; }
podman_cgroups_before=$(podman_cgroups)

OUT=$(mktemp -d "${TMPDIR:-/tmp}/oci-rt-engines.XXXXXX")
RUNNING=()
finish() {
	local p d
	for p in "${RUNNING[@]}"; do kill -9 "$p" 2>/dev/null; done
	wait
	for d in "$OUT"/*.tag; do
		[ -e "$d" ] || continue
		find /sys/fs/cgroup -depth -type d -path "*/$(cat "$d")*" -exec rmdir {} + 2>/dev/null
	done
	# only what is new, and empty
	comm -13 <(echo "$podman_cgroups_before") <(podman_cgroups) | sort -r | xargs -r rmdir 2>/dev/null
	rm -rf "$OUT"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

needs() {
	local c
	for c in unshare skopeo docker-registry jq busybox python3 ip iptables; do
		command -v "$c" >/dev/null || { echo "$c is not installed"; return; }
	done
	case $1 in
	docker | docker@*) [ -x /usr/sbin/dockerd ] || echo 'dockerd is not installed' ;;
	podman | buildah | *@*) command -v "${1%@*}" >/dev/null || echo "${1%@*} is not installed" ;;
	*-sid) sid_root 2>"$OUT/sid.err" || echo "Debian sid could not be fetched: $(tail -n 1 "$OUT/sid.err")" ;;
	esac
}

# run_engine ENGINE: its TAP, without numbers, into $OUT/ENGINE
run_engine() {
	local e=$1 why
	why=$(needs "$e")
	if [ -n "$why" ]; then
		echo "ok $e # skip $why" >"$OUT/$e"
		return
	fi
	mkdir "$OUT/$e.w"
	if [[ $e == *@* ]]; then
		TAG=ocirt-$$ W=$OUT/$e.w exec "$BASH" "$HERE/suite.sh" --stage "$e" >"$OUT/$e" 2>"$OUT/$e.err"
	fi
	echo "ocirt-$e-$$" >"$OUT/$e.tag"
	TAG=ocirt-$e-$$ W=$OUT/$e.w exec unshare -m -n -p -f --mount-proc --kill-child --propagation private -- \
		"$BASH" "$HERE/suite.sh" --stage "$e" >"$OUT/$e" 2>"$OUT/$e.err"
}

# Two lanes, the longest first; comments go out with their checks.
LANES=2
[ -z "${OCI_RT_TEST_GUEST:-}" ] || LANES=1
for e in "${engines[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge $LANES ]; do wait -n; done
	run_engine "$e" &
	RUNNING+=($!)
done
wait
for e in "${engines[@]}"; do
	cat "$OUT/$e"
	if [ -e "$OUT/$e.err" ] && ! grep -qx '# all done' "$OUT/$e"; then
		echo "not ok $e: the checks ended early"
		tail -n 20 "$OUT/$e.err" | sed 's/^/# /'
	fi
done | awk '/^# all done/ { next } /^(not )?ok / { n++; sub(/ok /, "ok " n " ") } { print } END { print "1.." n + 0 }'
