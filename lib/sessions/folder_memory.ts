/** The facts known about ended sessions, kept for as long as their folders do not change. */
import type { Profile } from "../paths.ts";
import { settledStamp } from "../store.ts";

/** The files of a session's folder by which a change of an ended session shows. */
const FILES = ["", "/meta.json", "/status.json"];

/**
 * Remembers one value for each folder in `sessions/`, so that the cost of a look depends on the living sessions, not
 * on the past ones.
 *
 * While `sessions/` itself does not change, nothing is checked. When it does, a value is forgotten if its folder,
 * `meta.json` or `status.json` has changed.
 */
export class FolderMemory<T> {
  readonly #dir: string;
  readonly #known = new Map<string, { stamp: string; value: T }>();
  /** The stamps of folders that were offered once: what was read between two equal stamps is what is there. */
  readonly #offered = new Map<string, string>();
  #stamp: string | undefined;

  constructor(profile: Profile) {
    this.#dir = profile.sessions;
  }

  /** Forgets values that may have changed since the last call; call it before each look. */
  refresh(nowMs: number): void {
    const stamp = settledStamp(this.#dir, nowMs);
    if (stamp !== undefined && stamp === this.#stamp) return;
    this.#stamp = stamp;
    this.#offered.clear();
    for (const [name, known] of this.#known) {
      if (this.#stampOf(name, nowMs) !== known.stamp) this.#known.delete(name);
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
    } else this.#offered.set(name, stamp);
  }

  /** Undefined while a change could still leave the same stamp. */
  #stampOf(name: string, nowMs: number): string | undefined {
    const stamps = FILES.map((file) => settledStamp(`${this.#dir}/${name}${file}`, nowMs));
    return stamps[0] === undefined || stamps[1] === undefined ? undefined : stamps.join(" ");
  }
}
