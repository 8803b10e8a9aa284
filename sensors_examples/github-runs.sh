#!/usr/bin/env bash
# looop:summary=Latest GitHub Actions result of each workflow and branch
# looop:needs=curl,jq
# looop:env=REPO
# looop:optional=BRANCH,GH_TOKEN,GITHUB_API_URL
# looop:interval=180
# looop:timeout=60
REPO="${REPO:-}"
BRANCH="${BRANCH:-}"
GH_TOKEN="${GH_TOKEN:-${GITHUB_TOKEN:-}}"
GITHUB_API_URL="${GITHUB_API_URL:-https://api.github.com}"

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

token=$GH_TOKEN
[ -n "$token" ] || [ "$GITHUB_API_URL" != https://api.github.com ] || token=$(gh auth token 2>/dev/null) || true
[ -n "$token" ] || fail 78 "no GitHub token: set GH_TOKEN, or log in with \`gh auth login\`"
github() { # PATH; GitHub leaves out what organizations behind single sign-on hide, and says so in a header
  fetch "${GITHUB_API_URL%/}$1" "Authorization: Bearer $token" "X-GitHub-Api-Version: 2022-11-28"
  sso_gaps
}
sso_gaps() {
  sed -n 's/^[Xx]-[Gg]it[Hh]ub-[Ss][Ss][Oo]: partial-results; *\(organizations=[0-9, ]*\).*/\1/p' "$work/head" |
    sed 's/.*/hidden by single sign-on, authorize the token for it: &/' >>"$work/lost"
}

[[ $REPO =~ ^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$ ]] || fail 78 "REPO is \"$REPO\", expected owner/name"
filter="status=completed&per_page=100"
[ -z "$BRANCH" ] || filter="$filter&branch=$(encode "$BRANCH")"
for page in 1 2; do
  github "/repos/$REPO/actions/runs?$filter&page=$page"
  json "a list of workflow runs" '{total: (.total_count | num), list: (.workflow_runs | each(
    {workflow: (.name // .path), branch: .head_branch, conclusion: (.conclusion | text), id: (.id | num),
       number: .run_number, attempt: .run_attempt, event, title: .display_title, commit: .head_sha[:10],
       url: .html_url, updated_at}))}' >>"$work/pages"
  grep -qi '^link:.*rel="next"' "$work/head" || break
done
jq -s --arg repo "$REPO" '{total: .[0].total, list: map(.list[])}
  | {detail: {repo: $repo, runs_seen: (.list | length), runs_in_all: .total},
     list: ((.list | map(select(.odd))) + (.list | map(select(.odd | not)) | group_by([.workflow, .branch])
       | map(max_by(.id) | {key: "\(.workflow) \(.branch) \(.conclusion)"} + .)
       | sort_by([(.conclusion == "success" or .conclusion == "skipped"), -.id])))}' "$work/pages" | report runs
