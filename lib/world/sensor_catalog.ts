/** The ready-made sensors: what each needs, and how it is adapted to a user's settings. Pure. */
import { UsageError } from "../errors.ts";
import { nearest } from "../text/nearest.ts";
import { findProgram } from "../process/programs.ts";
import { parseHeader, type SensorHeader } from "./reading.ts";
import { wrap } from "../text/style.ts";
import { shellQuote } from "../text/quote.ts";

/** One ready-made sensor. */
export interface Example {
  name: string;
  script: string;
  header: SensorHeader;
}

/** The examples in a module's table. */
export function examplesOf(table: Readonly<Record<string, string>>): Example[] {
  return Object.entries(table).map(([name, script]) => ({ name, script, header: parseHeader(script) }));
}

/** A sensor's unmet needs: programs not found and variables not set. */
export interface Missing {
  programs: string[];
  variables: string[];
}

/** Variables that looop gives to each sensor, so that no user needs to set them. */
const GIVEN: readonly string[] = ["LOOOP_BIN", "LOOOP_DATA_DIR", "LOOOP_CONFIG"];

/** Compares a header's needs with the environment. */
export function missingOf(
  header: SensorHeader,
  hasProgram: (name: string) => boolean,
  env: Readonly<Record<string, string>>,
): Missing {
  return {
    programs: header.needs.filter((name) => !hasProgram(name)),
    variables: header.env.filter((name) => !env[name] && !GIVEN.includes(name)),
  };
}

/** Parses `NAME=VALUE` pairs; only settings that the sensor declares are accepted. @throws {UsageError} */
export function parseSettings(pairs: readonly string[], header: SensorHeader): Record<string, string> {
  const known = [...header.env, ...header.optional];
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.indexOf("=");
    const name = pair.slice(0, Math.max(0, at));
    if (at < 1 || !known.includes(name)) {
      throw new UsageError(`--set is "${pair}"`, {
        next: known.length === 0
          ? "this sensor has no settings"
          : `give NAME=VALUE with one of ${known.join(", ")}`,
      });
    }
    return [name, pair.slice(at + 1)];
  }));
}

/**
 * A script with settings added: lines directly below its header comments, each quoted. They override variables with
 * the same name in the pulse's environment, which may be meant for another copy of the same sensor.
 */
export function withSettings(script: string, settings: Readonly<Record<string, string>>): string {
  const names = Object.keys(settings);
  if (names.length === 0) return script;
  const lines = script.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("#"));
  const added = names.map((name) => `${name}=${shellQuote(settings[name] ?? "")}`);
  return [...lines.slice(0, end), ...added, ...lines.slice(end)].join("\n");
}

/** The ready-made sensors grouped by what they watch, in the order of the list. */
export const EXAMPLE_GROUPS: readonly (readonly [string, readonly string[]])[] = [
  ["Code and reviews", ["git-repo", "git-unmerged", "github-prs", "github-my-prs", "gitlab-mrs"]],
  ["Builds and tests", ["command", "github-runs", "github-queue", "buildkite-queue"]],
  ["Issues", ["github-issues", "jira-issues", "linear-issues", "sentry-issues"]],
  ["Messages, news and dates", ["github-notifications", "slack-unread", "feed", "calendar"]],
  ["Alerts and services", [
    ...["alertmanager", "grafana-alerts", "pagerduty-incidents", "prometheus-query"],
    ...["http-health", "tls-expiry", "k8s-pods"],
  ]],
  ["This machine", [
    ...["disk", "host-load", "systemd-unit", "docker-containers", "files", "log-file", "queue-folder"],
  ]],
  ["Time and money", ["today", "every", "llm-spend"]],
];

/** Width of the list, columns: that of a standard terminal. */
const LIST_WIDTH = 80;
const NAME_WIDTH = 20;

/** The list of the ready-made sensors for people: by group, with those that can run here marked `ok`. */
export function examplesText(examples: readonly Example[], missing: (example: Example) => Missing): string {
  const groups = EXAMPLE_GROUPS.map(([title, names]) => {
    const rows = names.flatMap((name) => examples.filter((example) => example.name === name))
      .map((example) => exampleRow(example, missing(example)));
    return [title, ...rows].join("\n");
  });
  return groups.join("\n\n");
}

function exampleRow({ name, header }: Example, { programs, variables }: Missing): string {
  const lacks = [
    programs.length === 0 ? [] : `not installed: ${programs.join(", ")}`,
    variables.length === 0 ? [] : `to set: ${variables.map((variable) => `$${variable}`).join(", ")}`,
  ].flat();
  const mark = lacks.length === 0 ? "ok" : "  ";
  const texts = [header.summary ?? "", ...lacks];
  const indent = mark.length + NAME_WIDTH + 2;
  const lines = texts.flatMap((text) => wrap(text, LIST_WIDTH, indent));
  return `${mark} ${name.padEnd(NAME_WIDTH)} ${lines.join("\n").slice(indent)}`;
}

/** All ready-made sensors; their texts are loaded only here. */
export async function loadExamples(): Promise<Example[]> {
  const { SENSOR_EXAMPLES } = await import("./sensor_examples.ts");
  return examplesOf(SENSOR_EXAMPLES);
}

/** The example with a name. @throws {UsageError} with the nearest match. */
export function findExample(all: readonly Example[], name: string): Example {
  const found = all.find((example) => example.name === name);
  if (found !== undefined) return found;
  const match = nearest(name, all.map((example) => example.name));
  throw new UsageError(`There is no example "${name}"`, {
    next: match === undefined ? "`looop _ sensor examples` lists them" : `did you mean "${match}"?`,
  });
}

/** Returns a lookup for {@link missingOf}: whether a program is on this environment's PATH. */
export function onPath(env: Readonly<Record<string, string>>): (program: string) => boolean {
  return (program) => findProgram(program, env["PATH"] ?? "") !== undefined;
}
