#!/usr/bin/env bats
# Options of verbs that no other suite needs: lists, filters, layers, squashing, platforms, a limited build cache.
load helpers

setup_file() {
	work_up
	make_root "$WORK/root"
	tar -C "$WORK/root" -cf "$WORK/root.tar" .
	image import "$WORK/root.tar" app:1 -c 'CMD ["id"]' -c 'LABEL kind=test'
	image import --platform linux/arm64 "$WORK/root.tar" arm:1 -c 'CMD ["sh"]'
	image tag app:1 localhost:5999/team/app:2
}
teardown_file() { work_down; }

@test "the program's options stand behind the verb too, where the verb has none of that name" {
	run "$OCI_IMAGE" tag app:1 quiet:1 -q
	[ "$status" = 0 ]
	[ -z "$output" ]
	[ "$("$OCI_IMAGE" images quiet --json | jq -r '.[0].name')" = docker.io/library/quiet:1 ]
	"$OCI_IMAGE" rmi -q --store "$WORK/store" quiet:1
	run "$OCI_IMAGE" images -h
	[ "$status" = 0 ]
	[[ ${lines[0]} == 'usage: oci-image '*' images [PATTERN]' ]]
	run "$OCI_IMAGE" --bad images
	[ "$status" = 2 ]
	[ "$output" = 'oci-image: unknown option --bad' ]
	run "$OCI_IMAGE" images --bad
	[ "$status" = 2 ]
	[ "$output" = 'oci-image: images: unknown option --bad' ]
	# unpack has a -v of its own
	run "$OCI_IMAGE" unpack -v
	[ "$status" = 2 ]
	[[ $output == *'needs a value' ]]
}

@test "images --format: fields, tabs; what is no field is a usage error" {
	run image images --format '{{.Repository}}:{{.Tag}}\t{{ .Platform }} [{{.ID}}]' app
	[ "$status" = 0 ]
	[ "${lines[0]}" = "app:1"$'\t'"linux/$(image inspect --config app:1 | jq -r .architecture) [$(image inspect app:1 | jq -r '.id[7:19]')]" ]
	[ "$(image images --format '{{.Name}} {{.Digest}}' localhost:5999)" = "localhost:5999/team/app:2 $(image inspect app:1 | jq -r .digest)" ]
	for bad in '{{.Nothing}}' '{{json .}}' '{{.Name' '{{Name}}'; do
		run image images --format "$bad"
		[ "$status" = 2 ]
		[[ $output == *"--format"* ]]
	done
}

@test "images --filter" {
	names() { image images --format '{{.Name}}' "$@" | sort | tr '\n' ' '; }
	[ "$(names --filter label=kind)" = "app:1 localhost:5999/team/app:2 " ]
	[ "$(names --filter label=kind=test --filter reference=app:*)" = "app:1 " ]
	[ -z "$(names --filter label=kind=other)" ]
	[ "$(names --filter reference=arm:1)" = "arm:1 " ]
	[ -z "$(names --filter dangling=true)" ]
	[ "$(names --filter dangling=false | wc -w)" = 3 ]
	run image images --filter size=3
	[ "$status" = 2 ]
}

@test "rm --dry-run takes nothing away" {
	run image rm --dry-run app:1
	[ "$output" = "" ]
	run "$OCI_IMAGE" rm --dry-run app:1
	[[ $output == *app:1* ]]
	image inspect app:1 >/dev/null
	run image rm --dry-run none:1
	[ "$status" = 3 ]
}

@test "inspect --layers and --files of one layer" {
	image unpack app:1 "$WORK/b"
	rm "$WORK/b/rootfs/www/index.html"
	echo new >"$WORK/b/rootfs/www/new"
	image commit "$WORK/b" two:1
	image rm-bundle "$WORK/b"
	run image inspect --layers two:1
	[ "${#lines[@]}" = 2 ]
	[[ ${lines[1]} == *"$(image inspect two:1 | jq -r '.layers[1].digest')"* ]]
	run image inspect --files two:1 2
	echo "$output"
	[ "$output" = $'/www\n/www/index.html (removed)\n/www/new' ]
	id=$(image inspect two:1 | jq -r '.layers[1].diffId')
	[ "$(image inspect --files two:1 "$id")" = "$output" ]
	[ "$(image inspect --files two:1 "${id:7:8}")" = "$output" ]
	[[ $(image inspect --files two:1 1) == */www/index.html* ]]
	for bad in 0 3 -1 abcdef99 x; do
		run image inspect --files two:1 -- "$bad"
		[ "$status" = 3 ]
	done
}

@test "commit --squash: the same tree in one layer" {
	image unpack two:1 "$WORK/s"
	image commit --squash -m whole "$WORK/s" one:1
	[ "$(image inspect one:1 | jq '.layers | length')" = 1 ]
	[ -z "$(image inspect --diff two:1 one:1)" ]
	# the earlier steps are told about still, as steps without a layer
	image inspect --config one:1 | jq -e '(.history | length) == 3 and ([.history[] | select(.empty_layer | not)] | length) == 1 and .history[2].comment == "whole"'
	image verify one:1
	image rm-bundle "$WORK/s"
}

@test "save --platform; push --all" {
	image index multi:1 add app:1 arm:1
	image save --platform linux/arm64 multi:1 -o "$WORK/arm.tar"
	tar -xOf "$WORK/arm.tar" index.json | jq -e '(.manifests | length) == 1 and (.manifests[0].mediaType | contains("manifest"))'
	run image save --platform linux/riscv64 multi:1 -o "$WORK/none.tar"
	[ "$status" = 3 ]
	[ ! -e "$WORK/none.tar" ]
	registry plain "" ""
	for t in 1 2 3; do image tag app:1 "localhost:$PORT_plain/all:$t"; done
	image push --all "localhost:$PORT_plain/all"
	[ "$(image list-tags "localhost:$PORT_plain/all" | sort | tr '\n' ' ')" = "1 2 3 " ]
	run image push --all "localhost:$PORT_plain/nothing"
	[ "$status" = 3 ]
	run image push --all "localhost:$PORT_plain/all" other:1
	[ "$status" = 2 ]
}

@test "a killed unpack can be removed" {
	mkdir "$WORK/parts"
	head -c 60000000 /dev/urandom >"$WORK/parts/large"
	tar -C "$WORK/parts" -cf "$WORK/large.tar" .
	image import --compress none "$WORK/large.tar" large:1
	"$OCI_IMAGE" -q unpack --flat --no-config large:1 "$WORK/half" 3>&- &
	for _ in $(seq 200); do [ ! -d "$WORK/half/.rootfs" ] || break; sleep 0.01; done
	kill -9 $!
	wait $! || true
	[ ! -e "$WORK/half/rootfs" ] || skip "it was faster than the kill"
	run image unpack --flat large:1 "$WORK/half" -- true
	[ "$status" = 1 ]
	image rm-bundle "$WORK/half"
	[ ! -e "$WORK/half" ]
}

@test "gc --keep-cache: the latest steps stay, earlier ones of a build before later ones" {
	mkdir "$WORK/ctx"
	cp /bin/busybox "$WORK/ctx/"
	for f in one two three four five six; do head -c 1000000 /dev/urandom >"$WORK/ctx/$f"; done
	dockerfile() { printf 'FROM scratch\nCOPY %s /\nCOPY %s /\nCOPY %s /\n' "$@" >"$WORK/ctx/Dockerfile"; }
	# steps that a build takes from the cache, of three
	cached() { dockerfile "$@"; "$OCI_IMAGE" build --progress plain "$WORK/ctx" 2>&1 | grep -c CACHED || true; }
	dockerfile one two three
	image build "$WORK/ctx"
	sleep 0.01
	dockerfile four five six
	image build "$WORK/ctx"
	[ "$(image images --filter dangling=true | wc -l)" -ge 2 ]
	[ "$(cached one two three)" = 3 ]
	# images without a name count until they go
	image gc --keep-cache 0 --dry-run
	[ "$(ls "$WORK/store/layers" | wc -l)" -ge 6 ]
	run "$OCI_IMAGE" gc --keep-cache 0 --dangling --dry-run
	[[ $output == *" 6 layers, "* ]]
	image gc --keep-cache 1g --dangling
	[ -z "$(image images --filter dangling=true)" ]
	[ "$(cached four five six)" = 3 ]
	[ "$(cached one two three)" = 3 ]
	# room for two megabytes: the first two steps of the build that was last
	image gc --keep-cache 2500k --dangling
	find "$WORK/store/cache/steps" -type f | wc -l
	[ "$(find "$WORK/store/cache/steps" -type f | wc -l)" = 2 ]
	[ "$(cached one two three)" = 2 ]
	image gc --keep-cache 0 --dangling
	[ "$(find "$WORK/store/cache/steps" -type f | wc -l)" = 0 ]
	[ "$(cached one two three)" = 0 ]
	# what an image needs costs nothing
	image build -t kept:1 "$WORK/ctx"
	image gc --keep-cache 100k --dangling
	[ "$(cached one two three)" = 3 ]
	for bad in x -1 1q ""; do
		run image gc --keep-cache "$bad"
		[ "$status" = 2 ]
	done
	run image gc --keep-cache 1g --build-cache
	[ "$status" = 2 ]
}

@test "an image without a name goes by its id" {
	printf 'FROM scratch\nLABEL a=b\n' >"$WORK/nameless"
	digest=$(image build -f "$WORK/nameless" "$WORK/root")
	[ "$(image images --filter dangling=true | wc -l)" = 1 ]
	image rm "$digest"
	[ -z "$(image images --filter dangling=true)" ]
	run image rm "$digest"
	[ "$status" = 3 ]
}

@test "import takes tar archives only; what else there is gets an error and leaves nothing" {
	blobs=$(ls "$WORK/store/blobs/sha256" | sort)
	head -c 100000 /dev/urandom >"$WORK/noise"
	gzip -k "$WORK/noise"
	printf short >"$WORK/short"
	: >"$WORK/empty"
	for f in /etc/passwd "$WORK/noise" "$WORK/noise.gz" "$WORK/short" "$WORK/empty"; do
		run image import "$f" x:1
		echo "$f: $status $output"
		[ "$status" = 1 ]
		[[ $output == *"not a tar archive"* ]]
	done
	[ "$(ls "$WORK/store/blobs/sha256" | sort)" = "$blobs" ]
	run image inspect x:1
	[ "$status" = 3 ]
	[ -z "$(ls "$WORK/store/tmp")" ]
	# an empty one, and the kinds of compression
	tar -cf "$WORK/nothing.tar" -T /dev/null
	image import "$WORK/nothing.tar" nothing:1
	for c in gzip bzip2 xz zstd; do
		"$c" -c <"$WORK/root.tar" | image import - "$c:1"
		[ "$(image inspect "$c:1" | jq -r '.layers[0].diffId')" = "sha256:$(sha256sum <"$WORK/root.tar" | cut -d' ' -f1)" ]
	done
}

@test "a volume stays while a bundle has it" {
	for mode in overlay flat; do
		image unpack "--$mode" -v kept:/data arm:1 --platform linux/arm64 "$WORK/v"
		run image volume rm kept
		echo "$output"
		[ "$status" = 1 ]
		[[ $output == *"bundle $WORK/v has it"* ]]
		[ "$(image volume ls)" = kept ]
		image rm-bundle "$WORK/v"
		image volume rm kept
	done
}

@test "a bundle's directory that is there already: what to do" {
	mkdir "$WORK/there"
	run image unpack arm:1 "$WORK/there"
	[ "$status" = 1 ]
	[[ $output == *rm-bundle* ]]
	[ -d "$WORK/there" ]
}

@test "full disk: load, import, unpack, commit say so and leave nothing" {
	mkdir "$WORK/small"
	mount -t tmpfs -o size=3m none "$WORK/small"
	export OCI_IMAGE_STORE=$WORK/small/store
	mkdir "$WORK/fill"
	head -c 6000000 /dev/urandom >"$WORK/fill/noise"
	tar -C "$WORK/fill" -cf "$WORK/fill.tar" .
	gzip -1 -k "$WORK/fill.tar"
	full() {
		run image "$@"
		echo "$*: $status $output"
		[ "$status" = 1 ]
		[[ $output == *"space"* ]]
	}
	full import "$WORK/fill.tar" a:1
	full import --compress none "$WORK/fill.tar.gz" a:1
	[ -z "$(ls "$WORK/small/store/blobs/sha256")$(ls "$WORK/small/store/tmp")" ]
	OCI_IMAGE_STORE=$WORK/store image import "$WORK/fill.tar" fill:1
	OCI_IMAGE_STORE=$WORK/store image save fill:1 -o "$WORK/saved.tar"
	full load "$WORK/saved.tar"
	image gc
	[ -z "$(image images)" ]
	# an image that fits, its tree does not
	head -c 6000000 /dev/zero >"$WORK/fill/noise"
	tar -C "$WORK/fill" -cf "$WORK/zero.tar" .
	image import "$WORK/zero.tar" zero:1
	for mode in flat overlay; do
		full unpack "--$mode" --no-config zero:1 "$WORK/small/b"
		[ ! -e "$WORK/small/b" ]
	done
	for d in layers tmp bundles; do [ -z "$(ls "$WORK/small/store/$d")" ]; done
	# a bundle elsewhere, whose changes do not fit into the store
	image unpack --flat --no-config zero:1 "$WORK/roomy"
	head -c 6000000 /dev/urandom >"$WORK/roomy/rootfs/more"
	image images >"$WORK/before"
	ls "$WORK/small/store/blobs/sha256" >"$WORK/blobs"
	full commit "$WORK/roomy" zero:2
	[ "$(image images)" = "$(cat "$WORK/before")" ]
	[ "$(ls "$WORK/small/store/blobs/sha256")" = "$(cat "$WORK/blobs")" ]
	[ -z "$(ls "$WORK/small/store/tmp")" ]
	rm "$WORK/roomy/rootfs/more"
	touch "$WORK/roomy/rootfs/less"
	image commit "$WORK/roomy" zero:2
	umount "$WORK/small"
}

@test "unpack --rootless is for users" {
	run image unpack --rootless arm:1 "$WORK/r"
	[ "$status" = 2 ]
	[ ! -e "$WORK/r" ]
}
