/** Notices when the wall clock jumps: it was set, or the machine slept. */
import { age } from "../text/style.ts";

/** A difference that is no jump yet, ms; it counts as soon as further ones have made it large enough. */
const NO_JUMP_MS = 10_000;
/** A time by which a clock may be corrected, ms: a machine that took its zone for UTC. More makes it doubtful. */
const ZONES_MS = 24 * 3_600_000;
/** How long a clock that was set by more than that may still be wrong, awake ms. */
const IN_DOUBT_MS = 3_600_000;

/** A jump of the wall clock against the time that this machine was awake, ms; negative when it was set back. */
export interface Jump {
  ms: number;
  /** The part of it for which the machine slept. */
  sleptMs: number;
}

/** The clocks of a machine, ms. */
export interface Clocks {
  /** The wall clock, which people and servers set. */
  wall(): number;
  /** A clock that nobody sets and that stands still while the machine sleeps. */
  awake(): number;
  /** One that nobody sets and that goes on meanwhile. */
  up(): number;
}

/** Compares the clocks with how they stood before. */
export class ClockWatch {
  readonly #clocks: Clocks;
  #ahead: number;
  #slept: number;
  /** Until when the clock is in doubt, awake ms. */
  #inDoubtUntil = -Infinity;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
    this.#ahead = clocks.wall() - clocks.awake();
    this.#slept = clocks.up() - clocks.awake();
  }

  /** The present time, unix ms, and the jump up to then that nobody has {@link settle}d. */
  look(): { nowMs: number; jump?: Jump } {
    const [nowMs, awake, up] = [this.#clocks.wall(), this.#clocks.awake(), this.#clocks.up()];
    const ms = nowMs - awake - this.#ahead;
    return Math.abs(ms) < NO_JUMP_MS ? { nowMs } : { nowMs, jump: { ms, sleptMs: up - awake - this.#slept } };
  }

  /** Takes a jump for done. */
  settle(jump: Jump): void {
    this.#ahead += jump.ms;
    this.#slept += jump.sleptMs;
    if (isFar(jump)) this.#inDoubtUntil = this.#clocks.awake() + IN_DOUBT_MS;
  }

  /** Whether the clock was set far away just now: nothing should be thrown away for its age by it. */
  get isInDoubt(): boolean {
    const { jump } = this.look();
    return (jump !== undefined && isFar(jump)) || this.#clocks.awake() < this.#inDoubtUntil;
  }
}

function isFar({ ms, sleptMs }: Jump): boolean {
  return Math.abs(ms - sleptMs) > ZONES_MS;
}

/** The words for a jump, for people. Pure. */
export function jumpText({ ms, sleptMs }: Jump): string {
  const slept = sleptMs < NO_JUMP_MS ? 0 : sleptMs;
  const set = ms - slept;
  const span = age(Math.abs(set) / 1000);
  return [
    ...(slept === 0 ? [] : [`the machine slept for ${age(slept / 1000)}`]),
    ...(Math.abs(set) < NO_JUMP_MS ? [] : [`the clock was set ${set > 0 ? "forward" : "back"} by ${span}`]),
  ].join(", ");
}
