import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { launcherPath } from "../../lib/process/self.ts";
import { displayWidth } from "../../lib/text/style.ts";
import { looopCommand, type TestProfile, testProfile } from "../looop.ts";

/** Every verb for people that prints; `logs -f` has its own tests. */
const PEOPLE: readonly (readonly string[])[] = [
  ["up"],
  ["status"],
  ["status", "--json"],
  ["logs"],
  ["logs", "w"],
  ["cost"],
  ["cost", "today", "--json"],
  ["doctor"],
  ["doctor", "--json"],
  ["config", "zsh"],
  ["help"],
  ["help", "status"],
  ["version"],
  ["_", "state", "--json"],
  ["_", "worker", "list"],
];

const CODES = "\x1b[31mred\x1b[0m\x1b]0;owned\x07\x9b2J\rover\x08\x07\u202e";

/** A profile in which every text from outside holds escape codes. */
async function hostile(): Promise<TestProfile> {
  const p = await testProfile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  await Deno.writeTextFile(p.profile.config, '{ "default": "shell", "odd\\u001b[31m": 1 }');
  p.sensor("bad", `printf '${CODES}' >&2; exit 1`);
  await p.ok("up");
  for (let n = 1; n <= 3; n++) {
    const ask = { v: 1, id: `w-${n}`, worker: "w", prompt: `${CODES} ${n}`, ts: 1_700_000_000, gen: "" };
    await Deno.writeTextFile(p.path(`asks/w-${n}.json`), JSON.stringify(ask));
  }
  await Deno.writeTextFile(p.path(`claims/torn.json`), CODES);
  await Deno.mkdir(p.path("sessions/w"), { recursive: true });
  const meta = { v: 1, id: "w", gen: "g", cmd: [], babysit_pid: 0, started_at: 1_700_000_000, runner: CODES };
  await Deno.writeTextFile(p.path("sessions/w/meta.json"), JSON.stringify(meta));
  await Deno.writeTextFile(p.path("sessions/w/output.log"), `${CODES}\r\nline\r\n`);
  await Deno.writeTextFile(p.path("sessions/pulse/output.log"), `${CODES}\n`, { append: true });
  const row = { ts: 1_700_000_000, kind: CODES, id: CODES, runner: CODES, cost_usd: 1 };
  await Deno.writeTextFile(p.profile.cost, `${JSON.stringify(row)}\n`);
  await p.until(
    "sensed",
    async () => (await p.json("_", "state", "--json")).readings["sensor-bad"]?.ok === false,
  );
  return p;
}

/** Runs a bash line in which `$@` is a call of looop; returns its output. */
async function inShell(p: TestProfile, line: string, args: readonly string[]) {
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", `${line}; echo "codes: \${PIPESTATUS[*]}" >&2`, "bash", ...looopCommand(), ...args],
    env: p.env,
    clearEnv: true,
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stderr);
  // `up` always warns about the odd key in the config.
  return {
    stdout: new TextDecoder().decode(stdout),
    stderr: said.replace(/^looop up: config\.json:.*\n/, ""),
  };
}

/** Exit code of a verb here: the doctor finds something BAD. */
function codeOf(args: readonly string[]): number {
  return args[0] === "doctor" ? 1 : 0;
}

/** Runs `work` for all verbs at once; returns the results in order. */
function tryAll<T>(
  work: (args: readonly string[]) => Promise<T>,
): Promise<(readonly [string, readonly string[], T])[]> {
  return Promise.all(PEOPLE.map(async (args) => [args.join(" "), args, await work(args)] as const));
}

Deno.test("given a reader of one line, when any verb prints into it, then it ends quietly", async () => {
  await using p = await hostile();
  for (
    const [call, args, { stderr }] of await tryAll((args) => inShell(p, '"$@" | head -n 1 >/dev/null', args))
  ) {
    const quiet = [0, codeOf(args)].map((code) => `codes: ${code} 0\n`);
    ok(quiet.includes(stderr), `${call}: ${stderr}`);
  }
});

Deno.test("given a closed stdout, when any verb prints, then it does its work and says nothing", async () => {
  await using p = await hostile();
  for (const [call, args, { stdout, stderr }] of await tryAll((args) => inShell(p, '"$@" >&-', args))) {
    deepStrictEqual([call, stdout, stderr], [call, "", `codes: ${codeOf(args)}\n`]);
  }
});

Deno.test("given texts with escape codes, when any verb prints on 40 columns without colour, then none comes through and nothing is wider", async () => {
  await using p = await hostile();
  const wrapped = ["status", "cost", "doctor"];
  const env = { COLUMNS: "40", NO_COLOR: "1" };
  for (const [call, args, { stdout, stderr }] of await tryAll((args) => p.call([...args], { env }))) {
    // deno-lint-ignore no-control-regex -- these must not be there
    const codes = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/;
    strictEqual(codes.test(stdout + stderr), false, `${call}: ${JSON.stringify(stdout + stderr)}`);
    if (args.includes("--json")) continue;
    strictEqual(stdout.includes("owned"), false, `${call}: ${stdout}`);
    if (!wrapped.includes(args[0]!)) continue;
    for (const line of stdout.split("\n")) ok(displayWidth(line) <= 40, `${call}: ${line}`);
  }
});

Deno.test("given colour, when status, doctor and cost are shown, then their text is the same without the codes", async () => {
  await using p = await hostile();
  await p.ok("down");
  // deno-lint-ignore no-control-regex -- our own colours
  const colours = /\x1b\[\d+m/g;
  /** Text without what changes from moment to moment. */
  const lasting = (text: string) => text.replace(/\(?\d+ (?:ms|s|min|[MG]B|of)\b/g, "#");
  for (const args of [["status"], ["doctor"], ["cost"]]) {
    const plain = await p.call(args, { env: { NO_COLOR: "1" } });
    const colour = await p.call(args, { env: { LOOOP_COLOR: "1" } });
    ok(colours.test(colour.stdout), args[0]);
    strictEqual(lasting(colour.stdout.replace(colours, "")), lasting(plain.stdout));
  }
});

Deno.test({
  name:
    "given stdout on a full disk, when a verb has nowhere to print, then it is exit 1, one line, and no failed move",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using p = await testProfile();
    for (const args of [["_", "goal", "write", "g", "text"], ["_", "state"], ["_", "wait", "--json"]]) {
      const { code, stderr } = await new Deno.Command("sh", {
        args: ["-c", 'exec "$@" >/dev/full', "sh", ...looopCommand(), ...args],
        env: p.env,
        clearEnv: true,
      }).output();
      strictEqual(code, 1);
      match(
        new TextDecoder().decode(stderr),
        /^[^\n]*Cannot write to .{1,2}stdout.{1,2}: No space[^\n]*free some disk[^\n]*\n$/,
      );
    }
    strictEqual(p.read("goals/g.md"), "text\n");
    match(p.read("journal.md"), /^- [-\d]+ [:\d]+ write-goal g \[hand\]\n$/);
    deepStrictEqual((await p.wait("--timeout", "1")).reason, ["first"]);
  },
});

Deno.test("given a terminal without a size, when status is shown, then it has the usual width", async () => {
  if (Deno.build.os !== "linux") return;
  await using p = await testProfile();
  await p.ok("_", "state");
  const { stdout } = await new Deno.Command("script", {
    args: ["-qec", '"$LOOOP_HERE" status', "/dev/null"],
    env: { ...p.env, LOOOP_HERE: launcherPath(p.profile, launched()), NO_COLOR: "1" },
    clearEnv: true,
    stdin: "null",
  }).output();
  match(new TextDecoder().decode(stdout), /^pulse: stopped · 0 workers · spent today: \$0\.00\r\n/);
});

/** Command line of the program under test. */
function launched(): { exe: string; args: readonly string[]; standalone: boolean } {
  const [exe = "", ...args] = looopCommand();
  return { exe, args, standalone: false };
}
