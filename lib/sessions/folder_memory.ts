/** The facts known about ended sessions, kept for as long as their folders do not change. */
import type { Profile } from "../paths.ts";
import { keepText, keptText } from "../records/kept.ts";
import { makeSubDir, settledStamp } from "../store.ts";

/** The paths below a session's folder by which a change of an ended session shows, even one made in place. */
const PATHS = ["", "/meta.json", "/status.json"];

/** The file in which a memory is kept. */
export interface KeptFile<T> {
  path: string;
  /** The program and place of which the values hold; of any other they are not believed. */
  of: string;
  /** Whether the folder alone is checked: for values of which every file is replaced as a whole. */
  isOfFolder?: boolean;
  /** Whether a value has its form, and holds for other processes, too. */
  isKept(value: T): boolean;
}

/**
 * Remembers one value for each folder in `sessions/`, so that the cost of a look depends on the living sessions, not
 * on the past ones.
 *
 * While `sessions/` itself does not change, nothing is checked. When it does, a value is forgotten if its folder has
 * changed, or `meta.json` or `status.json` in it.
 *
 * Where a file is given, the values are kept in it for the next process, which checks each folder before it believes
 * one. Without the file, or with one of another program or place, everything is read again.
 */
export class FolderMemory<T> {
  readonly #dir: string;
  readonly #file: KeptFile<T> | undefined;
  readonly #known = new Map<string, { stamp: string; value: T }>();
  /** The stamps of folders that were offered once: what was read between two equal stamps is what is there. */
  readonly #offered = new Map<string, string>();
  #stamp: string | undefined;
  #isLoaded = false;
  #isSaved = true;

  constructor(profile: Profile, file?: KeptFile<T>) {
    this.#dir = profile.sessions;
    this.#file = file;
  }

  /** Forgets values that may have changed since the last call; call it before each look. */
  async refresh(nowMs: number): Promise<void> {
    if (!this.#isLoaded) await this.#load();
    const stamp = settledStamp(this.#dir, nowMs);
    if (stamp !== undefined && stamp === this.#stamp) return;
    this.#stamp = stamp;
    this.#offered.clear();
    for (const [name, known] of this.#known) {
      if (this.#stampOf(name, nowMs) === known.stamp) continue;
      this.#known.delete(name);
      this.#isSaved = false;
    }
  }

  /** Keeps the values for the next process, if they have changed since the last time. */
  async save(): Promise<void> {
    if (this.#isSaved || this.#file === undefined) return;
    this.#isSaved = true;
    const { path, of, isKept } = this.#file;
    const folders = [...this.#known].filter(([, { value }]) => isKept(value));
    try {
      makeSubDir(path.slice(0, path.lastIndexOf("/")));
      await keepText(path, JSON.stringify({ v: 1, of, folders }));
    } catch {
      // They are read again.
    }
  }

  async #load(): Promise<void> {
    this.#isLoaded = true;
    if (this.#file === undefined) return;
    const { path, of, isKept } = this.#file;
    try {
      const kept = JSON.parse(await keptText(path) ?? "{}");
      if (kept.v !== 1 || kept.of !== of) return;
      for (const [name, { stamp, value }] of kept.folders) {
        if (isKept(value)) this.#known.set(name, { stamp, value });
      }
    } catch {
      // Nothing is known.
    }
  }

  /** The value of a folder, undefined when there is none. */
  get(name: string): T | undefined {
    return this.#known.get(name)?.value;
  }

  /** Offers a value just read; it is kept once the folder was the same before and after. */
  offer(name: string, value: T, nowMs: number): void {
    const stamp = this.#stampOf(name, nowMs);
    if (stamp === undefined) return;
    if (this.#offered.get(name) === stamp) {
      this.#offered.delete(name);
      this.#known.set(name, { stamp, value });
      this.#isSaved = false;
    } else this.#offered.set(name, stamp);
  }

  /** Undefined while a change could still leave the same stamp. */
  #stampOf(name: string, nowMs: number): string | undefined {
    const paths = this.#file?.isOfFolder ? PATHS.slice(0, 1) : PATHS;
    const stamps = paths.map((path) => settledStamp(`${this.#dir}/${name}${path}`, nowMs));
    return stamps.slice(0, 2).includes(undefined) ? undefined : stamps.join(" ");
  }
}
