import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { exists } from "../../lib/store.ts";
import { testProfile } from "../looop.ts";

Deno.test("given nothing, when the demo runs, then every step is shown, it exits 0 and leaves nothing", async () => {
  await using p = await testProfile();
  const tmp = `${p.base}/tmp`;
  await Deno.mkdir(tmp);
  const { code, stdout, stderr } = await p.call(["demo"], { env: { TMPDIR: tmp } });
  strictEqual(stderr, "");
  strictEqual(code, 0);
  for (const step of ["SENSE", "ACT", "ASK", "ANSWER", "REPORT", "nothing is left running"]) {
    match(stdout, new RegExp(step));
  }
  const at = [...stdout.matchAll(/^\[ *([\d.]+) s\]/gm)].map(([, seconds]) => Number(seconds));
  const longest = Math.max(...at.slice(1).map((seconds, n) => seconds - (at[n] ?? 0)));
  ok(longest < 9, `a step waited for what had already come: ${stdout}`);
  const left = [...Deno.readDirSync(tmp)].map((entry) => entry.name).filter((name) =>
    name.startsWith("looop")
  );
  strictEqual(left.join(" "), "");
});

Deno.test("given a demo at work, when it gets INT, then it exits 130 and leaves nothing", async () => {
  await using p = await testProfile();
  const tmp = `${p.base}/tmp`;
  await Deno.mkdir(tmp);
  using demo = p.start(["demo"], { env: { TMPDIR: tmp } });
  const worlds = () =>
    [...Deno.readDirSync(tmp)].filter(({ name }) => exists(`${tmp}/${name}/profile/.world.json`)).length;
  await p.until("it has a world", () => worlds() > 0);
  demo.kill("SIGINT");
  strictEqual((await demo.result).code, 130);
  deepStrictEqual(
    [...Deno.readDirSync(tmp)].map((entry) => entry.name).filter((name) => name.startsWith("looop")),
    [],
  );
});

Deno.test("given no git, when the demo runs, then it exits 1, says what to install and leaves nothing", async () => {
  await using p = await testProfile();
  const bin = `${p.base}/bin`;
  await Deno.mkdir(bin);
  for (const name of ["sh", "bash", "cat", "grep", "rm", "mv"]) {
    await Deno.symlink(`/bin/${name}`, `${bin}/${name}`);
  }
  const { code, stderr } = await p.call(["demo"], { env: { PATH: bin, TMPDIR: p.base } });
  strictEqual(code, 1);
  match(stderr, /^looop demo: .*git.*\n$/);
});
