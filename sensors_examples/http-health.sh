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

number HEALTH_STATUS
number HEALTH_SECONDS
case $HEALTH_TOKEN in *[[:cntrl:]\"\\]*) fail 78 "HEALTH_TOKEN has a quote, backslash or line break in it" ;; esac

# probe URL: one line "state why http seconds". A refused, silent or wrong answer is what this sensor is there to tell,
# so it is a reading and no failure. Asked twice before it counts as down: one lost packet should wake nobody.
probe() {
  local code out http seconds why try body="$work/$count.body"
  for try in 1 2; do
    code=0
    : >"$body"
    out=$(
      {
        printf 'url = "%s"\n' "$1"
        [ -z "$HEALTH_TOKEN" ] || printf 'header = "Authorization: Bearer %s"\n' "$HEALTH_TOKEN"
      } | curl -q -s --globoff --proto =http,https --max-time "$HEALTH_SECONDS" --max-filesize 5000000 -A looop-sensor \
        -o "$body" -w '%{http_code} %{time_total}' -K - 2>/dev/null
    ) || code=$?
    http=${out%% *} seconds=${out##* } why=""
    case $code in
      0) ;;
      3) fail 78 "an URL in HEALTH_URLS is malformed" ;;
      5 | 6) why=name_not_resolved ;;
      7) why=connection_refused ;;
      28) why=timeout ;;
      35 | 5[13489] | 60 | 66 | 77 | 83 | 9[01]) why=tls ;;
      63) ;;
      *) why="curl_exit_$code" ;;
    esac
    if [ -z "$why" ]; then
      case $http in "$HEALTH_STATUS"*) ;; *) why="http_$http" ;; esac
      [ -n "$why" ] || [ -z "$HEALTH_TEXT" ] || grep -qF -e "$HEALTH_TEXT" "$body" || why=text_missing
    fi
    [ -n "$why" ] || break
    [ "$try" = 2 ] || sleep 0.2
  done
  if [ -z "$why" ]; then echo "up - $http $seconds"; else echo "down $why $http $seconds"; fi
}

set -f
count=0
pids=""
for url in $HEALTH_URLS; do
  case $url in
    http://?* | https://?*) ;;
    *) fail 78 "an URL in HEALTH_URLS does not begin with http:// or https://" ;;
  esac
  case $url in *[[:cntrl:]\"\\]*) fail 78 "an URL in HEALTH_URLS has a quote or backslash in it" ;; esac
  count=$((count + 1))
  [ "$count" -le 100 ] || fail 78 "HEALTH_URLS holds more than 100 URLs"
  shown=${url%%[?#]*}
  case $shown in *://*@*) shown="${shown%%://*}://${shown#*@}" ;; esac
  printf '%s\t' "$shown" >"$work/$count.found"
  probe "$url" >>"$work/$count.found" &
  pids="$pids $!"
done
[ "$count" -gt 0 ] || fail 78 "HEALTH_URLS holds no URL"
for pid in $pids; do wait "$pid" || exit; done
set +f
cat "$work"/*.found >"$work/found"
jq -Rsc '{list: [split("\n")[] | select(. != "") | split("\t") | .[0] as $url | (.[1] | split(" "))
    | {key: "\($url) \(.[0])\(if .[1] == "-" then "" else " " + .[1] end)", url: $url, state: .[0], why: .[1],
       http: .[2], seconds: .[3]}]
  | sort_by(.state)}' "$work/found" | report endpoints
