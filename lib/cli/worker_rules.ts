/**
 * The calls that a worker may make: a worker is neither a person nor a root agent. One table, checked once, before a
 * verb runs.
 *
 * Like the gate it is a tripwire: it does not stop a worker that clears its environment.
 */
import { UserError } from "../errors.ts";
import { parseAskId } from "../ids.ts";
import type { Context, Input } from "./verb.ts";

/** Whether a worker may make this call, judged by the words typed and the worker's id. */
type Rule = (input: Input, worker: string) => boolean;

const reads: Rule = () => true;
/** The rule "about itself": the n-th word, if given, is the worker's own id. */
const aboutItself = (n: number): Rule => (input, worker) => (input.words[n] ?? worker) === worker;
const inItsName: Rule = (input, worker) => (input.text("session") ?? worker) === worker;

/** Every verb that a worker may call; all others are refused. */
const MAY: Readonly<Record<string, Rule>> = {
  "_ ready": aboutItself(0),
  "_ ask": aboutItself(0),
  "_ ask withdraw": (input, worker) => parseAskId(input.word(0))?.worker === worker,
  "_ kill": aboutItself(0),
  "_ done": aboutItself(0),
  "_ told": aboutItself(0),
  "_ claim": inItsName,
  "_ unclaim": inItsName,
  "_ cost": aboutItself(1),
  "_ run": (input) => input.text("approved") === undefined,
  "_ ask list": reads,
  "_ complete": reads,
  "_ host examples": reads,
  "_ parse": reads,
  "_ probe": reads,
  "_ sensor check": reads,
  "_ sensor examples": reads,
  "_ sensor list": reads,
  "_ sensor run": reads,
  "_ state": reads,
  "_ worker list": reads,
  "_ worker log": reads,
  "config": reads,
  "cost": reads,
  "doctor": reads,
  "help": reads,
  "journal": reads,
  "logs": reads,
  "status": reads,
  "version": reads,
  // Its keys that answer are off there.
  "watch": reads,
};

/** @throws {UserError} of kind `worker` when the caller is a worker and may not make this call. */
export function checkWorkerMay(path: string, input: Input, context: Context): void {
  // Identifying the caller costs a look at the profile, which not every verb needs.
  const worker = context.env["LOOOP_SESSION_ID"] ? context.caller.worker : "";
  const rule = Object.hasOwn(MAY, path) ? MAY[path] : undefined;
  if (worker === "" || rule?.(input, worker) === true) return;
  const what = rule === undefined ? `\`looop ${path}\`` : `\`looop ${path}\` like this`;
  throw new UserError(
    `Worker "${worker}" may not call ${what}: that is the root agent's or a person's to do`,
    {
      next: `ask for it with \`looop _ ask ${worker} --prompt "…"\``,
      kind: "worker",
    },
  );
}
