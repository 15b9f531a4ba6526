# What engines rely on beside the specification, where no other test proves it.

load ../runtime/helpers

@test "run.oci.keep_original_groups keeps the caller's groups" {
	need_root
	need_command setpriv
	config '.annotations = {"run.oci.keep_original_groups": "1"} | .process.args = ["/bin/grep", "^Groups:", "/proc/self/status"]'
	run setpriv --groups 4,27 "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	assert_match '^Groups:.4 27'
	config 'del(.annotations)'
	run setpriv --groups 4,27 "$OCI_RT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	refute_match '4 27'
}
