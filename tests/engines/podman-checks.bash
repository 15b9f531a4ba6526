# shellcheck shell=bash
# shellcheck disable=SC2034	# what the suites and lib.bash tell one another
# What people do with Podman.
#
# Theory of operation: `--runtime NAME` before the command, containers.conf as contrib/podman/containers.conf says, cgroupfs,
# no journal, netavark with aardvark for names.  All that Podman keeps is in /var/lib/containers and /run, which are this run's own.
# On a machine without CAP_SYS_RESOURCE Podman's default limits are out of reach for any runtime: default_ulimits lowers them.

P=(timeout 180 podman)
podman() { "${P[@]}" --runtime "$RUN" "$@"; }

engine_start() {
	PEERS=(runc crun)
	. "$HERE/podman-config.bash"
	podman_config
	RUN=oci-rt
	VERSION=$(podman version -f '{{.Client.Version}}' | sed 's/+.*//')
	podman pull -q busybox >/dev/null || die 'no image'
	podman pull -q docker.io/docker/getting-started >/dev/null || die 'no image'
	# pods start with a pause program, in an image that Podman builds
	podman network create --subnet 10.97.7.0/24 names >/dev/null || die 'no network'
}
engine_stop() { podman network rm -f names >/dev/null; }
use_runtime() { RUN=$1; }
clean_check() {
	podman pod rm -af -t 0
	podman rm -af -t 0
	podman volume prune -f
}
inspect() { podman inspect -f "$1" "$2"; }
# what a container's own cgroup says
seen() { podman exec "$1" sh -c "cat /sys/fs/cgroup/$2 2>/dev/null || cat /sys/fs/cgroup/$3"; }

run_status() {
	status 0 podman run --rm busybox true
	status 3 podman run --rm busybox sh -c 'exit 3'
	status 127 podman run --rm busybox nosuch
	matches error "$output" 'nosuch.*not found'
	status 126 podman run --rm busybox /etc
	matches error "$output" 'permission denied|Permission denied|is a directory'
	equal stdout "$(podman run --rm busybox sh -c 'echo out; echo err >&2' 2>/dev/null)" out
	equal stderr "$(podman run --rm busybox sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" err
	equal stdin "$(echo through | podman run --rm -i busybox cat)" through
	podman run -d --name one busybox sleep 600
	equal 'the runtime' "$(inspect '{{.OCIRuntime}}' one)" "$RUN"
	[ "$RUN" != oci-rt ] || equal 'by its path' "$("${P[@]}" --runtime "$OCI_RT" run --rm busybox echo fine)" fine
}

run_terminal() {
	output=$(pty '# ' "$SIZED"'tty; stty size\n' '\n40 100' 'exit 4\n' -- "${P[@]}" --runtime "$RUN" run -it --rm busybox sh) && return 1
	matches terminal "$output" $'/dev/pts/[0-9]+\n40 100\n'
}

life() {
	podman run -d --name web -p 8080:80 docker.io/docker/getting-started
	web Welcome 127.0.0.1:8080/
	matches ps "$(podman ps)" 'getting-started.*Up .*8080->80/tcp.* web'
	podman exec web sh -c 'echo said >/proc/1/fd/1; echo cried >/proc/1/fd/2'
	until_output cried podman logs web
	podman restart -t 0 web
	web Welcome 127.0.0.1:8080/
	podman stop -t 1 web
	matches 'ps -a' "$(podman ps -a)" 'Exited [(](137|143)[)].* web'
	podman start web
	web Welcome 127.0.0.1:8080/
	podman rm -f -t 0 web
	lacks 'ps -a' "$(podman ps -a)" ' web'
}

exec_() {
	podman run -d --name one -e FROM=run busybox sleep 600
	status 0 podman exec one echo hello
	equal output "$output" hello
	status 5 podman exec one sh -c 'exit 5'
	matches user "$(podman exec -u 1000:50 one id)" '^uid=1000[(]user[)] gid=50[(]staff[)]'
	equal cwd "$(podman exec -w /tmp one pwd)" /tmp
	equal env "$(podman exec -e MORE=exec one sh -c 'echo $FROM $MORE')" 'run exec'
	equal stdin "$(echo in | podman exec -i one cat)" in
	status 127 podman exec one nosuch
	podman exec -d one sh -c 'echo later >/tmp/later; sleep 600'
	until_output later podman exec one cat /tmp/later
	matches top "$(podman top one)" 'sleep 600'
	output=$(pty '# ' "$SIZED"'stty size; exit 4\n' -- "${P[@]}" --runtime "$RUN" exec -it one sh) && return 1
	matches terminal "$output" $'\n40 100'
}

pause_() {
	podman run -d --name one busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i >/tmp/n; sleep 0.05; done'
	until_output 3 podman exec one cat /tmp/n
	podman pause one
	equal state "$(inspect '{{.State.Status}}' one)" paused
	status 125 podman exec one true || status 255 podman exec one true
	podman unpause one
	podman exec one true
	podman stop -t 0 one
}

health() {
	podman run -d --name one --health-cmd 'test -e /tmp/well' --health-interval disable --health-retries 1 busybox sleep 600
	status 1 podman healthcheck run one
	podman exec one touch /tmp/well
	status 0 podman healthcheck run one
}

limits() {
	local cpuset
	read -ra cpuset <<<"$(cpuset_option)"
	podman run -d --name one -m 64m --cpus 0.5 "${cpuset[@]}" --pids-limit 20 busybox sleep 600
	equal memory "$(seen one memory/memory.limit_in_bytes memory.max)" 67108864
	matches quota "$(seen one cpu/cpu.cfs_quota_us cpu.max)" '^50000'
	[ ${#cpuset[@]} = 0 ] || equal cpuset "$(seen one cpuset/cpuset.cpus cpuset.cpus)" 0
	equal pids "$(seen one pids/pids.max pids.max)" 20
	podman update --memory 32m --cpus 0.25 one
	equal 'updated memory' "$(seen one memory/memory.limit_in_bytes memory.max)" 33554432
	matches 'updated quota' "$(seen one cpu/cpu.cfs_quota_us cpu.max)" '^25000'
	if [ "${MANAGER:-}" = systemd ]; then
		local scope
		scope=libpod-$(inspect '{{.Id}}' one).scope
		if [ "$(id -u)" = 0 ]; then
			output=$(systemctl show -p MemoryMax,CPUQuotaPerSecUSec,TasksMax,ActiveState "$scope")
		else
			output=$(systemctl --user show -p MemoryMax,CPUQuotaPerSecUSec,TasksMax,ActiveState "$scope")
		fi
		matches "the scope's memory" "$output" 'MemoryMax=33554432'
		matches "the scope's processor time" "$output" 'CPUQuotaPerSecUSec=250ms'
		matches "the scope's tasks" "$output" 'TasksMax=20'
		matches "the scope's state" "$output" 'ActiveState=active'
	fi
	matches stats "$(podman stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' one)" '^[0-9.]+[kKM]i?B / [0-9.]+Mi?B 1'
}

oom() {
	oom_until one podman run --name one -m 16m busybox tail /dev/zero
	equal OOMKilled "$(inspect '{{.State.OOMKilled}}' one)" true
}

security() {
	equal capabilities "$(podman run --rm --cap-drop all --cap-add net_bind_service busybox grep CapEff /proc/self/status | awk '{ print $2 }')" 0000000000000400
	matches filter "$(podman run --rm busybox grep Seccomp: /proc/self/status)" '2$'
	matches 'no filter' "$(podman run --rm --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status)" '0$'
	matches no_new_privs "$(podman run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status)" '1$'
	podman run --rm --read-only --read-only-tmpfs=false --tmpfs /run:size=1m busybox sh -c 'touch /x && exit 1; touch /run/x'
	matches user "$(podman run --rm -u user:50 --group-add 77 busybox id)" 'uid=1000.*gid=50.*77'
	equal sysctl "$(podman run --rm --sysctl net.ipv4.ip_unprivileged_port_start=99 busybox cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 99
	podman run --rm --privileged busybox mount -t tmpfs x /mnt
	matches init "$(podman run --rm --init busybox cat /proc/1/cmdline | tr '\0' ' ')" 'init'
}

userns() {
	matches map "$(podman run --rm --uidmap 0:100000:5000 --gidmap 0:200000:5000 busybox cat /proc/self/uid_map)" '0 +100000 +5000'
	matches mounts "$(podman run --rm --uidmap 0:100000:5000 --gidmap 0:200000:5000 busybox sh -c 'stat -c %u:%g / /proc/self; mount -t tmpfs x /mnt 2>&1 || true')" '^0:0'
}

volumes() {
	podman run --rm -v data:/d busybox sh -c 'echo kept >/d/f'
	equal volume "$(podman run --rm -v data:/d:ro busybox sh -c 'touch /d/x 2>/dev/null || cat /d/f')" kept
	echo x >f
	equal bind "$(podman run --rm -v "$PWD/f:/f:ro" busybox cat /f)" x
	matches tmpfs "$(podman run --rm --mount type=tmpfs,dst=/m,tmpfs-size=1m busybox grep ' /m ' /proc/mounts)" 'size=1024k'
	podman volume rm -f data
}

pod() {
	podman pod create --name shop -p 8081:80 --hostname shop
	podman run -d --pod shop --name front docker.io/docker/getting-started
	podman run -d --pod shop --name side busybox sleep 600
	equal 'the pod network' "$(podman exec side wget -q -O - http://127.0.0.1/)" 'Welcome to the container'
	equal 'the pod host name' "$(podman exec side hostname)" shop
	web Welcome 127.0.0.1:8081/
	matches 'pod ps' "$(podman pod ps)" 'shop +Running .* 3'
	podman pod pause shop
	podman pod unpause shop
	podman pod restart shop
	web Welcome 127.0.0.1:8081/
	podman pod stop -t 0 shop
	podman pod rm -f shop
}

kube() {
	podman pod create --name shop
	podman run -d --pod shop --name front -m 64m -e A=b docker.io/docker/getting-started
	podman generate kube shop >shop.yaml
	podman pod rm -f -t 0 shop
	podman play kube shop.yaml
	until_output Welcome podman exec shop-front wget -q -O - http://127.0.0.1/
	matches 'pod ps' "$(podman pod ps)" 'shop +Running'
	equal memory "$(seen shop-front memory/memory.limit_in_bytes memory.max)" 67108864
	podman play kube --down shop.yaml
}

kube_init() {
	local i
	cat >probe.yaml <<-'YAML'
	apiVersion: v1
	kind: Pod
	metadata: { name: probed }
	spec:
	  initContainers:
	  - { name: first, image: busybox, command: [sh, -c, "echo prepared >/shared/f"], volumeMounts: [{ name: shared, mountPath: /shared }] }
	  containers:
	  - name: main
	    image: busybox
	    command: [sh, -c, "cat /shared/f; sleep 600"]
	    securityContext: { runAsUser: 1000, readOnlyRootFilesystem: true, capabilities: { drop: [all] } }
	    volumeMounts: [{ name: shared, mountPath: /shared }]
	  volumes: [{ name: shared, emptyDir: {} }]
	YAML
	# Podman 4 may find that an init container "is running" which has just ended, with every runtime: it is asked again
	for i in 1 2 3 4 5 6; do
		if podman play kube probe.yaml; then break; fi
		podman pod rm -af -t 0
	done
	until_output prepared podman logs probed-main
	equal user "$(podman exec probed-main id -u)" 1000
}

names() {
	podman run -d --name db --network names docker.io/docker/getting-started
	asks() { podman run --rm --network names busybox wget -q -O - http://db/; }
	until_output Welcome asks
}

build_() {
	printf 'FROM busybox\nRUN id -u >/uid && echo built >/f\nCMD cat /f\n' >Containerfile
	podman build --no-cache -t built .
	equal built "$(podman run --rm built)" built
	podman push -q --tls-verify=false built 127.0.0.1:5000/me/pod
	podman rmi -f built
}

files() {
	podman run -d --name one busybox sleep 600
	echo x >f
	podman cp f one:/tmp/f
	equal 'copied in' "$(podman exec one cat /tmp/f)" x
	matches diff "$(podman diff one)" '/tmp/f'
	podman commit -q one made
	equal committed "$(podman run --rm made cat /tmp/f)" x
	podman rmi -f made
}

modes() {
	equal none "$(podman run --rm --network none busybox ls /sys/class/net)" lo
	equal host "$(podman run --rm --network host busybox readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
	equal pid "$(podman run --rm --pid host busybox readlink /proc/self/ns/pid)" "$(readlink /proc/self/ns/pid)"
	podman run -d --name one busybox sleep 600
	matches 'pid of another' "$(podman run --rm --pid container:one busybox ps)" 'sleep 600'
	equal 'cgroups=disabled' "$(podman run --rm --cgroups disabled busybox echo fine)" fine
	equal systemd "$(podman run --rm --systemd always --stop-signal TERM busybox sh -c 'test -w /run && echo fine')" fine
}

# --sdnotify: a service manager's socket; the message is the container's own, or conmon's
sdnotify() {
	cat >listen.py <<-'PYTHON'
	import os, socket, subprocess, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind("n.sock")
	os.chmod("n.sock", 0o777)
	p = subprocess.run(sys.argv[1:], env=dict(os.environ, NOTIFY_SOCKET=os.path.abspath("n.sock")), stdin=subprocess.DEVNULL, timeout=150)
	s.settimeout(2)
	try:
	    while True:
	        print("got", s.recv(4096).decode().strip(), flush=True)
	except socket.timeout:
	    sys.exit(p.returncode)
	PYTHON
	matches 'of the container' "$(python3 listen.py "${P[@]}" --runtime "$RUN" run --rm --sdnotify container busybox sh -c 'probe notify READY=1; sleep 1')" 'READY=1'
	rm n.sock
	matches 'of conmon' "$(python3 listen.py "${P[@]}" --runtime "$RUN" run --rm --sdnotify conmon busybox sh -c 'echo "${NOTIFY_SOCKET:-none}"')" 'none.*READY=1|READY=1.*none'
	rm n.sock
	lacks 'of nobody' "$(python3 listen.py "${P[@]}" --runtime "$RUN" run --rm --sdnotify ignore busybox sleep 0.1)" 'READY=1'
}

checkpoint() {
	podman run -d --name one --network host --ipc host busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done'
	until_output 3 podman logs one
	podman container checkpoint one
	podman container restore one
	equal state "$(inspect '{{.State.Status}}' one)" running
}

raised() {
	equal score "$(podman run --rm --oom-score-adj -500 busybox cat /proc/self/oom_score_adj)" -500
	equal nofile "$(podman run --rm --ulimit nofile=1048577:1048577 busybox sh -c 'ulimit -n')" 1048577
}

# what the container's label is, and what the policy makes of it
selinux() {
	# the policy lets no runtime open a network namespace of Podman's making
	local a b
	a=$(podman run --rm --network none busybox cat /proc/self/attr/current | tr -d '\0')
	b=$(podman run --rm --network none busybox cat /proc/self/attr/current | tr -d '\0')
	matches label "$a" '^[a-z_]+:system_r:container_t:s0:c[0-9]+,c[0-9]+$'
	lacks 'the next label' "$b" "^$a\$"
	matches 'the label of choice' "$(podman run --rm --network none --security-opt label=level:s0:c1,c2 busybox cat /proc/self/attr/current | tr -d '\0')" ':s0:c1,c2$'
	matches 'no separation' "$(podman run --rm --network none --security-opt label=disable busybox cat /proc/self/attr/current | tr -d '\0')" 'spc_t|unconfined_t|container_runtime_t'
	mkdir shared
	echo x >shared/f
	equal relabelled "$(podman run --rm --network none -v "$PWD/shared:/d:Z" busybox cat /d/f)" x
	podman run -d --network none --name one busybox sleep 600
	matches 'the label of exec' "$(podman exec one cat /proc/self/attr/current | tr -d '\0')" "$(inspect '{{.ProcessLabel}}' one)"
	if [ "$(getenforce)" = Enforcing ]; then
		mkdir private
		echo x >private/f
		chcon -t shadow_t private private/f
		status 1 podman run --rm --network none -v "$PWD/private:/d" busybox cat /d/f
		matches refusal "$output" '[Pp]ermission denied'
	fi
}

apparmor() {
	local profile
	podman run -d --name one busybox sleep 600
	profile=$(podman exec one cat /proc/self/attr/current)
	matches profile "$profile" '^containers-default.* [(]enforce[)]$'
	equal 'of the container' "$(podman run --rm busybox cat /proc/self/attr/current)" "$profile"
	equal unconfined "$(podman run --rm --security-opt apparmor=unconfined busybox cat /proc/self/attr/current)" unconfined
	# the profile denies what capabilities would allow
	matches 'a mount' "$(podman run --rm --cap-add all busybox sh -c 'mount -t tmpfs x /mnt 2>&1 || true')" '[Pp]ermission denied'
	podman run --rm --cap-add all --security-opt apparmor=unconfined busybox mount -t tmpfs x /mnt
	printf 'profile ocirt-test flags=(attach_disconnected) {\n file,\n capability,\n network,\n deny /etc/group r,\n}\n' >profile
	apparmor_parser -r profile
	status 1 podman run --rm --security-opt apparmor=ocirt-test busybox cat /etc/group
	matches denied "$output" 'ermission denied'
	equal 'what is not denied' "$(podman run --rm --security-opt apparmor=ocirt-test busybox head -c 4 /etc/passwd)" root
}

# what User-Mode Linux has no kernel for
engine_rest() {
	t '-p, ps, logs, restart, stop, start, rm' life
	t 'pod' pod
	t 'limits, update, stats' limits
	t 'checkpoint, restore' checkpoint
}

engine_checks() {
	[ -z "${OCI_RT_ENGINES_REST:-}" ] || { engine_rest; return; }
	case ${VARIANT:-} in
	*selinux*) t 'SELinux' selinux ;;
	*apparmor*) t 'AppArmor' apparmor ;;
	esac
	t '--runtime: run, exit status, streams' run_status
	t 'run -it' run_terminal
	# where nothing forwards a port, another guest has these two
	[ "${FIREWALL:-}$UID" = none0 ] || t '-p, ps, logs, restart, stop, start, rm' life
	t 'exec, exec -it, top' exec_
	t 'health check' health
	[ "${FIREWALL:-}$UID" = none0 ] || t 'pod' pod
	t 'generate kube, play kube' kube
	t 'limits, update, stats' limits
	T 'play kube with an init container' kube_init
	T 'pause, unpause' pause_
	T 'OOMKilled' oom
	T 'security options' security
	T 'user namespace' userns
	T 'volumes' volumes
	T 'network with DNS' names
	T 'build, push' build_
	T 'cp, diff, commit' files
	T 'namespaces of host and others' modes
	[[ ${VARIANT:-} == *rootless* ]] || T 'raised limits, lowered OOM score' raised
	[ -z "${OCI_PROBE:-}" ] || T 'sdnotify' sdnotify
	T 'checkpoint, restore' checkpoint
}
