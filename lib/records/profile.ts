/** Opens a profile: checks its data dir, creates its layout and seeds it once. */
import { isTempName, type Profile } from "../paths.ts";
import { ensureHome } from "./home.ts";
import { FORMAT } from "./profile_check.ts";
import { openExisting } from "./profile_open.ts";
import {
  SEED_DAILY_GOAL,
  SEED_GITIGNORE,
  SEED_PLAYBOOK,
  SEED_SETUP_GOAL,
  SEED_TODAY_SENSOR,
  seedConfig,
} from "./seed.ts";
import { createOnce, exists, listEntries, makeDir, quietText } from "../store.ts";

/**
 * Makes the profile ready for use, creating it when it does not exist. Cheap when it exists.
 *
 * @throws {UserError} when the data dir is not a folder, belongs to somebody else, is writable by others, or has a
 * newer format.
 */
export function openProfile(profile: Profile): void {
  if (openExisting(profile)) return;
  for (const dir of foldersOf(profile)) makeDir(dir);
  seed(profile);
  ensureHome(profile);
}

function foldersOf(profile: Profile): string[] {
  return [
    profile.goals,
    profile.sensors,
    profile.schedules,
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

/** Whether there is no policy yet, or only unchanged seeds. */
function holdsNothingBut({ playbook, goals, sensors }: Profile, seeds: readonly Seed[]): boolean {
  const below = (dir: string) =>
    listEntries(dir).filter((entry) => !isTempName(entry.name)).map((entry) => `${dir}/${entry.name}`);
  const there = [...(exists(playbook) ? [playbook] : []), ...below(goals), ...below(sensors)];
  return there.every((path) => seeds.some((seed) => seed.path === path && quietText(path) === seed.text));
}

/** Writes the seeds: policy only into an empty profile, never over a file that exists. */
function seed(profile: Profile): void {
  // The format is written last: seeds without it are left over from a first call that was killed.
  if (!exists(profile.format) && holdsNothingBut(profile, policySeeds(profile))) {
    for (const { path, text, mode } of policySeeds(profile)) createOnce(path, text, { mode });
  }
  if (!exists(profile.gitignore)) createOnce(profile.gitignore, SEED_GITIGNORE);
  if (!exists(profile.config)) createOnce(profile.config, seedConfig());
  if (!exists(profile.format)) createOnce(profile.format, `${FORMAT}\n`);
}
