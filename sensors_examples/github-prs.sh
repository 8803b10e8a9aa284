#!/usr/bin/env bash
# looop:summary=GitHub pull requests that wait for your review
# looop:needs=curl,jq
# looop:env=
# looop:optional=REPO,GH_TOKEN,GITHUB_API_URL,GITHUB_QUERY
# looop:interval=300
# looop:timeout=60
REPO="${REPO:-}"
GH_TOKEN="${GH_TOKEN:-${GITHUB_TOKEN:-}}"
GITHUB_API_URL="${GITHUB_API_URL:-https://api.github.com}"
GITHUB_QUERY="${GITHUB_QUERY:-review-requested:@me}"

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

# json WHAT FILTER [JQ OPTION...]: the body, which must be one JSON value of the documented form, through a jq filter.
json() {
  local what=$1 filter=$2
  shift 2
  jq -cs "$@" 'def text: strings // error("form"); def num: numbers // error("form"); def list: arrays // error("form");
    if length == 1 then .[0] else error("form") end | '"$filter" "$work/body" 2>/dev/null ||
    fail 65 "unexpected answer from \"$host\": not $what in the documented form"
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

token=$GH_TOKEN
if [ -z "$token" ] && [ "$GITHUB_API_URL" = https://api.github.com ] && command -v gh >/dev/null 2>&1; then
  token=$(gh auth token 2>/dev/null) || token=""
fi
[ -n "$token" ] || fail 78 "no GitHub token: set GH_TOKEN, or log in with \`gh auth login\`"

github() { # PATH
  fetch "${GITHUB_API_URL%/}$1" "Authorization: Bearer $token" "Accept: application/vnd.github+json" \
    "X-GitHub-Api-Version: 2022-11-28"
}

case $REPO in *[!A-Za-z0-9._/-]*) fail 78 "REPO is \"$REPO\", expected OWNER/NAME" ;; esac
query=$(encode "is:pr is:open archived:false $GITHUB_QUERY${REPO:+ repo:$REPO}")
page=1
while :; do
  github "/search/issues?q=$query&sort=created&order=asc&per_page=100&page=$page"
  json "a list of pull requests" '{
    incomplete: .incomplete_results,
    total: (.total_count | num),
    list: [.items | list | .[]
      | (.repository_url | text | sub(".*/repos/"; "")) as $repo
      | {key: "\($repo)#\(.number | num)", repo: $repo, number, title: (.title | text), url: .html_url, author: .user.login,
         draft, labels: [.labels[]?.name], created_at, updated_at}]}' >>"$work/pages"
  ! grep -q '^{"incomplete":true' "$work/pages" || fail 69 "\"$host\" timed out inside its search: the list is incomplete"
  case $(header link) in *'rel="next"'*) ;; *) break ;; esac
  page=$((page + 1))
  [ "$page" -le 5 ] || break
done
jq -s '{list: map(.list[])} + {total: .[0].total}
  | {list, left: ([.total - (.list | length), 0] | max)}' "$work/pages" | report prs
