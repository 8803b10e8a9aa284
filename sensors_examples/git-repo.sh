#!/usr/bin/env bash
# looop:summary=A git repository: branches, ahead and behind, uncommitted changes
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

export GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh -o BatchMode=yes}"
repo() { git -C "$GIT_DIR_PATH" -c core.quotePath=false -c color.ui=false "$@"; }

[ -d "$GIT_DIR_PATH" ] || fail 78 "GIT_DIR_PATH \"$GIT_DIR_PATH\" is no directory"
repo rev-parse --git-dir >/dev/null 2>"$work/err" || fail 78 "no git repository at \"$GIT_DIR_PATH\": $(head -n 1 "$work/err")"
case $GIT_FETCH in
  no) ;;
  yes) repo fetch --quiet --all --prune 2>"$work/err" || fail 69 "git fetch failed in \"$GIT_DIR_PATH\": $(tail -n 1 "$work/err")" ;;
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
jq -n --arg path "$GIT_DIR_PATH" --arg head "$head" --rawfile branches "$work/branches" --rawfile status "$work/status" \
  --rawfile stash "$work/stash" '
  def lines: split("\n") | map(select(. != ""));
  ($status | lines) as $changes
  | {signal: {head: $head, dirty: ($changes | map(.[:2]) | map(sub(" "; "_"; "g")) | unique)},
     detail: {path: $path, changes: $changes[:10], changed_files: ($changes | length), stashes: ($stash | lines | length)},
     list: [$branches | lines[] | split("\t")
       | {key: "\(.[0]) \(.[1])\(if .[3] == "" then "" else " " + .[3] end)", branch: .[0], commit: .[1], upstream: .[2],
          state: (if .[2] == "" then "no upstream" elif .[3] == "" then "even" else .[3] end), date: .[4],
          subject: (.[5:] | join(" "))}]}' | report branches
