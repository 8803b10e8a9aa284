/**
 * `deno run -A tests/bench/sensor_times.ts [SENSOR…]`: how long the ready-made sensors take for an answer of n, 2n and
 * 4n things, where 4n is ten times what their service gives a large team. Prints a table of wall time and, in brackets,
 * CPU time, which a busy machine disturbs less; exit 1 if a sensor takes more than 5 s of that. `LOOOP_UNDER_TEST` names
 * the binary that reads calendars and feeds; without it looop runs from source.
 *
 * Sensors of a fixed number of things (host-load, today, every, tls-expiry, http-health, command) are left out.
 */
import { writeExecutable } from "../executable.ts";
import { checkReading, Place, plainTitle, serve } from "../sensors/harness.ts";
import { container, pod, pods, unit } from "../sensors/local_scenarios.ts";
import { SERVICES } from "../sensors/services.ts";

/** CPU time that a sensor may take, s. */
const BAR_S = 5;

/** Times of one run, s. */
interface Spent {
  wall: number;
  cpu: number;
}

/** CPU time of all ended children, s, in steps of 0.01 s; on systems other than Linux the wall time instead. */
function childrenCpu(): number {
  if (Deno.build.os !== "linux") return performance.now() / 1000;
  const fields = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /s, "").split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

/** A sensor to run with an answer of any size. */
interface Case {
  sensor: string;
  /** Name of the things in the answer. */
  things: string;
  /** Largest number of things: ten times what a large team has. */
  most: number;
  run(place: Place, count: number): Promise<Spent>;
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

async function timed(
  place: Place,
  sensor: string,
  env: Record<string, string>,
  path?: string,
): Promise<Spent> {
  const [started, cpu] = [performance.now(), childrenCpu()];
  const outcome = await place.run(sensor, env, path);
  const spent = { wall: (performance.now() - started) / 1000, cpu: childrenCpu() - cpu };
  checkReading(outcome);
  return spent;
}

/** Largest numbers of things of web services; a sensor reads only a limited number of pages. */
const MOST: Readonly<Record<string, number>> = {
  "prometheus-query": 20_000,
  calendar: 20_000,
  feed: 2_000,
  alertmanager: 5_000,
  "grafana-alerts": 5_000,
  "slack-unread": 2_000,
};

const SERVED: readonly Case[] = SERVICES.map((service) => ({
  sensor: service.sensor,
  things: service.paging === undefined ? "things in one answer" : "things, in pages",
  most: MOST[service.sensor] ?? 2_000,
  async run(place, count) {
    const answers = new Map<string, Response>();
    await using server = serve(async (request) => {
      const url = new URL(request.url);
      const body = await request.text();
      const key = `${url} ${body}`;
      // Of two equal runs the second is measured, since the first includes making the answer.
      const answer = answers.get(key) ?? service.answer({ url, body, request, count, title: plainTitle });
      answers.set(key, answer.clone());
      return answer;
    });
    const env = service.env(server.url);
    await timed(place, service.sensor, env);
    return await timed(place, service.sensor, env);
  },
}));

/** Makes a program of this name that prints a text. */
async function printing(place: Place, name: string, text: string): Promise<string> {
  await Deno.writeTextFile(`${place.root}/bin/${name}.out`, text);
  return await place.program(name, `#!/bin/sh\nexec cat "$0.out"\n`);
}

async function folder(place: Place, count: number): Promise<string> {
  await Deno.mkdir(`${place.root}/many`);
  for (const n of range(count)) Deno.writeTextFileSync(`${place.root}/many/a file of some name ${n}`, "text");
  return `${place.root}/many`;
}

/** Makes a repository with this many unmerged branches, each with a commit of its own. */
async function branches(place: Place, count: number): Promise<string> {
  const dir = `${place.root}/repo`;
  const stream = [
    "commit refs/heads/main",
    "committer A <a@b.example> 1767571200 +0000",
    "data 4",
    "main",
    "",
  ];
  const lines = range(count).flatMap((n) => [
    `commit refs/heads/topic/${n}`,
    `committer A <a@b.example> ${1767571200 + n} +0000`,
    "data 5",
    "topic",
    `from refs/heads/main`,
    "",
  ]);
  const script = 'git init -q -b main "$1" && git -C "$1" fast-import --quiet';
  const child = new Deno.Command("sh", { args: ["-c", script, "sh", dir], stdin: "piped" }).spawn();
  await new Response([...stream, ...lines].join("\n")).body?.pipeTo(child.stdin);
  if (!(await child.status).success) throw new Error("git made no repository");
  return dir;
}

const NOW = new Date().toISOString().replace(/\.\d+/, "");

const LOCAL: readonly Case[] = [
  {
    sensor: "git-unmerged",
    things: "branches",
    most: 4_000,
    run: async (place, count) =>
      await timed(place, "git-unmerged", { GIT_DIR_PATH: await branches(place, count) }),
  },
  {
    sensor: "git-repo",
    things: "branches",
    most: 4_000,
    run: async (place, count) =>
      await timed(place, "git-repo", { GIT_DIR_PATH: await branches(place, count) }),
  },
  {
    sensor: "files",
    things: "files",
    most: 20_000,
    run: async (place, count) => await timed(place, "files", { FILES_DIR: await folder(place, count) }),
  },
  {
    sensor: "queue-folder",
    things: "files",
    most: 20_000,
    run: async (place, count) =>
      await timed(place, "queue-folder", { QUEUE_DIR: await folder(place, count), QUEUE_SECONDS: "0" }),
  },
  {
    sensor: "log-file",
    things: "lines that match",
    most: 100_000,
    async run(place, count) {
      const file = `${place.root}/app.log`;
      await Deno.writeTextFile(file, range(count).map((n) => `ERROR ${n} of some kind\n`).join(""));
      return await timed(place, "log-file", {
        LOG_FILE: file,
        LOG_PATTERN: "ERROR",
        LOG_BYTES: "100000000",
      });
    },
  },
  {
    sensor: "llm-spend",
    things: "rows",
    most: 40_000,
    async run(place, count) {
      const row = (n: number) =>
        JSON.stringify({ ts: NOW, kind: "session", id: `w${n % 50}`, runner: "pi", cost_usd: 0.001 });
      await Deno.writeTextFile(`${place.root}/cost.jsonl`, `${range(count).map(row).join("\n")}\n`);
      return await timed(place, "llm-spend", { LOOOP_DATA_DIR: place.root });
    },
  },
  {
    sensor: "k8s-pods",
    things: "pods",
    most: 5_000,
    async run(place, count) {
      const list = pods(...range(count).map((n) => pod(n, n % 2 === 0, "CrashLoopBackOff")));
      return await timed(place, "k8s-pods", {}, await printing(place, "kubectl", list));
    },
  },
  {
    sensor: "docker-containers",
    things: "containers",
    most: 2_000,
    async run(place, count) {
      const list = range(count).map((n) => container(n, "running", "Up 2 hours")).join("\n");
      return await timed(place, "docker-containers", {}, await printing(place, "docker", list));
    },
  },
  {
    sensor: "systemd-unit",
    things: "units",
    most: 2_000,
    async run(place, count) {
      const path = await printing(
        place,
        "systemctl",
        range(count).map((n) => unit(n, "failed")).join("\n\n"),
      );
      return await timed(place, "systemd-unit", { UNITS: "a.service" }, path);
    },
  },
  {
    sensor: "disk",
    things: "mounted disks",
    most: 2_000,
    async run(place, count) {
      const list = range(count).map((n) => `/dev/sd${n} 1000000 10 990 ${n % 100}% /mnt/${n}`).join("\n");
      writeExecutable(`${place.root}/bin/mount`, "#!/bin/sh\n");
      return await timed(place, "disk", {}, await printing(place, "df", `Filesystem\n${list}\n`));
    },
  },
];

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) {
  const cases = [...SERVED, ...LOCAL].filter(({ sensor }) =>
    Deno.args.length === 0 || Deno.args.includes(sensor)
  );
  let slow = false;
  say("| sensor | 4n | n | 2n | 4n |\n| --- | --- | --- | --- | --- |");
  for (const { sensor, things, most, run } of cases) {
    const times: Spent[] = [];
    for (const count of [most / 4, most / 2, most]) {
      await using place = await Place.make();
      times.push(await run(place, count));
    }
    slow ||= times.some(({ cpu }) => cpu > BAR_S);
    const cells = times.map(({ wall, cpu }) => `${wall.toFixed(2)} s (${cpu.toFixed(2)})`);
    say(`| ${sensor} | ${most} ${things} | ${cells.join(" | ")} |`);
  }
  Deno.exit(slow ? 1 : 0);
}
