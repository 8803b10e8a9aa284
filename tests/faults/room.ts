/** Starts of workers that race for the last places of `max_workers`, which must never be exceeded. */
import { FULL, inParallel, openLab, pause, Tally } from "./lab.ts";

/** Number of starts at once, each in a process of its own. */
const WIDTH = 25;

/** Races `racers` starts for a limited number of places. */
export async function roomRaces(racers = FULL ? 200 : 20, limit = FULL ? 5 : 3): Promise<Tally> {
  const tally = new Tally("room", ["over the limit", "unclear losers", "places left empty", "left running"]);
  await using lab = await openLab();
  const p = await lab.profile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, JSON.stringify({ default: "shell", max_workers: limit }));
  await p.ok("_", "state");
  const alive = async () =>
    (await p.json("_", "worker", "list", "--json")).filter((worker: { alive: boolean }) => worker.alive)
      .length;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const count = await alive();
      tally.most("alive at once", count);
      tally.demand(count <= limit, "over the limit", `${count} alive`);
      await pause(50);
    }
  })();
  let won = 0;
  const start = async (n: number) => {
    const { code, stderr } = await p.call(["_", "worker", "start", `w${n}`], { stdin: "exec sleep 600" });
    if (code === 0) won++;
    const isClear = code === 0 || code === 1 && /as many as it may|Other workers are starting/.test(stderr);
    tally.demand(isClear, "unclear losers", `${code} ${stderr}`);
  };
  await inParallel(Array.from({ length: racers }, (_, n) => n), WIDTH, start);
  isOver = true;
  await watching;
  tally.add("racers", racers);
  tally.add("started", won);
  tally.demand(won <= limit && await alive() === won, "over the limit", `${won} started`);
  tally.demand(won === limit, "places left empty", `${won} of ${limit}`);
  await p.run("down");
  tally.add("left running", (await p.processes()).length);
  return tally;
}
