import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  agentOf,
  type Counted,
  readRootAgents,
  readRootSessions,
  writeAgent,
} from "../../../lib/agents/agent_session.ts";
import type { Tokens } from "../../../lib/agents/tokens.ts";
import { type Profile, profileAt } from "../../../lib/paths.ts";
import type { AgentSession } from "../../../lib/agents/record_files.ts";
import { sessionsOfCalls } from "../../../lib/agents/unnamed.ts";
import { collectRoots } from "../../../lib/agents/root_spend.ts";
import { collectRun, collectSpend, settledRuns } from "../../../lib/agents/spend.ts";
import { deltaOf, priceOf, type SpendHost } from "../../../lib/agents/spend_rows.ts";
import {
  codexHasReply,
  readClaude,
  readCodex,
  readCopilot,
  readGemini,
  readPi,
  readQwen,
  readRecorded,
} from "../../../lib/agents/records.ts";
import { writeExecutable } from "../../executable.ts";
import { testProfile } from "../../looop.ts";

const NOW = Date.UTC(2026, 5, 1, 12);
const NONE: Counted = { tokens: tokens(0, 0), usd: 0 };
const unpriced = () => undefined;

function tokens(input: number, output: number, cache_read = 0, cache_write = 0): Tokens {
  return { input, output, cache_read, cache_write };
}

/** A data dir with one ended worker `w1` of pi, whose record is a file beside the dir. */
class Fixture implements AsyncDisposable {
  readonly profile: Profile;
  readonly dir: string;
  readonly record: string;
  readonly host: SpendHost;
  now = NOW;

  constructor(readonly base: string) {
    this.profile = profileAt(`${base}/data`);
    this.dir = `${this.profile.sessions}/w1`;
    this.record = `${base}/records/--x--/2026_s1.jsonl`;
    this.host = { profile: this.profile, env: { HOME: base }, now: () => this.now };
    for (const dir of [this.dir, this.profile.lockDir, `${base}/records/--x--`]) {
      Deno.mkdirSync(dir, { recursive: true });
    }
    Deno.writeTextFileSync(
      `${this.dir}/meta.json`,
      JSON.stringify({ id: "w1", gen: "g1", runner: "pi", started_at: 1 }),
    );
    Deno.writeTextFileSync(
      `${this.dir}/status.json`,
      JSON.stringify({ state: "exited", exit_code: 0, last_change: 2 }),
    );
    writeAgent(this.dir, {
      v: 1,
      preset: "pi",
      template: "",
      env: {},
      sessions: [this.session],
      counted: {},
    });
  }

  get run(): { id: string; dir: string; gen: string } {
    return { id: "w1", dir: this.dir, gen: "g1" };
  }

  get session(): AgentSession {
    return { cli: "pi", id: "s1", records: `${this.base}/records` };
  }

  reply(input: number, usd: number): void {
    const usage = { input, output: 1, cacheRead: 0, cacheWrite: 0, cost: { total: usd } };
    const line = JSON.stringify({ type: "message", message: { role: "assistant", model: "m", usage } });
    Deno.writeTextFileSync(this.record, `${line}\n`, { append: true });
  }

  // deno-lint-ignore no-explicit-any -- rows are read as any program would read them
  rows(): any[] {
    try {
      return Deno.readTextFileSync(this.profile.cost).trim().split("\n").map((line) => JSON.parse(line));
    } catch {
      return [];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.base, { recursive: true });
  }
}

async function fixture(): Promise<Fixture> {
  return new Fixture(await Deno.makeTempDir({ prefix: "looop spend " }));
}

Deno.test("given a run whose agent wrote down its spend, when it is collected again and again, then the ledger has one row", async () => {
  await using f = await fixture();
  f.reply(100, 0.5);
  f.reply(20, 0.25);
  const results = await Promise.all([1, 2, 3, 4].map(() => collectRun(f.host, f.run, {})));
  strictEqual(results.filter(Boolean).length, 1);
  await collectSpend(f.host, {});
  deepStrictEqual(f.rows(), [{
    v: 1,
    ts: "2026-06-01T12:00:00Z",
    kind: "session",
    id: "w1",
    runner: "pi",
    cost_usd: 0.75,
    source: "runner",
    tokens: { input: 120, output: 2, cache_read: 0, cache_write: 0 },
    gen: "g1",
  }]);
});

Deno.test("given a run that a pulse has settled, when its spend is collected, then it is not read until its folder changes", async () => {
  await using f = await fixture();
  f.reply(100, 0.5);
  f.now = Date.now() + 60_000;
  const settled = settledRuns(f.profile);
  await settled.refresh(f.now);
  for (const _ of [1, 2]) settled.offer("w1", { isFinal: true, endedAt: 2 }, f.now);
  await settled.save();
  await collectSpend(f.host, {});
  deepStrictEqual(f.rows(), []);
  Deno.writeTextFileSync(`${f.dir}/more`, "");
  await collectSpend(f.host, {});
  strictEqual(f.rows().length, 1);
});

Deno.test("given a collector that died before or after its append, when the next one comes, then there is one row", async () => {
  for (const appended of [false, true]) {
    await using f = await fixture();
    f.reply(100, 0.5);
    await collectRun(f.host, f.run, {});
    const [line] = Deno.readTextFileSync(f.profile.cost).split("\n");
    // As after a kill between the steps: the row is noted, but not yet marked as appended.
    const spend = JSON.parse(Deno.readTextFileSync(`${f.dir}/spend.json`));
    Deno.writeTextFileSync(`${f.dir}/spend.json`, JSON.stringify({ ...spend, done: false }));
    const self = JSON.stringify({ v: 1, ts: 5, kind: "session", id: "w9", runner: "pi", cost_usd: 1 });
    Deno.writeTextFileSync(f.profile.cost, `${self}\n${appended ? `${line}\n` : ""}`);
    f.now = NOW + 60_000;
    strictEqual(await collectRun(f.host, f.run, {}), !appended);
    deepStrictEqual(f.rows().map((row) => row.id), ["w9", "w1"]);
    strictEqual(await collectRun(f.host, f.run, {}), false);
  }
});

Deno.test("given a folder that has become the next run's, when the earlier run is collected, then the next one keeps its row", async () => {
  await using f = await fixture();
  f.reply(100, 0.5);
  const next = { ...f.run, gen: "g1" };
  Deno.writeTextFileSync(
    `${f.dir}/meta.json`,
    JSON.stringify({ id: "w1", gen: "g2", runner: "pi", started_at: 1 }),
  );
  strictEqual(await collectRun(f.host, next, {}), false);
  strictEqual(await collectRun(f.host, { ...next, gen: "g2" }, {}), true);
  deepStrictEqual(f.rows().map((row) => row.gen), ["g2"]);
});

Deno.test("given a run without a record, when it is collected, then nothing is written and a later record is found", async () => {
  await using f = await fixture();
  strictEqual(await collectRun(f.host, f.run, {}), false);
  f.reply(1, 0.1);
  await collectSpend(f.host, {});
  strictEqual(f.rows().length, 1);
});

Deno.test("given a root agent's session that goes on, when it is collected, then each row has what came since the last", async () => {
  await using f = await fixture();
  Deno.removeSync(`${f.dir}/agent.json`);
  f.reply(100, 0.5);
  const root = { ...f.session, seen_at: NOW, counted: NONE };
  Deno.writeTextFileSync(f.profile.rootSessions, JSON.stringify({ v: 1, sessions: [root] }));
  await collectSpend(f.host, {});
  await collectSpend(f.host, {});
  f.reply(10, 0.25);
  f.now = Date.now() + 1000;
  await collectRoots(f.host, {}, 600_000_000_000);
  await collectSpend(f.host, {});
  deepStrictEqual(f.rows().map(({ id, cost_usd, tokens }) => [id, cost_usd, tokens.input]), [
    ["root", 0.5, 100],
    ["root", 0.25, 10],
  ]);
  strictEqual(readRootSessions(f.profile)[0]?.pending, undefined);
});

Deno.test("given a root row that was written down and not appended, when it is collected, then it is appended once", async () => {
  await using f = await fixture();
  Deno.removeSync(`${f.dir}/agent.json`);
  f.reply(100, 0.5);
  const counted = { tokens: tokens(100, 1), usd: 0.5 };
  const line = JSON.stringify({
    v: 1,
    ts: "2026-06-01T12:00:00Z",
    kind: "session",
    id: "root",
    runner: "pi",
    cost_usd: 0.5,
  });
  const root = { ...f.session, seen_at: NOW, counted: NONE, pending: { line, counted } };
  Deno.writeTextFileSync(f.profile.rootSessions, JSON.stringify({ v: 1, sessions: [root] }));
  await collectSpend(f.host, {});
  await collectSpend(f.host, {});
  strictEqual(Deno.readTextFileSync(f.profile.cost), `${line}\n`);
});

Deno.test("given claude's transcript, when it is read, then each message counts once and the last closing sum is kept", () => {
  const reader = readClaude();
  const usage = {
    input_tokens: 5,
    output_tokens: 7,
    cache_read_input_tokens: 11,
    cache_creation_input_tokens: 13,
  };
  const message = (id: string, output_tokens: number) =>
    JSON.stringify({ type: "assistant", message: { id, model: "m", usage: { ...usage, output_tokens } } });
  for (
    const line of [message("a", 1), message("a", 7), message("b", 7), '{"type":"user","usage":1}', '{"torn']
  ) {
    reader.take(line);
  }
  const modelUsage = {
    m: { inputTokens: 1, outputTokens: 2, cacheReadInputTokens: 3, cacheCreationInputTokens: 4 },
  };
  for (const totalCostUSD of [1, 2]) {
    reader.take(JSON.stringify({ type: "cost-state", totalCostUSD, modelUsage }));
  }
  deepStrictEqual(reader.sum(), {
    tokens: tokens(10, 14, 22, 26),
    models: { m: tokens(10, 14, 22, 26) },
    closing: { tokens: tokens(1, 2, 3, 4), usd: 2, count: 2 },
  });
});

Deno.test("given codex's record, when it is read, then replies are summed and cached input is not counted twice", () => {
  const reader = readCodex();
  const usage = { input_tokens: 100, cached_input_tokens: 30, output_tokens: 9 };
  reader.take(JSON.stringify({ type: "turn_context", payload: { model: "m" } }));
  for (const response_id of ["r1", "r1", "r2"]) {
    reader.take(JSON.stringify({ type: "token_usage_record", payload: { response_id, usage } }));
  }
  deepStrictEqual(reader.sum().models, { m: tokens(140, 18, 60) });
  const older = readCodex();
  const info = { total_token_usage: usage };
  older.take(JSON.stringify({ type: "event_msg", payload: { type: "token_count", info } }));
  deepStrictEqual(older.sum().tokens, tokens(70, 9, 30));
});

/** Lines of codex's record: a turn, and for each reply the tool call, its tokens, and the end of the call. */
const CODEX = {
  turn: JSON.stringify({ type: "turn_context", payload: { model: "m" } }),
  call: (call_id: string) =>
    JSON.stringify({
      timestamp: "t",
      ordinal: 1,
      type: "response_item",
      payload: { type: "function_call", id: "fc", call_id },
    }),
  cost: (response_id: string) =>
    JSON.stringify({ type: "token_usage_record", payload: { response_id, usage: { output_tokens: 9 } } }),
  end: (call_id: string) =>
    JSON.stringify({ type: "response_item", payload: { type: "function_call_output", call_id } }),
};

Deno.test("given codex's record with replies that were cut off, when it is read, then those without their cost are counted", () => {
  const { turn, call, cost, end } = CODEX;
  const whole = [turn, call("c1"), cost("r1"), end("c1")];
  const unrecorded = (lines: string[]) => {
    const reader = readCodex();
    for (const line of lines) reader.take(line);
    return reader.sum().unrecorded;
  };
  strictEqual(unrecorded(whole), undefined);
  strictEqual(unrecorded([...whole, call("c2")]), 1);
  strictEqual(unrecorded([...whole, call("c2"), turn, call("c3"), cost("r3")]), 1);
  strictEqual(unrecorded([turn, call("c1"), turn, call("c2")]), 2);
  const said = { type: "message", id: "msg", role: "assistant" };
  strictEqual(unrecorded([...whole, JSON.stringify({ type: "response_item", payload: said })]), 1);
  const heard = { type: "message", id: "msg", role: "user" };
  strictEqual(unrecorded([...whole, JSON.stringify({ type: "response_item", payload: heard })]), undefined);
});

Deno.test("given codex's record, when a call's reply is looked for, then it counts once its cost follows", () => {
  const { call, cost, end } = CODEX;
  const has = (...lines: string[]) => codexHasReply(lines.join("\n"), "c2");
  strictEqual(has(call("c1"), cost("r1")), false);
  strictEqual(has(call("c1"), cost("r1"), end("c1"), call("c2")), false);
  strictEqual(has(call("c1"), cost("r1"), end("c1"), call("c2"), cost("r2")), true);
});

Deno.test("given pi's record with compactions and broken amounts, when it is read, then only numbers count", () => {
  const reader = readPi();
  reader.take(JSON.stringify({ type: "compaction", usage: { input: 3, output: 1, cost: { total: 0.5 } } }));
  reader.take(
    JSON.stringify({
      type: "message",
      message: { usage: { input: "x", output: -1, cost: { total: null } } },
    }),
  );
  deepStrictEqual(reader.sum(), { tokens: tokens(3, 1), models: { "": tokens(3, 1) }, usd: 0.5 });
});

Deno.test("given records of gemini's, qwen's and copilot's, when they are read, then each reply counts once and cached tokens count separately", async () => {
  for (
    const [cli, reader] of [["gemini", readGemini()], ["qwen", readQwen()], [
      "copilot",
      readCopilot(),
    ]] as const
  ) {
    const record = new URL(`../../fixtures/transcripts/${cli}.jsonl`, import.meta.url);
    for (const line of (await Deno.readTextFile(record)).trim().split("\n")) reader.take(line);
    deepStrictEqual(reader.sum().tokens, tokens(4000, 300, 1000), cli);
  }
});

Deno.test("given tokens counted before, when a session is counted again, then only the rest is added", () => {
  const before = { tokens: tokens(100, 10), usd: 1 };
  const models = { m: tokens(150, 30) };
  deepStrictEqual(deltaOf({ tokens: models.m, models, usd: 1.5 }, before, unpriced), {
    tokens: tokens(50, 20),
    usd: 0.5,
  });
  deepStrictEqual(deltaOf({ tokens: models.m, models }, before, unpriced), { tokens: tokens(50, 20) });
  deepStrictEqual(deltaOf({ tokens: models.m, models }, before, () => 4), { tokens: tokens(50, 20), usd: 3 });
});

Deno.test("given claude's closing sums, when they cover the whole session or only its last process, then dollars add up", () => {
  const models = { m: tokens(300, 30) };
  const whole = { tokens: tokens(300, 30), usd: 3, count: 2 };
  const first = { tokens: tokens(100, 10), usd: 1, closings: 1 };
  deepStrictEqual(deltaOf({ tokens: models.m, models, closing: whole }, first, unpriced), {
    tokens: tokens(200, 20),
    usd: 2,
    closings: 2,
  });
  const cutOff = { tokens: tokens(100, 10), usd: 0 };
  const last = { tokens: tokens(200, 20), usd: 2, count: 1 };
  deepStrictEqual(deltaOf({ tokens: models.m, models, closing: last }, cutOff, unpriced), {
    tokens: tokens(200, 20),
    usd: 2,
    closings: 1,
  });
  const used = { ...first, closings: 2 };
  deepStrictEqual(deltaOf({ tokens: models.m, models, closing: whole }, used, unpriced), {
    tokens: tokens(200, 20),
  });
});

Deno.test("given prices in the config, when tokens are priced, then the nearest name wins and none is no price", () => {
  const prices = { "codex/m": { input: 1, output: 2, cached: 0.5 }, m: { input: 9 }, codex: { input: 8 } };
  strictEqual(priceOf(prices, "codex", "m", tokens(1e6, 1e6, 1e6)), 3.5);
  strictEqual(priceOf(prices, "pi", "m", tokens(1e6, 0, 1e6)), 18);
  strictEqual(priceOf(prices, "codex", "other", tokens(1e6, 0)), 8);
  strictEqual(priceOf(prices, "pi", "other", tokens(1, 1)), undefined);
});

Deno.test("given the environment of an agent's shell, when it is read, then its session is known, and an id with a path in it is refused", () => {
  deepStrictEqual(agentOf({ HOME: "/h", CLAUDE_CODE_SESSION_ID: "u-1" }), {
    cli: "claude",
    id: "u-1",
    records: "/h/.claude/projects",
  });
  deepStrictEqual(agentOf({ HOME: "/h", CODEX_HOME: "/c", CODEX_THREAD_ID: "t" })?.records, "/c/sessions");
  strictEqual(agentOf({ HOME: "/h", PI_SESSION_ID: "../../etc" }), undefined);
  strictEqual(agentOf({ HOME: "/h" }), undefined);
});

Deno.test("given a record folder that is not there, when it is read, then there is no record", async () => {
  for (const cli of ["pi", "claude", "codex", "gemini", "qwen", "copilot", "other"] as const) {
    strictEqual(await readRecorded({ cli, id: "x", records: "/nowhere" }, { env: {} }), undefined);
  }
});

Deno.test("given a verb called by a root agent, when it ends, then the agent's session is noted once", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const env = { CLAUDE_CODE_SESSION_ID: "7f0d7b33-9f8b-4a3c-8f60-000000000001" };
  await p.okCall(["_", "goal", "write", "g", "text"], { env });
  await p.okCall(["_", "goal", "write", "h", "text"], { env });
  const sessions = readRootSessions(p.profile);
  deepStrictEqual(sessions.map(({ cli, id }) => [cli, id]), [["claude", env.CLAUDE_CODE_SESSION_ID]]);
  ok(sessions[0]?.records.endsWith("/home/.claude/projects"));
});

Deno.test("given calls that several sessions of opencode may have made, when they are assigned, then unclear ones stay open", () => {
  const calls = [{ at: 100, cwd: "/a" }, { at: 200.5, cwd: "/b" }];
  const is = (at: number, id: string, directory = "/") => ({ at, id, directory });
  deepStrictEqual(sessionsOfCalls(calls, [is(100, "x"), is(200, "y")]), ["x", "y"]);
  deepStrictEqual(sessionsOfCalls(calls, [is(100, "x"), is(100, "y"), is(200, "y")]), ["y", "y"]);
  deepStrictEqual(sessionsOfCalls(calls, [is(100, "x"), is(100, "y"), is(200, "x"), is(200, "y")]), [
    undefined,
    undefined,
  ]);
  deepStrictEqual(sessionsOfCalls(calls.slice(0, 1), [is(100, "x", "/a"), is(100, "y", "/c")]), ["x"]);
  deepStrictEqual(sessionsOfCalls(calls, []), [undefined, undefined]);
});

Deno.test("given a search for opencode's session, when its folder becomes the next run's, then that run keeps its counts", async () => {
  await using f = await fixture();
  const agent = { v: 1 as const, preset: "opencode", template: "", env: {} };
  const session: AgentSession = { cli: "opencode", id: "", records: f.base };
  writeAgent(f.dir, { ...agent, sessions: [session], counted: {} });
  const next = `${f.base}/next`;
  Deno.mkdirSync(next);
  Deno.writeTextFileSync(`${next}/meta.json`, JSON.stringify({ id: "w1", gen: "g2", started_at: 2 }));
  writeAgent(next, {
    ...agent,
    sessions: [{ ...session, id: "ses_1" }],
    counted: { ses_1: { tokens: tokens(5, 5), usd: 1 } },
  });
  const before = Deno.readTextFileSync(`${next}/agent.json`);
  writeExecutable(
    `${f.base}/opencode`,
    `#!/bin/sh
case $2 in
  "select s.id"*) mv '${f.dir}' '${f.dir}~1' && mv '${next}' '${f.dir}'; echo '[{"id":"ses_1"}]' ;;
  *) echo '[{"id":"ses_1","tokens_output":7,"cost":1}]' ;;
esac
`,
  );
  const host = { ...f.host, env: { ...f.host.env, PATH: `${f.base}:/usr/bin:/bin` } };
  strictEqual(await collectRun(host, f.run, {}), false);
  strictEqual(Deno.readTextFileSync(`${f.dir}/agent.json`), before);
  deepStrictEqual(f.rows(), []);
});

Deno.test("given an ended run with a process left, when spend is collected, then its row waits for the end of that process", async () => {
  await using f = await fixture();
  const gen = crypto.randomUUID();
  const meta = { id: "w1", gen, runner: "pi", started_at: 1 };
  Deno.writeTextFileSync(`${f.dir}/meta.json`, JSON.stringify(meta));
  f.reply(100, 0.5);
  const agent = new Deno.Command("sleep", { args: ["60"], env: { LOOOP_SESSION_GEN: gen } }).spawn();
  await collectSpend(f.host, {});
  deepStrictEqual(f.rows(), []);
  f.reply(20, 0.25);
  agent.kill("SIGKILL");
  await agent.status;
  await collectSpend(f.host, {});
  deepStrictEqual(f.rows().map((row) => row.cost_usd), [0.75]);
});

Deno.test("given a run that was killed within a reply, when it is resumed, then the reply is missing once", async () => {
  await using f = await fixture();
  writeExecutable(
    `${f.base}/opencode`,
    `#!/bin/sh
echo '[{"id":"ses_1","tokens_output":7,"cost":1,"unrecorded":1},{"id":"sub","parent_id":"ses_1","unrecorded":1}]'
`,
  );
  const host = { ...f.host, env: { ...f.host.env, PATH: `${f.base}:/usr/bin:/bin` } };
  const sessions: AgentSession[] = [{ cli: "opencode", id: "ses_1", records: f.base }];
  const agent = { v: 1 as const, preset: "opencode", template: "", env: {}, sessions, counted: {} };
  writeAgent(f.dir, agent);
  strictEqual(await collectRun(host, f.run, {}), true);
  const { counted } = JSON.parse(Deno.readTextFileSync(`${f.dir}/spend.json`));
  Deno.removeSync(`${f.dir}/spend.json`);
  writeAgent(f.dir, { ...agent, counted });
  strictEqual(await collectRun(host, f.run, {}), true);
  deepStrictEqual(f.rows().map((row) => [row.tokens.output, row.unrecorded]), [[7, 2], [0, undefined]]);
});

Deno.test("given a root agent in opencode, when its spend is collected, then the session that made its call is found and counted", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  Deno.mkdirSync(`${p.base}/bin`);
  const asked = `${p.base}/asked`;
  writeExecutable(
    `${p.base}/bin/opencode`,
    `#!/bin/sh
echo "$2" >>'${asked}'
case $2 in
  with*) moment=\${2#*values (} moment=\${moment%%)*}
    echo '[{"moment":'"$moment"',"id":"ses_1","directory":"/"}]' ;;
  *) echo '[{"id":"ses_1","cost":0.5,"tokens_input":7,"tokens_output":3,"time_updated":'"$(date +%s)000"'},
    {"id":"ses_2","parent_id":"ses_1","cost":0.25,"tokens_input":1}]' ;;
esac
`,
  );
  const env = { OPENCODE: "1", OPENCODE_PID: "4711", PATH: `${p.base}/bin:${p.env["PATH"]}` };
  await p.okCall(["_", "goal", "write", "g", "text"], { env });
  await p.okCall(["_", "goal", "write", "h", "text"], { env });
  deepStrictEqual(readRootAgents(p.profile).unnamed.map(({ pid, calls }) => [pid, calls.length]), [[
    "4711",
    1,
  ]]);
  await p.okCall(["cost"], { env });
  const [row, ...more] = p.read("cost.jsonl").trim().split("\n").map((line) => JSON.parse(line));
  deepStrictEqual([row.id, row.runner, row.cost_usd, row.tokens.input, more], [
    "root",
    "opencode",
    0.75,
    8,
    [],
  ]);
  await p.okCall(["cost"], { env });
  strictEqual(p.read("cost.jsonl").trim().split("\n").length, 1);
  deepStrictEqual(readRootAgents(p.profile).unnamed.map(({ calls }) => calls), [[]]);
});
