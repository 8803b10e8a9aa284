#!/usr/bin/env bash
# looop:summary=Files of a folder that match: new, changed and gone ones
# looop:needs=jq,find
# looop:env=FILES_DIR
# looop:optional=FILES_PATTERN,FILES_DEPTH,FILES_BY
# looop:interval=60
# looop:timeout=30
FILES_DIR="${FILES_DIR:-}"
FILES_PATTERN="${FILES_PATTERN:-*}"
FILES_DEPTH="${FILES_DEPTH:-1}"
FILES_BY="${FILES_BY:-change}"

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

number FILES_DEPTH
case $FILES_BY in name | change) ;; *) fail 78 "FILES_BY is \"$FILES_BY\", expected name or change" ;; esac
[ -d "$FILES_DIR" ] || fail 78 "FILES_DIR \"$FILES_DIR\" is no directory"
cd "$FILES_DIR" || fail 77 "FILES_DIR \"$FILES_DIR\" may not be entered"
# GNU and BSD stat share no option; both print "seconds size ./name" here.
if stat -c %Y . >/dev/null 2>&1; then set -- stat -c '%Y %s %n'; else set -- stat -f '%m %z %N'; fi
find . -maxdepth "$FILES_DEPTH" -type f -name "$FILES_PATTERN" -exec "$@" {} + >"$work/files" 2>"$work/err" || {
  [ -r . ] || fail 77 "\"$FILES_DIR\" cannot be read: $(head -n 1 "$work/err")"
  # A file that vanished in the meantime does not count; a folder that may not be read is a missing part.
  grep -vi 'no such file' "$work/err" >"$work/lost" || true
}
jq -Rsc --arg by "$FILES_BY" --arg dir "$FILES_DIR" '
  [split("\n")[] | select(. != "")
   | capture("^(?<time>[0-9]+) (?<size>[0-9]+) \\./(?<name>.*)$") // {odd: "a name over two lines: \(.)"}
   | if .odd then . else
       {name, bytes: (.size | tonumber), changed_at: (.time | tonumber | todate), time: (.time | tonumber)}
       | .key = (if $by == "name" then .name else "\(.name) \(.bytes) \(.time)" end) end]
  | {list: (sort_by(-(.time // 0)) | map(del(.time))),
     detail: {dir: $dir}}' "$work/files" | report files
