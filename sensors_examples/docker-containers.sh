#!/usr/bin/env bash
# looop:summary=Docker containers: running, exited, unhealthy
# looop:needs=docker,jq
# looop:env=
# looop:optional=DOCKER_FILTER
# looop:interval=60
# looop:timeout=20
DOCKER_FILTER="${DOCKER_FILTER:-}"

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

set -- ps --all --no-trunc --format '{{json .}}'
[ -z "$DOCKER_FILTER" ] || set -- "$@" --filter "$DOCKER_FILTER"
docker "$@" >"$work/ps" 2>"$work/err" || case $(cat "$work/err") in
  *"permission denied"*) fail 77 "docker: $(grep -m 1 . "$work/err")" ;;
  *"invalid filter"* | *"bad format of filter"*)
    fail 78 "DOCKER_FILTER \"$DOCKER_FILTER\": $(grep -m 1 . "$work/err")"
    ;;
  *) fail 69 "docker: $(grep -m 1 . "$work/err" || echo "failed without a word")" ;;
esac
# Status shows health and exit code, but also how long ago, which must stay out of the signal. podman under this name
# writes names and ports as lists.
jq -Rnc '
  def text: strings // error("form");
  def flat: if type == "array" then map(if type == "object" then "\(.host_port)->\(.container_port)/\(.protocol)"
    else tostring end) | join(", ") else . end;
  [inputs | select(. != "") | . as $line | try (fromjson
    | (.State | text) as $state | (.Status // "") as $status | (.Names | flat | text) as $name
    | (if $status | test("\\(unhealthy\\)") then " unhealthy"
       elif $status | test("\\((health: )?starting\\)") then " starting"
       elif $state == "exited" then ($status | capture("\\((?<code>[0-9]+)\\)") // {code: "?"} | " \(.code)")
       else "" end) as $more
    | {key: "\($name) \($state)\($more)", $name, state: ($state + $more), status: $status, image: .Image,
       id: (.ID // .Id)[:12], ports: (.Ports | flat), created_at: .CreatedAt}) catch {odd: $line[:160]}]
  | if . != [] and all(.odd) then error("form") else . end
  | {list: sort_by([(.state // "" | test("unhealthy|restarting|dead|exited [1-9]") | not),
      .state == "running", .name])}' \
  "$work/ps" >"$work/found" 2>/dev/null || fail 65 "docker ps prints an unknown form"
report containers <"$work/found"
