#!/usr/bin/env bats
# What is part of a step's key and what is not: one change per line, and how many steps it makes run again.
bats_require_minimum_version 1.5.0
load helpers

setup_file() {
	work_up
	mkdir "$WORK/base" "$WORK/c"
	cp /bin/busybox "$WORK/base/"
	cat >"$WORK/base/Dockerfile" <<-'D'
		FROM scratch
		COPY busybox /bin/busybox
		RUN ["/bin/busybox", "--install", "-s", "/bin"]
		RUN mkdir -p /etc && mkdir -m 1777 /tmp && echo 'www:x:1000:1000::/:/bin/sh' >/etc/passwd && echo 'www:x:1000:' >/etc/group
	D
	"$OCI_IMAGE" build -q --network none -t base "$WORK/base"
	"$OCI_IMAGE" build -q --network none -t other --label other=1 "$WORK/base"
}
teardown_file() { work_down; }

# The plain state: five steps, all known after the first build.
plain() {
	cat >Dockerfile <<-'D'
		FROM base
		ARG A=1
		ENV E=1
		WORKDIR /w
		COPY --chmod=0644 f /f
		RUN echo 1 >/r1
		RUN --mount=target=/ctx,source=d --mount=type=secret,id=s cat /ctx/g >/r2
		USER www
		RUN echo 2 >/tmp/r3
	D
	rm -rf f d n
	mkdir d
	echo f >f
	echo g >d/g
	chmod 644 f d/g
	echo secret >"$WORK/s"
}
# executed OPTION...: how many steps a build runs
executed() {
	"$OCI_IMAGE" build --network none --progress json --secret id=s,src="$WORK/s" "$@" . 2>"$WORK/log" >/dev/null || { cat "$WORK/log"; return 1; }
	jq -s '[.[] | select(.event == "begin" and (.label | startswith("[internal]") | not)) | .step] as $steps | [.[] | select(.event == "end" and .result == "DONE" and (.step | IN($steps[])))] | length' "$WORK/log"
}

# Each line: a title, what changes (shell), options of build, steps that run.  A RUN that makes what it made before
# ends the chain: those after it are known.
# shellcheck disable=SC2120 # its arguments are the words of each line
table() {
	while IFS='@' read -r title change options want; do
		[ -n "$title" ] || continue
		plain
		eval "$change"
		eval "set -- $options"
		got=$(executed "$@")
		echo "$title: $got run, $want expected"
		[ "$got" = "${want// /}" ]
	done
}

@test "keys: files of the context" {
	cd "$WORK/c"
	plain
	[ "$(executed)" = 5 ]
	table <<-'T'
		nothing@@@ 0
		times@touch -d 2001-01-01 f d d/g@@ 0
		a file that nothing takes@echo x >n@@ 0
		content of a copied file@echo F >f@@ 4
		the same again@echo F >f@@ 0
		mode under --chmod@chmod 600 f@@ 1
		content below a bind mount@echo G >d/g@@ 2
		mode below a bind mount@chmod 755 d/g@@ 1
		a new file below a bind mount@echo h >d/h@@ 1
		a link below a bind mount@ln -s g d/l@@ 1
		.dockerignore of something else@echo n >.dockerignore; echo x >n@@ 0
		a secret's value@echo other >"$WORK/s"@@ 0
	T
	rm -f .dockerignore
}

@test "keys: instructions" {
	cd "$WORK/c"
	plain
	executed
	table <<-'T'
		a comment@sed -i '2i# comment' Dockerfile@@ 0
		LABEL@sed -i '2iLABEL a=b' Dockerfile@@ 0
		EXPOSE and CMD@sed -i '2iEXPOSE 80' Dockerfile; echo 'CMD x' >>Dockerfile@@ 0
		ENTRYPOINT, STOPSIGNAL, VOLUME, HEALTHCHECK@printf 'ENTRYPOINT x\nSTOPSIGNAL 9\nVOLUME /v\nHEALTHCHECK CMD x\n' >>Dockerfile@@ 0
		ENV's value@sed -i 's/E=1/E=2/' Dockerfile@@ 3
		another ENV@sed -i '2iENV N=1' Dockerfile@@ 3
		ENV after the steps@echo 'ENV Z=1' >>Dockerfile@@ 0
		ARG's default@sed -i 's/A=1/A=2/' Dockerfile@@ 3
		ARG without value@sed -i '2iARG NOTHING' Dockerfile@@ 0
		ARG after the steps@echo 'ARG Z=1' >>Dockerfile@@ 0
		text of a RUN with the same result@sed -i 's/echo 1/echo  1/' Dockerfile@@ 1
		text of a RUN with another result@sed -i 's/echo 1/echo 11/' Dockerfile@@ 3
		exec form@sed -i 's|^RUN echo 2.*|RUN ["/bin/sh", "-c", "echo 2 >/tmp/r3"]|' Dockerfile@@ 0
		USER@sed -i 's/USER www/USER 1000/' Dockerfile@@ 1
		USER of nobody's step@sed -i 's/^USER www/USER www/' Dockerfile; echo 'USER 5' >>Dockerfile@@ 0
		SHELL@sed -i '2iSHELL ["/bin/sh", "-ec"]' Dockerfile@@ 3
		WORKDIR@sed -i 's|/w|/v|' Dockerfile@@ 5
		WORKDIR after the steps@echo 'WORKDIR /' >>Dockerfile@@ 0
		destination of COPY@sed -i 's|f /f|f /ff|' Dockerfile@@ 4
		--chmod@sed -i 's|chmod=0644|chmod=0600|' Dockerfile@@ 4
		--chmod in other words@sed -i 's|chmod=0644|chmod=644|' Dockerfile@@ 1
		--chown@sed -i 's|COPY |COPY --chown=5:5 |' Dockerfile@@ 4
		--chown to what it is@sed -i 's|COPY |COPY --chown=0:0 |' Dockerfile@@ 1
		target of a mount@sed -i 's|/ctx|/cty|g' Dockerfile@@ 1
		a cache mount more@sed -i 's|mount=type=secret|mount=type=cache,target=/k --mount=type=secret|' Dockerfile@@ 1
		its id@sed -i 's|mount=type=secret|mount=type=cache,target=/k,id=k --mount=type=secret|' Dockerfile@@ 0
		network@sed -i 's|RUN echo 2|RUN --network=none echo 2|' Dockerfile@@ 0
		the base's configuration@sed -i 's/^FROM base/FROM other/' Dockerfile@@ 0
		a stage's name@sed -i 's/^FROM base/FROM base AS named/' Dockerfile@@ 0
		a step more at the end@echo 'RUN true' >>Dockerfile@@ 1
	T
}

@test "keys: options" {
	cd "$WORK/c"
	plain
	executed
	table <<-'T'
		-t@@-t another@ 0
		--label@@--label a=b@ 0
		--annotation@@--annotation a=b@ 0
		--add-host@@--add-host h:1.2.3.4@ 0
		--memory@@--memory 512m@ 0
		a proxy@@--build-arg http_proxy=http://x@ 0
		a declared proxy@sed -i '2iARG http_proxy' Dockerfile@--build-arg http_proxy=http://x@ 3
		an argument nobody takes@@--build-arg NOBODY=1@ 0
		an argument@@--build-arg A=3@ 3
		the default's value as argument@@--build-arg A=1@ 0
		--ulimit@@--ulimit nofile=100@ 3
		--shm-size@@--shm-size 1m@ 3
		--source-date-epoch@@--source-date-epoch 7@ 5
		--compress@@--compress zstd@ 0
		--squash@@--squash@ 0
		--no-cache@@--no-cache@ 5
		--no-cache of another stage@@--no-cache=nobody@ 0
		--no-cache of this stage@sed -i 's/^FROM base/FROM base AS it/' Dockerfile@--no-cache=it@ 5
	T
}
