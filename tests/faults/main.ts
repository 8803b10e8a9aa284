/**
 * The fault harness: tries to break looop's promises and prints one line of counts per part.
 *
 * `deno task faults [part …]` tries everything; with `LOOOP_FAULTS=ci` a sample that fits the gate. It needs the
 * compiled binary (`LOOOP_UNDER_TEST`, else dist/looop). Exit 1 when a count that must be zero is not.
 */
import type { Tally } from "./lab.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PARTS: Readonly<Record<string, () => Promise<Tally>>> = {
  kills: () => import("./kill_matrix.ts").then((m) => m.killMatrix()),
  errors: () => import("./error_injection.ts").then((m) => m.errorInjection()),
  mailbox: () => import("./mailbox_torture.ts").then((m) => m.mailboxTorture()),
  life: () => import("./life_and_death.ts").then((m) => m.lifeAndDeath()),
  races: () => import("./races.ts").then((m) => m.races()),
  time: () => import("./time.ts").then((m) => m.time()),
  watches: () => import("./no_watches.ts").then((m) => m.noWatches()),
  power: () => import("./power.ts").then((m) => m.power()),
  planted: () => import("./planted.ts").then((m) => m.planted()),
  tells: () => import("./tells.ts").then((m) => m.tellsTorture()),
  room: () => import("./room.ts").then((m) => m.roomRaces()),
  hostile: () => import("./hostile.ts").then((m) => m.hostile()),
  surroundings: () => import("./surroundings.ts").then((m) => m.surroundings()),
  hosts: () => import("./hosts.ts").then((m) => m.hosts()),
  gate: () => import("./gate.ts").then((m) => m.gate()),
  whole: () => import("./whole.ts").then((m) => m.whole()),
  calendars: () => import("./calendars.ts").then((m) => m.calendars()),
};

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (!Deno.env.get("LOOOP_UNDER_TEST")) Deno.env.set("LOOOP_UNDER_TEST", `${ROOT}dist/looop`);
const chosen = Deno.args.length > 0 ? Deno.args : Object.keys(PARTS);
let failed = false;
for (const name of chosen) {
  const part = PARTS[name];
  if (part === undefined) {
    say(`unknown part "${name}"; parts: ${Object.keys(PARTS).join(", ")}`);
    Deno.exit(2);
  }
  const started = performance.now();
  const tally = await part();
  failed ||= tally.failed;
  say(`${tally} (${((performance.now() - started) / 1000).toFixed(0)} s)`);
}
Deno.exit(failed ? 1 : 0);
