#!/usr/bin/env bats
# Dockerfiles to images, on a base of a static busybox built FROM scratch; what is built is looked at by running it.
bats_require_minimum_version 1.5.0
load helpers

setup_file() {
	work_up
	mkdir "$WORK/base"
	cp /bin/busybox "$WORK/base/"
	cat >"$WORK/base/Dockerfile" <<-'D'
		FROM scratch
		COPY busybox /bin/busybox
		RUN ["/bin/busybox", "--install", "-s", "/bin"]
		RUN mkdir -p /etc /root && chmod 700 /root && mkdir -m 1777 /tmp && \
		    printf 'root:x:0:0:root:/root:/bin/sh\nwww:x:1000:1000::/home/www:/bin/sh\n' >/etc/passwd && \
		    printf 'root:x:0:\nwww:x:1000:\nextra:x:2000:www\n' >/etc/group
	D
	build -t base "$WORK/base"
}
teardown_file() { work_down; }
setup() {
	C=$WORK/c
	rm -rf "$C" "$WORK/b"
	mkdir "$C"
	cd "$C" || return
}
teardown() { [ ! -d "$WORK/b" ] || "$OCI_IMAGE" -q rm-bundle --force "$WORK/b"; }

build() { "$OCI_IMAGE" build --network none --progress plain "$@"; }
dockerfile() { cat >"$C/Dockerfile"; }
# inside IMAGE COMMAND...: run a command in a container of the image
inside() {
	local i=$1 status=0
	shift
	image unpack "$i" "$WORK/b" -- "$@"
	"$OCI_RT" run -b "$WORK/b" "build-test-$$-$RANDOM" </dev/null || status=$?
	image rm-bundle "$WORK/b"
	return $status
}
config() { "$OCI_IMAGE" inspect --config "$1" | jq -r "$2"; }
nothing_mounted() { ! grep -q "$WORK" /proc/self/mountinfo; }

@test "first build: files, configuration, history" {
	dockerfile <<-'D'
		FROM base
		LABEL a=b "c d"=e
		ENV X=1 Y="two words"
		EXPOSE 80 90-91/udp
		VOLUME /data
		STOPSIGNAL SIGUSR1
		HEALTHCHECK --interval=5s --retries=2 CMD true
		WORKDIR /w
		WORKDIR sub
		RUN echo "$X $Y" >out; pwd >>out
		USER www:extra
		RUN id >/tmp/id
		CMD cat /w/sub/out /tmp/id
	D
	build -t app --label l=m .
	run inside app cat /w/sub/out /tmp/id
	[ "$output" = $'1 two words\n/w/sub\nuid=1000(www) gid=2000(extra) groups=2000(extra)' ]
	[ "$(config app '.config | [.User, .WorkingDir, .StopSignal, .Labels.a, .Labels["c d"], .Labels.l, .Healthcheck.Interval, .Healthcheck.Test[0]] | @csv')" = \
		'"www:extra","/w/sub","SIGUSR1","b","e","m",5000000000,"CMD-SHELL"' ]
	[ "$(config app '.config.ExposedPorts | keys | join(" ")')" = "80/tcp 90/udp 91/udp" ]
	[ "$(config app '.config.Cmd | join("|")')" = "/bin/sh|-c|cat /w/sub/out /tmp/id" ]
	[ "$(config app '[.history[] | select(.empty_layer | not)] | length')" = "$(config app '.rootfs.diff_ids | length')" ]
	config app '.history[].created_by' | grep -qx 'RUN /bin/sh -c id >/tmp/id # buildkit'
	image verify --tree app
}

@test "the same Dockerfile gives the same digest in two stores, whatever the clock and the files' times" {
	echo data >f
	dockerfile <<-'D'
		FROM scratch
		COPY --from=base / /
		COPY f /f
		RUN date >/dev/null; echo x >/x; mkdir /d; ln -s /x /d/l; ln /x /d/h; rm /f
		WORKDIR /w
	D
	image save base -o "$WORK/base.tar" 2>/dev/null || image save base >"$WORK/base.tar"
	one=$(build --progress quiet -t r1 .)
	touch -d 2011-01-01 f
	OCI_IMAGE_STORE=$WORK/store2 image load -i "$WORK/base.tar" 2>/dev/null || OCI_IMAGE_STORE=$WORK/store2 image load <"$WORK/base.tar"
	two=$(OCI_IMAGE_STORE=$WORK/store2 build --progress quiet -t r2 .)
	[ -n "$one" ]
	[ "$one" = "$two" ]
	three=$(build --progress quiet --no-cache -t r3 .)
	[ "$one" = "$three" ]
	[ "$(build --progress quiet --source-date-epoch 1000000000 -t r4 .)" != "$one" ]
	[ "$(config r4 .created)" = 2001-09-09T01:46:40Z ]
	touch -d 2012-03-04T05:06:07Z f
	touch -d 2011-01-01 Dockerfile
	build --source-date-epoch context -t r5 .
	[ "$(config r5 .created)" = 2012-03-04T05:06:07Z ]
	printf 'FROM r5 AS a\nARG SOURCE_DATE_EPOCH\nFROM a\nRUN ["/bin/sh", "-c", "echo $SOURCE_DATE_EPOCH >/e"]\n' >Dockerfile
	build --source-date-epoch image -t r6 .
	[ "$(config r6 .created)" = 2012-03-04T05:06:07Z ]
	[ "$(inside r6 cat /e)" = 1330837567 ]
}

# A RUN leaves a line in a cache mount: so we see whether it ran.
runs() { find "$OCI_IMAGE_STORE/cache/mounts" -name "$1" -exec cat {} + | wc -l; }

@test "a second build runs nothing; content, ENV and ARG make it run again" {
	echo 1 >f
	dockerfile <<-'D'
		FROM base
		ARG A=1
		ENV E=1
		COPY f /f
		RUN --mount=type=cache,target=/log echo "$A$E" >>/log/k; cat /f >/r
	D
	build -t k .
	[ "$(runs k)" = 1 ]
	build -t k .
	touch f
	build -t k .
	[ "$(runs k)" = 1 ]
	echo 2 >f
	build -t k .
	[ "$(runs k)" = 2 ]
	[ "$(inside k cat /r)" = 2 ]
	build --build-arg A=2 -t k .
	[ "$(runs k)" = 3 ]
	sed -i 's/E=1/E=2/' Dockerfile
	build -t k .
	[ "$(runs k)" = 4 ]
	sed -i 's/E=2/E=1/' Dockerfile
	echo 1 >f
	build -t k .
	[ "$(runs k)" = 4 ]
	build --no-cache -t k .
	[ "$(runs k)" = 5 ]
}

@test "--explain says what differs" {
	dockerfile <<-'D'
		FROM base
		ENV WHO=cat
		RUN echo $WHO >/who
	D
	build -t why . 2>log
	sed -i s/cat/dog/ Dockerfile
	build --explain -t why . 2>log
	grep -q 'not cached: variable WHO: "dog" was "cat"' log
	build --explain -t why . 2>log
	if grep -q 'not cached' log; then false; fi
}

@test "a twelve-step rebuild opens no container" {
	{ echo "FROM base"; for i in $(seq 12); do echo "RUN echo $i >/s$i"; done; } >Dockerfile
	build -t twelve .
	build --runtime /bin/false -t twelve . 2>log
	[ "$(grep -c CACHED log)" = 12 ]
}

@test "only what the target needs is built; stages side by side; COPY --from by name and number" {
	dockerfile <<-'D'
		FROM base AS one
		RUN echo 1 >/one
		FROM base AS broken
		RUN false
		FROM base AS two
		RUN echo 2 >/two
		FROM scratch AS last
		COPY --from=one /one /
		COPY --from=2 /two /
		COPY --from=base /bin/busybox /bin/
		FROM last
		RUN ["/bin/busybox", "touch", "/three"]
	D
	build -j 4 -t multi .
	[ "$(inside multi /bin/busybox ls / | grep -E 'one|two|three' | tr '\n' ' ')" = "one three two " ]
	build --target two -t two .
	inside two cat /two
	run ! build --target broken .
	[ "$status" = 7 ]
	run ! build --target onee .
	[[ $output == *'did you mean "one"'* ]]
}

@test "stages run at the same time" {
	dockerfile <<-'D'
		FROM base AS a
		RUN --mount=type=cache,id=meet,target=/m touch /m/a; for i in $(seq 300); do [ -e /m/b ] && exit 0; sleep 0.1; done; exit 1
		FROM base AS b
		RUN --mount=type=cache,id=meet,target=/m touch /m/b; for i in $(seq 300); do [ -e /m/a ] && exit 0; sleep 0.1; done; exit 1
		FROM scratch
		COPY --from=a /etc/passwd /a
		COPY --from=b /etc/passwd /b
	D
	build -j 2 -t meet .
}

@test "a stage that makes the same file again costs those who take it nothing" {
	dockerfile <<-'D'
		FROM base AS lend
		ARG T
		RUN echo $T >/other; echo same >/file
		FROM base
		COPY --from=lend /file /file
		RUN --mount=type=bind,from=lend,source=/file,target=/m --mount=type=cache,target=/log echo x >>/log/second; cat /m >/n
	D
	build --build-arg T=1 -t sec .
	build --build-arg T=2 -t sec . 2>log
	[ "$(runs second)" = 1 ]
	grep -q 'COPY --from=lend' log
}

@test "a failing step: its text, its output, status 7, nothing mounted, the cache is usable" {
	dockerfile <<-'D'
		FROM base
		RUN --mount=type=cache,target=/log echo x >>/log/good; touch /good
		RUN echo before; exit 3
	D
	run ! build -t fail .
	[ "$status" = 7 ]
	[[ $output == *"before"* ]]
	[[ $output == *"Dockerfile:3: RUN:"*"exit status 3"* ]]
	nothing_mounted
	[ -z "$(ls "$OCI_IMAGE_STORE/tmp")" ]
	sed -i 's/exit 3/true/' Dockerfile
	build -t fail .
	[ "$(runs good)" = 1 ]
	image verify fail
}

@test "secrets: as file and as variable, in no layer, history or cache" {
	echo "very-${RANDOM}secret-$$" >s
	dockerfile <<-'D'
		FROM base
		RUN --mount=type=secret,id=s sha256sum </run/secrets/s >/sum; stat -c %a /run/secrets/s >/mode
		RUN --mount=type=secret,id=s,target=/k,mode=0444,uid=1000 stat -c '%a %u' /k >>/mode
		RUN --mount=type=secret,id=e,env=TOKEN echo -n "$TOKEN" | sha256sum >/esum
		RUN --mount=type=secret,id=nobody test ! -e /run/secrets/nobody
	D
	TOK="$(cat s)" build --secret id=s,src=s --secret id=e,env=TOK -t sec .
	[ "$(inside sec cat /sum | cut -d' ' -f1)" = "$(sha256sum <s | cut -d' ' -f1)" ]
	[ "$(inside sec cat /esum | cut -d' ' -f1)" = "$(printf %s "$(cat s)" | sha256sum | cut -d' ' -f1)" ]
	[ "$(inside sec cat /mode)" = $'400\n444 1000' ]
	run ! grep -rqF "$(cat s)" "$OCI_IMAGE_STORE"
	if inside sec ls /run/secrets/s /k 2>/dev/null; then false; fi
	echo 'RUN --mount=type=secret,id=must,required true' >>Dockerfile
	run ! build -t sec2 --secret id=s,src=s .
	[[ $output == *'secret "must" is required'* ]]
}

@test "mounts leave no trace: cache, tmpfs, bind, mount points, /etc/resolv.conf" {
	echo ctx >f
	dockerfile <<-'D'
		FROM scratch
		COPY --from=base /bin /bin
		RUN --mount=type=cache,target=/deep/cache,uid=5,mode=0750 --mount=type=tmpfs,target=/deep/t \
		    --mount=target=/ctx,rw --mount=target=/file,source=f \
		    stat -c '%u %a' /deep/cache; touch /deep/cache/x /deep/t/y /ctx/z; cat /ctx/f /file; ls -a /etc
		RUN --mount=target=/ctx test ! -e /ctx/z; if touch /ctx/q 2>/dev/null; then exit 1; fi
	D
	build -t trace . 2>log
	grep -q '5 750' log
	[ "$(grep -c ' ctx$' log)" = 2 ]
	[ ! -e z ]
	inside trace ls / >list
	for n in deep ctx file; do if grep -qx $n list; then false; fi; done
	[ "$(config trace '.rootfs.diff_ids | .[1] == .[2]')" = true ] # both empty
}

@test "heredocs" {
	dockerfile <<-'D'
		FROM base
		ARG N=world
		RUN <<E
		echo one >/one
		echo "two $N" >>/one
		E
		RUN <<-S cat >/three
			tabs go
		S
		RUN <<X
		#!/bin/busybox sh
		echo "script $0" >/script
		X
		COPY <<A <<"B" /files/
		hello $N
		A
		hello $N
		B
	D
	build -t here .
	[ "$(inside here cat /one /three /script /files/A /files/B)" = $'one\ntwo world\ntabs go\nscript /dev/pipes/X\nhello world\nhello $N' ]
}

@test "ONBUILD fires in the next image, once" {
	dockerfile <<-'D'
		FROM base
		ONBUILD COPY f /from-onbuild
		ONBUILD ENV OB=yes
		ONBUILD RUN echo $OB >/ran
	D
	build -t onb .
	[ "$(config onb '.config.OnBuild | length')" = 3 ]
	echo x >f
	echo "FROM onb" >Dockerfile
	build -t next .
	[ "$(inside next cat /from-onbuild /ran)" = $'x\nyes' ]
	[ "$(config next '.config.OnBuild | length')" = 0 ]
}

@test "ARG: scopes, defaults, proxies, ENV wins" {
	dockerfile <<-'D'
		ARG B=base
		ARG G=global
		FROM $B
		ARG G
		ARG L=local-$G
		ARG W=arg
		ENV W=env
		RUN echo "$G $L $W ${U:-unset} $http_proxy" >/a
		ARG TARGETARCH
		RUN echo $TARGETARCH >>/a
	D
	build --build-arg http_proxy=p1 -t arg .
	[ "$(inside arg sed -n 1p /a)" = "global local-global env unset p1" ]
	[ -n "$(inside arg sed -n 2p /a)" ]
	build --build-arg http_proxy=p2 -t arg . 2>log
	[ "$(grep -c CACHED log)" = 2 ]
	if config arg '.history[].created_by' | grep -q p1; then false; fi
	run build --build-arg NOPE=1 -t arg .
	[[ $output == *"--build-arg NOPE"* ]]
}

@test "the sandbox: default capabilities, no insecure without --allow, none and host network" {
	dockerfile <<-'D'
		FROM base
		RUN grep CapEff /proc/self/status; grep Seccomp: /proc/self/status
	D
	build -t cap . 2>log
	grep -q 'CapEff:.*00000000a80425fb' log
	grep -q 'Seccomp:.*2' log
	echo 'RUN --security=insecure grep CapEff /proc/self/status' >>Dockerfile
	run ! build -t cap .
	[[ $output == *"--allow security.insecure"* ]]
	build --allow security.insecure -t cap . 2>log
	if tail -n 6 log | grep -q 00000000a80425fb; then false; fi
	printf 'FROM base\nRUN --network=none test "$(ls /sys/class/net)" = lo\n' >Dockerfile
	build -t net .
}

@test "two builds at once run a step they share once" {
	dockerfile <<-'D'
		FROM base
		RUN --mount=type=cache,target=/log echo x >>/log/shared; sleep 1; touch /done
	D
	build -t p1 . 3>&- &
	one=$!
	build -t p2 . 3>&-
	wait $one
	[ "$(runs shared)" = 1 ]
	inside p1 ls /done
	inside p2 ls /done
}

@test "an interrupted build leaves nothing behind" {
	dockerfile <<-'D'
		FROM base
		RUN --mount=type=cache,target=/log touch /log/started; sleep 12345
	D
	"$OCI_IMAGE" build --network none -t never . 3>&- >/dev/null 2>&1 &
	pid=$!
	for _ in $(seq 200); do find "$OCI_IMAGE_STORE/cache/mounts" -name started | grep -q . && break; sleep 0.1; done
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ "$status" != 0 ]
	nothing_mounted
	[ -z "$(ls "$OCI_IMAGE_STORE/tmp")" ]
	[ -z "$(pgrep -x -f 'sleep 12345')" ]
}

@test "outputs: oci, docker, tar, local, bundle, iidfile, metadata, squash" {
	dockerfile <<-'D'
		FROM base
		RUN echo one >/one
		RUN rm /one; echo two >/two
		CMD ["cat", "/two"]
	D
	build -t out -o type=oci,dest="$WORK/o.tar" -o type=docker,dest="$WORK/d.tar" -o type=tar,dest="$WORK/t.tar" \
		-o type=local,dest="$WORK/l" -o type=bundle,dest="$WORK/bundle" --iidfile iid --metadata-file meta .
	tar -tf "$WORK/o.tar" | grep -q oci-layout
	tar -tf "$WORK/d.tar" | grep -q manifest.json
	tar -tf "$WORK/t.tar" | grep -qx two
	if tar -tf "$WORK/t.tar" | grep -qE 'one|\.wh\.'; then false; fi
	[ "$(cat "$WORK/l/two")" = two ]
	[ ! -e "$WORK/l/one" ]
	[ "$("$OCI_RT" run -b "$WORK/bundle" "build-out-$$" </dev/null)" = two ]
	image rm-bundle "$WORK/bundle"
	[ "$(jq -r '."containerimage.config.digest"' meta)" = "$(cat iid)" ]
	build --squash -t sq . >/dev/null
	[ "$(config sq '.rootfs.diff_ids | length')" = "$(($(config base '.rootfs.diff_ids | length') + 1))" ]
	[ "$(inside sq cat /two)" = two ]
	build --squash=all -t sqa .
	[ "$(config sqa '.rootfs.diff_ids | length')" = 1 ]
	[ "$(inside sqa cat /two)" = two ]
	image verify --tree sqa
	image verify --tree out
}

@test "--build-context as directory and as image; .dockerignore; Dockerfile on standard input" {
	mkdir lib
	echo lib >lib/l
	echo no >skip
	echo yes >take
	echo skip >.dockerignore
	build -t ctx --build-context lib=lib --build-context other=docker-image://base -f - . <<-'D'
		FROM other
		COPY --from=lib l /l
		COPY . /all
	D
	[ "$(inside ctx cat /l /all/take)" = $'lib\nyes' ]
	if inside ctx ls /all/skip; then false; fi
}

@test "--lock pins the base" {
	echo 'FROM base' >Dockerfile
	run ! build --lock -t l .
	build --lock=update -t l .
	grep -q '^image base sha256:' Dockerfile.lock
	image tag base other:base
	build --lock -t l .
	sed -i 's/sha256:..../sha256:0000/' Dockerfile.lock
	run ! build --lock --pull=never -t l .
}

@test "gc keeps what the cache needs; gone layers are built again" {
	dockerfile <<-'D'
		FROM base AS a
		RUN --mount=type=cache,target=/log echo x >>/log/gc; echo a >/a
		FROM scratch
		COPY --from=a /a /a
	D
	build -t gc .
	image gc
	build -t gc .
	[ "$(runs gc)" = 1 ]
	image gc --build-cache
	[ -z "$(find "$OCI_IMAGE_STORE/cache/steps" -type f)" ]
	build -t gc .
	image verify gc
}

@test "--shell-on-fail keeps the failed step as a bundle" {
	dockerfile <<-'D'
		FROM base
		ENV Q=1
		WORKDIR /ww
		RUN echo partial >/partial; exit 9
	D
	run ! build --shell-on-fail .
	[ "$status" = 7 ]
	b=$(ls -d "$OCI_IMAGE_STORE"/failed/*)
	[[ $output == *"$b"* ]]
	run "$OCI_RT" run -b "$b" "build-failed-$$" <<<'pwd; cat /partial; echo Q=$Q'
	[ "$output" = $'/ww\npartial\nQ=1' ]
	image gc
	image rm-bundle "$b"
	nothing_mounted
}

@test "a user who is not root builds the same image" {
	user() { setpriv --reuid 12345 --regid 12345 --clear-groups env -i PATH="$PATH" HOME="$WORK/user" OCI_IMAGE_STORE="$WORK/user/store" "$@"; }
	mkdir -p "$WORK/user/bin" "$WORK/user/c"
	cp "$OCI_IMAGE" "$OCI_RT" "$WORK/user/bin"
	cp /bin/busybox "$WORK/user/c"
	cat >"$WORK/user/c/Dockerfile" <<-'D'
		FROM scratch
		COPY busybox /bin/busybox
		RUN ["/bin/busybox", "--install", "-s", "/bin"]
		WORKDIR /w
		RUN id -u >/id; echo gone >/gone
		RUN rm /gone; cat /id
	D
	chmod 755 "$WORK"
	chown -R 12345:12345 "$WORK/user"
	user unshare -Ur true || skip "users may not make user namespaces here"
	theirs=$(user "$WORK/user/bin/oci-image" build -q -t u "$WORK/user/c")
	ours=$(build -q -t u "$WORK/user/c")
	[ -n "$ours" ]
	[ "$ours" = "$theirs" ]
	[ "$(user "$WORK/user/bin/oci-image" build --progress plain -t u "$WORK/user/c" 2>&1 | grep -c CACHED)" = 5 ]
	nothing_mounted
}

@test "bases come from a registry, results go there; --pull, --lock" {
	registry build
	r=localhost:$PORT_build
	image push --insecure "$r" base "$r/base:1"
	printf 'FROM %s/base:1\nRUN echo pulled >/p\n' "$r" | dockerfile
	export OCI_IMAGE_STORE=$WORK/fresh
	run ! build --pull=never --insecure "$r" -t "$r/app:1" .
	[[ $output == *"--pull=never"* ]]
	build --lock=update --insecure "$r" -t "$r/app:1" --push .
	grep -q "^image $r/base:1 sha256:" Dockerfile.lock
	image rmi "$r/app:1"
	image pull --insecure "$r" "$r/app:1"
	[ "$(inside "$r/app:1" cat /p)" = pulled ]
	# The name moves on; the lock does not.
	printf 'FROM base\nRUN echo other >/q\n' >other.df
	OCI_IMAGE_STORE=$WORK/store build -q -f other.df -t "$r/base:1" --push --insecure "$r" .
	build --lock --pull --insecure "$r" -t locked .
	if inside locked cat /q 2>/dev/null; then false; fi
	build --pull --insecure "$r" -t moved .
	[ "$(inside moved cat /q)" = other ]
}

@test "a killed build takes its containers along" {
	dockerfile <<-'D'
		FROM base
		RUN --mount=type=cache,target=/log touch /log/killed; sleep 54321
	D
	"$OCI_IMAGE" build --network none -t never . 3>&- >/dev/null 2>&1 &
	pid=$!
	for _ in $(seq 200); do find "$OCI_IMAGE_STORE/cache/mounts" -name killed | grep -q . && break; sleep 0.1; done
	[ -n "$(pgrep -x -f 'sleep 54321')" ]
	kill -KILL $pid
	for _ in $(seq 200); do [ -n "$(pgrep -x -f 'sleep 54321')" ] || break; sleep 0.1; done
	[ -z "$(pgrep -x -f 'sleep 54321')" ]
	nothing_mounted
	for _ in $(seq 100); do image gc && break; sleep 0.1; done
	[ -z "$(ls "$OCI_IMAGE_STORE/tmp")" ]
}
