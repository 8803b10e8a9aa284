/** The gate with a profile's own rules, for code that is about to run a command. */
import { type GateOptions, judge, type Verdict } from "../gate/judge.ts";
import type { Profile } from "../paths.ts";
import { readConfig } from "./config.ts";

/**
 * The gate's verdict on a command that is to run in a folder.
 *
 * @param command a bash line or an exact argv.
 * @param cwd an absolute path; the data dir by default.
 * @throws {UserError} when config.json cannot be read.
 */
export function judgeIn(
  { profile, env }: { profile: Profile; env: Readonly<Record<string, string>> },
  command: Parameters<typeof judge>[0],
  cwd = profile.dir,
): Verdict {
  const { gate } = readConfig(profile.config).config;
  const options: GateOptions = {
    dataDir: profile.dir,
    cwd,
    ...(env["HOME"] === undefined ? {} : { home: env["HOME"] }),
    ...gate,
  };
  return judge(command, options);
}
