/** Programs on PATH. */
import { quietStat } from "../store.ts";

/** The path of a program, as a shell would find it, or undefined. */
export function findProgram(program: string, path: string): string | undefined {
  const candidates = program.includes("/")
    ? [program]
    : path.split(":").map((dir) => `${dir || "."}/${program}`);
  return candidates.find((candidate) => {
    const info = quietStat(candidate);
    return info?.isFile === true && ((info.mode ?? 0) & 0o111) !== 0;
  });
}
