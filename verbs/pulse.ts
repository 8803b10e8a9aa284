/** `looop _ pulse` (internal): the pulse itself, started detached by `up`. */
import { EXIT, UserError } from "../lib/errors.ts";
import { LocalDesk } from "../lib/calls/local.ts";
import { ownIdentity } from "../lib/process/identity.ts";
import { openProfile } from "../lib/records/profile.ts";
import { type PulseHost, say } from "../lib/pulse/host.ts";
import { Pulse } from "../lib/pulse/pulse.ts";
import { setWanted } from "../lib/world/pulse_record.ts";
import { watchesOff } from "../lib/records/env.ts";
import { readConfig } from "../lib/records/config.ts";
import { acquireLock, holdsLock, replaceFile } from "../lib/store.ts";
import { makeUpkeep } from "../lib/pulse/upkeep.ts";
import { callParser } from "../lib/cli/call_parser.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";

/** Time to wait for the pulse's lock, ms: taking a free lock needs under 1 ms, 20 ms at worst on a busy machine. */
const LOCK_PATIENCE_MS = 250;

export default defineVerb({
  declare: {
    path: "_ pulse",
    summary: "the pulse itself; `looop up` starts it",
    audience: "internal",
    options: [{ name: "wanted", summary: "record that the pulse is wanted, as `looop up` does" }],
    example: "looop up",
  },
  async run(context, input) {
    const { profile } = context;
    openProfile(profile);
    const lock = await acquireLock(profile.lock, LOCK_PATIENCE_MS);
    if (lock === undefined) {
      // A service manager that starts a second pulse must not restart it again and again.
      if (input.flag("wanted")) return { text: "The pulse of this profile is already running" };
      throw new UserError("The pulse of this profile is already running", {
        next: "see `looop status`",
        kind: "running",
        code: EXIT.pulseRunning,
      });
    }
    readConfig(profile.config);
    if (input.flag("wanted")) {
      setWanted(profile, true, context.now(), context.env["LOOOP_LOG_FORMAT"] ?? "text");
    }
    replaceFile(profile.lockPid, `${Deno.pid}\n`, { durable: false });
    const stop = new AbortController();
    for (const name of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(name, () => stop.abort());
    const host: PulseHost = {
      profile,
      identity: await ownIdentity(),
      version: context.version,
      bin: context.bin(),
      exe: context.self.standalone ? context.self.exe : "",
      env: context.env,
      jsonLog: context.env["LOOOP_LOG_FORMAT"] === "json",
      log: (line) => logQuietly(context, line),
      now: context.now,
      parse: callParser(context),
      stop: stop.signal,
      holdsLock: () => holdsLock(lock, profile.lock),
    };
    const desk = new LocalDesk({
      profile,
      run: (words, caller) => context.runFor(caller, words),
      now: context.now,
      warn: (message) => say(host, "warn", "calls", message),
      watchesOff: watchesOff(context.env),
    });
    desk.run();
    await new Pulse(host, makeUpkeep()).run();
    await desk.close();
    lock.close();
  },
});

/** Writes to the log. A full disk must not end the pulse; the next line is tried again. */
function logQuietly(context: Context, line: string): void {
  try {
    context.out(`${line}\n`);
  } catch {
    // There is nowhere left to report it.
  }
}
