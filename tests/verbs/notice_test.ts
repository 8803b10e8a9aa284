import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { ask, fresh, NOTE, passBeats, problems, setConfig, told } from "../notices.ts";
import { crashPulse } from "../published.ts";
import { fileText } from "../workers.ts";

Deno.test("given a question that nobody answers, when it reaches each age, then the person is notified once each, over pulses that are killed", async () => {
  await using p = await fresh({ notification: NOTE, escalate: [1] });
  ask(p, "w1-1");
  await p.ok("up");
  await p.until("the first age", () => told(p).length > 0);
  await crashPulse(p);
  setConfig(p, { notification: NOTE, escalate: [1, 2] });
  await p.ok("up");
  await p.until("the second age", () => told(p).length > 1);
  await crashPulse(p);
  await p.ok("up");
  await passBeats(p, 2);
  deepStrictEqual(told(p), ["w1-1 1 1", "w1-1 2 1"]);
});

Deno.test("given pulses that are killed at any moment, when questions reach their ages, then no notice is given twice and the last of each is given", async () => {
  const ages = [1, 2, 3, 4];
  await using p = await fresh({ notification: NOTE, escalate: ages });
  const ids = ["a-1", "b-1", "c-1", "d-1"];
  for (const id of ids) ask(p, id);
  const isDone = () => ids.every((id) => told(p).includes(`${id} 4 1`));
  for (let round = 0; round < 40 && !isDone(); round++) {
    await p.ok("up");
    await new Promise((resolve) => setTimeout(resolve, (round * 37) % 400));
    await crashPulse(p);
  }
  await p.ok("up");
  await p.until("all are given", isDone);
  await passBeats(p, 2);
  deepStrictEqual(told(p).length, new Set(told(p)).size, told(p).join("\n"));
  deepStrictEqual(await problems(p), []);
});

Deno.test("given ages that were missed while no pulse ran, when one starts, then one message is sent, for the highest", async () => {
  await using p = await fresh({ notification: NOTE, escalate: [10, 30, 1000, 100_000] });
  ask(p, "w1-1", 2000);
  ask(p, "w2-1", 40);
  await p.ok("up");
  await p.until("both are told", () => told(p).length >= 2);
  await passBeats(p, 2);
  deepStrictEqual(told(p).sort(), ["w1-1 1000 1", "w2-1 30 1"]);
});

Deno.test("given a message and a worker, when the hook runs, then it gets both as data, as does an escalation's own line", async () => {
  const show = 'printf "%s|" {{id}} {{message}}';
  await using p = await fresh({
    notification: `${show} >>"$LOOOP_DATA_DIR/reports/first"`,
    escalate: [1, { after: 2, run: `${show} >>"$LOOOP_DATA_DIR/reports/second"` }],
  });
  ask(p, "w1-1", 0, "Merge `touch bad`; $(touch bad)\n\u001b[2Jnow?");
  await p.ok("up");
  await p.until("both are told", () => fileText(p, "reports/second").endsWith("|"));
  match(p.read("reports/second"), /^w1\|w1-1 has waited \d s: Merge `touch bad`; \$\(touch bad\) now\?\|$/);
  ok(fileText(p, "reports/first").split("|").length <= 3);
});

Deno.test("given a hook that fails, when time passes, then it is tried again, shown in status meanwhile, and sent once", async () => {
  const hook =
    `${NOTE}; [ -e "$LOOOP_DATA_DIR/reports/mended" ] || exit 3; echo >>"$LOOOP_DATA_DIR/reports/sent"`;
  await using p = await fresh({ notification: hook, escalate: [1] });
  ask(p, "w1-1");
  await p.ok("up");
  await p.until("it has failed twice", () => told(p).length >= 2);
  deepStrictEqual(told(p).slice(0, 2), ["w1-1 1 1", "w1-1 1 2"]);
  const shown =
    /^! the notification about w1-1 failed with exit 3 \(\d+\), the next try is in \d+ s; see `notification`/m;
  await p.until(
    "status shows it",
    async () => shown.test(await p.okCall(["status"], { env: { COLUMNS: "200" } })),
  );
  await crashPulse(p);
  Deno.writeTextFileSync(p.path("reports/mended"), "");
  await p.ok("up");
  await p.until("it is sent", () => fileText(p, "reports/sent") !== "");
  await p.until("status is content", async () => (await problems(p)).length === 0);
  await passBeats(p, 2);
  strictEqual(p.read("reports/sent"), "\n");
});

Deno.test("given a hook that fails, when the question is answered, then it is not tried again", async () => {
  await using p = await fresh({ notification: `${NOTE}; exit 1`, escalate: [1] });
  ask(p, "w1-1");
  await p.ok("up");
  await p.until(
    "it has failed",
    async () => (await problems(p)).some(({ kind }) => kind === "notice_failed"),
  );
  await p.ok("_", "answer", "w1-1", "yes");
  deepStrictEqual(await problems(p), []);
  const tries = told(p).length;
  await passBeats(p, 2);
  ok(told(p).length <= tries + 1, told(p).join("\n"));
});

Deno.test("given a hook that runs, when the pulse is killed, then the next one waits for it and sends nothing twice", async () => {
  const hook =
    `${NOTE}; until [ -e "$LOOOP_DATA_DIR/reports/go" ]; do sleep 0.05; done; echo >>"$LOOOP_DATA_DIR/reports/sent"`;
  await using p = await fresh({ notification: hook, escalate: [1] });
  ask(p, "w1-1");
  await p.ok("up");
  await p.until("it runs", () => told(p).length > 0);
  await crashPulse(p);
  await p.ok("up");
  await passBeats(p, 2);
  Deno.writeTextFileSync(p.path("reports/go"), "");
  await p.until("it is sent", () => fileText(p, "reports/sent") !== "");
  await passBeats(p, 2);
  deepStrictEqual([told(p), p.read("reports/sent"), await problems(p)], [["w1-1 1 1"], "\n", []]);
});

Deno.test("given a hook that is cut off, or of an earlier boot, when the pulse looks, then its result is unknown, status says so, and it is not repeated", async () => {
  const hook =
    `${NOTE}; echo $PPID >"$LOOOP_DATA_DIR/reports/pid"; until [ -e "$LOOOP_DATA_DIR/reports/go" ]; do sleep 0.05; done`;
  await using p = await fresh({ notification: hook, escalate: [1] });
  ask(p, "w1-1");
  ask(p, "w2-1", 5);
  const { ts } = JSON.parse(p.read("asks/w2-1.json"));
  const old = {
    v: 1,
    id: "w2-1",
    ts,
    age: 1,
    message: "w2-1",
    about: "w2",
    tries: 1,
    boot: "another",
    lost: false,
  };
  Deno.mkdirSync(p.profile.notices, { recursive: true });
  Deno.writeTextFileSync(p.path(`.notices/w2-1.${ts}.1.json`), JSON.stringify(old));
  await p.ok("up");
  await p.until("it runs", () => fileText(p, "reports/pid").endsWith("\n"));
  Deno.kill(Number(p.read("reports/pid")), "SIGKILL");
  const unknown = async () =>
    (await problems(p)).filter(({ kind }) => kind === "notice_unknown").map(({ id }) => id).sort();
  await p.until("both are unknown", async () => (await unknown()).join() === "w1-1,w2-1");
  await crashPulse(p);
  await p.ok("up");
  await passBeats(p, 2);
  deepStrictEqual([told(p), await unknown()], [["w1-1 1 1"], ["w1-1", "w2-1"]]);
  match(
    await p.okCall(["status"], { env: { COLUMNS: "200" } }),
    /^! nobody knows whether the notification about w1-1 was sent/m,
  );
  // `down` ends the rest of the hook by its mark. macOS hides the mark, so there the hook must end by itself.
  if (Deno.env.get("LOOOP_LAB") === "macos") Deno.writeTextFileSync(p.path("reports/go"), "");
  await p.ok("down");
  await p.until("nothing of the hook is left", async () => (await p.processes()).length === 0);
});
