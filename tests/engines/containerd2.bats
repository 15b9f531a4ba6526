#!/usr/bin/env bats
# The checks of containerd.bats and cri.bats, and the shim's own tests, under Debian sid's
# containerd 2 with its runc and criu, in a root of their own (containerd-sid.sh).  Takes
# minutes and a few hundred megabytes of the cache: only in the long form of the tests.

setup_file() {
	[ -n "${OCI_RT_TEST_LONG:-}" ] || return 0
	"$BATS_TEST_DIRNAME/containerd-sid.sh" make >"$BATS_FILE_TMPDIR/make" 2>&1 || echo failed >>"$BATS_FILE_TMPDIR/make"
}

setup() {
	[ -n "${OCI_RT_TEST_LONG:-}" ] || skip 'in the long form of the tests (./run-tests --long): it installs Debian sid'
	[ "${OCI_LEG:-plain}" = plain ] || skip "the root with sid has no sanitizers' libraries"
	[ "$(id -u)" = 0 ] || skip 'needs root'
	! grep -q '^failed' "$BATS_FILE_TMPDIR/make" || skip "no root with sid: $(head -n 1 "$BATS_FILE_TMPDIR/make")"
}

# every_check KIND MODULE: the table is the test's output
every_check() {
	local dir rc=0
	dir=$(mktemp -d /tmp/containerd2.XXXXXX)
	chmod 755 "$dir"
	OCI_BUILD=${OCI_BUILD:-$BATS_TEST_DIRNAME/../../build} "$BATS_TEST_DIRNAME/containerd-sid.sh" enter sh -c '
		export OCI_RT=/build/oci-rt OCI_BUILD=/build
		mount --make-rshared /
		cd /src
		python3 tests/engines/containerd.py start "$1" "$2" || exit 9
		rc=0
		python3 tests/engines/containerd.py all "$1" "$3" || rc=$?
		python3 tests/engines/containerd.py stop "$1"
		exit $rc' sh "$dir" "$1" "$2" >"$dir/log" 2>&1 3>&- || rc=$?
	cat "$dir/log"
	[ -s "$dir/results" ] || rc=1
	sed '/^# /!s/^/# /' "$dir/results" >&3
	rm -rf "$dir"
	return "$rc"
}

@test "ctr on containerd 2" { every_check ctr containerd; }
@test "a kubelet on containerd 2" { every_check cri cri; }

@test "the shim's own tests on containerd 2, with oci-rt and with runc 1.3" {
	run env OCI_BUILD="${OCI_BUILD:-$BATS_TEST_DIRNAME/../../build}" "$BATS_TEST_DIRNAME/containerd-sid.sh" enter sh -c '
		export OCI_RT=/build/oci-rt OCI_BUILD=/build
		cd /src
		tests/shim/suite.sh test_checkpoint test_containerd test_cri test_bootstrap
		RUNTIME=/usr/sbin/runc tests/shim/suite.sh test_checkpoint test_life'
	echo "$output"
	[ "$(grep -c '^ok ' <<<"$output")" -gt 40 ]
	! grep -q '^not ok' <<<"$output"
}

@test "the example configuration of containerd 2 is one" {
	run env OCI_BUILD="${OCI_BUILD:-$BATS_TEST_DIRNAME/../../build}" "$BATS_TEST_DIRNAME/containerd-sid.sh" enter \
		containerd --config /src/contrib/containerd/config-version3.toml config dump
	echo "$output"
	[ "$status" = 0 ]
	[ "$(grep -c 'BinaryName = ./usr/local/bin/oci-rt' <<<"$output")" = 2 ]
	[[ $output == *"runtime_path = '/usr/local/bin/containerd-shim-oci-rt-v2'"* ]]
}
