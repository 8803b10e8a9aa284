/**
 * `deno task release:check`: checks of a release before its tag is pushed.
 *
 * Prints one line per check; exits 1 if one fails. `--notes` prints the release notes instead: the newest
 * section of CHANGELOG.md, without its heading.
 */

const ROOT = new URL("../../", import.meta.url).pathname;

/** A section of CHANGELOG.md. */
export interface Release {
  version: string;
  /** The text below the heading. */
  notes: string;
}

/** Result of one check: `ok` is undefined if this machine cannot make it. */
export interface Finding {
  ok: boolean | undefined;
  /** One line about the result. */
  says: string;
  /** Output of the checking tool, shown below a failure. */
  output?: string;
}

/**
 * The newest released section of a changelog in the form of https://keepachangelog.com/en/1.1.0/; an
 * `[Unreleased]` section is skipped. Undefined when there is none.
 */
export function newestRelease(changelog: string): Release | undefined {
  const sections = changelog.split(/^(?=## )/m).slice(1);
  for (const section of sections) {
    const [heading = "", ...body] = section.split("\n");
    const version = heading.match(/^## \[(\d+\.\d+\.\d+(?:-[\w.]+)?)\] - \d{4}-\d{2}-\d{2}$/)?.[1];
    if (version !== undefined) return { version, notes: `${body.join("\n").trim()}\n` };
  }
  return undefined;
}

/** Compares the version in every place, given by name, with that of deno.json. */
export function findVersions(version: string, places: Record<string, string | undefined>): Finding[] {
  return Object.entries(places).map(([place, said]) => ({
    ok: said === version,
    says: said === version ? `${place} says ${version}` : `${place} says ${said}, deno.json ${version}`,
  }));
}

/** The version of the tag on GitHub's runners; undefined on a branch and elsewhere. */
export function taggedVersion(env: Record<string, string | undefined>): string | undefined {
  if (env.GITHUB_REF_NAME === undefined || env.GITHUB_REF_TYPE === "branch") return undefined;
  return env.GITHUB_REF_NAME.replace(/^v/, "");
}

async function main(args: string[]): Promise<number> {
  const newest = newestRelease(await Deno.readTextFile(`${ROOT}CHANGELOG.md`));
  if (args.includes("--notes")) {
    await print(newest?.notes ?? "");
    return newest === undefined ? 1 : 0;
  }
  const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const tag = taggedVersion(Deno.env.toObject());
  const findings = findVersions(version, {
    "CHANGELOG.md": newest?.version,
    "looop version": await programVersion(),
    ...(tag === undefined ? {} : { "the tag": tag }),
  });
  findings.push({
    ok: newest !== undefined && newest.notes.trim() !== "",
    says: "release notes are written",
  });
  for (const [tool, ...words] of COMMANDS) findings.push(await runs(tool, words));
  for (const finding of findings) await print(show(finding));
  return findings.some(({ ok }) => ok === false) ? 1 : 0;
}

/** Command lines that must succeed in the root of the checkout. */
const COMMANDS: [tool: string, ...words: string[]][] = [
  ["deno", "publish", "--dry-run", "--allow-dirty"],
  ["deno", "doc", "--lint", "main.ts"],
  ["sh", "-n", "install.sh"],
  ["shellcheck", "-s", "sh", "install.sh"],
];

/** Runs a tool to its end; without the tool the check stays open. */
async function runs(tool: string, words: string[]): Promise<Finding> {
  const says = [tool, ...words].join(" ");
  try {
    const { success, output } = await run(tool, words);
    return { ok: success, says, output };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { ok: undefined, says: `${says}: ${tool} is not installed` };
    }
    throw error;
  }
}

async function programVersion(): Promise<string | undefined> {
  const { output } = await run("deno", ["run", "-A", "main.ts", "version"]);
  return output.match(/^looop (\S+)$/m)?.[1];
}

/** Runs `deno` by the program that runs this file, even if another is on PATH. */
async function run(tool: string, args: string[]): Promise<{ success: boolean; output: string }> {
  const program = tool === "deno" ? Deno.execPath() : tool;
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { success, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

function show({ ok, says, output = "" }: Finding): string {
  if (ok !== false) return `${ok === true ? "ok     " : "skipped"}  ${says}\n`;
  const tail = output.trim().split("\n").slice(-20).map((line) => `         ${line}\n`);
  return `FAILED   ${says}\n${output.trim() === "" ? "" : tail.join("")}`;
}

/** Writes the whole text to stdout, since a pipe may take it in parts. */
async function print(text: string): Promise<void> {
  const writer = Deno.stdout.writable.getWriter();
  await writer.write(new TextEncoder().encode(text));
  writer.releaseLock();
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
