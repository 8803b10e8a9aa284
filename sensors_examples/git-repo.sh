#!/usr/bin/env bash
# looop:summary=A git repository: branches, ahead, behind, uncommitted
# looop:needs=git,jq
# looop:env=GIT_DIR_PATH
# looop:optional=GIT_FETCH
# looop:interval=120
# looop:timeout=60
GIT_DIR_PATH="${GIT_DIR_PATH:-}"
GIT_FETCH="${GIT_FETCH:-no}"

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
    : >"$work/fetched"
    for remote in $(repo remote); do
      if repo fetch --quiet --prune "$remote" 2>"$work/err"; then echo "$remote" >>"$work/fetched"; else
        printf 'git fetch %s: %s\n' "$remote" "$(tail -n 1 "$work/err")" >>"$work/lost"
      fi
    done
    [ ! -s "$work/lost" ] || [ -s "$work/fetched" ] ||
      fail 69 "git fetch failed in \"$GIT_DIR_PATH\": $(tail -n 1 "$work/err")"
    ;;
  *) fail 78 "GIT_FETCH is \"$GIT_FETCH\", expected yes or no" ;;
esac
head=$(repo symbolic-ref --quiet --short HEAD) || head=detached
tab=%09
format="%(refname:short)$tab%(objectname:short=10)$tab%(upstream:short)$tab%(upstream:track,nobracket)"
format="$format$tab%(committerdate:iso8601-strict)$tab%(contents:subject)"
repo for-each-ref --sort=-committerdate --format="$format" refs/heads >"$work/branches" 2>"$work/err" ||
  fail 65 "git cannot list the branches: $(head -n 1 "$work/err")"
[ "$(repo rev-parse --is-bare-repository)" = true ] ||
  repo status --porcelain=v1 >"$work/status" 2>"$work/err" || fail 65 "git status failed: $(head -n 1 "$work/err")"
touch "$work/status"
repo stash list >"$work/stash" 2>/dev/null || true
jq -n --arg path "$GIT_DIR_PATH" --arg head "$head" --rawfile branches "$work/branches" \
  --rawfile status "$work/status" --rawfile stash "$work/stash" '
  def lines: split("\n") | map(select(. != ""));
  ($status | lines) as $changes
  | {signal: {head: $head, dirty: ($changes | map(.[:2]) | map(sub(" "; "_"; "g")) | unique)},
     detail: {path: $path, changes: $changes[:10], changed_files: ($changes | length),
       stashes: ($stash | lines | length)},
     list: [$branches | lines[] | split("\t")
       | {key: "\(.[0]) \(.[1])\(if .[3] == "" then "" else " " + .[3] end)", branch: .[0], commit: .[1],
          upstream: .[2], state: (if .[2] == "" then "no upstream" elif .[3] == "" then "even" else .[3] end),
          date: .[4], subject: (.[5:] | join(" "))}]}' | report branches
