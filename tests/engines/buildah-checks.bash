# shellcheck shell=bash
# shellcheck disable=SC2034	# what the suites and lib.bash tell one another
# What people do with buildah.
#
# Theory of operation: `buildah run` and `buildah build` execute a runtime for every RUN (isolation "oci"); --runtime names it.
# Storage is vfs below /var/lib/containers, which is this run's own.

B=(timeout 180 buildah)

engine_start() {
	PEERS=(runc crun)
	. "$HERE/podman-config.bash"
	podman_config
	export BUILDAH_ISOLATION=oci
	VERSION=$("${B[@]}" --version | awk '{ print $3 }')
	"${B[@]}" pull -q docker.io/library/busybox >/dev/null || die 'no image'
}
engine_stop() { :; }
use_runtime() {
	RUN=$OCI_RT
	[ "$1" = oci-rt ] || RUN=$(command -v "$1")
}
clean_check() {
	"${B[@]}" rm -a
	"${B[@]}" rmi -f made built
}

run_() {
	local c
	c=$("${B[@]}" from busybox)
	equal output "$("${B[@]}" run --runtime "$RUN" "$c" -- sh -c 'echo made >/made; id -u')" 0
	equal 'by the environment' "$(BUILDAH_RUNTIME=$RUN "${B[@]}" run "$c" -- cat /made)" made
	status 1 env BUILDAH_RUNTIME=/no/such "${B[@]}" run "$c" -- true
	status 3 "${B[@]}" run --runtime "$RUN" "$c" -- sh -c 'exit 3'
	equal user "$("${B[@]}" run --runtime "$RUN" --user 1000 --env A=b --workingdir /tmp "$c" -- sh -c 'id -u; echo $A; pwd' | tr '\n' ' ')" '1000 b /tmp '
	mkdir v
	echo x >v/f
	equal volume "$("${B[@]}" run --runtime "$RUN" -v "$PWD/v:/v:ro" "$c" -- sh -c 'cat /v/f; touch /v/g 2>/dev/null || echo ro' | tr '\n' ' ')" 'x ro '
	# with words for buildah itself, which some releases hand on to the runtime
	equal 'a labelled volume' "$("${B[@]}" run --runtime "$RUN" -v "$PWD/v:/v:z,U" "$c" -- cat /v/f)" x
	equal 'a labelled mount' "$("${B[@]}" run --runtime "$RUN" --mount "type=bind,source=$PWD/v,target=/v,z" "$c" -- cat /v/f)" x
	equal capabilities "$("${B[@]}" run --runtime "$RUN" --cap-drop all "$c" -- grep CapEff /proc/self/status | awk '{ print $2 }')" 0000000000000000
	status 127 "${B[@]}" run --runtime "$RUN" "$c" -- nosuch || status 1 "${B[@]}" run --runtime "$RUN" "$c" -- nosuch
	matches error "$output" 'nosuch'
	"${B[@]}" commit -q "$c" made
	c=$("${B[@]}" from made)
	equal committed "$("${B[@]}" run --runtime "$RUN" "$c" -- cat /made)" made
}

run_terminal() {
	local c
	c=$("${B[@]}" from busybox)
	output=$(pty '# ' "$SIZED"'tty; stty size\n' '\n40 100' 'exit 4\n' -- "${B[@]}" run -t --runtime "$RUN" "$c" -- sh) && return 1
	matches terminal "$output" $'/dev/pts/[0-9]+\n40 100\n'
}

build_() {
	mkdir app
	echo 'hello from the build' >app/file
	cat >app/Containerfile <<-'END'
	FROM busybox AS first
	COPY file /file
	RUN sed s/hello/bye/ /file >/out && grep Seccomp: /proc/self/status >/seccomp && mkdir /d && chown 1000 /d
	USER 1000
	RUN id -u >/d/uid && test ! -w /out
	FROM busybox
	ARG WHAT=nothing
	COPY --from=first /out /seccomp /d/uid /
	RUN --mount=type=cache,target=/cache echo "$WHAT" >/what && touch /cache/x && ! touch /proc/sys/kernel/x
	CMD cat /out
	END
	"${B[@]}" build --runtime "$RUN" --no-cache --build-arg WHAT=thing -t built app
	c=$("${B[@]}" from built)
	equal 'the built image' "$("${B[@]}" run --runtime "$RUN" "$c" -- cat /out /uid /what | tr '\n' ' ')" 'bye from the build 1000 thing '
	matches 'the filter of a RUN' "$("${B[@]}" run --runtime "$RUN" "$c" -- cat /seccomp)" '2$'
	"${B[@]}" push -q --tls-verify=false built docker://127.0.0.1:5000/me/built
	printf 'FROM busybox\nRUN exit 7\n' >app/Containerfile
	status 1 "${B[@]}" build --runtime "$RUN" --no-cache app || status 7 "${B[@]}" build --runtime "$RUN" --no-cache app
	matches error "$output" 'exit status 7|status 7'
}

build_limits() {
	mkdir app
	printf 'FROM busybox\nRUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max >/limit 2>/dev/null; ulimit -n >/n; df -m /dev/shm | tail -n 1 >/shm\n' >app/Containerfile
	"${B[@]}" build --runtime "$RUN" --no-cache --memory 64m --ulimit nofile=99:99 --shm-size 9m --network none -t built app
	c=$("${B[@]}" from built)
	matches limits "$("${B[@]}" run --runtime "$RUN" "$c" -- cat /limit /n /shm)" $'^67108864\n99\n.* 9 '
}

engine_checks() {
	t 'run --runtime' run_
	t 'build --runtime, stages, push' build_
	T 'run -t' run_terminal
	T 'build with limits' build_limits
}
