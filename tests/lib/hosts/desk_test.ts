import { match, strictEqual } from "node:assert/strict";
import { Desk } from "../../../lib/hosts/desk.ts";
import { parseLine } from "../../../lib/hosts/protocol.ts";
import { testProfile } from "../../looop.ts";

Deno.test("given a worker on a host that is being ended, when its supervisor dies first, then it is not lost but stopped again, and killed in the end", async () => {
  await using p = await testProfile();
  const dir = p.path("sessions/w1");
  Deno.mkdirSync(dir, { recursive: true });
  const meta = {
    v: 1,
    id: "w1",
    gen: "00c0ffee",
    cmd: [],
    started_at: 1,
    runner: "shell",
    cwd: "/",
    host: "gpu",
  };
  Deno.writeTextFileSync(`${dir}/meta.json`, JSON.stringify(meta));
  Deno.writeTextFileSync(`${dir}/status.json`, '{"state":"running","last_change":1}');
  Deno.writeTextFileSync(`${dir}/end`, "killed root\n");
  const host = {
    profile: p.profile,
    now: () => Date.now(),
    parse: () => Promise.reject(new Error("no call")),
  };
  const desk = new Desk({ ...host, changed: () => {}, warn: () => {} }, "gpu");
  const said: string[] = [];
  const hear = (text: string) => {
    const line = parseLine(text);
    if (typeof line === "string") throw new Error(line);
    strictEqual(desk.take(line, (reply) => said.push(reply)), true);
  };
  desk.opened();

  hear("w w1 00c0ffee lost - - - 0");
  await p.until("it is stopped", () => said.length > 0);
  match(said[0] ?? "", /^stop w1 00c0ffee killed root/);
  strictEqual(JSON.parse(p.read("sessions/w1/status.json")).state, "running");

  hear("w w1 00c0ffee killed - root 0 0");
  await p.until("its end is recorded", () => p.read("sessions/w1/status.json").includes('"killed"'));
  strictEqual(JSON.parse(p.read("sessions/w1/status.json")).ended_by, "root");
});
