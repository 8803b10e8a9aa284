#!/usr/bin/env bash
# looop:summary=Jira Cloud issues of a search, by default your open ones
# looop:needs=curl,jq,base64
# looop:env=JIRA_URL,JIRA_EMAIL,JIRA_API_TOKEN
# looop:optional=JQL
# looop:interval=300
# looop:timeout=60
JIRA_URL="${JIRA_URL:-}"
JIRA_EMAIL="${JIRA_EMAIL:-}"
JIRA_API_TOKEN="${JIRA_API_TOKEN:-}"
JQL="${JQL:-assignee = currentUser() AND statusCategory != Done ORDER BY created ASC}"

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

jira() { # PATH
  fetch "${JIRA_URL%/}/rest/api/3$1" "Accept: application/json" \
    "Authorization: Basic $(printf '%s' "$JIRA_EMAIL:$JIRA_API_TOKEN" | base64 | tr -d '\n')"
  # Jira may answer unknown callers as if there were nothing to see.
  ! grep -qiE '^x-seraph-loginreason:.*(FAILED|DENIED)' "$work/head" ||
    fail 77 "\"$host\" refuses the token: it answers as to a stranger (JIRA_EMAIL, JIRA_API_TOKEN)"
}

filter="jql=$(encode "$JQL")&fields=summary,status,priority,assignee,issuetype,duedate,created,updated&maxResults=100"
next=""
for _ in 1 2 3 4 5; do
  jira "/search/jql?$filter${next:+&nextPageToken=$next}"
  json "a list of issues" '{
    next: (if .isLast == true then "" else .nextPageToken // "" | text | @uri end),
    list: (.issues | each((.fields.status.name | text) as $status
      | {key: "\(.key | text) \($status)", id: .key, title: (.fields.summary | text), status: $status,
         priority: .fields.priority.name, type: .fields.issuetype.name, assignee: .fields.assignee.displayName,
         due: .fields.duedate, updated_at: .fields.updated}))}' >>"$work/pages"
  next=$(tail -n 1 "$work/pages" | jq -r .next)
  [ -n "$next" ] || break
done
# An empty list counts only when Jira knows who asks.
[ "$(jq -s 'map(.list | length) | add' "$work/pages")" != 0 ] || jira /myself
jq -s --arg url "${JIRA_URL%/}/browse/" '(.[-1].next != "") as $more
  | {list: map(.list[]), left: (if $more then 1 else 0 end), detail: {browse: $url, more_pages: $more}}' \
  "$work/pages" | report issues
