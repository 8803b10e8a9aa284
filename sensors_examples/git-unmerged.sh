#!/usr/bin/env bash
# looop:summary=Branches that are not merged into the default branch
# looop:needs=git,jq
# looop:env=GIT_DIR_PATH
# looop:optional=GIT_BASE,GIT_FETCH,GIT_BRANCHES
# looop:interval=300
# looop:timeout=90
GIT_DIR_PATH="${GIT_DIR_PATH:-}"
GIT_BASE="${GIT_BASE:-}"
GIT_FETCH="${GIT_FETCH:-no}"
GIT_BRANCHES="${GIT_BRANCHES:-}"

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

export GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh -o BatchMode=yes}"
repo() { git -C "$GIT_DIR_PATH" -c core.quotePath=false -c color.ui=false "$@"; }

[ -d "$GIT_DIR_PATH" ] || fail 78 "GIT_DIR_PATH \"$GIT_DIR_PATH\" is no directory"
repo rev-parse --git-dir >/dev/null 2>"$work/err" ||
  fail 78 "no git repository at \"$GIT_DIR_PATH\": $(head -n 1 "$work/err")"
case $GIT_FETCH in
  no) ;;
  yes)
    repo fetch --quiet --prune 2>"$work/err" ||
      printf 'git fetch: %s\n' "$(tail -n 1 "$work/err")" >"$work/lost"
    ;;
  *) fail 78 "GIT_FETCH is \"$GIT_FETCH\", expected yes or no" ;;
esac
jq -n --arg only "$GIT_BRANCHES" '"" | test($only)' >/dev/null 2>&1 ||
  fail 78 "GIT_BRANCHES \"$GIT_BRANCHES\" is no regular expression"
# GIT_BASE, else the default branch of the remote, else one of the usual names.
base=$GIT_BASE
[ -n "$base" ] || base=$(repo symbolic-ref --quiet --short refs/remotes/origin/HEAD) || true
for name in origin/main origin/master main master trunk; do
  [ -z "$base" ] || break
  ! repo rev-parse --quiet --verify "$name^{commit}" >/dev/null || base=$name
done
[ -n "$base" ] || fail 78 "no default branch in \"$GIT_DIR_PATH\": set GIT_BASE"
repo rev-parse --quiet --verify "$base^{commit}" >/dev/null || fail 78 "GIT_BASE \"$base\" is no branch or commit"
tab=%09
format="%(refname)$tab%(objectname:short=10)$tab%(committerdate:iso8601-strict)$tab%(authorname)$tab%(contents:subject)"
repo for-each-ref --no-merged="$base" --sort=-committerdate --format="$format" \
  refs/heads refs/remotes >"$work/branches" 2>"$work/err" ||
  fail 65 "git cannot list the branches: $(head -n 1 "$work/err")"
# Each count is a walk of its own, so only the newest branches get one.
cut -f 1 "$work/branches" | sed -n 1,60p | while read -r ref; do
  printf '%s\t%s\n' "$ref" "$(repo rev-list --left-right --count "$base...$ref" 2>/dev/null)"
done >"$work/counts"
jq -n --arg path "$GIT_DIR_PATH" --arg base "$base" --arg only "$GIT_BRANCHES" --rawfile branches "$work/branches" \
  --rawfile counts "$work/counts" '
  def rows: split("\n") | map(select(. != "") | split("\t"));
  def branch: sub("^refs/(heads|remotes)/"; "");
  ($counts | rows | map({key: .[0], value: (.[1:] | map(tonumber?))}) | from_entries) as $counts
  | [$branches | rows[] | select(.[0] | test("/HEAD$") | not)
    | (.[0] | branch) as $branch | select($only == "" or ($branch | test($only)))
    | {key: "\($branch) \(.[1])", $branch, author: .[3], date: .[2], subject: (.[4:] | join(" ")), commit: .[1],
       ahead: ($counts[.[0]] // [])[1], behind: ($counts[.[0]] // [])[0], local: (.[0] | startswith("refs/heads/"))}]
  # A branch that its remote has in the same state counts once.
  | (map(select(.local) | {key: .key, value: true}) | from_entries) as $own
  | map(select(.local or ($own[.key | sub("^[^/ ]+/"; "")] | not)))
  | {detail: {path: $path, base: $base}, list: .}' >"$work/found" 2>"$work/err" ||
  fail 65 "git lists the branches in an unknown form: $(head -n 1 "$work/err")"
report unmerged <"$work/found"
