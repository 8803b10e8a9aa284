import { deepStrictEqual } from "node:assert/strict";
import { KINDS } from "./surroundings.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("given the table of surroundings, when the tests are searched, then each kind is tried by one that is there", () => {
  const missing = KINDS.filter(([, file, names]) => {
    const text = Deno.readTextFileSync(`${ROOT}tests/${file}`);
    // Names of tests, and parts of such names.
    return ![...text.matchAll(/["`]([^"`\n]*)["`]/g)].some(([, name = ""]) => names.test(name));
  });
  deepStrictEqual(missing.map(([kind]) => kind), []);
});
