#!/usr/bin/env bats
# What a kubelet asks of this machine's containerd, with oci-rt under containerd's own shim and
# under ours.  A check that fails runs once more with runc: see containerd.py.

load containerd

setup_file() { engine_start cri; }
teardown_file() { engine_stop; }

@test "init container, application and sidecar in one pod" { check cri_pod; }
@test "probes by ExecSync" { check cri_probes; }
@test "restart by making it again" { check cri_restart; }
@test "graceful stop, and the other one" { check cri_stop; }
@test "an OOM kill is named" { check cri_oom; }
@test "resources of a running container, statistics" { check cri_update; }
@test "port mapping" { check cri_ports; }
@test "security context" { check cri_security; }
@test "namespaces of a pod, sysctls" { check cri_namespaces; }
@test "logs: rotation, terminal, long lines" { check cri_logs; }
@test "mount propagation" { check cri_mounts; }
@test "errors break nothing" { check cri_errors; }
@test "a user-namespaced pod" { check cri2_user_namespace; }
@test "recursive read-only mounts" { check cri2_recursive_read_only; }
@test "the features of a handler" { check cri2_features; }
@test "checkpoint of a container" { check cri2_checkpoint; }
@test "statistics of a pod" { check cri2_pod_stats; }

@test "the example configuration is one" {
	local version=3
	case $(containerd --version) in *' 1.'*) version=2 ;; esac
	run containerd --config "$BATS_TEST_DIRNAME/../../contrib/containerd/config-version$version.toml" config dump
	[ "$status" = 0 ] || { echo "$output"; return 1; }
	[ "$(grep -c 'BinaryName = .*/usr/local/bin/oci-rt' <<<"$output")" = 2 ] || { echo "$output"; return 1; }
	[[ $output == *runtimes.oci-rt-shim* ]]
}
