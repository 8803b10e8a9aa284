/**
 * Tools shared by the sensor tests: a clean place to run an example, a service on loopback for it, and the rules for
 * every reading and every failure.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { writeExecutable } from "../executable.ts";
import { denoDirOf, looopCommand } from "../looop.ts";

export const EXAMPLES = new URL("../../sensors_examples/", import.meta.url).pathname;
/** Size limit of a reading, bytes (`LOOOP_SENSOR_MAX_BYTES`). */
export const MAX_BYTES = 8192;
/** The token in all these tests, which must never be shown. */
export const SECRET = "s3cr3t-0f-the-t3sts";

/** Exit codes of the examples by kind of failure (numbers as in sysexits.h). */
export const EXIT = { answer: 65, unavailable: 69, limited: 75, forbidden: 77, settings: 78 } as const;

/** Result of one run of a sensor. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** A reading as the examples print it. */
export interface Reading {
  signal: Record<string, unknown> & { more?: { count: number; sum: number } };
  detail: Record<string, unknown> & { cut: number; items?: Record<string, unknown>[] };
}

/** A situation of a sensor, and the check of its result. */
export interface Scenario {
  circumstance: string;
  run(place: Place): Promise<Outcome>;
  check(outcome: Outcome, place: Place): void | Promise<void>;
}

/** A fresh home and working directory, which are removed afterwards. */
export class Place implements AsyncDisposable {
  private constructor(readonly root: string) {}

  static async make(): Promise<Place> {
    const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "sensor-" }));
    for (const dir of ["home", "cwd", "tmp", "bin"]) await Deno.mkdir(`${root}/${dir}`);
    const [exe = "", ...args] = looopCommand();
    const words = [exe, ...args].map((word) => `'${word}'`).join(" ");
    const cache = Object.entries(denoDirOf()).map(([name, value]) => `${name}='${value}' `).join("");
    writeExecutable(`${root}/bin/looop`, `#!/bin/sh\n${cache}exec ${words} "$@"\n`);
    return new Place(root);
  }

  /** Runs an example with only this environment. */
  async run(
    sensor: string,
    env: Record<string, string>,
    path = Deno.env.get("PATH") ?? "",
  ): Promise<Outcome> {
    const { code, stdout, stderr } = await new Deno.Command(`${EXAMPLES}${sensor}.sh`, {
      clearEnv: true,
      env: {
        PATH: path,
        HOME: `${this.root}/home`,
        TMPDIR: `${this.root}/tmp`,
        LOOOP_BIN: `${this.root}/bin/looop`,
        ...env,
      },
      cwd: `${this.root}/cwd`,
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  }

  /** Makes a program of this name; returns a PATH with it in front. */
  program(name: string, script: string): Promise<string> {
    writeExecutable(`${this.root}/bin/${name}`, script);
    return Promise.resolve(`${this.root}/bin:${Deno.env.get("PATH") ?? ""}`);
  }

  /** Fails if a run has left a file, as a title would if it were run as a command. */
  checkClean(): void {
    for (const dir of ["home", "cwd", "tmp"]) {
      deepStrictEqual(
        [...Deno.readDirSync(`${this.root}/${dir}`)].map((entry) => entry.name),
        [],
        `left in ${dir}`,
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }
}

/** Whether this machine has a program; tests that need a missing one are skipped. */
export function has(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((dir) => {
    try {
      return Deno.statSync(`${dir}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

/** A loopback port at which nobody listens. */
export function closedPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** Serves on loopback until it is disposed of; `url` is its base. */
export function serve(handler: (request: Request) => Response | Promise<Response>) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Checks the rules of a good reading and returns it. */
export function checkReading({ code, stdout, stderr }: Outcome): Reading {
  strictEqual(code, 0, `exit code; stderr: ${stderr}`);
  strictEqual(stderr, "");
  const bytes = new TextEncoder().encode(stdout).length;
  ok(bytes < MAX_BYTES, `${bytes} bytes`);
  const reading = JSON.parse(stdout) as Reading;
  deepStrictEqual(Object.keys(reading).sort(), ["detail", "signal"]);
  ok(Number.isInteger(reading.detail.cut) && reading.detail.cut >= 0, `cut is ${reading.detail.cut}`);
  ok(!hasControlCharacters(reading), "control characters in the reading");
  strictEqual(stdout.trimEnd().split("\n").length, 1, "more than one line");
  ok(!stdout.includes(SECRET), "the secret is in the output");
  return reading;
}

function hasControlCharacters(value: unknown): boolean {
  // deno-lint-ignore no-control-regex
  if (typeof value === "string") return /[\u0000-\u001f\u007f]/.test(value);
  return typeof value === "object" && value !== null && Object.values(value).some(hasControlCharacters);
}

/** Checks the rules of a failure: empty stdout, one line on stderr that says what is wrong, no secret. */
export function checkFailure({ code, stdout, stderr }: Outcome, expected: number, says: RegExp): void {
  strictEqual(code, expected, `exit code; stdout: ${stdout.slice(0, 300)}; stderr: ${stderr}`);
  strictEqual(stdout, "");
  match(stderr, /^[^\n]{10,400}\n$/);
  match(stderr, says);
  ok(!stderr.includes(SECRET), "the secret is in the message");
}

/** Number of things in the signal: those it names and those it only counts. */
export function counted(reading: Reading): number {
  const lists = Object.values(reading.signal).filter(Array.isArray);
  return lists.reduce((sum, list) => sum + list.length, 0) + (reading.signal.more?.count ?? 0);
}

/** Number of things in the detail: those it shows and those it only counts. */
export function told(reading: Reading): number {
  return (reading.detail.items?.length ?? 0) + reading.detail.cut;
}

const ODD = [
  'Quotes " and \' and ` in one "title"',
  "Firefighters 🚒🧯 and a family 👩‍👩‍👧‍👦, ünïcödé, 漢字, עברית, \u202eright to left",
  "first line\nsecond line\r\n\tthird, with a tab",
  "C:\\temp\\new $(touch x) `touch x` ; touch x && touch x | tee x > x",
  "\u001b[31mred\u001b[0m \u0007 \u007f \\u0000 %s %n ${HOME} $PATH !!",
  "</title><script>alert(1)</script> & &amp; ]]> <!-- ",
  "*".repeat(900),
  "🧨".repeat(400),
];

/** A title that breaks careless shell scripts, different for every number. */
export const oddTitle = (n: number): string => `${n} ${ODD[n % ODD.length]}`;
/** An ordinary title. */
export const plainTitle = (n: number): string => `Ordinary thing number ${n}`;
/** A time that is the same in every run, later for higher numbers. */
export const at = (n: number): string =>
  new Date(Date.UTC(2026, 0, 5) + n * 60_000).toISOString().replace(".000", "");
