/**
 * The last reply of a worker's agent. A worker ends itself inside a tool call, and some CLIs record the cost of the
 * reply that made the call only after the call, or at the same time. So the end waits, a few seconds at most, until
 * the CLI has recorded it.
 *
 * codex records it as soon as the reply is complete, which may be after its tool call has begun. opencode records it
 * once the reply's tool calls have ended, and then asks its model again at once: `lib/agents/hold.ts` stops it before
 * it asks. qwen and copilot are killed at once, as they would ask once more, and record it a moment after they call.
 * Others record it before they call.
 */
import { type AgentFile, callsMade, readAgent } from "./agent_session.ts";
import { presetNamed } from "../records/presets.ts";
import { delay } from "../process/tree.ts";
import { createOnce, quietText, readTail, statOf } from "../store.ts";

type Env = Readonly<Record<string, string>>;

/** Longest wait for a record, ms, from the moment when the worker called its end or its question was withdrawn. */
const PATIENCE_MS = { codex: 2_000, opencode: 10_000, withdrawn: 2_000, atOnce: 5_000 } as const;

/**
 * The content of `sessions/<id>/last_call` for a held agent; else it is codex's id of the tool call that ends the
 * worker.
 */
const HELD = "held";

/** A call's id that is safe to keep in a file and to search for in a record. */
const CALL_ID = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * Notes what the agent has yet to record; the worker's own `_ kill` calls it before the end is recorded.
 *
 * @param env Of that call.
 * @returns Whether the agent is held: then the call must return, so that the reply is recorded.
 */
export function noteLastCall(dir: string, env: Env): boolean {
  const isHeld = holds(dir, env);
  const call = isHeld ? HELD : env["CODEX_TOOL_CALL_ID"] ?? "";
  if (CALL_ID.test(call)) createOnce(`${dir}/last_call`, `${call}\n`, { durable: false });
  return isHeld;
}

/** Whether the agent of this environment will not ask its model any more once its end is recorded. */
export function holds(dir: string, env: Env): boolean {
  return env["OPENCODE"] === "1" && statOf(`${dir}/holding`) !== undefined;
}

/** Waits until an agent that can be held is held: its call has returned, and the reply is recorded. */
export async function untilHeld(dir: string): Promise<void> {
  if (statOf(`${dir}/holding`) === undefined) return;
  const deadline = performance.now() + PATIENCE_MS.withdrawn;
  while (statOf(`${dir}/held`) === undefined && performance.now() < deadline) await delay(20);
}

/** Waits until the reply whose call ends the worker is recorded, or the time for that is up. */
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

/** Length of a record's end that holds its last replies, bytes. */
const TAIL_BYTES = 1024 * 1024;

/** Returns a check whether codex has recorded the reply that made a call. Loaded here, as no other CLI needs it. */
async function replyFinder(dir: string, call: string): Promise<() => boolean> {
  const { codexHasReply } = await import("./records.ts");
  const { recordFiles } = await import("./record_files.ts");
  return () =>
    (readAgent(dir)?.sessions ?? []).flatMap(recordFiles)
      .some((file) => codexHasReply(readTail(file, TAIL_BYTES), call));
}
