import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { UserError } from "../../lib/errors.ts";
import {
  acquireLock,
  appendLine,
  createOnce,
  listFiles,
  moveKeepingBoth,
  readJson,
  readTail,
  readText,
  replaceFile,
  touchFile,
  withLock,
} from "../../lib/store.ts";
import { isTempName } from "../../lib/paths.ts";
import { Watch } from "../../lib/file_watch.ts";
import { straceMissing, underStrace } from "../faults/lab.ts";
import { RUNS } from "../properties.ts";

const STORE = new URL("../../lib/store.ts", import.meta.url).href;

class TempDir implements AsyncDisposable {
  readonly path: string;
  constructor(path: string) {
    this.path = path;
  }
  file(name: string): string {
    return `${this.path}/${name}`;
  }
  names(): string[] {
    return [...Deno.readDirSync(this.path)].map((entry) => entry.name).sort();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

async function tempDir(): Promise<TempDir> {
  return new TempDir(await Deno.realPath(await Deno.makeTempDir({ prefix: "looop store " })));
}

/** Runs a program that uses the store in `count` processes at once, each with its number and the folder. */
async function race(dir: TempDir, count: number, program: string): Promise<string[]> {
  const file = dir.file(".race.ts");
  await Deno.writeTextFile(
    file,
    `import * as store from ${JSON.stringify(STORE)};\nconst [n, dir] = Deno.args;\n${program}`,
  );
  const start = dir.file(".start");
  const outputs = Array.from({ length: count }, (_, n) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", "--no-config", file, String(n), dir.path, start],
      stdout: "piped",
      stderr: "inherit",
    }).output());
  await Deno.writeTextFile(start, "");
  const texts = (await Promise.all(outputs)).map(({ stdout }) => new TextDecoder().decode(stdout).trim());
  for (const hidden of [file, start]) await Deno.remove(hidden);
  return texts;
}

/** Makes the racers begin together, once the last has started. */
const TOGETHER = `
Deno.writeTextFileSync(dir + "/.ready-" + n, "");
while ([...Deno.readDirSync(dir)].filter((e) => e.name.startsWith(".ready-")).length < RACERS) {}
`;

Deno.test({
  name:
    "given a file that is not there, when a line is appended, then its name is synced too, and only the first time",
  ignore: await straceMissing() !== undefined,
  async fn() {
    await using dir = await tempDir();
    const code = `import { appendLine } from ${JSON.stringify(STORE)};
      for (const line of ["one", "two"]) appendLine(Deno.args[0], line);`;
    await Deno.writeTextFile(`${dir.path}/append.ts`, code);
    const argv = [
      Deno.execPath(),
      "run",
      "-A",
      "--no-check",
      "--no-config",
      `${dir.path}/append.ts`,
      `${dir.path}/log`,
    ];
    const { trace } = await underStrace(argv, ["-f", "-e", "trace=fsync,fdatasync"], {
      cwd: dir.path,
      env: Deno.env.toObject(),
      trace: `${dir.path}/trace`,
    });
    const synced = [...trace.matchAll(/(f\w+)\(\d+<([^>]*)>\) += 0/g)].map(([, call, path]) => [call, path])
      // The runtime also syncs its own caches.
      .filter(([, path]) => path?.startsWith(dir.path));
    deepStrictEqual(synced, [
      ["fdatasync", `${dir.path}/log`],
      ["fsync", dir.path],
      ["fdatasync", `${dir.path}/log`],
    ]);
  },
});

Deno.test("given several processes, when all create the same files, then each file is won once and holds its winner's whole text", async () => {
  await using dir = await tempDir();
  const racers = 4, files = 60;
  const wins = await race(
    dir,
    racers,
    `const RACERS = ${racers};${TOGETHER}
const won = [];
for (let i = 0; i < ${files}; i++) {
  if (store.createOnce(dir + "/f" + i, (n + "\\n").repeat(500), { durable: false })) won.push(i);
}
console.log(JSON.stringify(won));`,
  );
  const owners = new Map<number, number>();
  for (const [n, text] of wins.entries()) {
    for (const i of JSON.parse(text) as number[]) {
      ok(!owners.has(i), `file ${i} was won twice`);
      owners.set(i, n);
    }
  }
  strictEqual(owners.size, files);
  for (const [i, n] of owners) strictEqual(await Deno.readTextFile(dir.file(`f${i}`)), `${n}\n`.repeat(500));
  deepStrictEqual(dir.names().filter(isTempName), []);
});

Deno.test("given several processes, when all append to one file, then every line is there once and whole", async () => {
  await using dir = await tempDir();
  const racers = 4, lines = 150;
  await race(
    dir,
    racers,
    `const RACERS = ${racers};${TOGETHER}
for (let i = 0; i < ${lines}; i++) {
  store.appendLine(dir + "/log", n + ":" + i + ":" + n.repeat((i % 7) * 300), { durable: false });
}`,
  );
  const found = (await Deno.readTextFile(dir.file("log"))).split("\n").slice(0, -1);
  strictEqual(found.length, racers * lines);
  for (let n = 0; n < racers; n++) {
    const own = found.filter((line) => line.startsWith(`${n}:`));
    deepStrictEqual(
      own,
      Array.from({ length: lines }, (_, i) => `${n}:${i}:${String(n).repeat((i % 7) * 300)}`),
    );
  }
});

Deno.test("given a file that is replaced all the time, when it is read meanwhile, then it is always one whole text", async () => {
  await using dir = await tempDir();
  const path = dir.file("goal.md");
  replaceFile(path, "0".repeat(20_000));
  const reading = race(
    dir,
    1,
    `const seen = new Set(); let bad = 0; const until = performance.now() + 400;
while (performance.now() < until) {
  const text = store.readText(dir + "/goal.md");
  if (text === undefined || text.length !== 20000 || new Set(text).size !== 1) bad++;
  seen.add(text?.[0]);
}
console.log(bad + " " + (seen.size > 1));`,
  );
  let done = false;
  const writing = (async () => {
    for (let n = 0; !done; n++) {
      replaceFile(path, String(n % 10).repeat(20_000), { durable: false });
      if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
  })();
  const [said] = await reading;
  done = true;
  await writing;
  strictEqual(said, "0 true");
});

Deno.test("given a log whose last line was torn, when a line is added, then the torn one stays on its own line and the new one is whole", async () => {
  await using dir = await tempDir();
  await fc.assert(
    fc.asyncProperty(
      fc.stringMatching(/^[a-z{}":]{0,20}$/),
      fc.stringMatching(/^[a-z]{1,10}$/),
      async (torn, line) => {
        const path = dir.file("log");
        await Deno.writeTextFile(path, `first\n${torn}`);
        appendLine(path, line, { durable: false });
        strictEqual(
          await Deno.readTextFile(path),
          torn === "" ? `first\n${line}\n` : `first\n${torn}\n${line}\n`,
        );
      },
    ),
    { numRuns: RUNS },
  );
});

Deno.test("given a symbolic link where a file should be, when it is written, then what it points at is untouched", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(dir.file("victim"), "precious");
  for (const name of ["replaced", "appended", "created"]) {
    await Deno.symlink(dir.file("victim"), dir.file(name));
  }
  replaceFile(dir.file("replaced"), "new");
  throws(() => appendLine(dir.file("appended"), "new"), /symbolic link/);
  strictEqual(createOnce(dir.file("created"), "new"), false);
  strictEqual(await Deno.readTextFile(dir.file("victim")), "precious");
  strictEqual(await Deno.readTextFile(dir.file("replaced")), "new");
});

Deno.test("given a write that fails, when it is tried, then the old file is whole, nothing is left, and the line names the path", async () => {
  await using dir = await tempDir();
  // A file cannot replace a folder, so the rename fails after the text was written.
  await Deno.mkdir(dir.file("in the way"));
  await Deno.writeTextFile(dir.file("in the way/kept"), "kept");
  throws(() => replaceFile(dir.file("in the way"), "text"), (error: UserError) => {
    match(error.message, /^Cannot write ".*\/in the way": /);
    ok(error.next !== undefined);
    return true;
  });
  deepStrictEqual(dir.names(), ["in the way"]);
  strictEqual(readText(dir.file("in the way/kept")), "kept");
  throws(() => replaceFile(dir.file("missing/x"), "text"), UserError);
  throws(() => createOnce(dir.file("missing/x"), "text"), UserError);
  throws(() => appendLine(dir.file("missing/x"), "text"), UserError);
});

Deno.test("given a file whose time alone matters, when it is touched, then it is newer and was not emptied first", async () => {
  await using dir = await tempDir();
  const path = dir.file("poke");
  touchFile(path);
  Deno.writeTextFileSync(path, "\nkept");
  Deno.utimeSync(path, 1, 1);
  touchFile(path);
  strictEqual(Deno.readTextFileSync(path), "\nkept");
  ok(Deno.statSync(path).mtime!.getTime() > 1_000);
});

Deno.test("given the mode that a file is to have, when it is written, then others cannot read it and scripts can run", async () => {
  await using dir = await tempDir();
  const mode = (name: string) => (Deno.statSync(dir.file(name)).mode ?? 0) & 0o777;
  replaceFile(dir.file("a"), "x");
  createOnce(dir.file("b"), "x");
  appendLine(dir.file("c"), "x");
  replaceFile(dir.file("d"), "x", { mode: 0o700 });
  deepStrictEqual(["a", "b", "c", "d"].map(mode), [0o600, 0o600, 0o600, 0o700]);
});

Deno.test("given two files of one name, when both are archived, then both are kept", async () => {
  await using dir = await tempDir();
  const kept: string[] = [];
  for (const text of ["one", "two", "three"]) {
    replaceFile(dir.file("goal.md"), text);
    const target = moveKeepingBoth(dir.file("goal.md"), dir.file("old"), {
      suffix: ".md",
      lock: dir.file("lock"),
    });
    kept.push(target ?? "");
  }
  deepStrictEqual(kept, ["old.md", "old~2.md", "old~3.md"].map((name) => dir.file(name)));
  deepStrictEqual(kept.map((path) => readText(path)), ["one", "two", "three"]);
  strictEqual(readText(dir.file("goal.md")), undefined);
});

Deno.test("given files of every kind, when JSON is read, then it is a value, a reason or nothing, and never an exception", async () => {
  await using dir = await tempDir();
  await Deno.mkdir(dir.file("folder"));
  await Deno.writeTextFile(dir.file("half"), '{"a":');
  await Deno.writeTextFile(dir.file("good"), '{"a":1}');
  await Deno.writeFile(dir.file("bytes"), new Uint8Array([0xff, 0xfe, 0x00]));
  const read = (name: string) => readJson(dir.file(name), (value) => value as { a: number });
  strictEqual(read("none"), undefined);
  deepStrictEqual(read("good"), { value: { a: 1 } });
  for (const name of ["folder", "half", "bytes"]) ok("bad" in (read(name) ?? {}), name);
});

Deno.test("given names in a folder, when they are listed, then temporary and hidden files are not among them", async () => {
  await using dir = await tempDir();
  for (const name of ["b.md", "a.md", ".hidden.md", "c.txt", ".a.md.tmp-12-abc"]) {
    await Deno.writeTextFile(dir.file(name), "");
  }
  await Deno.mkdir(dir.file("d.md"));
  deepStrictEqual(listFiles(dir.path, ".md"), ["a.md", "b.md"]);
  deepStrictEqual(listFiles(dir.file("none")), []);
  ok(isTempName(".a.md.tmp-12-abc") && !isTempName(".hidden.md") && !isTempName("a.tmp-12-abc"));
});

Deno.test("given any file and limit, when its tail is read, then it is its last whole lines within the limit", async () => {
  await using dir = await tempDir();
  const path = dir.file("log");
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.stringMatching(/^[a-zé]{0,9}$/)),
      fc.integer({ min: 1, max: 60 }),
      async (lines, limit) => {
        const text = lines.map((line) => `${line}\n`).join("");
        await Deno.writeTextFile(path, text);
        const tail = readTail(path, limit);
        ok(text.endsWith(tail) && new TextEncoder().encode(tail).length <= limit);
        ok(
          tail === "" || tail === text || text[text.length - tail.length - 1] === "\n",
          "it begins within a line",
        );
      },
    ),
    { numRuns: RUNS },
  );
  strictEqual(readTail(dir.file("none"), 10), "");
});

Deno.test("given a held lock, when another process wants it, then it gets it after the release, or times out", async () => {
  await using dir = await tempDir();
  const path = dir.file("lock");
  const held = await acquireLock(path, 1000);
  ok(held !== undefined);
  strictEqual(await acquireLock(path, 30), undefined);
  const order: string[] = [];
  const second = withLock(path, () => order.push("second"));
  order.push("first");
  held.close();
  await second;
  deepStrictEqual(order, ["first", "second"]);
});

Deno.test("given a lock whose holder is killed, when another process wants it, then it gets it at once", async () => {
  await using dir = await tempDir();
  const path = dir.file("lock");
  const holder = new Deno.Command("sh", {
    args: ["-c", 'exec 9>"$1"; flock 9 2>/dev/null || exit 3; echo held; exec sleep 60', "sh", path],
    stdout: "piped",
  }).spawn();
  const reader = holder.stdout.getReader();
  const first = await reader.read();
  // flock(1) belongs to util-linux; without it this test cannot hold a lock.
  if (!first.done) {
    strictEqual(await acquireLock(path, 30), undefined);
    holder.kill("SIGKILL");
    const lock = await acquireLock(path, 2000);
    ok(lock !== undefined);
    lock.close();
  }
  await holder.status;
  await reader.cancel();
});

Deno.test("given a watched folder, when a file is replaced, then the watch reports it long before the poll", async () => {
  await using dir = await tempDir();
  const watch = new Watch({ dirs: [dir.path], pollMs: 20_000 });
  try {
    if (!watch.armed) return;
    // A change between opening and waiting is not lost, and a change during the wait ends it.
    replaceFile(dir.file("before"), "x");
    const started = performance.now();
    strictEqual(await watch.next(), true);
    const next = watch.next();
    replaceFile(dir.file("after"), "x");
    strictEqual(await next, true);
    ok(performance.now() - started < 5_000);
  } finally {
    watch.close();
  }
});

Deno.test("given a watched folder, when only quiet files change, then the watch reports once, for events that may be missing", async () => {
  await using dir = await tempDir();
  const watch = new Watch({ dirs: [dir.path], pollMs: 1_000, ignore: ["mine"] });
  try {
    if (!watch.armed) return;
    for (const quiet of [".pulse.json", "journal.md", "mine"]) {
      replaceFile(dir.file(quiet), "x", { durable: false });
    }
    strictEqual(await watch.next(), true);
    strictEqual(await watch.next(), false);
  } finally {
    watch.close();
  }
});

Deno.test("given a process too busy to take every event, when the last change counts, then the watch reports it all the same", async () => {
  await using dir = await tempDir();
  const watch = new Watch({ dirs: [dir.path], pollMs: 20_000 });
  try {
    if (!watch.armed) return;
    const started = performance.now();
    // Far more quiet changes than Deno 2.4 queues, while this thread cannot take any.
    const script =
      'for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo $n >"$0/journal.md"; done; echo >"$0/x.json"';
    strictEqual(new Deno.Command("sh", { args: ["-c", script, dir.path] }).outputSync().success, true);
    strictEqual(await watch.next(), true);
    ok(performance.now() - started < 5_000);
  } finally {
    watch.close();
  }
});

Deno.test("given a watched folder that is replaced, when files come into the new one, then the watch reports them", async () => {
  await using dir = await tempDir();
  const folder = dir.file("asks");
  await Deno.mkdir(folder);
  const watch = new Watch({ dirs: [folder], pollMs: 100 });
  try {
    if (!watch.armed) return;
    await Deno.remove(folder, { recursive: true });
    await Deno.mkdir(folder);
    // The slow look at the next poll finds the new folder.
    while (await watch.next());
    let told = false;
    for (let n = 1; !told && n <= 20; n++) {
      const next = watch.next();
      replaceFile(`${folder}/w-${n}.json`, "{}");
      told = await next;
    }
    ok(told, "only the poll came back");
  } finally {
    watch.close();
  }
});

Deno.test("given no changes, when a watch is awaited, then it returns at its poll or at a poke", async () => {
  await using dir = await tempDir();
  const watch = new Watch({ dirs: [dir.path], pollMs: 30 });
  strictEqual(await watch.next(), false);
  const next = watch.next(20_000);
  watch.poke();
  strictEqual(await next, true);
  watch.close();
});
