#!/usr/bin/env bash
# looop:summary=Files in a directory that match a pattern: new, changed and gone ones
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

number FILES_DEPTH
case $FILES_BY in name | change) ;; *) fail 78 "FILES_BY is \"$FILES_BY\", expected name or change" ;; esac
[ -d "$FILES_DIR" ] || fail 78 "FILES_DIR \"$FILES_DIR\" is no directory"
cd "$FILES_DIR" || fail 77 "FILES_DIR \"$FILES_DIR\" may not be entered"
# GNU and BSD stat share no option; both print "seconds size ./name" here.
if stat -c %Y . >/dev/null 2>&1; then set -- stat -c '%Y %s %n'; else set -- stat -f '%m %z %N'; fi
find . -maxdepth "$FILES_DEPTH" -type f -name "$FILES_PATTERN" -exec "$@" {} + >"$work/files" 2>"$work/err" || {
  ! grep -qi 'denied\|not permitted' "$work/err" || fail 77 "\"$FILES_DIR\" cannot be read: $(head -n 1 "$work/err")"
  ! grep -qvi 'no such file' "$work/err" || fail 65 "\"$FILES_DIR\" cannot be listed: $(head -n 1 "$work/err")"
}
jq -Rsc --arg by "$FILES_BY" --arg dir "$FILES_DIR" '
  [split("\n")[] | capture("^(?<time>[0-9]+) (?<size>[0-9]+) \\./(?<name>.*)$")
   | {name, bytes: (.size | tonumber), changed_at: (.time | tonumber | todate), time: (.time | tonumber)}]
  | {list: (sort_by(-.time) | map({key: (if $by == "name" then .name else "\(.name) \(.bytes) \(.time)" end)} + del(.time))),
     detail: {dir: $dir}}' "$work/files" | report files
