import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type Profile, profileAt } from "../../../lib/paths.ts";
import { identityOf, ownIdentity } from "../../../lib/process/identity.ts";
import { metaText, runningStatusText, statusPath } from "../../../lib/sessions/session.ts";
import { makeDir, replaceFile, settledStamp, STAMP_SETTLES_MS } from "../../../lib/store.ts";
import { isoSeconds } from "../../../lib/text/time.ts";
import { type PulseRecord, setWanted, writePulse } from "../../../lib/world/pulse_record.ts";
import { look } from "../../../lib/world/state.ts";
import { emptyWorld } from "../../../lib/world/world.ts";

/** A moment at which all changes so far have settled. */
const later = () => Date.now() + 2 * STAMP_SETTLES_MS;

/**
 * A published data dir with one running worker, whose supervisor is a sleeping process. The worker's runner is `published`
 * in the published world and `disk` on disk, which shows where it was read.
 */
class Published implements AsyncDisposable {
  readonly #base = Deno.makeTempDirSync({ prefix: "looop sign " });
  readonly profile: Profile = profileAt(`${this.#base}/data`);
  readonly supervisor = new Deno.Command("sleep", { args: ["600"] }).spawn();

  static async make(): Promise<Published> {
    const made = new Published();
    await made.#write();
    return made;
  }

  async #write(): Promise<void> {
    const { profile, supervisor } = this;
    const w1 = `${profile.sessions}/w1`;
    for (const dir of [profile.lockDir, profile.asks, profile.answers, w1]) makeDir(dir);
    const started = Date.now() / 1000;
    const meta = {
      v: 1 as const,
      id: "w1",
      gen: "g1",
      cmd: [],
      babysit_pid: 0,
      started_at: started,
      cwd: "/",
    };
    replaceFile(`${w1}/meta.json`, metaText({ ...meta, runner: "disk" }));
    replaceFile(`${w1}/status.json`, runningStatusText(Date.now()));
    const identity = await identityOf(supervisor.pid);
    replaceFile(`${w1}/sup`, `${identity?.pid} ${identity?.start} ${identity?.boot}\n`);
    setWanted(profile, true, Date.now(), "text");
    await this.pulse({});
    const view = {
      id: "w1",
      state: "running" as const,
      alive: true,
      exit_code: null,
      ready: false,
      idle_s: 0,
    };
    const worker = { ...view, runner: "published", started: isoSeconds(started * 1000), gen: "g1" };
    const status = settledStamp(statusPath(profile, "w1"), later()) ?? "";
    const fleet = { dir_mtime: 0, workers: [worker], live: { w1: { pid: supervisor.pid, status } } };
    const world = { ...emptyWorld(), beat: 1, published_at: Date.now(), fleet };
    replaceFile(profile.world, `${JSON.stringify(world)}\n`);
  }

  /** Writes the record of a pulse that names this process. */
  async pulse(changes: Partial<PulseRecord>): Promise<void> {
    const text = {
      home: "",
      dir: this.profile.dir,
      version: "",
      exe: "",
      path: "",
      failing: "",
      warnings: [],
    };
    const sign = { beat: 1, uptime_s: Deno.osUptime(), interval_s: 60, ready: true, started_at: Date.now() };
    writePulse(this.profile, { v: 1, ...await ownIdentity(), ...text, ...sign, ...changes });
  }

  /** Runner, state and readiness of the worker in the state. */
  async shown(): Promise<unknown[]> {
    const { workers } = await look(this.profile, later());
    return workers.flatMap(({ runner, state, ready }) => [runner, state, ready]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.supervisor.kill("SIGKILL");
    } catch {
      // The test has ended it.
    }
    await this.supervisor.status;
    await Deno.remove(this.#base, { recursive: true });
  }
}

Deno.test("given a running worker that a living pulse has published, when the state is read, then the worker's files are not read", async () => {
  await using published = await Published.make();
  deepStrictEqual(await published.shown(), ["published", "running", false]);
});

const CHANGES: Readonly<Record<string, [(made: Published) => Promise<unknown> | void, unknown[]]>> = {
  "its end is written down": [
    ({ profile }) => {
      const status = { state: "exited", exit_code: 0, last_change: "2026-01-01T00:00:00Z", ended_by: "self" };
      replaceFile(statusPath(profile, "w1"), JSON.stringify(status));
    },
    ["disk", "exited", false],
  ],
  "it says that it has begun": [
    ({ profile }) => replaceFile(`${profile.sessions}/w1/ready`, ""),
    ["disk", "running", true],
  ],
  "its supervisor is killed": [
    ({ supervisor }) => {
      supervisor.kill("SIGKILL");
      return supervisor.status;
    },
    ["disk", "lost", false],
  ],
  "the pulse has not published yet": [(made) => made.pulse({ ready: false }), ["disk", "running", false]],
  "the pulse is dead": [(made) => made.pulse({ start: "1" }), ["disk", "running", false]],
  "the pulse is stalled": [
    (made) => made.pulse({ uptime_s: Deno.osUptime() - 600 }),
    ["disk", "running", false],
  ],
  "the pulse cannot publish": [(made) => made.pulse({ failing: "disk full" }), ["disk", "running", false]],
};

for (const [what, [change, shown]] of Object.entries(CHANGES)) {
  Deno.test(`given a published worker, when ${what}, then the state is that of its files`, async () => {
    await using published = await Published.make();
    await change(published);
    deepStrictEqual(await published.shown(), shown);
  });
}

Deno.test("given a published worker that has another status in the same moment, when the state is read, then the worker's files are read", async () => {
  await using published = await Published.make();
  const writtenMs = Deno.statSync(statusPath(published.profile, "w1")).mtime?.getTime() ?? 0;
  const { workers } = await look(published.profile, writtenMs);
  strictEqual(workers[0]?.runner, "disk");
});
