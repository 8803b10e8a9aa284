/**
 * Tells: messages from the root agent to a running worker, kept until the worker takes them.
 *
 * A tell is a file `tells/<worker>/<n>.json`, complete as soon as it has its name. It becomes `<n>.taken` before it
 * is printed and `<n>.done` after. If its taker is killed in between, it is given again, marked `again`: nothing is
 * lost, and a repetition is labelled as one. Tells belong to one run of a worker (its generation).
 */
import { isRecord } from "../text/json.ts";
import { UserError } from "../errors.ts";
import type { Profile } from "../paths.ts";
import {
  type BadFile,
  createOnce,
  listEntries,
  listFiles,
  makeDir,
  moveFile,
  readJson,
  removeFile,
  removeTree,
} from "../store.ts";

/** One tell. `ts` in unix seconds; `by` is the sender, named as in the journal. */
export interface Tell {
  v: 1;
  n: number;
  /** Generation of the run that it is addressed to. */
  gen: string;
  text: string;
  by: string;
  ts: number;
}

/** A tell as given to its worker; `again` when an earlier call may have printed it already. */
export interface Given extends Tell {
  again: boolean;
}

type TellState = "json" | "taken" | "done";

/** The longest tell, bytes: an agent reads it between two steps. */
const MAX_TELL_BYTES = 64 * 1024;

function checkTell(value: unknown): Tell | string {
  if (!isRecord(value)) return "not an object";
  const { n, gen, text, by, ts } = value;
  if (typeof n !== "number" || typeof gen !== "string" || typeof text !== "string") {
    return 'needs "n", "gen" and "text"';
  }
  return { v: 1, n, gen, text, by: typeof by === "string" ? by : "", ts: Number(ts) || 0 };
}

function folder(profile: Profile, worker: string): string {
  return `${profile.tells}/${worker}`;
}

/** Numbers of a worker's tells in one state, in order. */
function numbersOf(dir: string, state: TellState): number[] {
  return listFiles(dir, `.${state}`)
    .map((name) => Number(name.slice(0, -state.length - 1)))
    .filter(Number.isInteger)
    .sort((a, b) => a - b);
}

/**
 * Keeps a text for a worker's run until it is taken; durable when it returns.
 *
 * @throws {UserError} when the text is too long.
 */
export function postTell(
  profile: Profile,
  worker: string,
  { gen, text, by }: Pick<Tell, "gen" | "text" | "by">,
  nowMs: number,
): Tell {
  if (new TextEncoder().encode(text).length > MAX_TELL_BYTES) {
    throw new UserError("The text is larger than 64 KiB", {
      next: "put it in a file in reports/ and tell the worker its path",
    });
  }
  const dir = folder(profile, worker);
  makeDir(dir);
  for (let n = highest(dir) + 1;; n++) {
    const tell: Tell = { v: 1, n, gen, text, by, ts: Math.floor(nowMs / 1000) };
    if (createOnce(`${dir}/${n}.json`, `${JSON.stringify(tell)}\n`)) return tell;
  }
}

/** The highest number given so far, in whatever state; 0 when there is none. */
function highest(dir: string): number {
  return Math.max(0, ...(["json", "taken", "done"] as const).flatMap((state) => numbersOf(dir, state)));
}

/** Takes the tells that a run has not finished reading; call {@link finishTells} once they are printed. */
export function takeTells(profile: Profile, worker: string, gen: string): Given[] {
  const dir = folder(profile, worker);
  const again = readTells(dir, "taken", gen).map((tell) => ({ ...tell, again: true }));
  const fresh = readTells(dir, "json", gen)
    .filter(({ n }) => moveFile(`${dir}/${n}.json`, `${dir}/${n}.taken`))
    .map((tell) => ({ ...tell, again: false }));
  return [...again, ...fresh];
}

/** Marks tells as read by their worker. */
export function finishTells(profile: Profile, worker: string, tells: readonly Tell[]): void {
  const dir = folder(profile, worker);
  for (const { n } of tells) moveFile(`${dir}/${n}.taken`, `${dir}/${n}.done`);
}

/** The tells that a run has not finished reading, oldest first. */
export function untold(profile: Profile, worker: string, gen: string): Tell[] {
  const dir = folder(profile, worker);
  return [...readTells(dir, "taken", gen), ...readTells(dir, "json", gen)];
}

/** Whether a tell waits for a worker; lists one folder only, since every call of a worker asks this. */
export function hasTells(profile: Profile, worker: string): boolean {
  return listFiles(folder(profile, worker), ".json").length > 0;
}

/** Tells of all workers that cannot be read. */
export function badTells(profile: Profile): BadFile[] {
  return listEntries(profile.tells).filter((entry) => entry.isDirectory).flatMap(({ name }) => {
    const dir = `${profile.tells}/${name}`;
    return listFiles(dir, ".json").flatMap((file) => {
      const read = readJson(`${dir}/${file}`, checkTell);
      return read !== undefined && "bad" in read ? [{ path: `${dir}/${file}`, reason: read.bad }] : [];
    });
  });
}

/** Removes all tells of a worker whose session is gone. */
export function dropTells(profile: Profile, worker: string): void {
  removeTree(folder(profile, worker));
}

/**
 * Puts away the tells of all runs of a worker but this one; `keep` is given those that were never finished, before they
 * go. File by file, since a text may be told at this very moment: its teller finds that the run has ended, and takes
 * it back by its number. So the last number stays in use, and none is given out twice.
 */
export function clearTells(profile: Profile, worker: string, gen: string, keep: (tell: Tell) => void): void {
  const dir = folder(profile, worker);
  const isEarlier = (tell: Tell) => tell.gen !== gen;
  for (const state of ["taken", "json"] as const) {
    for (const tell of readTells(dir, state, isEarlier)) {
      keep(tell);
      moveFile(`${dir}/${tell.n}.${state}`, `${dir}/${tell.n}.done`);
    }
  }
  const last = highest(dir);
  for (const { n } of readTells(dir, "done", isEarlier)) {
    if (n !== last) removeFile(`${dir}/${n}.done`, { durable: false });
  }
}

/** Takes a text back that has not been taken; false when it has. */
export function withdrawTell(profile: Profile, worker: string, { n }: Pick<Tell, "n">): boolean {
  return removeFile(`${folder(profile, worker)}/${n}.json`);
}

/** The readable tells in one state, of the run of that generation or of those that fit. */
function readTells(dir: string, state: TellState, run: string | ((tell: Tell) => boolean)): Tell[] {
  const fits = typeof run === "string" ? ({ gen }: Tell) => gen === run : run;
  return numbersOf(dir, state).flatMap((n) => {
    const read = readJson(`${dir}/${n}.${state}`, checkTell);
    return read !== undefined && "value" in read && read.value.n === n && fits(read.value)
      ? [read.value]
      : [];
  });
}

/** Tells as text for their worker. Pure. */
export function showTells(tells: readonly Given[]): string {
  return tells.map(({ text, by, again }) => `${again ? "(again) " : ""}${by || "root"}: ${text}`).join(
    "\n\n",
  );
}

/** Tells as JSON, without looop's internal fields. Pure. */
export function tellRows(tells: readonly Given[]): Record<string, unknown>[] {
  return tells.map(({ n, text, by, ts, again }) => ({ n, text, by, ts, again }));
}
