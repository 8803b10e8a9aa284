/**
 * looop, a tiny control plane for agent-driven work: the table of verbs, and the catch of what nobody else has caught.
 * @module
 */
import { ReaderGone, writeAll } from "./lib/cli/console.ts";
import { contextOf } from "./lib/cli/context.ts";
import { dispatch } from "./lib/cli/dispatch.ts";
import { bug } from "./lib/cli/report.ts";
import type { Context } from "./lib/cli/verb.ts";
import type { VerbTable } from "./lib/cli/verb_table.ts";
import { EXIT, formatError, UserError } from "./lib/errors.ts";
import { expectFileLimit } from "./lib/fault.ts";

/** Every verb and its module; each is loaded only when it is called. */
export const VERBS: VerbTable = {
  "up": () => import("./verbs/up.ts"),
  "init": () => import("./verbs/init.ts"),
  "down": () => import("./verbs/down.ts"),
  "journal": () => import("./verbs/journal.ts"),
  "logs": () => import("./verbs/logs.ts"),
  "page": () => import("./verbs/page.ts"),
  "cost": () => import("./verbs/cost.ts"),
  "doctor": () => import("./verbs/doctor.ts"),
  "config": () => import("./verbs/config.ts"),
  "status": () => import("./verbs/status.ts"),
  "watch": () => import("./verbs/watch.ts"),
  "demo": () => import("./verbs/demo.ts"),
  "service": () => import("./verbs/service.ts"),
  "version": () => import("./verbs/version.ts"),
  "help": () => import("./verbs/help.ts"),
  "_ state": () => import("./verbs/state.ts"),
  "_ wait": () => import("./verbs/wait.ts"),
  "_ answer": () => import("./verbs/answer.ts"),
  "_ goal write": () => import("./verbs/goal/write.ts"),
  "_ goal archive": () => import("./verbs/goal/archive.ts"),
  "_ sensor write": () => import("./verbs/sensor/write.ts"),
  "_ sensor list": () => import("./verbs/sensor/list.ts"),
  "_ sensor run": () => import("./verbs/sensor/run.ts"),
  "_ sensor remove": () => import("./verbs/sensor/remove.ts"),
  "_ sensor examples": () => import("./verbs/sensor/examples.ts"),
  "_ sensor add": () => import("./verbs/sensor/add.ts"),
  "_ sensor check": () => import("./verbs/sensor/check.ts"),
  "_ schedule write": () => import("./verbs/schedule/write.ts"),
  "_ schedule remove": () => import("./verbs/schedule/remove.ts"),
  "_ playbook write": () => import("./verbs/playbook/write.ts"),
  "_ undo": () => import("./verbs/undo.ts"),
  "_ parse": () => import("./verbs/parse.ts"),
  "_ note": () => import("./verbs/note.ts"),
  "_ run": () => import("./verbs/run.ts"),
  "_ notify": () => import("./verbs/notify.ts"),
  "_ worker start": () => import("./verbs/worker/start.ts"),
  "_ worker resume": () => import("./verbs/worker/resume.ts"),
  "_ worker kill": () => import("./verbs/worker/kill.ts"),
  "_ worker list": () => import("./verbs/worker/list.ts"),
  "_ worker log": () => import("./verbs/worker/log.ts"),
  "_ host check": () => import("./verbs/host/check.ts"),
  "_ host examples": () => import("./verbs/host/examples.ts"),
  "_ tell": () => import("./verbs/tell.ts"),
  "_ told": () => import("./verbs/told.ts"),
  "_ ready": () => import("./verbs/ready.ts"),
  "_ ask list": () => import("./verbs/ask/list.ts"),
  "_ ask withdraw": () => import("./verbs/ask/withdraw.ts"),
  "_ ask": () => import("./verbs/ask.ts"),
  "_ claim": () => import("./verbs/claim.ts"),
  "_ unclaim": () => import("./verbs/unclaim.ts"),
  "_ cost": () => import("./verbs/cost_report.ts"),
  "_ kill": () => import("./verbs/kill.ts"),
  "_ done": () => import("./verbs/done.ts"),
  "_ pulse": () => import("./verbs/pulse.ts"),
  "_ reap": () => import("./verbs/reap.ts"),
  "_ complete": () => import("./verbs/complete.ts"),
  "_ probe": () => import("./verbs/probe.ts"),
};

/** Runs one call and returns its exit code; everything it prints goes through the context. */
export async function main(argv: readonly string[], context: Context = contextOf(VERBS)): Promise<number> {
  return await dispatch(VERBS, argv, context);
}

if (import.meta.main) {
  expectFileLimit();
  for (const kind of ["error", "unhandledrejection"] as const) {
    addEventListener(kind, (event) => {
      event.preventDefault();
      const error = event instanceof ErrorEvent ? event.error : (event as PromiseRejectionEvent).reason;
      if (error instanceof ReaderGone) Deno.exit(EXIT.ok);
      const known = error instanceof UserError ? error : bug(error);
      try {
        writeAll(Deno.stderr, `${formatError("", known)}\n`);
      } finally {
        Deno.exit(known.code);
      }
    });
  }
  Deno.exit(await main(Deno.args));
}
