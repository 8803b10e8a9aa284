/** What the screen of `looop watch` is drawn from. Pure. */
import type { Listener } from "../../world/listener.ts";
import type { SensorView } from "../../world/sensors.ts";
import type { Snapshot } from "../../world/state.ts";
import type { Host } from "../machine.ts";
import type { RankedWorker } from "../status.ts";

/** Everything that one look has found. */
export interface View {
  snapshot: Snapshot;
  host: Host;
  listener: Listener | null;
  /** In the order of the screen. */
  workers: readonly RankedWorker[];
  /** Dollars by worker. */
  spent: ReadonlyMap<string, number>;
  sensors: readonly SensorView[];
  /** Name, who is there, how it stands. */
  machines: readonly (readonly string[])[];
  journal: readonly string[];
  /** The chosen worker's text. */
  log: WorkerLog | undefined;
  /** Why nothing can be answered here. */
  locked: string | undefined;
}

/** A worker's text: its agent's transcript, or its terminal. */
export interface WorkerLog {
  id: string;
  kind: "transcript" | "screen";
  lines: readonly string[];
}

/** Size of the terminal, characters. */
export interface Size {
  columns: number;
  rows: number;
}
