#!/usr/bin/env bats
# Pushes that are cut and go on, referrers, tokens, credential stores; other compression, several platforms, foreign
# layers; export, df.
load helpers

setup_file() {
	work_up
	make_root "$WORK/root"
	head -c 3000000 /dev/urandom >"$WORK/root/big"
	tar -C "$WORK/root" -cf "$WORK/root.tar" .
	image import "$WORK/root.tar" app:1 -c 'CMD ["sh"]'
	PUSH=$(free_port) PULL=$(free_port)
	export PUSH PULL
	python3 "$HERE/pushserver.py" "$PUSH" "$WORK/log" 3>&- & echo $! >"$WORK/push.pid"
	wait_port "$PUSH"
}
teardown_file() { work_down; }
setup() { rm -f "$REGISTRY_AUTH_FILE"; : >"$WORK/log"; }

# The layer must be new to the server: its blobs are shared by all repositories.
fresh() { head -c 3000000 /dev/urandom >"$WORK/root/big"; tar -C "$WORK/root" -cf "$WORK/fresh.tar" ./big; image import "$WORK/fresh.tar" "$1"; }
sessions() { grep -c "^POST /v2/$1/app/blobs/uploads/" "$WORK/log"; }
pulls() { rm -rf "$WORK/s2"; OCI_IMAGE_STORE=$WORK/s2 image pull "localhost:$PUSH/$1/app:1"; OCI_IMAGE_STORE=$WORK/s2 image verify "localhost:$PUSH/$1/app:1"; }

@test "push: two chunks are cut, the session is asked and goes on" {
	fresh cut:1
	image push --chunk 500000 -j 1 cut:1 "localhost:$PUSH/cut/app:1"
	[ "$(sessions cut)" = 2 ] # the layer and the configuration
	[ "$(grep -c '^GET /v2/cut/app/blobs/uploads/' "$WORK/log")" = 2 ]
	# what came of the cut chunk is not sent again
	grep -q '^PATCH .* 501000-1000999$' "$WORK/log"
	pulls cut
	[ -z "$(ls "$WORK/store/tmp")" ]
}

@test "push: a session that is gone is started again" {
	fresh gone:1
	image push --chunk 500000 -j 1 gone:1 "localhost:$PUSH/gone/app:1"
	[ "$(sessions gone)" = 3 ]
	pulls gone
}

@test "push: killed in the middle, another process goes on at the same byte" {
	fresh stall:1
	OCI_IMAGE_STALL_SECONDS=30 "$OCI_IMAGE" -q push --chunk 500000 -j 1 stall:1 "localhost:$PUSH/stall/app:1" 3>&- &
	pid=$!
	for _ in $(seq 200); do [ "$(grep -c '^PATCH /v2/stall' "$WORK/log")" -ge 3 ] && break; sleep 0.05; done
	kill -9 $pid; wait $pid || true
	[ -n "$(find "$WORK/store/tmp" -name 'upload.*')" ]
	: >"$WORK/log"
	sleep 0.2
	image push --chunk 500000 -j 1 stall:1 "localhost:$PUSH/stall/app:1"
	[ "$(sessions stall)" = 0 ]
	first=$(grep -m1 '^PATCH' "$WORK/log" | sed 's/.* //; s/-.*//')
	[ "$first" -ge 1000000 ]
	pulls stall
	[ -z "$(find "$WORK/store/tmp" -name 'upload.*')" ]
}

@test "push: the registry's smallest chunk" {
	fresh min:1
	image push --chunk 100000 min:1 "localhost:$PUSH/min/app:1"
	grep -q '^PATCH .* 0-699999$' "$WORK/log"
	pulls min
}

@test "referrers: through the API, and through the tag where there is none" {
	digest=$("$OCI_IMAGE" --json images app:1 | jq -r '.[0].digest')
	size=$(stat -c %s "$WORK/store/blobs/sha256/${digest#*:}")
	for repository in plain noreferrers; do
		image push app:1 "localhost:$PUSH/$repository/app:1"
		for n in 1 2; do
			l=$WORK/art-$repository-$n
			mkdir -p "$l/blobs/sha256"
			echo '{"imageLayoutVersion":"1.0.0"}' >"$l/oci-layout"
			printf '{}' >"$l/empty"
			printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/x.sig%s","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:%s","size":2},"layers":[],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%s}}' \
				$n "$(sha256sum <"$l/empty" | cut -d' ' -f1)" "$digest" "$size" >"$l/m"
			m=$(sha256sum <"$l/m" | cut -d' ' -f1)
			printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s}]}' "$m" "$(stat -c %s "$l/m")" >"$l/index.json"
			mv "$l/empty" "$l/blobs/sha256/$(sha256sum <"$l/empty" | cut -d' ' -f1)"
			mv "$l/m" "$l/blobs/sha256/$m"
			image cp "oci:$l" "docker://localhost:$PUSH/$repository/app:art$n"
		done
		[ "$("$OCI_IMAGE" referrers "localhost:$PUSH/$repository/app:1" | wc -l)" = 2 ]
	done
	grep -q "^PUT /v2/noreferrers/app/manifests/sha256-${digest#*:} " "$WORK/log"
	if grep -q "^PUT /v2/plain/app/manifests/sha256-" "$WORK/log"; then false; fi
	# once more changes nothing
	image cp "oci:$WORK/art-noreferrers-2" "docker://localhost:$PUSH/noreferrers/app:art2"
	[ "$("$OCI_IMAGE" referrers "localhost:$PUSH/noreferrers/app:1" | wc -l)" = 2 ]
}

@test "identity token: from the file and from a credential store" {
	run image push app:1 "localhost:$PUSH/oauth/app:1"
	[ "$status" = 4 ]
	printf '{"auths":{"localhost:%s":{"identitytoken":"identity"}}}' "$PUSH" >"$REGISTRY_AUTH_FILE"
	image push app:1 "localhost:$PUSH/oauth/app:1"
	grep -q '^TOKEN POST .*"refresh_token": \["identity"\]' "$WORK/log"
	if grep '^TOKEN GET' "$WORK/log" | grep -q identity; then false; fi
	mkdir -p "$WORK/bin"
	cat >"$WORK/bin/docker-credential-fake" <<-'S'
		#!/bin/sh
		cat >"$WORK/helper.$1"
		case $1 in
		get) if [ -e "$WORK/helper.store" ]; then sed 's/.*/{"Username":"<token>","Secret":"identity"}/' "$WORK/helper.store"; else echo "credentials not found in native keychain"; exit 1; fi ;;
		erase) [ -e "$WORK/helper.store" ] || { echo "credentials not found in native keychain"; exit 1; }; rm "$WORK/helper.store" ;;
		esac
	S
	chmod +x "$WORK/bin/docker-credential-fake"
	export PATH=$WORK/bin:$PATH
	printf '{"credsStore":"fake"}' >"$REGISTRY_AUTH_FILE"
	run image push app:1 "localhost:$PUSH/oauth/app:2"
	[ "$status" = 4 ] # not found in the store: anonymous
	echo x >"$WORK/helper.store"
	image push app:1 "localhost:$PUSH/oauth/app:2"
	[ "$(cat "$WORK/helper.get")" = "localhost:$PUSH" ]
	rm "$WORK/helper.store"
	# login gives to the store and writes no password
	image login -u me --password-stdin "localhost:$PUSH" <<<hush
	jq -e --arg s "localhost:$PUSH" '.ServerURL == $s and .Username == "me" and .Secret == "hush"' "$WORK/helper.store"
	if grep -q "$(printf me:hush | base64)" "$REGISTRY_AUTH_FILE"; then false; fi
	image logout "localhost:$PUSH"
	[ ! -e "$WORK/helper.store" ]
	run image logout "localhost:$PUSH"
	[ "$status" = 3 ]
}

@test "push --compress: other blobs, same image, same every time" {
	for how in zstd zstd:19 gzip:1 none; do
		image push --compress "$how" app:1 "localhost:$PUSH/plain/app:1"
		pulls plain
		OCI_IMAGE_STORE=$WORK/s2 image unpack --flat --no-config "localhost:$PUSH/plain/app:1" "$WORK/flat-${how%:*}-$RANDOM"
		skopeo inspect --raw --tls-verify=false "docker://localhost:$PUSH/plain/app:1" >"$WORK/m.$how"
		jq -r '.layers[0].mediaType, .config.digest' "$WORK/m.$how"
	done
	jq -e '.layers[0].mediaType | endswith("tar+zstd")' "$WORK/m.zstd"
	jq -e '.layers[0].mediaType | endswith("tar")' "$WORK/m.none"
	[ "$(jq -r .config.digest "$WORK"/m.* | sort -u | wc -l)" = 1 ]
	[ "$(jq -r '.layers[0].digest' "$WORK"/m.* | sort -u | wc -l)" = 4 ]
	image push --compress zstd app:1 "localhost:$PUSH/plain/app:1"
	cmp <(skopeo inspect --raw --tls-verify=false "docker://localhost:$PUSH/plain/app:1") "$WORK/m.zstd"
	image push --compress keep app:1 "localhost:$PUSH/plain/app:1"
	[ "sha256:$(skopeo inspect --raw --tls-verify=false "docker://localhost:$PUSH/plain/app:1" | sha256sum | cut -d' ' -f1)" = "$("$OCI_IMAGE" --json images app:1 | jq -r '.[0].digest')" ]
	# Docker's manifest becomes OCI's where it has no type for the layers
	skopeo copy -q -f v2s2 --dest-tls-verify=false "oci:$WORK/store:docker.io/library/app:1" "docker://localhost:$PUSH/plain/app:1"
	OCI_IMAGE_STORE=$WORK/s2 image pull "localhost:$PUSH/plain/app:1"
	OCI_IMAGE_STORE=$WORK/s2 image push --compress zstd "localhost:$PUSH/plain/app:1"
	skopeo inspect --raw --tls-verify=false "docker://localhost:$PUSH/plain/app:1" | jq -e '[.mediaType, .config.mediaType, .layers[0].mediaType] | all(startswith("application/vnd.oci."))'
	run image push --compress brotli app:1 "localhost:$PUSH/plain/app:1"
	[ "$status" = 2 ]
	image cp --compress zstd app:1 "oci:$WORK/zstd:1"
	jq -e . "$WORK/zstd/index.json" >/dev/null
	skopeo copy -q "oci:$WORK/zstd:1" "oci:$WORK/zstd2:1"
}

@test "pull --platform a,b keeps the index and fetches these" {
	for p in arm64 s390x; do image config app:1 -c "ENV P=$p" -t "$p:1"; done
	image index multi:1 add app:1
	image index multi:1 add arm64:1 --platform linux/arm64
	image index multi:1 add s390x:1 --platform linux/s390x
	image push multi:1 "localhost:$PUSH/plain/app:multi"
	export OCI_IMAGE_STORE=$WORK/s3
	image pull --platform linux/amd64,linux/arm64 "localhost:$PUSH/plain/app:multi"
	[ "$("$OCI_IMAGE" --json images | jq -r '.[0].digest')" = "$(OCI_IMAGE_STORE=$WORK/store "$OCI_IMAGE" --json images multi:1 | jq -r '.[0].digest')" ]
	image verify "localhost:$PUSH/plain/app:multi"
	image unpack --flat --no-config --platform linux/arm64 "localhost:$PUSH/plain/app:multi" "$WORK/arm"
	run image unpack --flat --no-config --platform linux/s390x "localhost:$PUSH/plain/app:multi" "$WORK/s390x"
	[ "$status" != 0 ]
	run image pull --platform linux/amd64,linux/riscv64 "localhost:$PUSH/plain/app:multi"
	[ "$status" = 3 ]
	image gc
	image verify "localhost:$PUSH/plain/app:multi"
}

@test "foreign layers: refused with their address, fetched when asked for, no credentials" {
	image cp app:1 "oci:$WORK/foreign:1"
	layer=$("$OCI_IMAGE" inspect app:1 | jq -r '.layers[0].digest'); layer=${layer#*:}
	other=$(free_port)
	mkdir "$WORK/elsewhere"
	cp "$WORK/foreign/blobs/sha256/$layer" "$WORK/elsewhere/layer"
	python3 - "$other" "$WORK/elsewhere" >"$WORK/else.log" 2>&1 3>&- <<-'P' & echo $! >"$WORK/else.pid"
		import http.server, os, sys
		os.chdir(sys.argv[2])
		class H(http.server.SimpleHTTPRequestHandler):
		    def do_GET(self):
		        print("AUTH", self.headers.get("Authorization"), flush=True); super().do_GET()
		http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
	P
	wait_port "$other"
	# the manifest calls its layer foreign, the registry has all but that
	python3 - "$WORK/foreign" "$layer" "http://127.0.0.1:$other/layer" <<-'P'
		import hashlib, json, os, sys
		l, layer, url = sys.argv[1:]
		x = json.load(open(l + "/index.json")); d = x["manifests"][0]
		m = json.load(open(l + "/blobs/sha256/" + d["digest"][7:]))
		m["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
		m["layers"][0]["urls"] = ["http://127.0.0.1:1/dead", url]
		t = json.dumps(m).encode(); h = hashlib.sha256(t).hexdigest()
		open(l + "/blobs/sha256/" + h, "wb").write(t)
		d.update(digest="sha256:" + h, size=len(t)); json.dump(x, open(l + "/index.json", "w"))
		os.unlink(l + "/blobs/sha256/" + layer)
	P
	python3 "$HERE/faultserver.py" "$PULL" "$WORK/foreign" "$WORK/log2" 3>&- & echo $! >"$WORK/pull.pid"
	wait_port "$PULL"
	printf '{"auths":{"localhost:%s":{"auth":"%s"}}}' "$PULL" "$(printf user:secret | base64)" >"$REGISTRY_AUTH_FILE"
	export OCI_IMAGE_STORE=$WORK/s4
	run "$OCI_IMAGE" pull "localhost:$PULL/auth/app:1"
	[ "$status" = 3 ]
	[[ $output == *foreign*127.0.0.1:1/dead*--foreign* ]]
	[ ! -s "$WORK/else.log" ] || [ "$(grep -c AUTH "$WORK/else.log")" = 0 ]
	image pull --foreign "localhost:$PULL/auth/app:1"
	image verify --tree "localhost:$PULL/auth/app:1"
	grep -q 'AUTH None' "$WORK/else.log"
	if grep -q 'AUTH Be\|AUTH Ba' "$WORK/else.log"; then false; fi
}

@test "cp from a registry goes straight into a layout, and resumes" {
	image push app:1 "localhost:$PUSH/plain/app:direct"
	OCI_IMAGE_STORE=$WORK/none image cp "docker://localhost:$PUSH/plain/app:direct" "oci:$WORK/direct:1"
	[ ! -e "$WORK/none" ]
	[ ! -e "$WORK/direct/.partial" ]
	skopeo copy -q "oci:$WORK/direct:1" "oci:$WORK/direct2:1"
	diff -r "$WORK/direct/blobs" "$WORK/direct2/blobs"
}

@test "gc --older leaves what is new" {
	export OCI_IMAGE_STORE=$WORK/s5
	image import "$WORK/root.tar" old:1
	image rmi --no-gc old:1
	for bad in x 5 5y -1h 1hh 99999999999999999999d; do run image gc --older "$bad"; [ "$status" = 2 ]; done
	image gc --older 1h
	[ "$(find "$WORK/s5/blobs/sha256" -type f | wc -l)" = 3 ]
	sleep 1.1
	image gc --older 1s
	[ "$(find "$WORK/s5/blobs/sha256" -type f | wc -l)" = 0 ]
}

@test "export is the flat tree, df counts" {
	image export app:1 -o "$WORK/out.tar"
	image export app:1 >"$WORK/out2.tar"
	cmp "$WORK/out.tar" "$WORK/out2.tar"
	mkdir "$WORK/x1"
	tar -C "$WORK/x1" --xattrs --same-owner -xpf "$WORK/out.tar"
	image unpack --flat --no-config app:1 "$WORK/x2"
	diff <(tree "$WORK/x1") <(tree "$WORK/x2/rootfs")
	"$OCI_IMAGE" df
	"$OCI_IMAGE" --json df >"$WORK/df"
	[ "$(jq '[.. | numbers] | max' "$WORK/df")" -gt 3000000 ]
}
