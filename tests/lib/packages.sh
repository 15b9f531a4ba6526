# shellcheck shell=bash
# The packages that the scripts of this tree need, as Debian and Ubuntu name them: the
# only list of its kind.  Sourced by quickstart and run-tests; a new room appends here.
# shellcheck disable=SC2034

# to build every program of the tree
PACKAGES_BUILD=(
	autoconf automake libtool pkg-config gcc make libc6-dev
	libyajl-dev libseccomp-dev libcap-dev libselinux1-dev
	libprotobuf-c-dev protobuf-c-compiler
	libcurl4-openssl-dev libssl-dev libarchive-dev zlib1g-dev libzstd-dev libisal-dev
)

# to make a root filesystem without a network
PACKAGES_ROOTFS=(busybox-static)

# to test: unit tests, integration tests, the virtual machine, linters
PACKAGES_TEST=(
	bats jq python3-minimal libcmocka-dev strace procps iproute2 util-linux attr time
	debootstrap clang libclang-rt-14-dev clang-format clang-tidy cppcheck shellcheck
	e2fsprogs zstd xz-utils qemu-system-x86 uidmap
	runc crun containerd
	docker-registry skopeo umoci git bzip2 apache2-utils openssl iptables containernetworking-plugins erofs-utils
	docker.io podman buildah catatonit netavark aardvark-dns
)

# Names that another release uses for the same thing ("old=new ..."): taken when the
# first is unknown to the package index.
PACKAGES_ALTERNATIVES=(
	libclang-rt-14-dev=libclang-rt-dev
)

say() { printf '%s\n' "$*"; }

is_debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

# as_root COMMAND...: directly, or by sudo
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		say "$0: '$*' needs root; run this script as root or install sudo" >&2
		return 1
	fi
}

# missing_packages NAME...: those that are not installed, one per line
missing_packages() {
	local p
	for p; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) in
		installed*) ;;
		*) say "$p" ;;
		esac
	done
}

# known_package NAME: the name under which apt can install it, nothing when it cannot
known_package() {
	local alt
	if apt-cache show "$1" >/dev/null 2>&1; then
		say "$1"
		return
	fi
	for alt in "${PACKAGES_ALTERNATIVES[@]}"; do
		if [ "${alt%%=*}" = "$1" ] && apt-cache show "${alt#*=}" >/dev/null 2>&1; then
			say "${alt#*=}"
			return
		fi
	done
}

# need_packages NAME...: installed when this returns 0
need_packages() {
	local missing p name want=()
	if ! is_debian; then
		say "This system has no apt-get. Install what provides these Debian packages, then run $0 again" >&2
		say "(or set OCI_RT_NO_INSTALL=1 when they are there):" >&2
		say "  $*" >&2
		[ -n "${OCI_RT_NO_INSTALL:-}" ]
		return
	fi
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ -n "${OCI_RT_NO_INSTALL:-}" ]; then
		say "$0: not installed, and OCI_RT_NO_INSTALL is set: ${missing[*]}" >&2
		return 0
	fi
	say "Installing: ${missing[*]}"
	# an index that knows none of them is missing or old
	if [ -z "$(known_package "${missing[0]}")" ]; then
		as_root apt-get -q update || return 1
	fi
	for p in "${missing[@]}"; do
		name=$(known_package "$p")
		if [ -z "$name" ]; then
			as_root apt-get -q update || return 1
			name=$(known_package "$p")
		fi
		want+=("${name:-$p}")
	done
	apt_install "${want[@]}" || { as_root apt-get -q update && apt_install "${want[@]}"; }
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o Dpkg::Options::=--force-confold install --no-install-recommends "$@" </dev/null
}
