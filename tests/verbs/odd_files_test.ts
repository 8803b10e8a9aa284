import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { WHOLE } from "../whole.ts";
import { HOLD, shell, startWorker } from "../workers.ts";

/** Things in a file's place. The last two, which could make a reader hang or run out of memory, are tried in every run. */
const KINDS: Readonly<Record<string, (path: string) => void>> = {
  "a folder": (path) => Deno.mkdirSync(path),
  "a link": (path) => Deno.symlinkSync("/etc/hosts", path),
  "a FIFO": (path) => void new Deno.Command("mkfifo", { args: [path] }).outputSync(),
  "a gigabyte": (path) => {
    using file = Deno.openSync(path, { write: true, createNew: true });
    file.truncateSync(2 ** 30);
  },
};

for (const [kind, make] of Object.entries(KINDS).slice(WHOLE ? 0 : -2)) {
  Deno.test(`given live workers of whose files one is ${kind} each, when the profile is looked at and ended, then each is named and no process is left`, async () => {
    await using p = await testProfile();
    await p.ok("up");
    const files = { a: "status.json", b: "sup", c: "meta.json", d: "program", e: "end" };
    for (const id of [...Object.keys(files), "well"]) await startWorker(p, id, HOLD);
    for (const [id, name] of Object.entries(files)) {
      Deno.mkdirSync(`${p.base}/${id}`);
      await Deno.rename(p.path(`sessions/${id}/${name}`), `${p.base}/${id}/${name}`).catch(() => {});
      make(p.path(`sessions/${id}/${name}`));
    }
    const again = await p.run("_", "worker", "start", "c", "--runner", "shell", "sleep 600");
    deepStrictEqual([again.code, /alive/.test(again.stderr)], [1, true], "no second one of its id");
    for (const pulse of [true, false]) {
      if (!pulse) Deno.kill(JSON.parse(p.read(".pulse.json")).pid, "SIGKILL");
      // deno-lint-ignore no-explicit-any -- the test compares the reply's own shape
      let bad: any[] = [];
      await p.until("all are named", async () => {
        bad = (await p.json("_", "state", "--json")).bad_files;
        return Object.keys(files).every((id) => bad.some(({ path }) => path.includes(`/sessions/${id}`)));
      });
      ok(!bad.some(({ path }) => path.includes("/sessions/well")));
    }
    strictEqual((await p.run("status")).code, 0);
    const { code, stderr } = await p.run("down");
    strictEqual(code, 0, stderr);
    deepStrictEqual(await p.processes(), []);
  });
}

Deno.test("given a session folder that was copied, when the fleet is looked at, then the copy is a bad file and no worker", async () => {
  await using p = await testProfile();
  await startWorker(p, "w", HOLD);
  await new Deno.Command("cp", { args: ["-r", p.path("sessions/w"), p.path("sessions/w-conflict")] })
    .output();
  const state = await p.json("_", "state", "--json");
  deepStrictEqual(state.workers.map(({ id }: { id: string }) => id), ["w"]);
  const [bad] = state.bad_files;
  deepStrictEqual([bad.path, bad.reason], [
    p.path("sessions/w-conflict"),
    'it is the session of "w", copied',
  ]);
  match(await p.ok("down"), /stopped 1 worker \(w\)/);
});

Deno.test("given copies that a sync tool has left of a question and a lease, when they are read, then they are bad files and nothing else", async () => {
  await using p = await testProfile();
  await startWorker(p, "holder", HOLD);
  await p.ok("_", "claim", "task", "--session", "holder");
  using asking = p.start(["_", "ask", "w", "--prompt", "Well?"]);
  await asking.said("asked w-1");
  const copies = {
    "asks/w-1 (conflicted copy).json": "asks/w-1.json",
    "asks/w-1.sync-conflict-20260101.json": "asks/w-1.json",
    "asks/w-7.json": "asks/w-1.json",
    "claims/task (conflicted copy).json": "claims/task.json",
    "claims/task-2.json": "claims/task.json",
  };
  for (const [copy, from] of Object.entries(copies)) Deno.copyFileSync(p.path(from), p.path(copy));
  await p.ok("up");
  const state = await p.json("_", "state", "--json");
  deepStrictEqual(state.asks.map(({ id }: { id: string }) => id), ["w-1"]);
  deepStrictEqual(state.snapshots["sys-claims"].signal.map(({ name }: { name: string }) => name), ["task"]);
  deepStrictEqual(
    state.bad_files.map(({ path }: { path: string }) => path).sort(),
    Object.keys(copies).map((name) => p.path(name)).sort(),
  );
  match((await p.run("_", "answer", "w-7", "yes")).stderr, /it is the ask "w-1", copied/);
  await p.ok("_", "answer", "w-1", "yes");
  strictEqual((await asking.result).stdout, "yes\n");
  deepStrictEqual((await p.json("_", "state", "--json")).asks, []);
});

/** Calls that read and write the ledger, the journal and other records. */
const CALLS = [
  ["status"],
  ["cost"],
  ["journal", "-n", "5"],
  ["_", "state", "--json"],
  ["_", "wait", "--json", "--timeout", "1"],
  ["_", "note", "a word"],
  ["_", "cost", "session", "w", "pi", "0.5"],
  ["up"],
  ["down"],
];

Deno.test("given FIFOs in the place of records, when they are read and written, then every call ends with at most one line", async () => {
  await using p = await testProfile();
  await p.ok("_", "state");
  const records = [
    "cost.jsonl",
    "journal.md",
    "events.jsonl",
    ".goal-activity.json",
    ".moves.json",
    ".root-sessions.json",
  ];
  for (const name of records) {
    await Deno.remove(p.path(name)).catch(() => {});
  }
  await new Deno.Command("mkfifo", { args: records.map((name) => p.path(name)) }).output();
  for (const args of CALLS) {
    const { code, stderr } = await p.run(...args);
    ok(code <= 1, `${args.join(" ")}: ${code} ${stderr}`);
    ok(stderr.split("\n").length <= 3, stderr);
  }
});

/** Sizes of records, bytes: far larger than any real one, without a newline. */
const HUGE: Readonly<Record<string, number>> = {
  "journal.md": 10 * 2 ** 30,
  ...Object.fromEntries(
    [
      "cost.jsonl",
      "events.jsonl",
      ".world.json",
      ".pulse.json",
      ".cursors/hand.json",
      ".moves.json",
      ".goal-activity.json",
      ".schedules.json",
      ".root-sessions.json",
      "asks/w-1.json",
      "answers/w-2.json",
      "claims/c.json",
      "schedules/s.md",
      "goals/g.md",
      "hosts/h.json",
      ".notices/n.json",
      ".wal/r.json",
      "sessions/w/meta.json",
      "sessions/w/status.json",
      "sessions/w/output.log",
    ].map((name) => [name, 2 * 2 ** 30]),
  ),
};

/** Records that every look at the profile reads. */
const LOOKED_AT = [
  ".goal-activity.json",
  ".wal/r.json",
  "asks/w-1.json",
  "claims/c.json",
  "goals/g.md",
  "schedules/s.md",
  "sessions/w",
];

/** Memory limit of a call, KiB: far less than the size of such a record. */
const MEMORY_KIB = 1_000_000;

Deno.test("given a journal of 10 GB and other records of 2 GB without a newline, when they are read and written, then every call ends soon and holds little", async () => {
  await using p = await testProfile();
  await p.ok("_", "note", "the first");
  for (const [name, size] of Object.entries(HUGE)) {
    Deno.mkdirSync(p.path(name.slice(0, name.lastIndexOf("/") + 1)), { recursive: true });
    using file = Deno.openSync(p.path(name), { write: true, create: true });
    file.truncateSync(size);
  }
  const calls = [...CALLS, ["_", "answer", "w-1", "yes"], ["_", "claim", "c", "--session", "x"], [
    "logs",
    "w",
  ]];
  for (const args of calls) {
    const { code, stderr } = await shell(p, `ulimit -d ${MEMORY_KIB}; exec "$@"`, args);
    ok(code <= 1, `${args.join(" ")}: ${code} ${stderr}`);
    ok(stderr.split("\n").length <= 2, `${args.join(" ")}: ${stderr}`);
  }
  const { bad_files: bad } = await p.json("_", "state", "--json");
  const large = bad.filter(({ reason }: { reason: string }) =>
    reason.includes("far larger than such a file")
  );
  deepStrictEqual(
    large.map(({ path }: { path: string }) => path.slice(p.path("").length)).sort(),
    LOOKED_AT,
  );
});

for (const name of [".lock", ".format", ".wal", "sessions"]) {
  Deno.test(`given a live pulse and worker and a FIFO in the place of ${name}, when all is ended, then nobody is left and the FIFO is named`, async () => {
    await using p = await testProfile();
    await p.ok("up");
    await startWorker(p, "w", HOLD);
    await Deno.rename(p.path(name), `${p.base}/was`);
    KINDS["a FIFO"]?.(p.path(name));
    const { code, stderr } = await p.run("down");
    deepStrictEqual([code, stderr.includes(name)], [1, true], stderr);
    deepStrictEqual(await p.processes(), []);
  });
}

Deno.test("given a live pulse, when a FIFO stands in a folder's place for a while, then the pulse says so and goes on", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await Deno.rename(p.path("claims"), `${p.base}/was`);
  KINDS["a FIFO"]?.(p.path("claims"));
  await p.until("it is said", () => p.read("sessions/pulse/output.log").split("Cannot list").length > 3);
  await Deno.remove(p.path("claims"));
  await Deno.rename(`${p.base}/was`, p.path("claims"));
  const beat = async () => (await p.json("_", "state", "--json")).pulse.beat;
  const before = await beat();
  await p.until("it beats", async () => await beat() > before + 1);
});

Deno.test("given a blocked wait, when a FIFO comes into the data dir, then the next question still ends it", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await p.ok("_", "wait", "--json");
  using wait = p.start(["_", "wait", "--json"]);
  await p.until("it waits", () => p.read(".cursors/hand.json").includes('"waiting":{'));
  KINDS["a FIFO"]?.(p.path("pipe"));
  await startWorker(p, "w", `"$LOOOP_BIN" _ ask w --prompt q`);
  const { code, stdout } = await wait.result;
  deepStrictEqual([code, JSON.parse(stdout).asks[0].id], [0, "w-1"]);
});

Deno.test("given a number of a later format, when all is ended, then nobody is left and no record is read", async () => {
  await using p = await testProfile();
  await p.ok("up");
  await startWorker(p, "w", HOLD);
  Deno.writeTextFileSync(p.path(".format"), "2\n");
  const { code, stderr } = await p.run("down");
  strictEqual(code, 1);
  match(stderr, /marks was ended; its records were not read[^]*has format "2", this looop knows up to 1/);
  deepStrictEqual(await p.processes(), []);
});

for (const name of ["cost.jsonl", ".cursors"]) {
  for (const kind of ["a folder", "a FIFO"].slice(name === ".cursors" ? 1 : 0)) {
    Deno.test(`given ${kind} in the place of ${name}, when a person looks, then all else is shown and it is named`, async () => {
      await using p = await testProfile();
      await p.ok("init", "--runner", "shell");
      await Deno.remove(p.path(name), { recursive: true }).catch(() => {});
      KINDS[kind]?.(p.path(name));
      match(await p.ok("status"), new RegExp(`pulse: stopped[^]*! Cannot (read|list) "[^]*${name}`));
      const { problems } = await p.json("status", "--json");
      ok(
        problems.some(({ kind, message }: Record<string, string>) =>
          kind === "bad_file" && message?.includes(name)
        ),
      );
    });
  }
}
