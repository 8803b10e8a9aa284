#!/usr/bin/env bash
# looop:summary=Series of a Prometheus query that are over a threshold
# looop:needs=curl,jq
# looop:env=PROMETHEUS_URL,PROMETHEUS_QUERY
# looop:optional=THRESHOLD,COMPARE,PROMETHEUS_TOKEN
# looop:interval=60
# looop:timeout=30
PROMETHEUS_URL="${PROMETHEUS_URL:-}"
PROMETHEUS_QUERY="${PROMETHEUS_QUERY:-}"
THRESHOLD="${THRESHOLD:-0}"
COMPARE="${COMPARE:-over}"
PROMETHEUS_TOKEN="${PROMETHEUS_TOKEN:-}"

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

resets() { # when the rate limit ends; services give it as seconds to wait, as unix time or as a date
  jq -Rrs '[splits("\r?\n") | capture("^(?:retry-after|[a-z-]*rate-?limit[a-z-]*-reset): *(?<at>.+)"; "i").at][0]
    | ((tonumber | if . < 1e8 then now + . elif . > 1e11 then . / 1000 else . end | floor | todate)? // .)
    | if . then "it resets at \(.)" else "it does not say when it resets" end' "$work/head"
}

# fetch URL HEADER...: puts the answer into $work/body and $work/head; a bad answer ends the sensor. URL and headers go
# to curl by stdin: they hold secrets, and arguments show in process lists. $options: more lines for curl's settings.
fetch() {
  local limited=""
  host=${1#*://} host=${host%%[/?#]*} host=${host##*@}
  case $1 in http://?* | https://?*) ;; *) fail 78 "a URL in the settings does not begin with http(s)://" ;; esac
  case $* in *[[:cntrl:]\"\\]*) fail 78 "a token or URL for \"$host\" has a quote, backslash or line break" ;; esac
  : >"$work/body"
  http=$({ printf 'url = "%s"\n%s\n' "$1" "${options:-}" && printf 'header = "%s"\n' "${@:2}"; } | (
    ulimit -f 65536 # KiB: what is small on its way may be large when unpacked
    curl -q -sS --compressed --globoff --proto =http,https --connect-timeout 8 --max-time 20 --max-filesize 20000000 \
      -A looop-sensor -o "$work/body" -D "$work/head" -w '%{http_code}' -K - 2>"$work/error"
  )) || fail 69 "no answer from \"$host\": $(sed -n 's/^curl: //p' "$work/error" | grep . || echo "it is too large")"
  ! grep -qiE '^(retry-after|x-ratelimit-remaining: *0)|rate limit|rate_?limited' "$work"/{head,body} || limited=yes
  case $http$limited in
    2*) ;;
    429* | 40[03]yes) fail 75 "the rate limit of \"$host\" is reached, $(resets) (HTTP $http)" ;;
    40[13]*) fail 77 "\"$host\" refuses the token: it is wrong, expired or lacks a right (HTTP $http)" ;;
    [34]*) fail 78 "\"$host\" refuses the request, check the settings (HTTP $http)" ;;
    *) fail 69 "\"$host\" failed (HTTP $http)" ;;
  esac
}

# json WHAT FILTER: passes the body, which must be one JSON value of the documented form, through a jq filter. In it,
# each(FILTER) takes a list: an item of another form becomes {odd}; a list of nothing else is an unexpected answer.
json() {
  jq -cs 'def text: strings // error("form"); def num: numbers // error("form"); def list: arrays // error("form");
    def each(f): list as $all | [$all[] | . as $item | try f catch {odd: ($item | tojson | .[:160])}]
      | if $all != [] and (map(select(.odd?)) | length) == ($all | length) then error("form") else . end;
    if length == 1 then .[0] else error("form") end | '"$2" "$work/body" 2>/dev/null ||
    fail 65 "unexpected answer from \"$host\": not $1 in the documented form"
}

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

encode() { jq -rn --arg text "$1" '$text | @uri'; }

jq -en --arg value "$THRESHOLD" '$value | tonumber | true' >/dev/null 2>&1 ||
  fail 78 "THRESHOLD is \"$THRESHOLD\", expected a number"
case $COMPARE in over | under) ;; *) fail 78 "COMPARE is \"$COMPARE\", expected over or under" ;; esac
set -- "Accept: application/json"
[ -z "$PROMETHEUS_TOKEN" ] || set -- "$@" "Authorization: Bearer $PROMETHEUS_TOKEN"
fetch "${PROMETHEUS_URL%/}/api/v1/query?query=$(encode "$PROMETHEUS_QUERY")" "$@"
# Warnings say that the answer is partial.
json "warnings" '[.warnings[]? | text]' | jq -r '.[] | gsub("\\s+"; " ")' >>"$work/lost"
json "the result of an instant query" 'if .status == "success" then .data else error("form") end
  | (if .resultType == "vector" then .result | list
     elif .resultType == "scalar" then [{metric: {}, value: .result}] else error("form") end)
  | each(if .histogram then {metric, histogram: true} else {metric, text: (.value[1] | text)} | .value =
      (if .text == "NaN" then null elif .text == "+Inf" then 1.7e308 elif .text == "-Inf" then -1.7e308
       else .text | tonumber end) end)' >"$work/series"
# A query without any series is distinguished from one with none over the threshold: the metric itself may be gone.
jq --arg threshold "$THRESHOLD" --arg compare "$COMPARE" --arg query "$PROMETHEUS_QUERY" '
  ($threshold | tonumber) as $limit
  | (map(select(.histogram)) | length) as $histograms
  # A histogram has no single value to compare.
  | {signal: ({series: (if . == [] then "none" else "some" end)} + if $histograms > 0 then {$histograms} else {} end),
     detail: {query: $query, ($compare): $threshold, series: length,
       not_a_number: (map(select(.text == "NaN")) | length)},
     list: (map(select(.odd)) + (map(select(.value != null)
       | select(if $compare == "over" then .value > $limit else .value < $limit end))
       | sort_by(if $compare == "over" then -.value else .value end)
       | map({key: ([.metric | to_entries | sort_by(.key)[] | "\(.key)=\(.value)"] | join(",")),
              labels: .metric, value: .text})))}' "$work/series" | report matching
