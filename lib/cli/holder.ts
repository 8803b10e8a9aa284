/** The holder of a lease, for `_ claim` and `_ unclaim`. */
import { UsageError } from "../errors.ts";
import { checkId } from "../ids.ts";
import type { Context, Input, Option } from "./verb.ts";

/** The option that names the holder. */
export const HOLDER: Option = {
  name: "session",
  value: "ID",
  summary: "the holder; $LOOOP_SESSION_ID unless given",
  kind: "worker",
};

/** The lease and the holder of a call: `--session`, else the calling worker. @throws {UsageError} for neither. */
export function holderOf(context: Context, input: Input): { name: string; session: string } {
  const name = checkId("claim", input.word(0));
  const session = input.text("session") ?? context.env["LOOOP_SESSION_ID"];
  if (!session) {
    throw new UsageError("A lease needs a holder", { next: "run this in a worker, or give --session ID" });
  }
  return { name, session: checkId("worker", session) };
}
