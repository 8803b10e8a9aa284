#!/usr/bin/env bash
# looop:summary=TLS certificates that expire soon or do not verify
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

number() { # NAME: that setting must be a whole number
  case ${!1} in '' | *[!0-9]*) fail 78 "$1 is \"${!1}\", expected a whole number" ;; esac
}

number TLS_DAYS
number TLS_SECONDS

# openssl has no time limit of its own, so a timer runs beside it, for all hosts at once, and ends what still runs.
set -f
count=0
pids=""
for address in $TLS_HOSTS; do
  case $address in
    *[!A-Za-z0-9.:_-]* | :* | -*) fail 78 "TLS_HOSTS has \"$address\", expected host or host:port" ;;
    *:*) ;;
    *) address="$address:443" ;;
  esac
  count=$((count + 1))
  echo "$address" >"$work/$count.host"
  openssl s_client -connect "$address" -servername "${address%:*}" </dev/null >"$work/$count.out" 2>/dev/null &
  pids="$pids $!"
done
[ "$count" -gt 0 ] || fail 78 "TLS_HOSTS holds no host"
running() { for pid in $pids; do ! kill -0 "$pid" 2>/dev/null || return 0; done; return 1; }
tries=$((TLS_SECONDS * 10))
while running && [ "$tries" -gt 0 ]; do
  tries=$((tries - 1))
  sleep 0.1
done
for pid in $pids; do
  kill "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
done
for number in $(seq "$count"); do
  {
    openssl x509 -in "$work/$number.out" -noout -enddate -subject -issuer -serial \
      -nameopt oneline,-esc_msb,utf8 2>/dev/null || true
    # LibreSSL shows the names of a certificate only within its full text.
    openssl x509 -in "$work/$number.out" -noout -text 2>/dev/null |
      sed -n '/X509v3 Subject Alternative Name/{n;s/^ */names=/p;}' || true
    sed -n 's/^ *Verify return code: /verify=/p' "$work/$number.out" | tail -n 1
  } | jq -Rsc --rawfile host "$work/$number.host" --argjson days "$TLS_DAYS" '
    def field($name): [split("\n")[] | select(startswith($name + "="))][0] // "" | ltrimstr($name + "=");
    "^(?<m>[A-Z][a-z]+) +(?<d>[0-9]+) (?<h>[0-9]+):(?<i>[0-9]+):(?<s>[0-9]+) (?<y>[0-9]+)" as $date
    | ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as $months
    | ($host | rtrimstr("\n") | ascii_downcase | sub(":[0-9a-z]*$"; "")) as $name
    | (field("names") | split(", ") | map(sub("^(DNS|IP Address):"; "") | ascii_downcase)) as $names
    | (if $names == [] then [field("subject") | capture("CN ?= ?(?<cn>[^,/]+)").cn | ascii_downcase] else $names end
       | any(. == $name or (startswith("*.") and . == ($name | sub("^[^.]+"; "*"))))) as $fits
    | {host: ($host | rtrimstr("\n")), verify: field("verify")}
    + if field("notAfter") == "" then {state: "unreachable"}
      else ([field("notAfter") | capture($date) | .m as $m
          | [.y, ($months | index($m)), .d, .h, .i, .s, 0, 0] | map(tonumber) | mktime][0] // error("form")) as $until
        | (($until - now) / 86400) as $left
        | {state: (if $left < 0 then "expired" elif $left < $days then "expires soon"
             elif field("verify") | . != "" and (startswith("0 ") | not) then "not trusted"
             elif $fits | not then "for another host" else "ok" end),
           expires_at: ($until | todate), days_left: ($left | floor), names: $names, subject: field("subject"),
           issuer: field("issuer"), serial: field("serial")}
      end' >>"$work/found" 2>/dev/null ||
    jq -Rc '{odd: "\(.): openssl prints its certificate in an unknown form"}' "$work/$number.host" >>"$work/found"
done
jq -se 'any(.[]; .state != "unreachable")' "$work/found" >/dev/null ||
  fail 69 "none of the hosts in TLS_HOSTS shows a certificate: no network, or all are down"
jq -s '{expired: 0, "expires soon": 1, unreachable: 2, "not trusted": 3, "for another host": 3, ok: 4} as $order
  | {list: (map({key: "\(.host) \(.state)\(if .expires_at then " " + .expires_at[:10] else "" end)"} + .)
    | sort_by([$order[.state // "ok"], .expires_at]))}' "$work/found" | report hosts
