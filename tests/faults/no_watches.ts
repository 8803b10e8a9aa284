/**
 * Takes all inotify instances of a user: everything must still work, by polling.
 *
 * As root it takes another user's, so that nobody else on the machine is disturbed; else its own, for a moment.
 */
import { looopCommand } from "../looop.ts";
import { type LabProfile, openLab, pause, run, Tally } from "./lab.ts";

/** Takes instances until none is left, prints their number, and holds them until its stdin ends. */
const HOG = `
$| = 1; my $n = 0;
my $call = \`uname -m\` =~ /aarch64|arm64/ ? 26 : 294;
while (syscall($call, 0) >= 0) { last if ++$n >= 100000 }
print "$n\\n"; <STDIN>;`;
const STRANGER = 61_234;

/** Runs the loop without watches. */
export async function noWatches(): Promise<Tally> {
  const tally = new Tally("no watches", ["lost wake-ups", "verbs failed", "left running"]);
  if (Deno.build.os !== "linux") {
    tally.skip("inotify is Linux's");
    return tally;
  }
  await using lab = await openLab();
  const p = await lab.profile();
  const asUser = Deno.uid() === 0 ? ["setpriv", `--reuid=${STRANGER}`, "--clear-groups"] : [];
  const looop = await binaryFor(p, asUser);
  using hog = await hold(asUser);
  tally.add("instances held", hog.count);
  const call = (...args: string[]) => reply([...asUser, looop, ...args], p);
  const expect = async (what: string, pattern: RegExp, ...args: string[]) => {
    const { code, out } = await call(...args);
    tally.add("calls");
    tally.demand(
      code === 0 && pattern.test(out),
      "verbs failed",
      `${what}: exits ${code}: ${out.slice(0, 300)}`,
    );
  };
  await expect("up", /pulse started/, "up");
  await expect("the first wait", /first/, "_", "wait", "--json");
  const goal = call("_", "wait", "--json", "--timeout", "20");
  await pause(200);
  await expect("goal write", /write-goal/, "_", "goal", "write", "g", "text");
  await woken("a goal", goal, /goal:g/, tally);
  await expect(
    "worker start",
    /start-worker/,
    "_",
    "worker",
    "start",
    "w",
    "--command",
    "until [ -e go ]; do sleep 0.1; done",
    "brief",
  );
  const end = call("_", "wait", "--json", "--timeout", "20");
  await Deno.writeTextFile(p.path("go"), "");
  await woken("a worker's end", end, /worker:w/, tally);
  const asking = call("_", "ask", "q", "--prompt", "Merge?");
  await woken("a question", call("_", "wait", "--json", "--timeout", "20"), /ask:q-1/, tally);
  await expect("answer", /answered/, "_", "answer", "q-1", "yes");
  await woken("an answer", asking, /yes/, tally);
  await expect("down", /pulse stopped/, "down");
  const left = await p.processes();
  tally.demand(left.length === 0, "left running", left.join(", "));
  return tally;
}

async function woken(
  what: string,
  waiting: Promise<{ code: number; out: string; ms: number }>,
  pattern: RegExp,
  tally: Tally,
): Promise<void> {
  const { code, out, ms } = await waiting;
  tally.add("wake-ups");
  tally.most("slowest, ms", Math.round(ms));
  tally.demand(
    code === 0 && pattern.test(out),
    "lost wake-ups",
    `${what}: exits ${code}: ${out.slice(0, 300)}`,
  );
}

async function reply(
  [program = "", ...args]: string[],
  p: LabProfile,
): Promise<{ code: number; out: string; ms: number }> {
  const started = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd: "/",
    env: p.env,
    clearEnv: true,
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout) + text.decode(stderr), ms: performance.now() - started };
}

/** Puts the binary and the profile where the other user can reach them. */
async function binaryFor(p: LabProfile, asUser: readonly string[]): Promise<string> {
  const [exe = ""] = looopCommand();
  if (asUser.length === 0) return exe;
  const lab = p.base.slice(0, p.base.lastIndexOf("/"));
  await run("chmod", ["711", lab]);
  await run("cp", [exe, `${p.base}/looop`]);
  await run("chown", ["-R", String(STRANGER), p.base]);
  return `${p.base}/looop`;
}

async function hold([program, ...before]: readonly string[]): Promise<{ count: number } & Disposable> {
  const argv = program === undefined ? ["perl"] : [...before, "perl"];
  const child = new Deno.Command(program ?? "perl", {
    args: [...argv.slice(program === undefined ? 1 : 0), "-e", HOG],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return {
    count: Number(new TextDecoder().decode(value)),
    [Symbol.dispose]() {
      child.kill("SIGKILL");
      reader.cancel().catch(() => {});
      child.stdin.close().catch(() => {});
    },
  };
}
