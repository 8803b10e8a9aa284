/** The pulse's own record, `.pulse.json`: its identity, its last sign of life, and what keeps it from publishing. */
import { oneLine } from "../errors.ts";
import { homeOf } from "../records/home.ts";
import type { PulseHost } from "./host.ts";
import { hasPulseSession, readPulse, writePulse, writePulseSession } from "../world/pulse_record.ts";

/** Number of failed publications in a row that are reported; at a single one a file may just have been in the way. */
const FAILURES_REPORTED = 2;

/** The record's content besides the identity. */
export interface Sign {
  beat: number;
  /** Seconds between beats. */
  intervalS: number;
  /** Whether the first publication is done. */
  ready: boolean;
  /** One line for each warning. */
  warnings: string[];
}

/** Writes the record and counts failures in a row. */
export class OwnRecord {
  readonly #host: PulseHost;
  readonly #sign: () => Sign;
  readonly #home: string;
  #failure = "";
  #failures = 0;
  #hasSession = false;
  /** When the pulse was started, unix ms. */
  readonly startedAt: number;

  constructor(host: PulseHost, sign: () => Sign) {
    this.#host = host;
    this.#sign = sign;
    this.startedAt = host.now();
    this.#home = homeOf(host.profile).id;
  }

  /** Gives a sign of life. */
  write(): void {
    const { identity, version, exe, profile, env } = this.#host;
    const { beat, intervalS, ready, warnings } = this.#sign();
    writePulse(profile, {
      v: 1,
      ...identity,
      home: this.#home,
      dir: profile.dir,
      version,
      exe,
      path: env["PATH"] ?? "",
      beat,
      uptime_s: Deno.osUptime(),
      interval_s: intervalS,
      ready,
      started_at: this.startedAt,
      failing: this.#isFailing ? this.#failure : "",
      warnings,
    });
    if (this.#hasSession && hasPulseSession(profile)) return;
    this.#writeSession(true);
    this.#hasSession = true;
  }

  /** Notes for 0.16 that the pulse has stopped. */
  end(): void {
    try {
      this.#writeSession(false);
    } catch {
      // On a full disk its pid says so.
    }
  }

  #writeSession(isRunning: boolean): void {
    const { profile, identity, now } = this.#host;
    writePulseSession(profile, { pid: identity.pid, startedAt: this.startedAt }, isRunning, now());
  }

  /** Writes the record again when somebody has removed it. */
  keep(): void {
    if (readPulse(this.#host.profile) === undefined) this.write();
  }

  get #isFailing(): boolean {
    return this.#failures >= FAILURES_REPORTED;
  }

  /** Records that the world could be published. */
  noteSuccess(): void {
    const wasReported = this.#isFailing;
    this.#failures = 0;
    if (wasReported) this.write();
  }

  /** Records that it could not: otherwise readers would wait for a new world for ever without knowing why. */
  noteFailure(error: unknown): void {
    const message = oneLine((error as Error).message);
    this.#failures++;
    const isNews = this.#failures === FAILURES_REPORTED || message !== this.#failure;
    this.#failure = message;
    if (!this.#isFailing || !isNews) return;
    try {
      this.write();
    } catch {
      // A full disk may prevent even this: then the missing sign of life shows the fault.
    }
  }
}
