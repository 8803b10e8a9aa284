/** `looop init`: chooses the agent with which workers are started, and writes the choice into config.json. */
import { readConfig, replaceConfig, setConfigValue } from "../lib/records/config.ts";
import { UsageError, UserError } from "../lib/errors.ts";
import { dirName } from "../lib/paths.ts";
import { openProfile } from "../lib/records/profile.ts";
import { findProgram } from "../lib/process/programs.ts";
import { reminderFiles, reminderLines } from "../lib/agents/reminder.ts";
import { settingsFolder, skillFolder } from "../lib/agents/skill.ts";
import { skillText } from "../lib/cli/manual.ts";
import { shellQuote } from "../lib/text/quote.ts";
import { runnerWarnings } from "../lib/agents/runner_check.ts";
import { RECORDS_KINDS, RUNNER_PRESETS } from "../lib/records/presets.ts";
import { searchPath } from "../lib/workers/search_path.ts";
import { makeDir, readLinkedText, replaceFile } from "../lib/store.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";
import { type ResolvedRunner, resolveRunner } from "../lib/agents/resolve.ts";

export default defineVerb({
  declare: {
    path: "init",
    summary: "choose the agent for workers and write it into config.json",
    audience: "people",
    options: [{
      name: "runner",
      value: "NAME",
      summary: "the agent; the first installed one by default",
      kind: "runner",
    }, {
      name: "skill",
      value: "AGENT",
      summary: "write looop's skill for this agent, so that the word `looop` starts the loop; nothing else",
      kind: "runner",
    }],
    example: "looop init --runner claude",
    details:
      "Comments and everything else in config.json stay. Only starting workers needs it. With --skill a hook or\n" +
      "plugin comes along that reminds a root agent which ends its turn while questions are open; codex has none.",
  },
  run(context, input) {
    const { profile } = context;
    openProfile(profile);
    const agent = input.text("skill");
    if (agent !== undefined) return Promise.resolve({ text: writeSkill(context, agent) });
    const { config } = readConfig(profile.config);
    const name = input.text("runner") ?? firstInstalled(context);
    const runner = resolveRunner(config, name);
    const lines = [choose(profile.config, config.default, name)];
    if (runner.program !== undefined && !isInstalled(context, runner.program)) {
      lines.push(
        `"${runner.program}" is not on PATH yet; install it with \`${runner.install ?? "its installer"}\``,
      );
    }
    if (runner.prompt === "brief") lines.push(`note: ${RUNNER_PRESETS[runner.preset ?? ""]?.summary}`);
    for (const warning of warningsOf(context, runner)) lines.push(`note: ${warning}`);
    return Promise.resolve({ text: lines.join("\n") });
  },
});

/** Writes the skill into the user's folder of the agent's CLI. Returns a description of the change. */
function writeSkill({ profile, self, env }: Context, agent: string): string {
  const cli = RECORDS_KINDS.find((name) => name === agent);
  if (cli === undefined) {
    throw new UsageError(`No skills of "${agent}" are known`, {
      next: `known are ${RECORDS_KINDS.join(", ")}`,
    });
  }
  const exe = [self.exe, ...self.args].map(shellQuote).join(" ");
  const text = skillText(
    { dataDir: profile.dir, config: profile.config, exe },
    reminderLines(cli, profile),
  );
  const settings = settingsFolder(cli, env);
  const files = [
    { path: `${skillFolder(cli, env)}/SKILL.md`, text },
    ...reminderFiles(cli, profile).map(({ path, text }) => ({ path: `${settings}/${path}`, text })),
  ];
  for (const { path, text } of files) {
    makeDir(dirName(path));
    replaceFile(path, text, { mode: 0o644 });
  }
  const also = files.slice(1).map(({ path }) => `, ${path}`).join("");
  return `wrote ${files[0]?.path}${also}; say "looop" to ${agent}`;
}

/** Writes the choice unless config.json has it already. Returns a description of the change. */
function choose(path: string, before: string, name: string): string {
  const source = readLinkedText(path) ?? "{}\n";
  const edited = setConfigValue(source, ["default"], name);
  if (edited === source) return `workers are started with ${name} already (${path})`;
  replaceConfig(path, edited);
  return before === name
    ? `workers are started with ${name} (${path})`
    : `workers are started with ${name}, no longer ${before} (${path})`;
}

function firstInstalled(context: Context): string {
  const agents = Object.entries(RUNNER_PRESETS).filter(([, preset]) => preset.records !== undefined);
  const found = agents.find(([, preset]) => isInstalled(context, preset.program));
  if (found !== undefined) return found[0];
  throw new UserError(`None of ${agents.map(([name]) => name).join(", ")} is on PATH`, {
    next: `install one, e.g. with \`${agents[0]?.[1].install}\`, or name one with --runner`,
    kind: "runner_missing",
  });
}

function isInstalled(context: Context, program: string): boolean {
  return findProgram(program, searchPath(context.profile, context.env)) !== undefined;
}

function warningsOf(context: Context, runner: ResolvedRunner): string[] {
  return runnerWarnings(runner, context.profile.dir, { ...context.env, ...runner.env });
}
