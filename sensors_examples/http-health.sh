#!/usr/bin/env bash
# looop:summary=Whether HTTP endpoints answer as they should
# looop:needs=curl,jq
# looop:env=HEALTH_URLS
# looop:optional=HEALTH_STATUS,HEALTH_TEXT,HEALTH_SECONDS,HEALTH_TOKEN
# looop:interval=60
# looop:timeout=60
HEALTH_URLS="${HEALTH_URLS:-}"
HEALTH_STATUS="${HEALTH_STATUS:-2}"
HEALTH_TEXT="${HEALTH_TEXT:-}"
HEALTH_SECONDS="${HEALTH_SECONDS:-10}"
HEALTH_TOKEN="${HEALTH_TOKEN:-}"

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

number HEALTH_STATUS
number HEALTH_SECONDS
set -f
# shellcheck disable=SC2086
set -- $HEALTH_URLS
[[ $# -gt 0 && $# -le 100 ]] || fail 78 "HEALTH_URLS holds $# URLs, expected 1 to 100 with blanks between them"
for url in "$@"; do
  case $url in http://?* | https://?*) ;; *) fail 78 "a URL in HEALTH_URLS does not begin with http(s)://" ;; esac
  case $url$HEALTH_TOKEN in
    *[[:cntrl:]\"\\]*) fail 78 "HEALTH_URLS or HEALTH_TOKEN has a quote, backslash or line break in it" ;;
  esac
done

# probe URL: prints "url, why it is down, status, seconds". A refused, silent or wrong answer is what this sensor is
# there to report, so it is a reading, not a failure. It counts as down at the second try: one lost packet wakes nobody.
probe() {
  local shown=${1%%[?#]*} body="$work/$count.body" try code out why
  case $shown in *://*@*) shown="${shown%%://*}://${shown#*@}" ;; esac
  for try in 1 2; do
    code=0
    : >"$body"
    out=$(printf 'url = "%s"\n%s\n' "$1" "${HEALTH_TOKEN:+header = \"Authorization: Bearer $HEALTH_TOKEN\"}" |
      curl -q -s --compressed --globoff --proto =http,https --max-time "$HEALTH_SECONDS" --max-filesize 5000000 \
        -A looop-sensor -o "$body" -w '%{http_code} %{time_total}' -K - 2>/dev/null) || code=$?
    case $code in
      0 | 63) why="http_${out%% *}" ;;
      3) why=malformed_url ;;
      5 | 6) why=name_not_resolved ;;
      7) why=connection_refused ;;
      28) why=timeout ;;
      35 | 5[13489] | 60 | 66 | 77 | 83 | 9[01]) why=tls ;;
      *) why="curl_exit_$code" ;;
    esac
    case $why in "http_$HEALTH_STATUS"*) why="" ;; esac
    [ -n "$why" ] || [ -z "$HEALTH_TEXT" ] || grep -qF -e "$HEALTH_TEXT" "$body" || why=text_missing
    [ -n "$why" ] || break
    [ "$try" = 2 ] || sleep 0.2
  done
  printf '%s\t%s\t%s\t%s\n' "$shown" "$why" "${out%% *}" "${out##* }"
}

count=0
for url in "$@"; do
  count=$((count + 1))
  probe "$url" >"$work/$count.found" &
done
wait
set +f
cat "$work"/*.found | jq -Rsc '{list: [split("\n")[] | select(. != "") | split("\t")
  | {url: .[0], state: (if .[1] == "" then "up" else "down" end), why: .[1], http: .[2], seconds: .[3]}
  | {key: "\(.url) \(.state)\(if .why == "" then "" else " " + .why end)"} + .] | sort_by(.state)}' | report endpoints
