/**
 * Writes a profile as many days of work leave it: 50 workers a day, most of which ask, 20 schedules, sensors whose signals
 * change now and then, and every 90th worker one that prints a gigabyte. Retention runs after each day, as in the
 * pulse. Equal days give an equal profile; nothing in it runs.
 */
import type { Profile } from "../lib/paths.ts";
import { applyRetention } from "../lib/pulse/retention.ts";
import { rotateOutput } from "../lib/sessions/output_log.ts";

const DAY_MS = 86_400_000;
const WORKERS_A_DAY = 50;
const SENSORS = 8;
const SESSION_TTL_S = 3 * 86_400;
/** One worker in this many prints a gigabyte. */
const LOUD_EVERY = 90;

/** Random numbers from 0 to 1, the same each time (mulberry32). */
function dice(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Lines with their times, to be sorted and written into one file a month. */
type Lines = [number, string][];

const iso = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/**
 * Writes it into the profile's folder, which must not exist yet. Its last day ends now.
 *
 * @param sessionDays Days of which sessions are written, and retention passes, at most.
 */
export async function writeMonths(
  profile: Profile,
  days: number,
  { nowMs = Date.now(), sessionDays = 6 }: { nowMs?: number; sessionDays?: number } = {},
): Promise<void> {
  const random = dice(1);
  const events: Lines = [];
  const journal: Lines = [];
  const cost: Lines = [];
  makeFolders(profile);
  for (let day = 0; day < days; day++) {
    const from = nowMs - (days - day) * DAY_MS;
    for (let n = 0; n < WORKERS_A_DAY; n++) {
      const id = `task-${day}-${n}`;
      const start = from + Math.floor(random() * DAY_MS);
      const end = Math.min(nowMs - 1000, start + Math.floor(-4_000_000 * Math.log(1 - random())));
      const runner = ["pi", "claude", "codex"][Math.floor(random() * 3)] ?? "pi";
      const [state, by] = random() < 0.85
        ? ["exited", "self"]
        : random() < 0.7
        ? ["killed", "root"]
        : ["lost", "crash"];
      events.push([
        start,
        JSON.stringify({ ts: iso(start), event: "worker_started", id, runner, by: "root" }),
      ]);
      const over = { ts: iso(end), event: "worker_ended", id, state, exit_code: 0, ended_by: by };
      events.push([end, JSON.stringify(over)]);
      journal.push([start, `- ${local(start)} start-worker ${id} (${runner}) [root]`]);
      const usd = Math.round(-3333 * Math.log(1 - random())) / 10_000;
      const row = costRow(end, id, runner, usd, random() < 0.7);
      cost.push([end, row]);
      if (random() < 0.6) {
        writeAsk(profile, id, start + 60_000, start + 60_000 + random() * 2_000_000, journal);
      }
      if (day >= days - sessionDays) {
        const isLoud = (day * WORKERS_A_DAY + n) % LOUD_EVERY === 0;
        writeSession(profile, { id, runner, row, start, end, isLoud });
      }
    }
    for (let n = 0; n < SENSORS * 24; n++) {
      const at = from + Math.floor(random() * DAY_MS);
      events.push([at, JSON.stringify({ ts: iso(at), event: "signal_changed", id: `s${n % SENSORS}` })]);
    }
    if (day >= days - sessionDays) await applyRetention(profile, SESSION_TTL_S, from + DAY_MS);
  }
  writeByMonth(profile.events, profile.eventsHistory, ".jsonl", events);
  writeByMonth(profile.journal, profile.journalHistory, ".md", journal);
  Deno.writeTextFileSync(profile.cost, textOf(cost));
  writePolicy(profile, nowMs);
}

function makeFolders(profile: Profile): void {
  const { goals, sensors, schedules, answers, sessions, prompts, asksArchive } = profile;
  for (const dir of [goals, sensors, schedules, answers, sessions, prompts, asksArchive]) {
    Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
  }
  Deno.chmodSync(profile.dir, 0o700);
}

function local(ms: number): string {
  return new Date(ms).toLocaleString("sv-SE").slice(0, 16);
}

function textOf(lines: Lines): string {
  return lines.sort(([a], [b]) => a - b).map(([, line]) => `${line}\n`).join("");
}

function writeByMonth(path: string, history: string, suffix: string, lines: Lines): void {
  const months = Map.groupBy(lines, ([at]) => local(at).slice(0, 7));
  const last = [...months.keys()].sort().at(-1);
  Deno.mkdirSync(history, { recursive: true });
  for (const [month, ofMonth] of months) {
    const file = month === last ? path : `${history}/${month}${suffix}`;
    Deno.writeTextFileSync(file, textOf(ofMonth));
    const at = new Date(ofMonth.at(-1)?.[0] ?? 0);
    Deno.utimeSync(file, at, at);
  }
}

function writeAsk(
  profile: Profile,
  worker: string,
  askedMs: number,
  answeredMs: number,
  journal: Lines,
): void {
  const dir = `${profile.asksArchive}/${new Date(answeredMs).toISOString().slice(0, 7)}`;
  Deno.mkdirSync(dir, { recursive: true });
  const id = `${worker}-1`;
  const ask = {
    v: 1,
    id,
    worker,
    prompt: "Merge it?\nAll tests pass.",
    ts: Math.floor(askedMs / 1000),
    gen: "x",
  };
  const answer = {
    v: 1,
    answer: "yes",
    ts: Math.floor(answeredMs / 1000),
    outcome: "answered",
    by: "root:pi",
  };
  Deno.writeTextFileSync(`${dir}/${id}.json`, JSON.stringify(ask, null, 2));
  const reply = `${dir}/${id}.answer.json`;
  Deno.writeTextFileSync(reply, JSON.stringify(answer, null, 2));
  Deno.utimeSync(reply, answeredMs / 1000, answeredMs / 1000);
  journal.push([answeredMs, `- ${local(answeredMs)} answer ${id}: yes [root]`]);
}

/** A row as the pulse writes it from an agent's record, or as a worker reports it. */
function costRow(end: number, id: string, runner: string, usd: number, isOfRunner: boolean): string {
  const row = { ts: iso(end), kind: "session", id, runner, cost_usd: usd };
  const tokens = { input: 4_000, output: 2_000, cache_read: 90_000, cache_write: 8_000 };
  return JSON.stringify(isOfRunner ? { v: 1, ...row, source: "runner", tokens, gen: id } : { v: 1, ...row });
}

interface Run {
  id: string;
  runner: string;
  row: string;
  /** Unix ms. */
  start: number;
  end: number;
  isLoud: boolean;
}

/** Writes the files that an ended worker leaves. */
function writeSession(profile: Profile, { id, runner, row, start, end, isLoud }: Run): void {
  const dir = `${profile.sessions}/${id}`;
  Deno.mkdirSync(dir);
  const put = (name: string, text: string) => Deno.writeTextFileSync(`${dir}/${name}`, text);
  const meta = { v: 1, id, gen: id, cmd: [], babysit_pid: 0, started_at: start / 1000, runner, cwd: "/" };
  put("meta.json", JSON.stringify(meta));
  const ended = { state: "exited", child_pid: null, exit_code: 0, last_change: end / 1000, ended_by: "self" };
  put("status.json", JSON.stringify(ended));
  const sessions = [{ cli: runner, id, records: "/nowhere" }];
  put(
    "agent.json",
    JSON.stringify({ v: 1, preset: runner, template: runner, env: {}, sessions, counted: {} }),
  );
  put("spend.json", JSON.stringify({ v: 1, line: row, counted: {}, done: true }));
  for (const name of ["ready", "sup", "program", "lock"]) put(name, "");
  put("output.log", "working\n".repeat(2_000));
  if (isLoud) {
    // A hole takes no time to write.
    Deno.truncateSync(`${dir}/output.log`, 1e9);
    rotateOutput(dir);
  }
  const prompt = `${profile.prompts}/${id}.md`;
  Deno.writeTextFileSync(prompt, "do it\n".repeat(200));
  const files = Array.from(Deno.readDirSync(dir), ({ name }) => `${dir}/${name}`);
  for (const path of [...files, prompt]) Deno.utimeSync(path, new Date(end), new Date(end));
}

function writePolicy(profile: Profile, nowMs: number): void {
  const seconds = Math.floor(nowMs / 1000);
  const goals = ["ship", "docs", "flaky-tests"];
  for (const id of goals) Deno.writeTextFileSync(`${profile.goals}/${id}.md`, `# Reach ${id}\n`);
  const activity = Object.fromEntries(goals.map((id, n) => [id, seconds - n * 7_000]));
  Deno.writeTextFileSync(profile.goalActivity, JSON.stringify(activity));
  for (let n = 0; n < 20; n++) {
    const text = `when: every 24h from 2026-01-01T${
      String(n).padStart(2, "0")
    }:00 Europe/Berlin\nlook at it\n`;
    Deno.writeTextFileSync(`${profile.schedules}/daily-${n}.md`, text);
  }
  for (let n = 0; n < SENSORS; n++) {
    const path = `${profile.sensors}/s${n}.sh`;
    Deno.writeTextFileSync(path, `#!/bin/sh\necho '{"signal":{"n":${n}}}'\n`);
    Deno.chmodSync(path, 0o755);
  }
  Deno.writeTextFileSync(profile.playbook, "# Playbook\n");
  Deno.writeTextFileSync(profile.config, `${JSON.stringify({ default: "shell" })}\n`);
}

if (import.meta.main) {
  const { profileAt } = await import("../lib/paths.ts");
  const [dir = "", days = "90"] = Deno.args;
  await writeMonths(profileAt(dir), Number(days), { sessionDays: Number(days) });
}
