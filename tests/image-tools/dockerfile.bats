#!/usr/bin/env bats
# What `build` says of a Dockerfile without building: --dump-ast, --dump-words, --dump-ignore, --check, errors, completion.
bats_require_minimum_version 1.5.0
load helpers

setup_file() { work_up; }
teardown_file() { work_down; }
setup() {
	C=$WORK/c
	rm -rf "$C"
	mkdir "$C"
	cd "$C" || return 1
}

dockerfile() { cat >"$C/Dockerfile"; }

@test "--dump-ast: of a context, a file, standard input; without a store" {
	dockerfile <<-'D'
		# escape=`
		ARG V=1
		FROM a:$V AS One
		RUN --mount=type=cache,target=/c <<E
		echo `
		E
	D
	"$OCI_IMAGE" build --dump-ast . >out
	[ "$(jq -c '[.file, .escape, .globals, .stages[0].name, .instructions[2].heredocs[0].content]' out)" = \
		'["Dockerfile","`",1,"one","echo `\n"]' ]
	cp Dockerfile other
	"$OCI_IMAGE" build --dump-ast -f other /nonexistent | diff <(sed 's/"Dockerfile"/"other"/' out) -
	"$OCI_IMAGE" build --dump-ast -f - . <Dockerfile | diff out -
	"$OCI_IMAGE" build --dump-ast - <Dockerfile | diff out -
	[ ! -e "$OCI_IMAGE_STORE" ]
}

@test "--dump-ast: errors name file, line and instruction" {
	printf 'FROM a\nRUN x\n\nCOYP a b\n' >Dockerfile
	run -1 --separate-stderr "$OCI_IMAGE" build --dump-ast .
	[ -z "$output" ]
	[[ $stderr == *'Dockerfile:4: unknown instruction "COYP" (did you mean COPY?)'* ]]
	printf 'FROM a\nCOPY --form=b a b\n' >Dockerfile
	run -1 "$OCI_IMAGE" build --dump-ast .
	[[ $output == *'Dockerfile:2: COPY: unknown flag "--form" (did you mean --from?)'* ]]
	run -1 "$OCI_IMAGE" build --dump-ast -f none .
	[[ $output == *'open none'* ]]
}

@test "--dump-ast=syntax: what no build would take" {
	printf 'HEALTHCHECK --grace=4s CONNECT TCP 7000\nFOO bar\n' >Dockerfile
	"$OCI_IMAGE" build --dump-ast=syntax . >out
	[ "$(jq -c '[.instructions[] | [.instruction, .flags, .args, (.error != null)]]' out)" = \
		'[["HEALTHCHECK",["--grace=4s"],["CONNECT","TCP 7000"],true],["FOO",[],[],true]]' ]
	run -2 "$OCI_IMAGE" build --dump-ast=x .
}

@test "--dump-words: results and errors, line by line" {
	printf '%s\n' 'a $X "b c"' '' "it's" '${Y:-$X}' >words
	"$OCI_IMAGE" build --dump-words -e X='1 2' --env Z= <words >out
	[ "$(jq -c '[.result, .words, .unset]' out | tr '\n' ';')" = \
		'["a 1 2 b c",["a","1","2","b c"],[]];["",[],[]];[null,null,[]];["1 2",["1","2"],["Y"]];' ]
	[[ $(sed -n 3p out | jq -r .error) == *'single quote'* ]]
	[ "$(printf '%s\n' '"$Q" `$X' | "$OCI_IMAGE" build --dump-words -e X=1 --lex 'raw-quotes,skip-unset,escape=`' | jq -r .result)" = '"$Q" $X' ]
	run -2 "$OCI_IMAGE" build --dump-words --lex nonsense <words
}

@test "--dump-ignore: the file of the Dockerfile, of the context, or another" {
	printf 'docs\n!docs/a\n' >.dockerignore
	printf '*\n' >Dockerfile.dockerignore
	[ "$(printf 'docs\nx\n' | "$OCI_IMAGE" build --dump-ignore . | jq -c '[.excluded, .descend]' | tr -d '\n')" = '[true,false][true,false]' ]
	rm Dockerfile.dockerignore
	[ "$(printf '%s\n' docs docs/a docs/b ./x/ | "$OCI_IMAGE" build --dump-ignore . | jq -c '[.excluded, .descend]' | tr -d '\n')" = \
		'[true,true][false,true][true,false][false,true]' ]
	printf '[\n' >broken
	run -1 "$OCI_IMAGE" build --dump-ignore=broken </dev/null
	[[ $output == *'broken:1:'* ]]
}

@test "--check: findings, JSON, status, what switches rules off" {
	printf 'FROM a AS B\nCOPY secret /x\nCMD x\n' >Dockerfile
	printf 'secret\n' >.dockerignore
	run -1 --separate-stderr "$OCI_IMAGE" build --check .
	[ "${#lines[@]}" = 2 ]
	[[ ${lines[0]} == "Dockerfile:1: StageNameCasing: "* ]]
	[[ ${lines[1]} == "Dockerfile:3: JSONArgsRecommended: "* ]]
	[[ $stderr == *'Dockerfile: 2 findings'* ]]
	run -1 --separate-stderr "$OCI_IMAGE" --json build --check .
	[ "$(jq -c '[.warnings[] | [.rule, .line]]' <<<"$output")" = '[["StageNameCasing",1],["JSONArgsRecommended",3]]' ]
	run -1 --separate-stderr "$OCI_IMAGE" build --check --build-arg 'BUILDKIT_DOCKERFILE_CHECK=skip=JSONArgsRecommended,StageNameCasing;experimental=all' .
	[[ $output == *'CopyIgnoredFile: Attempting to Copy file "secret"'* ]]
	sed -i '1i # check=skip=all' Dockerfile
	run -0 "$OCI_IMAGE" build --check .
	[ -z "$output" ]
}

@test "completion: verbs, options, stages, values" {
	printf 'FROM a AS base\nFROM base AS build-x\n' >Dockerfile
	complete_words() {
		PATH=$(dirname "$OCI_IMAGE"):$PATH bash -c '. "$0"; compopt() { :; }
			COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _oci_image; printf "%s\n" "${COMPREPLY[@]}"' \
			"$HERE/../../contrib/completion/oci-image.bash" "$@" | sort | tr '\n' ' '
	}
	[[ " $(complete_words oci-image b) " == *' build '* ]]
	[ "$(complete_words oci-image build --dump-)" = '--dump-ast --dump-ignore --dump-words ' ]
	[ "$(complete_words oci-image build --target '')" = 'base build-x ' ]
	[ "$(complete_words oci-image build --target build)" = 'build-x ' ]
	[ "$(complete_words oci-image build --network n)" = 'none ' ]
	[[ " $(complete_words oci-image pull --cre) " == *' --creds '* ]]
}
