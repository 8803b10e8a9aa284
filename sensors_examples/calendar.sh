#!/usr/bin/env bash
# looop:summary=Calendar events (ICS) that begin soon
# looop:needs=curl,jq
# looop:env=CALENDAR_URL
# looop:optional=WITHIN_MINUTES,ALL_DAY,LOOOP_BIN
# looop:interval=60
# looop:timeout=45
CALENDAR_URL="${CALENDAR_URL:-}"
WITHIN_MINUTES="${WITHIN_MINUTES:-60}"
ALL_DAY="${ALL_DAY:-no}"
LOOOP_BIN="${LOOOP_BIN:-looop}"

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

unlike() { # WHAT FILE: the answer is not that, and the file says why
  fail 65 "unexpected answer from \"$host\": not $1 ($(head -n 1 "$2"))"
}

command -v "$LOOOP_BIN" >/dev/null || fail 78 "LOOOP_BIN \"$LOOOP_BIN\" is not there"
case $WITHIN_MINUTES in '' | *[!0-9]*) fail 78 "WITHIN_MINUTES is \"$WITHIN_MINUTES\", expected a whole number" ;; esac
case $ALL_DAY in yes | no) ;; *) fail 78 "ALL_DAY is \"$ALL_DAY\", expected yes or no" ;; esac
options=location
# The address of a private calendar is its password: messages and readings name only the host.
case $CALENDAR_URL in
  /*)
    host=$CALENDAR_URL
    cat "$CALENDAR_URL" >"$work/body" 2>/dev/null || fail 78 "CALENDAR_URL \"$CALENDAR_URL\" cannot be read"
    ;;
  webcal://*) fetch "https://${CALENDAR_URL#webcal://}" "Accept: text/calendar" ;;
  *) fetch "$CALENDAR_URL" "Accept: text/calendar" ;;
esac
"$LOOOP_BIN" _ parse ics --from "$(jq -nr 'now - 600 | todate')" \
  --to "$(jq -nr --argjson minutes "$WITHIN_MINUTES" 'now + $minutes * 60 + 1 | todate')" \
  <"$work/body" >"$work/parsed" 2>"$work/err" || [ -s "$work/parsed" ] || unlike "an iCalendar file" "$work/err"
# What could not be understood is counted and named; a file whose end is missing shows nothing.
jq --argjson within "$WITHIN_MINUTES" --arg all_day "$ALL_DAY" '(now - 600 | todate) as $from
  | if any(.bad[].reason; startswith("the file ends before")) then error("its end is missing") else . end
  | {detail: {within_minutes: $within}, list: ([.events[]
      | select(if .all_day then $all_day == "yes" else .start > $from end)
      | {key: "\(.start) \(.uid)", title, begins_at: .start, all_day, location, url,
         local: (if .all_day then .start else .start | fromdate | strflocaltime("%a %H:%M") end)}]
    + [.bad[] | {odd: "line \(.line): \(.reason)"}])}' "$work/parsed" >"$work/found" 2>"$work/err" ||
  unlike "an iCalendar file" "$work/err"
"$LOOOP_BIN" _ parse reading --name events <"$work/found"
