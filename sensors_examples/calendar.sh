#!/usr/bin/env bash
# looop:summary=Calendar events (ICS) that begin soon
# looop:needs=curl,jq,date
# looop:env=CALENDAR_URL
# looop:optional=WITHIN_MINUTES,ALL_DAY
# looop:interval=60
# looop:timeout=45
CALENDAR_URL="${CALENDAR_URL:-}"
WITHIN_MINUTES="${WITHIN_MINUTES:-60}"
ALL_DAY="${ALL_DAY:-no}"

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

header() { # NAME: a header of the last answer, or nothing
  awk -v name="$1:" 'tolower($1) == name { sub(/^[^:]*:[ \t]*/, ""); sub(/\r$/, ""); value = $0 } END { print value }' \
    "$work/head"
}

encode() { jq -rn --arg text "$1" '$text | @uri'; }

# resets: when the rate limit ends, as told in seconds to wait, unix seconds or milliseconds, or as a date.
resets() {
  local name value=""
  for name in retry-after x-ratelimit-reset ratelimit-reset x-sentry-rate-limit-reset x-ratelimit-requests-reset; do
    [ -n "$value" ] || value=$(header "$name")
  done
  case $value in
    "") echo "it does not say when it resets" ;;
    *[!0-9]*) echo "resets at $value" ;;
    *)
      jq -rn --arg value "$value" '$value | tonumber
        | if . < 100000000 then now + . elif . > 100000000000 then . / 1000 else . end
        | "resets at " + (floor | todate)'
      ;;
  esac
}

limited() {
  [ "$http" = 429 ] || [ "$(header x-ratelimit-remaining)" = 0 ] || [ -n "$(header retry-after)" ] ||
    grep -qiE 'RATE_?LIMITED|secondary rate limit' "$work/body"
}

# fetch URL [HEADER...]: body to $work/body, headers to $work/head; POSTs $work/query when there is one. Whatever is not
# a good answer ends the sensor. URL and headers go to curl by stdin: secrets in them must not show in a process list.
fetch() {
  local url=$1 code=0 line
  host=${url#*://} host=${host%%[/?#]*} host=${host##*@}
  case $url in
    http://?* | https://?*) ;;
    *) fail 78 "an URL in the settings does not begin with http:// or https://" ;;
  esac
  for line in "$@"; do
    case $line in
      *[[:cntrl:]\"\\]*) fail 78 "a token or URL for \"$host\" has a quote, backslash or line break in it" ;;
    esac
  done
  shift
  : >"$work/head"
  : >"$work/body"
  http=$(
    {
      printf 'url = "%s"\n' "$url"
      for line in "$@"; do printf 'header = "%s"\n' "$line"; done
      [ ! -s "$work/query" ] || printf 'data-binary = "@%s"\nheader = "Content-Type: application/json"\n' "$work/query"
      [ -z "${follow:-}" ] || printf 'location\nmax-redirs = 5\n'
    } | curl -q -s --globoff --proto =http,https --connect-timeout 8 --max-time 20 --max-filesize 20000000 \
      -A looop-sensor -o "$work/body" -D "$work/head" -w '%{http_code}' -K - 2>/dev/null
  ) || code=$?
  case $code in
    0) ;;
    3) fail 78 "the URL for \"$host\" is malformed" ;;
    5 | 6) fail 69 "cannot resolve \"$host\": no network, or a wrong name" ;;
    7) fail 69 "cannot connect to \"$host\": no network, or it is down" ;;
    28) fail 69 "\"$host\" does not answer in time" ;;
    35 | 5[13489] | 60 | 66 | 77 | 83 | 9[01]) fail 69 "no trusted TLS connection to \"$host\"" ;;
    47) fail 65 "\"$host\" redirects in circles" ;;
    63) fail 65 "the answer of \"$host\" is larger than 20 MB" ;;
    *) fail 69 "the connection to \"$host\" broke off (curl exit $code)" ;;
  esac
  case $http in
    2??) return 0 ;;
    401) fail 77 "\"$host\" refuses the token: expired, revoked or wrong (HTTP 401)" ;;
    400 | 403 | 429)
      ! limited || fail 75 "the rate limit of \"$host\" is reached, $(resets) (HTTP $http)"
      ! grep -q AUTHENTICATION_ERROR "$work/body" || fail 77 "\"$host\" refuses the token (HTTP $http)"
      [ "$http" = 400 ] || fail 77 "\"$host\" forbids this: the token is expired or lacks a right (HTTP 403)"
      fail 78 "\"$host\" refuses the request, check the settings (HTTP 400)"
      ;;
    404 | 410) fail 78 "\"$host\" has no such thing: check the settings and what the token may see (HTTP $http)" ;;
    4??) fail 78 "\"$host\" refuses the request, check the settings (HTTP $http)" ;;
    3??) fail 78 "\"$host\" redirects elsewhere, check the URL and the login (HTTP $http)" ;;
    *) fail 69 "\"$host\" failed (HTTP $http)" ;;
  esac
}

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

number WITHIN_MINUTES
case $ALL_DAY in yes | no) ;; *) fail 78 "ALL_DAY is \"$ALL_DAY\", expected yes or no" ;; esac
# The address of a private calendar is its password: messages and readings name the host alone.
case $CALENDAR_URL in
  /*)
    host=$CALENDAR_URL
    cat "$CALENDAR_URL" >"$work/body" 2>/dev/null || fail 78 "CALENDAR_URL \"$CALENDAR_URL\" cannot be read"
    ;;
  webcal://*) follow=yes && fetch "https://${CALENDAR_URL#webcal://}" "Accept: text/calendar" ;;
  *) follow=yes && fetch "$CALENDAR_URL" "Accept: text/calendar" ;;
esac
# Present offset of every time zone that the system knows; the others are worked out from the calendar itself.
: >"$work/zones"
tr -d '\r' <"$work/body" | sed -n 's/^[A-Z-]*;.*TZID=\([A-Za-z0-9_+/-]*\)[:;].*/\1/p' | sort -u | sed -n 1,100p >"$work/tzids"
while read -r zone; do
  case $zone in "" | /*) continue ;; esac
  [ ! -f "/usr/share/zoneinfo/$zone" ] || printf '%s %s\n' "$zone" "$(TZ=$zone date +%z)" >>"$work/zones"
done <"$work/tzids"
jq -Rsc --rawfile zones "$work/zones" --arg here "$(date +%z)" --arg within "$WITHIN_MINUTES" --arg all_day "$ALL_DAY" '
  def zone_offset: capture("^(?<s>[+-])(?<h>[0-9]{2})(?<m>[0-9]{2})")
    | ((.h | tonumber) * 3600 + (.m | tonumber) * 60) * (if .s == "-" then -1 else 1 end);
  def seconds: capture("^(?<y>[0-9]{4})(?<m>[0-9]{2})(?<d>[0-9]{2})(?:T(?<h>[0-9]{2})(?<i>[0-9]{2})(?<s>[0-9]{2}))?")
    | [.y, .m, .d, .h // "0", .i // "0", .s // "0"] | map(tonumber) | .[1] -= 1 | . + [0, 0] | mktime;
  def day: . / 86400 | floor;
  def weekday: (. + 4) % 7;
  def weekday_number: {SU: 0, MO: 1, TU: 2, WE: 3, TH: 4, FR: 5, SA: 6}[.];
  def parts: . * 86400 | gmtime | {y: .[0], m: (.[1] + 1), d: .[2]};
  def month_length: parts | [.y, .m, 1, 0, 0, 0, 0, 0] | (mktime | day) - ([.[0], .[1] - 1, 1, 0, 0, 0, 0, 0] | mktime | day);
  def on_weekday($names): . as $d | parts as $p | month_length as $length
    | any($names[]; capture("^(?<n>[+-]?[0-9]+)?(?<w>[A-Z]{2})$")
        | (.w | weekday_number) == ($d | weekday) and (.n == null or ((.n | tonumber) as $n
          | if $n > 0 then (($p.d - 1) / 7 | floor) + 1 == $n else (($length - $p.d) / 7 | floor) + 1 == -$n end)));
  def on_month_day($days): parts as $p | month_length as $length
    | any($days[]; tonumber | . == $p.d or (. < 0 and $length + 1 + . == $p.d));
  def in_month($rule; $p; $first): if $rule.BYMONTH then ($rule.BYMONTH | index($p.m | tostring)) != null else $p.m == $first.m end;
  def at_position($rule): . as $d | parts as $p | month_length as $length | ($rule.BYSETPOS | map(tonumber)) as $wanted
    | [range($d - $p.d + 1; $d - $p.d + 1 + $length) | select(on_weekday($rule.BYDAY))] | . as $set | ($set | index($d)) as $i
    | any($wanted[]; . == $i + 1 or . == $i - ($set | length));
  def recurs($rule; $first): . as $d | parts as $p | ($first | parts) as $f | ($rule.INTERVAL[0] // "1" | tonumber) as $step
    | if $rule.FREQ == ["DAILY"] then ($d - $first) % $step == 0
        and (($rule.BYMONTH | not) or in_month($rule; $p; $f))
        and (if $rule.BYDAY then on_weekday($rule.BYDAY) else true end)
      elif $rule.FREQ == ["WEEKLY"] then ($rule.WKST[0] // "MO" | weekday_number) as $wkst
        | def week: . - ((weekday - $wkst + 7) % 7);
          ((($d | week) - ($first | week)) / 7) % $step == 0
          and (if $rule.BYDAY then on_weekday($rule.BYDAY) else ($d | weekday) == ($first | weekday) end)
      elif $rule.FREQ == ["MONTHLY"] or $rule.FREQ == ["YEARLY"] then
        (if $rule.FREQ == ["MONTHLY"] then ($p.y * 12 + $p.m - $f.y * 12 - $f.m) % $step == 0
           and (($rule.BYMONTH | not) or in_month($rule; $p; $f))
         else ($p.y - $f.y) % $step == 0 and in_month($rule; $p; $f) end)
        and (if $rule.BYMONTHDAY then on_month_day($rule.BYMONTHDAY) and (if $rule.BYDAY then on_weekday($rule.BYDAY) else true end)
             elif $rule.BYDAY then on_weekday($rule.BYDAY) and (if $rule.BYSETPOS then at_position($rule) else true end)
             else $p.d == $f.d end)
      else false end;
  def rule: split(";") | map(split("=") | select(length == 2) | {key: .[0], value: (.[1] | split(","))}) | from_entries;
  def understood: (.FREQ[0] | IN("DAILY", "WEEKLY", "MONTHLY", "YEARLY")) and (has("BYWEEKNO") or has("BYYEARDAY") or has("BYHOUR")
    or has("BYMINUTE") or has("BYSECOND") | not) and (.FREQ[0] != "YEARLY" or (has("BYDAY") | not) or has("BYMONTH"));
  def properties: [split("\n")[] | capture("^(?<name>[A-Z-]+)(?<params>(?:;[A-Z-]+=(?:\"[^\"]*\"|[^;:\"]*))*):(?<value>.*)$")
    | .tz = (.params | [capture(";TZID=(?<z>\"[^\"]*\"|[^;:]*)").z] | .[0] // "" | ltrimstr("\"") | rtrimstr("\""))];
  def get($name): map(select(.name == $name))[0];
  def replaced($from; $to): split($from) | join($to);
  def said: replaced("\\n"; " ") | replaced("\\N"; " ") | replaced("\\,"; ",") | replaced("\\;"; ";") | replaced("\\\\"; "\\");

  (replaced("\r"; "") | replaced("\n "; "") | replaced("\n\t"; "")) as $text
  | if ($text | test("^\\s*(\ufeff)?BEGIN:VCALENDAR")) and ($text | test("END:VCALENDAR\\s*$"))
      and ($text | split("\nBEGIN:VEVENT\n") | length) == ($text | split("\nEND:VEVENT\n") | length) then . else error("form") end
  | (now | floor) as $now | ($within | tonumber * 60) as $within
  | ([$text | split("\nBEGIN:VTIMEZONE\n")[1:][] | split("\nEND:VTIMEZONE")[0]
        | (capture("(^|\n)TZID:(?<id>[^\n]*)").id) as $id
        | [split("\nBEGIN:")[1:][] | properties
           | (get("TZOFFSETTO").value | zone_offset) as $to | (get("DTSTART").value | seconds) as $start
           | (get("RRULE").value // "" | rule) as $rule | ($now | gmtime[0]) as $year
           | if $rule.BYDAY and $rule.BYMONTH then
               ($year - 1, $year) as $y | [$y, ($rule.BYMONTH[0] | tonumber - 1), 1, 0, 0, 0, 0, 0] | (mktime | day) as $first
               | [range($first; $first + 31) | select((parts.m == ($rule.BYMONTH[0] | tonumber)) and on_weekday($rule.BYDAY))][0]
               | {at: (. * 86400 + $start % 86400), to: $to}
             else {at: $start, to: $to} end
           | select(.at <= $now + .to)]
        | select(. != []) | {key: $id, value: (max_by(.at).to)}] | from_entries) as $from_calendar
  | ($zones | split("\n") | map(split(" ") | select(length == 2) | {key: .[0], value: (.[1] | zone_offset)}) | from_entries) as $known
  | ($from_calendar + $known) as $offsets
  | ($here | zone_offset) as $local
  | def offset_of: if .value | endswith("Z") then 0 elif .tz == "" then $local else $offsets[.tz] end;
    [$text | split("\nBEGIN:VEVENT\n")[1:][] | split("\nEND:VEVENT\n")[0]
     | split("BEGIN:VALARM") | .[0] + ([.[1:][] | split("END:VALARM")[1:] | join("")] | add // "")
     | select(test("(^|\n)(RRULE|RDATE|RECURRENCE-ID)") or ((capture("(^|\n)DTSTART[^\n]*:(?<d>[0-9]{8})[^\n]*").d // error("form")) as $d
         | $d >= ($now - 172800 | strftime("%Y%m%d")) and $d <= ($now + $within + 172800 | strftime("%Y%m%d"))))
     | properties | get("DTSTART") as $start | if $start == null then error("form") else . end
     | {uid: (get("UID").value // "no uid"), title: (get("SUMMARY").value // "" | said), location: (get("LOCATION").value // "" | said),
        url: get("URL").value, status: get("STATUS").value, all_day: ($start.value | test("T") | not), start: ($start.value | seconds),
        offset: ($start | offset_of), zone: $start.tz, rule: (get("RRULE").value // "" | rule), rdate: (get("RDATE") != null),
        replaces: (get("RECURRENCE-ID") | if . then (.value | seconds) - offset_of else null end),
        except: [.[] | select(.name == "EXDATE") | . as $p | .value | split(",")[] | {value: ., tz: $p.tz}
          | {date: (.value | length == 8), at: ((.value | seconds) - (offset_of // 0))}]}] as $events
  | ($events | map(select(.replaces) | {key: "\(.uid) \(.replaces)", value: true}) | from_entries) as $replaced
  | [$events[] | select(.offset == null or ((.rdate or (.rule != {} and (.rule | understood | not)))
      and ((.rule.UNTIL[0] // "99991231" | seconds) >= $now - 86400)))] as $unclear
  | {list: ([$events[] | select(.offset != null and .status != "CANCELLED" and ($all_day == "yes" or (.all_day | not))) | . as $e
      | ($now - 600 + .offset) as $from | ($now + $within + .offset) as $to
      | (if .all_day then $from - 86400 else $from end) as $from
      | (if .rule == {} then .start
         else (.start | day) as $first
           | range($from | day; ($to | day) + 1)
           | select(. >= $first and (. == $first or recurs($e.rule; $first))) | . as $d
           | select($e.rule.COUNT == null or ($e.rule.COUNT[0] | tonumber)
               >= ([range($first; $d + 1) | select(. == $first or recurs($e.rule; $first))] | length))
           | . * 86400 + $e.start % 86400
           | select($e.rule.UNTIL == null or (. - (if $e.rule.UNTIL[0] | endswith("Z") then $e.offset else 0 end))
               <= ($e.rule.UNTIL[0] | seconds + (if length == 8 then 86399 else 0 end)))
         end) as $at
      | select($at > $from and $at <= $to) | ($at - .offset) as $begins
      | select((.rule == {}) or ($replaced["\(.uid) \($begins)"] | not))
      | select(any(.except[]; .at == $begins or (.date and (.at | day) == (($at) | day))) | not)
      | {key: "\($begins | todate) \(.uid)", title, begins_at: ($begins | todate),
         local: ($begins + $local | strftime("%a %H:%M")), all_day, location, url}]
      | sort_by(.begins_at)),
     signal: (if $unclear == [] then {} else {not_understood: ($unclear | length)} end),
     detail: {within_minutes: ($within / 60), not_understood: [$unclear[]
       | "\(.title[:40]) (\(if .offset == null then "time zone " + .zone else "recurrence" end))"]}}' \
  "$work/body" >"$work/found" 2>"$work/err" || fail 65 "unexpected answer from \"$host\": not a whole iCalendar file"
report events <"$work/found"
