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

set -- ps --all --no-trunc --format '{{json .}}'
[ -z "$DOCKER_FILTER" ] || set -- "$@" --filter "$DOCKER_FILTER"
docker "$@" >"$work/ps" 2>"$work/err" || case $(cat "$work/err") in
  *"permission denied"*) fail 77 "docker: $(grep -m 1 . "$work/err")" ;;
  *"invalid filter"* | *"bad format of filter"*) fail 78 "DOCKER_FILTER \"$DOCKER_FILTER\": $(grep -m 1 . "$work/err")" ;;
  *) fail 69 "docker: $(grep -m 1 . "$work/err" || echo "failed without a word")" ;;
esac
# Status tells health and exit code, and also how long ago, which must stay out of the signal.
jq -sc '
  map((.State | strings // error("form")) as $state | (.Status // "") as $status
    | (if $status | test("\\(unhealthy\\)") then " unhealthy" elif $status | test("\\(health: starting\\)") then " starting"
       elif $state == "exited" then ($status | capture("\\((?<code>[0-9]+)\\)") // {code: "?"} | " \(.code)") else "" end) as $more
    | {key: "\(.Names | strings // error("form")) \($state)\($more)", name: .Names, state: ($state + $more), status: $status, image: .Image,
       id: .ID[:12], ports: .Ports, created_at: .CreatedAt})
  | {list: sort_by([(.state | test("unhealthy|restarting|dead|exited [1-9]") | not), .state == "running", .name])}' \
  "$work/ps" >"$work/found" 2>/dev/null || fail 65 "docker ps prints an unknown form"
report containers <"$work/found"
