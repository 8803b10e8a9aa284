/**
 * Makes each open, write, fsync, rename, link and mkdir of each verb fail as on a full, broken or read-only disk or
 * without free descriptors. Each must give one clear line and exit 1, and leave the old file whole.
 */
import {
  brokenFiles,
  FILE_CALLS,
  type FileCall,
  fileCalls,
  inParallel,
  type Lab,
  type LabProfile,
  openLab,
  pause,
  run,
  sample,
  straceMissing,
  Tally,
  textAt,
} from "./lab.ts";
import { type Move, moves } from "./moves.ts";

/** Errors of each call. */
const ERRORS: Readonly<Record<string, readonly string[]>> = {
  openat: ["EMFILE", "ENOSPC", "EROFS", "EIO"],
  write: ["ENOSPC", "EIO"],
  fsync: ["EIO", "ENOSPC"],
  fdatasync: ["EIO"],
  rename: ["EIO", "ENOSPC", "EROFS"],
  link: ["EIO", "ENOSPC", "EROFS"],
  linkat: ["EIO", "ENOSPC", "EROFS"],
  mkdir: ["ENOSPC", "EROFS"],
  unlink: ["EIO", "EROFS"],
};

/** Fails every file-changing call of every verb. */
export async function errorInjection(): Promise<Tally> {
  const tally = new Tally("errors", [
    "broken files",
    "half moves",
    "unclear",
    "false success",
    "next verb failed",
  ]);
  const missing = await straceMissing();
  await using lab = await openLab();
  if (missing === undefined) {
    const all = moves();
    await inParallel(all, 2, (move) => failMove(lab, move, tally));
  } else tally.skip(missing);
  await fullDisk(lab, tally);
  return tally;
}

async function failMove(lab: Lab, move: Move, tally: Tally): Promise<void> {
  const p = await lab.profile();
  const withWorker = move.withWorker === true;
  await move.prepare?.(p);
  await p.keep();
  const options = { ...(move.stdin === undefined ? {} : { stdin: move.stdin }), env: move.env ?? {} };
  const begin = async () => {
    await p.reset();
    if (withWorker) await p.ok("_", "worker", "start", "w", "--command", "sleep 300", "a brief");
  };
  await begin();
  const dry = await p.traced(move.argv, ["-e", `trace=${FILE_CALLS}`], options);
  await move.clean?.(p);
  const tries = fileCalls(dry.trace, p.profile.dir).flatMap((call) =>
    (ERRORS[call.name] ?? []).map((error) => ({ call, error }))
  );
  for (const { call, error } of sample(tries, withWorker || move.clean !== undefined ? 0.04 : 0.08)) {
    await begin();
    await failOnce(p, move, call, error, options, tally);
    await move.clean?.(p);
  }
  await p.run("down");
}

async function failOnce(
  p: LabProfile,
  move: Move,
  call: FileCall,
  error: string,
  options: { stdin?: string; env: Record<string, string> },
  tally: Tally,
): Promise<void> {
  const inject = `inject=${call.name}:error=${error}:when=${call.nth}`;
  const reply = await p.traced(move.argv, ["-e", `trace=${FILE_CALLS}`, "-e", inject], options);
  const at = `${move.name}, ${error} at ${call.line}`;
  tally.add("tries");
  const hit = reply.trace.split("\n").filter((line) => line.endsWith("(INJECTED)"));
  if (!hit.every((line) => line.includes(p.profile.dir))) {
    // Runs with children differ a little, so the failing call may belong to the runtime instead.
    tally.add("missed");
    return;
  }
  tally.add("errors injected", hit.length);
  const effect = move.effect(p);
  tally.demand(effect === "before" || effect === "after", "half moves", `${at}: ${effect}`);
  const broken = brokenFiles(p.profile.dir);
  tally.demand(broken.length === 0, "broken files", `${at}: ${broken.join("; ")}`);
  if ((move.acknowledges ?? [0]).includes(reply.code)) {
    tally.demand(
      effect === "after" || move.later === true,
      "false success",
      `${at}: exits ${reply.code}, ${effect}`,
    );
  } else {
    // `_ ask` first prints the id of its question, and strace prints lines of its own.
    const lines = reply.stderr.split("\n").filter((line) =>
      line !== "" && !/^strace: |: (asked|took up) /.test(line)
    );
    const clear = reply.code === 1 && lines.length === 1 &&
      /^looop [a-z_ ]+: .+; .+|^\{"error":\{"kind":/.test(lines[0] ?? "");
    tally.demand(clear, "unclear", `${at}: exits ${reply.code}: ${reply.stderr.trim()}`);
  }
  const state = await p.run("_", "state");
  tally.demand(state.code === 0, "next verb failed", `${at}: _ state: ${state.stderr}`);
}

/** A file system that is really full: every verb is refused in one line, and works again once there is room. */
async function fullDisk(lab: Lab, tally: Tally): Promise<void> {
  const p = await lab.profile();
  await Deno.mkdir(p.profile.dir, { mode: 0o700 });
  try {
    await run("mount", ["-t", "tmpfs", "-o", "size=512k,mode=700", "none", p.profile.dir]);
  } catch {
    tally.add("full disks not tried (mount refused)");
    return;
  }
  try {
    await p.ok("_", "goal", "write", "g", "old");
    await p.ok("_", "worker", "start", "w", "--command", "sleep 600", "x");
    await run("sh", [
      "-c",
      `dd if=/dev/zero of="$1/filler" bs=1k count=2000 2>/dev/null; :`,
      "sh",
      p.profile.dir,
    ]);
    const calls = [["_", "goal", "write", "g", "new"], ["_", "playbook", "write", "new"], [
      "_",
      "claim",
      "c",
      "--session",
      "s",
    ], ["_", "worker", "kill", "w"]];
    for (const argv of calls) {
      const { code, stderr } = await p.run(...argv);
      tally.add("calls on a full disk");
      const clear = code === 1 && /^looop [a-z_ ]+: [^\n]*No space left[^\n]*\n$/.test(stderr);
      tally.demand(clear, "unclear", `full disk, ${argv.join(" ")}: exits ${code}: ${stderr}`);
    }
    tally.demand(
      p.read("goals/g.md") === "old\n",
      "half moves",
      `full disk: g.md is ${p.read("goals/g.md")}`,
    );
    // The supervisor stays until there is room to record the end, but the agent must have ended.
    const ran = (await p.processes()).filter((pid) =>
      textAt(`/proc/${pid}/cmdline`).startsWith("sleep\x00600")
    );
    tally.demand(ran.length === 0, "half moves", `full disk: the killed worker runs on: ${ran.join(" ")}`);
    await Deno.remove(p.path("filler"));
    const again = await p.run("_", "goal", "write", "g", "new");
    tally.demand(
      again.code === 0 && p.read("goals/g.md") === "new\n",
      "next verb failed",
      `room again: ${again.stderr}`,
    );
  } finally {
    await unmount(p.profile.dir);
  }
}

/** Unmounts a disk, once supervisors that could not record an end on it have tried again and ended. */
async function unmount(dir: string): Promise<void> {
  for (let left = 60;; left--) {
    try {
      await run("umount", [dir]);
      return;
    } catch (error) {
      if (left === 0) throw error;
      await pause(250);
    }
  }
}
