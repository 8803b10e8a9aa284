#!/usr/bin/env bash
# looop:summary=Entries of an RSS or Atom feed
# looop:needs=curl,jq
# looop:env=FEED_URL
# looop:optional=FEED_ENTRIES,LOOOP_BIN
# looop:interval=900
# looop:timeout=45
FEED_URL="${FEED_URL:-}"
FEED_ENTRIES="${FEED_ENTRIES:-20}"
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
case $FEED_ENTRIES in '' | *[!0-9]*) fail 78 "FEED_ENTRIES is \"$FEED_ENTRIES\", expected a whole number" ;; esac
options=location
fetch "$FEED_URL" "Accept: application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.5"
charset=$(tr 'A-Z' 'a-z' <"$work/head" | tr -d '\r"' | sed -n 's/^content-type:.*charset=\([a-z0-9._:-]*\).*/\1/p' |
  tail -n 1)
"$LOOOP_BIN" _ parse feed ${charset:+--charset "$charset"} <"$work/body" >"$work/parsed" 2>"$work/err" ||
  [ -s "$work/parsed" ] || unlike "a whole RSS, Atom or JSON feed" "$work/err"
# Entries beyond the newest are old. One without a date may be new anywhere in the list, so the signal sums it up. What
# could not be understood is counted and named; a feed whose end is missing shows nothing.
jq --argjson most "$FEED_ENTRIES" '.title as $feed
  | if any(.bad[].reason; startswith("the file ends before")) then error("its end is missing") else . end
  | (.entries[:$most] | map({key: .id, title, url: .link, at: .date, text})) as $newest
  | (.entries[$most:] | map(select(.date == "") | {key: .id, title})) as $undated
  | {list: ($newest + $undated + [.bad[] | {odd: "line \(.line): \(.reason)"}]),
     unshown: ([(.entries | length) - $most, 0] | max - ($undated | length)),
     detail: {$feed, entries_in_feed: (.entries | length)}}' "$work/parsed" >"$work/found" 2>"$work/err" ||
  unlike "a whole RSS, Atom or JSON feed" "$work/err"
"$LOOOP_BIN" _ parse reading --name entries <"$work/found"
