import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { profileAt } from "../../lib/paths.ts";
import { identityOf } from "../../lib/process.ts";
import { readFleet } from "../../lib/session.ts";

/** As the supervisor does it: what became of the agent is on disk before the supervisor is gone. */
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
      // It ends during one of the looks that follow, since both take some milliseconds.
      const closing = worker.stdin.close();
      const status = worker.status;
      let ended = false;
      status.then(() => ended = true);
      do {
        for (const { view } of await readFleet(profile, Date.now())) seen.add(view.state);
        // A look that needs no child gives nobody else a turn.
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
