#!/usr/bin/env bats
# registries.conf (containers) and hosts.toml (containerd): mirrors in order, renamed, blocked and insecure registries.
load helpers

setup_file() {
	work_up
	make_root "$WORK/root"
	tar -C "$WORK/root" -cf "$WORK/root.tar" .
	image import "$WORK/root.tar" app:1
	image cp app:1 "oci:$WORK/layout:1"
	DIGEST=$("$OCI_IMAGE" --json images app:1 | jq -r '.[0].digest')
	P1=$(free_port) P2=$(free_port) DEAD=$(free_port)
	export P1 P2 DEAD DIGEST OCI_IMAGE_HOSTS_DIR=$WORK/certs.d CONTAINERS_REGISTRIES_CONF=$WORK/registries.conf
	python3 "$HERE/faultserver.py" "$P1" "$WORK/layout" "$WORK/log1" "$P2" 3>&- & echo $! >"$WORK/one.pid"
	python3 "$HERE/faultserver.py" "$P2" "$WORK/layout" "$WORK/log2" 3>&- & echo $! >"$WORK/two.pid"
	wait_port "$P1" && wait_port "$P2"
}
teardown_file() { work_down; }
setup() { rm -rf "$WORK/store" "$WORK/certs.d" "$WORK/registries.conf"; : >"$WORK/log1"; : >"$WORK/log2"; }

conf() { cat >"$WORK/registries.conf"; }
hosts() { mkdir -p "$WORK/certs.d/$1"; cat >"$WORK/certs.d/$1/hosts.toml"; }
asked() { grep -q " /v2/$2/app/" "$WORK/log$1"; }
not_asked() { ! grep -q " /v2/[^ ]" "$WORK/log$1"; }

@test "registries.conf: mirrors in order, then the location; the name stays what was asked for" {
	conf <<-T
		unqualified-search-registries = ["docker.io"] # not ours
		short-name-mode = "permissive"
		[[registry]]
		prefix = "example.test/team"
		location = "localhost:$P2/plain"
		[[registry.mirror]]
		location = "localhost:$DEAD/plain"
		[[registry.mirror]]
		location = 'localhost:$P1/status-500-forever'
		insecure = false
		[aliases]
		"x" = "y"
	T
	run "$OCI_IMAGE" pull example.test/team/app:1
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"mirror localhost:$DEAD"*"mirror localhost:$P1"* ]]
	asked 1 status-500-forever
	asked 2 plain
	[ "$("$OCI_IMAGE" --json images | jq -r '.[0].name')" = example.test/team/app:1 ]
	image verify example.test/team/app:1
}

@test "registries.conf: the first mirror that works ends it" {
	conf <<-T
		[[registry]]
		location = "example.test"
		[[registry.mirror]]
		location = "localhost:$P1"
		[[registry.mirror]]
		location = "localhost:$P2"
	T
	image pull example.test/plain/app:1
	asked 1 plain
	not_asked 2
}

@test "registries.conf: mirrors for digests or tags only" {
	conf <<-T
		[[registry]]
		prefix = "example.test"
		location = "localhost:$P2"
		[[registry.mirror]]
		location = "localhost:$P1"
		pull-from-mirror = "digest-only"
	T
	image pull example.test/plain/app:1
	not_asked 1
	rm -rf "$WORK/store"
	image pull "example.test/plain/app@$DIGEST"
	asked 1 plain
	sed -i s/digest-only/tag-only/ "$WORK/registries.conf"
	rm -rf "$WORK/store"; : >"$WORK/log1"
	image pull "example.test/plain/app@$DIGEST"
	not_asked 1
}

@test "registries.conf: longest prefix, wildcard, blocked" {
	conf <<-T
		[[registry]]
		prefix = "*.example.test"
		location = "localhost:$P1"
		[[registry]]
		prefix = "a.example.test/plain"
		location = "localhost:$P2/plain"
		[[registry]]
		prefix = "a.example.test/plain/app2"
		blocked = true
		[[registry]]
		prefix = "evil.test"
		blocked = true
	T
	image pull a.example.test/plain/app:1
	asked 2 plain; not_asked 1
	image pull deep.b.example.test/plain/app:1
	asked 1 plain
	run image pull a.example.test/plain/app2:1
	[ "$status" = 1 ]; [[ $output == *blocked* ]]
	run image pull evil.test/x:1
	[ "$status" = 1 ]; [[ $output == *blocked* ]]
	run image push app:1 evil.test/x:1
	[ "$status" != 0 ]
	# "evil.testing" and "example.test" itself are other hosts
	run env OCI_IMAGE_RETRY_MS=1 "$OCI_IMAGE" -q pull "localhost:$DEAD/evil.test:1"
	[ "$status" = 5 ]
}

@test "registries.conf: insecure allows plain HTTP off the loopback, and only then" {
	ip addr add 10.99.78.1/32 dev lo
	python3 - "$WORK/layout" 10.99.78.1 >"$WORK/far.port" 3>&- <<-'P' & echo $! >"$WORK/far.pid"
		import sys, socket, threading, os
		a = socket.socket(); a.bind((sys.argv[2], 0)); a.listen(64); print(a.getsockname()[1], flush=True)
		def pump(x, y):
		    try:
		        while True:
		            d = x.recv(65536)
		            if not d: break
		            y.sendall(d)
		    except OSError: pass
		    for s in (x, y):
		        try: s.shutdown(2)
		        except OSError: pass
		while True:
		    c, _ = a.accept(); t = socket.create_connection(("127.0.0.1", int(os.environ["P1"])))
		    threading.Thread(target=pump, args=(c, t), daemon=True).start(); threading.Thread(target=pump, args=(t, c), daemon=True).start()
	P
	for _ in $(seq 100); do [ ! -s "$WORK/far.port" ] || break; sleep 0.05; done
	far=10.99.78.1:$(cat "$WORK/far.port")
	conf <<-T
		[[registry]]
		location = "$far"
		insecure = false
	T
	run image pull "$far/plain/app:1"
	refused=$status
	sed -i 's/= false/= true/' "$WORK/registries.conf"
	run image pull "$far/plain/app:1"
	accepted=$status
	rm "$WORK/registries.conf"
	hosts "$far" <<-T
		server = "http://$far"
	T
	rm -rf "$WORK/store"
	run image pull "$far/plain/app:1"
	scheme=$status
	kill "$(cat "$WORK/far.pid")"
	ip addr del 10.99.78.1/32 dev lo
	[ "$refused" = 5 ]
	[ "$accepted" = 0 ]
	[ "$scheme" = 0 ]
}

@test "registries.conf: a user's own file and registries.conf.d" {
	unset CONTAINERS_REGISTRIES_CONF
	mkdir -p "$HOME/.config/containers/registries.conf.d"
	printf '[[registry]]\nlocation="example.test"\nblocked=true\n' >"$HOME/.config/containers/registries.conf"
	run image pull example.test/plain/app:1
	[[ $output == *blocked* ]]
	printf '[[registry]]\nprefix="example.test"\nlocation="localhost:%s"\n' "$P1" >"$HOME/.config/containers/registries.conf.d/50-mine.conf"
	image pull example.test/plain/app:1
	rm -r "$HOME/.config/containers"
}

@test "hosts.toml: order, capabilities, ns, server; before registries.conf" {
	conf <<-T
		[[registry]]
		location = "example.test"
		blocked = true
	T
	hosts example.test <<-T
		server = "http://localhost:$P2"
		[host."http://localhost:$DEAD"]
		  capabilities = ["pull", "resolve"]
		[host."http://localhost:$P1/never"]
		  capabilities = ["push"]
		[host."http://localhost:$P1"]
		  capabilities = [
		    "pull", # by digest
		    "resolve",
		  ]
		  [host."http://localhost:$P1".header]
		    x-custom = "1"
	T
	image pull example.test/plain/app:1
	asked 1 plain
	grep -q '/v2/plain/app/manifests/1?ns=example.test ' "$WORK/log1"
	grep -q '/v2/plain/app/blobs/sha256:[0-9a-f]*?ns=example.test ' "$WORK/log1"
	if grep -q never "$WORK/log1"; then false; fi
	not_asked 2
	rm -rf "$WORK/store"
	image pull example.test/wrong-digest/app:1 || true
	# a mirror that lies is passed over; the server lies as well
	asked 2 wrong-digest
	if grep -q ns= "$WORK/log2"; then false; fi
}

@test "hosts.toml: _default, host_port_, paths" {
	hosts _default <<-T
		[host."http://localhost:$P1"]
	T
	image pull example.test/plain/app:1
	asked 1 plain
	hosts example.test_5000_ <<-T
		[host."http://localhost:$P2/v2"]
		  override_path = true
	T
	image pull example.test:5000/plain/app:1
	asked 2 plain
	hosts example.test_5000_ <<-T
		[host."http://localhost:$P2/proxy"]
		  override_path = true
	T
	run image pull example.test:5000/plain/app:1
	[ "$status" = 1 ]; [[ $output == *override_path* ]]
}

@test "hosts.toml: skip_verify and ca" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/key" -out "$WORK/ca.pem" -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost 2>/dev/null
	registry tls "  tls: {certificate: $WORK/ca.pem, key: $WORK/key}" ""
	image import "$WORK/root.tar" up:1
	image push --cacert "$WORK/ca.pem" up:1 "localhost:$PORT_tls/plain/app:1"
	hosts example.test <<-T
		server = "https://localhost:$PORT_tls"
	T
	run image pull example.test/plain/app:1
	[ "$status" = 5 ]
	hosts example.test <<-T
		server = "https://localhost:$PORT_tls"
		skip_verify = true
	T
	image pull example.test/plain/app:1
	cp "$WORK/ca.pem" "$WORK/certs.d/example.test/"
	for ca in '"ca.pem"' "[\"$WORK/ca.pem\"]"; do
		hosts example.test <<-T
			[host."https://localhost:$PORT_tls"]
			  ca = $ca
		T
		rm -rf "$WORK/store"
		image pull example.test/plain/app:1
	done
}

@test "hosts.toml: client certificate and key, in one file or two, and several CAs" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/key" -out "$WORK/ca.pem" -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost 2>/dev/null
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/other-key" -out "$WORK/other.pem" -days 2 -subj /CN=else 2>/dev/null
	# the client's certificate is its own authority
	mkdir -p "$WORK/certs.d/example.test"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/certs.d/example.test/me.key" \
		-out "$WORK/certs.d/example.test/me.cert" -days 2 -subj /CN=me 2>/dev/null
	cat "$WORK/certs.d/example.test/me.cert" "$WORK/certs.d/example.test/me.key" >"$WORK/both.pem"
	registry mutual "  tls: {certificate: $WORK/ca.pem, key: $WORK/key, clientcas: [$WORK/certs.d/example.test/me.cert]}" ""
	image import "$WORK/root.tar" up:1
	url="https://localhost:$PORT_mutual"
	mkdir -p "$WORK/own/localhost:$PORT_mutual"
	cp "$WORK/ca.pem" "$WORK/own/localhost:$PORT_mutual/ca.crt"
	cp "$WORK/certs.d/example.test/me.cert" "$WORK/certs.d/example.test/me.key" "$WORK/own/localhost:$PORT_mutual/"
	OCI_IMAGE_CERTS_DIR=$WORK/own image push up:1 "localhost:$PORT_mutual/plain/app:1"
	hosts example.test <<-T
		[host."$url"]
		  ca = "$WORK/ca.pem"
	T
	run image pull example.test/plain/app:1
	[ "$status" != 0 ]
	for client in '[["me.cert", "me.key"]]' "\"$WORK/both.pem\"" "[\"$WORK/both.pem\"]" "[[\"$WORK/both.pem\", \"\"]]" "[['me.cert', 'me.key'], ['a', 'b']]"; do
		rm -rf "$WORK/store"
		hosts example.test <<-T
			[host."$url"]
			  ca = ["$WORK/other.pem", "$WORK/ca.pem"]
			  client = $client
		T
		image pull example.test/plain/app:1
		rm -rf "$WORK/store"
		hosts example.test <<-T
			server = "$url"
			ca = "$WORK/ca.pem"
			client = $client
		T
		image pull example.test/plain/app:1
	done
	hosts example.test <<-T
		server = "$url"
		ca = "$WORK/ca.pem"
		client = [["me.cert", "missing.key"]]
	T
	rm -rf "$WORK/store"
	run image pull example.test/plain/app:1
	echo "$output"
	[ "$status" = 5 ]
	[[ $output == *missing.key* ]]
}

@test "hosts.toml: headers go to their server and to no other" {
	hosts example.test <<-T
		server = "http://localhost:$P2"
		[header]
		  x-server = "two"
		[host."http://localhost:$P1"]
		  [host."http://localhost:$P1".header]
		    x-one = "first"
		    "x-list" = ["a", "b"]
	T
	image pull example.test/plain/app:1
	asked 1 plain; not_asked 2
	grep -q 'x-one=first x-list=a x-list=b' "$WORK/log1"
	if grep -q x-server "$WORK/log1"; then false; fi
	# the first one fails: the server gets its own
	rm -rf "$WORK/store"
	image pull example.test/wrong-digest/app:1 || true
	grep -q 'wrong-digest.*x-server=two' "$WORK/log2"
	if grep -q x-one "$WORK/log2"; then false; fi
	# blobs are redirected to another port, which is another server
	rm -rf "$WORK/store"; : >"$WORK/log1"; : >"$WORK/log2"
	image pull example.test/redirect/app:1
	grep -q '/v2/redirect/app/blobs.*x-one=first' "$WORK/log1"
	grep -q 'blobs' "$WORK/log2"
	if grep x- "$WORK/log2"; then false; fi
	for bad in 'x = "a\r\nb: c"' '"a b" = "c"' '"a:" = "c"' 'x = 1'; do
		printf '[host."http://localhost:%s"]\n[host."http://localhost:%s".header]\n%s\n' "$P1" "$P1" "$bad" | hosts example.test
		run image pull example.test/plain/app:2
		echo "$output"
		[ "$status" = 1 ]
		[[ $output == *header* ]]
	done
}

@test "registries.conf: an alias that leads elsewhere is named, and not followed" {
	conf <<-T
		[[registry]]
		prefix = "docker.io/library/app"
		location = "localhost:$P1/plain/app"
		[aliases]
		"app" = "example.test/plain/app"
		"team/tool" = "docker.io/team/tool"
	T
	run "$OCI_IMAGE" pull app:1
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"app is docker.io/library/app here"*"example.test/plain/app"* ]]
	asked 1 plain
}

@test "--mirror comes first; credentials of the command line do not go to mirrors" {
	conf <<-T
		[[registry]]
		prefix = "example.test"
		location = "localhost:$P2"
	T
	image pull --mirror "localhost:$P1" example.test/plain/app:1
	asked 1 plain; not_asked 2
	rm -rf "$WORK/store"; : >"$WORK/log1"
	run image pull --creds user:secret --mirror "localhost:$P1" example.test/auth/app:1
	if grep -q "Basic $(printf user:secret | base64)" "$WORK/log1"; then false; fi
}

@test "files that do not parse are errors with the line" {
	while IFS='|' read -r want text; do
		printf '%b' "$text" >"$WORK/registries.conf"
		run image pull example.test/plain/app:1
		echo "$text: $status $output"
		[ "$status" = 1 ]
		[[ $output == *"$want"* ]]
	done <<-'T'
		line 1|[[registry]
		line 2|[[registry]]\nlocation = "example.test
		line 2|[[registry]]\nlocation "x"
		line 3|[[registry]]\nlocation = "x"\ninsecure = yes
		line 1|a = [1, 2
		line 1|a = {b = 1
		line 1|a = """x
		line 1|a = "\\q"
		line 1|a = 1 b = 2
		neither prefix|[[registry]]\ninsecure = true
		wildcard|[[registry]]\nprefix = "*.x/y"
	T
}
