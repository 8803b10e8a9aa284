/** Runs the command that checks a worker's work after its end: once, or its outcome is unknown. */
import { readAgent } from "../agents/agent_session.ts";
import type { Profile } from "../paths.ts";
import { runCommand } from "../process/capture.ts";
import { childEnv } from "../process/child_env.ts";
import { killTree } from "../process/tree.ts";
import { checkProgram } from "../hosts/program.ts";
import { Place } from "../hosts/place.ts";
import { converse } from "../hosts/reach.ts";
import { ensureHome, homeMark, ownVariables } from "../records/home.ts";
import { readNotes, writeNotes } from "../records/notes.ts";
import { sessionDir } from "../sessions/run_files.ts";
import { listSessionIds, readFleet, type Session } from "../sessions/session.ts";
import type { Verification } from "../sessions/verdict.ts";
import { concludeVerification, isVerificationOpen } from "../sessions/verification.ts";
import { statOf } from "../store.ts";
import { sanitizeLine, truncate } from "../text/style.ts";

/** The surroundings of running a check. */
export interface VerifyHost {
  profile: Profile;
  bin: string;
  env: Readonly<Record<string, string>>;
  /** Unix ms. */
  now(): number;
}

/** The variable that marks the processes of one check; its value is the run's generation. */
export const VERIFY_MARK = "LOOOP_VERIFY";
/** Length of the output's end that is kept, bytes; number of last lines shown, and columns of each. */
const TAIL_BYTES = 16 * 1024;
const LAST_LINES = 5;
const LINE_COLUMNS = 160;
/** Time between TERM and KILL for a check whose pulse was killed, ms. */
const ORPHAN_GRACE_MS = 2_000;

/** Runs a session's check to its end; `unknown` when `stop` has ended it. */
export async function runCheck(
  host: VerifyHost,
  session: Session,
  timeoutS: number,
  stop: AbortSignal,
): Promise<Verification | "unknown"> {
  if (session.host !== undefined) return await runFarCheck(host, session, timeoutS, stop);
  const { profile, bin, env } = host;
  const { dir, gen, check } = session;
  const { line, cwd } = check ?? { line: "true", cwd: profile.dir };
  if (statOf(cwd)?.isDirectory !== true) return failed(null, [`there is no folder ${cwd} any more`]);
  const own = ownVariables(profile, bin);
  const outcome = await runCommand({
    argv: ["/bin/sh", "-c", 'exec bash -c "$1" 2>&1', "looop", line],
    cwd,
    env: childEnv(env, own, readAgent(dir)?.env ?? {}),
    mark: { name: VERIFY_MARK, value: gen },
    timeoutMs: timeoutS * 1000,
    tailBytes: TAIL_BYTES,
    onNoted: (notes) => writeNotes(notesPath(dir), notes),
  }, stop);
  if (outcome.endedBy === "stop") return "unknown";
  const lines = lastLines(new TextDecoder().decode(outcome.stdout.bytes));
  if (outcome.endedBy === "timeout") return failed(124, [...lines, `timed out after ${timeoutS} s`]);
  return outcome.code === 0 ? { ok: true, code: 0, lines } : failed(outcome.code, lines);
}

/** Time on the way to a host and back, and for ending what ignores TERM there, ms. */
const FAR_SLACK_MS = 40_000;

/** The same on the worker's machine; `unknown` when the line to it broke. */
async function runFarCheck(
  host: VerifyHost,
  { view: { id }, gen, check, host: name = "" }: Session,
  timeoutS: number,
  stop: AbortSignal,
): Promise<Verification | "unknown"> {
  const place = Place.named(host, name);
  const program = checkProgram(ensureHome(host.profile), { id, gen }, check?.line ?? "true", timeoutS);
  const limitMs = timeoutS * 1000 + FAR_SLACK_MS;
  const isVerdict = (line: string) => line.startsWith("verdict ");
  const said = await converse(place.reach(), program, { limitMs, enough: isVerdict, stop }).catch(() =>
    undefined
  );
  const code = said?.lines.find(isVerdict)?.slice("verdict ".length);
  if (code === undefined || code === "again") return "unknown";
  const printed = said?.lines.filter((line) => line.startsWith("line ")).map((line) =>
    line.slice("line ".length)
  );
  const lines = lastLines(printed?.join("\n") ?? "");
  if (code === "-") return failed(null, lines);
  return code === "0" ? { ok: true, code: 0, lines } : failed(Number(code), lines);
}

/** The verdict of a check that did not succeed, with its last lines. */
export function failed(code: number | null, lines: readonly string[]): Verification {
  return { ok: false, code, lines: lines.slice(-LAST_LINES).map((line) => truncate(line, LINE_COLUMNS)) };
}

function lastLines(text: string): string[] {
  return text.split(/[\r\n]+/).map(sanitizeLine).filter((line) => line !== "").slice(-LAST_LINES)
    .map((line) => truncate(line, LINE_COLUMNS));
}

function notesPath(dir: string): string {
  return `${dir}/verify.noted`;
}

/**
 * Ends the processes of a check whose pulse was killed; it is unknown how far it got, so its verdict is `unknown`.
 */
export async function abandonCheck(profile: Profile, { dir, gen, view }: Session): Promise<void> {
  const noted = readNotes(notesPath(dir));
  await killTree({
    roots: [],
    marks: [`${VERIFY_MARK}=${gen}`, homeMark(profile)],
    graceMs: ORPHAN_GRACE_MS,
    ...(noted === undefined ? {} : { noted }),
  });
  await concludeVerification(profile, { id: view.id, gen }, "unknown");
}

/** The same for all checks in progress, once no pulse runs them any more. */
export async function abandonChecks(profile: Profile, nowMs: number): Promise<void> {
  const ids = listSessionIds(profile).filter((id) => isVerificationOpen(sessionDir(profile, id)));
  const open = ids.length === 0 ? [] : await readFleet(profile, nowMs, ids);
  const checked = open.filter(({ check }) => check !== undefined);
  await Promise.all(checked.map((session) => abandonCheck(profile, session)));
}
