#!/usr/bin/env bats
# Debian's docker-registry: plain, TLS, htpasswd; the same images through skopeo and umoci.
load helpers

setup_file() {
	work_up
	make_root "$WORK/root"
	tar -C "$WORK/root" -cf "$WORK/root.tar" .
	image import "$WORK/root.tar" app:1 -c 'CMD ["sh"]' -c 'ENV A=b c' -c 'LABEL x=y'
	registry plain "" ""
	mkdir "$WORK/tls"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/tls/key" -out "$WORK/tls/ca.crt" -days 2 \
		-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
	htpasswd -Bbn user secret >"$WORK/htpasswd"
	registry tls "  tls: {certificate: $WORK/tls/ca.crt, key: $WORK/tls/key}" "auth: {htpasswd: {realm: r, path: $WORK/htpasswd}}"
}
teardown_file() { work_down; }
setup() { rm -f "$REGISTRY_AUTH_FILE"; }

@test "push, pull, same digest as skopeo sees" {
	image push app:1 "localhost:$PORT_plain/app:1"
	want=$("$OCI_IMAGE" --json images app:1 | jq -r '.[0].digest')
	[ "$(skopeo inspect --tls-verify=false "docker://localhost:$PORT_plain/app:1" | jq -r .Digest)" = "$want" ]
	OCI_IMAGE_STORE=$WORK/s2 image pull "localhost:$PORT_plain/app:1"
	[ "$(OCI_IMAGE_STORE=$WORK/s2 "$OCI_IMAGE" --json images | jq -r '.[0].digest')" = "$want" ]
	OCI_IMAGE_STORE=$WORK/s2 image verify --tree "localhost:$PORT_plain/app:1"
	skopeo copy -q --src-tls-verify=false "docker://localhost:$PORT_plain/app:1" "oci:$WORK/sk:1"
	OCI_IMAGE_STORE=$WORK/s2 image cp "docker://localhost:$PORT_plain/app:1" "oci:$WORK/our:1"
	diff -r "$WORK/sk/blobs" "$WORK/our/blobs"
}

@test "same tree as umoci" {
	image cp app:1 "oci:$WORK/um:1"
	umoci unpack --image "$WORK/um:1" "$WORK/umb"
	image unpack --flat app:1 "$WORK/flat"
	image unpack app:1 "$WORK/over"
	diff <(tree "$WORK/umb/rootfs") <(tree "$WORK/flat/rootfs")
	diff <(tree "$WORK/flat/rootfs") <(tree "$WORK/over/rootfs")
	image rm-bundle "$WORK/flat" "$WORK/over"
}

@test "skopeo and umoci read the store as it is" {
	skopeo copy -q "oci:$WORK/store:docker.io/library/app:1" "oci:$WORK/fromstore:1"
	umoci ls --layout "$WORK/store" | grep -q docker.io/library/app:1
}

@test "zstd and docker schema 2 from skopeo" {
	skopeo copy -q --dest-tls-verify=false -f v2s2 "oci:$WORK/store:docker.io/library/app:1" "docker://localhost:$PORT_plain/v2:1"
	image pull "localhost:$PORT_plain/v2:1"
	image verify --tree "localhost:$PORT_plain/v2:1"
	image import --compress zstd "$WORK/root.tar" zst:1 -c 'CMD ["sh"]'
	image push zst:1 "localhost:$PORT_plain/zst:1"
	OCI_IMAGE_STORE=$WORK/s3 image pull "localhost:$PORT_plain/zst:1"
	OCI_IMAGE_STORE=$WORK/s3 image verify --tree "localhost:$PORT_plain/zst:1"
}

@test "TLS: refused without the CA, then password" {
	run image pull "localhost:$PORT_tls/app:1"
	[ "$status" = 5 ]
	[[ $output == *certificate* ]]
	run image push --cacert "$WORK/tls/ca.crt" app:1 "localhost:$PORT_tls/app:1"
	[ "$status" = 4 ]
	run image login --cacert "$WORK/tls/ca.crt" -u user --password-stdin "localhost:$PORT_tls" <<<wrong
	[ "$status" = 4 ]
	[ ! -e "$REGISTRY_AUTH_FILE" ]
	image login --cacert "$WORK/tls/ca.crt" -u user --password-stdin "localhost:$PORT_tls" <<<secret
	[ "$(stat -c %a "$REGISTRY_AUTH_FILE")" = 600 ]
	image push --cacert "$WORK/tls/ca.crt" app:1 "localhost:$PORT_tls/app:1"
	skopeo inspect --authfile "$REGISTRY_AUTH_FILE" --tls-verify=false "docker://localhost:$PORT_tls/app:1" >/dev/null
	OCI_IMAGE_STORE=$WORK/s4 image pull --cacert "$WORK/tls/ca.crt" "localhost:$PORT_tls/app:1"
	image logout "localhost:$PORT_tls"
	run image push --cacert "$WORK/tls/ca.crt" app:1 "localhost:$PORT_tls/app:2"
	[ "$status" = 4 ]
}

@test "CA from certs.d" {
	mkdir -p "$HOME/.config/containers/certs.d/localhost:$PORT_tls"
	cp "$WORK/tls/ca.crt" "$HOME/.config/containers/certs.d/localhost:$PORT_tls/"
	image push --creds user:secret app:1 "localhost:$PORT_tls/certs:1"
}

@test "credential helper" {
	mkdir -p "$WORK/bin"
	cat >"$WORK/bin/docker-credential-test" <<-'S'
		#!/bin/sh
		read -r host
		case $1 in get) printf '{"ServerURL":"%s","Username":"user","Secret":"secret"}' "$host";; esac
	S
	chmod +x "$WORK/bin/docker-credential-test"
	printf '{"credHelpers":{"localhost:%s":"test"}}' "$PORT_tls" >"$REGISTRY_AUTH_FILE"
	PATH=$WORK/bin:$PATH image pull --cacert "$WORK/tls/ca.crt" "localhost:$PORT_tls/app:1"
	printf '{"credHelpers":{"localhost:%s":"../bin/test"}}' "$PORT_tls" >"$REGISTRY_AUTH_FILE"
	run image pull --cacert "$WORK/tls/ca.crt" "localhost:$PORT_tls/app:1"
	[ "$status" != 0 ]
	[[ $output == *"invalid name"* ]]
}

@test "plain HTTP elsewhere than on the loopback is refused" {
	ip addr add 10.99.77.1/32 dev lo
	port=$PORT_plain
	run image pull "10.99.77.1:$port/app:1"
	ip addr del 10.99.77.1/32 dev lo
	[ "$status" = 5 ]
}

@test "chunked push, cross-repository mount, list-tags, delete, cp" {
	image push --chunk 300000 app:1 "localhost:$PORT_plain/chunk:1"
	skopeo inspect --tls-verify=false "docker://localhost:$PORT_plain/chunk:1" >/dev/null
	image cp "docker://localhost:$PORT_plain/chunk:1" "docker://localhost:$PORT_plain/copy/of:2"
	image cp "docker://localhost:$PORT_plain/chunk:1" "docker://localhost:$PORT_plain/copy/of:3"
	[ "$("$OCI_IMAGE" list-tags "localhost:$PORT_plain/copy/of" | sort | tr '\n' ' ')" = "2 3 " ]
	image delete "localhost:$PORT_plain/copy/of:2"
	run image pull "localhost:$PORT_plain/copy/of:2"
	[ "$status" = 3 ]
}

@test "index of two platforms" {
	image config app:1 -c 'ENV B=1' -t arm:1
	image index multi:1 add app:1
	image index multi:1 add arm:1 --platform linux/arm64/v8
	image push multi:1 "localhost:$PORT_plain/multi:1"
	skopeo inspect --raw --tls-verify=false "docker://localhost:$PORT_plain/multi:1" | jq -e '.manifests | length == 2'
	image pull --platform linux/arm64 "localhost:$PORT_plain/multi:1"
	"$OCI_IMAGE" config "localhost:$PORT_plain/multi:1" | grep -q B=1
	run image pull --platform linux/s390x "localhost:$PORT_plain/multi:1"
	[ "$status" = 3 ]
	[[ $output == *linux/arm64* ]]
	image pull --platform all "localhost:$PORT_plain/multi:1"
	image verify "localhost:$PORT_plain/multi:1"
}

@test "mirror first, then the registry itself" {
	image push app:1 "localhost:$PORT_plain/library/mirrored:1"
	OCI_IMAGE_STORE=$WORK/s5 image pull --mirror "localhost:$PORT_plain" mirrored:1
	[ "$(OCI_IMAGE_STORE=$WORK/s5 "$OCI_IMAGE" --json images | jq -r '.[0].name')" = docker.io/library/mirrored:1 ]
}

@test "eight processes pull at once" {
	rm -rf "$WORK/s6"
	for _ in 1 2 3 4 5 6 7 8; do OCI_IMAGE_STORE=$WORK/s6 image pull "localhost:$PORT_plain/app:1" & pids+=" $!"; done
	for p in $pids; do wait "$p"; done
	OCI_IMAGE_STORE=$WORK/s6 image verify --tree "localhost:$PORT_plain/app:1"
	[ -z "$(ls "$WORK/s6/tmp")" ]
}
