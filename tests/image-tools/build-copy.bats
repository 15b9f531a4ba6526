#!/usr/bin/env bats
# COPY, ADD and contexts through `oci-image build`: archives, URLs, git repositories, what may not be followed.
load helpers

serve() {
	python3 "$HERE/sourceserver.py" "$WORK/www" "$WORK/$1.log" "$WORK/$1.port" "$2" 3>&- &
	echo $! >"$WORK/$1.pid"
	for _ in $(seq 200); do [ -s "$WORK/$1.port" ] && break; sleep 0.05; done
}

setup_file() {
	work_up
	mkdir "$WORK/www"
	serve far
	serve web "$(cat "$WORK/far.port")"
	WEB=http://127.0.0.1:$(cat "$WORK/web.port")
	export WEB
	# an archive with an owner, a mode, a link and an attribute of time
	mkdir -p "$WORK/ar/sub"
	echo one >"$WORK/ar/one"
	echo two >"$WORK/ar/sub/two"
	ln -s sub/two "$WORK/ar/link"
	chown 12:34 "$WORK/ar/one"
	chmod 4711 "$WORK/ar/one"
	touch -d 2001-02-03T04:05:06Z "$WORK/ar/one"
	tar -C "$WORK/ar" -cf "$WORK/plain.tar" .
	gzip -k "$WORK/plain.tar"
	bzip2 -k "$WORK/plain.tar"
	xz -k "$WORK/plain.tar"
	zstd -q -k "$WORK/plain.tar"
	# a repository that plain HTTP serves, with a submodule that would read this host
	export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
	export GIT_AUTHOR_DATE=2005-05-05T05:05:05Z GIT_COMMITTER_DATE=2005-05-05T05:05:05Z
	git init -q -b main "$WORK/repo"
	mkdir "$WORK/repo/dir"
	echo first >"$WORK/repo/file"
	echo inner >"$WORK/repo/dir/inner"
	printf '#!/bin/sh\n' >"$WORK/repo/run"
	chmod 755 "$WORK/repo/run"
	ln -s /etc "$WORK/repo/host"
	git -C "$WORK/repo" add .
	git -C "$WORK/repo" commit -q -m first
	git -C "$WORK/repo" tag -a -m v1 v1
	echo second >"$WORK/repo/file"
	git -C "$WORK/repo" commit -q -a -m second
	git -C "$WORK/repo" checkout -q -b side v1
	echo side >"$WORK/repo/file"
	git -C "$WORK/repo" commit -q -a -m side
	git -C "$WORK/repo" checkout -q main
	publish
}
teardown_file() { work_down; }

publish() {
	rm -rf "$WORK/www/repo.git"
	git clone -q --bare "$WORK/repo" "$WORK/www/repo.git"
	git -C "$WORK/www/repo.git" update-server-info
}

setup() {
	rm -rf "$WORK/ctx" "$WORK/out"
	mkdir "$WORK/ctx"
	: >"$WORK/web.log"
	: >"$WORK/far.log"
}

# build [options]: the Dockerfile comes from standard input; the result is the tree $WORK/out
build() {
	rm -rf "$WORK/out"
	cat >"$WORK/Dockerfile"
	"$OCI_IMAGE" build --progress plain -f "$WORK/Dockerfile" -o "type=local,dest=$WORK/out" "$@" "$WORK/ctx"
}
# listing DIR: path, type, mode, owner, target
listing() { (cd "$1" && find . -mindepth 1 -printf '%P %y %m %U:%G %l\n' | sort); }

@test "local archives are unpacked, whatever their compression and name" {
	local c
	for c in tar tar.gz tar.bz2 tar.xz tar.zst; do
		cp "$WORK/plain.$c" "$WORK/ctx/a.data"
		build <<-'D'
			FROM scratch
			ADD a.data /x/
			COPY a.data /kept/
			ADD --unpack=false a.data /also
			ADD --chown=5:6 a.data /owned
		D
		cmp "$WORK/ctx/a.data" "$WORK/out/kept/a.data"
		cmp "$WORK/ctx/a.data" "$WORK/out/also"
		[ "$(listing "$WORK/out/x")" = "$(printf 'link l 777 0:0 sub/two\none f 4711 12:34 \nsub d 755 0:0 \nsub/two f 644 0:0 ')" ]
		[ "$(stat -c %u:%g "$WORK/out/owned/one" "$WORK/out/owned/sub/two" "$WORK/out/owned/link" | sort -u)" = 5:6 ]
		[ "$(stat -c %Y "$WORK/out/x/one")" -le 981173106 ]
	done
}

@test "what is no archive is copied" {
	head -c 300 "$WORK/plain.tar" >"$WORK/ctx/short.tar"
	echo text | gzip >"$WORK/ctx/text.gz"
	: >"$WORK/ctx/empty.tar"
	head -c 2048 /dev/zero >"$WORK/ctx/zero.tar"
	build <<-'D'
		FROM scratch
		ADD short.tar text.gz empty.tar zero.tar /
	D
	for f in short.tar text.gz empty.tar zero.tar; do cmp "$WORK/ctx/$f" "$WORK/out/$f"; done
}

@test "a damaged or hostile archive fails the step and touches nothing" {
	head -c 5000 "$WORK/plain.tar.gz" | head -c -20 >"$WORK/ctx/cut.tar.gz"
	run build <<-'D'
		FROM scratch
		ADD cut.tar.gz /
	D
	[ "$status" -ne 0 ]
	[[ $output == *cut.tar.gz* ]]
	python3 - "$WORK/ctx/evil.tar" <<-'P'
		import io, sys, tarfile
		t = tarfile.open(sys.argv[1], "w")
		i = tarfile.TarInfo("../../../../../../../tmp/oci-image-evil"); i.size = 1
		t.addfile(i, io.BytesIO(b"x"))
		t.close()
	P
	run build <<-'D'
		FROM scratch
		ADD evil.tar /x/
	D
	[ "$status" -ne 0 ]
	[ ! -e /tmp/oci-image-evil ]
}

@test "ADD of a URL: name, mode, time; asked again only for news" {
	echo content >"$WORK/www/file.txt"
	touch -d 2010-01-02T03:04:05Z "$WORK/www/file.txt"
	build <<-D
		FROM scratch
		ADD $WEB/file.txt /d/
		ADD $WEB/to/to/file.txt?x=1 /renamed
		ADD --chmod=755 --chown=1:2 $WEB/file.txt /m
	D
	[ "$(cat "$WORK/out/d/file.txt" "$WORK/out/renamed")" = "content
content" ]
	[ "$(stat -c '%a %u:%g' "$WORK/out/d/file.txt")" = "600 0:0" ]
	[ "$(stat -c '%a %u:%g' "$WORK/out/m")" = "755 1:2" ]
	: >"$WORK/web.log"
	run build <<-D
		FROM scratch
		ADD $WEB/file.txt /d/
	D
	[[ $output == *CACHED* ]]
	[ "$(grep -c ' 200 ' "$WORK/web.log")" = 0 ]
	grep -q ' 304 ' "$WORK/web.log"
	echo news >"$WORK/www/file.txt"
	build <<-D
		FROM scratch
		ADD $WEB/file.txt /d/
	D
	[ "$(cat "$WORK/out/d/file.txt")" = news ]
}

@test "the date of a URL becomes the file's" {
	echo content >"$WORK/www/dated"
	touch -d 1975-01-02T03:04:05Z "$WORK/www/dated"
	build <<-D
		FROM scratch
		ADD $WEB/dated /
	D
	[ "$(stat -c %Y "$WORK/out/dated")" = "$(date -d 1975-01-02T03:04:05Z +%s)" ]
}

@test "--checksum: right, wrong, and enough to ask nobody" {
	local sum
	echo precious >"$WORK/www/precious"
	sum=$(sha256sum <"$WORK/www/precious" | cut -d' ' -f1)
	build <<-D
		FROM scratch
		ADD --checksum=sha256:$sum $WEB/precious /
	D
	[ "$(cat "$WORK/out/precious")" = precious ]
	: >"$WORK/web.log"
	build --no-cache <<-D
		FROM scratch
		ADD --checksum=sha256:$sum $WEB/precious /again
	D
	[ ! -s "$WORK/web.log" ]
	sum=$(echo other | sha256sum | cut -d' ' -f1)
	run build <<-D
		FROM scratch
		ADD --checksum=sha256:$sum $WEB/precious /
	D
	[ "$status" -ne 0 ]
	[[ $output == *"expected sha256:$sum"* ]]
	run build <<-D
		FROM scratch
		ADD --checksum=sha256:$sum $WEB/precious $WEB/late /d/
	D
	[ "$status" -ne 0 ]
	[[ $output == *"single source"* ]]
}

@test "a body of the cache that was damaged is fetched again" {
	local body
	echo sound >"$WORK/www/sound"
	build <<-D
		FROM scratch
		ADD $WEB/sound /
	D
	body=$(find "$OCI_IMAGE_STORE" -name "$(sha256sum <"$WORK/www/sound" | cut -d' ' -f1).body")
	[ -n "$body" ]
	echo rotten >"$body"
	build --no-cache <<-D
		FROM scratch
		ADD $WEB/sound /
	D
	[ "$(cat "$WORK/out/sound")" = sound ]
}

@test "servers that fail: tried again, or an error that names the URL" {
	echo late >"$WORK/www/late"
	build <<-D
		FROM scratch
		ADD $WEB/flaky/late /
	D
	[ "$(cat "$WORK/out/late")" = late ]
	local p
	for p in nothing loop short/late auth/late; do
		run build <<-D
			FROM scratch
			ADD $WEB/$p /x
		D
		[ "$status" -ne 0 ]
		[[ $output == *"$WEB/$p"* ]]
	done
}

@test "credentials go to the host they are for, not along a redirect" {
	echo private >"$WORK/www/private"
	printf letmein >"$WORK/token"
	build --secret "id=HTTP_AUTH_TOKEN_127.0.0.1,src=$WORK/token" <<-D
		FROM scratch
		ADD $WEB/auth/private /
		ADD $WEB/far/private /far
	D
	[ "$(cat "$WORK/out/private" "$WORK/out/far")" = "private
private" ]
	grep -q 'far/private 302 Bearer letmein' "$WORK/web.log"
	[ "$(cat "$WORK/far.log")" = "GET /private 200 " ]
}

@test "user and password of a URL, or of a git secret, reach the server and nobody else" {
	echo private >"$WORK/www/private"
	printf 'basic dTpwdw==' >"$WORK/header"
	build <<-D
		FROM scratch
		ADD http://u:pw@${WEB#http://}/basic/private /
		ADD --keep-git-dir=true http://u:pw@${WEB#http://}/basic/repo.git /git
	D
	[ "$(cat "$WORK/out/private")" = private ]
	[ -f "$WORK/out/git/file" ]
	[ "$(grep -rc pw "$WORK/out/git/.git/config")" = 0 ]
	run build <<-D
		FROM scratch
		ADD $WEB/basic/repo.git /other
	D
	[ "$status" -ne 0 ]
	build --secret "id=GIT_AUTH_HEADER.${WEB#http://},src=$WORK/header" <<-D
		FROM scratch
		ADD $WEB/basic/repo.git /other
	D
	[ -f "$WORK/out/other/file" ]
}

@test "several archives into one directory need no slash, several files do" {
	cp "$WORK/plain.tar" "$WORK/ctx/a.tar"
	cp "$WORK/plain.tar.gz" "$WORK/ctx/b.tgz"
	echo f >"$WORK/ctx/f"
	build <<-'D'
		FROM scratch
		ADD a.tar b.tgz /x
	D
	[ -f "$WORK/out/x/sub/two" ]
	run build <<-'D'
		FROM scratch
		ADD a.tar f /x
	D
	[ "$status" -ne 0 ]
	[[ $output == *"must be a directory and end with /"* ]]
}

@test "URLs: unpacked only with --unpack; a name is needed for a directory" {
	cp "$WORK/plain.tar.gz" "$WORK/www/a.tgz"
	build <<-D
		FROM scratch
		ADD $WEB/a.tgz /kept/
		ADD --unpack=true $WEB/a.tgz /un/
	D
	cmp "$WORK/plain.tar.gz" "$WORK/out/kept/a.tgz"
	[ "$(cat "$WORK/out/un/sub/two")" = two ]
	run build <<-D
		FROM scratch
		ADD $WEB/ /d/
	D
	[ "$status" -ne 0 ]
	run build <<-D
		FROM scratch
		COPY $WEB/a.tgz /d/
	D
	[ "$status" -ne 0 ]
	[[ $output == *"use ADD"* ]]
}

@test "git: branch, tag, commit, query, subdirectory" {
	local first
	first=$(git -C "$WORK/repo" rev-parse v1^{})
	build <<-D
		FROM scratch
		ADD $WEB/repo.git /head
		ADD $WEB/repo.git#v1 /tag
		ADD $WEB/repo.git?branch=side /branch/
		ADD $WEB/repo.git#$first:dir /commit
		ADD $WEB/repo.git?tag=v1&subdir=dir&checksum=${first:0:12} /query
		ADD --checksum=$first $WEB/repo.git?ref=v1 /sum
		ADD --keep-git-dir=true --chown=3:4 $WEB/repo.git /git
	D
	[ "$(cat "$WORK/out/head/file" "$WORK/out/tag/file" "$WORK/out/branch/file" "$WORK/out/sum/file")" = "second
first
side
first" ]
	[ "$(listing "$WORK/out/head")" = "$(printf 'dir d 755 0:0 \ndir/inner f 644 0:0 \nfile f 644 0:0 \nhost l 777 0:0 /etc\nrun f 755 0:0 ')" ]
	[ "$(listing "$WORK/out/commit")" = "inner f 644 0:0 " ]
	[ "$(listing "$WORK/out/query")" = "inner f 644 0:0 " ]
	[ -f "$WORK/out/git/.git/HEAD" ]
	[ ! -e "$WORK/out/git/.git/hooks" ]
	[ "$(stat -c %u:%g "$WORK/out/git/.git/HEAD" "$WORK/out/git/file" | sort -u)" = 3:4 ]
}

@test "git: a cached step asks for the commit only, and runs when it is another" {
	printf 'FROM scratch\nADD %s/repo.git /x\n' "$WEB" >"$WORK/git.df"
	build <"$WORK/git.df"
	: >"$WORK/web.log"
	run build <"$WORK/git.df"
	[[ $output == *CACHED* ]]
	[ "$(grep -c /objects/ "$WORK/web.log")" = 0 ]
	echo third >"$WORK/repo/file"
	git -C "$WORK/repo" commit -q -a -m third
	publish
	build <"$WORK/git.df"
	[ "$(cat "$WORK/out/x/file")" = third ]
}

@test "git: what must not work" {
	local text
	ln -sfn /etc "$WORK/repo/out"
	git -C "$WORK/repo" add out
	git -C "$WORK/repo" commit -q -m out
	publish
	for text in "$WEB/repo.git#:out" "$WEB/repo.git#:../../../../etc" "$WEB/repo.git#none" "$WEB/repo.git?ref=a&tag=b" "$WEB/repo.git?what=1" \
		"$WEB/repo.git#--upload-pack=touch" "$WEB/repo.git?checksum=0123456789abcdef" "file://$WORK/repo/.git" "ssh://-oProxyCommand=true/x.git" "$WEB/none.git"; do
		run build <<-D
			FROM scratch
			ADD $text /x
		D
		[ "$status" -ne 0 ] || { echo "$text was accepted: $(ls "$WORK/out/x")"; return 1; }
	done
}

@test "git: a submodule over HTTP comes along, one of this host's disk does not" {
	git init -q -b main "$WORK/sub"
	echo sub >"$WORK/sub/s"
	git -C "$WORK/sub" add s
	git -C "$WORK/sub" commit -q -m sub
	git clone -q --bare "$WORK/sub" "$WORK/www/sub.git"
	git -C "$WORK/www/sub.git" update-server-info
	git init -q -b main "$WORK/super"
	git -C "$WORK/super" -c protocol.file.allow=always submodule --quiet add "$WORK/sub" m
	git -C "$WORK/super" commit -q -m super
	git clone -q --bare "$WORK/super" "$WORK/www/bad.git"
	git -C "$WORK/www/bad.git" update-server-info
	git -C "$WORK/super" config -f .gitmodules submodule.m.url ../sub.git
	git -C "$WORK/super" commit -q -a -m relative
	git clone -q --bare "$WORK/super" "$WORK/www/good.git"
	git -C "$WORK/www/good.git" update-server-info
	build <<-D
		FROM scratch
		ADD $WEB/good.git /good
		ADD $WEB/bad.git?submodules=false /without
	D
	[ "$(cat "$WORK/out/good/m/s")" = sub ]
	[ ! -e "$WORK/out/without/m/s" ]
	run build <<-D
		FROM scratch
		ADD $WEB/bad.git /bad
	D
	[ "$status" -ne 0 ]
	[[ $output == *submodule* ]]
}

@test "contexts: standard input, tar, URL, git" {
	printf 'FROM scratch\nCOPY file /\n' >"$WORK/repo/Dockerfile"
	git -C "$WORK/repo" add Dockerfile
	git -C "$WORK/repo" commit -q -m dockerfile
	publish
	mkdir -p "$WORK/c"
	printf 'FROM scratch\nCOPY file /\n' >"$WORK/c/Dockerfile"
	echo tarred >"$WORK/c/file"
	tar -C "$WORK/c" -czf "$WORK/www/ctx.tar.gz" .
	printf 'FROM scratch\nCOPY <<E /e\nhello\nE\n' >"$WORK/www/df"
	image build -o "type=local,dest=$WORK/o1" - <"$WORK/www/ctx.tar.gz"
	image build -o "type=local,dest=$WORK/o2" - <"$WORK/www/df"
	image build -o "type=local,dest=$WORK/o3" "$WEB/ctx.tar.gz"
	image build -o "type=local,dest=$WORK/o4" "$WEB/df"
	image build -o "type=local,dest=$WORK/o5" "$WEB/repo.git#main"
	image build -o "type=local,dest=$WORK/o6" --build-context "other=$WEB/repo.git" - <<-'D'
		FROM scratch
		COPY --from=other file /from-git
	D
	[ "$(cat "$WORK/o1/file" "$WORK/o2/e" "$WORK/o3/file" "$WORK/o4/e")" = "tarred
hello
tarred
hello" ]
	[ "$(cat "$WORK/o5/file")" = "$(cat "$WORK/repo/file")" ]
	[ "$(cat "$WORK/o6/from-git")" = "$(cat "$WORK/repo/file")" ]
}

@test "a context cannot show what is outside of it" {
	echo secret >"$WORK/secret"
	ln -s "$WORK/secret" "$WORK/ctx/abs"
	ln -s ../secret "$WORK/ctx/rel"
	ln -s .. "$WORK/ctx/up"
	local text
	for text in abs rel up/secret ../secret ../../../../../../../../etc/hostname; do
		for verb in COPY ADD; do
			run build <<-D
				FROM scratch
				$verb $text /x
			D
			[ "$status" -ne 0 ]
			[[ $output == *"not found in"* ]]
		done
	done
}

@test "an archive or repository as context shows nothing of this host either" {
	echo "HOST SECRET" >"$WORK/secret"
	python3 - "$WORK" <<-'P'
		import io, sys, tarfile
		w = sys.argv[1]
		def tar(name, *entries):
		    with tarfile.open("%s/%s.tar" % (w, name), "w") as t:
		        for path, kind, text in entries:
		            i = tarfile.TarInfo(path)
		            i.type = kind
		            if kind == tarfile.REGTYPE:
		                i.size = len(text)
		                t.addfile(i, io.BytesIO(text.encode()))
		            else:
		                i.linkname = text
		                t.addfile(i)
		R, S, H = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
		tar("c1", ("Dockerfile", S, w + "/secret"))
		tar("c2", ("Dockerfile", R, "FROM scratch\nCOPY x /x\n"), ("x", S, w + "/secret"))
		tar("c3", ("Dockerfile", R, "FROM scratch\nCOPY d/secret /x\n"), ("d", S, w))
		tar("c4", ("Dockerfile", R, "FROM scratch\nCOPY x /x\n"), ("x", H, w + "/secret"))
		tar("c5", ("Dockerfile", R, "FROM scratch\nCOPY x /x\n"), ("d", S, w), ("d/made", R, "x"), ("x", R, "x"))
		tar("c6", ("Dockerfile", R, "FROM scratch\nCOPY . /x\n"), (".dockerignore", S, w + "/secret"), ("HOST SECRET", R, "x"))
	P
	local i
	for i in 1 2 3 4; do
		run "$OCI_IMAGE" build --progress plain -o "type=local,dest=$WORK/out" - <"$WORK/c$i.tar"
		[ "$status" -ne 0 ] || { echo "c$i was built"; return 1; }
		[[ $output != *"HOST SECRET"* ]]
	done
	for i in 5 6; do
		run "$OCI_IMAGE" build --progress plain -o "type=local,dest=$WORK/out$i" - <"$WORK/c$i.tar"
		[ ! -e "$WORK/made" ]
	done
	# the ignore file of the host was not read: it would have excluded this
	[ ! -d "$WORK/out6" ] || [ -e "$WORK/out6/x/HOST SECRET" ]
}

@test "a rebuild without changes opens no file of the context" {
	mkdir "$WORK/ctx/many"
	for i in $(seq 50); do echo "$i" >"$WORK/ctx/many/$i"; done
	printf 'FROM scratch\nCOPY many /m/\nCOPY . /all/\n' >"$WORK/ctx/Dockerfile"
	sleep 3
	image build "$WORK/ctx"
	# (the leak checker does not work under strace)
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=openat,openat2 -o "$WORK/trace" "$OCI_IMAGE" -q build "$WORK/ctx"
	grep -q '"many"' "$WORK/trace"
	[ "$(grep -cE '"[0-9]+", O_RDONLY' "$WORK/trace")" = 0 ]
}

@test "an unprivileged user with one id copies and unpacks: everything is root's" {
	mkdir -p "$WORK/user/ctx/d"
	echo a >"$WORK/user/ctx/d/a"
	cp "$WORK/plain.tar" "$WORK/user/ctx/"
	cat >"$WORK/user/ctx/Dockerfile" <<-'D'
		FROM scratch AS first
		COPY --chown=55:66 d /d/
		ADD plain.tar /t/
		FROM scratch
		COPY --from=first / /all/
		COPY --chmod=u+s --from=first /d/a /suid
	D
	chmod 755 "$WORK"
	chown -R 12345:12345 "$WORK/user"
	setpriv --reuid 12345 --regid 12345 --clear-groups env -i PATH="$PATH" HOME="$WORK/user" OCI_IMAGE_STORE="$WORK/user/store" \
		"$OCI_IMAGE" -q build -o "type=local,dest=$WORK/user/out" "$WORK/user/ctx"
	[ "$(listing "$WORK/user/out" | sed 's/ 12345:12345 / U /')" = "$(printf '%s\n' 'all d 755 U ' 'all/d d 755 U ' 'all/d/a f 644 U ' 'all/t d 755 U ' \
		'all/t/link l 777 U sub/two' 'all/t/one f 4711 U ' 'all/t/sub d 755 U ' 'all/t/sub/two f 644 U ' 'suid f 4644 U ')" ]
}
