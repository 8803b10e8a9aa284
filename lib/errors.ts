/** Error classes and exit codes: what a user is shown, and the number with which looop exits. */

/** Every exit code of looop, in one place. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  declined: 3,
  withdrawn: 4,
  bug: 70,
  /** The pulse's own code for "another pulse is running"; its starter and service managers read it. */
  pulseRunning: 75,
  timeout: 124,
  refused: 126,
} as const;

/** The meaning of the exit codes of verbs that are called by hand, for the manual. */
export const EXIT_MEANING: readonly (readonly [number, string])[] = [
  [EXIT.ok, "done; what the verb promised is on disk"],
  [EXIT.failed, "refused or failed; one line on stderr says what, on what, and what to do"],
  [EXIT.usage, "wrong usage: unknown verb or option, bad id, missing argument; nothing was touched"],
  [EXIT.declined, "`_ ask`: the question was declined, the reason is on stdout"],
  [EXIT.withdrawn, "`_ ask`: the question was withdrawn, its worker was killed"],
  [EXIT.timeout, "`_ ask --timeout`, `_ run --timeout`: the time was over"],
  [EXIT.refused, "`_ run`, `_ worker start --verify`: the gate refused an irreversible command"],
  [EXIT.bug, "a bug of looop; the line says where its stack was kept"],
];

/** Details of an error beyond its message. */
export interface ErrorDetails {
  /** The next step: a command where there is one. */
  next?: string;
  cause?: unknown;
  /** A stable word for machines, e.g. `not_found`. */
  kind?: string;
  /** Exit code; 1 by default. */
  code?: number;
}

/** A failure of the user or the machine, not of looop: shown as one line, never as a stack. */
export class UserError extends Error {
  override name = "UserError";
  readonly next: string | undefined;
  readonly kind: string;
  readonly code: number;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.next = details.next;
    this.kind = details.kind ?? "failed";
    this.code = details.code ?? EXIT.failed;
  }
}

/** Wrong usage: exit 2, and nothing was touched. */
export class UsageError extends UserError {
  override name = "UsageError";

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { kind: "usage", code: EXIT.usage, ...details });
  }
}

/** Makes text safe for one line of a message: no control characters, bounded length. */
export function oneLine(text: string, maxChars = 300): string {
  // deno-lint-ignore no-control-regex -- it removes control characters
  const flat = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ").trim();
  return flat.length > maxChars ? `${flat.slice(0, maxChars - 1)}…` : flat;
}

/** The one line a user reads: `looop <verb>: what failed on what; what to do`. */
export function formatError(verb: string, error: UserError): string {
  const name = verb === "" ? "looop" : `looop ${verb}`;
  const next = error.next === undefined ? "" : `; ${oneLine(error.next, 600)}`;
  return `${name}: ${oneLine(error.message, 600)}${next}`;
}

/** Runs several steps even when one of them fails, and keeps the first failure for the end. */
export class Attempts {
  failure: Error | undefined;

  /** The result of `work`, or undefined when it failed. */
  async try<T>(work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.failure ??= error as Error;
      return undefined;
    }
  }
}

/**
 * The error for something that happened but could not be recorded, as on a full disk. It must not be tried again once
 * there is room.
 */
export function notWrittenDown(what: string, failure: Error): UserError {
  const { next, kind } = failure instanceof UserError ? failure : { next: undefined, kind: undefined };
  return new UserError(`${what}, but this could not be recorded: ${failure.message}`, {
    ...(next === undefined ? {} : { next: next.replace(/, then try again$/, "") }),
    ...(kind === undefined ? {} : { kind }),
    cause: failure,
  });
}
