#!/usr/bin/env bash
# looop:summary=The date: wakes once a day
# looop:needs=date
# looop:env=
# looop:optional=
# looop:interval=60
# looop:timeout=5

set -euo pipefail
export LC_ALL=C

fail() { # CODE MESSAGE: one line on stderr, and the end
  printf '%s\n' "$(printf '%s' "$2" | tr '[:cntrl:]' ' ' | cut -c 1-400)" >&2
  exit "$1"
}
declared() { sed -n "s/^# looop:$1=//p" "$0" | tr ',' ' '; }
for name in $(declared needs); do command -v "$name" >/dev/null || fail 78 "\"$name\" is not installed here"; done
for name in $(declared env); do [ -n "${!name}" ] || fail 78 "$name is not set, and this sensor needs it"; done

date +'{"signal":{"date":"%Y-%m-%d"},"detail":{"weekday":"%A","week":"%V","time_zone":"%Z","cut":0}}'
