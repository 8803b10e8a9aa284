/** Calls looop without a process of its own. */
import { contextOf } from "../lib/cli/context.ts";
import { executablePath, type SelfCommand } from "../lib/process/self.ts";
import { main, VERBS } from "../main.ts";
import { type CallOptions, looopCommand, printedBy, type Result, type TestProfile } from "./looop.ts";

/** The command by which the program under test starts itself again; in its own process it finds that itself. */
const [EXE = "", ...WORDS] = looopCommand();
const SELF: SelfCommand = {
  exe: EXE,
  args: ["run", "-A", "--no-prompt", "--quiet", "--cached-only", `${new URL(`file://${WORDS.at(-1)}`)}`],
  standalone: false,
};

/** The previous call. Calls run one after another: each loads modules, and Deno 2.9 may panic at parallel loads. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Calls looop in the process of the test, for calls that start nothing: that costs a hundredth of a process. If a binary
 * is under test, it is called instead.
 */
export async function callHere(p: TestProfile, args: string[], options: CallOptions = {}): Promise<Result> {
  if (Deno.env.get("LOOOP_UNDER_TEST")) return await p.call(args, options);
  const next = last.then(() => callNow(p, args, options));
  last = next.catch(() => {});
  return await next;
}

async function callNow(p: TestProfile, args: string[], options: CallOptions): Promise<Result> {
  const result: Result = { code: 0, stdout: "", stderr: "" };
  const context = contextOf(VERBS, { ...p.env, ...options.env });
  Object.defineProperties(context, {
    self: { value: SELF },
    bin: { value: () => executablePath(p.profile, SELF) },
    out: { value: (text: string) => result.stdout += text },
    err: { value: (bytes: string) => result.stderr += bytes },
    note: { value: (line: string) => result.stderr += `${line}\n` },
    stdin: { value: () => Promise.resolve(options.stdin ?? "") },
    stdinIsTerminal: { value: () => false },
    colour: { value: false },
  });
  result.code = await main(args, context);
  return result;
}

/** Like {@link callHere} for a call that must exit 0; returns its stdout without the last newline. */
export async function okHere(p: TestProfile, ...args: string[]): Promise<string> {
  return printedBy(args, await callHere(p, args));
}
