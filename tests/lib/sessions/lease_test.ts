import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import {
  acquireLease,
  listLeases,
  reapLeases,
  releaseLease,
  releaseLeasesOf,
} from "../../../lib/sessions/lease.ts";
import { type Profile, profileAt } from "../../../lib/paths.ts";
import { type Identity, identityOf } from "../../../lib/process/identity.ts";

const FIXTURE = new URL("../../fixtures/claim_racer.ts", import.meta.url).pathname;
const ROUNDS = 60;
const RACERS = 4;

/** A profile with sessions made of files; `alive` ones name this process. */
class Leases implements AsyncDisposable {
  readonly profile: Profile;
  readonly #self: Identity;

  private constructor(dir: string, self: Identity) {
    this.profile = profileAt(dir);
    this.#self = self;
  }

  static async make(): Promise<Leases> {
    const self = await identityOf(Deno.pid);
    ok(self !== undefined);
    return new Leases(await Deno.makeTempDir({ prefix: "looop lease " }), self);
  }

  session(id: string, how: "alive" | "ended" | "lost" | "recycled", gen = "g1"): void {
    const { pid, start, boot } = this.#self;
    const dir = `${this.profile.sessions}/${id}`;
    Deno.mkdirSync(dir, { recursive: true });
    Deno.writeTextFileSync(`${dir}/meta.json`, JSON.stringify({ id, gen, started_at: 5 }));
    Deno.writeTextFileSync(
      `${dir}/sup`,
      how === "recycled"
        ? `${pid} 1 ${boot}`
        : how === "lost"
        ? `999999999 1 ${boot}`
        : `${pid} ${start} ${boot}`,
    );
    const state = how === "ended" ? "exited" : "running";
    Deno.writeTextFileSync(`${dir}/status.json`, JSON.stringify({ state, exit_code: 0, last_change: 6 }));
  }

  claim(name: string, session: string): Promise<string> {
    return acquireLease(this.profile, name, session, Date.now());
  }

  write(name: string, lease: unknown): void {
    Deno.mkdirSync(this.profile.claims, { recursive: true });
    const text = typeof lease === "string" ? lease : JSON.stringify(lease);
    Deno.writeTextFileSync(`${this.profile.claims}/${name}.json`, text);
  }

  holder(name: string): string {
    return JSON.parse(Deno.readTextFileSync(`${this.profile.claims}/${name}.json`)).session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.profile.dir, { recursive: true });
  }
}

/** Races processes for {@link ROUNDS} names; returns who won each. */
async function race(leases: Leases): Promise<string[][]> {
  const startAt = Date.now() + 600;
  const racers = Array.from({ length: RACERS }, (_, n) => {
    leases.session(`racer-${n}`, "alive");
    return new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        "--no-check",
        FIXTURE,
        leases.profile.dir,
        `racer-${n}`,
        `${ROUNDS}`,
        `${startAt}`,
      ],
      stderr: "piped",
    }).output();
  });
  const winners: string[][] = Array.from({ length: ROUNDS }, () => []);
  for (const [n, { success, stdout, stderr }] of (await Promise.all(racers)).entries()) {
    ok(success, new TextDecoder().decode(stderr));
    for (const line of new TextDecoder().decode(stdout).trim().split("\n").filter((line) => line !== "")) {
      winners[Number(/race-(\d+)/.exec(line)?.[1])]?.push(`racer-${n} ${line.split(" ")[1]}`);
    }
  }
  return winners;
}

Deno.test("given a free name, when processes race for it many times over, then exactly one wins each time", async () => {
  await using leases = await Leases.make();
  for (const [round, won] of (await race(leases)).entries()) {
    strictEqual(won.length, 1, `round ${round}: ${won.join(", ") || "nobody"}`);
    strictEqual(`${leases.holder(`race-${round}`)} acquired`, won[0]);
  }
});

Deno.test("given a lease of an ended session, when processes race for it many times over, then exactly one takes it over", async () => {
  await using leases = await Leases.make();
  leases.session("dead", "ended");
  for (let n = 0; n < ROUNDS; n++) {
    leases.write(`race-${n}`, { v: 1, session: "dead", name: `race-${n}`, ts: 1, gen: "g1" });
  }
  for (const [round, won] of (await race(leases)).entries()) {
    strictEqual(won.length, 1, `round ${round}: ${won.join(", ") || "nobody"}`);
    strictEqual(`${leases.holder(`race-${round}`)} taken_over`, won[0]);
  }
});

Deno.test("given holders of every kind, when another claims, then only a living or unknown one keeps the lease", async () => {
  await using leases = await Leases.make();
  leases.session("me", "alive");
  const cases: ["alive" | "ended" | "lost" | "recycled", boolean][] = [
    ["alive", true],
    ["ended", false],
    ["lost", false],
    ["recycled", false],
  ];
  for (const [how, keeps] of cases) {
    leases.session(`holder-${how}`, how);
    leases.write(how, { v: 1, session: `holder-${how}`, name: how, ts: 1, gen: "g1" });
    if (keeps) await rejects(leases.claim(how, "me"), new RegExp(`held by "holder-${how}"`));
    else strictEqual(await leases.claim(how, "me"), "taken_over");
  }
});

Deno.test("given a holder whose id was used again, when another claims, then the old generation's lease is free", async () => {
  await using leases = await Leases.make();
  leases.session("me", "alive");
  leases.session("w", "alive", "g1");
  strictEqual(await leases.claim("task", "w"), "acquired");
  leases.session("w", "alive", "g2");
  strictEqual(await leases.claim("task", "me"), "taken_over");
});

Deno.test("given a worker that claims twice, when it asks again, then it holds the lease already", async () => {
  await using leases = await Leases.make();
  leases.session("w", "alive");
  deepStrictEqual([await leases.claim("task", "w"), await leases.claim("task", "w")], ["acquired", "held"]);
});

Deno.test("given a holder whose record cannot be read, when others claim or leases are reaped, then it keeps its lease", async () => {
  await using leases = await Leases.make();
  leases.session("me", "alive");
  leases.session("w", "alive");
  await leases.claim("task", "w");
  Deno.writeTextFileSync(`${leases.profile.sessions}/w/meta.json`, "{");
  await rejects(leases.claim("task", "me"), /held by "w"/);
  await rejects(releaseLease(leases.profile, "task", "me", Date.now()), /held by "w"/);
  deepStrictEqual(await reapLeases(leases.profile, Date.now()), []);
  strictEqual(leases.holder("task"), "w");
});

Deno.test("given leases of ended, living and unknown holders, when they are reaped, then only the ended ones go", async () => {
  await using leases = await Leases.make();
  for (const how of ["alive", "ended", "lost", "recycled"] as const) {
    leases.session(how, how);
    leases.write(how, { session: how, name: how, ts: 1, gen: "g1" });
  }
  leases.write("old-run", { session: "alive", name: "old-run", ts: 1, gen: "g0" });
  leases.write("human", { session: "human", name: "human" });
  leases.write("broken", "{");
  const reaped = await reapLeases(leases.profile, Date.now());
  deepStrictEqual(reaped.map((lease) => lease.name).sort(), ["ended", "lost", "old-run", "recycled"]);
  const { leases: left, bad } = listLeases(leases.profile);
  deepStrictEqual(left.map((lease) => lease.name).sort(), ["alive", "human"]);
  deepStrictEqual(bad.map((file) => file.path), [`${leases.profile.claims}/broken.json`]);
});

Deno.test("given a claim that cannot be read, when it is claimed or given back, then that is refused and the file stays", async () => {
  await using leases = await Leases.make();
  leases.session("w", "alive");
  leases.write("task", "half a");
  await rejects(leases.claim("task", "w"), /Claim "task" cannot be read/);
  await rejects(releaseLease(leases.profile, "task", "w", Date.now()), /cannot be read/);
  strictEqual(Deno.readTextFileSync(`${leases.profile.claims}/task.json`), "half a");
});

Deno.test("given leases, when they are given back, then the holder may, others may not, and a dead holder's may go", async () => {
  await using leases = await Leases.make();
  leases.session("w", "alive");
  leases.session("me", "alive");
  leases.session("dead", "ended");
  await leases.claim("task", "w");
  leases.write("stale", { session: "dead", name: "stale", ts: 1, gen: "g1" });
  const release = (name: string, session: string) => releaseLease(leases.profile, name, session, Date.now());
  await rejects(release("task", "me"), /held by "w"/);
  strictEqual(await release("task", "w"), true);
  strictEqual(await release("task", "w"), false);
  strictEqual(await release("stale", "me"), true);
});

Deno.test("given a session that ends, when its leases are freed, then those of its generation go and others stay", async () => {
  await using leases = await Leases.make();
  leases.write("a", { session: "w", name: "a", ts: 1, gen: "g1" });
  leases.write("b", { session: "w", name: "b" });
  leases.write("c", { session: "w", name: "c", ts: 1, gen: "g2" });
  leases.write("d", { session: "x", name: "d", ts: 1, gen: "g1" });
  deepStrictEqual((await releaseLeasesOf(leases.profile, "w", "g1")).sort(), ["a", "b"]);
  deepStrictEqual(listLeases(leases.profile).leases.map((lease) => lease.name).sort(), ["c", "d"]);
});
