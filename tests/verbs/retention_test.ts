import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { identityOf } from "../../lib/process/identity.ts";
import { type Profile, profileAt } from "../../lib/paths.ts";
import { openProfile } from "../../lib/records/profile.ts";
import { look, stateOf } from "../../lib/world/state.ts";
import { statOf } from "../../lib/store.ts";
import { applyRetention, boundOutputs, RETENTION } from "../../lib/pulse/retention.ts";
import { type TestProfile, testProfile } from "../looop.ts";

const NOW = Date.now();
const DAY = 86_400;
const TTL = 3 * DAY;
const BLOCK = 4096;

/** Writes a file that is `ageS` seconds old. */
function put(path: string, text: string, ageS = 0): void {
  Deno.writeTextFileSync(path, text);
  const at = new Date(NOW - ageS * 1000);
  Deno.utimeSync(path, at, at);
}

/** Writes a run that ended `agoS` seconds ago, or still runs. Its `bytes` of output are a hole and use no disk space. */
function putSession(profile: Profile, name: string, agoS: number | undefined, bytes: number, sup = ""): void {
  const dir = `${profile.sessions}/${name}`;
  const started = Math.floor(NOW / 1000) - (agoS ?? 0) - 900;
  Deno.mkdirSync(dir);
  const meta = {
    v: 1,
    id: name.split("~")[0],
    gen: name,
    cmd: [],
    babysit_pid: 0,
    started_at: started,
    runner: "pi",
  };
  put(`${dir}/meta.json`, JSON.stringify(meta), agoS);
  put(`${dir}/output.log`, "", agoS);
  Deno.truncateSync(`${dir}/output.log`, bytes);
  put(`${dir}/ready`, "", agoS);
  if (sup !== "") put(`${dir}/sup`, sup);
  const status = agoS === undefined
    ? { state: "running", child_pid: 1, exit_code: null, last_change: started }
    : { state: "exited", child_pid: 1, exit_code: 0, last_change: started + 900, ended_by: "self" };
  put(`${dir}/status.json`, JSON.stringify(status), agoS);
  if (!name.includes("~")) put(`${profile.prompts}/${name}.md`, "do it\n".repeat(500), agoS);
}

/** Size of a tree, bytes, in whole blocks; holes count as if they were full. */
function spaceOf(dir: string): number {
  let sum = BLOCK;
  for (const { name, isDirectory } of Deno.readDirSync(dir)) {
    const path = `${dir}/${name}`;
    sum += isDirectory ? spaceOf(path) : Math.ceil(Deno.lstatSync(path).size / BLOCK) * BLOCK;
  }
  return sum;
}

function namesIn(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

/** Writes the files of ninety days of 50 workers a day and a beat every 10 s. */
function putNinetyDays(profile: Profile): void {
  for (let day = 90; day >= 1; day--) {
    const ago = day * DAY - DAY / 2;
    const month = new Date(NOW - ago * 1000).toISOString().slice(0, 7);
    Deno.mkdirSync(`${profile.asksArchive}/${month}`, { recursive: true });
    Deno.mkdirSync(profile.journalHistory, { recursive: true });
    for (let n = 0; n < 49; n++) {
      const id = `d${day}-w${n}`;
      putSession(profile, id, ago + n, n % 10 === 0 ? 10_400_000 : 700_000);
      for (let ask = 1; ask <= 1 + n % 2; ask++) {
        const file = `${profile.asksArchive}/${month}/${id}-${ask}`;
        Deno.writeTextFileSync(
          `${file}.json`,
          JSON.stringify({ v: 1, id: `${id}-${ask}`, prompt: "?".repeat(300) }),
        );
        Deno.writeTextFileSync(`${file}.answer.json`, JSON.stringify({ v: 1, answer: "yes" }));
      }
    }
    putSession(profile, day === 1 ? "daily" : `daily~${91 - day}`, ago, 700_000);
    Deno.writeTextFileSync(`${profile.journalHistory}/${month}.md`, "- 2026-01-01 00:00 move\n".repeat(400), {
      append: true,
    });
    put(`${profile.reports}/d${day}.md`, "done\n", ago);
  }
  Deno.mkdirSync(`${profile.sessions}/pulse`);
  put(`${profile.sessions}/pulse/output.log`, "[00:00:00] · sensed 5 in 0.1 s\n".repeat(100));
  // 777,600 beats of about 60 bytes each.
  Deno.truncateSync(`${profile.sessions}/pulse/output.log`, 47_000_000);
  put(
    profile.cost,
    `${JSON.stringify({ ts: "2026-01-01T00:00:00Z", kind: "worker", cost_usd: 1 })}\n`.repeat(4500),
  );
}

/** A profile in memory if possible, since about 30,000 files are made and removed. The binary may not read there. */
async function withRoomyProfile(work: (profile: Profile) => Promise<void>): Promise<void> {
  const shm = exists("/dev/shm") ? { dir: "/dev/shm" } : {};
  const base = await Deno.makeTempDir({ ...shm, prefix: "looop test " });
  try {
    const profile = profileAt(`${base}/data dir`);
    openProfile(profile);
    await work(profile);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

async function opened(p: TestProfile): Promise<Profile> {
  await p.ok("_", "playbook", "write", "x");
  return p.profile;
}

Deno.test("given what ninety days of use leave, when retention passes, then the profile is below 200 MB and everything that must stay is there", () =>
  withRoomyProfile(async (profile) => {
    putNinetyDays(profile);
    // A living supervisor.
    await using child = new Deno.Command("sleep", { args: ["600"] }).spawn();
    const sup = await identityOf(child.pid);
    ok(sup !== undefined);
    putSession(
      profile,
      "living",
      undefined,
      30_000_000,
      `${sup.pid} ${sup.start.replaceAll(" ", "_")} ${sup.boot}`,
    );
    Deno.mkdirSync(`${profile.sessions}/odd`);
    put(`${profile.sessions}/odd/meta.json`, '{"v":1,', 80 * DAY);
    ok(spaceOf(profile.dir) > 5_000_000_000, "the files that were left are many");
    const months = namesIn(profile.asksArchive).map((month) =>
      namesIn(`${profile.asksArchive}/${month}`).length
    );
    const journal = namesIn(profile.journalHistory).map((name) =>
      statOf(`${profile.journalHistory}/${name}`)?.size
    );

    boundOutputs(profile, ["living"]);
    const { removed, bad } = await applyRetention(profile, TTL, NOW);

    const space = spaceOf(profile.dir);
    ok(space < 200_000_000, `${space} bytes are left`);
    ok(removed.length > 4000);
    deepStrictEqual(bad, [{
      path: `${profile.sessions}/odd`,
      reason: "meta.json is missing or not readable",
    }]);
    strictEqual(Deno.readTextFileSync(`${profile.sessions}/odd/meta.json`), '{"v":1,');
    const sessions = namesIn(profile.sessions);
    for (const day of [1, 2, 3]) {
      const kept = sessions.filter((name) => name.startsWith(`d${day}-`));
      strictEqual(kept.length, 49, `all of ${day - 1} days ago`);
      ok(kept.every((name) => namesIn(profile.prompts).includes(`${name}.md`)), "with their prompts");
    }
    for (const name of ["daily", "daily~88", "daily~89", "living", "pulse"]) {
      ok(sessions.includes(name), name);
    }
    ok(!sessions.includes("daily~87"), "the fourth last run of an id that ended long ago");
    ok(!sessions.includes("d90-w0") && !namesIn(profile.prompts).includes("d90-w0.md"));
    const workers = sessions.filter((name) => /^(d|daily)/.test(name));
    ok(workers.length <= 3 * 50 + RETENTION.runsKeptInAll, `${workers.length} ended runs`);
    deepStrictEqual(namesIn(profile.reports).length, 90);
    deepStrictEqual(
      namesIn(profile.asksArchive).map((month) => namesIn(`${profile.asksArchive}/${month}`).length),
      months,
    );
    deepStrictEqual(
      namesIn(profile.journalHistory).map((name) => statOf(`${profile.journalHistory}/${name}`)?.size),
      journal,
    );

    // A second pass finds nothing to do.
    deepStrictEqual((await applyRetention(profile, TTL, NOW)).removed, []);
    strictEqual(spaceOf(profile.dir), space);
    const state = await stateOf(await look(profile, NOW));
    strictEqual((state["journal_tail"] as string[]).length, 20);
    ok((state["workers"] as unknown[]).length <= 251);
  }));

Deno.test("given small left-overs of every age, when retention passes, then the old ones go and the young ones stay", async () => {
  await using p = await testProfile();
  const profile = await opened(p);
  await p.okCall(["_", "goal", "write", "g"], { stdin: "one\n" });
  await p.okCall(["_", "goal", "write", "g"], { stdin: "two\n" });
  await p.okCall(["_", "goal", "write", "h"], { stdin: "one\n" });
  await p.okCall(["_", "goal", "write", "h"], { stdin: "two\n" });
  await p.ok("_", "goal", "archive", "h");
  const old = 91 * DAY;
  for (const [name, ageS] of [["goal-g", old], ["goal-h", old]] as const) age(p.path(`.undo/${name}`), ageS);
  Deno.mkdirSync(p.path(".undo/history/goal-g"), { recursive: true });
  Deno.mkdirSync(p.path(".wal/interrupted"), { recursive: true });
  Deno.mkdirSync(p.path("sessions/pulse"), { recursive: true });
  const files: [string, number, boolean][] = [
    [".undo/history/goal-g/2026-01-01", old, false],
    [".undo/history/goal-g/2026-04-01", DAY, true],
    [".cursors/gone.json", old, false],
    [".cursors/hand.json", 80 * DAY, true],
    ["goals/.g.md.tmp-1-abc", 2 * DAY, false],
    [".wal/.x.json.tmp-1-abc", 2 * DAY, false],
    ["goals/.h.md.tmp-1-abc", 60, true],
    ["goals/.keep", old, true],
    ["sessions/pulse/output.1.log", old, false],
    ["sessions/pulse/output.head.log", DAY, true],
    ["prompts/orphan.md", 10 * DAY, false],
    ["prompts/coming.md", 60, true],
    ["prompts/notes.txt", old, true],
    [".wal/interrupted/run-old.json", old, false],
    [".wal/interrupted/run-told.json", 2 * DAY, false],
    [".wal/interrupted/run-untold.json", 2 * DAY, true],
    ["reports/old.md", 1000 * DAY, true],
  ];
  for (const [name, ageS] of files) put(p.path(name), "{}", ageS);
  put(p.path(".cursors/hand.json"), '{"alerts":["interrupted/run-told"]}', 80 * DAY);
  for (const [name, ageS] of [["sessions/.new-a-1", 2 * DAY], ["sessions/.new-b-1", 60]] as const) {
    Deno.mkdirSync(p.path(name));
    age(p.path(name), ageS);
  }
  await applyRetention(profile, TTL, NOW);
  for (const [name, , stays] of files) strictEqual(exists(p.path(name)), stays, name);
  strictEqual(exists(p.path(".undo/goal-g")), true, "its goal is there: an undo may want it");
  strictEqual(exists(p.path(".undo/goal-h")), false, "its goal is gone");
  strictEqual(exists(p.path("sessions/.new-a-1")), false);
  strictEqual(exists(p.path("sessions/.new-b-1")), true);
});

Deno.test("given a running pulse and a session long ended, when it beats, then the session goes and nobody is woken", async () => {
  await using p = await testProfile();
  const profile = await opened(p);
  for (const n of [1, 2, 3, 4]) putSession(profile, `w~${n}`, 10 * DAY - n, 1000);
  putSession(profile, "w", 5 * DAY, 1000);
  await p.ok("up");
  await p.until("removed", () => !exists(p.path("sessions/w~1")) && !exists(p.path("sessions/w~2")));
  deepStrictEqual(
    namesIn(profile.sessions),
    [".lock", "pulse", "w", "w~3", "w~4"].filter((name) => exists(p.path(`sessions/${name}`))),
  );
  await p.wait();
  strictEqual((await p.wait("--timeout", "0.1")).timed_out, true);
  match(p.read("sessions/pulse/output.log"), /removed 2 ended sessions/);
});

Deno.test("given a worker that prints more than 10 MB, when no beat is due, then its log is rotated all the same and goes on", async () => {
  await using p = await testProfile();
  await p.okCall(["up"], { env: { LOOOP_INTERVAL: "600" } });
  const brief = `"$LOOOP_BIN" _ ready big
printf 'the beginning\\n'
head -c 11000000 /dev/zero | tr '\\0' x
echo
while [ ! -e "$LOOOP_DATA_DIR/reports/go" ]; do sleep 0.05; done
echo 'after the rotation'
sleep 600`;
  await p.okCall(["_", "worker", "start", "big", "--runner", "shell"], { stdin: brief });
  const dir = p.path("sessions/big");
  await p.until(
    "put aside",
    () => exists(`${dir}/output.1.log`) && Deno.statSync(`${dir}/output.log`).size === 0,
  );
  strictEqual(Deno.statSync(`${dir}/output.head.log`).size, 65536);
  ok(Deno.readTextFileSync(`${dir}/output.head.log`).includes("the beginning"));
  const aside = Deno.statSync(`${dir}/output.1.log`).size;
  ok(aside > 1_000_000 && aside <= 10 * 1024 * 1024, `${aside}`);
  Deno.writeTextFileSync(p.path("reports/go"), "");
  await p.until(
    "it goes on",
    () => Deno.readTextFileSync(`${dir}/output.log`).includes("after the rotation"),
  );
  ok(Deno.statSync(`${dir}/output.log`).size < 100, "the writer appends: no hole in front");
  const log = await p.ok("_", "worker", "log", "big", "-n", "3");
  match(log, /xxx\n.*after the rotation/s);
});

function age(path: string, ageS: number): void {
  const at = new Date(NOW - ageS * 1000);
  Deno.utimeSync(path, at, at);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
