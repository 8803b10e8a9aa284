import { match, strictEqual } from "node:assert/strict";
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
  const left = [...Deno.readDirSync(tmp)].map((entry) => entry.name).filter((name) =>
    name.startsWith("looop")
  );
  strictEqual(left.join(" "), "");
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
