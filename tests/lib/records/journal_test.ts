import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  appendEvent,
  appendJournal,
  formatEntry,
  journalTail,
  readActivity,
  ROTATE_BYTES,
} from "../../../lib/records/journal.ts";
import { type Profile, profileAt } from "../../../lib/paths.ts";
import { anyCharacter, anyJson, RUNS } from "../../properties.ts";

const NOW = new Date(2026, 2, 15, 9, 7);

async function withProfile(work: (profile: Profile) => void | Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "looop journal " });
  try {
    await work(profileAt(dir));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("given any text, when it is journaled, then it is one line that begins with the minute and forges no other", () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), (text) => {
      const entry = formatEntry(text, NOW);
      match(entry, /^- 2026-03-15 09:07 /);
      ok(![..."\n\r\0\u0085\u2028\u2029"].some((breaker) => entry.includes(breaker)));
      ok(entry.length <= 2100);
    }),
    { numRuns: RUNS },
  );
  strictEqual(
    formatEntry("a\n- 2026-01-01 00:00 forged", NOW),
    "- 2026-03-15 09:07 a - 2026-01-01 00:00 forged",
  );
});

Deno.test("given a journal, when its tail is read, then it is the last lines, oldest first, across a month's end", () =>
  withProfile((profile) => {
    deepStrictEqual(journalTail(profile, 20), []);
    for (let n = 1; n <= 30; n++) appendJournal(profile, `move ${n}`, NOW);
    Deno.utimeSync(profile.journal, NOW, NOW);
    const april = new Date(2026, 3, 1, 0, 0);
    appendJournal(profile, "move 31", april);
    const tail = journalTail(profile, 20).map((line) => line.slice("- 2026-03-15 09:07 ".length));
    deepStrictEqual(tail, Array.from({ length: 20 }, (_, i) => `move ${i + 12}`));
    ok(Deno.readTextFileSync(`${profile.journalHistory}/2026-03.md`).endsWith("move 30\n"));
    strictEqual(Deno.readTextFileSync(profile.journal), "- 2026-04-01 00:00 move 31\n");
  }));

Deno.test("given a journal beyond its size limit, when a line is added, then the old one is kept whole, and a second one, too", () =>
  withProfile((profile) => {
    for (const text of ["first", "second"]) {
      Deno.writeTextFileSync(profile.journal, `- 2026-03-01 00:00 ${text}\n${"x".repeat(ROTATE_BYTES)}\n`);
      Deno.utimeSync(profile.journal, NOW, NOW);
      appendJournal(profile, "next", NOW);
    }
    const kept = [...Deno.readDirSync(profile.journalHistory)].map((entry) => entry.name).sort();
    deepStrictEqual(kept, ["2026-03.md", "2026-03~2.md"]);
    strictEqual(Deno.readTextFileSync(profile.journal), "- 2026-03-15 09:07 next\n");
  }));

Deno.test("given a long journal, when its tail is read, then that costs no more than the tail", () =>
  withProfile((profile) => {
    const line = "- 2026-01-01 00:00 an old move of no interest any more\n";
    Deno.writeTextFileSync(profile.journal, line.repeat(Math.floor(ROTATE_BYTES / line.length) - 10));
    // The best of several rounds in turn, so that a busy machine affects neither.
    const best = { tail: Infinity, whole: Infinity };
    for (let round = 0; round < 10; round++) {
      const started = performance.now();
      strictEqual(journalTail(profile, 20).length, 20);
      const between = performance.now();
      Deno.readTextFileSync(profile.journal);
      best.tail = Math.min(best.tail, between - started);
      best.whole = Math.min(best.whole, performance.now() - between);
    }
    ok(best.tail < best.whole / 2, `a tail took ${best.tail} ms, all of it ${best.whole} ms`);
  }));

Deno.test("given events, when they are logged, then each is one JSON line and a new month begins a new file", () =>
  withProfile((profile) => {
    appendEvent(profile, "worker_ended", { id: "w\n1", exit_code: 0 }, NOW);
    Deno.utimeSync(profile.events, NOW, NOW);
    appendEvent(profile, "claim_reaped", {}, new Date(2026, 3, 2));
    const old = JSON.parse(Deno.readTextFileSync(`${profile.eventsHistory}/2026-03.jsonl`));
    strictEqual(old.event, "worker_ended");
    strictEqual(old.id, "w\n1");
    strictEqual(JSON.parse(Deno.readTextFileSync(profile.events)).event, "claim_reaped");
  }));

Deno.test("given any text for the activity map, when it is read, then it is a map of numbers or says why not", () =>
  withProfile((profile) => {
    deepStrictEqual(readActivity(profile), { value: {} });
    fc.assert(
      fc.property(fc.oneof(fc.string(), anyJson.map((value) => JSON.stringify(value))), (text) => {
        Deno.writeTextFileSync(profile.goalActivity, text);
        const read = readActivity(profile);
        if ("bad" in read) strictEqual(typeof read.bad, "string");
        else for (const seconds of Object.values(read.value)) strictEqual(typeof seconds, "number");
      }),
      { numRuns: RUNS },
    );
  }));

Deno.test("given a month rotated more than ten times, when the tail is read, then it is in the order of writing", () =>
  withProfile((profile) => {
    Deno.mkdirSync(profile.journalHistory, { recursive: true });
    const names = ["2026-05", ...Array.from({ length: 11 }, (_, i) => `2026-05~${i + 2}`), "2026-06"];
    for (const name of names) Deno.writeTextFileSync(`${profile.journalHistory}/${name}.md`, `- ${name}\n`);
    deepStrictEqual(journalTail(profile, 20), names.map((name) => `- ${name}`));
  }));
