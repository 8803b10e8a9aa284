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
  printf '%s' "$2" | tr '[:cntrl:]' ' ' | cut -c 1-400 >&2
  exit "$1"
}

declared() { sed -n "s/^# looop:$1=//p" "$0" | tr ',' ' '; }

number() { # NAME: that setting must be a whole number
  case ${!1} in '' | *[!0-9]*) fail 78 "$1 is \"${!1}\", expected a whole number" ;; esac
}

for name in $(declared needs); do
  command -v "$name" >/dev/null 2>&1 || fail 78 "\"$name\" is not installed here, and this sensor needs it"
done
for name in $(declared env); do
  [ -n "${!name}" ] || fail 78 "$name is not set, and this sensor needs it"
done
work=$(mktemp -d "${TMPDIR:-/tmp}/looop-sensor.XXXXXX") || fail 73 "cannot make a temporary directory"
trap 'rm -rf "$work"' EXIT

# report NAME: {list: [{key, ...}], signal?, detail?, left?, unshown?} on stdin becomes the reading. The signal holds the
# sorted keys, the detail the items. Both are cut to stay below 8 KiB together; what is cut is counted and summed up.
report() {
  jq -c --arg name "$1" '
    def size: tojson | utf8bytelength;
    def sum: reduce (tojson | explode[]) as $c (7; (. * 31 + $c) % 2147483647);
    def short: if length > 120 then .[:100] + "~" + (sum | tostring) else . end;
    def plain: explode | map(if . < 32 or . == 127 then 32 else . end) | implode;
    def tidy($max):
      if type == "string" then .[:$max] | plain
      elif type == "array" then .[:10] | map(tidy(60))
      elif type == "object" then to_entries[:16] | map({key: .key[:60], value: .value | tidy($max)}) | from_entries
      else . end;
    def fit($max):
      reduce .[] as $x ([[], 2, true];
        ($x | size + 1) as $n
        | if .[2] and .[1] + $n <= $max then [.[0] + [$x], .[1] + $n, true] else [.[0], .[1], false] end)
      | .[0];
    (.left // 0) as $left
    | ([.list[].key | values | short] | unique) as $keys
    | ($keys | fit(2400)) as $named
    | $keys[($named | length):] as $rest
    | ((.signal // {}) + {($name): ($named | map(plain))}
        + (if ($rest | length) + $left == 0 then {}
           else {more: {count: (($rest | length) + $left), sum: ($rest | sum)}} end)) as $signal
    | ((.detail // {}) | tidy(200)) as $detail
    | ([.list[:120][] | del(.key) | tidy(200)] | fit(7700 - ($signal | size) - ($detail | size))) as $items
    | ((.list | length) - ($items | length) + $left + (.unshown // 0)) as $cut
    | {signal: $signal, detail: ($detail + {items: $items, cut: $cut})}' 2>/dev/null ||
    fail 70 "what was found cannot be told as a reading"
}

number LOG_BYTES
[ -f "$LOG_FILE" ] || fail 78 "LOG_FILE \"$LOG_FILE\" is no file"
[ -r "$LOG_FILE" ] || fail 77 "LOG_FILE \"$LOG_FILE\" may not be read"
size=$(($(wc -c <"$LOG_FILE")))
tail -c "$LOG_BYTES" "$LOG_FILE" | tr -d '\000' >"$work/tail"
code=0
grep -aE -e "$LOG_PATTERN" "$work/tail" >"$work/matches" 2>/dev/null || code=$?
[ "$code" -le 1 ] || fail 78 "LOG_PATTERN \"$LOG_PATTERN\" is no extended regular expression"
count=$(($(wc -l <"$work/matches")))
tail -n 200 "$work/matches" >"$work/newest"
jq -Rsc --arg file "$LOG_FILE" --argjson size "$size" --argjson seen "$LOG_BYTES" --argjson count "$count" '
  [split("\n")[] | select(. != "")] | reverse
  | {list: (to_entries | map({key: (if .key < 5 then .value else null end), line: .value})), unshown: ([$count - length, 0] | max),
     detail: {file: $file, matches: $count, bytes: $size, bytes_looked_at: ([$size, $seen] | min)}}' "$work/newest" | report lines
