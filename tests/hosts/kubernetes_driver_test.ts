import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { driverOf } from "../../lib/hosts/driver.ts";
import { profileAt } from "../../lib/paths.ts";
import { findProgram } from "../../lib/process/programs.ts";
import { writeExecutable } from "../executable.ts";

/** A stand-in for kubectl that keeps Jobs as files and prints what kubectl is documented to print. */
const KUBECTL = `#!/bin/bash
set -eu
[ "$1" = --namespace ] && shift 2
case "$1 $2" in
"get job") [ -f "$JOBS/$3" ] && echo "job.batch/$3" || { echo 'Error from server (NotFound)' >&2; exit 1; } ;;
"create -f") job=$(cat); name=$(jq -r .metadata.name <<<"$job"); [ ! -f "$JOBS/$name" ] || exit 1; echo "$job" >"$JOBS/$name" ;;
"get jobs") cat "$JOBS"/* 2>/dev/null | jq -s '{items: .}' ;;
"get pods") cat "$JOBS"/* 2>/dev/null | jq -s '{items: [.[] | {metadata: {labels: .spec.template.metadata.labels},
  status: {containerStatuses: [{state: (if .metadata.name | test("-queued-") then {waiting: {reason: "ContainerCreating"}}
    elif .metadata.name | test("-over-") then {terminated: {exitCode: 5, reason: "Error"}} else {running: {}} end)}]}}]}' ;;
"delete job") rm -f "$JOBS/$3" ;;
*) exit 1 ;;
esac
`;

Deno.test({
  name:
    "given the driver of Kubernetes and a stand-in for kubectl, when its verbs are called, then they keep the protocol",
  ignore: findProgram("jq", Deno.env.get("PATH") ?? "") === undefined,
  async fn() {
    const dir = await Deno.makeTempDir({ prefix: "looop-k8s-" });
    Deno.mkdirSync(`${dir}/jobs`);
    Deno.mkdirSync(`${dir}/bin`);
    writeExecutable(`${dir}/bin/kubectl`, KUBECTL);
    const env = { PATH: `${dir}/bin:${Deno.env.get("PATH")}`, JOBS: `${dir}/jobs` };
    const config = { driver: "kubernetes", options: { image: "agent:1" } };
    const driver = driverOf(
      { profile: profileAt(dir), env, now: Date.now },
      "k8s",
      config,
      "0123456789abcdef",
    );
    const run = (id: string) => ({ id, gen: "00000000", command: "", files: {}, env: {}, orphanMinutes: 0 });
    ok((await driver.describe()).verbs.includes("exec"));
    for (const id of ["running", "running", "queued", "over"]) {
      const name = `looop-01234567-${id}-00000000`;
      strictEqual(await driver.start(name, run(id), "true\n"), name);
    }
    const jobs = await driver.list();
    deepStrictEqual(
      jobs?.map(({ name, state, code }) => [name.split("-")[2], state, code]).sort(),
      [["over", "exited", 5], ["queued", "queued", undefined], ["running", "running", undefined]],
    );
    const name = "looop-01234567-running-00000000";
    strictEqual((await driver.stop([{ run: run("running"), name }], 10_000)).length, 1);
    strictEqual((await driver.list())?.length, 2);
    const nonsense = await driver.call("nonsense", {});
    ok(nonsense.kind === "failed" && nonsense.code === 3);
    await Deno.remove(dir, { recursive: true });
  },
});
