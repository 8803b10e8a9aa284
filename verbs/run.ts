/** `looop _ run`: runs one reversible command in the data dir, through the gate, with its own exit status. */
import { ownVariables } from "../lib/records/home.ts";
import { type CommandOutcome, runCommand, type Tail } from "../lib/process/capture.ts";
import { childEnv } from "../lib/process/child_env.ts";
import { ReaderGone } from "../lib/cli/console.ts";
import { EXIT, oneLine, UsageError, UserError } from "../lib/errors.ts";
import { explainVerdict, type Refusal } from "../lib/gate/judge.ts";
import { judgeIn } from "../lib/records/gate.ts";
import { journalAs, poke } from "../lib/records/move.ts";
import { writeNotes } from "../lib/records/notes.ts";
import { openProfile } from "../lib/records/profile.ts";
import { shellQuote } from "../lib/text/quote.ts";
import { runStoppable, STOP_SIGNALS, type StopSignal } from "../lib/process/stop.ts";
import { type Context, defineVerb, type Input } from "../lib/cli/verb.ts";
import { closeIntent, type Intent, openIntent, RUN_MARK, runNotesPath } from "../lib/records/intents.ts";

const DEFAULT_TIMEOUT_S = 120;
const MAX_REFUSAL_CHARS = 4_000;
/** Size of the end of each stream that is kept, bytes; agents' shell tools cut output of 10 to 50 KB and more. */
const TAIL_BYTES = 64 * 1024;

/** A bash line, or an exact argv. */
type Command = { line: string } | { argv: readonly string[] };

export default defineVerb({
  declare: {
    path: "_ run",
    summary: "run one reversible command in the data dir; one that looks irreversible is refused",
    audience: "root",
    args: [{ name: "command", summary: "one word: a bash line; several: exactly these words", many: true }],
    options: [
      { name: "reason", value: "T", summary: "why, for the journal", isTrailing: true },
      { name: "timeout", value: "S", summary: "end it after S seconds with exit 124; 120 by default" },
      { name: "approved", value: "WORDS", summary: "the human's own words that allow what the gate refuses" },
    ],
    mutating: true,
    passthrough: true,
    example: "looop _ run --reason 'see what changed' 'git -C ~/src/app fetch && git -C ~/src/app status'",
    details:
      "Exits with the command's own status: 128+n for a signal, 127 not found, 124 timed out, 126 refused by\n" +
      "the gate (`gate.deny` and `gate.allow` in config.json add to its rules). The gate is a tripwire against\n" +
      "accidents, not a sandbox. stdin is closed; the last 64 KiB each of stdout and stderr are shown at the end;\n" +
      "nothing that the command starts outlives it.",
  },
  async run(context, input) {
    const command = commandOf(input.words);
    const approved = approvalOf(input);
    const timeoutS = input.seconds("timeout") ?? DEFAULT_TIMEOUT_S;
    openProfile(context.profile);
    const verdict = judgeIn(context, command);
    if (!verdict.allowed && approved === undefined) return refuse(context, verdict);
    const intent = await openIntent(context.profile, {
      kind: "run",
      text: "line" in command ? command.line : JSON.stringify(command.argv),
      what: shown(command),
      reason: input.text("reason"),
      approved,
    }, context.now());
    try {
      const { outcome, stoppedBy } = await runInDataDir(context, command, intent, timeoutS * 1000);
      const ended = endOf(outcome, stoppedBy, timeoutS);
      journal(context, intent, ended.told);
      show(context, outcome, ended.note);
      return { code: ended.code };
    } finally {
      closeIntent(context.profile, intent);
    }
  },
});

function commandOf(words: readonly string[]): Command {
  const [first = ""] = words;
  if (first.trim() === "") {
    throw new UsageError("There is no command", { next: "as in `looop _ run 'git status'`" });
  }
  return words.length === 1 ? { line: first } : { argv: words };
}

function approvalOf(input: Input): string | undefined {
  const words = input.text("approved");
  if (words !== undefined && words.trim() === "") {
    throw new UsageError("--approved is empty", { next: "give the human's own words" });
  }
  return words;
}

/**
 * Refuses a command: nothing ran, so it is journaled as refused, and one line says which rule, why and what to do
 * instead.
 */
function refuse(context: Context, verdict: Refusal): { code: number } {
  const { message, next } = explainVerdict(verdict);
  journalAs(context, `refused: run ${verdict.command}: rule ${verdict.rule}`);
  // Not cut like other messages: the human is asked about the whole line.
  context.note(`looop _ run: ${oneLine(`${message}; ${next}`, MAX_REFUSAL_CHARS)}`);
  return { code: EXIT.refused };
}

/** Runs the command; a signal to us, or the end of our caller, ends its whole tree. */
async function runInDataDir(
  context: Context,
  command: Command,
  intent: Intent,
  timeoutMs: number,
): Promise<{ outcome: CommandOutcome; stoppedBy: StopSignal | undefined }> {
  const { profile } = context;
  try {
    const { value: outcome, stoppedBy } = await runStoppable((stop) =>
      runCommand({
        argv: argvOf(command),
        cwd: profile.dir,
        env: childEnv(context.env, ownVariables(profile, context.bin()), workerMarks(context)),
        mark: { name: RUN_MARK, value: intent.id },
        timeoutMs,
        tailBytes: TAIL_BYTES,
        onNoted: (notes) => writeNotes(runNotesPath(profile, intent), notes),
      }, stop)
    );
    return { outcome, stoppedBy: outcome.endedBy === "stop" ? stoppedBy : undefined };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot run bash: ${(error as Error).message}`, {
      next: "install bash",
      cause: error,
    });
  }
}

/** Commands that a worker runs belong to the worker: a looop below them must know that its caller is no person. */
function workerMarks({ caller, env }: Context): Record<string, string> {
  if (caller.kind !== "worker") return {};
  return { LOOOP_SESSION_ID: caller.worker, LOOOP_SESSION_GEN: env["LOOOP_SESSION_GEN"] ?? "" };
}

/**
 * The argv of a command. bash runs an exact argv, too, since it gives "not found" and "not executable" their usual
 * codes and words.
 */
function argvOf(command: Command): string[] {
  if ("line" in command) return ["bash", "-c", command.line];
  return ["bash", "-c", 'exec -- "$@"', "looop", ...command.argv];
}

function endOf(
  outcome: CommandOutcome,
  stoppedBy: StopSignal | undefined,
  timeoutS: number,
): { code: number; told: string; note?: string } {
  const left = outcome.survivors.length === 0
    ? ""
    : `; still there: ${outcome.survivors.map((fact) => fact.pid).join(", ")}`;
  const secs = `${(outcome.ms / 1000).toFixed(1)} s${left}`;
  if (outcome.endedBy === "timeout") {
    return {
      code: EXIT.timeout,
      told: `timed out, ended after ${secs}`,
      note: `timed out after ${timeoutS} s and was ended${left}; give it longer with --timeout`,
    };
  }
  if (stoppedBy !== undefined) {
    return {
      code: STOP_SIGNALS[stoppedBy],
      told: `ended by ${stoppedBy} after ${secs}`,
      note: `ended by ${stoppedBy}`,
    };
  }
  return {
    code: outcome.code,
    told: `exit ${outcome.code} in ${secs}`,
    ...(left === "" ? {} : { note: left.slice(2) }),
  };
}

function journal(context: Context, intent: Intent, told: string): void {
  const why = intent.reason === undefined ? "" : ` (${oneLine(intent.reason)})`;
  const text = context.journalText ?? `run ${intent.what}${why}: ${told}`;
  const yes = intent.approved === undefined
    ? ""
    : `; approved by the human: "${oneLine(intent.approved, 600)}"`;
  journalAs(context, `${oneLine(text, 1200)}${yes}`);
  poke(context.profile);
}

/** Called after journaling: a reader that has gone must not cost the record. */
function show(context: Context, { stdout, stderr }: CommandOutcome, note: string | undefined): void {
  try {
    context.err(stderr.bytes);
    for (const line of [cutNote("stdout", stdout), cutNote("stderr", stderr), note]) {
      if (line !== undefined) context.note(`looop _ run: ${line}`);
    }
    context.out(stdout.bytes);
  } catch (error) {
    if (!(error instanceof ReaderGone)) throw error;
  }
}

function cutNote(name: string, { bytes, cut }: Tail): string | undefined {
  return cut === 0
    ? undefined
    : `${name}: the first ${cut} bytes were cut, the last ${bytes.length} are shown`;
}

function shown(command: Command): string {
  return "line" in command ? command.line : command.argv.map(shellQuote).join(" ");
}
