/** `config.json`: turns JSON with comments into checked settings with defaults. Pure, except {@link readConfig} and {@link replaceConfig}. */
import {
  applyEdits,
  findNodeAtLocation,
  modify,
  parse,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from "jsonc-parser";
import * as v from "valibot";
import { isId } from "../ids.ts";
import { isRecord } from "../text/json.ts";
import { UserError } from "../errors.ts";
import { nearest } from "../text/nearest.ts";
import { readLinkedText, replaceFile, statOf } from "../store.ts";

/** One runner in the config: a shell template, or a preset's name with overrides. */
export interface RunnerConfig {
  interactive?: string | undefined;
  preset?: string | undefined;
  /** Template of the form that ends by itself; `true` makes workers use the preset's own without `--headless`. */
  headless?: string | boolean | undefined;
  /** Template that resumes the agent's session `{{session_id}}`. */
  resume?: string | undefined;
  /** Variables for the agent. */
  env?: Record<string, string> | undefined;
  /** Machine on which its workers run; see {@link HostConfig}. */
  host?: string | undefined;
  /** Seconds after which its workers are ended; 0 for never. */
  timeout?: number | undefined;
}

/** Another machine on which workers can run: a place (`reach`), or an engine that creates places (`driver`). */
export interface HostConfig {
  /** Command line that, with one more word `sh`, runs a shell over there. */
  reach?: string[] | undefined;
  /** Script that starts, lists and stops jobs: a path relative to the data dir, or the name of a built-in driver. */
  driver?: string | undefined;
  /** Passed to the driver unchanged. */
  options?: Record<string, unknown> | undefined;
  /** Most workers alive there at once. */
  max_workers?: number | undefined;
  /** Variables for the workers there. */
  env?: Record<string, string> | undefined;
  /** `false` runs ssh without the options that looop adds. */
  ssh_options?: boolean | undefined;
  /** Folder in which workers start there. */
  cwd?: string | undefined;
}

/** An age of an unanswered question at which a person is notified. */
export interface EscalationStep {
  /** Seconds; 0 for off. */
  after: number;
  /** Shell template that is run then; `notification` unless given. */
  run?: string | undefined;
}

/** Everything config.json can set, with defaults filled in. Times are in seconds unless the name says otherwise. */
export interface Config {
  /** Name of the runner for `_ worker start` without `--runner`. */
  default: string;
  runners: Record<string, RunnerConfig>;
  /** Time between beats. */
  interval: number;
  session_ttl: number;
  sensor_concurrency: number;
  /** Time after which a pending ask is delivered again. */
  ask_redeliver: number;
  /** Time without output after which a running worker is reported. */
  silent_after: number;
  /** Time after which a worker that has not called back is reported. */
  ready_timeout: number;
  /** Most workers alive at once, on all machines; 0 for no limit. */
  max_workers: number;
  /** Settings of single goals: the time after which a worker that serves the goal is ended. */
  goals: Record<string, { timeout?: number | undefined }>;
  /** Other machines by name. */
  hosts: Record<string, HostConfig>;
  /** Time after which a machine with workers that cannot be heard is reported; 0 for never. */
  host_silent_after: number;
  /** Time after which a worker on another machine ends itself when it cannot hear its home; 0 for never. */
  orphan_after: number;
  /** Time without a move after which a goal is reported; 0 for never. */
  goal_idle_after: number;
  /** When a person is notified of an unanswered question, the youngest age first; once each. */
  escalate: EscalationStep[];
  /** Seconds without a call of any agent after which a person is notified that something new waits; 0 for never. */
  away_after: number;
  /** Shell template that reaches a person: run by `_ notify`, and by the pulse. */
  notification?: string | undefined;
  gate: { deny: string[]; allow: string[] };
  /** Dollars per million tokens, by runner and model, for agents that record only tokens. */
  prices: Record<
    string,
    { input?: number | undefined; output?: number | undefined; cached?: number | undefined }
  >;
}

const seconds = v.pipe(v.number("expected a number of seconds"), v.minValue(0.001, "expected seconds > 0"));
const count = v.pipe(
  v.number("expected a whole number"),
  v.integer("expected a whole number"),
  v.minValue(1, "expected 1 or more"),
);
const text = v.string("expected text");
const price = v.optional(v.pipe(v.number("expected dollars"), v.minValue(0, "expected dollars >= 0")));

/** A plain object; valibot's own object and record also accept lists. */
function plain(message: string) {
  return v.custom<Record<string, unknown>>(isRecord, message);
}

const secondsOrOff = v.pipe(
  v.number("expected a number of seconds"),
  v.minValue(0, "expected seconds, or 0 for off"),
);

const RUNNER = v.pipe(
  plain('expected an object with "interactive"'),
  v.object({
    interactive: v.optional(text),
    preset: v.optional(text),
    headless: v.optional(v.union([text, v.boolean()], "expected a template, true or false")),
    resume: v.optional(text),
    env: v.optional(v.pipe(plain("expected an object of texts"), v.record(v.string(), text))),
    host: v.optional(text),
    timeout: v.optional(secondsOrOff),
  }),
);

const HOST = v.pipe(
  plain('expected an object with "reach" or "driver"'),
  v.object({
    reach: v.optional(
      v.pipe(v.array(text, "expected a list of words"), v.minLength(1, "expected a command")),
    ),
    driver: v.optional(text),
    options: v.optional(plain("expected an object")),
    max_workers: v.optional(
      v.pipe(v.number("expected a whole number"), v.integer("expected a whole number")),
    ),
    env: v.optional(v.pipe(plain("expected an object of texts"), v.record(v.string(), text))),
    ssh_options: v.optional(v.boolean("expected true or false")),
    cwd: v.optional(v.pipe(text, v.startsWith("/", "expected an absolute path"))),
  }),
  v.check(
    (host) => (host.reach === undefined) !== (host.driver === undefined),
    'expected either "reach" or "driver"',
  ),
  v.check(
    ({ reach }) => !/(^|\/)ssh$/.test(reach?.[0] ?? "") || !reach?.at(-1)?.startsWith("-"),
    "expected the name of the machine last, not an option",
  ),
);

const HOSTS = v.pipe(
  plain("expected an object of hosts"),
  v.record(v.pipe(v.string(), v.check(isId, "expected a name of letters, digits, '.', '_' or '-'")), HOST),
  v.check((hosts) => {
    const reaches = Object.values(hosts).flatMap(({ reach }) =>
      reach === undefined ? [] : [reach.join("\0")]
    );
    return new Set(reaches).size === reaches.length;
  }, 'two hosts have the same "reach"'),
);

const countOrOff = v.pipe(
  v.number("expected a whole number"),
  v.integer("expected a whole number"),
  v.minValue(0, "expected a whole number, or 0 for off"),
);

const STEP = v.union([
  secondsOrOff,
  v.pipe(plain("expected an object"), v.object({ after: secondsOrOff, run: v.optional(text) })),
], 'expected seconds, or {"after": seconds, "run": a shell line}');

const ESCALATE = v.pipe(
  v.array(STEP, "expected a list of seconds"),
  v.transform((steps) =>
    steps.map((step): EscalationStep => typeof step === "number" ? { after: step } : step)
      .sort((a, b) => a.after - b.after)
  ),
);

const SCHEMA = v.object({
  default: v.optional(text, "pi"),
  runners: v.optional(v.pipe(plain("expected an object of runners"), v.record(v.string(), RUNNER)), {}),
  interval: v.optional(seconds, 60),
  session_ttl: v.optional(seconds, 259_200),
  sensor_concurrency: v.optional(count, 8),
  ask_redeliver: v.optional(secondsOrOff, 600),
  silent_after: v.optional(secondsOrOff, 900),
  ready_timeout: v.optional(secondsOrOff, 120),
  max_workers: v.optional(countOrOff, 0),
  goals: v.optional(
    v.pipe(
      plain("expected an object of goals"),
      v.record(
        v.string(),
        v.pipe(plain("expected an object"), v.object({ timeout: v.optional(secondsOrOff) })),
      ),
    ),
    {},
  ),
  hosts: v.optional(HOSTS, {}),
  host_silent_after: v.optional(secondsOrOff, 300),
  orphan_after: v.optional(secondsOrOff, 0),
  goal_idle_after: v.optional(secondsOrOff, 86_400),
  escalate: v.optional(ESCALATE, [900, 3600, 14_400]),
  away_after: v.optional(secondsOrOff, 1800),
  notification: v.optional(text),
  gate: v.optional(
    v.pipe(
      plain('expected an object with "deny" and "allow"'),
      v.object({ deny: v.optional(v.array(text), []), allow: v.optional(v.array(text), []) }),
    ),
    { deny: [], allow: [] },
  ),
  prices: v.optional(
    v.pipe(
      plain("expected an object"),
      v.record(
        v.string(),
        v.pipe(plain("expected an object"), v.object({ input: price, output: price, cached: price })),
      ),
    ),
    {},
  ),
});

/** The keys that config.json may have, for the manual and for suggestions of the nearest match. */
export const CONFIG_KEYS: readonly string[] = Object.keys(SCHEMA.entries);

/** A checked config, and its harmless oddities. */
export interface ConfigResult {
  config: Config;
  /** One line for each unknown key, with the nearest match. */
  warnings: string[];
}

/** The config used when there is no file. */
export function defaultConfig(): Config {
  return v.parse(SCHEMA, {}) as Config;
}

/**
 * Parses the text of config.json.
 *
 * @throws {UserError} `config.json:LINE:COL: …` for the first fault.
 */
export function parseConfig(source: string, name = "config.json"): ConfigResult {
  const errors: ParseError[] = [];
  const value = parse(source, errors, { allowTrailingComma: true, disallowComments: false });
  const first = errors[0];
  if (first !== undefined) {
    const message = source.trim() === "" ? "the file is empty" : spaced(printParseErrorCode(first.error));
    throw configError(name, source, first.offset, message);
  }
  const result = v.safeParse(v.pipe(plain("expected an object"), SCHEMA), value);
  if (!result.success) {
    const issue = result.issues[0];
    const path = (issue.path ?? []).map((part) => part.key as string | number);
    const offset = offsetOf(source, path);
    const where = path.length === 0 ? "" : `"${path.join(".")}" is ${JSON.stringify(issue.input)}, `;
    throw configError(name, source, offset, `${where}${issue.message}`);
  }
  const config = result.output as Config;
  return { config, warnings: unknownKeys(source, value, name) };
}

function configError(name: string, source: string, offset: number, message: string): UserError {
  const { line, column } = positionOf(source, offset);
  return new UserError(`${name}:${line}:${column}: ${message}`, {
    next: "edit that line (`looop help` lists the keys), or move the file away to get a fresh one",
    kind: "config",
  });
}

function offsetOf(source: string, path: (string | number)[]): number {
  const root = parseTree(source, [], { allowTrailingComma: true });
  if (root === undefined) return 0;
  for (let length = path.length; length > 0; length--) {
    const node = findNodeAtLocation(root, path.slice(0, length));
    if (node !== undefined) return node.offset;
  }
  return root.offset;
}

/** 1-based line and column of an offset. */
export function positionOf(source: string, offset: number): { line: number; column: number } {
  const before = source.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

function unknownKeys(source: string, value: unknown, name: string): string[] {
  return Object.keys(value as Record<string, unknown>)
    .filter((key) => !CONFIG_KEYS.includes(key) && key !== "$schema")
    .map((key) => {
      const root = parseTree(source, [], { allowTrailingComma: true });
      const node = root === undefined ? undefined : findNodeAtLocation(root, [key])?.parent;
      const { line, column } = positionOf(source, node?.offset ?? 0);
      const match = nearest(key, CONFIG_KEYS);
      return `${name}:${line}:${column}: unknown key "${key}"${
        match === undefined ? "" : `; did you mean "${match}"?`
      }`;
    });
}

function spaced(code: string): string {
  return code.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}

/** Reads and checks the config file; returns defaults when there is none. @throws {UserError} when it is broken. */
export function readConfig(path: string): ConfigResult {
  const source = readLinkedText(path);
  const name = path.slice(path.lastIndexOf("/") + 1);
  return source === undefined ? { config: defaultConfig(), warnings: [] } : parseConfig(source, name);
}

/**
 * The text of config.json with `value` at `path`, comments and order kept; unchanged when the value is already there.
 */
export function setConfigValue(source: string, path: readonly string[], value: unknown): string {
  let at: unknown = parse(source, [], { allowTrailingComma: true });
  for (const key of path) at = (at as Record<string, unknown> | undefined)?.[key];
  if (JSON.stringify(at) === JSON.stringify(value)) return source;
  const edits = modify(source, [...path], value, {
    formattingOptions: { insertSpaces: true, tabSize: 2, eol: "\n" },
    getInsertionIndex: () => 0,
  });
  return applyEdits(source, edits);
}

/** Replaces config.json; a link to it stays, as people may keep their config elsewhere. */
export function replaceConfig(path: string, text: string): void {
  const info = statOf(path);
  const file = info === undefined ? path : Deno.realPathSync(path);
  replaceFile(file, text, { mode: (info?.mode ?? 0o600) & 0o777 });
}
