import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { UserError } from "../../../lib/errors.ts";
import { limitFault } from "../../../lib/process/spawn.ts";

const LIMITS: readonly (readonly [string, string])[] = [
  [
    "Too many open files (os error 24)",
    'Cannot start "sh": too many open files; raise `ulimit -n`, then try again',
  ],
  ...[11, 35].map((errno) =>
    [
      `Failed to spawn 'sh': Resource temporarily unavailable (os error ${errno})`,
      'Cannot start "sh": too many processes; end some, or raise `ulimit -u`, then try again',
    ] as const
  ),
];

for (const [message, says] of LIMITS) {
  Deno.test(`given a start that fails with "${message}", when it is reported, then the error names the limit`, () => {
    const fault = limitFault("sh", new Error(message)) as UserError;
    deepStrictEqual([`${fault.message}; ${fault.next}`, fault.kind], [says, "limit"]);
  });
}

Deno.test("given a start that fails for another reason, when it is reported, then the error is as it was", () => {
  const error = new Error("Argument list too long (os error 7)");
  strictEqual(limitFault("sh", error), error);
});
