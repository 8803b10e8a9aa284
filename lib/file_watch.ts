/** Watch or poll: tells when something may have changed below some folders. */
import { baseName, isTempName } from "./paths.ts";
import { exists, quietStat } from "./store.ts";

/** Names of files that looop derives itself and that wake nobody who watches the data dir. */
const QUIET = [
  ".pulse.json",
  ".format",
  "journal.md",
  "events.jsonl",
  "cost.jsonl",
  ".goal-activity.json",
  ".root-sessions.json",
];

/**
 * Deno 2.4 keeps 16 events for a reader and drops what comes meanwhile, so that after some that do not count
 * one that does may be missing: so long after the first of them, ms, everything is looked at once.
 */
const TRAIL_MS = 100;

/** What to watch and how. */
export interface WatchOptions {
  /** Folders, each watched flat. */
  dirs: readonly string[];
  /** Longest time between two looks when watches work or not, ms. */
  pollMs: number;
  /** File names (without temporary siblings) whose changes do not count. */
  ignore?: readonly string[];
  /** Polls alone, as where the system has no watches left. */
  off?: boolean;
}

/**
 * Tells when something may have changed below some folders: by inotify or FSEvents where that can be had,
 * else by polling. Any event means "read again"; kinds and paths are hints and not trusted further.
 *
 * Open it, then read, then call `next`: what changed in between is not lost.
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

  /** Whether the kernel tells us of changes; if not, `next` relies on polling alone. */
  get armed(): boolean {
    return this.#watcher !== undefined;
  }

  /**
   * Waits for a change, at most `maxMs` (and at most the poll period), or until `poke` is called.
   * Returns whether a change was told; the caller reads again either way, since events can be dropped.
   */
  async next(maxMs = this.#options.pollMs): Promise<boolean> {
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
      // No instances left ("Too many open files", without a code) or not supported here: polling serves.
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
      // Already closed by its own end.
    }
  }

  async #listen(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const event of watcher) {
        if (this.#watcher !== watcher) return;
        // A folder that tells of itself may be gone; one made anew can have its inode, so that is no proof.
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

  /** What happens to a temporary file changes nothing: it counts when it gets its name, which is told apart. */
  #isQuiet(path: string): boolean {
    const name = baseName(path);
    return isTempName(name) || this.#quiet.has(name);
  }

  /**
   * The slow look: a folder that was replaced, or could not be watched before, is watched anew. The old watch
   * is closed one look earlier: opened in the same turn, the new one hears nothing (Deno 2.9).
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
