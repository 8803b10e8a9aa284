/**
 * Hostile surroundings: directories that others can write, links planted in the data dir, text that is also a command,
 * another record or a terminal's control code, and secrets in looop's environment.
 */
import { filesBelow, type LabProfile, namesIn, openLab, sample, Tally, textAt } from "./lab.ts";

const SECRET = "s3cr3t-of-the-environment";
const OUTSIDE = "what the file outside holds";
/** Leaves a visible trace if any shell runs it as code. */
const EVIL = `'"; touch PWNED; $(touch PWNED) \`touch PWNED\` \\\n& touch PWNED #`;
/** Control codes for titles, screens, colours, links and the bell, in C0 and C1 form. */
const CODES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b2J\x90q\x9c\x1b]8;;http://x\x1b\\\r\x08\u202e";
// deno-lint-ignore no-control-regex -- these must not reach a terminal
const UNSAFE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

/** Runs all attempts of other users and of hostile text. */
export async function hostile(): Promise<Tally> {
  const tally = new Tally("hostile", [
    "unsafe dirs used",
    "written through links",
    "read through links",
    "commands run",
    "secrets kept",
    "forged",
    "control codes shown",
    "crashes",
  ]);
  await using lab = await openLab();
  await unsafeDirs(await lab.profile(), tally);
  await links(await lab.profile(), tally);
  await commands(await lab.profile(), tally);
  await evilDir(await lab.profile(), tally);
  await texts(await lab.profile(), tally);
  return tally;
}

const VERBS: readonly (readonly string[])[] = [
  ["_", "state"],
  ["_", "wait", "--timeout", "1"],
  ["_", "goal", "write", "g", "text"],
  ["_", "goal", "archive", "g"],
  ["_", "answer", "w-1", "yes"],
  ["_", "ask", "w", "--prompt", "Why?", "--timeout", "0.1"],
  ["_", "claim", "c", "--session", "s"],
  ["_", "worker", "start", "w", "--command", "true", "brief"],
  ["_", "worker", "kill", "w"],
  ["_", "kill", "w"],
  ["_", "ready", "w"],
  ["up"],
  ["down"],
  ["status"],
];

/** A data dir that belongs to another user, or that others can write, is refused with the reason and left unchanged. */
async function unsafeDirs(p: LabProfile, tally: Tally): Promise<void> {
  await p.ok("_", "state");
  const spoil: [string, () => Promise<void>, RegExp][] = [
    ["group-writable", () => Deno.chmod(p.profile.dir, 0o770), /can be written by others/],
    ["world-writable", () => Deno.chmod(p.profile.dir, 0o707), /can be written by others/],
  ];
  if (Deno.uid() === 0) {
    spoil.push(["another's", () => Deno.chown(p.profile.dir, 61_234, 61_234), /belongs to user 61234/]);
  }
  for (const [what, make, reason] of spoil) {
    await Deno.chmod(p.profile.dir, 0o700);
    await make();
    const before = filesBelow(p.profile.dir).join();
    for (const argv of VERBS) {
      const { code, stderr } = await p.run(...argv);
      tally.add("calls");
      tally.demand(
        code === 1 && reason.test(stderr),
        "unsafe dirs used",
        `${what}, ${argv.join(" ")}: ${code} ${stderr}`,
      );
    }
    const after = filesBelow(p.profile.dir).join();
    tally.demand(after === before, "unsafe dirs used", `${what}: ${before} became ${after}`);
  }
  if (Deno.uid() === 0) await Deno.chown(p.profile.dir, 0, 0);
  await Deno.chmod(p.profile.dir, 0o700);
}

/** Plants links at the names that looop writes and reads: none may be followed out of the data dir. */
async function links(p: LabProfile, tally: Tally): Promise<void> {
  await p.ok("_", "state");
  const outside = `${p.base}/outside`;
  const names = [
    "asks/w-1.json",
    "answers/w-2.json",
    "claims/c.json",
    "snapshots/sensor-s.json",
    "journal.md",
    "events.jsonl",
    "cost.jsonl",
    ".world.json",
    ".pulse.json",
    ".poke",
    ".goal-activity.json",
    ".cursors/hand.json",
    ".lock/wanted.json",
    ".lock/pid",
    "sessions/pulse/output.log",
    "prompts/w.md",
    ".undo/goal-g",
  ];
  for (const name of sample(names, 0.2)) {
    await p.run("down");
    await Deno.remove(p.profile.dir, { recursive: true });
    await p.ok("_", "state");
    p.sensor("s", "echo '{\"signal\":1}'");
    await p.ok("_", "goal", "write", "g", "first");
    for (
      const target of [
        `${OUTSIDE}\n`,
        `{"signal":"${OUTSIDE}","id":"w-1","worker":"w","prompt":"${OUTSIDE}"}\n`,
      ]
    ) {
      await Deno.writeTextFile(outside, target);
      await Deno.mkdir(p.path(name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "."), {
        recursive: true,
      });
      await Deno.remove(p.path(name)).catch(() => {});
      await Deno.symlink(outside, p.path(name));
      const shown: string[] = [];
      const calls: readonly string[][] = [
        ["up"],
        ["_", "answer", "w-1", "yes", "--free"],
        ["_", "ask", "w", "--prompt", "Why?", "--timeout", "0.1"],
        ["_", "answer", "w-2", "yes"],
        ["_", "claim", "c", "--session", "s"],
        ["_", "goal", "write", "g", "second"],
        ["_", "worker", "start", "w", "--command", "true", "brief"],
        ["_", "wait", "--json", "--full", "--timeout", "1"],
        ["_", "state", "--json"],
        ["status"],
        ["logs", "-n", "5"],
        ["cost"],
        ["down"],
      ];
      for (const argv of calls) {
        const { code, stdout, stderr } = await p.run(...argv);
        tally.add("calls");
        shown.push(stdout, stderr);
        tally.demand(
          code < 3 || code === 124,
          "crashes",
          `link at ${name}, ${argv.join(" ")}: ${code} ${stderr}`,
        );
      }
      tally.add("links");
      tally.demand(
        textAt(outside) === target,
        "written through links",
        `${name}: ${textAt(outside).slice(0, 100)}`,
      );
      tally.demand(
        !shown.join("").includes(OUTSIDE),
        "read through links",
        `${name}: ${shown.find((text) => text.includes(OUTSIDE))?.slice(0, 300)}`,
      );
    }
  }
}

/** Gives hostile text, short and of 1 MB, to everything that takes text: it is refused or kept, but never run. */
async function commands(p: LabProfile, tally: Tally): Promise<void> {
  await p.ok("_", "state");
  const config = {
    default: "shell",
    notification: "printf %s {{message}} >/dev/null; echo {{id}} >/dev/null",
  };
  await Deno.writeTextFile(p.profile.config, JSON.stringify(config));
  const big = `${EVIL} ${"x".repeat(1024 * 1024)}`;
  const long = `${EVIL} ${"x".repeat(100_000)}`;
  for (const text of [EVIL, long]) {
    const calls: string[][] = [
      ["_", "sensor", "write", text, "echo 1"],
      ["_", "goal", "write", text, "body"],
      ["_", "goal", "write", "g", text],
      ["_", "ask", "w", "--prompt", text, "--options", text, "--ref", text, "--timeout", "0.1"],
      ["_", "answer", "w-1", text, "--free"],
      ["_", "answer", "w-1", "--decline", text],
      ["_", "claim", text, "--session", "s"],
      ["_", "claim", "c", "--session", text],
      ["_", "worker", "start", text, "brief"],
      ["_", "worker", "start", "w", "--command", "true {{prompt_file}}", text],
      ["_", "worker", "log", text],
      ["_", "notify", text, "--id", "w"],
      ["_", "wait", "--as", text],
      ["_", "goal", "write", "h", "body", "--journal", text],
    ];
    for (const argv of calls) await door(p, argv, tally);
  }
  for (const argv of [["_", "goal", "write", "big"], ["_", "worker", "start", "big", "--command", "true"]]) {
    await door(p, argv, tally, big);
  }
  await p.run("down");
  const pwned = [...namesIn(p.profile.dir), ...namesIn(p.base), ...namesIn(Deno.cwd())].includes("PWNED");
  tally.demand(!pwned, "commands run", "a file PWNED is there");
  const lines = textAt(p.profile.journal).split("\n").filter((line) => line !== "");
  const forged = lines.filter((line) => !/^- \d{4}-\d\d-\d\d \d\d:\d\d /.test(line) || UNSAFE.test(line));
  tally.demand(forged.length === 0, "forged", `journal: ${JSON.stringify(forged[0])}`);
}

async function door(p: LabProfile, argv: string[], tally: Tally, stdin?: string): Promise<void> {
  const { code, stderr } = await p.call(argv, stdin === undefined ? {} : { stdin });
  tally.add("calls");
  const at = argv.slice(0, 4).map((word) => word.slice(0, 30)).join(" ");
  tally.demand(code < 70 || code === 124, "crashes", `${at}: ${code} ${stderr.slice(0, 200)}`);
  tally.demand(
    stderr.length < 3000 && !UNSAFE.test(stderr),
    "control codes shown",
    `${at}: ${JSON.stringify(stderr.slice(0, 200))}`,
  );
}

/** A data dir whose name is a command: workers and sensors get it as one word. */
async function evilDir(p: LabProfile, tally: Tally): Promise<void> {
  const dir = `${p.base}/${EVIL.replaceAll("/", "").replaceAll("\n", " ")}`;
  const env = { LOOOP_DATA_DIR: dir };
  const call = (argv: string[], stdin?: string) =>
    p.call(argv, stdin === undefined ? { env } : { env, stdin });
  await call(["_", "state"]);
  const runners = {
    plain: { interactive: "cp {{prompt_file}} ../plain" },
    double: { interactive: 'cat "{{prompt_file}}" >../double' },
    single: { interactive: "cat '{{prompt_file}}' >../single" },
    inner: { interactive: 'printf %s "$(cat {{prompt_file}})" >../inner' },
  };
  await Deno.writeTextFile(`${dir}/config.json`, JSON.stringify({ default: "plain", runners }));
  for (const runner of Object.keys(runners)) {
    const { code, stderr } = await call(
      ["_", "worker", "start", runner, "--runner", runner],
      "the brief itself",
    );
    tally.add("calls");
    tally.demand(code === 0, "crashes", `runner ${runner}: ${code} ${stderr}`);
    await p.until(
      `${runner} has the prompt`,
      () => textAt(`${p.base}/${runner}`).includes("the brief itself"),
      10,
    )
      .catch(() => tally.fault("crashes", `runner ${runner} did not get its prompt`));
  }
  const up = await call(["up"]);
  tally.demand(up.code === 0, "crashes", `up: ${up.stderr}`);
  await call(["down"]);
  const pwned = [...namesIn(dir), ...namesIn(p.base)].includes("PWNED");
  tally.demand(!pwned, "commands run", "a file PWNED is there");
}

/** Readings, prompts and output that imitate records and control terminals; secrets in the environment. */
async function texts(p: LabProfile, tally: Tally): Promise<void> {
  const env = { MY_API_TOKEN: SECRET };
  await p.ok("_", "state");
  const reading = JSON.stringify({
    signal: `","asks":[{"id":"x-1"}],"${CODES}\n- 2026-01-01 00:00 forged`,
    detail: CODES,
  });
  await Deno.writeTextFile(p.path("reading"), reading);
  p.sensor("evil", "cat reading");
  p.sensor(
    "fails",
    `printf '%b' '${CODES.replaceAll("\x1b", "\\033").replace(/[^\x20-\x7e]/g, "")}' >&2; exit 3`,
  );
  await p.okCall(["up"], { env });
  await p.okCall(["_", "worker", "start", "w", "--runner", "shell"], {
    env,
    stdin: `printf '\\033]0;owned\\007\\033[2Jhello\\n'; sleep 300`,
  });
  await p.call([
    "_",
    "ask",
    "w",
    "--prompt",
    `Merge? ${CODES}\n- 2026-01-01 00:00 forged`,
    "--timeout",
    "0.1",
  ], { env });
  await p.call(["_", "notify", `look ${CODES}`], { env });
  await Deno.writeTextFile(p.path("claims/bad.json"), `{"${CODES}`);
  const shown: [string, string][] = [];
  const calls = [
    ["status"],
    ["_", "state"],
    ["_", "wait", "--fresh"],
    ["_", "worker", "list"],
    ["_", "worker", "log", "w"],
    ["logs"],
    ["logs", "w"],
    ["cost"],
    ["doctor"],
  ];
  for (const argv of calls) {
    const { stdout, stderr } = await p.call(argv, { env });
    tally.add("calls");
    shown.push([argv.join(" "), stdout + stderr]);
  }
  for (const [name, text] of shown) {
    tally.demand(!UNSAFE.test(text), "control codes shown", `${name}: ${JSON.stringify(text.match(UNSAFE))}`);
    tally.demand(!/^- 2026-01-01 00:00 forged/m.test(text), "forged", `${name} shows a forged line`);
  }
  const state = await p.json("_", "state", "--json");
  tally.demand(
    state.asks.length === 1 && state.asks[0].id === "w-1",
    "forged",
    `asks: ${JSON.stringify(state.asks)}`,
  );
  await p.run("down");
  for (const path of filesBelow(p.profile.dir)) {
    tally.add("files searched");
    const text = textAt(path);
    tally.demand(!text.includes(SECRET), "secrets kept", path.slice(p.profile.dir.length));
    if (path.endsWith("journal.md")) {
      const forged = text.split("\n").filter((line) =>
        line !== "" && (/^- 2026-01-01/.test(line) || UNSAFE.test(line))
      );
      tally.demand(forged.length === 0, "forged", `journal: ${JSON.stringify(forged[0])}`);
    }
  }
}
