import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { SUPERVISOR } from "../../../lib/sessions/supervisor.ts";
import { readAllProcesses, readMarked } from "../../../lib/process/table.ts";
import { delay } from "../../../lib/process/tree.ts";
import { quietText } from "../../../lib/store.ts";

/** The installed shells that are `sh` on some machines. */
const SHELLS: readonly (readonly string[])[] = [["dash"], ["bash", "--posix"], ["busybox", "sh"], [
  "zsh",
  "--emulate",
  "sh",
]]
  .filter(([name = ""]) =>
    new Deno.Command("sh", { args: ["-c", `command -v ${name}`] }).outputSync().success
  );

/** A session's folder in its own data dir, with its supervisor. */
class Supervised implements AsyncDisposable {
  readonly gen = crypto.randomUUID();
  readonly dir: string;
  child!: Deno.ChildProcess;

  constructor(readonly base: string) {
    this.dir = `${base}/sessions/w`;
    Deno.mkdirSync(this.dir, { recursive: true });
    Deno.writeTextFileSync(`${this.dir}/meta.json`, "{}\n");
    Deno.writeTextFileSync(`${this.dir}/output.log`, "");
  }

  start(command: string, shell: readonly string[] = ["sh"], env: Record<string, string> = {}): this {
    const [exe = "", ...first] = shell;
    this.child = new Deno.Command(exe, {
      args: [...first, "-c", SUPERVISOR, "looop-supervisor", this.dir, "../../.poke", this.base],
      env: { LOOOP_WORKER_CMD: command, LOOOP_WORKER_ID: "w", LOOOP_WORKER_GEN: this.gen, ...env },
      detached: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    return this;
  }

  text(name: string): string {
    return quietText(`${this.dir}/${name}`) ?? "";
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (!await holds()) {
      if (performance.now() > deadline) throw new Error(`not within 20 s: ${what}`);
      await delay(20);
    }
  }

  /** Processes of this run, including its supervisor's. */
  async processes(): Promise<number[]> {
    const table = await readAllProcesses();
    const marked = [
      ...await readMarked([`LOOOP_WORKER_GEN=${this.gen}`]),
      ...await readMarked([`LOOOP_SESSION_GEN=${this.gen}`]),
    ];
    return marked.filter((pid) => (table.processes.get(pid)?.state ?? "Z") !== "Z");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of await this.processes()) killIfThere(pid);
    await this.child.status;
    await Deno.remove(this.base, { recursive: true });
  }
}

function killIfThere(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It ended with a process that was killed before it.
  }
}

async function supervised(): Promise<Supervised> {
  return new Supervised(await Deno.realPath(await Deno.makeTempDir({ prefix: "looop sup " })));
}

for (const shell of SHELLS) {
  Deno.test(`given ${shell[0]} as the machine's sh, when an agent runs and ends, then everything is recorded and no process is left`, async () => {
    await using s = await supervised();
    s.start('pwd; umask; tty >/dev/null && read -r line; echo "read $?"; exit 7', shell);
    await s.until("it runs", () => s.text("status.json").includes("running"));
    match(s.text("sup"), /^\d+ \S+ \S+ \S+ \S+ (locked|-)\n$/);
    match(s.text("program"), /^\d+ \S+ \S+ \S+ \S+\n$/);
    const running = JSON.parse(s.text("status.json"));
    strictEqual(running.child_pid, parseInt(s.text("program")));
    match(running.last_change, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    await delay(300);
    strictEqual(s.text("status.json"), `${JSON.stringify(running)}\n`, "its terminal's input does not end");
    Deno.kill(running.child_pid, "SIGTERM");
    await s.child.status;
    const { state, exit_code, child_pid, ended_by } = JSON.parse(s.text("status.json"));
    deepStrictEqual([state, exit_code, child_pid, ended_by], ["exited", 143, null, "crash"]);
    ok(s.text("output.log").startsWith(s.base), "it started where it was told to");
    match(s.text("output.log"), /\r\n0*22\r\n/, "with its caller's umask");
    deepStrictEqual(await s.processes(), []);
    const names = [...Deno.readDirSync(s.dir)].map((entry) => entry.name).sort();
    deepStrictEqual(names, ["lock", "meta.json", "output.log", "program", "status.json", "sup"]);
  });
}

Deno.test("given a supervisor killed with -9, when its agent ends later, then what kept the terminal open ends too", async () => {
  await using s = await supervised();
  s.start("sleep 600");
  await s.until("it runs", () => s.text("program") !== "");
  Deno.kill(s.child.pid, "SIGKILL");
  await s.child.status;
  const agent = parseInt(s.text("program"));
  await delay(300);
  ok((await s.processes()).includes(agent), "no end of file has reached the agent");
  Deno.kill(agent, "SIGTERM");
  await s.until("nobody is left", async () => (await s.processes()).length === 0);
});

for (const [code, by] of [[0, "self"], [1, "self"], [127, "self"], [128, "crash"], [255, "crash"]] as const) {
  Deno.test(`given an agent, when it exits with ${code}, then it has ended by ${by}`, async () => {
    await using s = await supervised();
    s.start(`exit ${code}`);
    await s.child.status;
    const { exit_code, ended_by } = JSON.parse(s.text("status.json"));
    deepStrictEqual([exit_code, ended_by], [code, by]);
  });
}

Deno.test("given a PATH whose folder is removed while an agent runs, when the agent ends, then its end is written", async () => {
  await using s = await supervised();
  const tools = `${s.base}/tools`;
  await new Deno.Command("sh", { args: ["-c", 'mkdir "$0" && ln -s /usr/bin/* "$0"', tools] }).output();
  s.start('until [ -e "$GO" ]; do /bin/sleep 0.1; done; exit 3', ["sh"], { PATH: tools, GO: `${s.base}/go` });
  await s.until("it runs", () => s.text("program") !== "");
  Deno.removeSync(tools, { recursive: true });
  Deno.writeTextFileSync(`${s.base}/go`, "");
  await s.until("it is written", () => s.text("status.json").includes("exited"));
  strictEqual(JSON.parse(s.text("status.json")).exit_code, 3);
});

Deno.test("given a data dir that is moved while an agent runs, when the agent ends, then its end is written where the folder is", async () => {
  await using s = await supervised();
  s.start('until [ -e "$GO" ]; do sleep 0.05; done; exit 3', ["sh"], { GO: `${s.base}/moved/go` });
  await s.until("it runs", () => s.text("program") !== "");
  Deno.mkdirSync(`${s.base}/moved`);
  Deno.renameSync(`${s.base}/sessions`, `${s.base}/moved/sessions`);
  Deno.writeTextFileSync(`${s.base}/moved/go`, "");
  await s.child.status;
  strictEqual(JSON.parse(Deno.readTextFileSync(`${s.base}/moved/sessions/w/status.json`)).exit_code, 3);
  strictEqual(Deno.readTextFileSync(`${s.base}/moved/.poke`), "\n");
});

Deno.test("given a running agent, when the lock is asked for, then it is held by the supervisor and not by the agent", async () => {
  if (!new Deno.Command("sh", { args: ["-c", "command -v flock"] }).outputSync().success) {
    return void Deno.stderr.writeSync(new TextEncoder().encode("skipped: there is no flock(1)\n"));
  }
  await using s = await supervised();
  const isFree = () =>
    new Deno.Command("flock", { args: ["-n", "-s", `${s.dir}/lock`, "true"] }).outputSync().success;
  s.start("sleep 600");
  await s.until("it runs", () => s.text("program") !== "");
  match(s.text("sup"), / locked\n$/);
  strictEqual(isFree(), false);
  Deno.kill(s.child.pid, "SIGKILL");
  await s.child.status;
  strictEqual(isFree(), true, "though the agent and its terminal live on");
});

Deno.test("given a status that an agent has made a folder, and a poke that is a FIFO, when it ends, then its end is written all the same", async () => {
  await using s = await supervised();
  await new Deno.Command("mkfifo", { args: [`${s.base}/.poke`] }).output();
  s.start("cd sessions/w; rm status.json; mkdir -p status.json/x; exit 4");
  await s.child.status;
  strictEqual(JSON.parse(s.text("status.json")).exit_code, 4);
});

Deno.test("given an end with unknown words, when the agent exits, then no record has the words", async () => {
  await using s = await supervised();
  s.start(`echo 'killed "},{"' >sessions/w/end; exit 5`);
  await s.child.status;
  const { state, exit_code, ended_by } = JSON.parse(s.text("status.json"));
  deepStrictEqual([state, exit_code, ended_by], ["exited", 5, "self"]);
});
