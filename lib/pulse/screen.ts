/** The last lines of a worker's terminal, as text, for the pulse's reports. */
import { ownVariables } from "../records/home.ts";
import { readAgent } from "../agents/agent_session.ts";
import { eventText, printsEvents } from "../agents/events.ts";
import { childEnv } from "../process/child_env.ts";
import type { PulseHost } from "./host.ts";
import { readOutputTail } from "../sessions/output_log.ts";
import type { Session } from "../sessions/session.ts";
import { plainTail } from "../text/terminal.ts";

/** The parts of the pulse's surroundings that drawing needs. */
export type ScreenHost = Pick<PulseHost, "profile" | "bin" | "env">;

/** Longest time for drawing a screen, ms. */
const SCREEN_TIMEOUT_MS = 10_000;
/** Length of a recording's end that is read for its last lines, bytes. */
const TAIL_BYTES = 16 * 1024;

/**
 * The last lines of a worker's screen. A child process draws it, since an emulator would stay in the pulse's memory.
 */
export async function screenOf(
  { profile, bin, env }: ScreenHost,
  id: string,
  lastLines: number,
): Promise<string[]> {
  const { runCommand } = await import("../process/capture.ts");
  const { stdout } = await runCommand({
    argv: [bin, "logs", id, "--screen"],
    cwd: profile.dir,
    env: childEnv(env, ownVariables(profile, bin)),
    mark: { name: "LOOOP_RUN", value: crypto.randomUUID() },
    timeoutMs: SCREEN_TIMEOUT_MS,
    tailBytes: 64 * 1024,
  });
  const lines = new TextDecoder().decode(stdout.bytes).split("\n").filter((line) => line.trim() !== "");
  return lines.slice(-lastLines);
}

/** The last lines of a recording that needs no drawing, at once; undefined where only a screen can show them. */
export function lastPlainLines({ dir }: Session, count: number): string[] | undefined {
  const tail = readOutputTail(dir, TAIL_BYTES);
  const text = printsEvents(readAgent(dir)?.template ?? "") ? eventText(tail) : tail;
  return plainTail(typeof text === "string" ? text : new TextDecoder().decode(text), count);
}
