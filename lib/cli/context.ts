/** The surroundings that a verb gets instead of globals: the profile, the environment, the clock and the streams. */
import { readStdin, readStdinBytes, terminalWidth, wantsColour, writeAll } from "./console.ts";
import type { LocalCaller } from "../calls/local.ts";
import { profileFrom } from "../paths.ts";
import { type Caller, callerOf } from "../sessions/caller.ts";
import { callBackPath, executablePath, selfCommand } from "../process/self.ts";
import { loadVerb, shownPaths, type VerbTable } from "./verb_table.ts";
import { dispatch } from "./dispatch.ts";
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
  const parent = Deno.ppid;
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
    // An orphaned process has another parent.
    isOrphan: () => Deno.ppid !== parent,
    whenRead: async (work) => await work(),
    runFor: (other, words) => dispatch(verbs, words, contextFor(verbs, other)),
  };
}

/** The context of a call that this process carries out for a caller elsewhere. */
function contextFor(
  verbs: VerbTable,
  { env, out, err, isGone, watch, asked, whenRead }: LocalCaller,
): Context {
  const encoder = new TextEncoder();
  const bytesOf = (text: string | Uint8Array) => typeof text === "string" ? encoder.encode(text) : text;
  const edge: Partial<Context> = {
    colour: false,
    out: (text) => out(bytesOf(text)),
    err,
    note: (line) => err(encoder.encode(`${line}\n`)),
    stdin: () => Promise.resolve(""),
    stdinBytes: () => Promise.resolve(new Uint8Array()),
    stdinIsTerminal: () => false,
    isOrphan: isGone,
    watch,
    asked,
    whenRead: (work, ask) => Promise.resolve(whenRead(work, ask)),
  };
  const context = contextOf(verbs, { ...env });
  for (const [key, value] of Object.entries(edge)) Object.defineProperty(context, key, { value });
  return context;
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
