#!/usr/bin/env bash
# looop:summary=State of systemd units, or every failed one when none is named
# looop:needs=systemctl,jq
# looop:env=
# looop:optional=UNITS,UNITS_OF
# looop:interval=60
# looop:timeout=20
UNITS="${UNITS:-}"
UNITS_OF="${UNITS_OF:-system}"

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

case $UNITS_OF in system | user) ;; *) fail 78 "UNITS_OF is \"$UNITS_OF\", expected system or user" ;; esac
ctl() { # ARGUMENT...: systemctl, whose failures end the sensor
  SYSTEMD_COLORS=0 systemctl "--$UNITS_OF" --no-pager "$@" 2>"$work/err" ||
    fail 69 "systemctl: $(grep -m 1 . "$work/err" || echo "failed without a word")"
}

set -f
units=$UNITS
for unit in $units; do
  case $unit in -* | *[!A-Za-z0-9:_.@\\-]*) fail 78 "UNITS has \"$unit\", which is no unit name" ;; esac
done
if [ -z "$units" ]; then
  ctl list-units --all --state=failed --plain --no-legend --full >"$work/failed"
  units=$(awk 'NR <= 100 { print $1 }' "$work/failed")
fi
: >"$work/show"
# shellcheck disable=SC2086
[ -z "$units" ] || ctl show --property=Id,Description,LoadState,ActiveState,SubState,Result,ExecMainStatus \
  --property=NRestarts,StateChangeTimestamp,UnitFileState -- $units >"$work/show"
jq -Rsc --arg named "$UNITS" '
  [split("\n\n")[] | [split("\n")[] | capture("^(?<key>[A-Za-z]+)=(?<value>.*)$")] | select(. != []) | from_entries
   | if .Id and .ActiveState then . else error("form") end]
  | {list: (map((if .LoadState == "not-found" then "not-found" elif .ActiveState == "failed" then "failed " + .Result
         else .ActiveState end) as $state
     | {key: "\(.Id) \($state)",
       unit: .Id, state: .ActiveState, sub: .SubState, loaded: .LoadState, result: .Result, exit_status: .ExecMainStatus,
       restarts: .NRestarts, since: .StateChangeTimestamp, enabled: .UnitFileState, description: .Description})
     | sort_by([.state != "failed", .state == "active"])),
     detail: {watched: (if $named == "" then "failed units" else $named end)}}' "$work/show" >"$work/found" 2>/dev/null ||
  fail 65 "systemctl show prints an unknown form"
report units <"$work/found"
