/**
 * `deno run -A tests/hosts/fleet.ts [WORKERS] [QUESTIONS]`: compares a fleet on two hosts with the same fleet here. Prints
 * the time of `_ state`, of a wake by one more question, of an answer's way to its worker, and of `down`.
 */
import { testProfile } from "../looop.ts";
import { fileText, startWorker } from "../workers.ts";
import { carriers, ShHost, startThere, wire } from "./host.ts";

/** Times of one fleet, ms. */
export interface FleetTimes {
  start: number;
  state: number;
  wake: number;
  answer: number;
  down: number;
  /** Number of processes left after `down`. */
  left: number;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return Math.round(performance.now() - began);
}

/** Starts a fleet, half of it on each host or all of it here, and measures its times. */
export async function fleetTimes(workers: number, questions: number, isFar: boolean): Promise<FleetTimes> {
  await using p = await testProfile();
  await using a = await ShHost.open();
  await using b = await ShHost.open();
  wire(p, { a: { reach: a.reach }, b: { reach: b.reach } }, { interval: 5 });
  await p.ok("up");
  const ids = Array.from({ length: workers }, (_, n) => `w${n}`);
  const script = (id: string, n: number) =>
    `"$LOOOP_BIN" _ ready ${id}\n${
      n < questions ? `"$LOOOP_BIN" _ ask ${id} --prompt q\n` : ""
    }: >"$LOOOP_DATA_DIR/${id}.got"\n${
      n === workers - 1
        ? `until [ -f "$LOOOP_DATA_DIR/go" ] || [ -f "$HOME/go" ]; do sleep 0.05; done; "$LOOOP_BIN" _ ask ${id} --prompt last\n`
        : ""
    }(trap '' TERM; setsid sleep 300) &\nsleep 300\n`;
  const lanes = [0, 1, 2, 3].map((lane) =>
    ids.map((id, n) => [id, n] as const).filter(([, n]) => n % 4 === lane)
  );
  const start = await timed(() =>
    Promise.all(lanes.map(async (lane) => {
      for (const [id, n] of lane) {
        if (isFar) await startThere(p, id, n % 2 === 0 ? "a" : "b", script(id, n));
        else await startWorker(p, id, script(id, n));
      }
    }))
  );
  await p.until(
    "the questions",
    () => [...Deno.readDirSync(p.path("asks"))].filter((e) => e.isFile).length >= questions,
    60,
  );
  await p.wait("--timeout", "10");
  const states: number[] = [];
  for (let n = 0; n < 9; n++) states.push(await timed(() => p.ok("_", "state", "--json")));
  const waiting = p.wait("--timeout", "30");
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const wake = await timed(async () => {
    for (const dir of [p.profile.dir, a.home, b.home]) Deno.writeTextFileSync(`${dir}/go`, "");
    await waiting;
  });
  const answered = ids[0] ?? "";
  const got = isFar
    ? new Deno.Command("sh", {
      args: [
        "-c",
        `until ls ${a.home}/.local/state/looop-far/*/w/${answered}.*/${answered}.got >/dev/null 2>&1; do sleep 0.01; done`,
      ],
    })
    : undefined;
  const answer = await timed(async () => {
    await p.ok("_", "answer", `${answered}-1`, "yes");
    if (got !== undefined) await got.output();
    else {await p.until("the answer is there", () =>
        fileText(p, `${answered}.got`) === "" && has(p.path(`${answered}.got`)));}
  });
  const down = await timed(() => p.ok("down"));
  let left = 0;
  for (const id of ids) left += await carriers(p, id);
  return { start, state: states.sort((x, y) => x - y)[4] ?? 0, wake, answer, down, left };
}

function has(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

if (import.meta.main) {
  const [workers = 40, questions = 20] = Deno.args.map(Number);
  for (const isFar of [false, true]) {
    const line = `${isFar ? "far " : "here"} ${
      JSON.stringify(await fleetTimes(workers, questions, isFar))
    }\n`;
    Deno.stdout.writeSync(new TextEncoder().encode(line));
  }
}
