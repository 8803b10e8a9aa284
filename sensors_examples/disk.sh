#!/usr/bin/env bash
# looop:summary=Disks that are filling up
# looop:needs=df,jq
# looop:env=
# looop:optional=DISK_WARN,DISK_CRITICAL,DISK_PATHS
# looop:interval=300
# looop:timeout=20
DISK_WARN="${DISK_WARN:-85}"
DISK_CRITICAL="${DISK_CRITICAL:-95}"
DISK_PATHS="${DISK_PATHS:-}"

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

number DISK_WARN
number DISK_CRITICAL
set -f
# Disk images and CD-ROMs are always full: a file system that nobody can write to does not fill up.
mount 2>/dev/null >"$work/mounts" || : >"$work/mounts"
# shellcheck disable=SC2086
df -P -k $DISK_PATHS >"$work/df" 2>"$work/err" || [ -s "$work/df" ] || fail 78 "df: $(head -n 1 "$work/err")"
[ -z "$DISK_PATHS" ] || cat "$work/err" >"$work/lost"
jq -Rsc --argjson warn "$DISK_WARN" --argjson critical "$DISK_CRITICAL" --arg paths "$DISK_PATHS" \
  --rawfile mounts "$work/mounts" '
  ([$mounts | split("\n")[] | capture(" on (?<at>/.*?) (type [^ ]+ )?\\((?<options>[^()]*)\\)( \\[.*\\])?$")
   | select(.options | test("(^|, ?)(ro|read-only)(,|$)")) | {key: .at, value: true}] | from_entries) as $fixed
  | [split("\n")[1:][]
   | capture("^(?<device>.*?) +(?<kib>[0-9]+) +-?[0-9]+ +(?<free>-?[0-9]+) +(?<percent>[0-9]+)% +(?<mount>/.*)$")
   | (.device | test("^(tmpfs|devtmpfs|udev|devfs|overlay|none|efivarfs|map .*|/dev/loop.*|.*\\.snap)$")) as $unreal
   | select($paths != "" or .mount == "/" or (.kib != "0" and ($unreal or $fixed[.mount] | not)))
   | .percent |= tonumber
   | {mount, state: (if .percent >= $critical then "critical" elif .percent >= $warn then "warning" else "ok" end),
      used_percent: .percent, free_gib: ((.free | tonumber) / 1048576 * 10 | floor / 10), device}]
  | if . == [] then error("none") else . end
  | {list: (map({key: "\(.mount) \(.state)"} + .) | sort_by(-.used_percent))}' "$work/df" >"$work/found" 2>/dev/null ||
  fail 65 "df prints no disk in a known form: $(head -n 1 "$work/err")"
report disks <"$work/found"
