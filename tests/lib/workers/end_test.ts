import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { defaultConfig } from "../../../lib/records/config.ts";
import { UsageError } from "../../../lib/errors.ts";
import { profileAt } from "../../../lib/paths.ts";
import { findSession } from "../../../lib/sessions/session.ts";
import { RUNNER_PRESETS } from "../../../lib/records/presets.ts";
import { findProgram } from "../../../lib/process/programs.ts";
import { endSession, killSessionTree } from "../../../lib/workers/end.ts";
import { resolveRunner } from "../../../lib/agents/resolve.ts";
import { isAlive, stranger } from "../../workers.ts";

Deno.test("given a config and the built-in runners, when a name is resolved, then the config's wiring wins", () => {
  const config = {
    ...defaultConfig(),
    runners: {
      pi: { interactive: "mypi {{prompt_file}}" },
      quick: { preset: "claude" },
      mine: { interactive: "X=1 agent @{{prompt_file}}" },
      alone: { preset: "codex", headless: true },
    },
  };
  const wired = (name: string) => {
    const { template, program, prompt } = resolveRunner(config, name);
    return [template, program, prompt];
  };
  deepStrictEqual(wired("pi"), ["mypi {{prompt_file}}", "mypi", "text"]);
  deepStrictEqual(wired("mine"), ["X=1 agent @{{prompt_file}}", "agent", "text"]);
  deepStrictEqual(wired("shell"), ["bash {{prompt_file}}", "bash", "script"]);
  strictEqual(wired("quick")[1], "claude");
  strictEqual(wired("alone")[0]?.startsWith("codex exec "), true);
  strictEqual(resolveRunner(config, "quick", true).template, RUNNER_PRESETS["claude"]?.headless);
});

Deno.test("given a runner that is unknown, when it is resolved, then the nearest one or all are named", () => {
  const next = (name: string) => (error: unknown) =>
    error instanceof UsageError &&
    (name === "cluade" ? /did you mean "claude"/ : /known are .*shell/).test(
      error.next ?? "",
    );
  for (const name of ["cluade", "qqqqqqqqqq", "constructor", "__proto__"]) {
    throws(() => resolveRunner(defaultConfig(), name), next(name), name);
  }
});

Deno.test("given a PATH, when a program is looked for, then only an executable file counts", async () => {
  const base = await Deno.makeTempDir({ prefix: "looop path " });
  try {
    for (const dir of ["a", "b", "a/tool"]) Deno.mkdirSync(`${base}/${dir}`);
    Deno.writeTextFileSync(`${base}/b/tool`, "");
    const path = `${base}/none:${base}/a:${base}/b`;
    strictEqual(findProgram("tool", path), undefined, "a folder and a file without the executable bit");
    Deno.chmodSync(`${base}/b/tool`, 0o755);
    strictEqual(findProgram("tool", path), `${base}/b/tool`);
    strictEqual(findProgram(`${base}/b/tool`, ""), `${base}/b/tool`);
    strictEqual(findProgram("tool", ""), undefined);
    strictEqual(findProgram("tool/x", path), undefined);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});

Deno.test("given a session whose pids a stranger has now, when it is ended, then the stranger lives on", async () => {
  const base = await Deno.makeTempDir({ prefix: "looop recycled " });
  try {
    await using other = await stranger();
    const { pid, start, boot } = other.identity;
    const p = profileAt(base);
    const dir = `${p.sessions}/w`;
    Deno.mkdirSync(dir, { recursive: true });
    Deno.writeTextFileSync(
      `${dir}/meta.json`,
      JSON.stringify({ id: "w", gen: "g1", babysit_pid: pid, started_at: 5 }),
    );
    for (
      const identity of [
        `${pid} ${Number(start) - 1} ${boot}`,
        `${pid} ${start} 00000000-1111-2222-3333-444444444444`,
      ]
    ) {
      Deno.writeTextFileSync(
        `${dir}/status.json`,
        JSON.stringify({ state: "running", child_pid: pid, exit_code: null, last_change: 5 }),
      );
      for (const name of ["sup", "program"]) Deno.writeTextFileSync(`${dir}/${name}`, `${identity}\n`);
      const session = await findSession(p, "w", Date.now());
      strictEqual(session?.view.state, "lost");
      deepStrictEqual(await killSessionTree(p, session, Date.now), []);
      deepStrictEqual((await endSession(p, session, "killed", "root", Date.now)).survivors, []);
      strictEqual(await isAlive(other.identity), true);
      for (const name of ["status.json", "end"]) Deno.removeSync(`${dir}/${name}`);
    }
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});
