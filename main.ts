/**
 * looop: a tiny control plane for agent-driven work.
 *
 * This module is the program's entry: the table of verbs, the dispatch, and the one catch that prints an
 * error and chooses the exit code.
 *
 * @module
 */
import { printableJson } from "./lib/text/json.ts";
import { ReaderGone, readStdin, terminalWidth, wantsColour, writeAll } from "./lib/cli/console.ts";
import { EXIT, formatError, oneLine, UsageError, UserError } from "./lib/errors.ts";
import { nearest } from "./lib/text/nearest.ts";
import { profileFrom } from "./lib/paths.ts";
import { checkProfile } from "./lib/records/profile_check.ts";
import { executablePath, selfCommand } from "./lib/process/self.ts";
import { type Context, type Declaration, parseInput, type Reply, type Verb } from "./lib/cli/verb.ts";
import { VERSION } from "./lib/cli/version.ts";

/** Every verb and where it is; each is loaded only when it is called. */
const VERBS: Readonly<Record<string, () => Promise<Verb>>> = {
  "up": () => import("./verbs/up.ts").then((m) => m.default),
  "init": () => import("./verbs/init.ts").then((m) => m.default),
  "down": () => import("./verbs/down.ts").then((m) => m.default),
  "logs": () => import("./verbs/logs.ts").then((m) => m.default),
  "cost": () => import("./verbs/cost.ts").then((m) => m.default),
  "doctor": () => import("./verbs/doctor.ts").then((m) => m.default),
  "config": () => import("./verbs/config.ts").then((m) => m.default),
  "status": () => import("./verbs/status.ts").then((m) => m.default),
  "demo": () => import("./verbs/demo.ts").then((m) => m.default),
  "service": () => import("./verbs/service.ts").then((m) => m.default),
  "version": () => import("./verbs/version.ts").then((m) => m.default),
  "help": () => import("./verbs/help.ts").then((m) => m.default),
  "_ state": () => import("./verbs/state.ts").then((m) => m.default),
  "_ wait": () => import("./verbs/wait.ts").then((m) => m.default),
  "_ answer": () => import("./verbs/answer.ts").then((m) => m.default),
  "_ goal write": () => import("./verbs/goal.ts").then((m) => m.write),
  "_ goal archive": () => import("./verbs/goal.ts").then((m) => m.archive),
  "_ sensor write": () => import("./verbs/sensor.ts").then((m) => m.write),
  "_ sensor run": () => import("./verbs/sensor.ts").then((m) => m.run),
  "_ sensor remove": () => import("./verbs/sensor.ts").then((m) => m.remove),
  "_ sensor examples": () => import("./verbs/sensor.ts").then((m) => m.examples),
  "_ sensor add": () => import("./verbs/sensor.ts").then((m) => m.add),
  "_ sensor check": () => import("./verbs/sensor.ts").then((m) => m.check),
  "_ playbook write": () => import("./verbs/playbook.ts").then((m) => m.write),
  "_ undo": () => import("./verbs/undo.ts").then((m) => m.default),
  "_ run": () => import("./verbs/run.ts").then((m) => m.default),
  "_ notify": () => import("./verbs/notify.ts").then((m) => m.default),
  "_ worker start": () => import("./verbs/worker.ts").then((m) => m.start),
  "_ worker resume": () => import("./verbs/worker.ts").then((m) => m.resume),
  "_ worker kill": () => import("./verbs/worker.ts").then((m) => m.kill),
  "_ worker list": () => import("./verbs/worker.ts").then((m) => m.list),
  "_ worker log": () => import("./verbs/worker.ts").then((m) => m.log),
  "_ ready": () => import("./verbs/ready.ts").then((m) => m.default),
  "_ ask": () => import("./verbs/ask.ts").then((m) => m.default),
  "_ claim": () => import("./verbs/claim.ts").then((m) => m.claim),
  "_ unclaim": () => import("./verbs/claim.ts").then((m) => m.unclaim),
  "_ cost": () => import("./verbs/cost.ts").then((m) => m.ledger),
  "_ kill": () => import("./verbs/kill.ts").then((m) => m.default),
  "_ pulse": () => import("./verbs/pulse.ts").then((m) => m.default),
  "_ reap": () => import("./verbs/reap.ts").then((m) => m.default),
  "_ complete": () => import("./verbs/config.ts").then((m) => m.complete),
  "_ probe": () => import("./verbs/doctor.ts").then((m) => m.probe),
};

/** Verbs that looop calls by itself; no message offers them. */
const INTERNAL: readonly string[] = ["_ pulse", "_ reap", "_ complete", "_ probe"];

function shownPaths(): string[] {
  return Object.keys(VERBS).filter((path) => !INTERNAL.includes(path));
}

/** Other words for a verb. */
const ALIASES: Readonly<Record<string, string>> = {
  "--help": "help",
  "-h": "help",
  "--version": "version",
  "-V": "version",
};

/** The verb of a command line and what follows it. @throws {UsageError} with the nearest match. */
function findVerb(argv: readonly string[]): { path: string; rest: string[] } {
  const first = argv[0];
  if (first === undefined) return { path: "help", rest: [] };
  for (const count of [3, 2, 1]) {
    const path = argv.slice(0, count).join(" ");
    if (argv.length >= count && Object.hasOwn(VERBS, path)) return { path, rest: argv.slice(count) };
  }
  const alias = Object.hasOwn(ALIASES, first) ? ALIASES[first] : undefined;
  if (alias !== undefined) return { path: alias, rest: argv.slice(1) };
  throw unknownVerb(argv);
}

function unknownVerb(argv: readonly string[]): UsageError {
  const paths = shownPaths();
  const count = argv[0] === "_" ? (paths.some((path) => path.startsWith(`_ ${argv[1]} `)) ? 3 : 2) : 1;
  const typed = argv.slice(0, count).join(" ");
  const below = paths.filter((path) => path.startsWith(`${typed} `));
  if (below.length > 0) {
    const next = below.map((path) => path.slice(typed.length + 1)).join(", ");
    return new UsageError(`"${oneLine(typed, 60)}" needs a verb`, { next: `one of ${next}` });
  }
  const match = nearest(typed, paths) ?? nearest(`_ ${typed}`, paths);
  return new UsageError(`Unknown verb "${oneLine(typed, 60)}"`, {
    next: match === undefined ? "`looop help` lists them" : `did you mean \`looop ${match}\`?`,
  });
}

/** What the process is made of, handed to the verb instead of globals. */
function contextOf(): Context {
  const env = Deno.env.toObject();
  const self = selfCommand();
  const now = () => Date.now();
  let profile: ReturnType<typeof profileFrom> | undefined;
  return {
    get profile() {
      return profile ??= profileFrom(env, Deno.cwd());
    },
    env,
    self,
    version: VERSION,
    journalText: undefined,
    json: false,
    get colour() {
      return wantsColour(env, Deno.stdout.isTerminal());
    },
    get width() {
      return terminalWidth(env);
    },
    now,
    out: (text) => writeAll(Deno.stdout, text),
    err: (bytes) => writeAll(Deno.stderr, bytes),
    note: (line) => writeAll(Deno.stderr, `${line}\n`),
    stdin: () => readStdin(),
    stdinIsTerminal: () => Deno.stdin.isTerminal(),
    bin() {
      return executablePath(this.profile, self);
    },
    get paths() {
      return shownPaths();
    },
    declaration: async (path) => (await (VERBS[path] as () => Promise<Verb>)()).declare,
    declarations: async () => {
      const verbs: Declaration[] = [];
      for (const load of Object.values(VERBS)) verbs.push((await load()).declare);
      return verbs;
    },
  };
}

/** Whether `--json` stands among the words that can be options. */
function mayWantJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes("--json");
}

async function main(argv: readonly string[]): Promise<number> {
  let path = "";
  let mutating = false;
  const context = contextOf();
  try {
    // Until it is known which words are options and which are text.
    context.json = mayWantJson(argv);
    const found = findVerb(argv);
    path = found.path;
    const verb = await (VERBS[path] as () => Promise<Verb>)();
    // In `_ run git … --json` the option is git's.
    if (verb.declare.passthrough) context.json = false;
    const input = parseInput(verb.declare, found.rest);
    context.json = input.flag("json");
    if (input.flag("help")) {
      const { helpFor } = await import("./lib/cli/manual.ts");
      context.out(helpFor(verb.declare));
      return EXIT.ok;
    }
    context.journalText = input.text("journal");
    if (verb.declare.audience !== "people") checkProfile(context.profile);
    mutating = verb.declare.mutating === true;
    await noteAgent(context, verb.declare);
    const reply = await verb.run(context, input);
    // It is done: that its reply cannot be printed is no failure of the move.
    mutating = false;
    if (reply !== undefined) show(context, verb.declare, reply);
    return reply?.code ?? EXIT.ok;
  } catch (error) {
    if (error instanceof ReaderGone) return EXIT.ok;
    return await report(context, path, mutating, error);
  }
}

/** Prints a reply: its text or, with `--json`, its value (a plain message as `{"message": …}`). */
function show(context: Context, declare: Declaration, reply: Reply): void {
  // What `--json` means to a verb that declares it is that verb's own matter (`up`: how the pulse logs).
  const implied = declare.options?.some((option) => option.name === "json") !== true;
  const value = reply.json ?? (implied && reply.text !== undefined ? { message: reply.text } : undefined);
  if (context.json && value !== undefined) {
    context.out(`${printableJson(value, 2)}\n`);
  } else if (reply.text !== undefined) {
    context.out(reply.text.endsWith("\n") ? reply.text : `${reply.text}\n`);
  }
}

/** Each is set in the shell tool of one agent CLI. */
const AGENT_SHELLS = ["PI_SESSION_ID", "CLAUDE_CODE_SESSION_ID", "CODEX_THREAD_ID", "OPENCODE_PID"];

/** An agent that calls a verb tells in its environment which of its sessions it is: its spend is read there. */
async function noteAgent(context: Context, { audience }: Declaration): Promise<void> {
  if (audience !== "root" && audience !== "worker") return;
  const { env } = context;
  if (!AGENT_SHELLS.some((name) => env[name])) return;
  const { noteCaller } = await import("./lib/agents/agent_session.ts");
  // A verb's work does not depend on it: what hinders it (a full disk) is told by the verb itself.
  await Promise.try(() => noteCaller(context.profile, env, Deno.cwd(), context.now())).catch(() => {});
}

/** Prints an error as one line (or as JSON) and returns the exit code. */
async function report(
  context: Context,
  path: string,
  mutating: boolean,
  error: unknown,
): Promise<number> {
  const known = error instanceof UserError ? error : bug(error);
  if (mutating && !(known instanceof UsageError)) await journalFailure(context, path, known);
  const line = context.json
    ? printableJson({ error: { kind: known.kind, message: known.message, next: known.next ?? null } })
    : formatError(path, known);
  const stack = context.env["LOOOP_DEBUG"] === "1" ? `\n${stackOf(error)}` : "";
  try {
    context.note(line + stack);
  } catch {
    // Nobody reads stderr either.
  }
  return known.code;
}

async function journalFailure(context: Context, path: string, error: UserError): Promise<void> {
  try {
    const { appendJournal } = await import("./lib/records/journal.ts");
    appendJournal(
      context.profile,
      `failed: ${path.replace(/^_ /, "")}: ${error.message}`,
      new Date(context.now()),
    );
  } catch {
    // The failure itself is what the user must hear of.
  }
}

/** An error that nobody foresaw: its stack is kept in a file that the message names. */
function bug(error: unknown): UserError {
  const message = error instanceof Error ? error.message : String(error);
  let kept = "set LOOOP_DEBUG=1 to see where";
  try {
    const file = Deno.makeTempFileSync({ prefix: "looop-bug-", suffix: ".txt" });
    Deno.writeTextFileSync(file, `looop ${VERSION}\n${stackOf(error)}\n`);
    kept = `please report it with ${file}`;
  } catch {
    // No room for the stack.
  }
  return new UserError(`This is a bug of looop: ${message}`, {
    next: kept,
    kind: "bug",
    code: EXIT.bug,
    cause: error,
  });
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

if (import.meta.main) {
  for (const kind of ["error", "unhandledrejection"] as const) {
    addEventListener(kind, (event) => {
      event.preventDefault();
      const error = event instanceof ErrorEvent ? event.error : (event as PromiseRejectionEvent).reason;
      if (error instanceof ReaderGone) Deno.exit(EXIT.ok);
      const known = error instanceof UserError ? error : bug(error);
      try {
        writeAll(Deno.stderr, `${formatError("", known)}\n`);
      } finally {
        Deno.exit(known.code);
      }
    });
  }
  Deno.exit(await main(Deno.args));
}
