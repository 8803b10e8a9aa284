/**
 * A profile as it is after so many days of work: 50 workers a day, of which most ask, 20 schedules, sensors whose signals
 * change now and then, and everything that retention lets stand. The same for the same days; nothing in it runs.
 */
import type { Profile } from "../lib/paths.ts";

const DAY_MS = 86_400_000;
const WORKERS_A_DAY = 50;
const SENSORS = 8;

/** Numbers from 0 to 1 that are the same each time (mulberry32). */
function dice(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Lines with their times, to be sorted and put into a file a month. */
type Lines = [number, string][];

const iso = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Writes it into the profile's folder, which must not exist yet. Its last day ends now. */
export function writeMonths(profile: Profile, days: number, nowMs = Date.now()): void {
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
      cost.push([end, JSON.stringify({ ts: iso(end), kind: "session", id, runner, cost_usd: usd })]);
      if (random() < 0.6) {
        writeAsk(profile, id, start + 60_000, start + 60_000 + random() * 2_000_000, journal);
      }
      // Ended sessions are kept for three days.
      if (nowMs - end < 3 * DAY_MS) writeSession(profile, id, start, end);
    }
    for (let n = 0; n < SENSORS * 24; n++) {
      const at = from + Math.floor(random() * DAY_MS);
      events.push([at, JSON.stringify({ ts: iso(at), event: "signal_changed", id: `s${n % SENSORS}` })]);
    }
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
  Deno.writeTextFileSync(`${dir}/${id}.answer.json`, JSON.stringify(answer, null, 2));
  journal.push([answeredMs, `- ${local(answeredMs)} answer ${id}: yes [root]`]);
}

function writeSession(profile: Profile, id: string, startMs: number, endMs: number): void {
  const dir = `${profile.sessions}/${id}`;
  Deno.mkdirSync(dir);
  const meta = {
    v: 1,
    id,
    gen: id,
    cmd: [],
    babysit_pid: 0,
    started_at: startMs / 1000,
    runner: "pi",
    cwd: "/",
  };
  Deno.writeTextFileSync(`${dir}/meta.json`, JSON.stringify(meta));
  const status = {
    state: "exited",
    child_pid: null,
    exit_code: 0,
    last_change: endMs / 1000,
    ended_by: "self",
  };
  Deno.writeTextFileSync(`${dir}/status.json`, JSON.stringify(status));
  Deno.writeTextFileSync(`${dir}/output.log`, "working\n".repeat(2_000));
  Deno.writeTextFileSync(`${dir}/ready`, "");
  Deno.writeTextFileSync(`${profile.prompts}/${id}.md`, "do it\n".repeat(200));
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
  writeMonths(profileAt(dir), Number(days));
}
