# shellcheck shell=bash
# shellcheck disable=SC2034	# what the suites and lib.bash tell one another
# What people do with Docker.
#
# Theory of operation: one dockerd, with its own containerd, configured as contrib/docker/daemon.json says: oci-rt is an
# entry of `runtimes` and the `default-runtime`, so that the commands are those of Docker's tutorial, word for word.  For a
# peer the default is changed and dockerd reloads it (SIGHUP).  BuildKit takes the `runc` of PATH: it is a link to the same.
# ENGINE docker+shim: the entry is a `runtimeType`, our shim in place of containerd's.
# The images come from the loopback registry, which stands in for Docker's as a mirror.

SOCKET=/run/docker.sock
D=(timeout 180 docker -H "unix://$SOCKET")
docker() { "${D[@]}" "$@"; }

daemon_json() { # DEFAULT-RUNTIME
	local ours="{\"path\":\"$OCI_RT\"}"
	[ "$ENGINE" = docker ] || ours="{\"runtimeType\":\"$SHIM\"}"
	# systemd's scopes are below a slice, and it is the daemon's own choice
	local place="\"cgroup-parent\": \"/$TAG\""
	[ "${MANAGER:-}" != systemd ] || place='"exec-opts": ["native.cgroupdriver=systemd"]'
	[ "${FIREWALL:-}" != none ] || place+=', "iptables": false, "ip6tables": false'
	cat >"$W/daemon.json" <<-JSON
	{ "default-runtime": "$1",
	  "runtimes": { "oci-rt": $ours, "peer-runc": {"path": "$(command -v runc)"}, "peer-crun": {"path": "$W/crun"} },
	  "registry-mirrors": ["http://127.0.0.1:5000"],
	  "live-restore": false,
	  $place }
	JSON
}

engine_start() {
	PEERS=(runc crun)
	# crun refuses the hybrid hierarchy; it works where that is not seen
	[ -z "${VARIANT:-}" ] && printf '#!/bin/sh\nexec unshare -m --propagation slave sh -c "umount -l /sys/fs/cgroup/unified 2>/dev/null; exec crun \\"\\$@\\"" crun "$@"\n' >"$W/crun"
	[ -e "$W/crun" ] || ln -s "$(command -v crun)" "$W/crun"
	chmod +x "$W/crun"
	export OCI_RT_RUNTIME=$OCI_RT
	mkdir -p "$W/link"
	ln -sf "$OCI_RT" "$W/link/runc"
	ln -sf "$OCI_RT" "$W/link/oci-rt"
	daemon_json oci-rt
	PATH=$W/link:$PATH dockerd --config-file "$W/daemon.json" -H "unix://$SOCKET" --data-root /var/lib/docker --exec-root /run/docker \
		--pidfile "$W/docker.pid" >"$W/dockerd.log" 2>&1 &
	eventually docker version || die "dockerd does not start: $(tail -n 20 "$W/dockerd.log")"
	VERSION=$(docker version -f '{{.Server.Version}}' | sed 's/+.*//')
	CURRENT=oci-rt
	# what every check may assume
	docker pull -q busybox >/dev/null || die "no image: $(tail -n 20 "$W/dockerd.log")"
}

engine_stop() {
	kill "$(cat "$W/docker.pid")"
	eventually test ! -e "$W/docker.pid"
}

use_runtime() {
	local name=oci-rt
	[ "$1" = oci-rt ] || name=peer-$1
	[ "$CURRENT" != "$1" ] || return 0
	case $1 in
	oci-rt) ln -sfn "$OCI_RT" "$W/link/runc" ;;
	crun) ln -sfn "$W/crun" "$W/link/runc" ;;
	*) ln -sfn "$(PATH=/usr/sbin:/usr/bin command -v "$1")" "$W/link/runc" ;;
	esac
	daemon_json "$name"
	kill -HUP "$(cat "$W/docker.pid")"
	until_output "^$name$" docker info -f '{{.DefaultRuntime}}'
	CURRENT=$1
}

clean_check() {
	local all
	mapfile -t all < <(docker ps -aq)
	[ ${#all[@]} = 0 ] || docker rm -fv "${all[@]}"
	mapfile -t all < <(docker network ls -q -f type=custom)
	[ ${#all[@]} = 0 ] || docker network rm "${all[@]}"
	mapfile -t all < <(docker volume ls -q)
	[ ${#all[@]} = 0 ] || docker volume rm "${all[@]}"
}

inspect() { docker inspect -f "$1" "$2"; }
state_is() { [ "$(inspect '{{.State.Status}}' "$1")" = "$2" ]; }

# ------------------------------------------------------------------ configuration

default_runtime() {
	local name=oci-rt root
	[ "$RUNTIME" = oci-rt ] || name=peer-$RUNTIME
	equal 'the default runtime' "$(docker info -f '{{.DefaultRuntime}}')" "$name"
	docker run -d --name aa busybox sleep 600
	equal 'its runtime' "$(inspect '{{.HostConfig.Runtime}}' aa)" "$name"
	# and it is really that one which has it
	[ "$ENGINE$RUNTIME" != docker+shimoci-rt ] || readlink /proc/[0-9]*/exe | grep -x "$SHIM"
	if [ "$RUNTIME" = oci-rt ]; then
		for root in /run/docker/runtime-*/moby /run/containerd/oci-rt/moby; do
			if [ -e "$root" ]; then "$OCI_RT" --root "$root" state "$(inspect '{{.Id}}' aa)" | jq -e '.status == "running"' && return; fi
		done
		find /run -maxdepth 4 -name moby
		return 1
	fi
}

runtime_option() {
	local name=oci-rt
	[ "$RUNTIME" = oci-rt ] || name=peer-$RUNTIME
	equal output "$(docker run --rm --runtime "$name" busybox echo hello)" hello
	status 125 docker run --rm --runtime nosuch busybox echo hello
	matches error "$output" '[Uu]nknown.*nosuch|nosuch.*not'
}

# ------------------------------------------------------------------ the tutorial, word for word

tutorial_run() {
	docker run -d -p 80:80 docker/getting-started
	web 'Welcome to the container' 127.0.0.1:80/
	status 0 docker ps
	matches ps "$output" 'docker/getting-started.*Up .*80->80/tcp'
}

tutorial_shell() {
	docker pull ubuntu
	output=$(pty '[#$] ' "$SIZED"'echo $((6*7)) > /data.txt; cat /data.txt; tty; stty size\n' '\n40 100' 'exit 3\n' -- "${D[@]}" run -it --name shell ubuntu /bin/bash) && return 1
	matches terminal "$output" $'\n42\n/dev/pts/0\n40 100\n'
	equal 'the exit code' "$(inspect '{{.State.ExitCode}}' shell)" 3
	# the tutorial's point: another container does not see the file
	status 1 docker run --rm ubuntu ls /data.txt
	docker run --rm -it ubuntu true </dev/null && return 1	# needs a terminal
	true
}

tutorial_life() {
	local id
	id=$(docker run -d -p 80:80 --name web docker/getting-started)
	status 0 docker ps
	matches ps "$output" "${id:0:12} .* web"
	web Welcome 127.0.0.1:80/
	docker exec web sh -c 'echo said >/proc/1/fd/1; echo cried >/proc/1/fd/2'
	until_output cried docker logs web
	matches logs "$output" said
	equal 'stderr of logs' "$(docker logs web 2>&1 >/dev/null)" cried
	docker stop -t 1 web
	lacks ps "$(docker ps)" web
	matches 'ps -a' "$(docker ps -a)" 'Exited \((137|143|0)\).* web'
	docker start web
	web Welcome 127.0.0.1:80/
	docker rm -f web
	lacks 'ps -a' "$(docker ps -a)" web
	http 127.0.0.1:80/ && return 1
	true
}

tutorial_images() {
	docker pull alpine
	matches images "$(docker images)" $'\nalpine +latest'
	docker run --rm alpine echo from alpine
	docker rmi alpine
	lacks images "$(docker images)" $'\nalpine '
}

dockerfile() {
	mkdir -p app/src
	echo 'hello from the build' >app/src/index.html
	cat >app/Dockerfile <<-'END'
	FROM busybox
	WORKDIR /app
	COPY src ./
	RUN mkdir -p data && id -u >data/uid && cat /proc/self/status | grep Seccomp: >data/seccomp && chown -R 1000:1000 data
	USER 1000
	RUN id -u >data/uid2 && test ! -w /app
	ENV GREETING=hi
	EXPOSE 3000
	CMD ["httpd", "-f", "-p", "3000", "-h", "/app"]
	END
}

built() {
	docker run -dp 3000:3000 getting-started
	web 'hello from the build' 127.0.0.1:3000/index.html
	equal 'user of the first RUN' "$(http 127.0.0.1:3000/data/uid)" 0
	equal 'user of the second RUN' "$(http 127.0.0.1:3000/data/uid2)" 1000
	matches 'its filter' "$(http 127.0.0.1:3000/data/seccomp)" 'Seccomp:.2'
}

tutorial_build() {
	dockerfile
	(cd app && DOCKER_BUILDKIT=0 docker build -t getting-started .)
	built
	docker tag getting-started localhost:5000/me/getting-started
	docker push localhost:5000/me/getting-started
	clean_check
	docker rmi -f getting-started localhost:5000/me/getting-started
	docker run -dp 3000:3000 localhost:5000/me/getting-started
	web 'hello from the build' 127.0.0.1:3000/index.html
	clean_check
	docker rmi -f localhost:5000/me/getting-started
}

buildkit() {
	dockerfile
	(cd app && DOCKER_BUILDKIT=1 docker build --progress plain --no-cache -t getting-started .)
	built
	clean_check
	docker rmi -f getting-started
	printf 'FROM busybox\nRUN exit 7\n' >app/Dockerfile
	status 1 env DOCKER_BUILDKIT=1 "${D[@]}" build --progress plain --no-cache app
	matches error "$output" 'exit code: 7'
}

tutorial_volumes() {
	docker volume create todo-db
	docker run --rm -v todo-db:/etc/todos busybox sh -c 'echo shopping >/etc/todos/todo.db'
	equal 'the volume in the next container' "$(docker run --rm -v todo-db:/etc/todos busybox cat /etc/todos/todo.db)" shopping
	docker run --rm -v todo-db:/etc/todos:ro busybox sh -c '! touch /etc/todos/x'
	# a bind mount of where one stands
	echo source >app.js
	equal 'the bind mount' "$(docker run --rm -w /app -v "$(pwd):/app" busybox sh -c 'cat app.js; echo new >made')" source
	equal 'what it wrote' "$(cat made)" new
	# an image's content appears in a new volume
	matches 'a fresh volume' "$(docker run --rm -v fresh:/etc busybox cat /etc/group)" staff
	docker volume rm todo-db fresh
}

# ------------------------------------------------------------------ processes

run_status() {
	status 0 docker run --rm busybox true
	status 3 docker run --rm busybox sh -c 'exit 3'
	status 127 docker run --rm busybox nosuch
	matches error "$output" 'nosuch.*not found'
	status 126 docker run --rm busybox /etc
	matches error "$output" 'permission denied|is a directory'
	status 127 docker run --rm busybox /nosuch/file
	matches error "$output" 'no such file'
	status 137 docker run --rm busybox sh -c "sh -c 'kill -9 \$\$'; exit \$?"
	equal stdout "$(docker run --rm busybox sh -c 'echo out; echo err >&2' 2>/dev/null)" out
	equal stderr "$(docker run --rm busybox sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" err
	equal stdin "$(echo through | docker run --rm -i busybox cat)" through
}

run_failed_leaves_nothing() {
	docker create --name bad busybox nosuch
	status 1 docker start bad
	equal state "$(inspect '{{.State.Status}} {{.State.ExitCode}}' bad)" 'created 127'
	docker rm bad
	equal 'state directories' "$({ find /run/docker/runtime-* /run/containerd/oci-rt -mindepth 2 -maxdepth 2 ! -name '.*' 2>/dev/null || true; } | wc -l)" 0
}

exec_() {
	docker run -d --name aa -e FROM=run busybox sleep 600
	status 0 docker exec aa echo hello
	equal output "$output" hello
	status 5 docker exec aa sh -c 'exit 5'
	matches user "$(docker exec -u 1000:50 aa id)" '^uid=1000[(]user[)] gid=50[(]staff[)]'
	equal cwd "$(docker exec -w /tmp aa pwd)" /tmp
	equal env "$(docker exec -e MORE=exec aa sh -c 'echo $FROM $MORE')" 'run exec'
	equal stdin "$(echo in | docker exec -i aa cat)" in
	status 126 docker exec aa nosuch || status 127 docker exec aa nosuch
	matches error "$output" 'not found'
	docker exec -d aa sh -c 'echo later >/tmp/later; sleep 600'
	until_output later docker exec aa cat /tmp/later
	matches top "$(docker exec aa ps)" 'sleep 600'
	docker exec --privileged aa grep CapEff /proc/self/status >priv
	matches 'privileged exec' "$(cat priv)" 'CapEff:.0000(00[01f]|[0-9a-f])'
}

exec_tty() {
	local output
	docker run -d --name aa busybox sleep 600
	output=$(pty '# ' "$SIZED"'stty size; tty; exit 4\n' -- "${D[@]}" exec -it aa sh) && return 1
	matches terminal "$output" $'\n40 100\n/dev/pts/'
}

attach() {
	local output
	docker run -dit --name aa busybox sh
	output=$(pty '' 'echo a$((1+1))b\n' 'a2b' '\x10\x11' -- "${D[@]}" attach aa || true)
	matches terminal "$output" 'a2b(.*\n)*.*read escape sequence'
	equal 'after detaching' "$(inspect '{{.State.Status}}' aa)" running
}

top_() {
	docker run -d --name aa busybox sh -c 'sleep 600; true'
	until_output 'sleep 600' docker top aa
	matches 'with options' "$(docker top aa -o pid,comm)" sleep
}

signals() {
	docker run -d --name aa busybox sh -c 'trap "echo hup" HUP; trap "exit 9" USR1; while :; do sleep 0.1; done'
	sleep 0.5
	docker kill -s HUP aa
	until_output hup docker logs aa
	docker kill -s USR1 aa
	equal wait "$(docker wait aa)" 9
	status 1 docker kill aa
	docker run -d --name bb --stop-signal QUIT busybox sh -c 'trap "exit 8" QUIT; while :; do sleep 0.1; done'
	sleep 0.5
	docker stop bb
	equal 'the status of one that was stopped' "$(inspect '{{.State.ExitCode}}' bb)" 8
}

pause_() {
	local before
	docker run -d --name aa busybox sh -c 'while :; do echo tick; sleep 0.05; done'
	until_output tick docker logs aa
	docker pause aa
	equal state "$(inspect '{{.State.Status}}' aa)" paused
	matches ps "$(docker ps)" 'Up .*\(Paused\)'
	before=$(docker logs aa | wc -l)
	sleep 0.5
	equal 'its output while paused' "$(docker logs aa | wc -l)" "$before"
	status 1 docker exec aa true
	docker unpause aa
	eventually sh -c "[ \$(docker -H unix://$SOCKET logs aa | wc -l) -gt $before ]"
	docker pause aa
	docker stop -t 1 aa || { docker unpause aa; docker stop -t 1 aa; }
}

restart_() {
	docker run -d --name aa busybox sh -c 'echo start; sleep 600'
	docker restart -t 0 aa
	until_output $'start\nstart' docker logs aa
	equal state "$(inspect '{{.State.Status}}' aa)" running
	# a policy
	docker run -d --name bb --restart on-failure:2 busybox false
	until_output '^2 exited' docker inspect -f '{{.RestartCount}} {{.State.Status}}' bb
	docker run -d --name cc --restart always busybox sh -c 'sleep 0.2'
	until_output '^[1-9]' docker inspect -f '{{.RestartCount}}' cc
}

events() {
	local since=$EPOCHSECONDS
	docker run --name aa busybox true
	docker rm aa
	output=$(docker events --since "$((since - 1))" --until "$((EPOCHSECONDS + 1))" --filter container=a --format '{{.Action}}' | tr '\n' ' ')
	matches events "$output" 'create .*start .*die .*destroy'
}

logs_() {
	docker run -d --name aa busybox sh -c 'for i in 1 2 3 4 5; do echo line $i; done; sleep 600'
	until_output 'line 5' docker logs aa
	equal tail "$(docker logs --tail 2 aa)" $'line 4\nline 5'
	matches timestamps "$(docker logs -t --tail 1 aa)" '^20[0-9-]*T'
	# much at once arrives whole; a line is a record of Docker's log, so not millions of them
	equal 'a long output' "$(docker run --rm busybox sh -c 'yes "a line of some length, as programs print it" | head -n 90000' | sha256sum)" \
		"$({ yes 'a line of some length, as programs print it' || true; } | head -n 90000 | sha256sum)"
}

init_() {
	docker run -d --name aa --init busybox sh -c 'for i in 1 2 3; do (sleep 0.1 &) ; done; sleep 600'
	matches 'process 1' "$(docker exec aa cat /proc/1/cmdline | tr '\0' ' ')" 'docker-init|tini'
	eventually sh -c "! docker -H unix://$SOCKET exec aa ps | grep -q 'Z '"
	docker stop -t 10 aa
	# the signal is handed on: no 10 s, no 137
	equal status "$(inspect '{{.State.ExitCode}}' aa)" 143
}

healthcheck() {
	docker run -d --name aa --health-cmd 'test -e /tmp/well' --health-interval 0.3s --health-retries 2 busybox sleep 600
	until_output unhealthy docker inspect -f '{{.State.Health.Status}}' aa
	docker exec aa touch /tmp/well
	until_output '^healthy' docker inspect -f '{{.State.Health.Status}}' aa
	matches ps "$(docker ps)" '\(healthy\)'
}

# ------------------------------------------------------------------ resources

# seen FILE-V1 FILE-V2: a control file of the container's own cgroup, read from inside
seen() { docker exec "$1" sh -c "cat /sys/fs/cgroup/$2 2>/dev/null || cat /sys/fs/cgroup/$3"; }

limits() {
	local cpuset
	read -ra cpuset <<<"$(cpuset_option)"
	docker run -d --name aa -m 64m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 "${cpuset[@]}" --pids-limit 20 busybox sleep 600
	equal memory "$(seen aa memory/memory.limit_in_bytes memory.max)" 67108864
	equal reservation "$(seen aa memory/memory.soft_limit_in_bytes memory.low)" 33554432
	matches quota "$(seen aa cpu/cpu.cfs_quota_us cpu.max)" '^50000'
	matches shares "$(seen aa cpu/cpu.shares cpu.weight)" '^(512|20|59|5[0-9])$'
	[ ${#cpuset[@]} = 0 ] || equal cpuset "$(seen aa cpuset/cpuset.cpus cpuset.cpus)" 0
	equal pids "$(seen aa pids/pids.max pids.max)" 20
	equal nproc "$(docker exec aa nproc)" 1
	matches 'too many processes' "$(docker exec aa sh -c '(for i in $(seq 30); do sleep 1 & done) 2>&1' || true)" "can't fork"
}

oom() {
	oom_until aa docker run --name aa -m 16m busybox sh -c 'tail /dev/zero'
	equal OOMKilled "$(inspect '{{.State.OOMKilled}} {{.State.ExitCode}}' aa)" 'true 137'
	status 137 docker run --name bb busybox sh -c "sh -c 'kill -9 \$\$'; exit \$?"
	equal 'OOMKilled of one that was killed' "$(inspect '{{.State.OOMKilled}}' bb)" false
}

update_() {
	local cpuset
	read -ra cpuset <<<"$(cpuset_option)"
	docker run -d --name aa -m 64m --memory-swap 64m busybox sleep 600
	docker update -m 128m --memory-swap 128m --cpus 0.25 --cpu-shares 256 --pids-limit 55 "${cpuset[@]}" aa
	equal memory "$(seen aa memory/memory.limit_in_bytes memory.max)" 134217728
	matches quota "$(seen aa cpu/cpu.cfs_quota_us cpu.max)" '^25000'
	equal pids "$(seen aa pids/pids.max pids.max)" 55
	[ ${#cpuset[@]} = 0 ] || equal cpuset "$(seen aa cpuset/cpuset.cpus cpuset.cpus)" 0
	docker update --restart always aa
	docker update -m 32m --memory-swap 64m aa
	equal memory "$(seen aa memory/memory.limit_in_bytes memory.max)" 33554432
}

stats() {
	docker run -d --name aa -m 64m busybox sh -c 'x=$(head -c 3000000 /dev/zero | tr "\0" x); while :; do :; done'
	sleep 1
	docker stats --no-stream --format '{{.CPUPerc}} {{.MemUsage}} {{.PIDs}} {{.NetIO}} {{.BlockIO}}' aa >stats
	matches stats "$(cat stats)" '^[0-9]+[.][0-9]+% [0-9.]+[KM]iB / 64MiB [1-9] .*B / .*B'
	lacks 'the processor in stats' "$(cat stats)" '^0[.]00%'
}

ulimits() {
	equal nofile "$(docker run --rm --ulimit nofile=512:600 busybox sh -c 'ulimit -Sn; ulimit -Hn' | tr '\n' ' ')" '512 600 '
	equal core "$(docker run --rm --ulimit core=0 busybox sh -c 'ulimit -c')" 0
	equal shm "$(docker run --rm --shm-size 10m busybox df -m /dev/shm | awk 'END { print $2 }')" 10
}

raised_ulimit() { equal nofile "$(docker run --rm --ulimit nofile=2000000 busybox sh -c 'ulimit -n')" 2000000; }
oom_score_up() { equal score "$(docker run --rm --oom-score-adj 500 busybox cat /proc/self/oom_score_adj)" 500; }
oom_score_down() { equal score "$(docker run --rm --oom-score-adj -100 busybox cat /proc/self/oom_score_adj)" -100; }

cgroup_parent() {
	if [ "${MANAGER:-}" = systemd ]; then
		docker run -d --name aa --cgroup-parent ocirt-below.slice busybox sleep 600
		matches cgroups "$(cat "/proc/$(inspect '{{.State.Pid}}' aa)/cgroup")" '/ocirt.slice/ocirt-below.slice/docker-[0-9a-f]+.scope'
		docker rm -f aa
		equal 'left behind' "$({ find /sys/fs/cgroup/ocirt.slice -name 'docker-*' -type d 2>/dev/null || true; } | wc -l)" 0
		return
	fi
	docker run -d --name aa --cgroup-parent "/$TAG/below" busybox sleep 600
	matches cgroups "$(cat "/proc/$(inspect '{{.State.Pid}}' aa)/cgroup")" "/$TAG/below/"
	docker rm -f aa
	# other containers of the machine may go while find looks
	equal 'left behind' "$({ find /sys/fs/cgroup -path "*/$TAG/below/*" -type d 2>/dev/null || true; } | wc -l)" 0
	# the parent itself is nobody's: some runtimes leave it
	find /sys/fs/cgroup -depth -path "*/$TAG/below" -type d -exec rmdir {} + 2>/dev/null || true
}

# ------------------------------------------------------------------ security

privileged() {
	docker run --rm --privileged busybox sh -c 'grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; ls /dev/ | wc -l; mount -t tmpfs x /mnt && echo mounted; test -w /proc/sys/kernel && echo writable' >out
	matches 'in a privileged container' "$(tr '\n' ' ' <out)" 'CapEff:.0000[0-9a-f]+ Seccomp:.0 [0-9]+ mounted writable'
}

read_only() {
	docker run --rm --read-only --tmpfs /run:size=1m,mode=755 busybox sh -c 'touch /x && exit 1; touch /run/x && echo fine; mount | grep " / "; df -k /run | tail -n 1' >out
	matches 'in a read-only container' "$(cat out)" $'fine\n.* / .*[(]ro,.*\n.*1024'
}

capabilities() {
	matches default "$(docker run --rm busybox grep CapEff /proc/self/status)" '00000000a80425fb'
	matches dropped "$(docker run --rm --cap-drop ALL --cap-add NET_BIND_SERVICE busybox grep CapEff /proc/self/status)" '0000000000000400'
	matches added "$(docker run --rm --cap-add SYS_PTRACE busybox grep CapEff /proc/self/status)" '00000000a80c25fb'
	matches user "$(docker run --rm -u 1000 busybox grep CapEff /proc/self/status)" '0000000000000000'
	matches no_new_privs "$(docker run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status)" '1$'
}

seccomp() {
	matches default "$(docker run --rm busybox grep Seccomp: /proc/self/status)" '2$'
	status 1 docker run --rm busybox unshare -U true
	matches unconfined "$(docker run --rm --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status)" '0$'
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}' >p.json
	status 1 docker run --rm --security-opt seccomp=p.json busybox mkdir /x
	matches 'the filter of a file' "$output" 'No space left'
}

masked() {
	docker run --rm busybox sh -c 'wc -c </proc/timer_list; ls /proc/acpi /sys/firmware | wc -l; touch /proc/sys/kernel/x || echo ro; echo 1 >/proc/sysrq-trigger || echo ro' >out 2>/dev/null
	matches 'masked and read-only paths' "$(tr '\n' ' ' <out)" '^0 [0-4] ro ro '
}

users() {
	matches user "$(docker run --rm -u user busybox id)" '^uid=1000[(]user[)] gid=1000[(]user[)] groups=.*50[(]staff[)]'
	equal numbers "$(docker run --rm -u 1234:4321 busybox id -u)" 1234
	matches groups "$(docker run --rm -u 1000 --group-add 77 busybox id -G)" 77
	equal workdir "$(docker run --rm -w /not/there busybox pwd)" /not/there
	equal env "$(docker run --rm -e A=b -e C= busybox sh -c 'echo $A-${C-unset}-$HOME-$HOSTNAME' | sed 's/-[0-9a-f]\{12\}$//')" b--/root
	equal 'standard output of a user' "$(docker run --rm -u 1000 busybox sh -c 'echo open >/dev/stdout')" open
}

devices() {
	docker run --rm --device /dev/fuse:/dev/mine:r busybox ls -l /dev/mine >out || docker run --rm --device /dev/null:/dev/mine:r busybox ls -l /dev/mine >out
	matches device "$(cat out)" '^crw'
	# what is not allowed cannot be opened, even when made
	status 1 docker run --rm --cap-add MKNOD busybox sh -c 'mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg'
	matches denied "$output" 'not permitted'
	docker run --rm busybox sh -c 'echo x >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c' >out
	equal 'the usual devices' "$(tr '\n' ' ' <out)" '4 4 '
}

sysctls() {
	equal sysctl "$(docker run --rm --sysctl net.ipv4.ip_unprivileged_port_start=99 busybox cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 99
	equal 'an ipc sysctl' "$(docker run --rm --sysctl kernel.msgmax=9999 busybox cat /proc/sys/kernel/msgmax)" 9999
}

mounts() {
	mkdir -p src/sub
	echo x >src/f
	equal bind "$(docker run --rm --mount "type=bind,src=$PWD/src,dst=/m,readonly" busybox sh -c 'touch /m/y 2>/dev/null || cat /m/f')" x
	matches tmpfs "$(docker run --rm --mount type=tmpfs,dst=/m,tmpfs-size=1m,tmpfs-mode=1770 busybox sh -c 'stat -c %a /m; grep " /m " /proc/mounts')" $'^1770\n.*size=1024k'
	matches propagation "$(docker run --rm --mount "type=bind,src=$PWD/src,dst=/m,bind-propagation=rslave" busybox cat /proc/self/mountinfo)" ' /m [^-]*master:|/m rw'
	equal 'volumes-from' "$(docker run --name vv -v /vol busybox sh -c 'echo 1 >/vol/x'; docker run --rm --volumes-from vv busybox cat /vol/x)" 1
	equal 'a file' "$(docker run --rm -v "$PWD/src/f:/etc/f:ro" busybox cat /etc/f)" x
	status 0 docker run --rm -v "$PWD/not/there:/m" busybox ls /m
	status 127 docker run --rm -v "$PWD/src/f:/bin/sh/x" busybox true || matches error "$output" 'not a directory'
}

# ------------------------------------------------------------------ namespaces, network

namespaces() {
	docker run -d --name aa --hostname first busybox sleep 600
	equal pid "$(docker run --rm --pid host busybox sh -c 'readlink /proc/self/ns/pid')" "$(readlink /proc/self/ns/pid)"
	matches 'pid of a container' "$(docker run --rm --pid container:aa busybox ps)" 'sleep 600'
	equal ipc "$(docker run --rm --ipc host busybox readlink /proc/self/ns/ipc)" "$(readlink /proc/self/ns/ipc)"
	equal uts "$(docker run --rm --uts host busybox hostname)" "$(hostname)"
	equal 'network of a container' "$(docker run --rm --network container:aa busybox hostname)" first
	docker run -d --name ss --ipc shareable busybox sleep 600
	docker exec ss touch /dev/shm/together
	docker run --rm --ipc container:ss busybox ls /dev/shm/together
}

networks() {
	equal none "$(docker run --rm --network none busybox ls /sys/class/net)" lo
	equal host "$(docker run --rm --network host busybox readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
	matches bridge "$(docker run --rm busybox ip -4 addr show eth0)" 'inet 172[.]'
	matches hosts "$(docker run --rm --add-host db:10.9.8.7 --hostname me --dns 1.2.3.4 --dns-search x.y busybox cat /etc/hosts /etc/hostname /etc/resolv.conf)" \
		$'10.9.8.7\tdb\n.*me\n(.*\n)?.*(nameserver 1.2.3.4|search x.y)'
	matches mac "$(docker run --rm --mac-address 02:00:00:00:00:09 busybox cat /sys/class/net/eth0/address)" 02:00:00:00:00:09
}

user_network() {
	docker network create app
	docker run -d --name db --network app --network-alias database docker/getting-started
	web_in() { docker run --rm --network app busybox wget -q -O - "http://$1/"; }
	until_output Welcome web_in db
	until_output Welcome web_in database
	docker run -d --name late busybox sleep 600
	status 1 docker exec late wget -q -O - http://db/
	docker network connect app late
	until_output Welcome docker exec late wget -q -O - http://db/
	docker network disconnect app late
	status 1 docker exec late wget -q -O - http://db/
}

three_services() {
	local s
	# what compose makes of: db with a volume, an api that asks it, a web server that asks the api
	docker network create shop
	docker volume create shop-data
	docker run --rm -v shop-data:/data busybox sh -c 'mkdir /data/www && echo "42 apples" >/data/www/stock'
	docker run -d --name db --network shop -v shop-data:/data:ro --restart unless-stopped \
		--health-cmd 'wget -q -O /dev/null http://127.0.0.1:5432/stock' --health-interval 0.3s busybox httpd -f -p 5432 -h /data/www
	until_output '^healthy' docker inspect -f '{{.State.Health.Status}}' db
	for s in 'api db:5432/stock' 'front api/cgi-bin/ask'; do
		mkdir -p "${s% *}/cgi-bin"
		# shellcheck disable=SC2016
		printf '#!/bin/sh\necho; echo "%s says $(wget -q -O - http://%s)"\n' "${s% *}" "${s#* }" >"${s% *}/cgi-bin/ask"
		chmod +x "${s% *}/cgi-bin/ask"
	done
	docker run -d --name api --network shop --read-only -m 64m -v "$PWD/api:/www:ro" busybox httpd -f -p 80 -h /www
	docker run -d --name front --network shop --init -p 8080:80 -v "$PWD/front:/www:ro" busybox httpd -f -p 80 -h /www
	web 'front says api says 42 apples' 127.0.0.1:8080/cgi-bin/ask
	# one is replaced
	docker rm -f api
	docker run -d --name api --network shop -v "$PWD/api:/www:ro" busybox httpd -f -p 80 -h /www
	web 'front says api says 42 apples' 127.0.0.1:8080/cgi-bin/ask
	docker stop -t 1 front api db
	equal running "$(docker ps -q | wc -l)" 0
}

# ------------------------------------------------------------------ images and files

files() {
	docker run -d --name aa busybox sleep 600
	echo content >file
	docker cp file aa:/tmp/
	equal 'copied in' "$(docker exec aa cat /tmp/file)" content
	docker exec aa sh -c 'mkdir /out; echo back >/out/b'
	docker cp aa:/out .
	equal 'copied out' "$(cat out/b)" back
	matches diff "$(docker diff aa)" 'A /out/b'
	docker commit aa made
	equal committed "$(docker run --rm made cat /out/b)" back
	docker save made -o made.tar
	docker rmi -f made
	docker load -i made.tar
	equal loaded "$(docker run --rm made cat /out/b)" back
	docker export aa -o a.tar
	docker import a.tar imported
	equal imported "$(docker run --rm imported cat /tmp/file)" content
	docker rmi -f made imported
	docker rename aa bb
	docker exec bb true
}

many() {
	local i
	for i in $(seq 8); do docker run -d --name "m$i" busybox sleep 600 & done
	wait
	equal running "$(docker ps -q | wc -l)" 8
	for i in $(seq 8); do docker exec "m$i" true & done
	wait
	docker stop -t 0 m1 m2 m3 m4 m5 m6 m7 m8
	equal exited "$(docker ps -aq -f status=exited | wc -l)" 8
}

# the daemon's restart, with its containers running on
live_restore() {
	local pid
	docker run -d --name aa -p 80:80 docker/getting-started
	pid=$(inspect '{{.State.Pid}}' aa)
	jq '."live-restore" = true' "$W/daemon.json" >d.json
	cp d.json "$W/daemon.json"
	kill -HUP "$(cat "$W/docker.pid")"
	until_output true docker info -f '{{.LiveRestoreEnabled}}'
	kill "$(cat "$W/docker.pid")"
	eventually test ! -e "$W/docker.pid"
	kill -0 "$pid"
	PATH=$W/link:$PATH setsid dockerd --config-file "$W/daemon.json" -H "unix://$SOCKET" --data-root /var/lib/docker --exec-root /run/docker \
		--pidfile "$W/docker.pid" >>"$W/dockerd.log" 2>&1 &
	eventually docker version
	equal 'the process' "$(inspect '{{.State.Pid}}' aa)" "$pid"
	equal state "$(inspect '{{.State.Status}}' aa)" running
	equal exec "$(docker exec aa echo still)" still
	web Welcome 127.0.0.1:80/
	docker stop -t 1 aa
	daemon_json "$(docker info -f '{{.DefaultRuntime}}')"
	kill -HUP "$(cat "$W/docker.pid")"
	until_output false docker info -f '{{.LiveRestoreEnabled}}'
}

# what finish in suite.sh would hide
nothing_left() {
	docker run --rm busybox true
	docker run -d --name aa busybox sleep 600
	docker exec aa true
	docker rm -f aa
	equal 'cgroups left' "$({ find /sys/fs/cgroup \( -path "*/$TAG/*" -o -name 'docker-*.scope' \) -type d ! -path '*/buildkit*' 2>/dev/null || true; } | wc -l)" 0
	equal 'states left' "$({ find /run/docker/runtime-* /run/containerd/oci-rt -mindepth 2 -maxdepth 2 ! -name '.*' 2>/dev/null || true; } | wc -l)" 0
	equal 'shims left' "$({ readlink /proc/[0-9]*/exe || true; } | grep -c containerd-shim || true)" 0
}

engine_checks() {
	t 'default-runtime' default_runtime
	t 'run --runtime' runtime_option
	t 'tutorial: run -d -p 80:80' tutorial_run
	t 'tutorial: pull, run -it, /bin/bash' tutorial_shell
	t 'tutorial: run --name, ps, ps -a, logs, stop, start, rm' tutorial_life
	t 'tutorial: images, rmi' tutorial_images
	t 'tutorial: build, tag, push' tutorial_build
	t 'tutorial: volumes, bind mounts' tutorial_volumes
	t 'build with BuildKit' buildkit
	t 'run: exit status, streams, errors' run_status
	t 'exec' exec_
	t 'exec -it' exec_tty
	t 'pause, unpause' pause_
	t 'restart, restart policies' restart_
	t 'limits: memory, cpus, cpuset, pids' limits
	t 'OOMKilled' oom
	t 'update' update_
	t 'stats' stats
	t 'health check' healthcheck
	t '--init' init_
	t '--read-only, --tmpfs' read_only
	t '--privileged' privileged
	t 'user network with DNS' user_network
	t 'three services' three_services
	T 'a start that fails leaves nothing' run_failed_leaves_nothing
	T 'attach, detach' attach
	T 'top' top_
	T 'kill, wait, stop signal' signals
	T 'events' events
	T 'logs' logs_
	T 'ulimits, shm size' ulimits
	T 'a limit above the hard one' raised_ulimit
	T 'OOM score raised' oom_score_up
	T 'OOM score lowered' oom_score_down
	T '--cgroup-parent' cgroup_parent
	T 'capabilities, no-new-privileges' capabilities
	T 'seccomp' seccomp
	T 'masked and read-only paths' masked
	T 'users, groups, environment' users
	T 'devices' devices
	T 'sysctls' sysctls
	T 'mounts' mounts
	T 'namespaces of host and others' namespaces
	T 'networks: none, host, bridge' networks
	T 'cp, diff, commit, save, load, export, import' files
	T 'many at once' many
	T 'live restore' live_restore
	t 'nothing is left behind' nothing_left
}
