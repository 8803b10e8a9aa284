import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Profile, profileAt } from "../../../lib/paths.ts";
import { identityOf, parseIdentity } from "../../../lib/process/identity.ts";
import {
  findSession,
  listSessionIds,
  readFleet,
  readSession,
  recordEnd,
  sessionOf,
  type SessionRecord,
  writeFinalStatus,
} from "../../../lib/sessions/session.ts";
import { markReady } from "../../../lib/sessions/run_files.ts";
import { stranger } from "../../workers.ts";

const NOW = 1_800_000_000_000;
const SUP = { pid: 4242, start: "77", boot: "b" };

function record(more: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: "w",
    dir: "/none",
    meta: {
      v: 1,
      id: "w",
      gen: "g",
      cmd: [],
      babysit_pid: 0,
      started_at: NOW / 1000 - 60,
      runner: "shell",
      cwd: "/",
    },
    status: { state: "running", exit_code: null, last_change: NOW / 1000 - 60 },
    lock: undefined,
    supervisor: SUP,
    program: undefined,
    end: undefined,
    ready: false,
    lastOutput: NOW - 5_000,
    ...more,
  };
}

const ended = (state: string, exit_code: number | null, ended_by?: string) => ({
  state,
  exit_code,
  last_change: NOW / 1000 - 1,
  ...(ended_by === undefined ? {} : { ended_by }),
});

Deno.test("given records and living processes, when a state is computed, then it is never guessed from a bare pid", () => {
  const young = { ...record().meta, started_at: NOW / 1000 - 2 };
  const cases: [string, Partial<SessionRecord>, boolean, unknown[]][] = [
    ["running", {}, true, ["running", true, null, undefined]],
    ["supervisor gone", {}, false, ["lost", false, null, "crash"]],
    ["supervisor gone, end recorded", { end: { state: "killed", by: "down" } }, false, [
      "lost",
      false,
      null,
      "down",
    ]],
    ["just started", { meta: young, supervisor: undefined, status: undefined }, false, [
      "starting",
      true,
      null,
      undefined,
    ]],
    ["supervisor up, agent not yet", { status: undefined }, true, ["starting", true, null, undefined]],
    ["never came up", { supervisor: undefined, status: undefined }, false, ["lost", false, null, "crash"]],
    [
      "clock set back by a day",
      {
        meta: { ...young, started_at: NOW / 1000 + 86_400 },
        supervisor: undefined,
        status: undefined,
      },
      false,
      ["lost", false, null, "crash"],
    ],
    ["ended well", { status: ended("exited", 0, "self") }, false, ["exited", false, 0, "self"]],
    ["ended badly", { status: ended("exited", 7, "crash") }, false, ["exited", false, 7, "crash"]],
    ["ended, the pid lives again", { status: ended("exited", 0, "self") }, true, [
      "exited",
      false,
      0,
      "self",
    ]],
    ["killed", { status: ended("killed", null, "root") }, false, ["killed", false, null, "root"]],
    ["killed, as 0.16 says it", { status: ended("killed", null) }, false, ["killed", false, null, undefined]],
  ];
  for (const [what, more, alive, want] of cases) {
    const { view } = sessionOf(record(more), { life: alive ? "alive" : "dead" }, NOW);
    deepStrictEqual([view.state, view.alive, view.exit_code, view.ended_by], want, what);
  }
});

Deno.test("given a session, when it is shown, then its times are UTC and its quiet is measured from the last output", () => {
  const { view } = sessionOf(record(), { life: "alive" }, NOW);
  strictEqual(view.started, "2027-01-15T07:59:00Z");
  strictEqual(view.idle_s, 5);
  strictEqual(sessionOf(record({ lastOutput: NOW + 9_000 }), { life: "alive" }, NOW).view.idle_s, 0);
  strictEqual(
    sessionOf(record({ status: ended("exited", 0) }), { life: "dead" }, NOW).view.ended,
    "2027-01-15T07:59:59Z",
  );
});

Deno.test("given identities on disk, when they are parsed, then only whole ones count", () => {
  deepStrictEqual(parseIdentity("12 345 boot-id\n"), { pid: 12, start: "345", boot: "boot-id" });
  deepStrictEqual(parseIdentity("12 Mon_Jan__1_10:00:00_2026 b"), {
    pid: 12,
    start: "Mon Jan 1 10:00:00 2026",
    boot: "b",
  });
  for (const bad of [undefined, "", "12", "12 345", "x 345 b", "0 345 b", "-1 345 b", "\n"]) {
    strictEqual(parseIdentity(bad), undefined, String(bad));
  }
});

async function withSession(run: (p: Profile, dir: string) => Promise<void>): Promise<void> {
  const base = await Deno.makeTempDir({ prefix: "looop session " });
  const p = profileAt(base);
  const dir = `${p.sessions}/w`;
  Deno.mkdirSync(dir, { recursive: true });
  Deno.writeTextFileSync(`${dir}/meta.json`, JSON.stringify({ id: "w", gen: "g1", started_at: 5 }));
  try {
    await run(p, dir);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

Deno.test("given a living stranger under a session's pid, when the fleet is read, then only a matching start and boot count", () =>
  withSession(async (p, dir) => {
    await using other = await stranger();
    const { pid, start, boot } = other.identity;
    Deno.writeTextFileSync(`${dir}/status.json`, '{"state":"running","exit_code":null,"last_change":5}');
    const stateWith = async (sup: string) => {
      Deno.writeTextFileSync(`${dir}/sup`, sup);
      return (await readFleet(p, NOW))[0]?.view.state;
    };
    strictEqual(await stateWith(`${pid} ${start} ${boot}\n`), "running");
    strictEqual(await stateWith(`${pid} ${Number(start) - 1} ${boot}\n`), "lost");
    strictEqual(await stateWith(`${pid} ${start} 00000000-0000-0000-0000-000000000000\n`), "lost");
    strictEqual(await stateWith(`999999999 ${start} ${boot}\n`), "lost");
    strictEqual(await stateWith("half a line"), "lost");
  }));

Deno.test("given files of a session that do not parse, when it is read, then the rest of it still counts", () =>
  withSession(async (p, dir) => {
    Deno.writeTextFileSync(`${dir}/status.json`, '{"state":');
    Deno.writeTextFileSync(`${dir}/sup`, "");
    strictEqual(readSession(p, "w")?.meta.gen, "g1");
    strictEqual((await findSession(p, "w", NOW))?.view.state, "lost");
    Deno.writeTextFileSync(`${dir}/meta.json`, "[]");
    strictEqual(readSession(p, "w"), undefined);
    deepStrictEqual(await readFleet(p, NOW), []);
  }));

Deno.test("given folders beside the workers', when sessions are listed, then the pulse, earlier runs and strays are not workers", () =>
  withSession((p) => {
    for (const name of ["pulse", "w~1", ".new-x-1", "a b"]) Deno.mkdirSync(`${p.sessions}/${name}`);
    Deno.writeTextFileSync(`${p.sessions}/file`, "");
    deepStrictEqual(listSessionIds(p), ["w"]);
    return Promise.resolve();
  }));

Deno.test("given two processes that end a session, when both record it, then the first record stays", () =>
  withSession(async (p, dir) => {
    const session = await findSession(p, "w", NOW);
    ok(session !== undefined);
    strictEqual(recordEnd(session, "exited", "self"), true);
    strictEqual(recordEnd(session, "killed", "down"), false);
    writeFinalStatus(session, NOW);
    const status = JSON.parse(Deno.readTextFileSync(`${dir}/status.json`));
    deepStrictEqual([status.state, status.exit_code, status.ended_by], ["exited", 0, "self"]);
    const view = (await findSession(p, "w", NOW))?.view;
    deepStrictEqual([view?.state, view?.exit_code, view?.ended_by], ["exited", 0, "self"]);
  }));

Deno.test("given a worker or a name without a session, when it calls back, then only the worker becomes ready", () =>
  withSession((p, dir) => {
    markReady(p, "w");
    markReady(p, "w");
    markReady(p, "ghost");
    ok(readSession(p, "w")?.ready);
    deepStrictEqual([...Deno.readDirSync(p.sessions)].map((entry) => entry.name), ["w"]);
    deepStrictEqual([...Deno.readDirSync(dir)].map((entry) => entry.name).sort(), ["meta.json", "ready"]);
    return Promise.resolve();
  }));

/** Acts as the supervisor does: it records the agent's end before it ends itself. */
const SUPERVISOR = `read -r _
echo '{"state":"exited","child_pid":0,"exit_code":0,"last_change":1,"ended_by":"self"}' >"$0/.status" &&
  mv "$0/.status" "$0/status.json"`;

Deno.test("given workers that end while they are looked at, when each look is compared, then none was ever lost", async () => {
  const base = await Deno.makeTempDir({ prefix: "looop fleet " });
  try {
    const profile = profileAt(`${base}/data`);
    const workers = await Promise.all(Array.from({ length: 24 }, async (_, n) => {
      const dir = `${profile.sessions}/w${n}`;
      await Deno.mkdir(dir, { recursive: true });
      const child = new Deno.Command("sh", { args: ["-c", SUPERVISOR, dir], stdin: "piped" }).spawn();
      const { pid, start, boot } = await identityOf(child.pid) ?? { pid: 0, start: "", boot: "" };
      await Deno.writeTextFile(`${dir}/sup`, `${pid} ${start} ${boot}\n`);
      await Deno.writeTextFile(`${dir}/status.json`, '{"state":"running","child_pid":0,"last_change":1}');
      await Deno.writeTextFile(`${dir}/meta.json`, JSON.stringify({ gen: "0", started_at: 1 }));
      return child;
    }));
    const seen = new Set<string>();
    for (const worker of workers) {
      // The end and a look each take some milliseconds, so it ends during one of the next looks.
      const closing = worker.stdin.close();
      const status = worker.status;
      let ended = false;
      status.then(() => ended = true);
      do {
        for (const { view } of await readFleet(profile, Date.now())) seen.add(view.state);
        // A look without a child process never yields to other tasks.
        await new Promise((resolve) => setTimeout(resolve));
      } while (!ended);
      await Promise.all([closing, status]);
    }
    deepStrictEqual([...seen].sort(), ["exited", "running"]);
    strictEqual((await readFleet(profile, Date.now())).every(({ view }) => view.state === "exited"), true);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});

Deno.test("given a worker whose supervisor records itself while it is looked at, when the looks are compared, then it was never lost", async () => {
  const base = await Deno.makeTempDir({ prefix: "looop fleet " });
  try {
    const profile = profileAt(`${base}/data`);
    const self = await identityOf(Deno.pid) ?? { pid: 0, start: "", boot: "" };
    const write = (id: string, name: string, text: string) =>
      Deno.writeTextFileSync(`${profile.sessions}/${id}/${name}`, text);
    // A reused pid makes each look start a child process, which takes two turns.
    for (const id of ["w", "recycled"]) {
      await Deno.mkdir(`${profile.sessions}/${id}`, { recursive: true });
      write(id, "meta.json", JSON.stringify({ gen: "0", started_at: Math.floor(Date.now() / 1000) }));
    }
    write("recycled", "sup", `${self.pid} 1 ${self.boot}\n`);
    write("recycled", "status.json", '{"state":"running","last_change":1}');
    const seen = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const looking = readFleet(profile, Date.now());
      // A look takes up to about this long, so the write falls into it.
      await new Promise((resolve) => setTimeout(resolve, round % 12));
      write("w", "sup", `${self.pid} ${self.start} ${self.boot}\n`);
      write("w", "status.json", '{"state":"running","last_change":1}');
      seen.add((await looking).find(({ view }) => view.id === "w")?.view.state ?? "none");
      for (const name of ["sup", "status.json"]) Deno.removeSync(`${profile.sessions}/w/${name}`);
    }
    strictEqual(seen.has("lost"), false, [...seen].join(", "));
    ok(seen.has("running") || seen.has("starting"));
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});

Deno.test("given a supervisor of unknown state, when its session is looked at, then it counts as alive and says why", () => {
  const unknown = sessionOf(record(), { life: "unknown", why: "elsewhere", lock: true }, NOW);
  deepStrictEqual(
    [unknown.view.state, unknown.view.alive, unknown.view.unknown, unknown.beyond],
    ["running", true, "elsewhere", "elsewhere"],
  );
  const held = sessionOf(record(), { life: "alive", beyond: "elsewhere" }, NOW);
  deepStrictEqual([held.view.alive, held.view.unknown, held.beyond], [true, undefined, "elsewhere"]);
  const over = sessionOf(
    record({ status: ended("exited", 0) }),
    { life: "unknown", why: "x", lock: true },
    NOW,
  );
  deepStrictEqual([over.view.alive, over.view.unknown, over.beyond], [false, undefined, undefined]);
});
