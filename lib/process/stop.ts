/** Work that its caller may end early, by a signal or by exiting. */
import { UserError } from "../errors.ts";
import { hasDescriptors, outOfDescriptors } from "../fault.ts";

/** Signals that end the work, and the exit code of a verb that each of them has ended. */
export const STOP_SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export type StopSignal = keyof typeof STOP_SIGNALS;

/** The error of a verb that a signal has ended; `next` says what became of its work. */
export function stoppedError(by: StopSignal, next: string): UserError {
  return new UserError(`Ended by ${by}`, { next, kind: "stopped", code: STOP_SIGNALS[by] });
}

/** Interval at which a call checks whether its caller is still there, ms, unless it has its own. */
const PARENT_POLL_MS = 500;

/**
 * Runs `work` with an abort signal, which fires at the first of {@link STOP_SIGNALS} and, as a hang-up, when the
 * caller of this process has exited: processes that `work` started in their own sessions would notice neither.
 */
export async function runStoppable<T>(
  work: (stop: AbortSignal) => Promise<T>,
  parentPollMs = PARENT_POLL_MS,
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
  }, parentPollMs);
  try {
    const value = await work(stop.signal);
    return { value, stoppedBy };
  } finally {
    clearInterval(watcher);
    for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
  }
}
