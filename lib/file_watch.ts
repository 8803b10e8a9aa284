/** Watches folders, or polls them: reports when something in them may have changed. */
import { baseName, isTempName } from "./paths.ts";
import { quietStat, stampFile } from "./store.ts";

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

/**
 * Time within which an event about what we did ourselves must come, ms.
 *
 * The runtime serves all watches with one thread, which opens each new file in a watched folder. Opening a FIFO blocks
 * that thread, and from then on every call that asks for another watch blocks, too.
 */
const ECHO_MS = 1_000;
/** The armed watches of this process. */
const armed = new Set<Watch>();
/** Whether that thread is blocked: from then on all watches poll. */
let isDeaf = false;

/** Whether all armed watches still hear; if one does not, all are given up. */
async function allHear(): Promise<boolean> {
  for (const watch of armed) isDeaf ||= !await watch.hears();
  if (isDeaf) { for (const watch of armed) watch.giveUp(); }
  return !isDeaf;
}

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
  /** Which folders are watched. */
  #inodes: string;
  /** Those about which an event has come: a new folder can get the same inode, so the inode proves nothing. */
  readonly #gone = new Set<string>();
  /** When the last event came, unix ms. */
  #heardAt = Date.now();
  /** The folder in which an event was caused, and what is called when it comes. */
  #echo: { dir: string; come: () => void } | undefined;
  #closed = false;
  #trail: ReturnType<typeof setTimeout> | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#quiet = new Set([...QUIET, ...(options.ignore ?? [])]);
    this.#arm();
    this.#inodes = this.#look().inodes;
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
    if (!told) await this.#rearm();
    return told;
  }

  /** Whether the kernel's events still arrive: one is caused in a folder that is watched. */
  async hears(): Promise<boolean> {
    const inodes = this.#inodes.split(" ");
    const dir = this.#options.dirs.find((path, at) =>
      !this.#gone.has(path) && String(quietStat(path)?.ino) === inodes[at]
    );
    if (dir === undefined) return true;
    const echoed = new Promise<boolean>((resolve) => this.#echo = { dir, come: () => resolve(true) });
    let limit: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => limit = setTimeout(() => resolve(false), ECHO_MS));
    try {
      stampFile(dir, Date.now());
      return await Promise.race([echoed, late]);
    } catch {
      // A folder that cannot be written to proves nothing.
      return false;
    } finally {
      this.#echo = undefined;
      clearTimeout(limit);
    }
  }

  /** Polls from now on. The watcher stays as it is: closing it would wait for the blocked thread. */
  giveUp(): void {
    this.#watcher = undefined;
    armed.delete(this);
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
    if (this.#look().isMissed) this.giveUp();
    else this.#disarm();
    this.#wake?.();
  }

  #arm(): void {
    if (this.#options.off === true || isDeaf) return;
    const dirs = this.#options.dirs.filter((dir) => quietStat(dir)?.isDirectory);
    if (dirs.length === 0) return;
    try {
      this.#watcher = Deno.watchFs(dirs, { recursive: false });
    } catch {
      // No instances are left ("Too many open files", without a code), or watches are not supported here: polling
      // works.
      return;
    }
    armed.add(this);
    this.#listen(this.#watcher);
  }

  #disarm(): void {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    armed.delete(this);
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
        this.#heardAt = Date.now();
        for (const path of event.paths) {
          if (path === this.#echo?.dir) this.#echo.come();
          else if (this.#options.dirs.includes(path)) this.#gone.add(path);
        }
        if (event.paths.every((path) => this.#isQuiet(path))) this.#lookSoon();
        else this.poke();
      }
    } catch {
      // The watcher broke: the next look arms a new one or polls.
      if (this.#watcher === watcher) this.giveUp();
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
   * The slow look: watches a folder again that was replaced or could not be watched before, and finds out when events
   * no longer come. The old watch is closed one look earlier, because a new one that is opened in the same turn
   * receives no events (Deno 2.9).
   */
  async #rearm(): Promise<void> {
    if (this.#closed) return;
    const { inodes, isMissed } = this.#look();
    const isOther = this.#watcher === undefined || this.#gone.size > 0 || inodes !== this.#inodes;
    if (!isOther && !isMissed) return;
    if (!await allHear() || this.#closed) return;
    if (this.#watcher === undefined) {
      this.#inodes = inodes;
      this.#gone.clear();
      this.#arm();
    } else if (isOther) this.#disarm();
  }

  /** Which folders there are now, and whether something came into or left one of them of which no event has told. */
  #look(): { inodes: string; isMissed: boolean } {
    const infos = this.#options.dirs.map((dir) => quietStat(dir));
    const now = Date.now();
    // Times to come are those of a clock that was set back.
    const changes = infos.map((info) => info?.mtime?.getTime() ?? 0).filter((at) => at <= now);
    return {
      inodes: infos.map((info) => info?.ino ?? 0).join(" "),
      isMissed: changes.some((at) => at > this.#heardAt),
    };
  }
}
