/** Every verb that changes files, with the preparation of its profile and its effect on disk. */
import { setWanted } from "../../lib/world/pulse_record.ts";
import { writeExecutable } from "../executable.ts";
import { type LabProfile, namesIn, put, textAt } from "./lab.ts";

/** State of a move in a profile: not made, made, or a description of anything between. */
export type Effect = "before" | "after" | string;

/** A call to kill, or to make fail, at any step. */
export interface Move {
  name: string;
  argv: string[];
  stdin?: string;
  env?: Record<string, string>;
  /** Exit codes that acknowledge it, by default 0. */
  acknowledges?: number[];
  /** It needs a running worker `w`. */
  withWorker?: true;
  /** Other processes make its effect after it has replied. */
  later?: true;
  /** Its effect need not survive a power cut: it only prints what is there, or starts processes. */
  promises?: false;
  /** Files that its acknowledgement does not cover. */
  derived?: RegExp[];
  /** It prints while it works, so only its end acknowledges. */
  streams?: true;
  prepare?(p: LabProfile): Promise<void>;
  effect(p: LabProfile): Effect;
  /** Completes the move afterwards, by default by the same call. Returns what is wrong, or undefined. */
  mend?(p: LabProfile): Promise<string | undefined>;
  /** Ends processes that it may have started. */
  clean?(p: LabProfile): Promise<void>;
  /** For a process that never ends: whether it has done enough and gets TERM. */
  until?(p: LabProfile): boolean;
}

const file = (p: LabProfile, name: string) => textAt(p.path(name));

/** Tells the effect by a file's text. */
function byText(name: string, before: string, after: string) {
  return (p: LabProfile): Effect => {
    const text = file(p, name);
    if (text === before) return "before";
    return text === after ? "after" : `${name} is ${JSON.stringify(text.slice(0, 80))}`;
  };
}

/** Tells the effect by the place of a file, which must be in exactly one of two. */
function byPlace(from: string, to: string) {
  return (p: LabProfile): Effect => {
    const [here, there] = [file(p, from) !== "", file(p, to) !== ""];
    if (here === there) return here ? `both ${from} and ${to}` : `neither ${from} nor ${to}`;
    return there ? "after" : "before";
  };
}

/** Tells the effect by whether a file is back; a move cut in two may leave its archived name, too. */
function byReturn(from: string, to: string) {
  return (p: LabProfile): Effect => {
    if (file(p, to) !== "") return "after";
    return file(p, from) === "" ? `neither ${from} nor ${to}` : "before";
  };
}

async function again(p: LabProfile, argv: string[], codes: number[]): Promise<string | undefined> {
  const { code, stderr } = await p.run(...argv);
  return codes.includes(code) ? undefined : `${argv.join(" ")} exits ${code}: ${stderr.trim()}`;
}

/** Writes the session of a worker that ended on an earlier day. */
export function endedSession(p: LabProfile, id: string): void {
  const dir = p.path(`sessions/${id}`);
  Deno.mkdirSync(dir, { recursive: true });
  const meta = {
    v: 1,
    id,
    gen: "00000000",
    cmd: ["true"],
    babysit_pid: 1,
    started_at: 1,
    runner: "shell",
    cwd: "/",
  };
  put(`${dir}/meta.json`, JSON.stringify(meta));
  const status = { state: "exited", child_pid: 1, exit_code: 0, last_change: 2, ended_by: "self" };
  put(`${dir}/status.json`, JSON.stringify(status));
  put(`${dir}/output.log`, "");
}

/** Writes a schedule that was due an hour ago; returns its text. */
export function pastSchedule(p: LabProfile, id: string, body: string): string {
  const hoursAgo = (n: number) => new Date(Date.now() - n * 3_600_000);
  const text = `when: at ${hoursAgo(1).toISOString().slice(0, 16)} UTC\n${body}\n`;
  Deno.mkdirSync(p.path("schedules"), { recursive: true });
  put(p.path(`schedules/${id}.md`), text);
  Deno.utimeSync(p.path(`schedules/${id}.md`), hoursAgo(2), hoursAgo(2));
  return text;
}

/** A hook that writes down the notice of each call. */
const HOOK = 'printf "%s\\n" "$LOOOP_NOTICE" >>"$LOOOP_DATA_DIR/reports/told"';

/** Writes a question `w-1` old enough for a notice to the person; `reports/told` has the notices. */
export function oldQuestion(p: LabProfile): void {
  put(
    p.profile.config,
    JSON.stringify({ notification: HOOK, escalate: [1, 10], away_after: 0 }),
  );
  const ask = { v: 1, id: "w-1", worker: "w", prompt: "Go on?", ts: 1_700_000_000, gen: "" };
  Deno.mkdirSync(p.path("asks"), { recursive: true });
  put(p.path("asks/w-1.json"), JSON.stringify(ask));
}

const seed = (p: LabProfile) => p.ok("_", "state").then(() => {});
const SEEDS = [
  "PLAYBOOK.md",
  "goals/setup.md",
  "goals/playbook-daily.md",
  "sensors/today.sh",
  "config.json",
  ".format",
];
const SENSOR = "#!/bin/sh\necho 1\n";
const EXAMPLE = textAt(new URL("../../sensors_examples/today.sh", import.meta.url).pathname);
const SCHEDULE = 'when: cron "0 9 * * 1-5" UTC';
const LONG = `${"a line of a goal\n".repeat(2000)}`;

/** Files that a supervisor writes of a run, which a power cut ends anyway. */
const SUPERVISORS = [/^sessions\/w\/(sup|keys|lock|program|status\.json)$/];

export async function ask(p: LabProfile, worker: string, prompt: string): Promise<void> {
  await p.run("_", "ask", worker, "--prompt", prompt, "--timeout", "0.01");
}

/** Ends a worker and waits until none of its processes is left. */
async function endWorker(p: LabProfile, id: string): Promise<void> {
  await p.run("_", "worker", "kill", id);
}

/** Whether the question w-1 was withdrawn; its outcome may be archived already. */
function isWithdrawn(p: LabProfile): boolean {
  const months = namesIn(p.path("asks/archive"));
  const outcomes = ["answers/w-1.json", ...months.map((month) => `asks/archive/${month}/w-1.answer.json`)];
  return outcomes.some((name) => file(p, name).includes('"withdrawn"'));
}

function askEffect(p: LabProfile): Effect {
  const asks = namesIn(p.path("asks")).filter((name) => name.endsWith(".json"));
  if (asks.length === 0) return "before";
  return asks.length === 1 ? "after" : `${asks.length} asks`;
}

/** Effect on the answered question `w-1`: unread, or read and archived as a pair. */
function deliveryEffect(p: LabProfile): Effect {
  const months = namesIn(p.path("asks/archive"));
  const archived = months.some((month) => file(p, `asks/archive/${month}/w-1.json`) !== "");
  const answers = [
    file(p, "answers/w-1.json"),
    ...months.map((m) => file(p, `asks/archive/${m}/w-1.answer.json`)),
  ];
  if (!answers.some((text) => text.includes("the answer"))) return "the answer is lost";
  return archived ? "after" : "before";
}

/** The moves of every verb. */
export function moves(): Move[] {
  return [
    {
      name: "seed",
      argv: ["_", "state"],
      effect: (p) => SEEDS.every((name) => file(p, name) !== "") ? "after" : "before",
    },
    {
      name: "goal write (new)",
      argv: ["_", "goal", "write", "g"],
      stdin: LONG,
      prepare: seed,
      effect: byText("goals/g.md", "", LONG),
    },
    {
      name: "goal write (over)",
      argv: ["_", "goal", "write", "g", "new"],
      prepare: async (p) => void await p.ok("_", "goal", "write", "g", "old"),
      effect: byText("goals/g.md", "old\n", "new\n"),
    },
    {
      name: "goal archive",
      argv: ["_", "goal", "archive", "g"],
      prepare: async (p) => void await p.ok("_", "goal", "write", "g", "old"),
      effect: byPlace("goals/g.md", "goals/archive/g.md"),
      mend: async (p) =>
        await again(p, ["_", "goal", "archive", "g"], [0, 1]) ?? copies(p, "goals/archive", "g", 1),
    },
    {
      name: "goal archive (onto one)",
      argv: ["_", "goal", "archive", "g"],
      prepare: async (p) => {
        await p.ok("_", "goal", "write", "g", "old");
        await p.ok("_", "goal", "archive", "g");
        await p.ok("_", "goal", "write", "g", "new");
      },
      effect: byPlace("goals/g.md", "goals/archive/g~2.md"),
      mend: async (p) =>
        await again(p, ["_", "goal", "archive", "g"], [0, 1]) ?? copies(p, "goals/archive", "g", 2),
    },
    {
      name: "sensor write",
      argv: ["_", "sensor", "write", "s"],
      stdin: SENSOR,
      prepare: seed,
      effect: (p) => {
        const text = file(p, "sensors/s.sh");
        if (text === "") return "before";
        if (text !== SENSOR) return `s.sh is ${JSON.stringify(text)}`;
        return (Deno.statSync(p.path("sensors/s.sh")).mode ?? 0) & 0o100 ? "after" : "s.sh cannot be run";
      },
    },
    {
      name: "sensor remove",
      argv: ["_", "sensor", "remove", "s"],
      prepare: async (p) => void await p.okCall(["_", "sensor", "write", "s"], { stdin: SENSOR }),
      effect: byPlace("sensors/s.sh", "sensors/archive/s.sh"),
      mend: async (p) =>
        await again(p, ["_", "sensor", "remove", "s"], [0, 1]) ?? copies(p, "sensors/archive", "s", 1),
    },
    {
      name: "sensor add",
      argv: ["_", "sensor", "add", "today", "--as", "s"],
      prepare: seed,
      effect: (p) => {
        const text = file(p, "sensors/s.sh");
        if (text === "") return "before";
        return text === EXAMPLE ? "after" : `s.sh is ${JSON.stringify(text.slice(0, 80))}`;
      },
      mend: (p) => again(p, ["_", "sensor", "add", "today", "--as", "s"], [0, 1]),
    },
    {
      name: "init",
      argv: ["init", "--runner", "shell"],
      prepare: seed,
      effect: (p) => {
        const text = file(p, "config.json");
        if (text.includes('"default": "pi"')) return "before";
        return text.includes('"default": "shell"') && text.trimEnd().endsWith("}") ? "after" : text;
      },
    },
    {
      name: "schedule write",
      argv: ["_", "schedule", "write", "s", "--cron", "0 9 * * 1-5", "--zone", "UTC", "the report"],
      prepare: seed,
      effect: byText("schedules/s.md", "", `${SCHEDULE}\nthe report\n`),
    },
    {
      name: "schedule remove",
      argv: ["_", "schedule", "remove", "s"],
      prepare: async (p) =>
        void await p.ok(
          "_",
          "schedule",
          "write",
          "s",
          "--cron",
          "0 9 * * 1-5",
          "--zone",
          "UTC",
          "the report",
        ),
      effect: byPlace("schedules/s.md", "schedules/archive/s.md"),
      mend: async (p) =>
        await again(p, ["_", "schedule", "remove", "s"], [0, 1]) ?? copies(p, "schedules/archive", "s", 1),
    },
    {
      name: "playbook write",
      argv: ["_", "playbook", "write", "new"],
      prepare: async (p) => void await p.ok("_", "playbook", "write", "old"),
      effect: byText("PLAYBOOK.md", "old\n", "new\n"),
    },
    {
      name: "ask",
      argv: ["_", "ask", "w", "--prompt", "Merge?", "--timeout", "0.01"],
      acknowledges: [124],
      prepare: seed,
      effect: askEffect,
      mend: async (p) =>
        await again(p, ["_", "ask", "w", "--prompt", "Merge?", "--timeout", "0.01"], [124]) ??
          (askEffect(p) === "after" ? undefined : `after asking again: ${askEffect(p)}`),
    },
    {
      name: "ask (delivery)",
      argv: ["_", "ask", "w", "--prompt", "Merge?", "--timeout", "20"],
      promises: false,
      derived: [/\.taken$/],
      prepare: async (p) => {
        await ask(p, "w", "Merge?");
        await p.ok("_", "answer", "w-1", "the answer");
      },
      effect: deliveryEffect,
      mend: async (p) => {
        if (deliveryEffect(p) === "after") return again(p, ["_", "state"], [0]);
        const { code, stdout } = await p.run("_", "ask", "w", "--prompt", "Merge?", "--timeout", "5");
        return code === 0 && stdout === "the answer\n" ? undefined : `asked again: ${code} ${stdout}`;
      },
    },
    {
      name: "answer",
      argv: ["_", "answer", "w-1", "yes"],
      prepare: (p) => ask(p, "w", "Merge?"),
      effect: (p) => {
        const text = file(p, "answers/w-1.json");
        if (text === "") return "before";
        return JSON.parse(text).answer === "yes" ? "after" : text;
      },
      mend: (p) => again(p, ["_", "answer", "w-1", "yes"], [0, 1]),
    },
    {
      name: "answer --replace",
      argv: ["_", "answer", "w-1", "no", "--replace"],
      prepare: async (p) => {
        await ask(p, "w", "Merge?");
        await p.ok("_", "answer", "w-1", "yes");
      },
      effect: (p) => {
        const { answer } = JSON.parse(file(p, "answers/w-1.json"));
        return answer === "yes" ? "before" : answer === "no" ? "after" : answer;
      },
    },
    {
      name: "answer --decline",
      argv: ["_", "answer", "w-1", "--decline", "not now"],
      prepare: (p) => ask(p, "w", "Merge?"),
      effect: (p) => {
        const text = file(p, "answers/w-1.json");
        if (text === "") return "before";
        const { answer, outcome } = JSON.parse(text);
        return answer === "not now" && outcome === "declined" ? "after" : text;
      },
      mend: (p) => again(p, ["_", "answer", "w-1", "--decline", "not now"], [0, 1]),
    },
    {
      name: "claim",
      argv: ["_", "claim", "c", "--session", "s"],
      prepare: seed,
      effect: (p) => file(p, "claims/c.json") === "" ? "before" : "after",
    },
    {
      name: "claim (takeover)",
      argv: ["_", "claim", "c", "--session", "s2"],
      prepare: async (p) => {
        await seed(p);
        endedSession(p, "s1");
        put(p.path("claims/c.json"), '{"session":"s1","name":"c"}\n');
      },
      // In between nobody holds it, which counts as before: the holder's session had ended.
      effect: (p) => file(p, "claims/c.json").includes('"s2"') ? "after" : "before",
    },
    {
      name: "unclaim",
      argv: ["_", "unclaim", "c", "--session", "s"],
      prepare: async (p) => void await p.ok("_", "claim", "c", "--session", "s"),
      effect: (p) => file(p, "claims/c.json") === "" ? "after" : "before",
    },
    {
      name: "worker start",
      argv: ["_", "worker", "start", "w", "--command", "sleep 300", "a brief"],
      derived: SUPERVISORS,
      promises: false,
      prepare: seed,
      effect: (p) => workerEffect(p, "running"),
      mend: async (p) => {
        await endWorker(p, "w");
        return again(p, ["_", "worker", "start", "w", "--command", "sleep 300", "again"], [0]);
      },
      clean: (p) => endWorker(p, "w"),
    },
    {
      name: "worker start (again)",
      argv: ["_", "worker", "start", "w", "--command", "sleep 300", "a brief"],
      derived: SUPERVISORS,
      promises: false,
      prepare: async (p) => {
        await seed(p);
        endedSession(p, "w");
      },
      effect: (p) => {
        // The earlier run is kept whole, in its place or under another name.
        const runs = ["w", "w~1"].filter((id) =>
          file(p, `sessions/${id}/meta.json`).includes('"gen":"00000000"')
        );
        if (runs.length !== 1) return `the earlier run is in ${runs.length} places`;
        return workerEffect(p, "running");
      },
      mend: async (p) => {
        await endWorker(p, "w");
        return again(p, ["_", "worker", "start", "w", "--command", "sleep 300", "again"], [0]);
      },
      clean: (p) => endWorker(p, "w"),
    },
    {
      name: "worker resume",
      argv: ["_", "worker", "resume", "w"],
      prepare: async (p) => {
        await seed(p);
        const text = "#!/bin/sh\nexec sleep 300\n";
        Deno.mkdirSync(`${p.base}/home/bin`, { recursive: true });
        writeExecutable(`${p.base}/home/bin/pi`, text);
        p.env["PATH"] = `${p.base}/home/bin:${p.env["PATH"]}`;
        await p.ok("_", "worker", "start", "w", "--runner", "pi", "a brief");
        await endWorker(p, "w");
      },
      effect: (p) => workerEffect(p, "running"),
      derived: SUPERVISORS,
      promises: false,
      mend: async (p) => {
        await endWorker(p, "w");
        return again(p, ["_", "worker", "resume", "w"], [0]);
      },
      clean: (p) => endWorker(p, "w"),
    },
    {
      name: "worker kill (asking)",
      argv: ["_", "worker", "kill", "w"],
      prepare: async (p) => {
        await ask(p, "w", "Merge?");
        endedSession(p, "w");
      },
      // Its question is pending or withdrawn, never gone without an outcome.
      effect: (p) => {
        if (file(p, "asks/w-1.json") !== "" && file(p, "answers/w-1.json") === "") return "before";
        return isWithdrawn(p) ? "after" : "the question is lost";
      },
    },
    {
      name: "worker kill",
      argv: ["_", "worker", "kill", "w"],
      withWorker: true,
      prepare: (p) => seed(p),
      effect: (p) => workerEffect(p, "killed"),
      clean: (p) => endWorker(p, "w"),
    },
    {
      name: "note",
      argv: ["_", "note", "the human wants it small"],
      prepare: (p) => seed(p),
      effect: (p) => file(p, "journal.md").includes("the human wants it small") ? "after" : "before",
    },
    {
      name: "ask withdraw",
      argv: ["_", "ask", "withdraw", "w-1"],
      prepare: async (p) => {
        await seed(p);
        await ask(p, "w", "Merge?");
      },
      effect: (p) => {
        return isWithdrawn(p) ? "after" : "before";
      },
      mend: (p) => again(p, ["_", "ask", "withdraw", "w-1"], [0, 1]),
    },
    {
      name: "tell",
      argv: ["_", "tell", "w", "leave the parser alone"],
      withWorker: true,
      prepare: (p) => seed(p),
      effect: (p) => {
        const text = file(p, "tells/w/1.json");
        if (text === "") return "before";
        return text.includes('"leave the parser alone"') ? "after" : `tells/w/1.json is ${text}`;
      },
      clean: (p) => endWorker(p, "w"),
    },
    {
      name: "told",
      argv: ["_", "told", "w"],
      // It marks texts as read after printing them; unread ones are given again.
      streams: true,
      derived: [/\/ready$/],
      prepare: async (p) => {
        await seed(p);
        endedSession(p, "w");
        const told = { v: 1, n: 1, gen: "00000000", text: "leave the parser alone", by: "root", ts: 1 };
        Deno.mkdirSync(p.path("tells/w"), { recursive: true });
        put(p.path("tells/w/1.json"), JSON.stringify(told));
      },
      effect: (p) => {
        const names = namesIn(p.path("tells/w")).filter((name) => /^1\.(json|taken|done)$/.test(name));
        if (names.length !== 1) return `the tell is in ${names.length} places`;
        return names[0] === "1.done" ? "after" : "before";
      },
      mend: async (p) => {
        const isRead = namesIn(p.path("tells/w")).includes("1.done");
        const { code, stdout } = await p.run("_", "told", "w");
        const isGiven = stdout.includes("leave the parser alone");
        return code === 0 && isGiven !== isRead ? undefined : `told again: ${code} ${stdout}`;
      },
    },
    {
      name: "wait (schedule)",
      argv: ["_", "wait", "--json", "--timeout", "20"],
      promises: false,
      prepare: async (p) => {
        await seed(p);
        pastSchedule(p, "s", "the report");
        await p.ok("up");
        await p.ok("down");
        await p.run("_", "wait", "--as", "another", "--timeout", "1");
      },
      effect: (p) => {
        const { due, given, text } = JSON.parse(file(p, ".schedules.json")).schedules.s.firing;
        return given === due ? "after" : text === "the report" ? "before" : "the text is lost";
      },
      mend: async (p) => {
        const { due, given } = JSON.parse(file(p, ".schedules.json")).schedules.s.firing;
        if (given === due) return again(p, ["_", "state"], [0]);
        const { stdout } = await p.run("_", "wait", "--json", "--timeout", "5");
        return stdout.includes("the report") ? undefined : `waited again: ${stdout}`;
      },
    },
    ...["kill", "done"].map((verb): Move => ({
      name: verb,
      argv: ["_", verb, "w"],
      withWorker: true,
      later: true,
      prepare: (p) => seed(p),
      effect: (p) => workerEffect(p, "exited"),
      mend: async (p) => {
        await again(p, ["_", verb, "w"], [0]);
        const deadline = Date.now() + 12_000;
        while (workerEffect(p, "exited") !== "after" && Date.now() < deadline) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return workerEffect(p, "exited") === "after" ? undefined : "the worker never ended";
      },
      clean: (p) => endWorker(p, "w"),
    })),
    {
      name: "ready",
      argv: ["_", "ready", "w"],
      promises: false,
      derived: [/\/ready$/],
      prepare: async (p) => {
        await seed(p);
        endedSession(p, "w");
      },
      effect: (p) => namesIn(p.path("sessions/w")).includes("ready") ? "after" : "before",
    },
    {
      name: "wait (cursor)",
      argv: ["_", "wait", "--fresh", "--json"],
      promises: false,
      prepare: seed,
      effect: (p) => file(p, ".cursors/hand.json") === "" ? "before" : "after",
    },
    {
      name: "up",
      argv: ["up"],
      prepare: seed,
      effect: (p) => /"ready":true/.test(file(p, ".pulse.json")) ? "after" : "before",
      clean: async (p) => void await p.run("down"),
    },
    {
      name: "down",
      argv: ["down"],
      prepare: async (p) => {
        await p.ok("up");
        await p.ok("down");
        setWanted(p.profile, true, 1, "text");
      },
      effect: (p) => /"wanted":true/.test(file(p, ".lock/wanted.json")) ? "before" : "after",
    },
    {
      name: "run",
      argv: ["_", "run", "echo done >ran"],
      streams: true,
      // The command writes it.
      derived: [/^ran$/],
      promises: false,
      prepare: seed,
      effect: (p) => file(p, "ran") === "" ? "before" : "after",
    },
    {
      name: "notify",
      argv: ["_", "notify", "look here"],
      prepare: seed,
      effect: (p) => file(p, "journal.md").includes("look here") ? "after" : "before",
    },
    {
      name: "undo",
      argv: ["_", "undo", "goal", "g"],
      prepare: async (p) => {
        await p.ok("_", "goal", "write", "g", "old");
        await p.ok("_", "goal", "write", "g", "new");
      },
      effect: byText("goals/g.md", "new\n", "old\n"),
      mend: (p) => again(p, ["_", "state"], [0]),
    },
    {
      name: "undo (archived goal)",
      argv: ["_", "undo", "goal", "g"],
      prepare: async (p) => {
        await p.ok("_", "goal", "write", "g", "old");
        await p.ok("_", "goal", "archive", "g");
      },
      effect: byReturn("goals/archive/g.md", "goals/g.md"),
      mend: (p) => again(p, ["_", "state"], [0]),
    },
    {
      name: "undo (removed sensor)",
      argv: ["_", "undo", "sensor", "s"],
      prepare: async (p) => {
        await p.okCall(["_", "sensor", "write", "s"], { stdin: SENSOR });
        await p.ok("_", "sensor", "remove", "s");
      },
      effect: byReturn("sensors/archive/s.sh", "sensors/s.sh"),
      mend: (p) => again(p, ["_", "state"], [0]),
    },
    {
      name: "undo (playbook)",
      argv: ["_", "undo", "playbook"],
      prepare: async (p) => {
        await p.ok("_", "playbook", "write", "old");
        await p.ok("_", "playbook", "write", "new");
      },
      effect: byText("PLAYBOOK.md", "new\n", "old\n"),
      mend: (p) => again(p, ["_", "state"], [0]),
    },
    {
      name: "worker kill (forget)",
      argv: ["_", "worker", "kill", "w", "--forget"],
      prepare: async (p) => {
        await seed(p);
        endedSession(p, "w");
        const meta = {
          ...JSON.parse(file(p, "sessions/w/meta.json")),
          started_at: Math.floor(Date.now() / 1000),
        };
        put(p.path("sessions/w/meta.json"), JSON.stringify(meta));
        put(p.path("sessions/w/status.json"), '{"state":"running"}');
        put(p.path("sessions/w/sup"), "77 1 another-boot another-machine pid:[1] \n");
      },
      effect: (p) => workerEffect(p, "killed"),
      mend: (p) => again(p, ["_", "worker", "kill", "w", "--forget"], [0, 1]),
    },
    {
      name: "page",
      argv: ["page"],
      // The page only shows what is recorded elsewhere.
      promises: false,
      derived: [/^reports\/looop\.html$/],
      prepare: seed,
      effect: (p) => file(p, "reports/looop.html").trimEnd().endsWith("</html>") ? "after" : "before",
    },
    {
      name: "cost",
      argv: ["_", "cost", "session", "w", "pi", "0.5"],
      prepare: seed,
      effect: (p) => file(p, "cost.jsonl") === "" ? "before" : "after",
      mend: (p) => again(p, ["_", "cost", "session", "w", "pi", "0.5"], [0]),
    },
  ];
}

function workerEffect(p: LabProfile, wanted: string): Effect {
  const text = file(p, "sessions/w/status.json");
  if (text === "") return "before";
  const { state } = JSON.parse(text);
  return state === wanted ? "after" : "before";
}

/** Checks that there are exactly `count` archived texts of an id: none lost, none doubled. */
function copies(p: LabProfile, dir: string, id: string, count: number): string | undefined {
  const found = namesIn(p.path(dir)).filter((name) =>
    !name.startsWith(".") && new RegExp(`^${id}(~\\d+)?\\.`).test(name)
  );
  return found.length === count ? undefined : `${dir} holds ${found.join(", ")}`;
}
