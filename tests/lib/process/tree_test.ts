import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  aliveOf,
  identityOf,
  isAliveIn,
  mayExist,
  ownIdentity,
  parseIdentity,
} from "../../../lib/process/identity.ts";
import {
  parseProcessTable,
  type ProcessFact,
  readAllProcesses,
  readMarked,
  readMarkedAny,
  readProcesses,
} from "../../../lib/process/table.ts";
import { findTree, killTree } from "../../../lib/process/tree.ts";
import { RUNS } from "../../properties.ts";

/** A line of /proc/PID/stat as the kernel prints it, with an unescaped name. */
function statLine(fact: ProcessFact, name: string): string {
  const filler = Array.from({ length: 15 }, (_, i) => i).join(" ");
  return `${fact.pid} (${name}) ${fact.state} ${fact.ppid} ${fact.pgid} ${fact.sid} ${filler} ${fact.start} 123 45 6`;
}

const anyFact: fc.Arbitrary<ProcessFact> = fc.record({
  pid: fc.integer({ min: 1, max: 4_000_000 }),
  ppid: fc.nat(4_000_000),
  pgid: fc.integer({ min: -1, max: 4_000_000 }),
  sid: fc.nat(4_000_000),
  state: fc.constantFrom("R", "S", "D", "Z", "T", "I"),
  start: fc.nat().map(String),
}, { noNullPrototype: true });
/** Names that look like the rest of the line; the kernel keeps any 15 bytes. */
const hostileName = fc.oneof(
  fc.string({ unit: fc.constantFrom("(", ")", " ", "\n", "1", "S", "-"), maxLength: 15 }),
  fc.constantFrom(
    "",
    ")",
    ") S 1 1 1 0 0",
    "\n1 (x) S 0 0 0",
    "a) R 1 2 3 4 5",
    "((((",
    "))))",
    "\n\n",
    "7 (sh) S 1 1",
  ),
  fc.string({ maxLength: 15 }),
);

Deno.test("given processes with misleading names, when the table is read, then each has its own facts", () => {
  const facts = fc.uniqueArray(fc.tuple(anyFact, hostileName), {
    selector: ([fact]) => fact.pid,
    maxLength: 8,
  });
  fc.assert(
    fc.property(facts, (entries) => {
      const text = `boot-id\n${entries.map(([fact, name]) => `${statLine(fact, name)}\n`).join("")}`;
      const table = parseProcessTable(text, false);
      strictEqual(table.boot, "boot-id");
      deepStrictEqual([...table.processes.values()], entries.map(([fact]) => fact));
    }),
    { numRuns: RUNS * 5 },
  );
});

Deno.test("given macOS early in a month, when a supervisor's identity is looked up, then it is alive", async () => {
  const lstart = "Mon Nov  3 09:10:00 2025    ";
  // In the form of the supervisor's shell.
  const shell = new Deno.Command("/bin/sh", {
    args: ["-c", 'echo "412 $(echo $1 | tr " " _) 6A1C-77"', "sh", lstart],
  });
  const identity = parseIdentity(new TextDecoder().decode((await shell.output()).stdout));
  ok(identity !== undefined);
  const answer =
    `6A1C-77 9\n    9     1     9 ??       S    ${lstart}\n  412     1   412 ??       Ss   ${lstart}\n= 0\n`;
  ok(isAliveIn(parseProcessTable(answer, true), identity));
});

Deno.test("given nothing to read, when the table is read, then it is empty", () => {
  for (const text of ["", "boot\n", "boot"]) strictEqual(parseProcessTable(text, false).processes.size, 0);
});

Deno.test("given a reused pid, when its earlier holder is sought, then that one is dead", async () => {
  const me = await ownIdentity();
  ok((await aliveOf([me])).has(me));
  strictEqual((await aliveOf([{ ...me, start: "1" }])).size, 0);
  strictEqual((await aliveOf([{ ...me, boot: "of another boot" }])).size, 0);
});

Deno.test("given a zombie, when it is looked up, then it is dead", () => {
  const processes = new Map([[7, { pid: 7, ppid: 1, pgid: 7, sid: 7, state: "Z", start: "9" }]]);
  strictEqual(isAliveIn({ boot: "b", processes }, { pid: 7, start: "9", boot: "b" }), false);
});

Deno.test("given any table, when a tree is found, then it holds its roots' descendants and never the spared or pid 1", () => {
  const pid = fc.integer({ min: 1, max: 12 });
  const table = fc.uniqueArray(
    fc.record({
      pid,
      ppid: fc.nat(12),
      pgid: pid,
      sid: pid,
      state: fc.constantFrom("S", "Z"),
      start: fc.constant("1"),
    }),
    { selector: (fact) => fact.pid, maxLength: 12 },
  ).map((facts) => ({ boot: "b", processes: new Map(facts.map((fact) => [fact.pid, fact])) }));
  fc.assert(
    fc.property(table, pid, pid, (table, root, spared) => {
      const spec = { roots: [{ pid: root, start: "1", boot: "b" }], spare: [spared] };
      const tree = findTree(table, spec, new Set());
      const pids = new Set(tree.map((fact) => fact.pid));
      ok(!pids.has(spared) && !pids.has(1) && tree.every((fact) => fact.state !== "Z"));
      if (!table.processes.has(root)) return strictEqual(tree.length, 0);
      for (const fact of table.processes.values()) {
        const below = fact.ppid === root && fact.pid !== spared && fact.pid > 1 && fact.state !== "Z";
        if (below) ok(pids.has(fact.pid), `child ${fact.pid} of ${root} is missing`);
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given a root whose pid another process has now, when its tree is found, then it is empty", () => {
  const stranger = { pid: 7, ppid: 1, pgid: 7, sid: 7, state: "S", start: "200" };
  const table = { boot: "b", processes: new Map([[7, stranger]]) };
  deepStrictEqual(findTree(table, { roots: [{ pid: 7, start: "100", boot: "b" }] }, new Set()), []);
  deepStrictEqual(findTree(table, { roots: [] }, new Set(), [{ ...stranger, start: "100" }]), []);
});

Deno.test("given a group whose leader was noted, when its tree is found, then it has the group's members, unless another process has the leader's pid", () => {
  const fact = (pid: number, pgid: number, start: string) => ({
    pid,
    ppid: 1,
    pgid,
    sid: pgid,
    state: "S",
    start,
  });
  const find = (...facts: ReturnType<typeof fact>[]) => {
    const table = { boot: "b", processes: new Map(facts.map((one) => [one.pid, one])) };
    return findTree(table, { roots: [] }, new Set(), [{ pid: 7, start: "100" }]).map(({ pid }) => pid);
  };
  deepStrictEqual(find(fact(7, 7, "100"), fact(8, 7, "105")), [7, 8]);
  deepStrictEqual(find(fact(8, 7, "105")), [8], "the leader has ended");
  deepStrictEqual(find(fact(7, 7, "200"), fact(8, 7, "205")), [], "the leader is a stranger");
});

Deno.test({
  name:
    "given a tree that ignores TERM, leaves its group and forks on, when it is ended, then nobody of it is left",
  // Its members end by signals during the test; the shell that started them is awaited.
  fn: async () => {
    const mark = `LOOOP_TEST_MARK=${crypto.randomUUID()}`;
    const [name = "", value = ""] = mark.split("=");
    const script = `trap '' TERM
(setsid sh -c 'trap "" TERM; while :; do sleep 1; done' >/dev/null 2>&1 &)
(sh -c 'trap "" TERM; (while :; do sleep 1; done) & wait' &)
echo started; while :; do sleep 1; done`;
    const child = new Deno.Command("sh", {
      args: ["-c", script],
      env: { [name]: value },
      detached: true,
      stdout: "piped",
    })
      .spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    const root = await identityOf(child.pid);
    ok(root !== undefined);
    ok((await readMarked([mark])).size >= 3);
    deepStrictEqual(await killTree({ roots: [root], marks: [mark], graceMs: 100 }), []);
    await child.status;
    await reader.cancel();
    strictEqual((await readMarked([mark])).size, 0);
  },
});

Deno.test("given a tree with a member in a session of its own, when its leaders get TERM first, then that member gets it after they have ended, or after their time", async () => {
  const dir = await Deno.makeTempDir({ prefix: "looop-lead-" });
  const said = async (leaderDoes: string, leadMs: number) => {
    const log = `${dir}/${crypto.randomUUID()}`;
    const script =
      `(setsid sh -c "trap 'echo helper >>${log}; exit' TERM; echo; while :; do sleep 0.02; done" &)
trap 'echo leader >>${log}; ${leaderDoes}' TERM; echo; while :; do sleep 0.02; done`;
    const mark = `LOOOP_TEST_MARK=${crypto.randomUUID()}`;
    const [name = "", value = ""] = mark.split("=");
    const child = new Deno.Command("sh", {
      args: ["-c", script],
      env: { [name]: value },
      detached: true,
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    for (let lines = 0; lines < 2;) lines += (await reader.read()).value?.length ?? 2;
    const root = await identityOf(child.pid);
    ok(root !== undefined);
    deepStrictEqual(await killTree({ roots: [root], marks: [mark], graceMs: 600, leadMs }), []);
    await child.status;
    await reader.cancel();
    return Deno.readTextFileSync(log).trim().split("\n");
  };
  deepStrictEqual(await said("exit", 60_000), ["leader", "helper"]);
  // A leader that stays gets TERM again with the others, and is killed after the grace.
  deepStrictEqual((await said(":", 200)).sort(), ["helper", "leader", "leader"]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("given processes with marks in their environment, when they are sought, then only whole marks count", async () => {
  const id = crypto.randomUUID();
  const child = new Deno.Command("sleep", {
    args: ["30"],
    env: { LOOOP_TEST_MARK: `${id}`, LOOOP_TEST_TWO: "x y" },
  }).spawn();
  try {
    ok((await readMarked([`LOOOP_TEST_MARK=${id}`, "LOOOP_TEST_TWO=x y"])).has(child.pid));
    ok((await readMarkedAny(["LOOOP_TEST_MARK=none", `LOOOP_TEST_MARK=${id}`])).has(child.pid));
    strictEqual((await readMarked([`LOOOP_TEST_MARK=${id.slice(0, -1)}`])).size, 0);
    strictEqual((await readMarked([`LOOOP_TEST_MARK=${id}`, "LOOOP_TEST_TWO=x"])).size, 0);
    strictEqual((await readMarkedAny([`OOOP_TEST_MARK=${id}`])).size, 0);
    strictEqual((await readMarked([])).size, 0);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
  strictEqual((await readProcesses([child.pid])).processes.get(child.pid), undefined);
  strictEqual(mayExist(child.pid), false);
});

Deno.test("given a run's child that belongs to another run, when the tree is found, then that child is not in it", () => {
  const fact = (pid: number, ppid: number) => ({ pid, ppid, pgid: 7, sid: 7, state: "S", start: "1" });
  const facts = [fact(7, 1), fact(8, 7), fact(9, 8), fact(10, 9)];
  const table = { boot: "b", processes: new Map(facts.map((one) => [one.pid, one])) };
  const spec = { roots: [{ pid: 7, start: "1", boot: "b" }] };
  const pids = (others: number[], noted = facts) =>
    findTree(table, spec, new Set(), noted, new Set(others)).map((one) => one.pid).sort((a, b) => a - b);
  deepStrictEqual(pids([9, 10]), [7, 8]);
  deepStrictEqual(pids([9, 10], []), [7, 8]);
  deepStrictEqual(pids([]), [7, 8, 9, 10]);
});

Deno.test("given many requests for all processes at once, when they are made, then they share a look that has yet to begin, but none that has begun", async () => {
  const first = readAllProcesses();
  // The look begins in the next turn.
  strictEqual(readAllProcesses(), first);
  await Promise.resolve();
  const child = new Deno.Command("sleep", { args: ["30"] }).spawn();
  try {
    const later = [readAllProcesses(), readAllProcesses()];
    notStrictEqual(later[0], first);
    strictEqual(later[0], later[1]);
    ok((await later[0])?.processes.has(child.pid));
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
});
