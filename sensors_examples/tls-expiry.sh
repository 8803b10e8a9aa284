#!/usr/bin/env bash
# looop:summary=TLS certificates that expire soon, have expired or do not verify
# looop:needs=openssl,jq
# looop:env=TLS_HOSTS
# looop:optional=TLS_DAYS,TLS_SECONDS
# looop:interval=3600
# looop:timeout=60
TLS_HOSTS="${TLS_HOSTS:-}"
TLS_DAYS="${TLS_DAYS:-21}"
TLS_SECONDS="${TLS_SECONDS:-10}"

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

number TLS_DAYS
number TLS_SECONDS

# openssl knows no time limit of its own, so it runs beside a clock: all hosts at once, then whatever still runs is ended.
set -f
count=0
pids=""
for address in $TLS_HOSTS; do
  case $address in *[!A-Za-z0-9.:_-]* | :* | -*) fail 78 "TLS_HOSTS has \"$address\", expected host or host:port" ;; esac
  case $address in *:*) ;; *) address="$address:443" ;; esac
  count=$((count + 1))
  echo "$address" >"$work/$count.host"
  openssl s_client -connect "$address" -servername "${address%:*}" </dev/null >"$work/$count.out" 2>/dev/null &
  pids="$pids $!"
done
[ "$count" -gt 0 ] || fail 78 "TLS_HOSTS holds no host"
tries=$((TLS_SECONDS * 10))
running() { for pid in $pids; do ! kill -0 "$pid" 2>/dev/null || return 0; done; return 1; }
while running && [ "$tries" -gt 0 ]; do
  tries=$((tries - 1))
  sleep 0.1
done
for pid in $pids; do
  kill "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
done
reached=0
for number in $(seq "$count"); do
  openssl x509 -noout -enddate -subject -issuer -serial -nameopt oneline,-esc_msb,utf8 <"$work/$number.out" \
    >"$work/$number.cert" 2>/dev/null || : >"$work/$number.cert"
  [ ! -s "$work/$number.cert" ] || reached=$((reached + 1))
  sed -n 's/^ *Verify return code: /verify=/p' "$work/$number.out" | tail -n 1 >>"$work/$number.cert"
  jq -Rsc --rawfile host "$work/$number.host" --argjson days "$TLS_DAYS" '
    def field($name): [split("\n")[] | select(startswith($name + "="))] | if . == [] then "" else .[0][($name | length) + 1:] end;
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as $months
    | ($host | rtrimstr("\n")) as $host | field("verify") as $verify
    | if field("notAfter") == "" then {host: $host, state: "unreachable"}
      else (field("notAfter") | capture("^(?<m>[A-Z][a-z]+) +(?<d>[0-9]+) (?<h>[0-9]+):(?<i>[0-9]+):(?<s>[0-9]+) (?<y>[0-9]+)")) as $t
        | ([($t.y | tonumber), ($months | index($t.m)), ($t.d | tonumber), ($t.h | tonumber), ($t.i | tonumber), ($t.s | tonumber), 0, 0]
          | mktime) as $until
        | (($until - now) / 86400) as $left
        | {host: $host, state: (if $left < 0 then "expired" elif $left < $days then "expires soon"
             elif $verify != "" and ($verify | startswith("0 ") | not) then "not trusted" else "ok" end),
           expires_at: ($until | todate), days_left: ($left | floor), verify: $verify, subject: field("subject"),
           issuer: field("issuer"), serial: field("serial")}
      end' "$work/$number.cert" >>"$work/found" || fail 65 "openssl prints a certificate in an unknown form"
done
[ "$reached" -gt 0 ] || fail 69 "none of the hosts in TLS_HOSTS shows a certificate: no network, or all are down"
jq -s '{expired: 0, "expires soon": 1, unreachable: 2, "not trusted": 3, ok: 4} as $order
  | {list: (map({key: "\(.host) \(.state)\(if .expires_at then " " + .expires_at[:10] else "" end)"} + .)
    | sort_by([$order[.state], .expires_at]))}' "$work/found" | report hosts
