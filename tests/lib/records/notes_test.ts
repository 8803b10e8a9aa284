import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { joinNotes, readNotes, writeNotes } from "../../../lib/records/notes.ts";

Deno.test("given notes, when they are read, then members come with their boot, and foreign lines are ignored", async () => {
  const dir = await Deno.makeTempDir({ prefix: "looop notes " });
  const path = `${dir}/noted`;
  strictEqual(readNotes(path), undefined);
  await Deno.writeTextFile(path, "6A1C-77\n12 Mon Nov 3 09:10:00 2025\n13 4711\nhalf a li");
  const members = [{ pid: 12, start: "Mon Nov 3 09:10:00 2025" }, { pid: 13, start: "4711" }];
  deepStrictEqual(readNotes(path), { boot: "6A1C-77", members });
  await Deno.writeTextFile(path, "");
  strictEqual(readNotes(path), undefined);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("given notes that are kept, when they are read, then they are the same, and without any the file is gone", async () => {
  const dir = await Deno.makeTempDir({ prefix: "looop notes " });
  const notes = { boot: "b", members: [{ pid: 7, start: "Mon Nov 3 09:10:00 2025" }] };
  writeNotes(`${dir}/n`, notes);
  deepStrictEqual(readNotes(`${dir}/n`), notes);
  writeNotes(`${dir}/n`, { boot: "b", members: [] });
  deepStrictEqual([...Deno.readDirSync(dir)], []);
  writeNotes(`${dir}/n`, undefined);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("given notes of several runs, when they are joined, then those of an earlier boot are left out", () => {
  const [a, b, c] = [7, 8, 9].map((pid) => ({ pid, start: "1" })) as [never, never, never];
  const notes = [{ boot: "x", members: [a] }, { boot: "y", members: [b] }, { boot: "y", members: [c] }];
  deepStrictEqual(joinNotes(notes), { boot: "y", members: [b, c] });
  strictEqual(joinNotes([]), undefined);
});
