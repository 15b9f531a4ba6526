#!/usr/bin/env bats
# Programs as people have them, from Dockerfile to running container: three services on a bridge; with --long also C,
# python3 and apt on a Debian base.
bats_require_minimum_version 1.5.0
load helpers

setup_file() {
	work_up
	mkdir "$WORK/base"
	cp /bin/busybox "$WORK/base/"
	printf 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nENV PATH=/bin\n' \
		>"$WORK/base/Dockerfile"
	"$OCI_IMAGE" build --network none --progress plain -t base "$WORK/base"
}
teardown_file() { work_down; }
teardown() {
	for name in db api front app; do
		"$OCI_RT" delete --force "$name-$$" 2>/dev/null || true
		[ ! -d "$WORK/$name-$$" ] || "$OCI_IMAGE" -q rm-bundle --force "$WORK/$name-$$" || true
	done
}

# build NAME [OPTION...] < Dockerfile; the context is $WORK/NAME
build() {
	local name=$1
	shift
	mkdir -p "$WORK/$name"
	cat >"$WORK/$name/Dockerfile"
	"$OCI_IMAGE" build --progress plain -t "$name" "$@" "$WORK/$name"
}
# serve NAME [OPTION...]: in the background
serve() {
	local name=$1
	shift
	image unpack "$@" "$name" "$WORK/$name-$$"
	"$OCI_RT" run --detach --bundle "$WORK/$name-$$" "$name-$$" </dev/null >"$WORK/$name.log" 2>&1 3>&-
}
address() { "$OCI_RT" exec "$1-$$" hostname -i; }
fetch() {
	for _ in $(seq 100); do
		curl -sf --max-time 10 "$1" && return
		sleep 0.1
	done
	cat "$WORK"/*.log
	return 1
}

@test "three services of three Dockerfiles talk over the bridge" {
	port=$(free_port)
	build db --network none <<-'D'
		FROM base
		RUN mkdir /data && echo "forty-two" >/data/answer
		CMD ["httpd", "-f", "-p", "5432", "-h", "/data"]
	D
	build api --network none <<-'D'
		FROM base
		COPY <<-'X' /www/cgi-bin/answer
			#!/bin/sh
			printf 'Content-Type: text/plain\r\n\r\n'
			echo "api says $(wget -q -O - "http://$DB:5432/answer")"
		X
		RUN chmod 755 /www/cgi-bin/answer
		CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]
	D
	build front --network none <<-'D'
		FROM base
		COPY --chmod=755 <<-'X' /www/cgi-bin/page
			#!/bin/sh
			printf 'Content-Type: text/html\r\n\r\n'
			echo "<p>$(wget -q -O - "http://$API:8000/cgi-bin/answer")</p>"
		X
		EXPOSE 80
		CMD ["httpd", "-f", "-p", "80", "-h", "/www"]
	D
	serve db --net bridge
	serve api --net bridge -e "DB=$(address db)"
	serve front -p "$port:80" -e "API=$(address api)"
	[ "$(fetch "http://127.0.0.1:$port/cgi-bin/page")" = "<p>api says forty-two</p>" ]
	# a new life, a new address, under the same name
	"$OCI_RT" delete --force "db-$$"
	"$OCI_RT" run --detach --bundle "$WORK/db-$$" "db-$$" </dev/null >>"$WORK/db.log" 2>&1 3>&-
	[ "$("$OCI_RT" exec "db-$$" ip -4 -o addr show eth0 | grep -c " $(address db)/")" = 1 ]
	# one of them goes: the others stay, and the page shows it
	"$OCI_RT" delete --force "db-$$"
	image rm-bundle "$WORK/db-$$"
	[ "$(fetch "http://127.0.0.1:$port/cgi-bin/page")" = "<p>api says </p>" ]
}

# a minbase tree with a compiler and python, made once
debian() {
	local root=$WORK/debian
	[ -n "${OCI_RT_TEST_LONG:-}" ] || skip "a Debian base takes minutes: --long"
	[ -e "$WORK/debian.tar" ] && return
	debootstrap --variant=minbase bookworm "$root" >"$WORK/debootstrap.log" 2>&1 || skip "debootstrap: $(tail -n 1 "$WORK/debootstrap.log")"
	cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
	cp -a /etc/apt/sources.list /etc/apt/sources.list.d "$root/etc/apt/" 2>/dev/null || true
	tar -C "$root" -cf "$WORK/debian.tar" .
	image import "$WORK/debian.tar" debian:12 -c 'CMD ["bash"]'
}

@test "packages by apt; a C program compiled in one stage and copied to scratch" {
	debian
	mkdir -p "$WORK/app"
	printf '#include <stdio.h>\nint main(void) { puts("compiled"); return 0; }\n' >"$WORK/app/hello.c"
	build app --network host <<-'D'
		FROM debian:12 AS compile
		RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
		COPY hello.c .
		RUN gcc -O2 -static -o /hello hello.c
		FROM scratch
		COPY --from=compile /hello /hello
		ENTRYPOINT ["/hello"]
	D
	image unpack app "$WORK/app-$$"
	[ "$("$OCI_RT" run --bundle "$WORK/app-$$" "app-$$" </dev/null)" = compiled ]
	[ "$(find "$WORK/app-$$/rootfs" -type f -size +0 | wc -l)" = 1 ]
}

@test "a python3 program, with its own user" {
	debian
	mkdir -p "$WORK/app"
	echo 'import os, sys; print(os.getuid(), os.getcwd(), *sys.argv[1:])' >"$WORK/app/main.py"
	build app --network host <<-'D'
		FROM debian:12
		RUN apt-get update && apt-get install -y --no-install-recommends python3-minimal
		RUN useradd --uid 1234 --create-home worker
		WORKDIR /srv/app
		COPY --chown=worker main.py .
		USER worker
		ENTRYPOINT ["python3", "main.py"]
		CMD ["default"]
	D
	image unpack app "$WORK/app-$$"
	[ "$("$OCI_RT" run --bundle "$WORK/app-$$" "app-$$" </dev/null)" = '1234 /srv/app default' ]
}
