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
  printf '%s\n' "$(printf '%s' "$2" | tr '[:cntrl:]' ' ' | cut -c 1-400)" >&2
  exit "$1"
}
declared() { sed -n "s/^# looop:$1=//p" "$0" | tr ',' ' '; }
for name in $(declared needs); do command -v "$name" >/dev/null || fail 78 "\"$name\" is not installed here"; done
for name in $(declared env); do [ -n "${!name}" ] || fail 78 "$name is not set, and this sensor needs it"; done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

resets() { # when the rate limit ends; services tell it as seconds to wait, as unix time or as a date
  jq -Rrs '[splits("\r?\n") | capture("^(?:retry-after|[a-z-]*rate-?limit[a-z-]*-reset): *(?<at>.+)"; "i").at][0]
    | ((tonumber | if . < 1e8 then now + . elif . > 1e11 then . / 1000 else . end | floor | todate)? // .)
    | if . then "it resets at \(.)" else "it does not say when it resets" end' "$work/head"
}

# fetch URL HEADER...: the answer to $work/body and $work/head; the sensor ends when it is no good one. URL and headers
# go to curl by stdin: they hold secrets, and arguments show in process lists. $options: more lines for curl's settings.
fetch() {
  local limited=""
  host=${1#*://} host=${host%%[/?#]*} host=${host##*@}
  case $1 in http://?* | https://?*) ;; *) fail 78 "a URL in the settings does not begin with http(s)://" ;; esac
  case $* in *[[:cntrl:]\"\\]*) fail 78 "a token or URL for \"$host\" has a quote, backslash or line break" ;; esac
  : >"$work/body"
  http=$({ printf 'url = "%s"\n%s\n' "$1" "${options:-}" && printf 'header = "%s"\n' "${@:2}"; } |
    curl -q -sS --globoff --proto =http,https --connect-timeout 8 --max-time 20 --max-filesize 20000000 \
      -A looop-sensor -o "$work/body" -D "$work/head" -w '%{http_code}' -K - 2>"$work/error") ||
    fail 69 "no answer from \"$host\": $(sed -n 's/^curl: //p' "$work/error")"
  ! grep -qiE '^(retry-after|x-ratelimit-remaining: *0)|rate limit|rate_?limited' "$work"/{head,body} || limited=yes
  case $http$limited in
    2*) ;;
    429* | 40[03]yes) fail 75 "the rate limit of \"$host\" is reached, $(resets) (HTTP $http)" ;;
    40[13]*) fail 77 "\"$host\" refuses the token: it is wrong, expired or lacks a right (HTTP $http)" ;;
    [34]*) fail 78 "\"$host\" refuses the request, check the settings (HTTP $http)" ;;
    *) fail 69 "\"$host\" failed (HTTP $http)" ;;
  esac
}

# report NAME: {list: [{key, ...}], signal?, detail?, left?, unshown?} on stdin becomes the reading. The signal names
# the keys, the detail shows the items. What would be too long is cut and counted; the signal sums up what it cut, too.
report() {
  jq -c --arg name "$1" '
    def size: tojson | utf8bytelength;
    def sum: reduce (tojson | explode[]) as $c (7; (. * 31 + $c) % 2147483647);
    def fit($max): [foreach .[] as $x (2; . + ($x | size) + 1; select(. <= $max) | $x)];
    def tidy: walk(if type == "string" then .[:200] | gsub("\\p{Cc}"; " ") elif type == "object" then
      to_entries[:16] | from_entries elif type == "array" then .[:10] | map(.[:60]? // .) else . end);
    ([.list[].key | values | if length > 120 then .[:100] + "~\(sum)" else . end | tidy] | unique) as $keys
    | ($keys | fit(2400)) as $told | ($keys - $told) as $rest | (($rest | length) + .left) as $more
    | (.signal + {($name): $told} + if $more > 0 then {more: {count: $more, sum: ($rest | sum)}} else {} end) as $signal
    | (.detail // {} | tidy) as $detail | (7700 - ([$signal, $detail] | size)) as $room
    | ([.list[:120][] | del(.key) | tidy] | fit($room)) as $items
    | ((.list | length) - ($items | length) + .left + .unshown) as $cut | {$signal, detail: ($detail + {$items, $cut})}'
}

number() { # NAME: that setting must be a whole number
  case ${!1} in '' | *[!0-9]*) fail 78 "$1 is \"${!1}\", expected a whole number" ;; esac
}

number FEED_ENTRIES
options=location
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
# No XML parser: CDATA becomes ordinary text, comments go, and entries are what stands between their tags. The end tag
# of the whole must be there, so that an answer cut off on its way is not taken for a short feed.
jq -Rsc --argjson most "$FEED_ENTRIES" '
  def entity: {lt: "<", gt: ">", quot: "\"", apos: "\u0027", amp: "&", nbsp: " "};
  def hex: ascii_downcase | explode | reduce .[] as $c (0; . * 16 + (if $c > 96 then $c - 87 else $c - 48 end));
  def decode: gsub("&(?<n>#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-z]+);";
    .n as $n
    | if $n | test("^#[xX]") then ($n[2:] | hex) elif $n | test("^#") then ($n[1:] | tonumber) else $n end
    | if type == "number" then (if . > 0 and . < 1114112 and (. < 55296 or . > 57343) then [.] | implode else "" end)
      else entity[.] // "&\(.);" end);
  def plain: decode | gsub("<[^>]*>"; " ") | gsub("\\s+"; " ") | sub("^ "; "") | sub(" $"; "");
  def inner($tag):
    [match("<" + $tag + "(?:\\s[^>]*)?>([\\s\\S]{0,20000}?)</" + $tag + "\\s*>").captures[0].string | plain];
  def element($name): (inner($name) + inner("[a-z]+:" + $name) | map(select(. != ""))[0]) // "";
  def href: ([match("<(?:atom:)?link\\b[^>]*>"; "g").string
      | select(test("rel=.(self|edit|replies|enclosure|hub)") | not)
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
