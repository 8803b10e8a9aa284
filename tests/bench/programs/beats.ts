/**
 * The real pulse on a clock that runs 20 times faster, so that a thousand one-second beats fit into a benchmark.
 * looop itself is unchanged and does not know of it: only this program's own clock and timers run faster.
 *
 * Arguments: data dir, number of beats. Prints a `BEAT` line at a twentieth, at a fifth and at the end of the beats, and
 * then waits for a line on stdin, so that the caller can look at the process. With `sleep` as its only argument it sleeps
 * for ever: it then only shares the program's pages, as a blocked `_ wait` shares the pulse's.
 */
import { profileAt } from "../../../lib/paths.ts";
import { ownIdentity } from "../../../lib/process/identity.ts";
import { openProfile } from "../../../lib/records/profile.ts";
import { Pulse } from "../../../lib/pulse/pulse.ts";
import { makeUpkeep } from "../../../lib/pulse/upkeep.ts";

if (Deno.args[0] === "sleep") await new Promise(() => setInterval(() => {}, 60_000));

const SPEED = 20;
const realNow = performance.now.bind(performance);
const realTimeout = globalThis.setTimeout;
performance.now = () => realNow() * SPEED;
globalThis.setTimeout =
  ((run: () => void, ms = 0, ...args: unknown[]) =>
    realTimeout(run, ms / SPEED, ...args as [])) as typeof setTimeout;

const dir = Deno.args[0] ?? "";
const beats = Number(Deno.args[1]);
const stops = new Set([Math.ceil(beats / 20), Math.ceil(beats / 5), beats]);
const stop = new AbortController();
const profile = profileAt(dir);
openProfile(profile);

let beat = 0;
const pulse = new Pulse({
  profile,
  identity: await ownIdentity(),
  version: "bench",
  bin: "/bin/true",
  exe: "",
  env: { ...Deno.env.toObject(), LOOOP_INTERVAL: "1" },
  jsonLog: true,
  log: (line) => {
    if (JSON.parse(line).event !== "sense") return;
    beat++;
    if (!stops.has(beat)) return;
    Deno.stdout.writeSync(new TextEncoder().encode(`BEAT ${beat}\n`));
    Deno.stdin.readSync(new Uint8Array(1));
    if (beat === beats) stop.abort();
  },
  now: () => Date.now(),
  parse: () => Promise.reject(new Error("nobody calls")),
  holdsLock: () => true,
  stop: stop.signal,
}, makeUpkeep());
await pulse.run();
