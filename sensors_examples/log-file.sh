#!/usr/bin/env bash
# looop:summary=The newest lines of a log file that match a pattern
# looop:needs=jq,grep,tail
# looop:env=LOG_FILE,LOG_PATTERN
# looop:optional=LOG_BYTES
# looop:interval=60
# looop:timeout=20
LOG_FILE="${LOG_FILE:-}"
LOG_PATTERN="${LOG_PATTERN:-}"
LOG_BYTES="${LOG_BYTES:-1000000}"

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

number LOG_BYTES
[ -f "$LOG_FILE" ] || fail 78 "LOG_FILE \"$LOG_FILE\" is no file"
[ -r "$LOG_FILE" ] || fail 77 "LOG_FILE \"$LOG_FILE\" may not be read"
size=$(($(wc -c <"$LOG_FILE")))
start=$((size > LOG_BYTES ? size - LOG_BYTES : 0))
{ tail -c "+$((start + 1))" "$LOG_FILE" || true; } | head -c "$LOG_BYTES" | tr '\000' ' ' >"$work/tail"
code=0
grep -anE -e "$LOG_PATTERN" "$work/tail" >"$work/numbered" 2>/dev/null || code=$?
[ "$code" -le 1 ] || fail 78 "LOG_PATTERN \"$LOG_PATTERN\" is no extended regular expression"
count=$(($(wc -l <"$work/numbered")))
tail -n 200 "$work/numbered" | sed 's/^[0-9]*://' >"$work/newest"
# The place of the newest match in the file distinguishes it from an equal line written before.
newest=$(tail -n 1 "$work/numbered" | sed 's/:.*//')
[ -z "$newest" ] || newest=$((start + $(sed -n "$newest!p;${newest}q" "$work/tail" | wc -c)))
jq -Rsc --arg file "$LOG_FILE" --argjson size "$size" --argjson seen "$LOG_BYTES" --argjson count "$count" \
  --arg newest "$newest" '
  [split("\n")[] | select(. != "")] | reverse
  | {list: (to_entries | map({key: (if .key < 5 then .value else null end), line: .value})),
     signal: (if $newest == "" then {} else {newest_at_byte: ($newest | tonumber)} end),
     unshown: ([$count - length, 0] | max),
     detail: {file: $file, matches: $count, bytes: $size, bytes_looked_at: ([$size, $seen] | min)}}' \
  "$work/newest" | report lines
