#!/usr/bin/env bash
# looop:summary=State of systemd units, by default the failed ones
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

case $UNITS_OF in system | user) ;; *) fail 78 "UNITS_OF is \"$UNITS_OF\", expected system or user" ;; esac
ctl() { # ARGUMENT...: systemctl, whose failures end the sensor
  SYSTEMD_COLORS=0 systemctl "--$UNITS_OF" --no-pager "$@" 2>"$work/err" ||
    fail 69 "systemctl: $(grep -m 1 . "$work/err" || echo "failed without a word")"
}

set -f
units=$UNITS
left=0
for unit in $units; do
  case $unit in -* | *[!A-Za-z0-9:_.@\\-]*) fail 78 "UNITS has \"$unit\", which is no unit name" ;; esac
done
if [ -z "$units" ]; then
  ctl list-units --all --state=failed --plain --no-legend --full >"$work/failed"
  units=$(awk 'NR <= 100 { print $1 }' "$work/failed")
  left=$(awk 'END { print (NR > 100 ? NR - 100 : 0) }' "$work/failed")
fi
: >"$work/show"
# shellcheck disable=SC2086
[ -z "$units" ] || ctl show --property=Id,Description,LoadState,ActiveState,SubState,Result,ExecMainStatus \
  --property=NRestarts,StateChangeTimestamp,UnitFileState -- $units >"$work/show"
jq -Rsc --arg named "$UNITS" --argjson left "$left" '
  [split("\n\n")[] | [split("\n")[] | capture("^(?<key>[A-Za-z]+)=(?<value>.*)$")] | select(. != []) | from_entries
   | if .Id and .ActiveState then . else {odd: (tojson | .[:160])} end]
  | if . != [] and all(.odd) then error("form") else . end
  | {list: (map(if .odd then . else
       (if .LoadState == "not-found" then "not-found" elif .ActiveState == "failed" then "failed " + .Result
         else .ActiveState end) as $state
     | {key: "\(.Id) \($state)",
       unit: .Id, state: .ActiveState, sub: .SubState, loaded: .LoadState, result: .Result,
       exit_status: .ExecMainStatus, restarts: .NRestarts, since: .StateChangeTimestamp, enabled: .UnitFileState,
       description: .Description} end)
     | sort_by([.state != "failed", .state == "active"])),
     $left, detail: {watched: (if $named == "" then "failed units" else $named end)}}' \
  "$work/show" >"$work/found" 2>/dev/null ||
  fail 65 "systemctl show prints an unknown form"
report units <"$work/found"
