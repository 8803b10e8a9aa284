import { deepStrictEqual, notDeepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { CostSum, type CostSummary, localDay } from "../../../lib/agents/cost.ts";
import { readBooks, summaryOfAll, todaySummary } from "../../../lib/agents/ledger_sums.ts";
import { type Profile, profileAt } from "../../../lib/paths.ts";
import { sha256 } from "../../../lib/text/bytes.ts";
import fc from "fast-check";
import { runs } from "../../whole.ts";

const RUNS = runs(20);
const DAY_S = 86_400;
const START = Math.floor(Date.UTC(2026, 0, 1, 12) / 1000);
/** Number of rows, just enough for their sums to be kept. */
const ROWS = 15_000;
const LATER_MS = 60_000;

function row(n: number): string {
  const source = n % 7 === 0 ? ',"source":"runner"' : "";
  const more = n % 11 === 0 ? ',"unpriced":true,"unrecorded":2' : "";
  const [kind, id, runner] = [["session", "beat"][n % 2], `w${n % 9}`, ["pi", "claude"][n % 2]];
  return `{"ts":${START + (n % 40) * DAY_S},"kind":"${kind}","id":"${id}","runner":"${runner}",` +
    `"cost_usd":0.${n % 1000 + 1}${source}${more}}\n`;
}

function rows(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, n) => row(from + n)).join("");
}

/** A data dir with a ledger, removed at the end. */
class Ledger implements AsyncDisposable {
  readonly profile: Profile;

  constructor(dir: string) {
    this.profile = profileAt(dir);
    this.write(rows(0, ROWS));
  }

  static async make(): Promise<Ledger> {
    return new Ledger(await Deno.makeTempDir({ prefix: "looop-sums-" }));
  }

  get text(): string {
    return Deno.readTextFileSync(this.profile.cost);
  }

  get kept(): string {
    return Deno.readTextFileSync(this.profile.costSums);
  }

  /** Writes the ledger in place. */
  write(text: string): void {
    Deno.writeTextFileSync(this.profile.cost, text);
  }

  /** The summary of `looop cost` a minute later, by which time sums are kept; further calls use those. */
  async sums(): Promise<CostSummary> {
    return summaryOfAll(await readBooks(this.profile, Date.now() + LATER_MS));
  }

  /** The same with only the most expensive workers. */
  async short(): Promise<CostSummary> {
    return summaryOfAll(await readBooks(this.profile, Date.now() + LATER_MS), [], SHOWN);
  }

  /** The sum of all rows, without kept sums. */
  get plain(): CostSum {
    const sum = new CostSum();
    sum.push(Deno.readFileSync(this.profile.cost));
    return sum;
  }

  async holds(what: string): Promise<void> {
    const whole = this.plain.summary([]);
    deepStrictEqual(shortened(await this.short()), shortened(whole), `${what}: the first call`);
    deepStrictEqual(await this.sums(), whole, `${what}: the second call`);
    deepStrictEqual(shortened(await this.short()), shortened(whole), `${what}: the third call`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.profile.dir, { recursive: true });
  }
}

/** Number of workers that are named. */
const SHOWN = 3;

/** A summary with only the most expensive workers, rounded: subtracting sums leaves an error far below a cent. */
function shortened({ byWorker, otherWorkers, ...summary }: CostSummary): unknown {
  const more = byWorker.slice(SHOWN);
  const sum = (key: "usd" | "calls") => more.reduce((all, one) => all + one[key], otherWorkers?.[key] ?? 0);
  const others = { usd: sum("usd"), calls: sum("calls"), count: more.length + (otherWorkers?.count ?? 0) };
  const text = JSON.stringify(
    { ...summary, byWorker: byWorker.slice(0, SHOWN), others },
    (key, value) => key === "usd" ? `$${Math.abs(value).toFixed(6)}` : value,
  );
  return JSON.parse(text);
}

/** Changes to a ledger whose sums are kept. */
const CHANGES: Readonly<Record<string, (ledger: Ledger) => void | Promise<void>>> = {
  "nothing": () => {},
  "rows are added": (ledger) => ledger.write(ledger.text + rows(ROWS, ROWS + 50)),
  "a row is added and another edited": (ledger) =>
    ledger.write(ledger.text.replace('"cost_usd":0.7', '"cost_usd":9.7') + row(1)),
  "a row in the middle is edited": (ledger) => ledger.write(edited(ledger.text)),
  "a row is edited and the time set back": async (ledger) => {
    await anotherSecond();
    const before = Deno.statSync(ledger.profile.cost);
    ledger.write(edited(ledger.text));
    Deno.utimeSync(ledger.profile.cost, before.atime ?? 0, before.mtime ?? 0);
  },
  "the last row is edited": (ledger) => ledger.write(ledger.text.replace(/\d\}\n$/, "5}\n")),
  "it is cut behind a row": (ledger) => ledger.write(rows(0, ROWS - 100)),
  "it is cut within a row": (ledger) => ledger.write(ledger.text.slice(0, -40)),
  "it is cut and grows beyond its size": (ledger) =>
    ledger.write(rows(0, ROWS - 100) + rows(ROWS, ROWS + 500)),
  "its first row is removed": (ledger) => ledger.write(rows(1, ROWS)),
  "it is emptied": (ledger) => ledger.write(""),
  "it is rotated away": (ledger) => {
    Deno.renameSync(ledger.profile.cost, `${ledger.profile.cost}.1`);
    ledger.write(rows(3, 20));
  },
  "another of the same size and time takes its place": (ledger) => {
    const before = Deno.statSync(ledger.profile.cost);
    Deno.writeTextFileSync(`${ledger.profile.cost}.new`, edited(ledger.text));
    Deno.utimeSync(`${ledger.profile.cost}.new`, before.atime ?? 0, before.mtime ?? 0);
    Deno.renameSync(`${ledger.profile.cost}.new`, ledger.profile.cost);
  },
  "a torn row is added": (ledger) => ledger.write(ledger.text + row(5).slice(0, 30)),
  "a torn row is added and mended": (ledger) =>
    ledger.write(`${ledger.text + row(5).slice(0, 30)}\n${row(6)}`),
  "what begins like a text file is added": (ledger) => ledger.write(`${ledger.text}\uFEFF${row(4)}`),
  "a row far too long is added": (ledger) => ledger.write(`${ledger.text}${"x".repeat(200_000)}`),
  "what is no UTF-8 is added": (ledger) =>
    Deno.writeFileSync(ledger.profile.cost, new Uint8Array([0xe2, 0x82, 10, 0xff, 10]), { append: true }),
};

/** Waits for the next second, since the runtime shows a file's last change in whole seconds. */
async function anotherSecond(): Promise<void> {
  // The kernel's clock for files is a few milliseconds behind.
  const second = () => Math.floor((Date.now() - 50) / 1000);
  const begun = Math.floor(Date.now() / 1000);
  while (second() <= begun) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** The text with one digit of a row in the middle changed. */
function edited(text: string): string {
  const at = text.indexOf('"cost_usd":0.', Math.floor(text.length / 2)) + '"cost_usd":'.length;
  return `${text.slice(0, at)}7${text.slice(at + 1)}`;
}

for (const [what, change] of Object.entries(CHANGES)) {
  Deno.test(`given kept sums, when ${what}, then the sums are those of all rows`, async () => {
    await using ledger = await Ledger.make();
    await ledger.holds("at first");
    ok(ledger.kept.length > 0);
    await change(ledger);
    await ledger.holds(what);
    await change(ledger);
    await ledger.holds(`${what}, twice`);
  });
}

Deno.test("given kept sums, when only today is asked for, then other days are left out", async () => {
  await using ledger = await Ledger.make();
  await ledger.sums();
  const sinceMs = new Date((START + 30 * DAY_S) * 1000).setHours(0, 0, 0, 0);
  const since = new CostSum({ sinceMs });
  since.push(Deno.readFileSync(ledger.profile.cost));
  const at = sinceMs + DAY_S * 500;
  const books = await readBooks(ledger.profile, at);
  deepStrictEqual(
    { ...todaySummary(books, ["w1", "none"], at), skippedLines: 0 },
    since.summary(["w1", "none"], localDay(sinceMs)),
  );
});

/** Replaces the kept sums by others, with the digest of `checked`. */
async function plant(
  ledger: Ledger,
  change: (sums: string) => string,
  checked = (sums: string) => sums,
): Promise<void> {
  const sums = change(ledger.kept.slice(65));
  Deno.writeTextFileSync(ledger.profile.costSums, `${await sha256(checked(sums))}\n${sums}`);
}

Deno.test("given kept sums and the same ledger, when it is summed, then no row is read again", async () => {
  await using ledger = await Ledger.make();
  const [before, short] = [await ledger.sums(), await ledger.short()];
  await plant(
    ledger,
    (sums) => sums.replace(/"total":\{"usd":/, "$&5").replace(/(\n.*?\["2026-\d\d-\d\d",)/, "$&5"),
  );
  notDeepStrictEqual(await ledger.sums(), before);
  notDeepStrictEqual(await ledger.short(), short);
});

Deno.test("given kept sums that were edited or broken, when the ledger is summed, then they do not count", async () => {
  await using ledger = await Ledger.make();
  const before = await ledger.sums();
  await plant(ledger, (sums) => sums.replace(/"total":\{"usd":/, "$&5"), () => "another text");
  deepStrictEqual(await ledger.sums(), before);
  for (
    const text of ["", "{", "[]", '{"check":"","sums":{}}', ledger.kept.slice(0, 500), ledger.kept.slice(1)]
  ) {
    Deno.writeTextFileSync(ledger.profile.costSums, text);
    deepStrictEqual(await ledger.sums(), before, JSON.stringify(text.slice(0, 40)));
  }
});

Deno.test("given sums of another time zone's days, when the ledger is summed, then they do not count", async () => {
  await using ledger = await Ledger.make();
  const before = await ledger.sums();
  await plant(
    ledger,
    (sums) =>
      `${sums.slice(0, sums.indexOf("\n") + 1).replace(/"zone":"[^"]+"/, '"zone":"Antarctica/Troll"')}`,
  );
  deepStrictEqual(await ledger.sums(), before);
});

Deno.test("given a ledger that was just written, when it is summed, then no sums are kept", async () => {
  await using ledger = await Ledger.make();
  const writtenMs = Deno.statSync(ledger.profile.cost).mtime?.getTime() ?? 0;
  deepStrictEqual(summaryOfAll(await readBooks(ledger.profile, writtenMs)), ledger.plain.summary([]));
  strictEqual([...Deno.readDirSync(ledger.profile.dir)].length, 1);
});

Deno.test("given a data dir in which nothing can be written, when the ledger is summed, then its sums are right", async () => {
  await using ledger = await Ledger.make();
  // Not even root can replace a folder by a file.
  Deno.mkdirSync(`${ledger.profile.costSums}/x`, { recursive: true });
  await ledger.holds("nothing is kept");
});

Deno.test("given any rows and runs before and after sums are kept, when few workers are shown, then the result is that of a new sum", async () => {
  await using ledger = await Ledger.make();
  const { profile } = ledger;
  const ids = fc.constantFrom(...Array.from({ length: 40 }, (_, n) => `t${n}`), 'ü \t"', "root");
  const row = fc.record({
    ts: fc.integer({ min: START, max: START + 9 * DAY_S }),
    kind: fc.constantFrom("session", "beat"),
    id: ids,
    runner: fc.constantFrom("pi", "claude"),
    cost_usd: fc.double({ min: 0, max: 900, noNaN: true }).map((usd) => Math.round(usd * 1e4) / 1e4),
    source: fc.constantFrom(undefined, undefined, "runner"),
    unpriced: fc.constantFrom(undefined, undefined, true),
    unrecorded: fc.constantFrom(undefined, undefined, 2),
  });
  const run = fc.integer({ min: 0, max: 60 }).map((n) =>
    `{"ts":"2026-01-02T00:00:00Z","event":"worker_started","id":"t${n}"}\n`
  );
  const lines = fc.record({
    rows: fc.array(row, { maxLength: 60 }).map((rows) =>
      rows.map((one) => `${JSON.stringify(one)}\n`).join("")
    ),
    runs: fc.array(run, { maxLength: 20 }).map((runs) => runs.join("")),
    move: fc.constantFrom(
      "",
      "- 2026-01-02 00:00 start-worker t70 (pi) [root]\n",
      "- 2026-01-02 00:00 note\n",
    ),
  });
  // Long enough for its sums to be kept.
  const filler = `${" ".repeat(1000)}\n`.repeat(140);
  const todayMs = new Date((START + 5 * DAY_S) * 1000).setHours(12);
  await fc.assert(
    fc.asyncProperty(lines, lines, async (before, after) => {
      ledger.write(before.rows + filler);
      Deno.writeTextFileSync(profile.events, before.runs);
      Deno.writeTextFileSync(profile.journal, before.move);
      Deno.writeTextFileSync(profile.costSums, "");
      summaryOfAll(await readBooks(profile, todayMs));
      for (const [path, text] of [[profile.events, after.runs], [profile.journal, after.move]] as const) {
        Deno.writeTextFileSync(path, text, { append: true });
      }
      Deno.writeTextFileSync(profile.cost, after.rows, { append: true });
      const ran = `${before.runs}${after.runs}`.split("\n").filter((line) => line !== "")
        .map((line) => JSON.parse(line).id);
      const all = [...ran, "gone", ...`${before.move}${after.move}`.includes("start") ? ["t70"] : []];
      const books = await readBooks(profile, todayMs);
      ok(books.kept !== undefined);
      const whole = ledger.plain.summary(all);
      deepStrictEqual(shortened(summaryOfAll(books, ["gone"], SHOWN)), shortened(whole));
      deepStrictEqual(shortened(summaryOfAll(books, ["gone"])), shortened(whole));
      deepStrictEqual(
        shortened(todaySummary(books, ["t1"], todayMs)),
        shortened(ledger.plain.summary(["t1"], localDay(todayMs))),
      );
    }),
    { numRuns: RUNS },
  );
});
