import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { readAgent, writeAgent } from "../../../lib/agents/agent_session.ts";
import { workerTitle } from "../../../lib/agents/contract.ts";
import { completeAgent } from "../../../lib/agents/find_session.ts";
import { recordFiles } from "../../../lib/agents/record_files.ts";
import { NotAnswered, readOpencode } from "../../../lib/agents/opencode.ts";
import { Story } from "../../../lib/agents/story_source.ts";
import type { RecordsKind } from "../../../lib/records/presets.ts";
import { profileAt } from "../../../lib/paths.ts";
import { writeExecutable } from "../../executable.ts";

/** A run `w1` whose agent's session is unknown. */
async function run(cli: RecordsKind) {
  const base = await Deno.makeTempDir({ prefix: "looop find " });
  const profile = profileAt(`${base}/data`);
  const dir = `${profile.sessions}/w1`;
  Deno.mkdirSync(dir, { recursive: true });
  const startedAt = Math.floor(Date.now() / 1000) - 60;
  Deno.writeTextFileSync(`${dir}/meta.json`, JSON.stringify({ id: "w1", gen: "g1", started_at: startedAt }));
  const records = `${base}/records`;
  const sessions = [{ cli, id: "", records }];
  writeAgent(dir, { v: 1, preset: cli, template: "", env: {}, sessions, counted: {} });
  return {
    base,
    profile,
    dir,
    records,
    host: { profile, env: { PATH: `${base}/bin:/usr/bin:/bin` } },
    [Symbol.asyncDispose]: () => Deno.remove(base, { recursive: true }),
  };
}

/** Records of each CLI: the CLI, the path, and the id of its session. */
const RECORDS: readonly (readonly [RecordsKind, string, string])[] = [
  ["pi", "--x--/2026_ID.jsonl", "a-1"],
  ["claude", "-x/ID.jsonl", "a-1"],
  ["codex", "2026/06/01/rollout-2026-06-01T00-00-00-ID.jsonl", "01a21ec1-4b5b-7a91-bdf9-4d79d1ac9afe"],
  ["gemini", "x/chats/session-2026-ID8.jsonl", "7b9b560d-d052-44bc-ab10-3d5019f5220d"],
  ["qwen", "-x/chats/ID.jsonl", "a-1"],
  ["copilot", "ID/events.jsonl", "a-1"],
];

for (const [cli, path, id] of RECORDS) {
  Deno.test(`given a worker of ${cli}'s that called no verb, when its session is looked for, then it is found by its prompt`, async () => {
    await using r = await run(cli);
    const write = (name: string, sessionId: string, title: string, ageS: number) => {
      const file = `${r.records}/${path.replace("ID8", sessionId.slice(0, 8)).replace("ID", sessionId)}`;
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(
        file,
        `${JSON.stringify({ sessionId })}\n${JSON.stringify({ name, text: `# ${title}\n` })}\n`,
      );
      Deno.utimeSync(file, new Date(), new Date(Date.now() - ageS * 1000));
    };
    strictEqual((await completeAgent(r.host, "w1", r.dir))?.sessions.length, 0, "nothing is recorded yet");
    write("another worker's", id.replace(/^./, "b"), workerTitle("w11"), 0);
    write("an earlier run's", id.replace(/^./, "c"), workerTitle("w1"), 3600);
    strictEqual((await completeAgent(r.host, "w1", r.dir))?.sessions.length, 0);
    write("its own", id, workerTitle("w1"), 0);
    deepStrictEqual((await completeAgent(r.host, "w1", r.dir))?.sessions.map((one) => one.id), [id]);
    deepStrictEqual(readAgent(r.dir)?.sessions.map((one) => one.id), [id], "and written down");
  });
}

Deno.test("given an opencode that takes a minute, when it is asked, then looop gives up and does not ask again at once", async () => {
  await using r = await run("opencode");
  Deno.mkdirSync(`${r.base}/bin`);
  writeExecutable(`${r.base}/bin/opencode`, `#!/bin/sh\necho x >>'${r.base}/asked'\nsleep 60 & wait\n`);
  const waiting: string[] = [];
  const asking = { ...r.host, patienceMs: 2_500, waiting: (what: string) => void waiting.push(what) };
  await rejects(completeAgent(asking, "w1", r.dir), NotAnswered);
  deepStrictEqual(waiting, ["opencode's database"]);
  await rejects(readOpencode(["ses_1"], r.records, asking), NotAnswered);
  strictEqual(Deno.readTextFileSync(`${r.base}/asked`), "x\n");
  deepStrictEqual(readAgent(r.dir)?.sessions.map((one) => one.id), [""], "it is still to be found");
});

Deno.test("given opencode's database, when the session, its spend and its story are read, then opencode itself is not asked", async () => {
  await using r = await run("opencode");
  Deno.mkdirSync(`${r.records}/opencode`, { recursive: true });
  const db = new DatabaseSync(`${r.records}/opencode/opencode.db`);
  db.exec(`
    create table session (id text, parent_id text, directory text, cost real, tokens_input int, tokens_output int,
      tokens_cache_read int, tokens_cache_write int, time_created int, time_updated int);
    create table message (id text, session_id text, time_created int, data text);
    create table part (id text, message_id text, session_id text, time_created int, time_updated int, data text);
    insert into session values ('ses_1', null, '/x', 0.5, 10, 20, 30, 0, ${Date.now()}, ${Date.now()});
    insert into message values ('m1', 'ses_1', 1, '{"role":"user"}'), ('m2', 'ses_1', 2, '{"role":"assistant"}');`);
  let n = 0;
  const part = (message: string, data: unknown) =>
    db.prepare("insert into part values (?, ?, 'ses_1', ?, 0, ?)").run(
      `p${++n}`,
      message,
      n,
      JSON.stringify(data),
    );
  part("m1", { type: "text", text: `# ${workerTitle("w1")}\n\nmore\n\n---\n\nGo.\n` });
  const story = new Story(r.host, "w1", r.dir);
  deepStrictEqual(await story.read(), ["> (the worker contract)", "> Go."]);
  part("m2", { type: "tool", tool: "bash", state: { status: "running", input: { command: "ls" } } });
  deepStrictEqual(await story.read(), ["$ ls"]);
  deepStrictEqual(await story.read(), []);
  const over = {
    type: "tool",
    tool: "bash",
    state: { status: "completed", input: { command: "ls" }, output: "a\n" },
  };
  db.prepare("update part set data = ? where id = 'p2'").run(JSON.stringify(over));
  part("m2", { type: "step-finish", reason: "stop", cost: 0.5, tokens: { input: 1, output: 1 } });
  deepStrictEqual(await story.read(), ["  a", "(end of turn, $0.5000)"]);
  db.close();
  deepStrictEqual(readAgent(r.dir)?.sessions.map((one) => one.id), ["ses_1"]);
  const recorded = (await readOpencode(["ses_1"], r.records, r.host)).get("ses_1");
  deepStrictEqual([recorded?.usd, recorded?.tokens.output, recorded?.tokens.cache_read], [0.5, 20, 30]);
});

Deno.test("given gemini sessions that were resumed in another minute, when their files are found, then the one with the story comes first", async () => {
  const base = await Deno.makeTempDir({ prefix: "looop-gemini-" });
  const chats = `${base}/project/chats`;
  Deno.mkdirSync(chats, { recursive: true });
  for (let n = 10; n < 26; n++) {
    const id = `${n}000000-aaaa-bbbb-cccc-dddddddddddd`;
    // A resume writes a file of its own, but its story goes on in the first file.
    const names = ["04-14", "04-13"].map((minute) =>
      `${chats}/session-2026-11-28T${minute}-${id.slice(0, 8)}.jsonl`
    );
    for (const name of names) Deno.writeTextFileSync(name, `${JSON.stringify({ sessionId: id })}\n`);
    deepStrictEqual(recordFiles({ cli: "gemini", id, records: base }), names.toReversed());
  }
  await Deno.remove(base, { recursive: true });
});
