# bash completion for oci-image: verbs and options are asked of the program itself, stages of the Dockerfile
# shellcheck shell=bash disable=SC2207
_oci_image_stages() { # [-f FILE] CONTEXT
	"${COMP_WORDS[0]}" build --dump-ast "$@" 2>/dev/null |
		awk '/^  "stages":/ { stages = 1 } stages && /^      "name":/ { gsub(/[",]/, "", $2); print $2 }'
}

_oci_image() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb='' file='' context=. i
	COMPREPLY=()
	[ "$prev" != = ] || prev=${COMP_WORDS[COMP_CWORD-2]}
	[ "$cur" != = ] || cur=
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--store) ((i++)) ;;
		-f | --file) file=${COMP_WORDS[i+1]}; ((i++)) ;;
		-*) ;;
		*) [ -n "$verb" ] || verb=${COMP_WORDS[i]} ;;
		esac
	done
	case "$verb $prev" in
	' --store') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	'build --target')
		[ -d "${COMP_WORDS[COMP_CWORD+1]}" ] && context=${COMP_WORDS[COMP_CWORD+1]}
		COMPREPLY=($(compgen -W "$(_oci_image_stages ${file:+-f "$file"} "$context")" -- "$cur"))
		return
		;;
	'build --network') COMPREPLY=($(compgen -W 'default none host' -- "$cur")); return ;;
	'build --progress') COMPREPLY=($(compgen -W 'auto tty plain json quiet' -- "$cur")); return ;;
	'build --pull') COMPREPLY=($(compgen -W 'always missing never' -- "$cur")); return ;;
	'build --dump-ast') [ "${COMP_WORDS[COMP_CWORD-1]}" = = ] && COMPREPLY=($(compgen -W syntax -- "$cur")) && return ;;
	'build --allow') COMPREPLY=($(compgen -W 'network.host security.insecure' -- "$cur")); return ;;
	'build --output' | 'build -o') COMPREPLY=($(compgen -W 'type=oci,dest= type=docker,dest= type=tar,dest= type=local,dest= type=bundle,dest=' -- "$cur")); return ;;
	'build --file' | 'build -f' | 'build --iidfile' | 'build --metadata-file')
		compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	esac
	if [ -z "$verb" ]; then
		COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" --help 2>/dev/null | awk '/^  [a-z]/ { print $1 }')" -- "$cur"))
	elif [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "$verb" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)" -- "$cur"))
	elif [ "$verb" = build ]; then
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
	else
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}
complete -F _oci_image oci-image
