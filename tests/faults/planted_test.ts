import { ok, strictEqual, throws } from "node:assert/strict";
import { placeOf, plantedFaults } from "./planted.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("given the table of planted faults, when the code is searched, then the text of each is there once, and its tests are files", () => {
  const faults = plantedFaults();
  ok(faults.length >= 40);
  for (const fault of faults) {
    placeOf(ROOT, fault);
    for (const file of fault.tests) ok(Deno.statSync(`${ROOT}${file}`).isFile);
  }
  strictEqual(new Set(faults.map(({ area, name }) => `${area} ${name}`)).size, faults.length);
});

Deno.test("given a fault whose text is gone, when its place is sought, then the error names the fault", () => {
  const fault = { area: "store", name: "of old", find: "no such text", replace: "", tests: [] };
  throws(() => placeOf(ROOT, fault), /store: "of old": its text is found 0 times, in nowhere/);
});
