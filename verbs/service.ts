/** `looop service`: keeps the pulse running across logins, by systemd or launchd. */
import { runSmall } from "../lib/process/spawn.ts";
import { UserError } from "../lib/errors.ts";
import { openProfile } from "../lib/records/profile.ts";
import { dirName, profileFrom } from "../lib/paths.ts";
import { PLATFORM } from "../lib/process/platform.ts";
import { pulseDir } from "../lib/world/pulse_record.ts";
import { type ManagerCommand, serviceUnit } from "../lib/pulse/service.ts";
import { sha256 } from "../lib/text/bytes.ts";
import { makeDir, removeFile, replaceFile } from "../lib/store.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "service",
    summary: "keep the pulse running across logins (systemd user unit, or launch agent on macOS)",
    audience: "people",
    args: [{ name: "action", summary: "what to do", choices: ["install", "uninstall"] }],
    options: [{ name: "dry-run", summary: "print the unit and the commands, change nothing" }],
    example: "looop service install --dry-run",
    details: "The present PATH is recorded: install from a shell in which your sensors' tools are found.",
  },
  async run(context, input) {
    const { profile, env } = context;
    const home = env["HOME"];
    if (!home) {
      throw new UserError("Cannot determine where the unit goes: HOME is not set", {
        next: "run it in one of your login sessions",
        kind: "environment",
      });
    }
    const facts = {
      bin: context.bin(),
      dataDir: profile.dir,
      config: profile.config,
      path: env["PATH"] ?? "",
      home,
      tag: await tagOf(profile.dir, profileFrom({ ...env, LOOOP_DATA_DIR: "" }, "/").dir),
      uid: Deno.uid() ?? 0,
    };
    const unit = serviceUnit(PLATFORM, facts, env["XDG_CONFIG_HOME"] || `${home}/.config`);
    const install = input.word(0) === "install";
    const commands = install ? unit.enable : unit.disable;
    if (input.flag("dry-run")) {
      const shown = commands.map(({ argv }) => `$ ${argv.join(" ")}`).join("\n");
      return { text: install ? `# ${unit.file}\n${unit.text}\n${shown}` : `${shown}\n$ rm ${unit.file}` };
    }
    if (!install) {
      const problem = await runAll(commands);
      const removed = removeFile(unit.file);
      if (problem !== undefined && removed) context.note(`looop service: ${problem}`);
      return { text: removed ? `removed ${unit.file}` : "there was no service" };
    }
    openProfile(profile);
    makeDir(pulseDir(profile));
    makeDir(dirName(unit.file));
    replaceFile(unit.file, unit.text, { mode: 0o644 });
    const problem = await runAll(commands);
    if (problem !== undefined) {
      throw new UserError(`Wrote ${unit.file}, but could not enable it: ${problem}`, {
        next: `run ${commands.map(({ argv }) => `\`${argv.join(" ")}\``).join(" and ")} in a login session`,
        kind: "service",
      });
    }
    return { text: `installed ${unit.file}; the pulse starts at every login` };
  },
});

/** A tag that distinguishes the service of one data dir from those of others; the default data dir needs none. */
async function tagOf(dir: string, usual: string): Promise<string> {
  return dir === usual ? "" : (await sha256(dir)).slice(0, 8);
}

/** Runs commands in order; returns the first problem as one line, or undefined. */
async function runAll(commands: readonly ManagerCommand[]): Promise<string | undefined> {
  for (const { argv: [program, ...args], mayFail } of commands) {
    try {
      const { code, stderr } = await runSmall(program, args);
      if (code === 0 || mayFail) continue;
      return stderr.trim().split("\n")[0] || `${program} failed`;
    } catch (error) {
      return `${program}: ${(error as Error).message}`;
    }
  }
  return undefined;
}
