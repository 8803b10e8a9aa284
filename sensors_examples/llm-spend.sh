#!/usr/bin/env bash
# looop:summary=LLM spend of looop's own ledger against a daily budget
# looop:needs=date,jq
# looop:env=LOOOP_DATA_DIR
# looop:optional=BUDGET_USD
# looop:interval=60
# looop:timeout=15
LOOOP_DATA_DIR="${LOOOP_DATA_DIR:-}"
BUDGET_USD="${BUDGET_USD:-10}"

set -euo pipefail
export LC_ALL=C

fail() { # CODE MESSAGE: one line on stderr, and the end
  printf '%s\n' "$(printf '%s' "$2" | tr '[:cntrl:]' ' ' | cut -c 1-400)" >&2
  exit "$1"
}
declared() { sed -n "s/^# looop:$1=//p" "$0" | tr ',' ' '; }
for name in $(declared needs); do command -v "$name" >/dev/null || fail 78 "\"$name\" is not installed here"; done
for name in $(declared env); do [ -n "${!name}" ] || fail 78 "$name is not set, and this sensor needs it"; done

jq -en --arg budget "$BUDGET_USD" '$budget | tonumber > 0' >/dev/null 2>&1 ||
  fail 78 "BUDGET_USD is \"$BUDGET_USD\", expected a number above 0"
[ -d "$LOOOP_DATA_DIR" ] || fail 78 "LOOOP_DATA_DIR \"$LOOOP_DATA_DIR\" is no directory"
ledger="$LOOOP_DATA_DIR/cost.jsonl"
[ -e "$ledger" ] || ledger=/dev/null
[ -r "$ledger" ] || fail 77 "\"$ledger\" may not be read"
# Amounts are summed by local day. A line that is not a row (torn by a power cut) is skipped and counted.
tail -n 20000 "$ledger" | jq -Rnc --arg budget "$BUDGET_USD" --arg today "$(date +%Y-%m-%d)" '
  def cents: . * 100 | round / 100;
  def total: map(.cost_usd) | add // 0;
  def by($field): group_by(.[$field] // "?")
    | map({key: (.[0][$field] // "?" | tostring | .[:60]), value: (total | cents)})
    | sort_by(-.value) | .[:5] | from_entries;
  ($budget | tonumber) as $budget
  | [inputs | . as $line | try (fromjson | {ts, kind, id, runner, cost_usd}
      | if (.cost_usd | type) == "number" and (.ts | type) == "string" then . else error("row") end
      | .day = (.ts | sub("\\.[0-9]+"; "") | sub("\\+00:00$"; "Z") | fromdate | strflocaltime("%Y-%m-%d")))
    catch {torn: ($line != "")}]
  | (map(select(.torn)) | length) as $torn | map(select(.day)) as $rows
  | ($rows | map(select(.day == $today))) as $now
  | ($now | total) as $spent
  | {signal: ({day: $today, level: (if $spent >= $budget then "over budget"
       elif $spent >= $budget * 0.8 then "over 80 percent"
       elif $spent >= $budget / 2 then "over half" else "fine" end)}
       + if $torn > 0 then {not_understood: $torn} else {} end),
     detail: {spent_today_usd: ($spent | cents), budget_usd: $budget, entries_today: ($now | length),
       by_runner: ($now | by("runner")), by_kind: ($now | by("kind")), by_id: ($now | by("id")),
       by_day: ($rows | group_by(.day) | map({key: .[0].day, value: (total | cents)}) | .[-7:] | from_entries),
       lines_skipped: $torn, cut: 0}}' 2>/dev/null || fail 65 "the ledger \"$ledger\" cannot be summed"
