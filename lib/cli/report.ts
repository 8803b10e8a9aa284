/** How a call ends for its caller: the reply or the error it prints, and the exit code. */
import { EXIT, formatError, oneLine, UsageError, UserError } from "../errors.ts";
import { printableJson } from "../text/json.ts";
import type { Context, Declaration, Reply } from "./verb.ts";
import { VERSION } from "./version.ts";

/** Prints a reply: its text or, with `--json`, its value (a plain message as `{"message": …}`). */
export function show(context: Context, declare: Declaration, reply: Reply): void {
  // A verb that declares `--json` gives it a meaning of its own (`up`: the form of the pulse's log).
  const implied = declare.options?.some((option) => option.name === "json") !== true;
  const value = reply.json ?? (implied && reply.text !== undefined ? { message: reply.text } : undefined);
  if (context.json && value !== undefined) {
    context.out(`${printableJson(value, 2)}\n`);
  } else if (reply.text !== undefined) {
    context.out(reply.text.endsWith("\n") ? reply.text : `${reply.text}\n`);
  }
}

/** Prints an error as one line (or as JSON) and returns the exit code. */
export async function report(
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
    const { journalAs } = await import("../records/move.ts");
    journalAs(context, `failed: ${path.replace(/^_ /, "")}: ${error.message}`);
  } catch {
    // The user must see the verb's own failure, not this one.
  }
}

/**
 * Turns an unforeseen error into a message: about a module that cannot be loaded, or about a bug and where its stack
 * is.
 */
export function bug(error: unknown): UserError {
  return loadFailure(error) ?? keptBug(error);
}

/** When run from a registry, looop fetches a module when a verb first needs it; a missing network is not a bug. */
function loadFailure(error: unknown): UserError | undefined {
  if (!(error instanceof Error && (error as { code?: unknown }).code === "ERR_MODULE_NOT_FOUND")) {
    return undefined;
  }
  const what = /["']([^"']+)["']/.exec(error.message)?.[1] ?? oneLine(error.message, 80);
  return new UserError(`cannot load ${what} (network?)`, {
    next: "try again once the network is there; modules that were loaded once stay",
    kind: "load",
    cause: error,
  });
}

function keptBug(error: unknown): UserError {
  const message = error instanceof Error ? error.message : String(error);
  let kept = "set LOOOP_DEBUG=1 to see where";
  try {
    const file = Deno.makeTempFileSync({ prefix: "looop-bug-", suffix: ".txt" });
    Deno.writeTextFileSync(file, `looop ${VERSION}\n${stackOf(error)}\n`);
    kept = `please report it with ${file}`;
  } catch {
    // No space for the stack.
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
