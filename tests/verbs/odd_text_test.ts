import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";

Deno.test("given sensors that print a cut emoji, a number beyond all and CRLF scripts, when they are sensed, then the world is readable and each fault is named", async () => {
  await using p = await testProfile();
  p.sensor("cut", String.raw`printf '{"signal":{"\\ud83d":"a \\ud83d"}}'`);
  p.sensor("cut_bytes", String.raw`printf '"a \355\240\275"'`);
  p.sensor("large", `echo '{"signal":{"n":1e400}}'`);
  p.sensor("exact", `echo '{"signal":{"n":12345678901234567890}}'`);
  p.sensor("crlf", "echo 1");
  Deno.writeTextFileSync(p.path("sensors/crlf.sh"), "#!/usr/bin/env bash\r\necho 1\r\n");
  await p.ok("up");
  // deno-lint-ignore no-explicit-any -- the test compares the reply's own shape
  let seen: any = {};
  let text = "";
  await p.until("all are sensed", async () => {
    text = await p.ok("_", "state", "--json");
    seen = JSON.parse(text).snapshots;
    return ["cut", "cut_bytes", "large", "exact", "crlf"].every((name) =>
      seen[`sensor-${name}`] !== undefined
    );
  });
  deepStrictEqual(seen["sensor-cut"].signal, { "\ufffd": "a \ufffd" });
  strictEqual(/\\ud[89a-f]/i.test(text + p.read(".world.json")), false);
  deepStrictEqual(seen["sensor-cut_bytes"].signal, { error: true, reason: "not_json" });
  deepStrictEqual(seen["sensor-large"].signal, { error: true, reason: "not_json" });
  match(seen["sensor-large"].detail.message, /number that is larger/);
  match(text, /12345678901234567890/);
  // 126 where a folder of PATH may not be searched.
  ok([126, 127].includes(seen["sensor-crlf"].signal.exit_code));
  match(seen["sensor-crlf"].detail.message, /first line ends in CRLF/);
});

Deno.test("given a brief with a NUL byte, when a worker is started with it, then that is refused and nothing is left", async () => {
  await using p = await testProfile();
  const { code, stderr } = await p.call(["_", "worker", "start", "w", "--runner", "shell"], {
    stdin: "a\0b",
  });
  deepStrictEqual([code, /holds a NUL byte/.test(stderr)], [2, true], stderr);
  deepStrictEqual(await p.json("_", "worker", "list", "--json"), []);
});
