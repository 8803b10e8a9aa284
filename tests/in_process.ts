/** Calls of looop without a process of their own. */
import { contextOf } from "../lib/cli/context.ts";
import { main, VERBS } from "../main.ts";
import type { CallOptions, Result, TestProfile } from "./looop.ts";

/**
 * Calls looop in the process of the test, which costs a hundredth of a process: for calls that end before they start
 * anything. Where a binary is under test, that is called.
 */
export async function callHere(p: TestProfile, args: string[], options: CallOptions = {}): Promise<Result> {
  if (Deno.env.get("LOOOP_UNDER_TEST")) return await p.call(args, options);
  const result: Result = { code: 0, stdout: "", stderr: "" };
  const context = contextOf(VERBS, { ...p.env, ...options.env });
  Object.defineProperties(context, {
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
