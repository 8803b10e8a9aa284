#!/usr/bin/env bash
# looop:summary=A timer: times of the day, weekdays, or every N minutes
# looop:needs=date,jq
# looop:env=
# looop:optional=AT,DAYS,MINUTES
# looop:interval=20
# looop:timeout=5
AT="${AT:-09:00}"
DAYS="${DAYS:-1234567}"
MINUTES="${MINUTES:-}"

set -euo pipefail
export LC_ALL=C

fail() { # CODE MESSAGE: one line on stderr, and the end
  printf '%s\n' "$(printf '%s' "$2" | tr '[:cntrl:]' ' ' | cut -c 1-400)" >&2
  exit "$1"
}
declared() { sed -n "s/^# looop:$1=//p" "$0" | tr ',' ' '; }
for name in $(declared needs); do command -v "$name" >/dev/null || fail 78 "\"$name\" is not installed here"; done
for name in $(declared env); do [ -n "${!name}" ] || fail 78 "$name is not set, and this sensor needs it"; done

number() { # NAME: that setting must be a whole number
  case ${!1} in '' | *[!0-9]*) fail 78 "$1 is \"${!1}\", expected a whole number" ;; esac
}

if [ -n "$MINUTES" ]; then
  number MINUTES
  [ "$MINUTES" -gt 0 ] || fail 78 "MINUTES is 0, expected at least 1"
  jq -nc --argjson minutes "$MINUTES" '($minutes * 60) as $step | (now / $step | floor * $step) as $due
    | {signal: {due: ($due | todate)}, detail: {every_minutes: $minutes, next: ($due + $step | todate), cut: 0}}'
  exit
fi
case $DAYS in "" | *[!1-7]*) fail 78 "DAYS is \"$DAYS\", expected digits from 1 (Monday) to 7 (Sunday)" ;; esac
for time in $AT; do
  [[ $time =~ ^([01][0-9]|2[0-3]):[0-5][0-9]$ ]] || fail 78 "AT has \"$time\", expected times such as 09:00"
done
[ -n "${AT// /}" ] || fail 78 "AT holds no time"
# All in local wall time: a slot is a date and a time of the day, and the last one that is not in the future is due.
date +'%Y-%m-%d %H:%M' | jq -Rc --arg at "$AT" --arg days "$DAYS" '
  . as $now | ($now[:10] + "T12:00:00Z" | fromdate) as $noon
  | [range(-8; 9) as $day | ($noon + $day * 86400) as $t
     | select($days | contains($t | strftime("%u")))
     | ($at | splits(" +") | select(. != "")) as $time | "\($t | strftime("%Y-%m-%d")) \($time)"] | sort
  | {signal: {due: (map(select(. <= $now))[-1])},
     detail: {at: $at, days: $days, next: (map(select(. > $now))[0]), cut: 0}}'
