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
  printf '%s\n' "$(printf '%s' "$2" | tr '[:cntrl:]' ' ' | cut -c 1-400)" >&2
  exit "$1"
}
declared() { sed -n "s/^# looop:$1=//p" "$0" | tr ',' ' '; }
for name in $(declared needs); do command -v "$name" >/dev/null || fail 78 "\"$name\" is not installed here"; done
for name in $(declared env); do [ -n "${!name}" ] || fail 78 "$name is not set, and this sensor needs it"; done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

resets() { # when the rate limit ends; services tell it as seconds to wait, as unix time or as a date
  jq -Rrs '[splits("\r?\n") | capture("^(?:retry-after|[a-z-]*rate-?limit[a-z-]*-reset): *(?<at>.+)"; "i").at][0]
    | ((tonumber | if . < 1e8 then now + . elif . > 1e11 then . / 1000 else . end | floor | todate)? // .)
    | if . then "it resets at \(.)" else "it does not say when it resets" end' "$work/head"
}

# fetch URL HEADER...: the answer to $work/body and $work/head; the sensor ends when it is no good one. URL and headers
# go to curl by stdin: they hold secrets, and arguments show in process lists. $options: more lines for curl's settings.
fetch() {
  local limited=""
  host=${1#*://} host=${host%%[/?#]*} host=${host##*@}
  case $1 in http://?* | https://?*) ;; *) fail 78 "a URL in the settings does not begin with http(s)://" ;; esac
  case $* in *[[:cntrl:]\"\\]*) fail 78 "a token or URL for \"$host\" has a quote, backslash or line break" ;; esac
  : >"$work/body"
  http=$({ printf 'url = "%s"\n%s\n' "$1" "${options:-}" && printf 'header = "%s"\n' "${@:2}"; } |
    curl -q -sS --globoff --proto =http,https --connect-timeout 8 --max-time 20 --max-filesize 20000000 \
      -A looop-sensor -o "$work/body" -D "$work/head" -w '%{http_code}' -K - 2>"$work/error") ||
    fail 69 "no answer from \"$host\": $(sed -n 's/^curl: //p' "$work/error")"
  ! grep -qiE '^(retry-after|x-ratelimit-remaining: *0)|rate limit|rate_?limited' "$work"/{head,body} || limited=yes
  case $http$limited in
    2*) ;;
    429* | 40[03]yes) fail 75 "the rate limit of \"$host\" is reached, $(resets) (HTTP $http)" ;;
    40[13]*) fail 77 "\"$host\" refuses the token: it is wrong, expired or lacks a right (HTTP $http)" ;;
    [34]*) fail 78 "\"$host\" refuses the request, check the settings (HTTP $http)" ;;
    *) fail 69 "\"$host\" failed (HTTP $http)" ;;
  esac
}

# report NAME: {list: [{key, ...}], signal?, detail?, left?, unshown?} on stdin becomes the reading. The signal names
# the keys, the detail shows the items. What would be too long is cut and counted; the signal sums up what it cut, too.
report() {
  jq -c --arg name "$1" '
    def size: tojson | utf8bytelength;
    def sum: reduce (tojson | explode[]) as $c (7; (. * 31 + $c) % 2147483647);
    def fit($max): [foreach .[] as $x (2; . + ($x | size) + 1; select(. <= $max) | $x)];
    def tidy: walk(if type == "string" then .[:200] | gsub("\\p{Cc}"; " ") elif type == "object" then
      to_entries[:16] | from_entries elif type == "array" then .[:10] | map(.[:60]? // .) else . end);
    ([.list[].key | values | if length > 120 then .[:100] + "~\(sum)" else . end | tidy] | unique) as $keys
    | ($keys | fit(2400)) as $told | ($keys - $told) as $rest | (($rest | length) + .left) as $more
    | (.signal + {($name): $told} + if $more > 0 then {more: {count: $more, sum: ($rest | sum)}} else {} end) as $signal
    | (.detail // {} | tidy) as $detail | (7700 - ([$signal, $detail] | size)) as $room
    | ([.list[:120][] | del(.key) | tidy] | fit($room)) as $items
    | ((.list | length) - ($items | length) + .left + .unshown) as $cut | {$signal, detail: ($detail + {$items, $cut})}'
}

number() { # NAME: that setting must be a whole number
  case ${!1} in '' | *[!0-9]*) fail 78 "$1 is \"${!1}\", expected a whole number" ;; esac
}

number WITHIN_MINUTES
case $ALL_DAY in yes | no) ;; *) fail 78 "ALL_DAY is \"$ALL_DAY\", expected yes or no" ;; esac
options=location
# The address of a private calendar is its password: messages and readings name the host alone.
case $CALENDAR_URL in
  /*)
    host=$CALENDAR_URL
    cat "$CALENDAR_URL" >"$work/body" 2>/dev/null || fail 78 "CALENDAR_URL \"$CALENDAR_URL\" cannot be read"
    ;;
  webcal://*) fetch "https://${CALENDAR_URL#webcal://}" "Accept: text/calendar" ;;
  *) fetch "$CALENDAR_URL" "Accept: text/calendar" ;;
esac
# Present offset of every time zone that the system knows; the others are worked out from the calendar itself.
: >"$work/zones"
tr -d '\r' <"$work/body" | sed -n 's/^[A-Z-]*;.*TZID=\([A-Za-z0-9_+/-]*\)[:;].*/\1/p' | sort -u |
  sed -n 1,100p >"$work/tzids"
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
  def month_length: parts | [.y, .m, 1, 0, 0, 0, 0, 0]
    | (mktime | day) - ([.[0], .[1] - 1, 1, 0, 0, 0, 0, 0] | mktime | day);
  def on_weekday($names): . as $d | parts as $p | month_length as $length
    | any($names[]; capture("^(?<n>[+-]?[0-9]+)?(?<w>[A-Z]{2})$")
        | (.w | weekday_number) == ($d | weekday) and (.n == null or ((.n | tonumber) as $n
          | if $n > 0 then (($p.d - 1) / 7 | floor) + 1 == $n else (($length - $p.d) / 7 | floor) + 1 == -$n end)));
  def on_month_day($days): parts as $p | month_length as $length
    | any($days[]; tonumber | . == $p.d or (. < 0 and $length + 1 + . == $p.d));
  def in_month($rule; $p; $first):
    if $rule.BYMONTH then ($rule.BYMONTH | index($p.m | tostring)) != null else $p.m == $first.m end;
  def at_position($rule): . as $d | parts as $p | month_length as $length | ($rule.BYSETPOS | map(tonumber)) as $wanted
    | [range($d - $p.d + 1; $d - $p.d + 1 + $length) | select(on_weekday($rule.BYDAY))] | . as $set
    | ($set | index($d)) as $i
    | any($wanted[]; . == $i + 1 or . == $i - ($set | length));
  def recurs($rule; $first): . as $d | parts as $p | ($first | parts) as $f
    | ($rule.INTERVAL[0] // "1" | tonumber) as $step
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
        and (if $rule.BYMONTHDAY then on_month_day($rule.BYMONTHDAY)
               and (if $rule.BYDAY then on_weekday($rule.BYDAY) else true end)
             elif $rule.BYDAY then on_weekday($rule.BYDAY) and (if $rule.BYSETPOS then at_position($rule) else true end)
             else $p.d == $f.d end)
      else false end;
  def rule: split(";") | map(split("=") | select(length == 2) | {key: .[0], value: (.[1] | split(","))}) | from_entries;
  def understood: (.FREQ[0] | IN("DAILY", "WEEKLY", "MONTHLY", "YEARLY"))
    and (has("BYWEEKNO") or has("BYYEARDAY") or has("BYHOUR") or has("BYMINUTE") or has("BYSECOND") | not)
    and (.FREQ[0] != "YEARLY" or (has("BYDAY") | not) or has("BYMONTH"));
  def properties: [split("\n")[]
    | capture("^(?<name>[A-Z-]+)(?<params>(?:;[A-Z-]+=(?:\"[^\"]*\"|[^;:\"]*))*):(?<value>.*)$")
    | .tz = (.params | [capture(";TZID=(?<z>\"[^\"]*\"|[^;:]*)").z] | .[0] // "" | ltrimstr("\"") | rtrimstr("\""))];
  def get($name): map(select(.name == $name))[0];
  def replaced($from; $to): split($from) | join($to);
  def said: replaced("\\n"; " ") | replaced("\\N"; " ") | replaced("\\,"; ",") | replaced("\\;"; ";")
    | replaced("\\\\"; "\\");

  (replaced("\r"; "") | replaced("\n "; "") | replaced("\n\t"; "")) as $text
  | if ($text | test("^\\s*(\ufeff)?BEGIN:VCALENDAR")) and ($text | test("END:VCALENDAR\\s*$"))
      and ($text | split("\nBEGIN:VEVENT\n") | length) == ($text | split("\nEND:VEVENT\n") | length)
    then . else error("form") end
  | (now | floor) as $now | ($within | tonumber * 60) as $within
  | ([$text | split("\nBEGIN:VTIMEZONE\n")[1:][] | split("\nEND:VTIMEZONE")[0]
        | (capture("(^|\n)TZID:(?<id>[^\n]*)").id) as $id
        | [split("\nBEGIN:")[1:][] | properties
           | (get("TZOFFSETTO").value | zone_offset) as $to | (get("DTSTART").value | seconds) as $start
           | (get("RRULE").value // "" | rule) as $rule | ($now | gmtime[0]) as $year
           | if $rule.BYDAY and $rule.BYMONTH then
               ($year - 1, $year) as $y | ($rule.BYMONTH[0] | tonumber) as $month
               | ([$y, $month - 1, 1, 0, 0, 0, 0, 0] | mktime | day) as $first
               | [range($first; $first + 31) | select(parts.m == $month and on_weekday($rule.BYDAY))][0]
               | {at: (. * 86400 + $start % 86400), to: $to}
             else {at: $start, to: $to} end
           | select(.at <= $now + .to)]
        | select(. != []) | {key: $id, value: (max_by(.at).to)}] | from_entries) as $from_calendar
  | ($zones | split("\n") | map(split(" ") | select(length == 2) | {key: .[0], value: (.[1] | zone_offset)})
     | from_entries) as $known
  | ($from_calendar + $known) as $offsets
  | ($here | zone_offset) as $local
  | def offset_of: if .value | endswith("Z") then 0 elif .tz == "" then $local else $offsets[.tz] end;
    [$text | split("\nBEGIN:VEVENT\n")[1:][] | split("\nEND:VEVENT\n")[0]
     | split("BEGIN:VALARM") | .[0] + ([.[1:][] | split("END:VALARM")[1:] | join("")] | add // "")
     | select(test("(^|\n)(RRULE|RDATE|RECURRENCE-ID)")
         or ((capture("(^|\n)DTSTART[^\n]*:(?<d>[0-9]{8})[^\n]*").d // error("form")) as $d
         | $d >= ($now - 172800 | strftime("%Y%m%d")) and $d <= ($now + $within + 172800 | strftime("%Y%m%d"))))
     | properties | get("DTSTART") as $start | if $start == null then error("form") else . end
     | {uid: (get("UID").value // "no uid"), title: (get("SUMMARY").value // "" | said),
        location: (get("LOCATION").value // "" | said), url: get("URL").value, status: get("STATUS").value,
        all_day: ($start.value | test("T") | not), start: ($start.value | seconds), offset: ($start | offset_of),
        zone: $start.tz, rule: (get("RRULE").value // "" | rule), rdate: (get("RDATE") != null),
        replaces: (get("RECURRENCE-ID") | if . then (.value | seconds) - offset_of else null end),
        except: [.[] | select(.name == "EXDATE") | . as $p | .value | split(",")[] | {value: ., tz: $p.tz}
          | {date: (.value | length == 8), at: ((.value | seconds) - (offset_of // 0))}]}] as $events
  | ($events | map(select(.replaces) | {key: "\(.uid) \(.replaces)", value: true}) | from_entries) as $replaced
  | [$events[] | select(.offset == null or ((.rdate or (.rule != {} and (.rule | understood | not)))
      and ((.rule.UNTIL[0] // "99991231" | seconds) >= $now - 86400)))] as $unclear
  | {list: ([$events[] | . as $e
      | select(.offset != null and .status != "CANCELLED" and ($all_day == "yes" or (.all_day | not)))
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
