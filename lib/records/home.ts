/**
 * Identifies the data dir. A copy of a living one is a profile of its own; one that was moved, or restored from a
 * backup, stays the same profile.
 */
import type { OwnVariables } from "../process/child_env.ts";
import { machineAtHand, ownMachine } from "../process/place.ts";
import type { Mark } from "../process/table.ts";
import type { Profile } from "../paths.ts";
import { createOnce, quietStat, readJson, replaceFile, valueOf, withLockSync } from "../store.ts";
import { isRecord } from "../text/json.ts";

/** `.home`: the id, and where the folder was at the last `up`. No device number, because a reboot changes it. */
interface Home {
  v: 1;
  /** 16 hex digits. */
  id: string;
  machine: string;
  path: string;
  ino: number;
}

function checkHome(value: unknown): Home | string {
  if (!isRecord(value) || !/^[0-9a-f]{16,64}$/.test(String(value["id"]))) return '"id" is missing';
  const text = (key: string) => typeof value[key] === "string" ? value[key] as string : "";
  return {
    v: 1,
    id: text("id"),
    machine: text("machine"),
    path: text("path"),
    ino: Number(value["ino"]) || 0,
  };
}

function readHome(path: string): Home | undefined {
  return valueOf(readJson(path, checkHome));
}

/**
 * The id of a data dir, "" when it has none yet; `copied` when it belongs to another data dir, which still exists.
 */
export function homeOf(profile: Profile): { id: string; copied: boolean } {
  const home = readHome(profile.home);
  return home === undefined ? { id: "", copied: false } : { id: home.id, copied: isCopy(profile, home) };
}

function isCopy(profile: Profile, home: Home): boolean {
  if (home.path === "" || home.path === profile.dir || inodeOf(profile.dir) === home.ino) return false;
  return readHome(`${home.path}/.home`)?.id === home.id;
}

function inodeOf(path: string): number {
  return quietStat(path)?.ino ?? 0;
}

/** Whether a run that recorded `home` as its data dir's id was started in a different data dir. */
export function isOfAnother(
  { id, copied }: { id: string; copied: boolean },
  home: string | undefined,
): boolean {
  if (home === undefined || home === "" || id === "") return false;
  return copied ? home === id : home !== id;
}

/** Gives an id to a data dir that has none, and a new one to a copy. */
export function ensureHome(profile: Profile): string {
  const { id, copied } = homeOf(profile);
  if (id !== "" && !copied) return id;
  return withLockSync(`${profile.lockDir}/home`, () => {
    const now = homeOf(profile);
    if (now.id !== "" && !now.copied) return now.id;
    const fresh = { ...placeOf(profile), id: livingId(profile) ?? randomId() };
    if (now.copied) replaceFile(profile.home, homeText(fresh));
    else if (!createOnce(profile.home, homeText(fresh))) replaceFile(profile.home, homeText(fresh));
    return fresh.id;
  });
}

/** Records where the data dir is now, for `up`: it may have been moved since the last time. */
export async function settleHome(profile: Profile): Promise<void> {
  ensureHome(profile);
  const machine = await ownMachine();
  withLockSync(`${profile.lockDir}/home`, () => {
    const home = readHome(profile.home);
    const place = { ...placeOf(profile), machine };
    if (home === undefined || isCopy(profile, home)) return;
    const isSettled = home.path === place.path && home.ino === place.ino && home.machine === machine;
    if (!isSettled) replaceFile(profile.home, homeText({ ...place, id: home.id }));
  });
}

function placeOf(profile: Profile): Omit<Home, "id"> {
  return { v: 1, machine: machineAtHand() ?? "", path: profile.dir, ino: inodeOf(profile.dir) };
}

function homeText({ v, id, machine, path, ino }: Home): string {
  return `${JSON.stringify({ v, id, machine, path, ino })}\n`;
}

/** The id that the pulse of this very folder has recorded: it shows that only `.home` was lost. */
function livingId(profile: Profile): string | undefined {
  const record = valueOf(readJson(profile.pulse, (value) => isRecord(value) ? value : "not an object"));
  return record?.["dir"] === profile.dir && homeOf(profile).id === "" ? checkedId(record["home"]) : undefined;
}

function checkedId(value: unknown): string | undefined {
  const home = checkHome({ id: value });
  return typeof home === "string" ? undefined : home.id;
}

function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The mark of everything that this data dir has started, wherever it was at the time. */
export function homeMark(profile: Profile): Mark {
  const { id, copied } = homeOf(profile);
  const byPath = `LOOOP_DATA_DIR=${profile.dir}`;
  return id === "" || copied ? byPath : [byPath, `LOOOP_HOME=${id}`];
}

/** The variables that describe the data dir to every child of looop. The last three are 0.16's. */
export function ownVariables(profile: Profile, bin: string): OwnVariables {
  const { id, copied } = homeOf(profile);
  return {
    LOOOP_BIN: bin,
    LOOOP_DATA_DIR: profile.dir,
    ...(id === "" || copied ? {} : { LOOOP_HOME: id }),
    LOOOP_CONFIG: profile.config,
    LOOOP_CLAIMS_DIR: profile.claims,
    LOOOP_REPORTS_DIR: profile.reports,
    LOOOP_COST_LEDGER: profile.cost,
  };
}
