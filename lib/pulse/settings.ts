/** The pulse's settings: config.json as last read, and the environment that overrides it. */
import { type Config, defaultConfig, readConfig } from "../records/config.ts";
import { numberFrom } from "../records/env.ts";
import { type PulseHost, say } from "./host.ts";
import { type BadFile, quietStat } from "../store.ts";

/** Time for which the config must be unchanged before it is read, ms: it may be half written. */
const SETTLE_MS = 300;
/** Shortest time between beats, seconds. */
const MIN_INTERVAL_S = 1;

/** Reads config.json on request; a broken one is reported, and the last good one stays in force. */
export class Settings {
  readonly #host: PulseHost;
  readonly #exeStamp: string;
  /** A stamp of the config file as it was last read. */
  #readStamp = "";
  config: Config = defaultConfig();
  /** The config file while it cannot be used. */
  bad: BadFile[] = [];
  /** One line for each thing that people should know. */
  warnings: string[] = [];

  constructor(host: PulseHost) {
    this.#host = host;
    this.#exeStamp = stampOf(host.exe);
  }

  /** Seconds between beats. */
  get intervalS(): number {
    return Math.max(MIN_INTERVAL_S, this.#wantedS() || 0);
  }

  #wantedS(): number {
    return numberFrom(this.#host.env["LOOOP_INTERVAL"]) ?? this.config.interval;
  }

  /** Reads the config again if the file has changed and settled. Returns when to look again, unix ms. */
  readChanged(): number {
    const now = this.#host.now();
    const writtenMs = quietStat(this.#host.profile.config)?.mtime?.getTime() ?? 0;
    const stamp = stampOf(this.#host.profile.config);
    if (stamp === this.#readStamp) return Infinity;
    if (Math.abs(now - writtenMs) < SETTLE_MS) return now + SETTLE_MS;
    this.read();
    return Infinity;
  }

  /** Reads the config again; a warning is logged when it is new. */
  read(): void {
    this.#readStamp = stampOf(this.#host.profile.config);
    const warnings = [...this.#readConfig(), ...this.#oddities()];
    for (const warning of warnings) {
      if (!this.warnings.includes(warning)) say(this.#host, "warn", "config.warning", warning);
    }
    this.warnings = warnings;
  }

  #readConfig(): string[] {
    const { profile } = this.#host;
    try {
      const { config, warnings } = readConfig(profile.config);
      this.config = config;
      this.bad = [];
      return warnings;
    } catch (error) {
      const reason = (error as Error).message;
      this.bad = [{ path: profile.config, reason }];
      return [reason];
    }
  }

  #oddities(): string[] {
    const wanted = this.#wantedS();
    const short = wanted >= MIN_INTERVAL_S
      ? []
      : [`interval ${wanted} s is too short: beating every ${MIN_INTERVAL_S} s`];
    const upgraded = this.#isUpgraded()
      ? ["looop was replaced by another version: `looop up` restarts the pulse with it"]
      : [];
    return [...short, ...upgraded];
  }

  /** Whether the binary at our path is no longer the one from which we were started. */
  #isUpgraded(): boolean {
    const stamp = stampOf(this.#host.exe);
    return stamp !== "" && stamp !== this.#exeStamp;
  }
}

/** A stamp that distinguishes a file from another that has replaced it. */
function stampOf(path: string): string {
  const info = path === "" ? undefined : quietStat(path);
  return info === undefined ? "" : `${info.ino}/${info.size}/${info.mtime?.getTime() ?? 0}`;
}
