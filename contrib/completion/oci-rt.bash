# bash completion for oci-rt, made by `oci-rt completion bash`
# shellcheck shell=bash disable=SC2207
_oci_rt() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command='' words='' operands='' dirs='' i
	local -a root=()
	COMPREPLY=()
	[ "$prev" != = ] || prev=${COMP_WORDS[COMP_CWORD-2]}
	[ "$cur" != = ] || cur=
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		- | --root | --log | --log-format | --log-level | --cgroup-manager | --trace | --criu)
			local option=${COMP_WORDS[i]}
			[ "${COMP_WORDS[i+1]}" != = ] || ((i++))
			[ "$option" != --root ] || root=(--root "${COMP_WORDS[i+1]}")
			((i++))
			;;
		-* | =) ;;
		*) command=${COMP_WORDS[i]}; break ;;
		esac
	done
	case "$command $prev" in
	' --root') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	' --log') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	' --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")) ;;
	' --log-level') COMPREPLY=($(compgen -W 'error warning info debug' -- "$cur")) ;;
	' --cgroup-manager') COMPREPLY=($(compgen -W 'cgroupfs systemd disabled' -- "$cur")) ;;
	' --trace') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	' --criu') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'check --bundle' | 'check -b') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'check --format' | 'check -f') COMPREPLY=($(compgen -W 'text json' -- "$cur")) ;;
	'checkpoint --image-path') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'checkpoint --work-path') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'checkpoint --manage-cgroups-mode') ;;
	'checkpoint --empty-ns') ;;
	'checkpoint --network-lock') ;;
	'checkpoint --parent-path') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'checkpoint --page-server') ;;
	'checkpoint --status-fd') ;;
	'create --bundle' | 'create -b') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'create --config' | 'create -f') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'create --console-socket') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'create --pidfd-socket') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'create --pid-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'create --preserve-fds') ;;
	'events --interval') ;;
	'exec --process' | 'exec -p') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'exec --console-socket') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'exec --pidfd-socket') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'exec --pid-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'exec --cwd') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'exec --env' | 'exec -e') ;;
	'exec --user' | 'exec -u') ;;
	'exec --additional-gids' | 'exec -g') ;;
	'exec --cap' | 'exec -c') ;;
	'exec --process-label') ;;
	'exec --apparmor') ;;
	'exec --preserve-fds') ;;
	'exec --cgroup') ;;
	'list --format' | 'list -f') COMPREPLY=($(compgen -W 'table json' -- "$cur")) ;;
	'plan --format' | 'plan -f') COMPREPLY=($(compgen -W 'text json' -- "$cur")) ;;
	'plan --id') ;;
	'ps --format' | 'ps -f') COMPREPLY=($(compgen -W 'table json' -- "$cur")) ;;
	'restore --image-path') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'restore --work-path') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'restore --manage-cgroups-mode') ;;
	'restore --empty-ns') ;;
	'restore --network-lock') ;;
	'restore --bundle' | 'restore -b') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'restore --config' | 'restore -f') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'restore --pid-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'restore --pidfd-socket') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'restore --console-socket') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'restore --lsm-profile') ;;
	'restore --lsm-mount-context') ;;
	'restore --parent-path') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'run --bundle' | 'run -b') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'run --config' | 'run -f') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'run --console-socket') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'run --pidfd-socket') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'run --pid-file') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'run --preserve-fds') ;;
	'spec --bundle' | 'spec -b') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	'spec --file' | 'spec -f') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'update --resources' | 'update -r') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	'update --blkio-weight') ;;
	'update --cpu-burst') ;;
	'update --cpu-idle') ;;
	'update --cpu-period') ;;
	'update --cpu-quota') ;;
	'update --cpu-rt-period') ;;
	'update --cpu-rt-runtime') ;;
	'update --cpu-share') ;;
	'update --cpuset-cpus') ;;
	'update --cpuset-mems') ;;
	'update --memory') ;;
	'update --memory-reservation') ;;
	'update --memory-swap') ;;
	'update --pids-limit') ;;
	'update --kernel-memory') ;;
	'update --kernel-memory-tcp') ;;
	'update --l3-cache-schema') ;;
	'update --mem-bw-schema') ;;
	*)
	case $command in
	'')
		words=' --root --log --log-format --log-level --debug --cgroup-manager --systemd-cgroup --rootless --trace --version -v --help -h'
		operands='check checkpoint completion create delete events exec features kill list mounts pause plan ps restore resume run spec start state update'
		;;
	check)
		words=' --bundle -b --format -f --help'
		dirs=1
		;;
	checkpoint)
		words=' --image-path --work-path --tcp-established --ext-unix-sk --shell-job --file-locks --manage-cgroups-mode --empty-ns --auto-dedup --lazy-pages --network-lock --leave-running --pre-dump --parent-path --tcp-skip-in-flight --link-remap --page-server --status-fd --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	completion)
		words=' --help'
		operands='bash zsh fish'
		;;
	create)
		words=' --bundle -b --config -f --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds --help'
		dirs=1
		;;
	delete)
		words=' --force -f --regex -r --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	events)
		words=' --interval --stats --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	exec)
		words=' --process -p --tty -t --console-socket --pidfd-socket --detach -d --pid-file --cwd --env -e --user -u --additional-gids -g --cap -c --no-new-privs --process-label --apparmor --preserve-fds --cgroup --ignore-paused --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	features)
		words=' --help'
		;;
	kill)
		words=' --all -a --regex -r --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	list)
		words=' --format -f --quiet -q --help'
		;;
	mounts)
		words=' --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	pause)
		words=' --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	plan)
		words=' --format -f --id --help'
		dirs=1
		;;
	ps)
		words=' --format -f --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	restore)
		words=' --image-path --work-path --tcp-established --ext-unix-sk --shell-job --file-locks --manage-cgroups-mode --empty-ns --auto-dedup --lazy-pages --network-lock --bundle -b --config -f --detach -d --keep --pid-file --pidfd-socket --console-socket --tcp-close --lsm-profile --lsm-mount-context --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	resume)
		words=' --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	run)
		words=' --bundle -b --config -f --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds --detach -d --keep --help'
		dirs=1
		;;
	spec)
		words=' --bundle -b --file -f --rootless --help'
		;;
	start)
		words=' --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	state)
		words=' --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	update)
		words=' --resources -r --blkio-weight --cpu-burst --cpu-idle --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime --cpu-share --cpuset-cpus --cpuset-mems --memory --memory-reservation --memory-swap --pids-limit --l3-cache-schema --mem-bw-schema --help'
		operands=$("${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null)
		;;
	esac
	case $cur in
	-*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
	*)
		COMPREPLY=($(compgen -W "$operands" -- "$cur"))
		[ -z "$dirs" ] || { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); }
		;;
	esac
	;;
	esac
}
complete -F _oci_rt oci-rt
