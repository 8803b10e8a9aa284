#!/usr/bin/env bash
# looop:summary=Entries of an RSS or Atom feed
# looop:needs=curl,jq
# looop:env=FEED_URL
# looop:optional=FEED_ENTRIES
# looop:interval=900
# looop:timeout=45
FEED_URL="${FEED_URL:-}"
FEED_ENTRIES="${FEED_ENTRIES:-20}"

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

header() { # NAME: a header of the last answer, or nothing
  awk -v name="$1:" 'tolower($1) == name { sub(/^[^:]*:[ \t]*/, ""); sub(/\r$/, ""); value = $0 } END { print value }' \
    "$work/head"
}

encode() { jq -rn --arg text "$1" '$text | @uri'; }

# resets: when the rate limit ends, as told in seconds to wait, unix seconds or milliseconds, or as a date.
resets() {
  local name value=""
  for name in retry-after x-ratelimit-reset ratelimit-reset x-sentry-rate-limit-reset x-ratelimit-requests-reset; do
    [ -n "$value" ] || value=$(header "$name")
  done
  case $value in
    "") echo "it does not say when it resets" ;;
    *[!0-9]*) echo "resets at $value" ;;
    *)
      jq -rn --arg value "$value" '$value | tonumber
        | if . < 100000000 then now + . elif . > 100000000000 then . / 1000 else . end
        | "resets at " + (floor | todate)'
      ;;
  esac
}

limited() {
  [ "$http" = 429 ] || [ "$(header x-ratelimit-remaining)" = 0 ] || [ -n "$(header retry-after)" ] ||
    grep -qiE 'RATE_?LIMITED|secondary rate limit' "$work/body"
}

# fetch URL [HEADER...]: body to $work/body, headers to $work/head; POSTs $work/query when there is one. Whatever is not
# a good answer ends the sensor. URL and headers go to curl by stdin: secrets in them must not show in a process list.
fetch() {
  local url=$1 code=0 line
  host=${url#*://} host=${host%%[/?#]*} host=${host##*@}
  case $url in
    http://?* | https://?*) ;;
    *) fail 78 "an URL in the settings does not begin with http:// or https://" ;;
  esac
  for line in "$@"; do
    case $line in
      *[[:cntrl:]\"\\]*) fail 78 "a token or URL for \"$host\" has a quote, backslash or line break in it" ;;
    esac
  done
  shift
  : >"$work/head"
  : >"$work/body"
  http=$(
    {
      printf 'url = "%s"\n' "$url"
      for line in "$@"; do printf 'header = "%s"\n' "$line"; done
      [ ! -s "$work/query" ] || printf 'data-binary = "@%s"\nheader = "Content-Type: application/json"\n' "$work/query"
      [ -z "${follow:-}" ] || printf 'location\nmax-redirs = 5\n'
    } | curl -q -s --globoff --proto =http,https --connect-timeout 8 --max-time 20 --max-filesize 20000000 \
      -A looop-sensor -o "$work/body" -D "$work/head" -w '%{http_code}' -K - 2>/dev/null
  ) || code=$?
  case $code in
    0) ;;
    3) fail 78 "the URL for \"$host\" is malformed" ;;
    5 | 6) fail 69 "cannot resolve \"$host\": no network, or a wrong name" ;;
    7) fail 69 "cannot connect to \"$host\": no network, or it is down" ;;
    28) fail 69 "\"$host\" does not answer in time" ;;
    35 | 5[13489] | 60 | 66 | 77 | 83 | 9[01]) fail 69 "no trusted TLS connection to \"$host\"" ;;
    47) fail 65 "\"$host\" redirects in circles" ;;
    63) fail 65 "the answer of \"$host\" is larger than 20 MB" ;;
    *) fail 69 "the connection to \"$host\" broke off (curl exit $code)" ;;
  esac
  case $http in
    2??) return 0 ;;
    401) fail 77 "\"$host\" refuses the token: expired, revoked or wrong (HTTP 401)" ;;
    400 | 403 | 429)
      ! limited || fail 75 "the rate limit of \"$host\" is reached, $(resets) (HTTP $http)"
      ! grep -q AUTHENTICATION_ERROR "$work/body" || fail 77 "\"$host\" refuses the token (HTTP $http)"
      [ "$http" = 400 ] || fail 77 "\"$host\" forbids this: the token is expired or lacks a right (HTTP 403)"
      fail 78 "\"$host\" refuses the request, check the settings (HTTP 400)"
      ;;
    404 | 410) fail 78 "\"$host\" has no such thing: check the settings and what the token may see (HTTP $http)" ;;
    4??) fail 78 "\"$host\" refuses the request, check the settings (HTTP $http)" ;;
    3??) fail 78 "\"$host\" redirects elsewhere, check the URL and the login (HTTP $http)" ;;
    *) fail 69 "\"$host\" failed (HTTP $http)" ;;
  esac
}

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

number FEED_ENTRIES
follow=yes
fetch "$FEED_URL" "Accept: application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.5"
charset=$(head -n 1 "$work/body" | tr "'" '"' | sed -n 's/.*<?xml[^>]*encoding="\([A-Za-z0-9._-]*\)".*/\1/p')
case $charset in
  "" | utf-8 | UTF-8 | Utf-8) ;;
  *)
    iconv -f "$charset" -t UTF-8 "$work/body" >"$work/utf8" 2>/dev/null ||
      fail 65 "the feed of \"$host\" is in an unknown encoding ($charset)"
    mv "$work/utf8" "$work/body"
    ;;
esac
# No XML parser: CDATA becomes ordinary text, comments go, and entries are what stands between their tags. The end tag of
# the whole must be there, so that an answer cut off on its way is not taken for a short feed.
jq -Rsc --argjson most "$FEED_ENTRIES" '
  def entity: {lt: "<", gt: ">", quot: "\"", apos: "\u0027", amp: "&", nbsp: " "};
  def hex: ascii_downcase | explode | reduce .[] as $c (0; . * 16 + (if $c > 96 then $c - 87 else $c - 48 end));
  def decode: gsub("&(?<n>#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-z]+);";
    .n as $n
    | if $n | startswith("#x") or startswith("#X") then ($n[2:] | hex) elif $n | startswith("#") then ($n[1:] | tonumber) else $n end
    | if type == "number" then (if . > 0 and . < 1114112 and (. < 55296 or . > 57343) then [.] | implode else "" end)
      else entity[.] // "&\(.);" end);
  def plain: decode | gsub("<[^>]*>"; " ") | gsub("\\s+"; " ") | sub("^ "; "") | sub(" $"; "");
  def inner($tag): [match("<" + $tag + "(?:\\s[^>]*)?>([\\s\\S]{0,20000}?)</" + $tag + "\\s*>").captures[0].string | plain];
  def element($name): (inner($name) + inner("[a-z]+:" + $name) | map(select(. != ""))[0]) // "";
  def href: ([match("<(?:atom:)?link\\b[^>]*>"; "g").string | select(test("rel=.(self|edit|replies|enclosure|hub)") | not)
      | match("href=[\"\u0027]([^\"\u0027]*)").captures[0].string][0] // "") | decode;
  def escape: split("&") | join("&amp;") | split("<") | join("&lt;") | split(">") | join("&gt;");
  split("<![CDATA[") | .[0] + ([.[1:][] | split("]]>") | (.[0] | escape) + (.[1:] | join("]]>"))] | add // "")
  | split("<!--") | .[0] + ([.[1:][] | split("-->")[1:] | join("-->")] | add // "")
  | (if test("<rss\\b") and test("</rss\\s*>") then "item"
     elif test("<(rdf:)?RDF\\b") and test("</(rdf:)?RDF\\s*>") then "item"
     elif test("<feed\\b") and test("</feed\\s*>") then "entry" else error("form") end) as $tag
  | split("<" + $tag) as $parts
  | ($parts[1:] | map(select(test("^[\\s>]")) | split("</" + $tag)[0])) as $entries
  | def first_of(values): [values | select(. != null and . != "")][0];
    {detail: {feed: ($parts[0] | element("title")), entries_in_feed: ($entries | length)},
     unshown: ([($entries | length) - $most, 0] | max),
     list: [$entries[:$most][]
       | first_of(element("link"), href) as $url | element("title") as $title
       | {key: first_of(element("guid"), element("id"), $url, $title, "untitled"), title: $title, url: $url,
          at: first_of(element("published"), element("pubDate"), element("date"), element("updated")),
          text: first_of(element("description"), element("summary"))}]}' "$work/body" >"$work/found" 2>/dev/null ||
  fail 65 "unexpected answer from \"$host\": not a whole RSS or Atom feed"
report entries <"$work/found"
