/** The verdict of a worker's `--verify` command as it is recorded and shown. Pure. */
import { isListOf, isRecord, isText } from "../text/json.ts";
import { parseJson } from "../store.ts";

/** How the command ended. `code` is null when it could not be run, and 124 when it timed out. */
export interface Verification {
  ok: boolean;
  code: number | null;
  /** The last lines that it printed, or why it could not be run. */
  lines: string[];
}

/** `running` from the worker's end until the verdict; `unknown`: it may or may not have run to its end. */
export type VerifyView = "running" | "unknown" | Verification;

/** The verdict on an ended run, from the text of its `verify.json`; an unreadable one is in doubt. */
export function verifyViewOf(text: string | undefined, isThere: boolean): VerifyView {
  if (text === undefined) return isThere ? "unknown" : "running";
  const parsed = parseJson(text, (value) => isRecord(value) ? value : "not an object");
  if ("bad" in parsed) return "unknown";
  const { state, ok, code, lines } = parsed.value;
  if (state === "begun") return "running";
  if (state !== "done" || typeof ok !== "boolean" || !isListOf(lines, isText)) return "unknown";
  return { ok, code: typeof code === "number" ? code : null, lines: lines as string[] };
}

/** The verdict in a few words. */
export function verdictWords(verify: VerifyView): string {
  if (typeof verify === "string") return `verify ${verify}`;
  if (verify.ok) return "verify ok";
  return `verify FAILED${verify.code === null ? "" : ` (${verify.code})`}`;
}
