#!/usr/bin/env bash
# looop:summary=Load and memory of this machine: fine, high or critical
# looop:needs=uptime,getconf,jq
# looop:env=
# looop:optional=LOAD_WARN,LOAD_CRITICAL,MEMORY_WARN,MEMORY_CRITICAL
# looop:interval=60
# looop:timeout=15
LOAD_WARN="${LOAD_WARN:-150}"
LOAD_CRITICAL="${LOAD_CRITICAL:-300}"
MEMORY_WARN="${MEMORY_WARN:-90}"
MEMORY_CRITICAL="${MEMORY_CRITICAL:-97}"

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

for name in LOAD_WARN LOAD_CRITICAL MEMORY_WARN MEMORY_CRITICAL; do number "$name"; done

cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || fail 65 "getconf does not tell the number of processors"
load=$(uptime | sed -n 's/.*load averages\{0,1\}: *//p' | tr ',' ' ')
[ -n "$load" ] || fail 65 "uptime does not tell the load"
if [ -r /proc/meminfo ]; then
  memory=$(awk '$1 == "MemTotal:" { total = $2 } $1 == "MemAvailable:" { free = $2 }
    END { print total * 1024, free * 1024 }' /proc/meminfo)
else
  total=$(sysctl -n hw.memsize 2>/dev/null) || fail 65 "this system does not tell its memory"
  memory=$(vm_stat | awk -v total="$total" '/page size of/ { size = $8 }
    /^Pages (free|inactive|speculative|purgeable)/ { gsub(/\./, "", $NF); free += $NF }
    END { printf "%s %.0f\n", total, free * size }')
fi
busiest=$(ps -A -o pcpu= -o pmem= -o comm= 2>/dev/null | sort -rn | sed -n 1,5p) || busiest=""
printf '%s\n' "$busiest" |
  jq -Rsc --arg load "$load" --arg cores "$cores" --arg memory "$memory" --arg lw "$LOAD_WARN" \
    --arg lc "$LOAD_CRITICAL" --arg mw "$MEMORY_WARN" --arg mc "$MEMORY_CRITICAL" '
  def state($warn; $critical):
    if . >= ($critical | tonumber) then "critical" elif . >= ($warn | tonumber) then "high" else "fine" end;
  ($load | [splits(" +") | select(. != "") | tonumber]) as $load
  | ($memory | split(" ") | map(tonumber)) as [$total, $free]
  | ($load[1] / ($cores | tonumber) * 100 | floor) as $load_percent
  | ((1 - $free / $total) * 100 | floor) as $memory_percent
  | {signal: {load: ($load_percent | state($lw; $lc)), memory: ($memory_percent | state($mw; $mc))},
     detail: {load_1_5_15: $load, cores: ($cores | tonumber), load_percent_of_cores: $load_percent,
       memory_used_percent: $memory_percent, memory_gib: ($total / 1073741824 * 10 | floor / 10),
       busiest: [split("\n")[] | select(. != "") | .[:100]], cut: 0}}' 2>/dev/null ||
  fail 65 "uptime or the memory figures are in an unknown form"
