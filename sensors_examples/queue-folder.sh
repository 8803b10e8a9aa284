#!/usr/bin/env bash
# looop:summary=A folder as a queue: files that wait, the oldest first
# looop:needs=jq,find
# looop:env=QUEUE_DIR
# looop:optional=QUEUE_PATTERN,QUEUE_SECONDS
# looop:interval=30
# looop:timeout=30
QUEUE_DIR="${QUEUE_DIR:-}"
QUEUE_PATTERN="${QUEUE_PATTERN:-*}"
QUEUE_SECONDS="${QUEUE_SECONDS:-2}"

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

number QUEUE_SECONDS
[ -d "$QUEUE_DIR" ] || fail 78 "QUEUE_DIR \"$QUEUE_DIR\" is no directory"
cd "$QUEUE_DIR" && [ -r . ] || fail 77 "QUEUE_DIR \"$QUEUE_DIR\" may not be read"
# GNU and BSD stat share no option; both print "seconds size ./name" here.
if stat -c %Y . >/dev/null 2>&1; then set -- stat -c '%Y %s %n'; else set -- stat -f '%m %z %N'; fi
# Hidden and half-written files do not wait yet: writers finish them under another name, or write on.
find . ! -name . -prune -type f -name "$QUEUE_PATTERN" ! -name '.*' ! -name '*.tmp' ! -name '*.part' \
  -exec "$@" {} + >"$work/files" 2>"$work/err" || grep -vi 'no such file' "$work/err" >"$work/lost" || true
sort -n "$work/files" >"$work/sorted"
# The beginning of the oldest, so that the reader need not open them.
sed -n '1,20s/^[0-9]* [0-9]* \.\///p' "$work/sorted" | while IFS= read -r name; do
  head -c 400 "./$name" 2>/dev/null | tr '\000-\037' ' '
  echo
done >"$work/heads"
jq -Rsc --arg dir "$QUEUE_DIR" --argjson settle "$QUEUE_SECONDS" --rawfile heads "$work/heads" '
  ($heads | split("\n")) as $heads
  | [split("\n")[] | select(. != "")] | [to_entries[] | .key as $n | .value
    | capture("^(?<time>[0-9]+) (?<size>[0-9]+) \\./(?<name>.*)$") // {odd: "a name over two lines: \(.)"}
    | if .odd then . else (.time | tonumber) as $time | select($time <= now - $settle)
        | {key: "\(.name) \(.size) \($time)", name, bytes: (.size | tonumber), since: ($time | todate),
           begins: ($heads[$n] // "" | if . == "" then null else . end)} end]
  | {list: ., detail: {dir: $dir, waiting: length}}' "$work/sorted" | report files
