import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { displayWidth } from "../../lib/text/style.ts";
import { looopCommand, type TestProfile, testProfile } from "../looop.ts";
import { HAS_TMUX, Terminal } from "../tmux.ts";

/** Registers a test that needs a terminal. */
function onTerminal(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_TMUX, fn });
}

/** Writes a pending question as `_ ask` does. */
function ask(p: TestProfile, id: string, prompt: string, more: Record<string, unknown> = {}): void {
  Deno.mkdirSync(p.profile.asks, { recursive: true });
  const ts = Math.floor(Date.now() / 1000) - 60;
  const text = JSON.stringify({ v: 1, id, worker: id.replace(/-\d+$/, ""), prompt, ts, gen: "", ...more });
  Deno.writeTextFileSync(p.path(`asks/${id}.json`), text);
}

const ASKING = `"$LOOOP_BIN" _ ready w1
color=$("$LOOOP_BIN" _ ask w1 --prompt "Which color?" --options red,blue) || color="none ($?: $color)"
echo "You like $color." >"$LOOOP_DATA_DIR/reports/w1.md"
"$LOOOP_BIN" _ done w1`;

/** A profile with a worker that asks. */
async function withAsker(): Promise<TestProfile> {
  const p = await testProfile();
  await p.ok("up");
  await p.okCall(["_", "worker", "start", "w1", "--runner", "shell"], { stdin: ASKING });
  await p.until(
    "w1 asks",
    () => [...Deno.readDirSync(p.profile.asks)].some(({ name }) => name === "w1-1.json"),
  );
  return p;
}

async function reportOf(p: TestProfile): Promise<string> {
  const path = p.path("reports/w1.md");
  await p.until("w1's report", () => Deno.readTextFile(path).then((text) => text !== "", () => false), 40);
  return await Deno.readTextFile(path);
}

/** Checks that the terminal is as it was before looop drew on it. */
async function checkRestored(terminal: Terminal, code: number): Promise<void> {
  const rows = await terminal.until(/rc=\d+[^]*icanon/);
  strictEqual(rows[0], "before");
  match(rows.join("\n"), new RegExp(`^rc=${code}$`, "m"));
  ok(!/-icanon|-echo |-isig/.test(rows.join(" ")), rows.join("\n"));
  deepStrictEqual(await terminal.modes(), { alternate: false, cursor: true });
}

onTerminal(
  "given a worker's question, when an option is chosen on the screen, then the worker is given it",
  async () => {
    await using p = await withAsker();
    await using terminal = await Terminal.open(p, ["watch"]);
    await terminal.until(/Which color\?[^]*1 red · 2 blue/);
    await terminal.keys("2");
    await terminal.until(/answer w1-1 with "blue"\?/);
    await terminal.keys("Enter");
    strictEqual(await reportOf(p), "You like blue.\n");
    await terminal.until(/questions: none/);
    match(p.read("journal.md"), /answer w1-1: blue \[hand\]/);
    await terminal.keys("q");
    await checkRestored(terminal, 0);
  },
);

onTerminal(
  "given a worker's question, when it is declined in place, then the worker gets the reason",
  async () => {
    await using p = await withAsker();
    await using terminal = await Terminal.open(p, ["watch"], { columns: 40, rows: 12 });
    await terminal.until(/w1-1/);
    await terminal.keys("d");
    await terminal.until(/Which color\?[^]*because ›/);
    await terminal.type("not nowx");
    await terminal.keys("BSpace", "Enter");
    strictEqual(await reportOf(p), "You like none (3: not now).\n");
  },
);

onTerminal(
  "given options, when something else is typed, then it is sent only when it is sent again",
  async () => {
    await using p = await withAsker();
    await using terminal = await Terminal.open(p, ["watch"]);
    await terminal.until(/Which color\?/);
    await terminal.keys("a");
    await terminal.until(/answer w1-1 ›/);
    await terminal.keys("Enter");
    await terminal.until(/it is empty/);
    await terminal.type("green");
    await terminal.keys("Enter");
    await terminal.until(/⏎ again sends it[^]*answer w1-1 › green/);
    await terminal.keys("Enter");
    strictEqual(await reportOf(p), "You like green.\n");
  },
);

onTerminal(
  "given a typed answer, when esc is pressed, then nothing is sent and the question stays",
  async () => {
    await using p = await testProfile();
    ask(p, "w1-1", "Go on?");
    await using terminal = await Terminal.open(p, ["watch"]);
    await terminal.until(/Go on\?/);
    await terminal.type("ayes");
    await terminal.until(/answer w1-1 › yes/);
    await terminal.keys("Escape");
    await terminal.until(/nothing was sent/);
    deepStrictEqual([...Deno.readDirSync(p.profile.answers)], []);
    // Line ends in a paste are text; only a key sends.
    await terminal.keys("a");
    await terminal.until(/answer w1-1 ›/);
    await terminal.tmux("set-buffer", "one\ntwo\n");
    await terminal.tmux("paste-buffer", "-p");
    await terminal.until(/answer w1-1 › one two/);
    deepStrictEqual([...Deno.readDirSync(p.profile.answers)], []);
  },
);

/** Checks what the screen must show at every size. */
async function checkScreen(terminal: Terminal, columns: number, rows: number): Promise<string> {
  await terminal.until(/^looop · pulse: .*$[^]*q quit/m);
  let shown: string[] = [];
  // A resize takes several steps; it is done when the first row and the keys are in place.
  for (let tries = 0; tries < 200; tries++) {
    shown = await terminal.rows();
    if (shown.length === rows && /q quit/.test(shown.at(-1)!) && shown[0]!.startsWith("looop · ")) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  strictEqual(shown.length, rows, shown.join("\n"));
  match(shown[0]!, /^looop · pulse: /);
  match(shown.at(-1)!, /q quit/, shown.join("\n"));
  ok(shown.every((row) => displayWidth(row) <= columns), shown.join("\n"));
  const text = shown.join("\n");
  for (const part of ["questions: ", "workers: ", "sensors: ", "journal "]) {
    ok(text.includes(part), `${part}\n${text}`);
  }
  return text;
}

onTerminal(
  "given a fleet, when the terminal is resized from 40 to 300 columns, then each size is filled and whole",
  async () => {
    await using p = await withAsker();
    p.sensor("ci", "exit 3");
    await p.ok("_", "schedule", "write", "daily", "--every", "2h", "look at the mail");
    await using terminal = await Terminal.open(p, ["watch"], { columns: 80, rows: 24 });
    await terminal.until(/ci +failing/);
    for (
      const [columns, rows] of [[40, 12], [200, 50], [80, 24], [300, 80], [60, 18], [111, 17], [
        40,
        12,
      ]] as const
    ) {
      await terminal.resize(columns, rows);
      const text = await checkScreen(terminal, columns, rows);
      match(text, /w1-1/);
      if (rows < 24) continue;
      match(text, /ci +failing/);
      match(text, /daily +in \d/);
      match(text, /w1 +asking +for \d+ (s|min) +idle \d+ (s|min) +(–|\$\S+) +shell/);
      match(text, /nobody listens/);
    }
  },
);

onTerminal(
  "given the screen, when the program is ended by a signal, then the terminal is as it was",
  async () => {
    for (const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129], ["SIGINT", 130]] as const) {
      await using p = await testProfile();
      await using terminal = await Terminal.open(p, ["watch"]);
      await terminal.until(/q quit/);
      Deno.kill(await terminal.pid(), signal);
      await checkRestored(terminal, code);
    }
  },
);

onTerminal(
  "given the screen, when Ctrl-C is pressed, then it quits with 0 and the terminal is as it was",
  async () => {
    await using p = await testProfile();
    await using terminal = await Terminal.open(p, ["watch"]);
    await terminal.until(/q quit/);
    await terminal.keys("C-c");
    await checkRestored(terminal, 0);
  },
);

onTerminal(
  "given the screen in a shell, when Ctrl-Z is pressed, then the shell has its terminal, and fg brings the screen back",
  async () => {
    await using p = await testProfile();
    ask(p, "w1-1", "Which one?");
    const command = ["env", "PS1=shell> ", "bash", "--norc", "--noprofile", "-i"];
    await using terminal = await Terminal.open(p, [], { command });
    await terminal.until(/shell>$/m);
    await terminal.type(`${looopCommand().join(" ")} watch`);
    await terminal.keys("Enter");
    await terminal.until(/Which one\?[^]*q quit/);
    for (const _ of ["once", "again"]) {
      await terminal.keys("C-z");
      await terminal.until(/Stopped[^]*shell>$/m);
      deepStrictEqual(await terminal.modes(), { alternate: false, cursor: true });
      await terminal.type("stty -a; fg");
      await terminal.keys("Enter");
      await terminal.until(/Which one\?[^]*q quit/);
      deepStrictEqual((await terminal.modes()).alternate, true);
    }
    await terminal.keys("?");
    await terminal.until(/ctrl-z +to the shell/);
    await terminal.keys("Escape");
    await terminal.until(/Which one\?/);
    await terminal.keys("q");
    match((await terminal.until(/shell>$/m)).join("\n"), / icanon | echo /);
    deepStrictEqual(await terminal.modes(), { alternate: false, cursor: true });
  },
);

onTerminal(
  "given a worker's environment, when answering keys are pressed, then they are off and say so",
  async () => {
    await using p = await withAsker();
    const env = {
      LOOOP_SESSION_ID: "w1",
      LOOOP_SESSION_GEN: JSON.parse(p.read("sessions/w1/meta.json")).gen,
    };
    await using terminal = await Terminal.open(p, ["watch"], { env });
    await terminal.until(/Which color\?[^]*answering is off/);
    for (const key of ["1", "a", "d"]) {
      await terminal.keys(key);
      await terminal.until(/worker "w1" may not answer/);
      await terminal.keys("Escape");
      await terminal.until(/answering is off/);
    }
    deepStrictEqual([...Deno.readDirSync(p.profile.answers)], []);
  },
);

/** Text of an agent that tries to write outside its place. */
const HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[1;1Howned \x9b31m\u202eevil\u202c \u2066x\u2069\u200f\u061c " +
  "\u{e0041}tag a\u0301\u200d👩\u200d👩\u200d👧 \r\nsecond\ttab";

onTerminal("given hostile texts, when they are shown, then they are text in their places", async () => {
  await using p = await testProfile();
  ask(p, "w1-1", HOSTILE, { options: ["\x1b[31myes\n", "no\u202e"], reference: HOSTILE });
  ask(p, "w2-1", `${"x".repeat(10_000)} ${"長い文 ".repeat(3_000)}`);
  ask(p, "w3-1", "\x1b[?1049l\x1b[?25h\x1bc");
  p.sensor("bad", `printf '\\033[2Jboom\\033]0;owned\\007' >&2; exit 1`);
  await p.ok("_", "note", HOSTILE);
  await p.ok("up");
  await using terminal = await Terminal.open(p, ["watch"], { columns: 100, rows: 30 });
  await terminal.until(/bad +failing/);
  for (const key of ["Down", "Down", "Up", "PPage", "NPage", "Enter", "NPage", "NPage"]) {
    await terminal.keys(key);
    const rows = await terminal.until(/q quit/);
    match(rows[0]!, /^looop · pulse: /, rows.join("\n"));
    ok(!/[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\u{e0000}-\u{e007f}]/u.test(rows.join("")));
  }
  await terminal.until(/w2-1: w2 asks[^]*more lines: PgDn/);
  ok(!(await terminal.tmux("display-message", "-p", "#{pane_title}")).includes("owned"));
  deepStrictEqual((await terminal.modes()).alternate, true);
});

onTerminal(
  "given the screen at rest, when a key moves the choice, then only what changes is sent",
  async () => {
    await using p = await testProfile();
    for (let n = 1; n <= 5; n++) ask(p, `w${n}-1`, `Question ${n}? ${"and more ".repeat(40)}`);
    await using terminal = await Terminal.open(p, ["watch"], { columns: 200, rows: 50 });
    await terminal.until(/› w1-1/);
    await terminal.tmux("pipe-pane", "-O", `cat >'${p.base}/sent'`);
    const sent = () => Deno.statSync(`${p.base}/sent`).size;
    await p.until("the pipe", () => Deno.stat(`${p.base}/sent`).then(() => true, () => false));
    await terminal.keys("Down");
    await terminal.until(/› w2-1/);
    await p.until("some bytes", () => sent() > 0);
    ok(sent() < 3_000, `${sent()} bytes for two rows and a question of 3 lines`);
  },
);

onTerminal(
  "given NO_COLOR, when the screen is drawn, then it has no colours and still a mark at the choice",
  async () => {
    await using p = await testProfile();
    ask(p, "w1-1", "Go on?");
    await using terminal = await Terminal.open(p, ["watch"], { env: { NO_COLOR: "1" } });
    await terminal.until(/› w1-1/);
    // deno-lint-ignore no-control-regex -- these must not be there
    ok(!/\x1b\[(3|9|4|10)[0-7]m/.test(await terminal.tmux("capture-pane", "-p", "-e")));
  },
);

Deno.test("given no terminal, when it is called, then one line says so and it exits 1", async () => {
  await using p = await testProfile();
  const { code, stdout, stderr } = await p.run("watch");
  deepStrictEqual([code, stdout], [1, ""]);
  match(stderr, /^looop watch: It needs a terminal to draw on; `looop status` .*\n$/);
  const json = await p.run("watch", "--json");
  deepStrictEqual([json.code, JSON.parse(json.stderr).error.kind], [1, "no_terminal"]);
});
