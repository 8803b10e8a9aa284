"""Random calendars of one event, and when it occurs by a second, independent implementation.

Usage: calendars.py SEED COUNT. Prints a line of JSON each: {ics, from, to, starts, kinds}. Needs icalendar and
recurring-ical-events (which computes rules by python-dateutil).
"""
import datetime as dt
import json
import random
import sys
import types
from zoneinfo import ZoneInfo

import dateutil.rrule

# Without this limit, a rule that fits no day would be searched until the last year that dates can hold.
dateutil.rrule.datetime = types.SimpleNamespace(
    **{name: getattr(dt, name) for name in dir(dt) if not name.startswith("_")}
)
dateutil.rrule.datetime.MAXYEAR = 2032

import icalendar  # noqa: E402
import recurring_ical_events  # noqa: E402

DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"]
rnd = random.Random(int(sys.argv[1]))


def some(values, most=3):
    values = list(values)
    return ",".join(str(value) for value in rnd.sample(values, rnd.randint(1, most)))


def one_of(chance):
    return rnd.random() < chance


def random_rule(kinds):
    freq = rnd.choice(["DAILY"] * 3 + ["WEEKLY"] * 5 + ["MONTHLY"] * 7 + ["YEARLY"] * 6)
    parts = ["FREQ=" + freq]
    if one_of(0.5):
        parts.append("INTERVAL=%d" % rnd.choice([1, 2, 2, 3, 4, 5, 7]))
    if one_of(0.25):
        parts.append("BYMONTH=" + some(range(1, 13)))
    days = freq != "WEEKLY" and one_of(0.35)
    year_days = freq == "YEARLY" and one_of(0.12)
    weeks = freq == "YEARLY" and not days and one_of(0.12)
    if days:
        parts.append("BYMONTHDAY=" + some([*range(1, 32), *range(-31, 0)]))
    if year_days:
        parts.append("BYYEARDAY=" + some([*range(1, 367), *range(-366, 0)]))
    if weeks:
        parts.append("BYWEEKNO=" + some([*range(1, 54), *range(-53, 0)]))
    if one_of(0.5):
        names = rnd.sample(DAYS, rnd.randint(1, 3))
        if freq in ("MONTHLY", "YEARLY") and not weeks and one_of(0.6):
            most = 5 if freq == "MONTHLY" or any(part.startswith("BYMONTH=") for part in parts) else 53
            numbered = [
                (str(rnd.choice([*range(1, most + 1), *range(-most, 0)])) if one_of(0.8) else "") + name
                for name in names
            ]
            if len({name[-2:] == name for name in numbered}) == 2:
                kinds.append("BYDAY with and without a number")
            names = numbered
        parts.append("BYDAY=" + ",".join(names))
    elif weeks:
        kinds.append("BYWEEKNO without BYDAY")
    if one_of(0.1):
        parts.append("BYHOUR=" + some(range(5, 24)))
    if one_of(0.15) and len(parts) > 1 and any(part.startswith("BY") for part in parts):
        parts.append("BYSETPOS=" + some([1, 2, 3, -1, -2], 2))
        if year_days or (days and any(name != name[-2:] for name in parts[-2][6:].split(","))):
            kinds.append("BYSETPOS of days that two parts limit")
        if freq == "WEEKLY":
            kinds.append("BYSETPOS in a week that began before the start")
    if one_of(0.3):
        parts.append("WKST=" + rnd.choice(DAYS))
    return ";".join(parts)


def text_of(moment):
    return moment.strftime("%Y%m%dT%H%M%S") if isinstance(moment, dt.datetime) else moment.strftime("%Y%m%d")


def starts_of(text, start, end):
    calendar = icalendar.Calendar.from_ical(text)
    # between() counts days in the event's zone, so a wider span is asked for, and the starts within it are kept.
    around = dt.timedelta(days=2)
    found = recurring_ical_events.of(calendar).between(start - around, end + around)
    starts = [event["DTSTART"].dt for event in found]
    return [moment for moment in starts if start.isoformat() <= instant(moment) < end.isoformat()]


def instant(moment):
    if not isinstance(moment, dt.datetime):
        return moment.isoformat()
    return moment.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def calendar_of(lines):
    events = "".join("BEGIN:VEVENT\r\n%s\r\nEND:VEVENT\r\n" % "\r\n".join(event) for event in lines)
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//looop//EN\r\n%sEND:VCALENDAR\r\n" % events


def random_case():
    kinds = []
    whole_days = one_of(0.25)
    zone = rnd.choice(ZONES)
    # Starts are at 5:00 or later, when no clock changes: calendar_cases.txt has the skipped times.
    start = dt.datetime(
        rnd.randint(2022, 2026), rnd.randint(1, 12), rnd.randint(1, 28), rnd.randint(5, 23), rnd.choice([0, 15, 30])
    )
    if whole_days:
        start = start.date()
    rule = random_rule(kinds)
    if whole_days and "BYHOUR" in rule:
        return None
    param = ";VALUE=DATE" if whole_days else ";TZID=" + zone
    # The event starts at the first occurrence of its rule: calendar_cases.txt has events that do not fit their rule.
    zoned = dt.time.min if whole_days else None
    base = start if not whole_days else dt.datetime.combine(start, zoned)
    first = next(iter(dateutil.rrule.rrulestr(rule, dtstart=base)), None)
    if first is None or first > base + dt.timedelta(days=900):
        return None
    start = first.date() if whole_days else first
    if one_of(0.3):
        rule += ";COUNT=%d" % rnd.randint(1, 40)
    elif one_of(0.3):
        until = first + dt.timedelta(days=rnd.randint(10, 900))
        if whole_days:
            rule += ";UNTIL=" + text_of(until.date())
        else:
            rule += ";UNTIL=" + until.replace(tzinfo=ZoneInfo(zone)).astimezone(dt.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    span = first.date() + dt.timedelta(days=rnd.randint(-10, 700))
    end = span + dt.timedelta(days=rnd.randint(20, 400))
    event = ["UID:e", "DTSTAMP:20260101T000000Z", "DTSTART%s:%s" % (param, text_of(start)), "RRULE:" + rule]
    events = [event]
    near = starts_of(calendar_of(events), span, end)
    if near and one_of(0.4):
        gone = rnd.sample(near, min(len(near), rnd.randint(1, 3)))
        event.append("EXDATE%s:%s" % (param, ",".join(text_of(moment) for moment in gone)))
        if "BYHOUR" in rule:
            kinds.append("several on the day of one that is excepted")
    if near and one_of(0.3):
        moved = rnd.choice(near)
        to = moved + dt.timedelta(days=rnd.randint(1, 9))
        events.append([
            "UID:e", "DTSTAMP:20260101T000000Z", "RECURRENCE-ID%s:%s" % (param, text_of(moved)),
            "DTSTART%s:%s" % (param, text_of(to)),
        ])
        if event[-1].startswith("EXDATE"):
            kinds.append("moved and excepted")
        if "BYHOUR" in rule:
            kinds.append("several on the day of one that moved")
    text = calendar_of(events)
    starts = sorted(instant(moment) for moment in starts_of(text, span, end))
    return {"ics": text, "from": span.isoformat(), "to": end.isoformat(), "starts": starts, "kinds": kinds}


left = int(sys.argv[2])
while left > 0:
    case = random_case()
    if case is not None:
        print(json.dumps(case))
        left -= 1
