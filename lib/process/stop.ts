/** Work that its caller may end early: by a signal, or by being gone. */
import { UserError } from "../errors.ts";
import { hasDescriptors, outOfDescriptors } from "../fault.ts";

/** Signals that end the work, and the exit code of a verb that one of them has ended. */
export const STOP_SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export type StopSignal = keyof typeof STOP_SIGNALS;

/** The error of a verb that one of them has ended; `next` says what became of its work. */
export function stoppedError(by: StopSignal, next: string): UserError {
  return new UserError(`Ended by ${by}`, { next, kind: "stopped", code: STOP_SIGNALS[by] });
}

/** How often a call looks whether whoever made it is still there. */
const PARENT_POLL_MS = 500;

/**
 * Runs `work`, whose abort signal fires at the first of {@link STOP_SIGNALS} and, as a hang-up, when the caller
 * of this process has ended: what `work` has started in sessions of its own would not hear of either.
 */
export async function runStoppable<T>(
  work: (stop: AbortSignal) => Promise<T>,
): Promise<{ value: T; stoppedBy: StopSignal | undefined }> {
  if (!hasDescriptors()) throw outOfDescriptors("listen to signals");
  const stop = new AbortController();
  let stoppedBy: StopSignal | undefined;
  const stopBy = (name: StopSignal) => {
    stoppedBy ??= name;
    stop.abort();
  };
  const listeners = (Object.keys(STOP_SIGNALS) as StopSignal[]).map((name) =>
    [name, () => stopBy(name)] as const
  );
  for (const [name, listener] of listeners) Deno.addSignalListener(name, listener);
  const parent = Deno.ppid;
  const watcher = setInterval(() => {
    if (Deno.ppid !== parent) stopBy("SIGHUP");
  }, PARENT_POLL_MS);
  try {
    const value = await work(stop.signal);
    return { value, stoppedBy };
  } finally {
    clearInterval(watcher);
    for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
  }
}
