import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Call, type CallHost, carryOut, closeCall, outcomeOf } from "../../../lib/calls/carry.ts";
import { profileAt } from "../../../lib/paths.ts";
import { answerAsk, readMailbox } from "../../../lib/records/mailbox.ts";
import { openProfile } from "../../../lib/records/profile.ts";
import { metaText } from "../../../lib/sessions/session.ts";
import { sessionDir } from "../../../lib/sessions/run_files.ts";
import { makeDir, quietText, replaceFile } from "../../../lib/store.ts";

/** A home with one worker `w1` on a host. */
async function home(): Promise<CallHost & AsyncDisposable> {
  const dir = await Deno.makeTempDir({ prefix: "looop-calls-" });
  const profile = profileAt(dir);
  openProfile(profile);
  makeDir(sessionDir(profile, "w1"));
  const meta = {
    v: 1 as const,
    id: "w1",
    gen: "0123abcd",
    cmd: [],
    babysit_pid: 0,
    started_at: 0,
    runner: "x",
    cwd: "",
  };
  replaceFile(`${sessionDir(profile, "w1")}/meta.json`, metaText({ ...meta, host: "gpu" }));
  return {
    profile,
    now: () => Date.now(),
    parse: (words) => {
      const rest = words.slice(2);
      const at = rest.indexOf("--prompt");
      const named = at < 0 ? rest : rest.slice(0, at);
      const text = (name: string) => name === "prompt" && at >= 0 ? rest[at + 1] : undefined;
      return Promise.resolve({
        path: words.slice(0, 2).join(" "),
        input: { words: named, text, flag: () => false },
      });
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(dir, { recursive: true });
    },
  };
}

const call = (n: string, ...words: string[]): Call => ({
  id: "w1",
  gen: "0123abcd",
  n,
  words: ["_", ...words],
});

Deno.test("given a cost that comes twice because its result was lost, when both are carried out, then it counts once", async () => {
  await using host = await home();
  const spent = call("1.1.1", "cost", "session", "w1", "pi", "0.25");
  strictEqual((await carryOut(host, spent))?.code, 0);
  await closeCall(host, "w1", "1.1.1", true);
  strictEqual((await carryOut(host, spent))?.code, 0);
  strictEqual(quietText(host.profile.cost)?.trim().split("\n").length, 1);
});

Deno.test("given a question whose sent answer nobody has read, when it is asked again, then it gets that answer", async () => {
  await using host = await home();
  strictEqual(await carryOut(host, call("1.1.1", "ask", "w1", "--prompt", "go?")), undefined);
  const [ask] = readMailbox(host.profile).pending;
  const reply = {
    id: ask?.id ?? "",
    text: "yes",
    outcome: "answered" as const,
    by: "hand",
    free: true,
    replace: false,
  };
  await answerAsk(host.profile, reply, Date.now());
  deepStrictEqual(await outcomeOf(host, "w1", "1.1.1"), { code: 0, out: "yes\n", err: "" });
  // The asker was killed before it could print; the next one asks the same question.
  await closeCall(host, "w1", "1.1.1", false);
  strictEqual((await carryOut(host, call("1.1.2", "ask", "w1", "--prompt", "go?")))?.out, "yes\n");
  await closeCall(host, "w1", "1.1.2", true);
  strictEqual(readMailbox(host.profile).pending.length + readMailbox(host.profile).answered.length, 0);
});

Deno.test("given calls that a worker on a host may not make, when they come, then nothing changes", async () => {
  await using host = await home();
  const refused: Call[] = [
    call("1.1.1", "answer", "w1-1", "yes"),
    call("1.1.2", "run", "touch", "x"),
    call("1.1.3", "claim", "../x"),
    call("1.1.4", "ready", "w2"),
    call("1.1.5", "cost", "session", "w2", "pi", "1"),
    call("1.1.6", "cost", "session", "w1", "pi", "NaN"),
    { ...call("1.1.7", "claim", "x"), gen: "ffffffff" },
  ];
  for (const one of refused) {
    const reply = await carryOut(host, one);
    ok(reply !== undefined && reply.code !== 0, `${one.words.join(" ")}: ${JSON.stringify(reply)}`);
  }
  strictEqual(quietText(host.profile.cost) ?? "", "");
});
