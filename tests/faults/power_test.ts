import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Verb } from "../../lib/cli/verb.ts";
import { Disk } from "./disk.ts";
import { openLab, straceMissing, Tally } from "./lab.ts";
import { moves } from "./moves.ts";
import { cutMove } from "./power.ts";
import { PULSE } from "./pulse_move.ts";
import { parseTrace } from "./trace.ts";

/** A sample of moves; `deno task faults power` tries all of them and lets a reader check each cut. */
const SAMPLE = [
  "seed",
  "goal write (over)",
  "goal archive",
  "ask",
  "answer",
  "unclaim",
  "run",
  "cost",
];

const missing = await straceMissing();

for (const move of moves().filter(({ name }) => SAMPLE.includes(name))) {
  Deno.test({
    name:
      `given ${move.name}, when the power is cut at any call, then the old state or the new is on disk, and the ` +
      `new once acknowledged${missing === undefined ? "" : ` (skipped: ${missing})`}`,
    ignore: missing !== undefined,
    async fn() {
      await using lab = await openLab();
      const tally = new Tally(move.name, []);
      await cutMove(lab, move, tally, false);
      strictEqual(tally.failed, false, `${tally}`);
    },
  });
}

/** Traces of calls on a folder, without the pid in front of each line. */
function replay(root: string, lines: readonly string[]): Disk {
  const disk = new Disk(root);
  for (const call of parseTrace(lines.map((line) => `7 ${line.replaceAll("ROOT", root)}`).join("\n"))) {
    disk.apply(call);
  }
  return disk;
}

const WRITE = [
  'openat(AT_FDCWD</>, "ROOT/.t", O_WRONLY|O_CREAT|O_EXCL, 0600) = 3',
  'write(3<ROOT/.t>, "new", 3) = 3',
];
const RENAME = 'rename("ROOT/.t", "ROOT/a") = 0';

for (
  const { name, lines, synced, names } of [
    { name: "nothing", lines: [...WRITE, RENAME], synced: "old", names: "" },
    { name: "the text", lines: [...WRITE, "fsync(3<ROOT/.t>) = 0", RENAME], synced: "old", names: "new" },
    { name: "the folder", lines: [...WRITE, RENAME, "fsync(4<ROOT>) = 0"], synced: "", names: "" },
    {
      name: "both",
      lines: [...WRITE, "fsync(3<ROOT/.t>) = 0", RENAME, "fsync(4<ROOT>) = 0"],
      synced: "new",
      names: "new",
    },
  ]
) {
  Deno.test(`given a file that was replaced with ${name} synced, when the power is cut, then that is what is kept`, async () => {
    const root = await Deno.makeTempDir();
    await Deno.writeTextFile(`${root}/a`, "old");
    const disk = replay(root, lines);
    await Deno.remove(root, { recursive: true });
    deepStrictEqual(
      [
        disk.afterCut("synced").get("a")?.bytes,
        disk.afterCut("names").get("a")?.bytes,
        disk.live().get("a")?.bytes,
      ],
      [synced, names, "new"],
    );
    strictEqual(disk.unsynced().length === 0, name === "both");
  });
}

Deno.test("given a file that was moved to a new folder, when only some of the folders are synced, then it is in one place or not yet promised", async () => {
  const root = await Deno.makeTempDir();
  await Deno.writeTextFile(`${root}/a`, "text");
  const moved = ['mkdir("ROOT/d", 0700) = 0', 'rename("ROOT/a", "ROOT/d/a") = 0'];
  const disk = (...synced: string[]) =>
    replay(root, [...moved, ...synced.map((path) => `fsync(3<${path}>) = 0`)]);
  const kept = (...synced: string[]) => [...disk(...synced).afterCut("synced").keys()];
  deepStrictEqual(
    [kept(), kept("ROOT/d"), kept("ROOT"), kept("ROOT/d", "ROOT")],
    [["a"], ["a"], ["d/"], ["d/", "d/a"]],
  );
  deepStrictEqual(disk("ROOT/d", "ROOT").unsynced(), []);
  await Deno.remove(root, { recursive: true });
});

Deno.test("given each verb that changes the world, then the fault harness has a move of it", async () => {
  const root = new URL("../../verbs/", import.meta.url);
  const files = [...walk(root.pathname)].filter((path) => path.endsWith(".ts"));
  const verbs = await Promise.all(files.map((path) => import(path) as Promise<{ default: Verb }>));
  const paths = verbs.map((verb) => verb.default.declare).filter(({ mutating }) => mutating).map(({ path }) =>
    path
  );
  const tried = [...moves(), PULSE].map(({ argv }) => argv.join(" "));
  deepStrictEqual(paths.filter((path) => !tried.some((line) => line.startsWith(path))), []);
});

function* walk(dir: string): Iterable<string> {
  for (const { name, isDirectory } of Deno.readDirSync(dir)) {
    if (isDirectory) yield* walk(`${dir}${name}/`);
    else yield `${dir}${name}`;
  }
}
