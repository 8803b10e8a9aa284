import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fittedReading, type Found } from "../../../lib/parse/reading.ts";
import { missing } from "../../sensors/run_all.ts";

const range = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const thing = (n: number, more = "") => ({
  key: `k${n}${more}`,
  title: `Thing ${n} \u0007${more}`,
  tags: ["a", "b"],
});

const CASES: Readonly<Record<string, Found>> = {
  nothing: { list: [] },
  "a few": { list: range(3).map((n) => thing(n)), signal: { level: "ok" }, detail: { of: "x\ny" } },
  "the same key twice": { list: [thing(2), thing(1), thing(2)] },
  many: { list: range(900).map((n) => thing(n, "ü🚒".repeat(20))), left: 5, unshown: 2 },
  "long keys": { list: range(40).map((n) => thing(n, "x".repeat(300))) },
  "odd things": {
    list: [
      { odd: "line 3: what?" },
      thing(1),
      ...range(60).map((n) => ({ odd: `line ${n}: ${"y".repeat(190)}` })),
    ],
  },
  deep: {
    list: [{
      key: "k",
      a: { b: range(40), c: Object.fromEntries(range(40).map((n) => [`n${n}`, "v".repeat(300)])) },
    }],
  },
};

/** The reading that the other ready-made sensors make by their jq function. */
async function byJq(name: string, found: Found): Promise<unknown> {
  const script = await Deno.readTextFile(new URL("../../../sensors_examples/disk.sh", import.meta.url));
  const report = /^report\(\) \{\n[^]*?^\}$/m.exec(script)?.[0];
  const child = new Deno.Command("bash", {
    args: ["-c", `work=$(mktemp -d); trap 'rm -rf "$work"' EXIT\n${report}\nreport ${name}`],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  await new Response(JSON.stringify(found)).body?.pipeTo(child.stdin);
  return JSON.parse(new TextDecoder().decode((await child.output()).stdout));
}

/** The reading without its checksums, which the two compute differently. */
function withoutSums(reading: unknown): unknown {
  return JSON.parse(JSON.stringify(reading).replace(/"sum":\d+/g, '"sum":0').replace(/~\d+"/g, '~0"'));
}

for (const [what, found] of Object.entries(CASES)) {
  Deno.test({
    name:
      `given ${what}, when a reading is made of it, then it fits and equals the one that sensors make with jq`,
    ignore: missing("bash", "jq").length > 0,
    async fn() {
      const reading = fittedReading("things", found);
      ok(new TextEncoder().encode(JSON.stringify(reading)).length < 8192);
      deepStrictEqual(withoutSums(reading), withoutSums(await byJq("things", found)));
    },
  });
}

Deno.test("given a thing beyond those that the signal names, when its key changes, then the signal does", () => {
  const list = range(900).map((n) => thing(n, "x".repeat(30)));
  const before = fittedReading("things", { list }).signal;
  const after =
    fittedReading("things", { list: [...list.slice(0, -1), thing(99999, "x".repeat(30))] }).signal;
  deepStrictEqual(after["things"], before["things"]);
  notStrictEqual(JSON.stringify(after["more"]), JSON.stringify(before["more"]));
  strictEqual((before["things"] as string[]).length + (before["more"] as { count: number }).count, 900);
});
