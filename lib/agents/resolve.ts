/** Resolves a runner's name, from config.json or the presets, to a template and the facts about its program. */
import type { Config, RunnerConfig } from "../records/config.ts";
import { UsageError } from "../errors.ts";
import { nearest } from "../text/nearest.ts";
import { presetNamed, RUNNER_PRESETS, type RunnerPreset } from "../records/presets.ts";
import { presetOf, programOf } from "./runners.ts";

/** A runner ready to be used: a template and the facts about its program. */
export interface ResolvedRunner {
  name: string;
  template: string;
  prompt: RunnerPreset["prompt"];
  program: string | undefined;
  install: string | undefined;
  /** Name of the preset to which the program belongs, if any. */
  preset: string | undefined;
  /** Template that resumes the agent's session; derived from `template` unless the config has one. */
  resume: string | undefined;
  env: Readonly<Record<string, string>>;
}

/** Finds the runner with a name: the config's, else the preset's. @throws {UserError} when the name is unknown. */
export function resolveRunner(config: Config, name: string, headless = false): ResolvedRunner {
  const wired = Object.hasOwn(config.runners, name) ? config.runners[name] : undefined;
  const named = presetNamed(wired?.preset ?? name);
  if ((wired === undefined && named === undefined) || (wired?.preset !== undefined && named === undefined)) {
    throw unknownRunner(wired?.preset ?? name, [
      ...Object.keys(config.runners),
      ...Object.keys(RUNNER_PRESETS),
    ]);
  }
  const wantsHeadless = headless || wired?.headless === true;
  const headlessForm = typeof wired?.headless === "string" ? wired.headless : named?.headless;
  const template = withoutFormatter(
    wantsHeadless ? headlessForm : wired?.interactive ?? named?.interactive,
  );
  if (template === undefined) {
    throw new UsageError(`Runner "${name}" has no ${wantsHeadless ? "headless" : "interactive"} form`, {
      next: `give "runners.${name}" in config.json one`,
    });
  }
  return {
    ...describeTemplate(name, template, wired?.preset ?? name),
    resume: wired?.resume,
    ...envOf(wired),
  };
}

/** The variables that a runner in the config sets. */
export function envOf(wired: RunnerConfig | undefined): { env?: Readonly<Record<string, string>> } {
  return wired?.env === undefined ? {} : { env: wired.env };
}

function unknownRunner(name: string, names: readonly string[]): UsageError {
  const known = [...new Set(names)];
  const match = nearest(name, known);
  const line = `"runners": {"${name}": {"interactive": "${name} {{prompt_file}}"}}`;
  const own = `for an agent of your own write ${line} into config.json, see \`looop help config\``;
  return new UsageError(`Unknown runner "${name}"`, {
    next: match === undefined
      ? `known are ${known.join(", ")}; ${own}`
      : `did you mean "${match}"? Else, ${own}`,
  });
}

/** The facts about a template: by its program, else by the preset after which it was named. */
export function describeTemplate(name: string, template: string, named?: string): ResolvedRunner {
  const preset = presetOf(template);
  const about = presetNamed(preset ?? named);
  return {
    name,
    template,
    preset,
    prompt: about?.prompt ?? "text",
    program: programOf(template),
    install: about?.install,
    resume: undefined,
    env: {},
  };
}

/** Configs of early looop versions end in a pipe into `looop _ fmt`, a verb that no longer exists. */
function withoutFormatter(template: string | undefined): string | undefined {
  return template?.replace(/\s*\|\s*(\S*looop\S*|"\$LOOOP_BIN"|\$LOOOP_BIN)\s+_\s+fmt\s*$/, "");
}
