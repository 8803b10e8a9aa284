import { strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { ShHost, wire } from "./host.ts";

/** The cases that take long by their nature run in the project's lab and by hand. */
const QUICK = [
  1,
  2,
  4,
  5,
  8,
  9,
  10,
  11,
  12,
  14,
  16,
  17,
  19,
  21,
  22,
  23,
  27,
  28,
  30,
  31,
  32,
  33,
  34,
  37,
  38,
  40,
  45,
];

for (const shell of ["sh", "bash", "busybox"]) {
  const found = new Deno.Command("sh", { args: ["-c", `command -v ${shell}`] }).outputSync().success;
  Deno.test({
    name: `given a plain host with ${shell}, when it is checked, then every quick case holds`,
    ignore: !found,
    async fn() {
      await using p = await testProfile();
      await using host = await ShHost.open();
      // The last word, `sh`, is what the host itself has under that name.
      const bin = `${host.home}/bin`;
      Deno.mkdirSync(bin);
      const real = new TextDecoder().decode(
        new Deno.Command("sh", { args: ["-c", `command -v ${shell}`] }).outputSync().stdout,
      ).trim();
      Deno.symlinkSync(real, `${bin}/sh`);
      const reach = host.reach.map((word) =>
        word.startsWith("PATH=") ? `PATH=${bin}:${word.slice("PATH=".length)}` : word
      );
      wire(p, { gpu: { reach } });
      const cases = shell === "sh" ? QUICK : [1, 9, 11, 16, 22, 23, 28];
      const { code, stdout } = await p.run("_", "host", "check", "gpu", ...cases.map(String));
      strictEqual(code, 0, stdout);
    },
  });
}
