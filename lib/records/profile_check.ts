/** Checks that a data dir may be used: it belongs to this user alone and has a format that this looop knows. */
import { UserError } from "../errors.ts";
import { fault } from "../fault.ts";
import { isTempName, type Profile } from "../paths.ts";
import { shellQuote } from "../text/quote.ts";
import { exists, foreignness, listEntries, quietStat, readText, statOf } from "../store.ts";

/** The number of the data format that this program reads and writes. */
export const FORMAT = 1;

/**
 * Refuses a data dir that must not be used. One that does not exist yet is fine and is not created, unless this
 * process was started by a profile: then that profile's data dir is gone.
 *
 * @throws {UserError} as {@link openProfile} does.
 */
export function checkProfile(profile: Profile, env: Readonly<Record<string, string>> = {}): void {
  if (env["LOOOP_HOME"] !== undefined) requireDir(profile);
  checkDir(profile);
  checkFormat(profile);
}

/** @throws {UserError} when the data dir no longer exists, for example because it was moved. */
export function requireDir(profile: Profile): void {
  if (statOf(profile.dir) !== undefined) return;
  throw new UserError(`The data dir "${profile.dir}" is gone: it was moved or removed`, {
    next: "set LOOOP_DATA_DIR to where it is now; for a new one there, unset LOOOP_HOME",
    kind: "data_dir",
  });
}

/**
 * Refuses a data dir in which others can write the records.
 *
 * @throws {UserError}
 */
export function checkDir(profile: Profile): void {
  const info = statOf(profile.dir);
  if (info === undefined) return;
  if (!info.isDirectory) {
    throw new UserError(`The data dir "${profile.dir}" is not a folder`, {
      next: "move it away or set LOOOP_DATA_DIR",
      kind: "data_dir",
    });
  }
  refuseForeign(profile.dir, info);
  if (((info.mode ?? DIR_PRIVATE) & 0o077) !== 0) makePrivate(profile);
}

/** Refuses a data dir that others can write to: they could make looop run commands. */
function refuseForeign(dir: string, info: Deno.FileInfo): void {
  const why = foreignness(info);
  if (why === undefined) return;
  const next = why.startsWith("belongs")
    ? "set LOOOP_DATA_DIR to a folder of your own"
    : `make it yours alone with \`chmod 700 ${dir}\``;
  throw new UserError(`The data dir "${dir}" ${why}`, { next, kind: "data_dir" });
}

/**
 * Refuses folders of the data dir that are links. Those with people's own texts may be kept elsewhere, as dotfiles are,
 * where nobody else can write.
 *
 * @throws {UserError}
 */
export function refuseLinks(profile: Profile): void {
  const { dir, goals, sensors, schedules, reports } = profile;
  const people = [goals, sensors, schedules, reports];
  const own = new Set([...Object.values(profile), `${dir}/hosts`, `${dir}/.notices`]);
  for (const { name, isSymlink } of listEntries(dir)) {
    const path = `${dir}/${name}`;
    const info = isSymlink && own.has(path) ? quietStat(path) : undefined;
    if (!info?.isDirectory) continue;
    const why = people.includes(path) ? foreignness(info) : "is not in the data dir";
    if (why === undefined) continue;
    throw new UserError(`"${path}" is a link to a folder that ${why}`, {
      next: "put a folder in its place, or set LOOOP_DATA_DIR to another one",
      kind: "data_dir",
    });
  }
}

/**
 * Makes a data dir private, but refuses to do so to another folder (a home, a checkout) that others can read today.
 */
function makePrivate(profile: Profile): void {
  const { dir } = profile;
  if (!isOurs(profile)) {
    throw new UserError(`The data dir "${dir}" is open to others and holds more than looop's files`, {
      next: `set LOOOP_DATA_DIR to a folder of its own, or close this one with \`chmod 700 ${
        shellQuote(dir)
      }\``,
      kind: "data_dir",
    });
  }
  try {
    Deno.chmodSync(dir, DIR_PRIVATE);
  } catch (error) {
    throw fault("make private", dir, error);
  }
}

/** Whether a folder is used as a data dir, or holds only what belongs in one. */
function isOurs(profile: Profile): boolean {
  const { dir, format, playbook, goals, sensors } = profile;
  if ([format, playbook, goals, sensors].some(exists)) return true;
  const own = new Set(
    Object.values(profile as unknown as Record<string, string>).filter((path) => path.startsWith(`${dir}/`))
      .map((path) => path.slice(dir.length + 1).split("/")[0]),
  );
  return listEntries(dir).every(({ name }) => own.has(name) || name.startsWith(".git") || isTempName(name));
}

const DIR_PRIVATE = 0o700;

/**
 * Refuses records of a format that this program does not know.
 *
 * @throws {UserError}
 */
export function checkFormat(profile: Profile): void {
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
