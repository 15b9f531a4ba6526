#!/usr/bin/env bats
# Hostile layers: nothing outside the root changes, memory stays small, nothing is left behind.
load helpers

setup_file() {
	work_up
	mkdir "$WORK/decoy" "$WORK/corpus"
	echo untouched >"$WORK/decoy/file"
	chmod 600 "$WORK/decoy/file"
	python3 "$HERE/evil.py" "$WORK/corpus" "$WORK/decoy"
}
teardown_file() { work_down; }

decoy_state() { find "$WORK/decoy" -printf '%p %y %m %U %G %s %T@ %n\n' | sort; cat "$WORK/decoy/file"; getfattr -R -d -m - "$WORK/decoy" 2>/dev/null; }

# one mode: flat or overlay
attack() {
	local mode=$1 name expect rc bad=0 before rss limit
	before=$(decoy_state)
	while read -r name expect; do
		rm -rf "$WORK/store"
		rc=0 limit=60
		[ "$name" != million ] || limit=1500
		if image load "$WORK/corpus/$name.tar" >"$WORK/out" 2>&1; then
			/usr/bin/env time -f 'RSS %M' -o "$WORK/time" timeout "$limit" "$OCI_IMAGE" -q unpack "--$mode" --no-config "evil/$name:1" "$WORK/bundle" >"$WORK/out" 2>&1 || rc=$?
		else
			rc=$?
			echo 'RSS 0' >"$WORK/time"
		fi
		rss=$(sed -n 's/^RSS //p' "$WORK/time")
		if [ "$rc" -ge 124 ]; then echo "$name: killed or timed out ($rc)"; bad=1; fi
		if [ "$expect" = ok ] && [ "$rc" != 0 ]; then echo "$name: refused: $(cat "$WORK/out")"; bad=1; fi
		if [ "$expect" = fail ] && [ "$rc" = 0 ]; then echo "$name: accepted"; bad=1; fi
		if [ "$rss" -gt "${RSS_MAX:-98304}" ]; then echo "$name: $rss kB of memory"; bad=1; fi
		if [ "$(decoy_state)" != "$before" ]; then echo "$name: DECOY CHANGED"; bad=1; before=$(decoy_state); fi
		if [ "$rc" != 0 ] && [ -e "$WORK/bundle" ]; then echo "$name: bundle left behind"; bad=1; fi
		if [ -n "$(ls "$WORK/store/tmp")" ]; then echo "$name: left in tmp: $(ls "$WORK/store/tmp")"; bad=1; fi
		[ ! -e "$WORK/bundle" ] || image rm-bundle "$WORK/bundle" || true
		rm -rf "$WORK/bundle"
	done <"$WORK/corpus/cases"
	! grep -q "$WORK" /proc/self/mountinfo || { echo "mounts left"; bad=1; }
	return $bad
}

@test "evil layers, flat" { attack flat; }
@test "evil layers, overlay" { attack overlay; }

@test "flat and overlay give the same tree for the harmless ones" {
	local name expect bad=0
	while read -r name expect; do
		[ "$expect" = ok ] || continue
		rm -rf "$WORK/store"
		image load "$WORK/corpus/$name.tar" >/dev/null
		image unpack --flat --no-config "evil/$name:1" "$WORK/f"
		image unpack --overlay --no-config "evil/$name:1" "$WORK/o"
		diff <(tree "$WORK/f/rootfs") <(tree "$WORK/o/rootfs") || { echo "$name differs"; bad=1; }
		image rm-bundle "$WORK/f" "$WORK/o"
	done <"$WORK/corpus/cases"
	return $bad
}
