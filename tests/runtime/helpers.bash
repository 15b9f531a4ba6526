# shellcheck shell=bash
# Helpers of the runtime's integration tests.
#
# Theory of operation: every test owns a directory ($T), a state directory ($ROOT), a
# bundle ($BUNDLE: a busybox root filesystem and config.json), a container id ($ID) and a
# cgroup (/$ID), all of them named after the run, so that test files can run in parallel
# and that what is left behind can be found again.  teardown deletes every container by
# force and then fails the test if a state entry, cgroup, mount or process remains.
#
# Environment: OCI_RT       runtime under test (default: ./build/oci-rt, then PATH)
#              OCI_PROBE    tests/lib/probe.c, compiled (default: compiled here)
#              OCI_RT_TEST_LONG=1   the long forms of some tests
#              OCI_RT_TEST_MANAGER=systemd   cgroups are systemd's scopes
#
# Called by an ordinary user, every container has a user namespace whose root is that user (others by his ranges in
# /etc/subuid), and its cgroup below the caller's own, which must be delegated; what only root can prepare is skipped.

bats_require_minimum_version 1.5.0

TESTS=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
LIB=$TESTS/lib
if [ -z "${OCI_RT:-}" ]; then
	OCI_RT=$TESTS/../build/oci-rt
	[ -x "$OCI_RT" ] || OCI_RT=$(command -v oci-rt)
fi
OCI_RT=$(command -v "$OCI_RT")
export OCI_RT
PYTHON=python3
[ ! -x /usr/bin/python3 ] || PYTHON=/usr/bin/python3
export PYTHON LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

MANAGER=()
if [ "${OCI_RT_TEST_MANAGER:-}" = systemd ]; then MANAGER=(--systemd-cgroup); fi

ROOTLESS=
OWN_CGROUP=
if [ "$(id -u)" != 0 ]; then
	ROOTLESS=1
	# bats itself is in a leaf of it, tests/vm/guest.sh sees to that
	OWN_CGROUP=$(sed -n 's/^0:://p' /proc/self/cgroup)
	OWN_CGROUP=${OWN_CGROUP%/bats}
	# the end of a test by skip in a subshell, such as run's, would be the subshell's end only
	only_root() {
		[ "$BASH_SUBSHELL" = "$TEST_SHELL" ] || fail "$1 is root's: call need_root in this test"
		need_root
	}
	mount() { only_root mount; }
	umount() { only_root umount; }
	mknod() { only_root mknod; }
	chown() { only_root chown; }
	unshare() { only_root unshare; }
	nsenter() { only_root nsenter; }
	setpriv() { only_root setpriv; }
fi

# the name that everything made by this run carries
TAG=ocirt$(printf %s "${BATS_RUN_TMPDIR##*-}" | tr -cd '[:alnum:]')

# ------------------------------------------------------------------ bundles

# Made once per run: what every test's root filesystem is a copy of.
base_rootfs() {
	local base=$BATS_RUN_TMPDIR/rootfs applet
	if [ ! -d "$base" ]; then
		mkdir -p "$base.tmp"/{bin,dev,proc,sys,tmp,etc,root,home/user,run,mnt,var,usr/local/bin}
		chmod 1777 "$base.tmp/tmp"
		cp "$(command -v busybox)" "$base.tmp/bin/busybox"
		for applet in sh ls cat echo sleep true false id env pwd stat ps kill grep sed awk head tail wc \
			sort tr cut mkdir rmdir rm touch ln cp mv dd mount umount hostname dnsdomainname uname \
			ip ifconfig test expr printf seq chmod chown mknod find readlink realpath tee \
			unshare nsenter chroot date sysctl nc stty tty od sync timeout setsid nice free df \
			mountpoint xargs basename dirname uptime cmp getopt which ulimit nproc time; do
			ln -s busybox "$base.tmp/bin/$applet"
		done
		printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n' >"$base.tmp/etc/passwd"
		printf 'root:x:0:\nuser:x:1000:\nstaff:x:50:user\n' >"$base.tmp/etc/group"
		if [ -z "${OCI_PROBE:-}" ]; then
			OCI_PROBE=$BATS_RUN_TMPDIR/probe
			[ -x "$OCI_PROBE" ] || "${CC:-cc}" -static -O1 -o "$OCI_PROBE" "$LIB/probe.c"
		fi
		cp "$OCI_PROBE" "$base.tmp/bin/probe"
		mv -T "$base.tmp" "$base" 2>/dev/null || rm -rf "$base.tmp"
	fi
	echo "$base"
}

# shellcheck disable=SC2120
# bundle [NAME]: a new bundle $T/NAME with the default configuration; sets BUNDLE
bundle() {
	BUNDLE=$T/${1:-bundle}
	mkdir -p "$BUNDLE"
	cp -a "$(base_rootfs)" "$BUNDLE/rootfs"
	default_config "$(cgroups_path "/$ID${1:+-$1}")" >"$BUNDLE/config.json"
	[ -z "$ROOTLESS" ] || config "$ROOTLESS_CONFIG" --argjson u "$(id -u)" --argjson g "$(id -g)" \
		--argjson us "$(subid uid)" --argjson gs "$(subid gid)"
}

# cgroups_path PATH: what linux.cgroupsPath must be for it
cgroups_path() {
	local own=
	if [ -n "$ROOTLESS" ] && [ ${#MANAGER[@]} = 0 ]; then own=$OWN_CGROUP; fi
	echo "$own$1"
}

# for_cgroupfs: the configuration for calls that do not name the run's manager
for_cgroupfs() { config '.linux.cgroupsPath = $p' --arg p "$(MANAGER=() && cgroups_path "/$ID")"; }

ROOTLESS_CONFIG='.linux.namespaces += [{"type": "user"}]
	| .linux.uidMappings = [{"containerID": 0, "hostID": $u, "size": 1}, {"containerID": 1, "hostID": $us[0], "size": $us[1]}]
	| .linux.gidMappings = [{"containerID": 0, "hostID": $g, "size": 1}, {"containerID": 1, "hostID": $gs[0], "size": $gs[1]}]'
# subid uid|gid: the caller's range, [FIRST, COUNT]
subid() { awk -F: -v n="$(id -un)" -v i="$(id -u)" '$1 == n || $1 == i { print "[" $2 "," $3 "]"; exit }' "/etc/sub$1"; }

# on_host uid|gid ID: what the host calls an id of the container, by ROOTLESS_CONFIG
on_host() {
	local range
	if [ -z "$ROOTLESS" ]; then
		echo "$2"
	elif [ "$2" = 0 ]; then
		id "-${1%id}"
	else
		range=$(subid "$1")
		range=${range#[}
		echo $((${range%,*} + $2 - 1))
	fi
}

default_config() { # cgroupsPath
	local cgroupns=''
	if cgroup_v2; then cgroupns=',{"type":"cgroup"}'; fi
	cat <<-JSON
	{"ociVersion":"1.2.0","hostname":"testbox",
	"process":{"terminal":false,"user":{"uid":0,"gid":0},"cwd":"/","args":["/bin/sleep","600"],
	  "env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","TERM=xterm"],
	  "capabilities":{"bounding":["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"],
	    "effective":["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"],
	    "permitted":["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"]},
	  "rlimits":[{"type":"RLIMIT_NOFILE","hard":1024,"soft":1024}],"noNewPrivileges":true},
	"root":{"path":"rootfs","readonly":false},
	"mounts":[
	  {"destination":"/proc","type":"proc","source":"proc"},
	  {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755","size=65536k"]},
	  {"destination":"/dev/pts","type":"devpts","source":"devpts","options":["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620"]},
	  {"destination":"/dev/shm","type":"tmpfs","source":"shm","options":["nosuid","noexec","nodev","mode=1777","size=65536k"]},
	  {"destination":"/dev/mqueue","type":"mqueue","source":"mqueue","options":["nosuid","noexec","nodev"]},
	  {"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","noexec","nodev","ro"]},
	  {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev","relatime","ro"]}],
	"linux":{"cgroupsPath":"$1","namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}$cgroupns],
	  "resources":{"devices":[{"allow":false,"access":"rwm"}]},
	  "maskedPaths":["/proc/acpi","/proc/kcore","/proc/keys","/proc/timer_list","/sys/firmware"],
	  "readonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]}}
	JSON
}

# config EXPR [jq options]: edits $BUNDLE/config.json
config() {
	local expr=$1
	shift
	jq "$expr" "$BUNDLE/config.json" "$@" >"$BUNDLE/config.json.new"
	mv "$BUNDLE/config.json.new" "$BUNDLE/config.json"
}

# shares TYPE...: the host's namespaces instead of new ones.  An ordinary user may only bind what their file systems show.
shares() {
	local t
	for t; do
		config '.linux.namespaces |= map(select(.type != $t)) | if $t == "uts" then del(.hostname) else . end' --arg t "$t"
		[ -n "$ROOTLESS" ] || continue
		case $t in
		pid) config '(.mounts[] | select(.type == "proc")) |= {destination, type: "bind", source: "/proc", options: ["rbind"]}' ;;
		network) config '(.mounts[] | select(.type == "sysfs")) |= {destination, type: "bind", source: "/sys", options: ["rbind"]} |
			.mounts |= map(select(.type != "cgroup"))' ;;
		ipc) config '.mounts |= map(select(.type != "mqueue"))' ;;
		esac
	done
}

# json_list STRING...: as a JSON array, in $json
json_list() {
	local s sep=
	json='['
	for s; do
		s=${s//\\/\\\\}
		s=${s//\"/\\\"}
		s=${s//$'\n'/\\n}
		s=${s//$'\t'/\\t}
		json+="$sep\"$s\""
		sep=,
	done
	json+=']'
}

# args ARG...: process.args
args() {
	local json
	json_list "$@"
	config '.process.args = $args' --argjson args "$json"
}

# capabilities NAME...: bounding, effective and permitted set
capabilities() {
	local json
	json_list "$@"
	config '.process.capabilities |= (.bounding = $c | .effective = $c | .permitted = $c)' --argjson c "$json"
}

# all_caps: every capability, for tests that look at what the kernel still refuses
all_caps() {
	# shellcheck disable=SC2046
	capabilities $(capability_names)
}

# The capabilities of this process's bounding set, by name.
capability_names() {
	local all=(CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
		NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
		SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
		AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
		PERFMON BPF CHECKPOINT_RESTORE)
	local i mask
	mask=$((16#$(awk '/^CapBnd/ { print $2 }' /proc/self/status)))
	for i in "${!all[@]}"; do
		if ((mask >> i & 1)); then echo "CAP_${all[i]}"; fi
	done
}

# ------------------------------------------------------------------ running

# rt ARG...: the runtime on this test's state directory; a hang is status 124.
# Messages go to stderr and, as JSON, to $T/log.json.
rt() {
	timeout --foreground -k 5 "${RT_TIMEOUT:-60}" "$OCI_RT" --root "$ROOT" --log "$T/log.json" --log-format json "${MANAGER[@]}" "$@"
}

# rtd ARG...: the same for what leaves a process behind (create, run -d, exec -d): with
# standard files that outlive the call, $T/stdout and $T/stderr
rtd() {
	local rc=0
	rt "$@" </dev/null >"$T/stdout" 2>"$T/stderr" 3>&- 4>&- || rc=$?
	[ "$rc" = 0 ] || cat "$T/stderr" >&2
	return "$rc"
}

# inside SCRIPT: runs it with sh in a container from $BUNDLE; status and output as of bats' run
inside() {
	args /bin/sh -c "$1"
	run rt run --bundle "$BUNDLE" "$ID" </dev/null
}

# inside_ok SCRIPT: the same, and it must succeed
inside_ok() {
	inside "$1"
	assert_status 0
}

# started [ARG...]: a running container $ID (default process: sleep); ARG as process.args
started() {
	if [ $# -gt 0 ]; then args "$@"; fi
	rtd create --bundle "$BUNDLE" "$ID"
	rt start "$ID"
}

status_of() { rt state "${1:-$ID}" | jq -r .status; }
pid_of() { rt state "${1:-$ID}" | jq -r .pid; }

# in_exec COMMAND...: oci-rt exec in $ID, as of bats' run
in_exec() { run rt exec "$ID" "$@" </dev/null; }

# eventually COMMAND...: until it succeeds, at most about 10 s
eventually() {
	local i
	for ((i = 0; i < 200; i++)); do
		if "$@" >/dev/null 2>&1; then return 0; fi
		sleep 0.05
	done
	echo "never true: $*" >&2
	return 1
}

is_status() { [ "$(status_of "${2:-$ID}")" = "$1" ]; }
wait_status() { eventually is_status "$@"; }
# it may go between two looks: the last one decides
gone() { grep -q '^State:.[ZX]' "/proc/$1/status" 2>/dev/null || [ ! -e "/proc/$1" ]; }

# background COMMAND...: a helper process that teardown ends; its pid in $!
background() {
	"$@" 3>&- 4>&- &
	HELPERS+=($!)
}

# receiver MODE [TEXT]: tests/lib/recvfd.py listening on $T/MODE.sock; results in $T/MODE
receiver() {
	background "$PYTHON" "$LIB/recvfd.py" "$1" "$T/$1.sock" "$T/$1" "${2:-}"
	eventually test -e "$T/$1/ready"
}

# ------------------------------------------------------------------ asserting

fail() {
	printf '%s\n' "$*" >&2
	if [ -n "${output+x}" ]; then printf 'status %s, output:\n%s\n' "${status:-?}" "$(head -n 60 <<<"$output")" >&2; fi
	return 1
}

assert_status() { [ "$status" = "$1" ] || fail "exit status $status, expected $1"; }
assert_eq() { [ "$1" = "$2" ] || fail "${3:-value} is '$1', expected '$2'"; }
assert_ne() { [ "$1" != "$2" ] || fail "${3:-value} is '$1', expected anything else"; }
assert_output() { [ "$output" = "$1" ] || fail "output expected: $1"; }
assert_line() { grep -qxF -- "$1" <<<"$output" || fail "no such line: $1"; }
refute_line() { if grep -qxF -- "$1" <<<"$output"; then fail "unexpected line: $1"; fi; }
assert_has() { grep -qF -- "$1" <<<"$output" || fail "output lacks: $1"; }
refute_has() { if grep -qF -- "$1" <<<"$output"; then fail "output has: $1"; fi; }
assert_match() { grep -qE -- "$1" <<<"$output" || fail "output does not match: $1"; }
refute_match() { if grep -qE -- "$1" <<<"$output"; then fail "output matches: $1"; fi; }
refute() { if "$@"; then fail "should have failed: $*"; fi; }

# assert_fails [TEXT]: the last run failed as a runtime error does: not by a signal, not by a
# time-out, not with a sanitizer's report; and TEXT (fixed) is in the message
assert_fails() {
	case $status in
	0) fail "succeeded, failure expected" ;;
	124) fail "timed out" ;;
	13[0-9] | 14[0-9] | 15[0-9]) fail "ended by a signal" ;;
	esac
	refute_match 'AddressSanitizer|LeakSanitizer|runtime error:'
	[ -n "$output" ] || fail "failed without a message"
	if [ -n "${1:-}" ]; then
		case $(last_error .path) in *"$1"*) return ;; esac
		assert_has "$1"
	fi
}

# last_error MEMBER: of the last error in the log
last_error() { [ ! -s "$T/log.json" ] || tail -n 1 "$T/log.json" | jq -r "$1 // empty"; }

# assert_warned TEXT: a warning with it is in the log (where messages go when there is one)
assert_warned() {
	jq -e --arg t "$1" 'select(.level == "warning" and (.msg + " " + (.path // "") | contains($t)))' "$T/log.json" >/dev/null ||
		fail "no warning with $1: $(cat "$T/log.json")"
}

# assert_at PATH: the last error says that it comes from there in the configuration
assert_at() { [[ $(last_error .path) == "$1"* ]] || fail "the error's path is '$(last_error .path)', expected $1"; }

# ------------------------------------------------------------------ what the machine can do

cgroup_v2() { [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; }
need_v1() { ! cgroup_v2 || skip "cgroup v1 is not mounted on this host"; }
need_v2() { cgroup_v2 || skip "/sys/fs/cgroup is not a cgroup v2 file system on this host"; }

# need_controller NAME: mounted (v1) or available (v2)
need_controller() {
	if cgroup_v2; then
		grep -qw -- "$1" "/sys/fs/cgroup$OWN_CGROUP/cgroup.controllers" || skip "controller $1 is not in ${OWN_CGROUP:+our }cgroup.controllers"
	else
		mountpoint -q "/sys/fs/cgroup/$1" || skip "controller $1 is not mounted"
	fi
}

need_root() { [ -z "$ROOTLESS" ] || skip 'only root can prepare this'; }

# need_cap NAME NUMBER: in this process's bounding set
need_cap() {
	local mask
	need_root
	mask=$((16#$(awk '/^CapBnd/ { print $2 }' /proc/self/status)))
	((mask >> $2 & 1)) || skip "CAP_$1 is not in the bounding set of this machine's root"
}

# need_systemd: as PID 1, with a bus (the test machine has one)
need_systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null || skip 'systemd is not PID 1'; }

# need_cgroupfs: what the test looks at is a path of its own choice
need_cgroupfs() { [ ${#MANAGER[@]} = 0 ] || skip 'about paths, which the systemd manager does not take'; }

need_command() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# need_kernel MAJOR.MINOR WHAT
need_kernel() {
	local have
	have=$(uname -r | cut -d. -f1,2)
	[ "$(printf '%s\n' "$1" "$have" | sort -V | head -n 1)" = "$1" ] || skip "$2 needs Linux $1, this is $have"
}

# cgdir CONTROLLER [PATH]: the directory of the container's cgroup on the host
cgdir() {
	if cgroup_v2; then
		echo "/sys/fs/cgroup$(cgpath "${2:-}")"
	else
		echo "/sys/fs/cgroup/$1$(cgpath "${2:-}")"
	fi
}

# cgpath [PATH]: the same as /proc/PID/cgroup names it
cgpath() {
	local path=${1:-/$ID}
	if [ ${#MANAGER[@]} -gt 0 ]; then
		path=/system.slice$path.scope
		[ -z "$ROOTLESS" ] || path=${OWN_CGROUP%%.service/*}.service/user.slice${path#/system.slice}
	elif [ -n "$ROOTLESS" ]; then
		path=$OWN_CGROUP$path
	fi
	echo "$path"
}

# every directory of the cgroup tree that carries this run's name
cgroups_left() { find /sys/fs/cgroup -type d -name "*$TAG*" 2>/dev/null || true; }

# ------------------------------------------------------------------ set-up and leak check

setup() {
	T=$BATS_TEST_TMPDIR
	ROOT=$T/state
	ID=$TAG-$BATS_TEST_NUMBER
	HELPERS=()
	TEST_SHELL=$BASH_SUBSHELL
	cd "$T" || return 1
	bundle
	# the subject's own preparation
	if declare -F prepare >/dev/null; then prepare; fi
}

# processes that run in this test's root filesystem or work on its state directory
processes_left() {
	local f mine
	printf '%s\n' "$ROOT" >"$T/.root"
	printf '%s\n' "$T/" >"$T/.tree"
	mine=$(readlink /proc/self/ns/mnt)
	{
		grep -lasFf "$T/.root" /proc/[0-9]*/cmdline || true
		grep -lasFf "$T/.tree" /proc/[0-9]*/mountinfo | while read -r f; do
			[ "$(readlink "${f%/*}/ns/mnt")" = "$mine" ] || echo "$f"
		done
	} | sed 's|^/proc/\([0-9]*\)/.*|\1|' | sort -un | while read -r f; do
		[ ! -e "/proc/$f/cmdline" ] || echo "$f $(tr '\0' ' ' <"/proc/$f/cmdline")"
	done 2>/dev/null
}

mounts_left() { awk -v t="$T/" 'index($5, t) == 1 { print $5 }' /proc/self/mountinfo; }
# .cache holds compiled seccomp filters and belongs to no container
states_left() { [ ! -d "$ROOT" ] || find "$ROOT" -mindepth 1 -maxdepth 1 ! -name .cache; }

left_behind() {
	local what list
	for what in processes mounts cgroups states; do
		list=$("${what}_left")
		[ -z "$list" ] || printf '%s left behind:\n%s\n' "$what" "$list"
	done
}

nothing_left() { [ -z "$(left_behind)" ]; }

# assert_clean: nothing of this test is left, now (processes may take a moment to die)
assert_clean() { eventually nothing_left || fail "$(left_behind)"; }

# delete_all: every container of the state directory, by force
delete_all() {
	local d rc=0
	for d in "$ROOT"/*/; do
		[ -d "$d" ] || continue
		rt delete --force "$(basename "$d")" </dev/null 3>&- || rc=$?
	done
	return "$rc"
}

teardown() {
	local rc=0 p
	if [ -z "${T:-}" ]; then return 0; fi
	if declare -F finish >/dev/null; then finish || rc=1; fi
	delete_all || rc=1
	# files of the container's users are not the caller's
	[ -z "$ROOTLESS" ] || command unshare --user --map-root-user --map-auto rm -rf "${BUNDLE:?}" || true
	for p in "${HELPERS[@]}"; do
		kill -9 "$p" 2>/dev/null || true
		wait "$p" 2>/dev/null || true
	done
	if ! nothing_left && ! eventually nothing_left 2>/dev/null; then
		left_behind >&2
		rc=1
		# so that the next test starts clean
		processes_left | while read -r p _; do kill -9 "$p" 2>/dev/null || true; done
		mounts_left | sort -r | while read -r p; do umount -l "$p" || true; done
		sleep 0.1
		cgroups_left | sort -r | while read -r p; do rmdir "$p" 2>/dev/null || true; done
	fi
	return "$rc"
}
