/**
 * Notes which processes belong to a run while it is running.
 *
 * A process that has left its session and lost its parent is recognized by the marks in its environment alone, and
 * macOS hides the environment of Apple's own programs: `sh`, `sleep`, `perl`. So the tree is noted while the chain of
 * parents is still whole. Where environments can be read, the marks suffice, and nothing is noted.
 */
import { mayExist } from "./identity.ts";
import { PLATFORM } from "./platform.ts";
import { type Marks, type ProcessFact, type ProcessTable, readAllProcesses, readSystem } from "./table.ts";
import { delay, findTree, killTree, othersIn, signal, type TreeNotes } from "./tree.ts";

/** Delay of the first look after a run's start, ms; it doubles for each next look. */
const FIRST_LOOK_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
/** The longest that a signal waits for a look, ms. */
const LOOK_PATIENCE_MS = 2_000;
/** Age up to which concurrent runs share a look, ms. */
const SHARED_MS = 100;

/** Notes of one run; call {@link end} to finish them. */
export class RunNotes {
  readonly #pid: number;
  readonly #onNoted: (notes: TreeNotes) => void;
  #noted: ProcessFact[] = [];
  #root: { pid: number; start: string; boot: string } | undefined;
  #pause = FIRST_LOOK_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Begins to note the tree of one of our children; `onNoted` is called after each look. */
  constructor(pid: number, onNoted: (notes: TreeNotes) => void = () => {}) {
    this.#pid = pid;
    this.#onNoted = onNoted;
    if (PLATFORM === "darwin") this.#lookLater();
  }

  /** Looks now, to record processes that are about to lose their parents. */
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

  /**
   * How many of the run's processes are left after its child has ended: in its group, noted, or among the `marked`.
   */
  async left(marked: ReadonlySet<number>): Promise<number> {
    const table = await readAllProcesses();
    const group = [...table.processes.values()].filter(({ pgid }) => pgid === this.#pid).map(({ pid }) =>
      pid
    );
    return findTree(table, { roots: [] }, new Set([...marked, ...group]), this.#noted).length;
  }

  /** Signals the noted processes that have left the run's group, which a signal to the group does not reach. */
  signalStrays(name: Deno.Signal): void {
    for (const { pid, pgid } of this.#noted) if (pgid !== this.#pid && mayExist(pid)) signal(pid, name);
  }

  /**
   * Stops looking, and ends the noted processes that remain, except the run's own child. Returns survivors of
   * SIGKILL.
   */
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
