/**
 * Who belongs to a run, noted while it runs.
 *
 * A process that has left its session and lost its parent is known by the marks in its environment alone, and macOS
 * hides the environment of Apple's own programs: `sh`, `sleep`, `perl`. So the tree is looked at while the chain of
 * parents is still whole. Where environments are seen, the marks do, and nothing is noted.
 */
import { mayExist } from "./identity.ts";
import { PLATFORM } from "./platform.ts";
import { type Marks, type ProcessFact, type ProcessTable, readAllProcesses, readSystem } from "./table.ts";
import { delay, findTree, killTree, othersIn, signal, type TreeNotes } from "./tree.ts";

/** The first look at a run, ms after its start; each next one comes after twice the time. */
const FIRST_LOOK_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
/** The longest that a signal waits for a look, ms. */
const LOOK_PATIENCE_MS = 2_000;
/** Runs at once share a look that began no longer ago, ms. */
const SHARED_MS = 100;

/** Notes of one run; `stop` them. */
export class RunNotes {
  readonly #pid: number;
  readonly #onNoted: (notes: TreeNotes) => void;
  #noted: ProcessFact[] = [];
  #root: { pid: number; start: string; boot: string } | undefined;
  #pause = FIRST_LOOK_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Begins to note who belongs to the tree of a child of ours; `onNoted` hears of each look. */
  constructor(pid: number, onNoted: (notes: TreeNotes) => void = () => {}) {
    this.#pid = pid;
    this.#onNoted = onNoted;
    if (PLATFORM === "darwin") this.#lookLater();
  }

  /** Looks now, so that what is about to lose its parents is known. */
  async look(): Promise<void> {
    if (PLATFORM !== "darwin") return;
    const found = await Promise.race([scan(), delay(LOOK_PATIENCE_MS)]);
    if (found === undefined || found.table.unreadable !== undefined) return;
    const { table, marks } = found;
    const fact = table.processes.get(this.#pid);
    this.#root ??= fact === undefined ? undefined : { pid: fact.pid, start: fact.start, boot: table.boot };
    const roots = this.#root === undefined ? [] : [this.#root];
    this.#noted = findTree(table, { roots }, new Set(), this.#noted, othersIn(marks, new Set()));
    this.#onNoted({ boot: table.boot, members: this.#noted });
  }

  /** How many of the run are left once its child has ended: in its group, noted, or among the `marked`. */
  async left(marked: ReadonlySet<number>): Promise<number> {
    const table = await readAllProcesses();
    const group = [...table.processes.values()].filter(({ pgid }) => pgid === this.#pid).map(({ pid }) =>
      pid
    );
    return findTree(table, { roots: [] }, new Set([...marked, ...group]), this.#noted).length;
  }

  /** Those noted that have left the run's own group, to which a signal to the group does not come. */
  signalStrays(name: Deno.Signal): void {
    for (const { pid, pgid } of this.#noted) if (pgid !== this.#pid && mayExist(pid)) signal(pid, name);
  }

  /** Looks no more; ends those noted who are still there, but for the run's own child. Returns whom even KILL has left. */
  async end(graceMs: number): Promise<ProcessFact[]> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const noted = this.#noted.filter(({ pid }) => pid !== this.#pid && mayExist(pid));
    if (noted.length === 0 || this.#root === undefined) return [];
    return await killTree({
      roots: [],
      marks: [],
      noted: { boot: this.#root.boot, members: noted },
      graceMs,
    });
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => {
      this.look().catch(() => {}).finally(() => {
        if (this.#timer === undefined) return;
        this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
        this.#lookLater();
      });
    }, this.#pause);
  }
}

let shared: { at: number; found: Promise<{ table: ProcessTable; marks: Marks }> } | undefined;

function scan(): Promise<{ table: ProcessTable; marks: Marks }> {
  const now = performance.now();
  if (shared === undefined || now - shared.at > SHARED_MS) {
    shared = { at: now, found: readSystem() };
  }
  return shared.found;
}
