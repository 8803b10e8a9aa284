/** Watches folders, or polls them: reports when something in them may have changed. */
import { baseName, isTempName } from "./paths.ts";
import { exists, quietStat } from "./store.ts";

/** Derived files in the data dir, whose changes wake nobody. */
const QUIET = [
  ".pulse.json",
  ".format",
  "journal.md",
  "events.jsonl",
  "cost.jsonl",
  ".cost-sums.json",
  ".goal-activity.json",
  ".root-sessions.json",
];

/**
 * Time after the first event that does not count until everything is looked at once, ms.
 *
 * Deno 2.4 keeps 16 events for a reader and drops the rest, so an event that counts may be lost among them.
 */
const TRAIL_MS = 100;

/** The folders to watch, and how. */
export interface WatchOptions {
  /** Folders, each watched without its subfolders. */
  dirs: readonly string[];
  /** The longest time between two looks, with or without watches, ms. */
  pollMs: number;
  /** File names (without temporary siblings) whose changes do not count. */
  ignore?: readonly string[];
  /** Whether to poll only, as on a system that has no watches left. */
  off?: boolean;
}

/**
 * Reports when something in some folders may have changed: by inotify or FSEvents where the system offers them, else
 * by polling. Any event means "read again"; its kind and path are only hints.
 *
 * Open it, then read, then call `next`: a change in between is not lost.
 */
export class Watch {
  readonly #options: WatchOptions;
  readonly #quiet: ReadonlySet<string>;
  #watcher: Deno.FsWatcher | undefined;
  #pending = false;
  #wake: (() => void) | undefined;
  #inodes: string;
  #closed = false;
  #trail: ReturnType<typeof setTimeout> | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#quiet = new Set([...QUIET, ...(options.ignore ?? [])]);
    this.#arm();
    this.#inodes = this.#inodesOf();
  }

  /** Whether the kernel reports changes; if not, `next` relies on polling alone. */
  get armed(): boolean {
    return this.#watcher !== undefined;
  }

  /**
   * Waits for a change, at most `maxMs` (and at most the poll period), or until `poke` is called.
   * Returns whether a change was reported; the caller reads again either way, because events can be dropped.
   */
  async next(maxMs: number = this.#options.pollMs): Promise<boolean> {
    if (!this.#pending) await this.#sleep(Math.max(1, Math.min(maxMs, this.#options.pollMs)));
    const told = this.#pending;
    this.#pending = false;
    if (!told) this.#rearm();
    return told;
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** Ends a running `next` from within the process. */
  poke(): void {
    this.#pending = true;
    this.#wake?.();
  }

  /** Stops watching; a running `next` ends. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#trail);
    this.#disarm();
    this.#wake?.();
  }

  #arm(): void {
    if (this.#options.off === true) return;
    const dirs = this.#options.dirs.filter((dir) => exists(dir));
    if (dirs.length === 0) return;
    try {
      this.#watcher = Deno.watchFs(dirs, { recursive: false });
    } catch {
      // No instances are left ("Too many open files", without a code), or watches are not supported here: polling
      // works.
      return;
    }
    this.#listen(this.#watcher);
  }

  #disarm(): void {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    try {
      watcher?.close();
    } catch {
      // The watcher has closed itself.
    }
  }

  async #listen(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const event of watcher) {
        if (this.#watcher !== watcher) return;
        // An event about the folder itself may mean that it is gone; a new folder can get the same inode, so the
        // inode proves nothing.
        if (event.paths.some((path) => this.#options.dirs.includes(path))) this.#inodes = "";
        if (event.paths.every((path) => this.#isQuiet(path))) this.#lookSoon();
        else this.poke();
      }
    } catch {
      // The watcher broke: the next look arms a new one or polls.
      if (this.#watcher === watcher) this.#watcher = undefined;
    }
  }

  #lookSoon(): void {
    if (this.#closed) return;
    this.#trail ??= setTimeout(() => {
      this.#trail = undefined;
      this.poke();
    }, TRAIL_MS);
  }

  /** Temporary files do not count; the rename that gives them their name is an event of its own. */
  #isQuiet(path: string): boolean {
    const name = baseName(path);
    return isTempName(name) || this.#quiet.has(name);
  }

  /**
   * The slow look: watches a folder again that was replaced or could not be watched before. The old watch is closed
   * one look earlier, because a new one that is opened in the same turn receives no events (Deno 2.9).
   */
  #rearm(): void {
    if (this.#closed) return;
    const inodes = this.#inodesOf();
    if (this.#watcher !== undefined) {
      if (inodes !== this.#inodes) this.#disarm();
      return;
    }
    this.#inodes = inodes;
    this.#arm();
  }

  #inodesOf(): string {
    return this.#options.dirs.map((dir) => quietStat(dir)?.ino ?? 0).join(" ");
  }
}
