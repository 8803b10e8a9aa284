/**
 * A day of a root agent, compressed: some fifty returns of `_ wait` of every kind, with the bytes of each.
 *
 * Each step makes one thing happen and then waits until exactly that has woken the agent. A step that is no news is
 * followed by a wait that must time out. So the scenario fails if a return has no news, and if news never comes.
 */
import type { TestProfile } from "./looop.ts";
import { crashPulse, published, pulsePid } from "./published.ts";
import { endedWorker, fileText, identityIn } from "./workers.ts";

/** One return of `_ wait --json`. */
export interface Return {
  reason: string[];
  timedOut: boolean;
  bytes: number;
}

/** How long a wait for news may block, and how long a wait that must find none, s. */
const NEWS_S = "30";
const NONE_S = "0.3";

/** One session of a root agent. */
export class Agent {
  readonly returns: Return[] = [];
  readonly #p: TestProfile;
  readonly #env: Record<string, string>;

  constructor(p: TestProfile, session: string) {
    this.#p = p;
    this.#env = { CLAUDECODE: "1", CLAUDE_CODE_SESSION_ID: session };
  }

  /** Makes a move. */
  async does(args: string[], stdin?: string): Promise<void> {
    await this.#p.okCall(["_", ...args], { env: this.#env, ...(stdin === undefined ? {} : { stdin }) });
  }

  /** Waits until each of these reasons has come once; only those of `also` may come beside them. */
  async wakes(reasons: string[], also: string[] = []): Promise<void> {
    const open = new Set(reasons);
    while (open.size > 0) {
      const { reason, timedOut } = await this.#wait(NEWS_S);
      if (timedOut) throw new Error(`never woken by ${[...open].join(", ")}`);
      for (const one of reason) {
        if (open.delete(one) || also.includes(one)) continue;
        throw new Error(`woken by ${one}, not by ${[...open].join(", ")}`);
      }
    }
  }

  /** Waits and must find no news. */
  async sleeps(also: string[] = []): Promise<void> {
    for (;;) {
      const { reason, timedOut } = await this.#wait(NONE_S);
      if (timedOut) return;
      const strange = reason.filter((one) => !also.includes(one));
      if (strange.length > 0) throw new Error(`woken by ${strange.join(", ")}, not by nothing`);
    }
  }

  async #wait(seconds: string): Promise<Return> {
    for (;;) {
      const text = await this.#p.okCall(["_", "wait", "--json", "--timeout", seconds], { env: this.#env });
      const { reason: reasons = [], timed_out } = JSON.parse(text) as { reason?: string[]; timed_out?: true };
      // On a very busy machine the pulse is really late, which this scenario does not test.
      const reason = reasons.filter((one) => one !== "pulse_stalled" || this.isStopped);
      if (reason.length === 0 && reasons.length > 0) continue;
      const one = { reason, timedOut: timed_out === true, bytes: new TextEncoder().encode(text).length + 1 };
      this.returns.push(one);
      return one;
    }
  }

  /** The pulse was stopped on purpose. */
  isStopped = false;
}

/** Runs the whole scenario in an empty profile; returns the agent, and a second one that joined later. */
export async function liveThrough(p: TestProfile): Promise<{ agent: Agent; later: Agent }> {
  const agent = new Agent(p, "11111111-0000");
  const later = new Agent(p, "22222222-0000");
  await begin(p);
  await agent.wakes(["first"]);
  await repositories(p, agent);
  await ownMoves(p, agent);
  await questions(p, agent);
  await lostWorker(p, agent);
  await movesByHand(p, agent);
  await otherSession(p, agent, later);
  await quietWorkers(p, agent);
  await flappingSensor(p, agent);
  await badFiles(p, agent);
  await time(agent);
  await pulse(p, agent);
  return { agent, later };
}

const CONFIG = { interval: 1, ready_timeout: 0, silent_after: 0 };

/** A profile with its own policy, so that no seed is written that changes with the date. */
async function begin(p: TestProfile): Promise<void> {
  Deno.mkdirSync(p.profile.goals, { recursive: true, mode: 0o700 });
  Deno.chmodSync(p.profile.dir, 0o700);
  put(p, "PLAYBOOK.md", "Merge what is green.\n");
  put(p, "goals/ship.md", "Ship the release.\n");
  setConfig(p, {});
  await p.ok("up");
}

/** Writes a file in one step, as an editor does. */
function put(p: TestProfile, name: string, text: string, mode = 0o600): void {
  Deno.writeTextFileSync(`${p.base}/new`, text);
  Deno.chmodSync(`${p.base}/new`, mode);
  Deno.renameSync(`${p.base}/new`, p.path(name));
}

function setConfig(p: TestProfile, config: Record<string, unknown>): void {
  put(p, "config.json", `${JSON.stringify({ ...CONFIG, ...config })}\n`);
}

// deno-lint-ignore no-explicit-any -- the scenario looks into it freely
function world(p: TestProfile): any {
  return JSON.parse(p.read(".world.json"));
}

async function passBeats(p: TestProfile, count: number): Promise<void> {
  const until = published(p).beat + count;
  await p.until("beats pass", () => published(p).beat >= until, 60);
}

async function git(p: TestProfile, repository: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("git", {
    args: ["-C", repository, "-c", "user.name=A", "-c", "user.email=a@example.org", ...args],
    env: p.env,
    clearEnv: true,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Three repositories, each with a sensor that the agent wrote; its first reading and each commit are news. */
async function repositories(p: TestProfile, agent: Agent): Promise<void> {
  const names = ["app", "lib", "site"];
  for (const name of names) {
    const repository = `${p.base}/${name}`;
    Deno.mkdirSync(repository);
    await git(p, repository, "init", "-q", "-b", "main");
    await git(p, repository, "commit", "-q", "--allow-empty", "-m", "first");
    const script = `#!/usr/bin/env bash
branches=$(git -C '${repository}' for-each-ref --format='"%(refname:short) %(objectname:short)"' refs/heads)
printf '{"signal":[%s]}\\n' "$(printf %s "$branches" | paste -sd , -)"
`;
    await agent.does(["sensor", "write", name], script);
    await agent.wakes([`signal:sensor-${name}`]);
  }
  for (const name of names) {
    await git(p, `${p.base}/${name}`, "checkout", "-q", "-b", "feature");
    await agent.wakes([`signal:sensor-${name}`]);
  }
}

/** The agent's own moves, which are no news to it. */
async function ownMoves(p: TestProfile, agent: Agent): Promise<void> {
  await agent.does(["goal", "write", "plan", "Plan the next release."]);
  await p.until("the goal is seen", () => "plan" in world(p).goals);
  await agent.sleeps();
  const { playbook } = world(p);
  await agent.does(["playbook", "write", "Merge what is green and small."]);
  await p.until("the playbook is seen", () => world(p).playbook !== playbook);
  await agent.sleeps();
  await agent.does(["goal", "archive", "plan"]);
  await p.until("the goal is gone", () => !("plan" in world(p).goals));
  await agent.sleeps();
}

/**
 * Five workers that ask. One ends, one is answered by hand, one is declined, one crashes, and one is killed after its
 * question was given again.
 */
async function questions(p: TestProfile, agent: Agent): Promise<void> {
  const ids = ["w1", "w2", "w3", "w4", "w5"];
  for (const id of ids) {
    const end = id === "w4" ? "kill -KILL $$" : `echo merged >"$LOOOP_DATA_DIR/reports/${id}.md"`;
    const script = `"$LOOOP_BIN" _ ready ${id}
"$LOOOP_BIN" _ ask ${id} --prompt 'Merge the branch feature of app into main?' --options yes,no
${end}`;
    await agent.does(["worker", "start", id, "--runner", "shell"], script);
    await agent.wakes([`ask:${id}-1`]);
  }
  await agent.sleeps();
  await agent.does(["answer", "w1-1", "yes"]);
  await agent.wakes(["worker:w1"]);
  await p.ok("_", "answer", "w2-1", "no");
  await agent.wakes(["worker:w2"]);
  await agent.does(["answer", "w3-1", "--decline", "not before Friday"]);
  await agent.wakes(["worker:w3"]);
  await agent.does(["answer", "w4-1", "yes"]);
  await agent.wakes(["worker:w4"]);
  const open = ["ask:w5-1"];
  setConfig(p, { ask_redeliver: 1 });
  await agent.wakes(open, open);
  setConfig(p, { ask_redeliver: 600 });
  await p.until("the pace is back", () => world(p).settings.ask_redeliver_s === 600);
  await agent.sleeps(open);
  await agent.does(["worker", "kill", "w5"]);
  await endedWorker(p, "w5");
  await agent.sleeps();
}

async function lostWorker(p: TestProfile, agent: Agent): Promise<void> {
  await agent.does(["worker", "start", "w6", "--runner", "shell"], `"$LOOOP_BIN" _ ready w6; exec sleep 600`);
  await isReady(p, "w6");
  Deno.kill(identityIn(p, "sessions/w6/sup").pid, "SIGKILL");
  await agent.wakes(["worker:w6"]);
  await agent.does(["worker", "kill", "w6"]);
  await endedWorker(p, "w6");
  await agent.sleeps();
}

async function isReady(p: TestProfile, id: string): Promise<void> {
  await p.until(`${id} is ready`, async () => {
    const { workers } = await p.json("_", "state", "--json");
    return workers.some((one: { id: string; ready: boolean }) => one.id === id && one.ready);
  }, 60);
}

async function movesByHand(p: TestProfile, agent: Agent): Promise<void> {
  put(p, "goals/ship.md", "Ship the release on Friday.\n");
  await agent.wakes(["goal:ship"]);
  put(p, "goals/sell.md", "Sell it.\n");
  await agent.wakes(["goal:sell"]);
  Deno.removeSync(p.path("goals/sell.md"));
  await agent.wakes(["goal:sell"]);
  put(p, "PLAYBOOK.md", "Merge nothing on Fridays.\n");
  await agent.wakes(["policy"]);
}

/** A new session gets the whole world, and neither session takes news from the other. */
async function otherSession(p: TestProfile, agent: Agent, later: Agent): Promise<void> {
  await later.wakes(["session"]);
  await later.does(["goal", "write", "rest", "Rest."]);
  await agent.wakes(["goal:rest"]);
  await later.sleeps();
  await p.ok("_", "wait", "--json");
  await agent.sleeps();
}

async function quietWorkers(p: TestProfile, agent: Agent): Promise<void> {
  const quiet = `"$LOOOP_BIN" _ ready quiet; echo 'Reading the code.'; exec sleep 600`;
  await agent.does(["worker", "start", "quiet", "--runner", "shell"], quiet);
  await isReady(p, "quiet");
  await agent.does(["worker", "start", "stuck", "--runner", "shell"], "echo 'Log in?'; exec sleep 600");
  await p.until("it has asked", () => /Log in/.test(fileText(p, "sessions/stuck/output.log")));
  setConfig(p, { ready_timeout: 1, silent_after: 2 });
  await agent.wakes(["not_ready:stuck", "silent:quiet"]);
  setConfig(p, {});
  for (const id of ["quiet", "stuck"]) {
    await agent.does(["worker", "kill", id]);
    await endedWorker(p, id);
  }
  await agent.sleeps();
}

async function flappingSensor(p: TestProfile, agent: Agent): Promise<void> {
  const script = `#!/usr/bin/env bash
[ -e reports/steady ] || echo x >>"$HOME/ticks"
printf '{"signal":%d}\\n' "$(wc -l <"$HOME/ticks")"
`;
  await agent.does(["sensor", "write", "clock"], script);
  const signal = "signal:sensor-clock";
  await agent.wakes([signal, "flapping:sensor-clock"], [signal]);
  await passBeats(p, 2);
  await agent.sleeps();
  put(p, "reports/steady", "");
  await agent.wakes([signal]);
  await agent.does(["sensor", "remove", "clock"]);
  await p.until("it is gone", () => !("sensor-clock" in published(p).snapshots));
  await agent.sleeps();
  put(p, "sensors/broken.sh", "#!/bin/sh\necho 'no token' >&2; exit 3\n", 0o700);
  await agent.wakes(["signal:sensor-broken"]);
}

async function badFiles(p: TestProfile, agent: Agent): Promise<void> {
  put(p, "asks/x-1.json", "{");
  await agent.wakes([`bad_file:${p.path("asks/x-1.json")}`]);
  Deno.removeSync(p.path("asks/x-1.json"));
  await passBeats(p, 1);
  await agent.sleeps();
  put(p, "config.json", '{ "interval": }\n');
  await agent.wakes(["config"]);
  setConfig(p, {});
  await p.until("it is read", () => published(p).bad_files.length === 0);
  await agent.sleeps();
}

async function time(agent: Agent): Promise<void> {
  const at = new Date(Date.now() + 4_000).toISOString().slice(0, 19);
  await agent.does(["schedule", "write", "tea", "--at", at, "--zone", "UTC", "Look at the queue"]);
  await agent.wakes(["schedule:tea"]);
}

/** The pulse is killed and started again, which is no news; then it is stopped; then a person ends the loop. */
async function pulse(p: TestProfile, agent: Agent): Promise<void> {
  await crashPulse(p);
  put(p, "goals/ship.md", "Ship the release on Monday.\n");
  await agent.wakes(["goal:ship"]);
  await agent.sleeps();
  const pid = pulsePid(p);
  Deno.kill(pid, "SIGSTOP");
  agent.isStopped = true;
  try {
    await agent.wakes(["pulse_stalled"]);
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
  await passBeats(p, 2);
  agent.isStopped = false;
  await agent.sleeps();
  await p.ok("down");
  await agent.wakes(["down"]);
}
