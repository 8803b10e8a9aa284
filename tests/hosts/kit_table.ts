/**
 * `deno run -A tests/hosts/kit_table.ts [KIND…]`: runs all 45 cases of `looop _ host check` on each kind of host and
 * prints one table.
 */
import { type TestProfile, testProfile } from "../looop.ts";
import { engineMissing, Podman, Slurm } from "./engines.ts";
import { labMissing, ShHost, SshHost, wire } from "./host.ts";

const ALL = Array.from({ length: 45 }, (_, n) => n + 1);
/** Cases in parallel lanes, since two of them wait for a minute. */
const LANES = [[25], [26], ALL.filter((n) => n !== 25 && n !== 26)];

interface Case {
  n: number;
  title: string;
  result: string;
  note: string;
}

const table = new Map<number, { title: string; cells: string[] }>();
const kinds: string[] = [];
const notes: string[] = [];

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

async function check(
  kind: string,
  host: Record<string, unknown>,
  env: Record<string, string> = {},
): Promise<void> {
  await using p = await testProfile();
  Object.assign(p.env, env);
  wire(p, { h: host });
  const cases = (await Promise.all(LANES.map((lane) => verdicts(p, lane)))).flat();
  kinds.push(kind);
  for (const { n, title, result, note } of cases) {
    const row = table.get(n) ?? { title, cells: [] };
    row.cells.push(result);
    table.set(n, row);
    if (note !== "" || result !== "ok") notes.push(`${kind} ${n}: ${result} ${note}`);
  }
  const count = (result: string) => cases.filter((one) => one.result === result).length;
  say(`${kind}: ${["ok", "skip", "FAIL"].map((result) => `${count(result)} ${result}`).join(", ")}`);
}

async function verdicts(p: TestProfile, lane: readonly number[]): Promise<Case[]> {
  const { stdout } = await p.call(["_", "host", "check", "h", "--json", ...lane.map(String)], {
    limitMs: 1_500_000,
  });
  return JSON.parse(stdout).cases;
}

const isAsked = (kind: string) => Deno.args.length === 0 || Deno.args.includes(kind);
if (isAsked("sh")) {
  await using plain = await ShHost.open();
  await check("plain sh", { reach: plain.reach });
}
if (isAsked("ssh") && labMissing() === undefined) {
  await using ssh = await SshHost.open();
  await check("ssh", { reach: ssh.reach });
}
if (engineMissing(["podman", "runc"]) === undefined && (isAsked("podman") || isAsked("exec"))) {
  await using podman = await Podman.open();
  if (isAsked("exec")) await check("podman exec", { reach: await podman.place("kit") }, podman.env);
  if (isAsked("podman")) await check("podman driver", podman.driver, podman.env);
}
if (isAsked("slurm") && engineMissing(["slurmctld", "slurmd", "munged"]) === undefined) {
  await using slurm = await Slurm.open();
  await check("Slurm", slurm.driver, slurm.env);
}
say(`| case | ${kinds.join(" | ")} |\n| --- |${kinds.map(() => " --- |").join("")}`);
for (const [n, { title, cells }] of [...table].sort(([a], [b]) => a - b)) {
  say(`| ${n} ${title} | ${cells.join(" | ")} |`);
}
for (const note of notes) say(note);
