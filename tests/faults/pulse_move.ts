/**
 * A pulse that makes every kind of durable record: the journal, leases, questions, ends, spend, notices, checks of
 * workers' results, and due schedules.
 */
import { writeExecutable } from "../executable.ts";
import { type LabProfile, namesIn, put, textAt } from "./lab.ts";
import { ask, type Effect, endedSession, type Move, oldQuestion, pastSchedule } from "./moves.ts";

const OLD_LINE = "- 2026-01-01 00:00 a line of an earlier month\n";
/** An agent that has spent half a dollar, as pi records it. */
const AGENT = `#!/bin/sh
mkdir -p "$HOME/.pi/agent/sessions/x"
echo '{"type":"compaction","usage":{"input":3,"output":1,"cost":{"total":0.5}}}' >"$HOME/.pi/agent/sessions/x/t_$2.jsonl"
`;

/** One pulse with all its durable writes: at whatever step it is stopped, nothing is lost or doubled. */
export const PULSE: Move = {
  name: "pulse",
  argv: ["_", "pulse"],
  env: { LOOOP_PULSE: "1" },
  streams: true,
  prepare,
  effect,
  until: (p) =>
    effect(p) === "after" && textAt(p.path(".world.json")) !== "" && textAt(p.path("reports/told")) !== "",
  // The output of the hook and of the check, and the exit code that the hook's own shell writes.
  derived: [/^\.lock\/pid$/, /^reports\/(told|checked)$/, /^\.notices\/.*\.try$/],
};

async function prepare(p: LabProfile): Promise<void> {
  await p.ok("_", "state");
  // A question whose archiving was cut in two, and one whose answer nobody is left to read.
  for (const worker of ["cut", "gone"]) {
    await ask(p, worker, "Merge?");
    await p.ok("_", "answer", `${worker}-1`, "yes");
  }
  Deno.mkdirSync(p.path("asks/archive/2026-01"), { recursive: true });
  Deno.renameSync(p.path("asks/cut-1.json"), p.path("asks/archive/2026-01/cut-1.json"));
  put(
    p.path("answers/gone-1.json"),
    '{"v":1,"answer":"yes","ts":1,"outcome":"answered"}\n',
  );
  endedSession(p, "s1");
  put(p.path("claims/c.json"), '{"session":"s1","name":"c"}\n');
  const owner = { pid: 4_000_000, start: "1", boot: "another" };
  const intent = { v: 1, id: "r1", kind: "run", fingerprint: "x", what: "touch x", ts: 1, owner };
  Deno.mkdirSync(p.path(".wal"), { recursive: true });
  put(p.path(".wal/r1.json"), JSON.stringify(intent));
  Deno.mkdirSync(`${p.base}/bin`);
  writeExecutable(`${p.base}/bin/pi`, AGENT);
  const env = { PATH: `${p.base}/bin:${p.env["PATH"]}` };
  await p.okCall(["_", "worker", "start", "spent", "--runner", "pi", "--headless", "a brief"], { env });
  await p.ok("_", "worker", "start", "late", "--timeout", "1", "--command", "exec sleep 300", "a brief");
  await p.until("the worker that spends has ended", () => stateOf(p, "spent") === "exited");
  const check = 'echo checked >>"$LOOOP_DATA_DIR/reports/checked"';
  await p.ok("_", "worker", "start", "done", "--command", "true", "--verify", check, "a brief");
  await p.until("the worker to be checked has ended", () => stateOf(p, "done") === "exited");
  pastSchedule(p, "due", "the report");
  oldQuestion(p);
  put(p.profile.journal, OLD_LINE);
  Deno.utimeSync(p.profile.journal, new Date("2026-01-01"), new Date("2026-01-01"));
}

function stateOf(p: LabProfile, id: string): string {
  const text = textAt(p.path(`sessions/${id}/status.json`));
  return text === "" ? "" : JSON.parse(text).state;
}

function effect(p: LabProfile): Effect {
  const read = (name: string) => textAt(p.path(name));
  const journals = ["journal.md", ...namesIn(p.path("journal.d")).map((name) => `journal.d/${name}`)];
  const lines = journals.map(read).join("");
  if (lines.split(OLD_LINE).length !== 2) return "a line of the journal is lost or doubled";
  const archived = (id: string, suffix: string) =>
    namesIn(p.path("asks/archive")).some((month) => read(`asks/archive/${month}/${id}${suffix}`) !== "");
  for (const id of ["cut-1", "gone-1"]) {
    if (!archived(id, ".json") && read(`asks/${id}.json`) === "") return `the question ${id} is lost`;
    if (!archived(id, ".answer.json") && read(`answers/${id}.json`) === "") {
      return `the answer to ${id} is lost`;
    }
  }
  if (read(".wal/r1.json") === "" && read(".wal/interrupted/r1.json") === "") {
    return "the interruption is lost";
  }
  if (read("reports/checked").split("checked").length > 2) return "the work was checked twice";
  if (read("reports/told").split("\n").length > 2) return "a person was notified twice";
  const done = [
    journals.length > 1,
    read("claims/c.json") === "",
    archived("cut-1", ".answer.json") && archived("gone-1", ".answer.json"),
    read(".wal/r1.json") === "",
    /"ended_by":"timeout"/.test(read("sessions/late/status.json")),
    read("cost.jsonl").includes("0.5"),
    read("sessions/done/verify.json").includes('"done"'),
    read(".schedules.json").includes('"the report"'),
    namesIn(p.path(".notices")).some((name) => read(`.notices/${name}`).includes('"tries":1')),
  ];
  return done.every(Boolean) ? "after" : "before";
}
