/** Opens a profile: checks that its data dir is safe and of a known format, makes its layout, seeds it once. */
import { UserError } from "./errors.ts";
import type { Profile } from "./paths.ts";
import {
  FORMAT,
  SEED_DAILY_GOAL,
  SEED_GITIGNORE,
  SEED_PLAYBOOK,
  SEED_SETUP_GOAL,
  SEED_TODAY_SENSOR,
  seedConfig,
} from "./seed.ts";
import { createOnce, exists, listEntries, makeDir, oddness, readText, statOf } from "./store.ts";
import { fault } from "./fault.ts";
import { isTempName } from "./temp_name.ts";

/**
 * Makes sure that the profile can be used, creating it where it does not exist. Cheap when it does.
 *
 * @throws {UserError} when the data dir is no folder, somebody else's, writable by others, or of a newer format.
 */
export function openProfile(profile: Profile): void {
  checkProfile(profile);
  makeDir(profile.dir);
  if (readText(profile.format) !== undefined && exists(profile.config)) return;
  for (const dir of foldersOf(profile)) makeDir(dir);
  seed(profile);
}

/**
 * Refuses a data dir that must not be used; one that does not exist yet is fine and is not made.
 *
 * @throws {UserError} as {@link openProfile} does.
 */
export function checkProfile(profile: Profile): void {
  checkDir(profile);
  checkFormat(profile);
}

function foldersOf(profile: Profile): string[] {
  return [
    profile.goals,
    profile.sensors,
    profile.asks,
    profile.answers,
    profile.claims,
    profile.reports,
    profile.prompts,
    profile.sessions,
    profile.cursors,
    profile.lockDir,
    profile.snapshots,
    profile.wal,
  ];
}

function checkDir(profile: Profile): void {
  const info = statOf(profile.dir);
  if (info === undefined) return;
  if (!info.isDirectory) {
    throw new UserError(`The data dir "${profile.dir}" is not a folder`, {
      next: "move it away or set LOOOP_DATA_DIR",
      kind: "data_dir",
    });
  }
  refuseForeign(profile.dir, info);
}

/** Whoever can write the data dir can make looop run commands, so it must be this user's alone. */
function refuseForeign(dir: string, info: Deno.FileInfo): void {
  const uid = Deno.uid();
  if (uid !== null && info.uid !== null && info.uid !== uid) {
    throw new UserError(`The data dir "${dir}" belongs to user ${info.uid}, not to you (${uid})`, {
      next: "set LOOOP_DATA_DIR to a folder of your own",
      kind: "data_dir",
    });
  }
  const mode = info.mode ?? DIR_PRIVATE;
  if ((mode & 0o022) !== 0) {
    throw new UserError(
      `The data dir "${dir}" can be written by others (mode ${(mode & 0o777).toString(8)})`,
      {
        next: `make it yours alone with \`chmod 700 ${dir}\``,
        kind: "data_dir",
      },
    );
  }
  if ((mode & 0o077) !== 0) {
    try {
      Deno.chmodSync(dir, DIR_PRIVATE);
    } catch (error) {
      throw fault("make private", dir, error);
    }
  }
}

const DIR_PRIVATE = 0o700;

function checkFormat(profile: Profile): void {
  const text = readText(profile.format)?.trim();
  if (text === undefined || text === "") return;
  const format = Number(text);
  if (Number.isInteger(format) && format >= 1 && format <= FORMAT) return;
  throw new UserError(
    `The data dir "${profile.dir}" has format "${text}", this looop knows up to ${FORMAT}`,
    {
      next: "upgrade looop, or set LOOOP_DATA_DIR to another folder",
      kind: "format",
    },
  );
}

interface Seed {
  path: string;
  text: string;
  mode: number;
}

function policySeeds({ playbook, goals, sensors }: Profile): Seed[] {
  return [
    { path: playbook, text: SEED_PLAYBOOK, mode: 0o600 },
    { path: `${goals}/setup.md`, text: SEED_SETUP_GOAL, mode: 0o600 },
    { path: `${goals}/playbook-daily.md`, text: SEED_DAILY_GOAL, mode: 0o600 },
    { path: `${sensors}/today.sh`, text: SEED_TODAY_SENSOR, mode: 0o700 },
  ];
}

/** Whether there is no policy yet, or only some of the seeds, word for word. */
function holdsNothingBut({ playbook, goals, sensors }: Profile, seeds: readonly Seed[]): boolean {
  const below = (dir: string) =>
    listEntries(dir).filter((entry) => !isTempName(entry.name)).map((entry) => `${dir}/${entry.name}`);
  const there = [...(exists(playbook) ? [playbook] : []), ...below(goals), ...below(sensors)];
  return there.every((path) =>
    seeds.some((seed) => seed.path === path && readLinkedOrNothing(path) === seed.text)
  );
}

function readLinkedOrNothing(path: string): string | undefined {
  return oddness(path) === undefined ? readText(path) : undefined;
}

/** Writes the seeds: policy only into an empty profile, never over a file that exists. */
function seed(profile: Profile): void {
  // The format is written last: without it, seeds alone are what a first call that was killed has left.
  if (!exists(profile.format) && holdsNothingBut(profile, policySeeds(profile))) {
    for (const { path, text, mode } of policySeeds(profile)) createOnce(path, text, { mode });
  }
  if (!exists(profile.gitignore)) createOnce(profile.gitignore, SEED_GITIGNORE);
  if (!exists(profile.config)) createOnce(profile.config, seedConfig());
  if (!exists(profile.format)) createOnce(profile.format, `${FORMAT}\n`);
}
