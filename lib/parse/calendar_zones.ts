/** The time zones of one calendar: those it defines, those it names, and the one for times without a zone. */
import { type Bad, NotUnderstood } from "./bad.ts";
import { type Component, type Property, propertyOf, textOf } from "./calendar_lines.ts";
import { offsetOf, parseMoment, type ZoneLookup } from "./calendar_values.ts";
import { occurrencesOf, parseRule } from "./recurrence.ts";
import {
  DAY_MS,
  findZone,
  ianaZone,
  instantOf,
  localZone,
  type Transition,
  UTC,
  type Zone,
  zoneOfTransitions,
} from "./zones.ts";

/**
 * How to find a calendar's zones. Times without a zone are in `local`, else in the zone that the calendar names as
 * its own (`X-WR-TIMEZONE`), else in this machine's.
 *
 * The clock changes of zones that the calendar defines are computed up to `until` (ms).
 */
export async function zonesOf(
  calendar: Component,
  local: Zone | undefined,
  until: number,
  bad: Bad[],
): Promise<ZoneLookup> {
  const own = ownZones(calendar, until, bad);
  const known = new Map<string, Zone | undefined>();
  const windows = await windowsZones(calendar, own);
  const byId = (tzid: string) => {
    const id = plainId(tzid);
    if (!known.has(id)) known.set(id, findZone(id, own, windows));
    return known.get(id);
  };
  const named = textOf(propertyOf(calendar, "X-WR-TIMEZONE"));
  return { byId, local: local ?? (named === "" ? undefined : byId(named)) ?? localZone() };
}

/** A zone's id in one form for definitions and parameters, which escape and quote it differently. */
function plainId(tzid: string): string {
  return tzid.replace(/["\\]/g, "").trim();
}

/** Windows' zone names, loaded only when the calendar has an id that is nothing else. */
async function windowsZones(calendar: Component, own: ReadonlyMap<string, Zone>) {
  const ids = new Set(
    calendar.components.flatMap(({ properties }) => properties.flatMap(({ params }) => params["TZID"] ?? [])),
  );
  if ([...ids].every((id) => findZone(plainId(id), own, () => undefined) !== undefined)) {
    return () => undefined;
  }
  const { findIana } = await import("windows-iana");
  return (name: string) => findIana(name)[0];
}

function ownZones(calendar: Component, until: number, bad: Bad[]): Map<string, Zone> {
  const zones = new Map<string, Zone>();
  for (const definition of calendar.components.filter(({ name }) => name === "VTIMEZONE")) {
    const id = plainId(textOf(propertyOf(definition, "TZID")));
    try {
      const transitions = definition.components.flatMap((observance) => transitionsOf(observance, until));
      if (transitions.length === 0) throw new NotUnderstood("has no STANDARD or DAYLIGHT");
      zones.set(id, zoneOfTransitions(id, transitions));
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error;
      const location = ianaZone(textOf(propertyOf(definition, "X-LIC-LOCATION")));
      if (location !== undefined) zones.set(id, location);
      else bad.push({ line: definition.line, reason: `time zone "${id}": ${error.message}` });
    }
  }
  return zones;
}

/** The times at which the clocks change to one observance (`STANDARD` or `DAYLIGHT`) of a zone. */
function transitionsOf(observance: Component, until: number): Transition[] {
  const from = offsetOf(propertyOf(observance, "TZOFFSETFROM")?.value ?? "");
  const to = offsetOf(propertyOf(observance, "TZOFFSETTO")?.value ?? "");
  const before: Zone = { name: "", offsetAt: () => from };
  const zones: ZoneLookup = { local: before, byId: () => before };
  const start = propertyOf(observance, "DTSTART");
  if (start === undefined) throw new NotUnderstood(`${observance.name} has no DTSTART`);
  const moment = parseMoment(start.value, {}, zones);
  const walls = [moment.zone === UTC ? moment.wall + from : moment.wall];
  for (const property of observance.properties) {
    if (property.name === "RDATE") walls.push(...rdates(property, zones, from));
    if (property.name === "RRULE") walls.push(...onsets(property, walls[0]!, until, zones));
  }
  return walls.map((wall) => ({ at: wall - from, from, to }));
}

function rdates({ value }: Property, zones: ZoneLookup, from: number): number[] {
  return value.split(",").map((text) => {
    const { wall, zone } = parseMoment(text.split("/")[0]!, {}, zones);
    return zone === UTC ? wall + from : wall;
  });
}

function onsets({ value }: Property, start: number, until: number, zones: ZoneLookup): number[] {
  const rule = parseRule(value);
  const last = rule.until === undefined ? undefined : parseMoment(rule.until, {}, zones);
  const end = last === undefined
    ? until
    : instantOf(last.wall, last.zone).instant + (last.isDate ? DAY_MS - 1 : 0);
  return occurrencesOf(rule, start, start, until + DAY_MS, () => false)
    .filter((wall) => wall - zones.local.offsetAt(0) <= end);
}
