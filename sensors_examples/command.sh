#!/usr/bin/env bash
# looop:summary=A command of yours, such as tests: its exit and output
# looop:needs=jq,tail
# looop:env=COMMAND
# looop:optional=COMMAND_DIR,COMMAND_SECONDS,COMMAND_PATTERN
# looop:interval=300
# looop:timeout=120
COMMAND="${COMMAND:-}"
COMMAND_DIR="${COMMAND_DIR:-.}"
COMMAND_SECONDS="${COMMAND_SECONDS:-100}"
COMMAND_PATTERN="${COMMAND_PATTERN:-}"

set -euo pipefail
export LC_ALL=C

fail() { # CODE MESSAGE: one line on stderr, and the end
  printf '%s\n' "$(printf '%s' "$2" | tr '[:cntrl:]' ' ' | cut -c 1-400)" >&2
  exit "$1"
}
declared() { sed -n "s/^# looop:$1=//p" "$0" | tr ',' ' '; }
for name in $(declared needs); do command -v "$name" >/dev/null || fail 78 "\"$name\" is not installed here"; done
for name in $(declared env); do [ -n "${!name}" ] || fail 78 "$name is not set, and this sensor needs it"; done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# report NAME: turns {list: [{key, ...}], signal?, detail?, left?, unshown?} on stdin into the reading. The signal names
# the keys, the detail shows the items. Items that do not fit are cut and counted; the signal adds a sum of those cut.
# Parts that could not be fetched (lines of $work/lost) or understood ({odd} in the list) are counted and reported.
report() {
  : >>"$work/lost"
  jq -c --arg name "$1" --rawfile lost "$work/lost" '
    def size: tojson | utf8bytelength;
    def sum: reduce (tojson | explode[]) as $c (7; (. * 31 + $c) % 2147483647);
    def fit($max): [foreach .[] as $x (2; . + ($x | size) + 1; select(. <= $max) | $x)];
    def tidy: walk(if type == "string" then .[:200] | gsub("\\p{Cc}"; " ") elif type == "object" then
      to_entries[:16] | from_entries elif type == "array" then .[:10] | map(.[:60]? // .) else . end);
    {not_seen: ($lost / "\n" - [""] | unique), not_understood: [.list[].odd | values]} as $gaps
    | ($gaps | map_values(length) | with_entries(select(.value > 0))) as $counts | .list |= map(select(.odd | not))
    | ([.list[].key | values | if length > 120 then .[:100] + "~\(sum)" else . end] | unique) as $keys
    | ($keys | fit(2400)) as $told | ($keys - $told) as $rest | (($rest | length) + .left) as $more
    | (.signal + {($name): ($told | map(tidy))} + $counts
      + if $more > 0 then {more: {count: $more, sum: ($rest | sum)}} else {} end) as $signal
    | ($gaps | map_values(map(tidy) | fit(1000)) | with_entries(select(.value != []))) as $gaps
    | ((.detail // {} | tidy) + $gaps) as $detail
    | (7700 - ([$signal, $detail] | size)) as $room
    | ([.list[:120][] | del(.key) | tidy] | fit($room)) as $items
    | ((.list | length) - ($items | length) + .left + .unshown) as $cut | {$signal, detail: ($detail + {$items, $cut})}'
}

number() { # NAME: that setting must be a whole number
  case ${!1} in '' | *[!0-9]*) fail 78 "$1 is \"${!1}\", expected a whole number" ;; esac
}

number COMMAND_SECONDS
[ -d "$COMMAND_DIR" ] || fail 78 "COMMAND_DIR \"$COMMAND_DIR\" is no directory"
# In a process group of its own, so that all of it can be ended, and after its end whatever it left behind.
: >"$work/output"
started=$(date +%s)
set -m
(
  code=0
  cd "$COMMAND_DIR" && bash -c "$COMMAND" </dev/null || code=$?
  echo "$code" >"$work/exit"
) >"$work/output" 2>&1 &
group=$!
set +m
tries=$((COMMAND_SECONDS * 10))
too_much=50000000
while kill -0 "$group" 2>/dev/null && [ "$tries" -gt 0 ] && [ "$(wc -c <"$work/output")" -lt "$too_much" ]; do
  tries=$((tries - 1))
  sleep 0.1
done
kill -TERM -- "-$group" 2>/dev/null && sleep 0.5 && kill -KILL -- "-$group" 2>/dev/null || true
wait 2>/dev/null || true
exit=$(cat "$work/exit" 2>/dev/null || echo null)
# A failing command is what this sensor is there to report, so it is a reading. Its exit code wakes, and so do lines
# that match COMMAND_PATTERN; other lines do not, as output often holds times.
tail -c 100000 "$work/output" | tr -d '\000\r' | jq -Rsc --argjson exit "$exit" --arg pattern "$COMMAND_PATTERN" \
  --arg command "$COMMAND" --argjson seconds "$(($(date +%s) - started))" '
  (split("\n") | map(select(. != ""))) as $lines
  | {signal: {exit: $exit, state: (if $exit == 0 then "ok" elif $exit then "failed" else "unfinished" end)},
     detail: {command: $command, $seconds, lines: ($lines | length)},
     list: ($lines[-200:] | reverse | map({line: ., key: (if $pattern != "" and test($pattern) then . else null end)})),
     unshown: ([($lines | length) - 200, 0] | max)}' >"$work/found" 2>/dev/null ||
  fail 78 "COMMAND_PATTERN \"$COMMAND_PATTERN\" is no regular expression"
report lines <"$work/found"
