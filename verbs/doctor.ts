/** `looop doctor`: checks everything looop depends on. */
import { workerHost } from "../lib/cli/context.ts";
import { lineWidth } from "../lib/cli/console.ts";
import { type Diagnosis, examine, findingLine } from "../lib/cli/doctor.ts";
import { readConfig } from "../lib/records/config.ts";
import { EXIT, UsageError } from "../lib/errors.ts";
import { absolute } from "../lib/paths.ts";
import { openProfile } from "../lib/records/profile.ts";
import { styler, wrap } from "../lib/text/style.ts";
import { type Context, defineVerb } from "../lib/cli/verb.ts";
import { resolveRunner } from "../lib/agents/resolve.ts";

export default defineVerb({
  declare: {
    path: "doctor",
    summary: "check everything looop depends on; each line says how to fix it",
    audience: "people",
    options: [
      { name: "json", summary: "as JSON" },
      { name: "runner", value: "NAME", summary: "start this agent for a moment instead", kind: "runner" },
      { name: "cwd", value: "DIR", summary: "where it starts; the data dir by default", kind: "dir" },
    ],
    example: "looop doctor",
    details:
      "Exit 1 when anything is BAD. Nothing is changed; other machines of config.json are asked as workers are.\n" +
      "With --runner the agent's CLI is started for a moment, without a task, where its workers start: this shows\n" +
      "whether it stops at a dialog, and what skips that.",
  },
  async run(context, input) {
    const wanted = input.text("runner");
    const cwd = input.text("cwd");
    if (cwd !== undefined && wanted === undefined) {
      throw new UsageError("--cwd without --runner", {
        next: "name the agent to try there, as in --runner claude",
      });
    }
    const findings = wanted === undefined ? await examine(context) : [await tryAgent(context, wanted, cwd)];
    const healthy = findings.every((finding) => finding.level !== "bad");
    const width = lineWidth(context.env);
    return {
      text: findings.map((finding) => show(finding, width, context.colour)).join("\n"),
      json: { ok: healthy, checks: findings },
      code: healthy ? EXIT.ok : EXIT.failed,
    };
  },
});

/** Tries one agent for real. */
async function tryAgent(context: Context, name: string, cwd: string | undefined): Promise<Diagnosis> {
  const { profile } = context;
  openProfile(profile);
  const { config } = readConfig(profile.config);
  const runner = resolveRunner(config, name);
  const host = Object.hasOwn(config.runners, name) ? config.runners[name]?.host : undefined;
  if (host !== undefined) {
    const next = `try it there by hand; \`looop _ host check ${host}\` checks the machine`;
    return { level: "warn", name, message: `${name} runs on the host ${host}: not tried`, next };
  }
  const { tryRunner } = await import("../lib/workers/runner_trial.ts");
  const { level, message, next } = await tryRunner(
    workerHost(context),
    runner,
    cwd === undefined ? profile.dir : absolute(cwd, Deno.cwd()),
  );
  return { level, name, message, ...(next === undefined ? {} : { next }) };
}

const HANGING = 5;

function show(finding: Diagnosis, width: number, colour: boolean): string {
  const line = findingLine(finding);
  const [first = "", ...rest] = wrap(line.slice(HANGING), Math.max(20, width - HANGING));
  const { green, yellow, red } = styler(colour);
  const paint = { ok: green, warn: yellow, bad: red }[finding.level];
  return [paint(line.slice(0, HANGING)) + first, ...rest.map((part) => " ".repeat(HANGING) + part)].join(
    "\n",
  );
}
