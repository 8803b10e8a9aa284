import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type TestProfile, testProfile } from "../looop.ts";
import { writeExecutable } from "../executable.ts";
import { fileText } from "../workers.ts";

/** Makes a program with an agent's name that records its arguments and its prompt, then waits. */
function fakePi(p: TestProfile): Record<string, string> {
  Deno.mkdirSync(`${p.base}/bin`, { recursive: true });
  const script = `#!/bin/sh
printf '%s\\n' "$@" >"$LOOOP_DATA_DIR/reports/called"
for last; do :; done
cat "\${last#@}" >"$LOOOP_DATA_DIR/reports/told"
exec sleep 600
`;
  writeExecutable(`${p.base}/bin/pi`, script);
  return { PATH: `${p.base}/bin:${p.env["PATH"]}` };
}

async function called(p: TestProfile): Promise<string[]> {
  await p.until("the agent was called", () => exists(p.path("reports/told")));
  const words = p.read("reports/called").trim().split("\n");
  Deno.removeSync(p.path("reports/called"));
  return words;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test("given a worker that was cut off, when it is resumed, then its agent's own session goes on and learns of its open question", async () => {
  await using p = await testProfile();
  const env = fakePi(p);
  await p.okCall([
    "_",
    "worker",
    "start",
    "w1",
    "--runner",
    "pi",
    "--env",
    "MARK=1",
    "--timeout",
    "500",
    "the brief",
  ], { env });
  const [option, session, prompt] = await called(p);
  strictEqual(option, "--session-id");
  match(session ?? "", /^[0-9a-f-]{36}$/);
  strictEqual(prompt, `@${p.profile.prompts}/w1.md`);
  using ask = p.start(["_", "ask", "w1", "--prompt", "it's ok?"]);
  await ask.said("asked w1-1");
  match((await p.call(["_", "worker", "resume", "w1"], { env })).stderr, /is alive already/);

  const [pid] = p.read("sessions/w1/program").split(" ");
  Deno.kill(Number(pid), "SIGKILL");
  await p.until("w1 has ended", async () => !(await p.json("_", "worker", "list", "--json"))[0].alive);
  Deno.removeSync(p.path("reports/told"));
  await p.okCall(["_", "worker", "resume", "w1"], { env });
  deepStrictEqual(await called(p), ["--session", session, `@${p.profile.sessions}/w1/prompt.md`]);
  match(p.read("reports/told"), /_ ask w1 --prompt 'it'\\''s ok\?'/);
  match(p.read("prompts/w1.md"), /the brief/);
  strictEqual(JSON.parse(p.read("sessions/w1/agent.json")).env.MARK, "1");
  const { deadline, started_at } = JSON.parse(p.read("sessions/w1/meta.json"));
  ok(Math.abs(deadline - Date.parse(started_at) / 1000 - 500) <= 2, "it may take as long again");
  match(p.read("journal.md"), /resume-worker w1 \(pi\)/);
});

Deno.test("given workers without a session to resume, when they are resumed, then that is refused with what to do", async () => {
  await using p = await testProfile();
  match((await p.run("_", "worker", "resume", "none")).stderr, /There is no worker "none"/);
  await p.ok("_", "worker", "start", "w1", "--runner", "shell", "true");
  await p.until("w1 has ended", async () => !(await p.json("_", "worker", "list", "--json"))[0].alive);
  const { code, stderr } = await p.run("_", "worker", "resume", "w1");
  strictEqual(code, 1);
  match(stderr, /"w1" \(shell\) has no agent session that could be resumed; start it again/);
});

Deno.test("given a brief too long for a command line, when its runner passes it there, then a short prompt names the file", async () => {
  await using p = await testProfile();
  const brief = `${"x".repeat(99)}\n`.repeat(1500);
  const command = 'printf %s "$(cat {{prompt_file}})" >"$LOOOP_DATA_DIR/reports/told"; sleep 600';
  await p.okCall(["_", "worker", "start", "w1", "--command", command], { stdin: brief });
  await p.until("it was told", () => exists(p.path("reports/told")) && p.read("reports/told") !== "");
  const told = p.read("reports/told");
  match(told, /^You are worker "w1" of looop\. .* are in the file '.*prompts\/w1\.md'/);
  strictEqual(p.read("prompts/w1.md").endsWith(brief), true);
});

/** A user's own CLI, which records that it went on with its session. */
const OWN_CLI = `#!/bin/sh
echo "$*" >>"$LOOOP_DATA_DIR/reports/argv"
"$LOOOP_BIN" _ ready w1
case $1 in new) sleep 600 ;; *) cat "$3" >"$LOOOP_DATA_DIR/reports/went_on" ;; esac
`;

Deno.test("given a runner of the user's own with a session id and a resume line, when its worker was cut off, then it is resumed", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  Deno.mkdirSync(`${p.base}/bin`);
  writeExecutable(`${p.base}/bin/mine`, OWN_CLI);
  const runners = {
    mine: {
      interactive: "mine new {{session_id}} {{prompt_file}}",
      resume: "mine again {{session_id}} {{prompt_file}}",
    },
    half: { interactive: "mine new {{session_id}} {{prompt_file}}" },
  };
  Deno.writeTextFileSync(p.profile.config, JSON.stringify({ default: "mine", runners }));
  // Only the pulse's PATH has the program.
  await p.okCall(["up"], { env: { PATH: `${p.base}/bin:${p.env["PATH"]}` } });
  await p.ok("_", "worker", "start", "w1", "Go.");
  await p.until("it runs", () => fileText(p, "reports/argv").includes("new"));
  await p.ok("_", "worker", "kill", "w1");
  await p.ok("_", "worker", "resume", "w1", "--", "- a list");
  await p.until("it went on", () => fileText(p, "reports/went_on") !== "");
  const [first = "", second = ""] = fileText(p, "reports/argv").split("\n");
  const id = first.split(" ")[1];
  match(id ?? "", /^[0-9a-f-]{36}$/);
  match(second, new RegExp(`^again ${id} `));
  strictEqual(fileText(p, "reports/went_on"), "Your root agent says:\n- a list\n", "no option for any CLI");
  await p.ok("_", "worker", "start", "w2", "--runner", "half", "Go.");
  await p.ok("_", "worker", "kill", "w2");
  const refused = await p.run("_", "worker", "resume", "w2");
  strictEqual(refused.code, 1);
  match(refused.stderr, /give "runners\.half" in config\.json a "resume" line with \{\{session_id\}\}/);
  await p.ok("down");
});

Deno.test("given a program that is on nobody's PATH, when a worker is started, then the folders that were searched are named", async () => {
  await using p = await testProfile();
  await p.okCall(["up"], { env: { PATH: `/of/the/pulse:${p.env["PATH"]}` } });
  const { code, stderr } = await p.run(
    "_",
    "worker",
    "start",
    "w1",
    "--command",
    "no-such-agent {{prompt_file}}",
    "x",
  );
  strictEqual(code, 1);
  match(stderr, /needs "no-such-agent".*looked along PATH .*\/of\/the\/pulse/);
  await p.ok("down");
});
