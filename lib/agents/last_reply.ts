/**
 * The last reply of a worker's agent: it ends itself inside a tool call, and some CLIs write down what the reply
 * that made the call cost only after the call, or beside it. So the end waits, a few seconds at most, until the
 * CLI has done so.
 *
 * codex writes it as soon as the reply is complete, which may be after its tool call has begun. opencode writes
 * it once the reply's tool calls have ended, and then asks its model again at once: `lib/hold.ts` holds it before it
 * asks. qwen and copilot are ended at once, as they would ask once more, and write a moment after they call. Others
 * write before they call.
 */
import { type AgentFile, callsMade, readAgent } from "./agent_session.ts";
import { presetNamed } from "../records/presets.ts";
import { delay } from "../process/tree.ts";
import { createOnce, quietText, readTail, statOf } from "../store.ts";

type Env = Readonly<Record<string, string>>;

/** Longest wait for a record, ms, from the moment at which the worker called its end, or its question was withdrawn. */
const PATIENCE_MS = { codex: 2_000, opencode: 10_000, withdrawn: 2_000, atOnce: 5_000 } as const;

/** `sessions/<id>/last_call`: codex's id of the tool call in which the worker ends itself, or this word. */
const HELD = "held";

/** A call's id, as it may stand in a file of looop's and be looked for in a record. */
const CALL_ID = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * Notes what the agent has still to write down; to be called by the worker's own `_ kill`, before its end is.
 *
 * @param env Of that call.
 * @returns Whether the agent is held: then the call must come back, so that the reply is written down.
 */
export function noteLastCall(dir: string, env: Env): boolean {
  const isHeld = holds(dir, env);
  const call = isHeld ? HELD : env["CODEX_TOOL_CALL_ID"] ?? "";
  if (CALL_ID.test(call)) createOnce(`${dir}/last_call`, `${call}\n`, { durable: false });
  return isHeld;
}

/** Whether the agent that has made a call, of this environment, asks its model no more once its end is recorded. */
export function holds(dir: string, env: Env): boolean {
  return env["OPENCODE"] === "1" && statOf(`${dir}/holding`) !== undefined;
}

/** Waits, for an agent that can be held, until it is: a call of its has come back, and the reply is written down. */
export async function untilHeld(dir: string): Promise<void> {
  if (statOf(`${dir}/holding`) === undefined) return;
  const deadline = performance.now() + PATIENCE_MS.withdrawn;
  while (statOf(`${dir}/held`) === undefined && performance.now() < deadline) await delay(20);
}

/** Waits until the reply whose call ends the worker is written down, or has had its time. */
export async function untilRecorded(dir: string): Promise<void> {
  const agent = readAgent(dir);
  if (agent !== undefined && presetNamed(agent.preset)?.asksOnceMore) {
    return await untilCallsRecorded(dir, agent);
  }
  const call = (quietText(`${dir}/last_call`) ?? "").trim();
  if (!CALL_ID.test(call)) return;
  const patience = call === HELD ? PATIENCE_MS.opencode : PATIENCE_MS.codex;
  const isRecorded = call === HELD ? () => statOf(`${dir}/held`) !== undefined : await replyFinder(dir, call);
  const calledMs = statOf(`${dir}/last_call`)?.mtime?.getTime() ?? 0;
  const waitedMs = Math.max(0, Date.now() - calledMs);
  const deadline = performance.now() + patience - waitedMs;
  while (!isRecorded() && performance.now() < deadline) await delay(20);
}

/** Waits until the record has every reply in which the worker has called a verb. */
async function untilCallsRecorded(dir: string, agent: AgentFile): Promise<void> {
  const made = (agent.callsBefore ?? 0) + (statOf(callsMade(dir))?.size ?? 0);
  const { callsRecorded } = await import("./story_source.ts");
  const deadline = performance.now() + PATIENCE_MS.atOnce;
  while (callsRecorded(agent.sessions) < made && performance.now() < deadline) await delay(100);
}

/** Enough of a record to hold its last replies. */
const TAIL_BYTES = 1024 * 1024;

/** Looks for codex's reply that made a call. Loaded here, as no other CLI needs it. */
async function replyFinder(dir: string, call: string): Promise<() => boolean> {
  const { codexHasReply } = await import("./records.ts");
  const { recordFiles } = await import("./record_files.ts");
  return () =>
    (readAgent(dir)?.sessions ?? []).flatMap(recordFiles)
      .some((file) => codexHasReply(readTail(file, TAIL_BYTES), call));
}
