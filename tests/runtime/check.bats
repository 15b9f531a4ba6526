#!/usr/bin/env bats
# check, plan, --trace: look, explain and time without doing.

load helpers

@test "check of a good bundle says so and does nothing" {
	run rt check "$BUNDLE"
	assert_status 0
	[ ! -e "$ROOT" ]
	assert_clean
}

@test "check reports all errors at once, each with its JSON path" {
	config '.process.cwd = "relative" | .process.args = [] | .linux.namespaces += [{"type": "teapot"}] | .process.user.uid = -1
		| .hostname = 7 | .linux.resources.pids = {"limit": "many"}'
	run rt check "$BUNDLE"
	assert_status 1
	local p last
	last=$(jq '.linux.namespaces | length - 1' "$BUNDLE/config.json")
	for p in process.cwd process.args "linux.namespaces[$last]" process.user.uid hostname linux.resources.pids.limit; do assert_has "$p"; done
}

@test "check --format json: an array of objects with path and message" {
	config '.process.cwd = "relative" | .hostname = 7'
	run --separate-stderr rt check --format json "$BUNDLE"
	assert_status 1
	jq -e '(if type == "array" then . else .errors end) | length == 2 and all(.[]; (.path | type == "string") and ((.message // .msg) | type == "string"))
		and ([.[].path] | sort) == ["hostname", "process.cwd"]' <<<"$output"
}

@test "check --format json of a good bundle is valid JSON without errors" {
	run --separate-stderr rt check --format json "$BUNDLE"
	assert_status 0
	jq -e '(if type == "array" then . else .errors end) | length == 0' <<<"$output"
}

@test "check: broken JSON says where" {
	printf '{"ociVersion": "1.0.2",\n "process": {"cwd": }\n' >"$BUNDLE/config.json"
	run rt check "$BUNDLE"
	assert_status 1
	assert_match '(line|:) ?2'
	: >"$BUNDLE/config.json"
	run rt check "$BUNDLE"
	assert_fails
	printf '[1, 2]' >"$BUNDLE/config.json"
	run rt check "$BUNDLE"
	assert_fails
}

@test "check: the version must be a semantic version of major 1" {
	local v
	for v in 1.0.0 1.0.2-dev 1.2.1+dev 1.3.0 1.99.0; do
		config '.ociVersion = $v' --arg v "$v"
		run rt check "$BUNDLE"
		assert_status 0
	done
	for v in '' 1 1.0 2.0.0 0.9.9 v1.0.0 1.0.0.0 teapot; do
		config '.ociVersion = $v' --arg v "$v"
		run rt check "$BUNDLE"
		assert_fails ociVersion
	done
	config 'del(.ociVersion)'
	run rt check "$BUNDLE"
	assert_fails ociVersion
}

@test "check: unknown members are ignored" {
	config '.teapot = {"a": [1, {"b": null}]} | .process.teapot = 1 | .linux.teapot = "x" | .windows = {"layerFolders": []}'
	run rt check "$BUNDLE"
	assert_status 0
	refute_has teapot
	inside_ok 'echo runs'
	assert_output runs
	[ ! -s "$T/log.json" ] || fail "in the log: $(cat "$T/log.json")"
}

@test "check: a duplicate key, a NUL, invalid UTF-8, a huge number" {
	local good
	good=$(jq -c . "$BUNDLE/config.json")
	printf '%s' "${good%\}},\"hostname\":\"twice\"}" >"$BUNDLE/config.json"
	run rt check "$BUNDLE"
	assert_fails hostname
	printf '%s' "${good/\"testbox\"/\"a\\u0000b\"}" >"$BUNDLE/config.json"
	run rt check "$BUNDLE"
	assert_fails hostname
	printf '%s' "${good/testbox/$'a\xff\xfeb'}" >"$BUNDLE/config.json"
	run rt check "$BUNDLE"
	assert_fails
	printf '%s' "${good/\"uid\":0/\"uid\":1e400}" >"$BUNDLE/config.json"
	run rt check "$BUNDLE"
	assert_fails
}

@test "check: bounds of size and depth" {
	head -c 17000000 /dev/zero | tr '\0' ' ' >>"$BUNDLE/config.json"
	run rt check "$BUNDLE"
	assert_fails
	assert_has 16
	{ printf '{"ociVersion":"1.0.0","x":'; head -c 100000 /dev/zero | tr '\0' '['; } >"$BUNDLE/config.json"
	run rt check "$BUNDLE"
	assert_fails
	assert_has 512
}

@test "check of a directory without config.json, and of nothing" {
	run rt check "$T"
	assert_fails config.json
	run rt check "$T/missing"
	assert_fails "$T/missing"
}

@test "plan lists the steps in order and does nothing" {
	run rt plan "$BUNDLE"
	assert_status 0
	assert_has /proc
	assert_has /dev/shm
	assert_match 'mounts\[0\]'
	assert_match 'hostname'
	[ "${#lines[@]}" -gt 20 ]
	[ ! -e "$ROOT" ]
	assert_clean
}

@test "plan --format json: each step has a stage, a facility, a text" {
	run --separate-stderr rt plan --format json "$BUNDLE"
	assert_status 0
	jq -e '(if type == "array" then . else .steps end) | length > 20 and all(.[]; (.stage | type == "string") and (.facility | type == "string"))
		and ([.[] | select((.path // "") | startswith("mounts["))] | length >= 7)' <<<"$output"
}

@test "plan follows the configuration" {
	config '.mounts += [{"destination": "/data", "type": "tmpfs", "source": "tmpfs"}] | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}'
	run rt plan "$BUNDLE"
	assert_has 'mounts[7]'
	assert_has /data
	assert_has seccomp
	config 'del(.linux.seccomp)'
	run rt plan "$BUNDLE"
	refute_has seccomp
}

@test "plan of a broken configuration is its errors" {
	config '.process.cwd = "relative"'
	run rt plan "$BUNDLE"
	assert_fails process.cwd
}

@test "--trace writes Chrome trace events of the steps" {
	args /bin/true
	run rt --trace "$T/trace.json" run --bundle "$BUNDLE" "$ID" </dev/null
	assert_status 0
	jq -e '(if type == "array" then . else .traceEvents end) | map(select(.ph == "X" or .ph == "B")) |
		length > 20 and all(.[]; (.name | type == "string") and (.ts | type == "number") and (.pid | type == "number"))' "$T/trace.json"
	jq -e '[(if type == "array" then . else .traceEvents end)[] | select(.ph == "X") | .dur] | all(. >= 0)' "$T/trace.json"
}
