/** `deno run -A tests/macos/times.ts`: times common calls in the macOS lab and on Linux in turn; prints medians. */
import { type TestProfile, testProfile } from "../looop.ts";
import { startWorker } from "../workers.ts";
import { missingForLab } from "./lab.ts";

/** Runs of each call. */
const ROUNDS = 5;
/** Largest allowed ratio of the time in the lab to that on Linux. */
const BAR = 2;

/** Calls to time, in an order in which each can succeed. */
const CALLS: readonly (readonly [name: string, run: (p: TestProfile) => Promise<unknown>])[] = [
  ["up", (p) => p.okCall(["up"])],
  ["_ state", (p) => p.okCall(["_", "state", "--json"])],
  ["_ run true", (p) => p.okCall(["_", "run", "true"])],
  ["_ worker start", (p) => startWorker(p, "w", "sleep 600")],
  ["_ claim", (p) => p.okCall(["_", "claim", "task", "--session", "w"])],
  ["_ worker list", (p) => p.okCall(["_", "worker", "list"])],
  ["_ worker kill", (p) => p.okCall(["_", "worker", "kill", "w"])],
  ["down", (p) => p.okCall(["down"])],
];

async function round(on: string): Promise<number[]> {
  await using p = await testProfile({ on });
  const times: number[] = [];
  for (const [, run] of CALLS) {
    const begun = performance.now();
    await run(p);
    times.push(performance.now() - begun);
  }
  return times;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const missing = await missingForLab();
if (missing !== undefined) {
  print(`skipped: ${missing}`);
  Deno.exit(0);
}
const rounds: { linux: number[]; macos: number[] }[] = [];
for (let n = 0; n < ROUNDS; n++) rounds.push({ linux: await round("linux"), macos: await round("macos") });
let slow = 0;
print("| call | Linux, ms | lab, ms | ratio |\n|---|---|---|---|");
CALLS.forEach(([name], n) => {
  const linux = median(rounds.map((one) => one.linux[n] ?? NaN));
  const macos = median(rounds.map((one) => one.macos[n] ?? NaN));
  if (macos > BAR * linux) slow++;
  print(`| ${name} | ${linux.toFixed(0)} | ${macos.toFixed(0)} | ${(macos / linux).toFixed(2)} |`);
});
Deno.exitCode = slow > 0 ? 1 : 0;
