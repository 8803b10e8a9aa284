/**
 * Thousands of questions and answers from many processes that are killed at random, while the pulse and workers are
 * killed, too. Most processes use lib/records/mailbox.ts. A worker asks the other questions, in turn through the pulse
 * and through the binary; `LOOOP_TORTURE=shim` or `=binary` restricts it to one of them.
 */
import { BY_BINARY, Caller, HOLD, startWorker } from "../workers.ts";
import { FULL, type Lab, type LabProfile, namesIn, openLab, pause, Tally, textAt } from "./lab.ts";

const ASKERS = FULL ? 10 : 4;
const ANSWERERS = 3;
const PAIRS = FULL ? 10_000 : 160;
const WORKER_PAIRS = FULL ? 100 : 6;
/** The way of a worker's questions. */
const WAY = Deno.env.get("LOOOP_TORTURE") ?? "both";
const DEADLINE_MS = FULL ? 290_000 : 28_000;
const KILL_EVERY_MS = FULL ? 600 : 400;

/** Asks, answers and kills. */
export async function mailboxTorture(): Promise<Tally> {
  const tally = new Tally("mailbox", [
    "lost",
    "half-read",
    "acknowledged but absent",
    "two effects",
    "wrong answers",
    "not in time",
  ]);
  await using lab: Lab = await openLab();
  const p = await lab.profile();
  await p.ok("up");
  const logs = `${p.base}/logs`;
  await Deno.mkdir(logs);
  const fleet = new Fleet(p, logs, tally);
  const started = performance.now();
  const worker = throughWorker(p, tally);
  const done = await fleet.run(started + DEADLINE_MS);
  await worker;
  tally.add("seconds", Math.round((performance.now() - started) / 1000));
  tally.demand(done, "not in time", `the askers were not through after ${DEADLINE_MS / 1000} s`);
  await p.run("down");
  audit(p, logs, done, tally);
  return tally;
}

/** The processes of the torture. Each is started again after a kill until the askers are done. */
class Fleet {
  readonly #p: LabProfile;
  readonly #logs: string;
  readonly #tally: Tally;
  readonly #children = new Map<string, Deno.ChildProcess>();
  readonly #through = new Set<string>();

  constructor(p: LabProfile, logs: string, tally: Tally) {
    this.#p = p;
    this.#logs = logs;
    this.#tally = tally;
  }

  async run(deadline: number): Promise<boolean> {
    const names = [
      ...Array.from({ length: ASKERS }, (_, i) => `a${i}`),
      ...Array.from({ length: ANSWERERS }, (_, i) => `r${i}`),
    ];
    const ended = names.map((name) => this.#keep(name, deadline));
    while (this.#through.size < ASKERS && performance.now() < deadline) {
      await pause(KILL_EVERY_MS * (0.5 + Math.random()));
      await this.#killOne();
    }
    for (const child of this.#children.values()) stop(child);
    await Promise.all(ended);
    return this.#through.size === ASKERS;
  }

  /** Runs one process again and again. */
  async #keep(name: string, deadline: number): Promise<void> {
    while (performance.now() < deadline && this.#through.size < ASKERS && !this.#through.has(name)) {
      const role = name.startsWith("a") ? "ask" : "answer";
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-A",
          "--quiet",
          "--no-check",
          new URL("./torture_worker.ts", import.meta.url).pathname,
          role,
          this.#p.profile.dir,
          `${this.#logs}/${name}`,
          name,
          String(PAIRS / ASKERS),
        ],
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      this.#children.set(name, child);
      const { code, signal, stderr } = await child.output();
      if (code === 0) this.#through.add(name);
      else if (signal === null) {
        this.#tally.fault("lost", `${name} broke: ${new TextDecoder().decode(stderr)}`);
      }
    }
  }

  async #killOne(): Promise<void> {
    const dice = Math.random();
    if (dice < 0.06) {
      const { pid } = JSON.parse(textAt(this.#p.path(".pulse.json")) || "{}");
      if (pid > 0) {
        try {
          Deno.kill(pid, "SIGKILL");
          this.#tally.add("pulses killed");
        } catch {
          // It is dead already.
        }
      }
      await this.#p.run("up");
      return;
    }
    const names = [...this.#children.keys()].filter((name) => !this.#through.has(name));
    const name = names[Math.floor(Math.random() * names.length)];
    const child = name === undefined ? undefined : this.#children.get(name);
    if (child === undefined) return;
    if (stop(child)) this.#tally.add("processes killed");
  }
}

/** Kills a process; false if it had already ended. */
function stop(child: { kill(signal: Deno.Signal): void }): boolean {
  try {
    child.kill("SIGKILL");
    return true;
  } catch {
    return false;
  }
}

/**
 * A worker asks through the pulse or through the binary. Some calls are killed while they wait, and made again. Answers
 * go through the binary.
 */
async function throughWorker(p: LabProfile, tally: Tally): Promise<void> {
  await startWorker(p, "b", HOLD);
  const worker = new Caller(p, "b");
  const start = (n: number, argv: string[]) =>
    worker.start(argv, WAY === "binary" || WAY === "both" && n % 2 === 1 ? BY_BINARY : {});
  for (let n = 0; n < WORKER_PAIRS; n++) {
    const prompt = `worker's question ${n}`;
    const argv = ["_", "ask", "b", "--prompt", prompt];
    if (n % 3 === 0) {
      const first = start(n, argv);
      await pause(Math.random() * 150);
      // The answerers of the torture may have been faster.
      if (stop(first)) tally.add("processes killed");
      await first.result;
    }
    const asking = start(n + Number(n % 4 > 1), argv);
    const id = await idOf(p, prompt);
    const answers = await Promise.all(
      ["one", "two"].map((text) => p.run("_", "answer", id, `${prompt} / ${text}`)),
    );
    const won = answers.findIndex((reply) => reply.code === 0);
    if (answers.filter((reply) => reply.code === 0).length > 1) {
      // The answerers of the torture may win instead, but two answers must not both succeed.
      tally.fault("two effects", `${id} was answered twice`);
    }
    const { code, stdout } = await asking.result;
    const right = code === 0 && stdout.startsWith(`${prompt} / `) &&
      (won < 0 || stdout === `${prompt} / ${["one", "two"][won]}\n`);
    tally.demand(right, "wrong answers", `${id}: exits ${code}, ${stdout}`);
    tally.add("pairs of a worker");
  }
}

/** The id of a worker's question, pending or archived; fails if it is not asked in time. */
async function idOf(p: LabProfile, prompt: string): Promise<string> {
  let id = "";
  await p.until(`it is asked: ${prompt}`, () => (id = textOf(p, prompt)) !== "", 60);
  return id;
}

/** The id of a question on disk, "" if it is not there. */
function textOf(p: LabProfile, prompt: string): string {
  const months = namesIn(p.path("asks/archive")).map((month) => `asks/archive/${month}`);
  for (const dir of ["asks", ...months]) {
    for (const name of namesIn(p.path(dir)).filter((file) => /^b-\d+\.json$/.test(file))) {
      if (textAt(p.path(`${dir}/${name}`)).includes(JSON.stringify(prompt))) return name.slice(0, -5);
    }
  }
  return "";
}

/** Compares the logs of the processes with what is on disk. */
function audit(p: LabProfile, logs: string, done: boolean, tally: Tally): void {
  const archive = p.path("asks/archive");
  const months = namesIn(archive);
  const answerOf = (id: string) => {
    const places = [
      p.path(`answers/${id}.json`),
      ...months.map((month) => `${archive}/${month}/${id}.answer.json`),
    ];
    const text = places.map(textAt).find((found) => found !== "");
    return text === undefined ? undefined : JSON.parse(text).answer as string;
  };
  const acknowledged = new Map<string, string>();
  const delivered = new Map<string, { id: string; answer: string }>();
  for (const name of namesIn(logs)) {
    for (const line of textAt(`${logs}/${name}`).split("\n").filter((text) => text.startsWith("{"))) {
      const entry = JSON.parse(line);
      if ("bad" in entry) tally.fault("half-read", `${entry.bad}: ${entry.reason}`);
      else if ("text" in entry) {
        tally.add("answers acknowledged");
        if (acknowledged.has(entry.id)) tally.fault("two effects", `${entry.id} was acknowledged twice`);
        acknowledged.set(entry.id, entry.text);
      } else {
        tally.add("deliveries");
        const before = delivered.get(entry.prompt);
        if (before !== undefined && (before.id !== entry.id || before.answer !== entry.answer)) {
          tally.fault("two effects", `"${entry.prompt}" was ${before.id} and ${entry.id}`);
        }
        delivered.set(entry.prompt, entry);
        if (!entry.answer.startsWith(`${entry.prompt} / `)) {
          tally.fault("wrong answers", JSON.stringify(entry));
        }
      }
    }
  }
  tally.add("pairs", delivered.size);
  // Askers that the deadline has stopped have not asked all questions; "not in time" counts those.
  const lost = done ? PAIRS - delivered.size : 0;
  if (lost > 0) tally.fault("lost", `${lost} questions were never given their answer`);
  for (const [id, text] of acknowledged) {
    const there = answerOf(id);
    if (there !== text) {
      tally.fault("acknowledged but absent", `${id}: "${text}" was acknowledged, there is "${there}"`);
    }
  }
}
