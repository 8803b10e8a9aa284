import { match, strictEqual } from "node:assert/strict";
import { bug } from "../../../lib/cli/report.ts";
import { formatError } from "../../../lib/errors.ts";

// One at a port where nobody listens, and one that is not on disk.
for (const module of ["http://127.0.0.1:9/verbs/up.ts", "file:///no/such/module.ts"]) {
  Deno.test(`given a module that cannot be loaded, when ${module} is needed, then one line asks for the network and exit 1`, async () => {
    const error = await import(module).catch((error) => error);
    const known = bug(error);
    strictEqual(known.code, 1);
    match(formatError("up", known), /^looop up: cannot load \S+ \(network\?\); [^\n]+$/);
    strictEqual(known.message, `cannot load ${module} (network?)`);
  });
}

Deno.test("given any other error, when it is reported, then it is a bug and its stack is kept", async () => {
  const known = bug(new TypeError("x is not a function"));
  strictEqual(known.code, 70);
  match(known.message, /^This is a bug of looop: x is not a function$/);
  const file = /please report it with (\S+)/.exec(known.next ?? "")?.[1] ?? "";
  match(await Deno.readTextFile(file), /TypeError: x is not a function/);
  await Deno.remove(file);
});
