/** The form on which installers and checkers rely: a header, settings below it, equal shared functions. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { checkReading, EXAMPLES, Place, serve } from "./harness.ts";
import { LOCAL_SENSORS } from "./local_scenarios.ts";
import { SERVICES } from "./services.ts";
import { writeExecutable } from "../executable.ts";

const HEADER = ["summary", "needs", "env", "optional", "interval", "timeout"] as const;
const SETTING = /^([A-Z_]+)="\$\{\1:-(.*)\}"$/;
const scripts = [...Deno.readDirSync(EXAMPLES)].map(({ name }) => name).sort()
  .map((name) => ({ name, text: Deno.readTextFileSync(`${EXAMPLES}${name}`) }));
const names = (list: string) => list === "" ? [] : list.split(",");

for (const { name, text } of scripts) {
  Deno.test(`given ${name}, when its head is read, then it has the header in order and one settings line for each name`, () => {
    match(name, /^[a-z0-9][a-z0-9-]*\.sh$/);
    const lines = text.split("\n");
    strictEqual(lines[0], "#!/usr/bin/env bash");
    const values = HEADER.map((key, n) => {
      const line = lines[n + 1] ?? "";
      ok(line.startsWith(`# looop:${key}=`), `line ${n + 2} is "${line}", expected "# looop:${key}="`);
      return line.slice(`# looop:${key}=`.length);
    });
    const [summary = "", needs = "", required = "", optional = "", interval = "", timeout = ""] = values;
    match(summary, /^[A-Z].{10,90}[^.]$/);
    ok(
      [...names(needs), ...names(required), ...names(optional)].every((word) =>
        /^[A-Za-z0-9_-]+$/.test(word)
      ),
    );
    ok(Number(interval) >= 20 && Number(timeout) >= 5 && Number(timeout) <= 120, "interval or timeout");
    const settings = lines.slice(HEADER.length + 1);
    settings.length = settings.findIndex((line) => !SETTING.test(line));
    deepStrictEqual(settings.map((line) => SETTING.exec(line)![1]), [...names(required), ...names(optional)]);
    settings.slice(0, names(required).length).forEach((line) =>
      strictEqual(SETTING.exec(line)![2], "", "a default for a required setting")
    );
    strictEqual(text.match(/^# looop:/gm)?.length, HEADER.length, "header lines elsewhere");
  });
}

Deno.test("given all examples, when their functions are compared, then functions of one name are the same everywhere", () => {
  const seen = new Map<string, { name: string; body: string }>();
  for (const { name, text } of scripts) {
    for (const [body, title = ""] of text.matchAll(/^([a-z_]+)\(\) \{(?: .*\}|.*\n(?:.*\n)*?\})$/gm)) {
      const other = seen.get(title);
      if (other !== undefined) {
        strictEqual(body, other.body, `${title}() differs between ${other.name} and ${name}`);
      } else seen.set(title, { name, body });
    }
  }
  ok(seen.has("fetch") && seen.has("report") && seen.has("fail"), [...seen.keys()].join());
});

Deno.test("given all examples, when they are read, then each is short and no line is long", () => {
  for (const { name, text } of scripts) {
    const lines = text.trimEnd().split("\n");
    ok(lines.length <= 140, `${name} has ${lines.length} lines`);
    ok(lines.every((line) => line.length <= 120), `${name} has a line of more than 120 characters`);
  }
});

Deno.test("given all examples, when they are looked through, then all run, none needs bash 4 or hides a secret badly", () => {
  for (const { name, text } of scripts) {
    const mode = Deno.statSync(`${EXAMPLES}${name}`).mode ?? 0;
    strictEqual(mode & 0o111, 0o111, `${name} is not executable`);
    const newer =
      /\b(mapfile|readarray|coproc)\b|declare -[Agn]|local -n|\$\{[A-Za-z_]+(,,?|\^\^?)\}|&>>|\|&|\bwait -n\b|\$EPOCH|printf '%\(/;
    ok(!newer.test(text), `${name}: ${newer.exec(text)?.[0]} is not in bash 3.2`);
    ok(
      !/date -d|date -v|sed -i|readlink -f|grep -P|(^|[ |;&(])timeout [0-9"$]/m.test(text),
      `${name} uses what macOS lacks`,
    );
    ok(!/(curl|jq)[^|\n]*\$\{?[A-Z_]*(TOKEN|KEY|SECRET)/.test(text), `${name} gives a secret as an argument`);
  }
});

Deno.test("given all examples, when bash parses them, then none has a syntax error", async () => {
  for (const { name } of scripts) {
    const { success, stderr } = await new Deno.Command("bash", { args: ["-n", `${EXAMPLES}${name}`] })
      .output();
    ok(success, new TextDecoder().decode(stderr));
  }
});

Deno.test("given all examples, when the tests are counted, then every one has its scenarios", () => {
  const tested = [...SERVICES, ...LOCAL_SENSORS].map(({ sensor }) => `${sensor}.sh`).sort();
  deepStrictEqual(tested, scripts.map(({ name }) => name));
});

Deno.test("given a setting written below the header, when the sensor runs, then it counts, whatever is in it", async () => {
  await using place = await Place.make();
  await using server = serve((request) => {
    strictEqual(new URL(request.url).searchParams.get("labels"), `it's "a" $(touch x)`);
    return Response.json([]);
  });
  const lines = Deno.readTextFileSync(`${EXAMPLES}github-issues.sh`).split("\n");
  const quoted = `it's "a" $(touch x)`.replaceAll("'", `'\\''`);
  lines.splice(HEADER.length + 1, 0, "REPO='octo/hello'", `LABELS='${quoted}'`);
  writeExecutable(`${place.root}/bin/installed.sh`, lines.join("\n"));
  const { code, stdout, stderr } = await new Deno.Command(`${place.root}/bin/installed.sh`, {
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      TMPDIR: `${place.root}/tmp`,
      GH_TOKEN: "x",
      GITHUB_API_URL: server.url,
      LABELS: "other",
    },
    cwd: `${place.root}/cwd`,
  }).output();
  const text = new TextDecoder();
  checkReading({ code, stdout: text.decode(stdout), stderr: text.decode(stderr) });
  place.checkClean();
});
