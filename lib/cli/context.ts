/** The surroundings that a verb gets instead of globals: the profile, the environment, the clock and the streams. */
import { readStdin, readStdinBytes, terminalWidth, wantsColour, writeAll } from "./console.ts";
import { profileFrom } from "../paths.ts";
import { type Caller, callerOf } from "../sessions/caller.ts";
import { callBackPath, executablePath, selfCommand } from "../process/self.ts";
import { loadVerb, shownPaths, type VerbTable } from "./verb_table.ts";
import type { Context, Declaration } from "./verb.ts";
import { VERSION } from "./version.ts";
import type { WorkerHost } from "../workers/start.ts";
import type { TrialHost } from "../world/sensor_trial.ts";

/** The context of this process; `env` is its environment by default. */
export function contextOf(verbs: VerbTable, env = Deno.env.toObject()): Context {
  const self = selfCommand();
  const now = () => Date.now();
  let profile: ReturnType<typeof profileFrom> | undefined;
  let caller: Caller | undefined;
  return {
    get profile() {
      return profile ??= profileFrom(env, Deno.cwd());
    },
    env,
    self,
    version: VERSION,
    journalText: undefined,
    get caller() {
      return caller ??= callerOf(this.profile, env);
    },
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
    stdinBytes: readStdinBytes,
    stdinIsTerminal: () => Deno.stdin.isTerminal(),
    bin() {
      return executablePath(this.profile, self);
    },
    get paths() {
      return shownPaths(verbs);
    },
    declaration: async (path) => (await loadVerb(verbs, path)).declare,
    declarations: async () => {
      const declarations: Declaration[] = [];
      for (const path of Object.keys(verbs)) declarations.push((await loadVerb(verbs, path)).declare);
      return declarations;
    },
  };
}

/**
 * The surroundings of a worker's start; the launcher is written only when needed, so a refused start changes nothing.
 */
export function workerHost({ profile, self, env, now }: Context): WorkerHost {
  let bin: Promise<string> | undefined;
  return { profile, bin: () => bin ??= callBackPath(profile, self), env, now };
}

/** The surroundings in which a sensor is tried. */
export function trialHost(context: Context): TrialHost {
  const { profile, env, now } = context;
  return { profile, env, now, bin: context.bin() };
}
