import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { testProfile } from "../looop.ts";
import { labMissing, sh, ShHost, wire } from "./host.ts";

/** One quick case of each kind; the tests in `real/` run all cases. */
const QUICK = [7, 9, 12, 16, 23, 32, 33, 34, 41, 42];

Deno.test("given a plain host, when it is checked, then every quick case holds", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  const { code, stdout } = await p.run("_", "host", "check", "gpu", ...QUICK.map(String));
  strictEqual(code, 0, stdout);
});

Deno.test("given a host that lacks a case's means, when it is checked, then that case is skipped and says why", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  const bin = `${host.home}/bin`;
  await sh(`mkdir ${bin}; ln -s /usr/bin/* /bin/* ${bin}/ 2>/dev/null || :
    cd ${bin} && rm -f fish tcsh csh mksh dash busybox cat
    printf '%s\n' '#!/bin/sh' 'case "$*" in *environ*) exit 1 ;; esac' 'exec /bin/cat "$@"' >cat; chmod 755 cat`);
  wire(p, { bare: { reach: ["env", "-i", `HOME=${host.home}`, `PATH=${bin}`] } });
  const { code, stdout } = await p.run("_", "host", "check", "bare", "--json", "3", "5", "7", "18");
  const { cases, ...rest } = JSON.parse(stdout);
  deepStrictEqual(rest, { ok: true, skipped: 3, failed: 0 }, stdout);
  strictEqual(code, 0);
  const said = cases.map((one: { n: number; result: string; note: string }) =>
    `${one.n} ${one.result} ${one.note}`
  );
  match(said[0], /^3 skip there is no fish or tcsh or csh; tried sh, /);
  strictEqual(said[1], "5 ok ");
  match(said[2], /^7 skip there is no dash or busybox; tried sh, /);
  match(said[3], /^18 skip the marks of processes cannot be read there/);
  const line = (await p.run("_", "host", "check", "bare", "7")).stdout;
  match(line, /^skip {2}7 .*\n0 ok, 1 skipped, 0 failed\n$/);
});

Deno.test({
  name:
    "given a host whose lines do not see each other's processes, when it is checked, then the end of a post is not claimed",
  ignore: labMissing() !== undefined,
  async fn() {
    await using p = await testProfile();
    await using host = await ShHost.open();
    const apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    wire(p, { apart: { reach: [...host.reach, ...apart] } });
    const { stdout } = await p.run("_", "host", "check", "apart", "6");
    match(stdout, /^skip {2}6 .*: a second line there does not see the processes of the first/);
  },
});

Deno.test("given the number of no case, when a host is checked, then it is refused", async () => {
  await using p = await testProfile();
  await using host = await ShHost.open();
  wire(p, { gpu: { reach: host.reach } });
  for (const n of ["0", "46", "99", "x"]) {
    strictEqual((await p.run("_", "host", "check", "gpu", n)).code, 2, n);
  }
});
