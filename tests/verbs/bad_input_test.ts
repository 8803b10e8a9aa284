import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { exists } from "../../lib/store.ts";
import { callHere } from "../in_process.ts";
import { looopCommand, type TestProfile, testProfile } from "../looop.ts";

/** Ids that every verb must refuse. */
const BAD_IDS = ["..", "a/b", "../PLAYBOOK", "a".repeat(65), "a\nb"];
/** More bad ids, tried on one verb, since all verbs check ids in the same way. */
const MORE_BAD_IDS = [".hidden", "a\\b", "a b", "é", "$(x)", "-", "~", "*"];

/** Verbs whose first word is an id, with the other words of a correct call. */
const ID_VERBS: [string[], string[]][] = [
  [["_", "goal", "write"], ["body"]],
  [["_", "goal", "archive"], []],
  [["_", "sensor", "write"], ["echo 1"]],
  [["_", "sensor", "run"], []],
  [["_", "sensor", "remove"], []],
  [["_", "worker", "start"], ["brief", "--runner", "shell"]],
  [["_", "worker", "kill"], []],
  [["_", "worker", "log"], []],
  [["_", "ask"], ["--prompt", "p"]],
  [["_", "ready"], []],
  [["_", "kill"], []],
  [["_", "claim"], ["--session", "w"]],
  [["_", "unclaim"], ["--session", "w"]],
];

/** A wrong call: its words, and the text of its one line. */
interface Case {
  args: string[];
  says?: RegExp;
  env?: Record<string, string>;
  stdin?: string;
}

/** Every file and folder below the data dir with its content and mode. */
function contents(p: TestProfile): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (dir: string) => {
    for (const entry of Deno.readDirSync(dir)) {
      const path = `${dir}/${entry.name}`;
      const mode = ((Deno.lstatSync(path).mode ?? 0) & 0o7777).toString(8);
      found[path] = entry.isDirectory ? mode : `${mode} ${Deno.readTextFileSync(path)}`;
      if (entry.isDirectory) walk(path);
    }
  };
  walk(p.base);
  return found;
}

/** A profile with a bit of everything in it. */
async function furnished(): Promise<TestProfile> {
  const p = await testProfile();
  await p.ok("_", "goal", "write", "g", "keep me");
  await p.ok("_", "ask", "w", "--prompt", "pending?", "--options", "yes,no", "--timeout", "0.01").catch(
    () => {},
  );
  await p.ok("_", "claim", "lease", "--session", "w");
  // This may write the launcher, which is derived, so that a later call does not count as a change.
  await p.ok("_", "sensor", "run", "today");
  return p;
}

/** Runs all cases; checks that each exits 2 with one line and changes nothing. */
async function refuseAll(p: TestProfile, cases: readonly Case[], call = callHere): Promise<void> {
  const before = contents(p);
  for (const { args, says = /./, env, stdin } of cases) {
    const options = { ...(env === undefined ? {} : { env }), ...(stdin === undefined ? {} : { stdin }) };
    const result = await call(p, args, options);
    const words = args.map((word) => JSON.stringify(word)).join(" ");
    strictEqual(result.code, 2, `${words}: exit ${result.code}, ${result.stderr}`);
    strictEqual(result.stdout, "", words);
    match(result.stderr, /^looop[^\n]*: [^\n]+; [^\n]+\n$/, words);
    ok(says.test(result.stderr), `${words}: ${result.stderr}`);
  }
  deepStrictEqual(contents(p), before);
}

Deno.test("given every verb that takes an id, when the id is bad, then exit 2, one line, and nothing is touched", async () => {
  await using p = await furnished();
  const cases: Case[] = ID_VERBS.flatMap(([verb, rest]) =>
    BAD_IDS.map((id) => ({ args: [...verb, id, ...rest], says: /Bad \w+ id/ }))
  );
  for (const id of MORE_BAD_IDS) {
    cases.push({ args: ["_", "claim", id, "--session", "w"], says: /Bad claim id/ });
  }
  await refuseAll(p, cases);
});

Deno.test("given every verb that takes an id, when it is empty, absent or an option, then exit 2, one line, and nothing is touched", async () => {
  await using p = await furnished();
  const cases: Case[] = ID_VERBS.flatMap(([verb, rest]) => [
    { args: [...verb, "", ...rest] },
    { args: [...verb, "-x", ...rest], says: /Unknown option -x/ },
    { args: [...verb, "--", "-x"], says: /Bad \w+ id|needs an asker|question is empty|A lease needs/ },
    ...(verb[1] === "ask" ? [] : [{ args: verb, says: /Missing <(id|name)>.* as in `looop _ / }]),
  ]);
  for (const words of ["worker start", "worker kill", "worker log", "kill", "ready", "ask"]) {
    const prompt = words === "ask" ? ["--prompt", "p"] : words === "worker start" ? ["brief"] : [];
    cases.push({ args: ["_", ...words.split(" "), "pulse", ...prompt], says: /"pulse" is reserved/ });
  }
  await refuseAll(p, cases);
});

Deno.test("given every verb, when an option is unknown, then exit 2 and the nearest one is named", async () => {
  await using p = await furnished();
  const verbs = [
    "up",
    "down",
    "status",
    "version",
    "_ state",
    "_ wait",
    "_ answer",
    "_ worker list",
    "_ playbook write",
  ]
    .map((verb) => verb.split(" ")).concat(ID_VERBS.map(([verb]) => verb));
  await refuseAll(p, [
    ...verbs.map((verb) => ({
      args: [...verb, "--hepl"],
      says: /Unknown option --hepl; did you mean --help\?/,
    })),
    { args: ["_", "ask", "w", "--promt", "x"], says: /did you mean --prompt\?/ },
    { args: ["_", "answer", "w-1", "x", "--replaec"], says: /did you mean --replace\?/ },
    { args: ["_", "worker", "start", "w", "x", "--comand", "y"], says: /did you mean --command\?/ },
    { args: ["_", "goal", "write", "h", "x", "--zzzzzzzzzz"], says: /goes after --/ },
    { args: ["_", "goal", "write", "h", "x", "--toString"], says: /Unknown option --toString/ },
  ]);
});

Deno.test("given words that are no verb, when they are called, then exit 2 and the nearest verb is named", async () => {
  await using p = await furnished();
  await refuseAll(p, [
    { args: ["upp"], says: /Unknown verb "upp"; did you mean `looop up`\?/ },
    { args: ["stauts"], says: /did you mean `looop status`\?/ },
    { args: ["_", "anwser"], says: /did you mean `looop _ answer`\?/ },
    { args: ["_", "goal", "wirte"], says: /did you mean `looop _ goal write`\?/ },
    { args: ["worker", "list"], says: /did you mean `looop _ worker list`\?/ },
    { args: ["goal", "wirte"], says: /did you mean `looop _ goal write`\?/ },
    { args: ["sensor"], says: /"_ sensor" needs a verb; one of .*list/ },
    { args: ["answer"], says: /did you mean `looop _ answer`\?/ },
    { args: ["_"], says: /"_" needs a verb; one of .*ask/ },
    { args: ["_", "goal"], says: /"_ goal" needs a verb; one of write, archive/ },
    { args: ["xyzzyxyzzy"], says: /`looop help` lists them/ },
    { args: ["toString"], says: /Unknown verb "toString"/ },
    { args: ["constructor", "x"], says: /Unknown verb/ },
    { args: ["__proto__"], says: /Unknown verb/ },
    { args: ["_", "hasOwnProperty"], says: /Unknown verb/ },
    { args: ["a\nb\u001b[31m"], says: /Unknown verb "a b \[31m"/ },
    { args: [""], says: /Unknown verb ""/ },
    { args: ["--unknown"], says: /Unknown verb "--unknown"/ },
  ]);
});

Deno.test("given useless bodies, ids and values, when verbs get them, then exit 2, one line, and nothing is touched", async () => {
  await using p = await furnished();
  const empty = ["", " \n\t\n"];
  await refuseAll(p, [
    ...empty.flatMap((stdin) =>
      [
        ["_", "playbook", "write"],
        ["_", "playbook", "write", "-"],
        ["_", "goal", "write", "g"],
        [
          "_",
          "sensor",
          "write",
          "s",
        ],
        ["_", "worker", "start", "x", "--runner", "shell"],
        ["_", "answer", "w-1"],
      ]
        .map((args) => ({ args, stdin, says: /is empty/ }))
    ),
    { args: ["_", "playbook", "write"], says: /is empty/ },
    { args: ["_", "playbook", "write", " "], says: /is empty/ },
    { args: ["_", "goal", "write", "g", ""], says: /is empty/ },
    ...["w", "w-", "w-0", "w-01", "../w-1", "w-1/..", "a/b-1", "", "w-x", "-1", "w-1\n"].map((id) => ({
      args: ["_", "answer", "--", id, "yes"],
      says: /Bad ask id/,
    })),
    { args: ["_", "answer"], says: /Missing <ask_id>/ },
    { args: ["_", "answer", "w-1", "yes", "--decline", "no"], says: /Both an answer and --decline/ },
    { args: ["_", "answer", "w-1", "--decline", ""], says: /--decline needs a value/ },
    { args: ["_", "ask", "w"], says: /question is empty/ },
    { args: ["_", "ask", "w", "--prompt"], says: /--prompt needs a value/ },
    { args: ["_", "ask", "w", "--prompt", " \n"], says: /question is empty/ },
    { args: ["_", "ask", "--prompt", "p"], says: /A question needs an asker; run this/ },
    { args: ["_", "ask", "--prompt", "p"], env: { LOOOP_SESSION_ID: "../x" }, says: /Bad worker id/ },
    { args: ["_", "ask", "w", "more", "--prompt", "p"], says: /Unexpected argument "more"/ },
    ...["0", "-1", "x", "NaN", "Infinity"].flatMap((s) => [
      { args: ["_", "ask", "w", "--prompt", "p", `--timeout=${s}`], says: /--timeout is/ },
      { args: ["_", "wait", `--timeout=${s}`], says: /--timeout is/ },
      {
        args: ["_", "worker", "start", "x", "b", "--runner", "shell", `--timeout=${s}`],
        says: /--timeout is/,
      },
    ]),
    { args: ["_", "claim", "free"], says: /A lease needs a holder/ },
    { args: ["_", "unclaim", "lease"], says: /A lease needs a holder/ },
    { args: ["_", "claim", "free", "--session", "a/b"], says: /Bad worker id/ },
    { args: ["_", "claim", "free"], env: { LOOOP_SESSION_ID: "a b" }, says: /Bad worker id/ },
    { args: ["_", "claim", "free", "--session", "pulse"], says: /reserved/ },
    { args: ["_", "worker", "start", "x", "b", "--runner", "shel"], says: /did you mean "shell"\?/ },
    {
      args: ["_", "worker", "start", "x", "b", "--runner", "shell", "--command", "c"],
      says: /Both --runner and/,
    },
    {
      args: ["_", "worker", "start", "x", "b", "--runner", "shell", "--cwd", "/no/such"],
      says: /no such folder/,
    },
    ...["NAME", "=x", "1A=x", "A-B=x", "A B=x"].map((pair) => ({
      args: ["_", "worker", "start", "x", "b", "--runner", "shell", "--env", pair],
      says: /--env is/,
    })),
    ...["LOOOP_DATA_DIR=/tmp", "LOOOP_SESSION_ID=y", "LOOOP_BIN=/bin/true", "LOOOP_WORKER_CMD=x"].map((
      pair,
    ) => ({
      args: ["_", "worker", "start", "x", "b", "--runner", "shell", "--env", pair],
      says: /--env is "LOOOP_/,
    })),
    { args: ["_", "sensor", "write", "s", "if then"], says: /syntax error/ },
    { args: ["_", "worker", "log", "w", "-n", "x"], says: /--lines is/ },
    { args: ["_", "goal", "archive", "g", "h"], says: /Unexpected argument "h"/ },
    { args: ["_", "reap", "a/b", "g"], says: /Bad worker id/ },
  ]);
});

Deno.test("given a body larger than looop takes, when it is written, then it is refused and never cut", async () => {
  await using p = await furnished();
  const big = `${"x".repeat(1023)}\n`.repeat(17 * 1024);
  await refuseAll(p, [
    { args: ["_", "playbook", "write"], stdin: big, says: /larger than 16 MB/ },
    {
      args: ["_", "worker", "start", "x", "--runner", "shell"],
      stdin: big.slice(0, 5 * 1024 * 1024),
      says: /4 MB/,
    },
  ], (p, args, options) => p.call(args, options));
});

Deno.test("given --json, when a call is wrong, then stderr is one JSON value with kind, message and next", async () => {
  await using p = await furnished();
  const before = contents(p);
  const cases: [string[], number, string][] = [
    [["_", "state", "--jsno", "--json"], 2, "usage"],
    [["upp", "--json"], 2, "usage"],
    [["_", "wait", "--json", "--timeout", "x"], 2, "usage"],
    [["_", "sensor", "run", "../x", "--json"], 2, "usage"],
    [["_", "sensor", "run", "ghost", "--json"], 1, "not_found"],
  ];
  for (const [args, code, kind] of cases) {
    const result = await p.call(args);
    strictEqual(result.code, code, args.join(" "));
    strictEqual(result.stdout, "");
    const { error } = JSON.parse(result.stderr);
    deepStrictEqual(Object.keys(error), ["kind", "message", "next"]);
    strictEqual(error.kind, kind);
    ok(error.message.length > 0 && error.next.length > 0);
  }
  deepStrictEqual(contents(p), before);
});

Deno.test("given a call that fails for an outside reason, when it ends, then exit 1, one line, and at most one journal line", async () => {
  await using p = await furnished();
  const { [p.profile.journal]: _, ...before } = contents(p);
  const cases: [string[], RegExp][] = [
    [["_", "answer", "ghost-1", "x"], /There is no ask "ghost-1"; pending: w-1/],
    [["_", "answer", "w-1", "maybe"], /not one of the options of "w-1" \(yes, no\); .*--free/],
    [["_", "goal", "archive", "ghost"], /There is no goal "ghost"/],
    [["_", "sensor", "remove", "ghost"], /There is no sensor "ghost"/],
    [["_", "worker", "kill", "ghost"], /There is no worker "ghost"/],
    [["_", "worker", "log", "ghost"], /There is no worker "ghost"/],
    [["_", "kill", "ghost"], /There is no worker "ghost"/],
  ];
  for (const [args, says] of cases) {
    const result = await p.call(args);
    strictEqual(result.code, 1, args.join(" "));
    strictEqual(result.stdout, "");
    match(result.stderr, /^looop [^\n]+\n$/);
    match(result.stderr, says);
  }
  const { [p.profile.journal]: journal, ...after } = contents(p);
  deepStrictEqual(after, before);
  match(journal ?? "", /failed: answer: There is no ask "ghost-1"/);
});

Deno.test("given a data dir that is a file, belongs to a newer format or may not be written, when verbs run, then exit 1 and one line names it", async () => {
  const verbs = [
    ["_", "goal", "write", "h", "x"],
    ["_", "playbook", "write", "x"],
    ["_", "ask", "w", "--prompt", "p"],
    ["_", "answer", "w-1", "x"],
    ["_", "claim", "c", "--session", "w"],
    ["_", "unclaim", "lease", "--session", "w"],
    ["_", "worker", "start", "x", "b", "--runner", "shell"],
    ["_", "worker", "kill", "w"],
    ["_", "kill", "w"],
    ["_", "goal", "archive", "g"],
    ["_", "state"],
    ["_", "ready", "w"],
  ];
  const refused = async (p: TestProfile, env: Record<string, string>, says: RegExp) => {
    const before = contents(p);
    await Promise.all(verbs.map(async (args) => {
      const result = await p.call(args, { env });
      strictEqual(result.code, 1, `${args.join(" ")}: ${result.stdout}${result.stderr}`);
      strictEqual(result.stdout, "");
      match(result.stderr, /^looop [^\n]+; [^\n]+\n$/, args.join(" "));
      match(result.stderr, says, args.join(" "));
    }));
    deepStrictEqual(contents(p), before);
  };
  await using p = await furnished();
  Deno.writeTextFileSync(`${p.base}/file`, "precious");
  await refused(p, { LOOOP_DATA_DIR: `${p.base}/file` }, /file/);
  await refused(p, { LOOOP_DATA_DIR: `${p.base}/file/below` }, /file/);
  Deno.writeTextFileSync(p.path(".format"), "99\n");
  await refused(p, {}, /format "99"/);
  Deno.writeTextFileSync(p.path(".format"), "1\n");
});

Deno.test({
  name:
    "given a data dir in /dev, which the runtime forbids to compiled programs, when a verb runs, then the message says so",
  // A program run from source has all permissions.
  ignore: !Deno.env.has("LOOOP_UNDER_TEST"),
  async fn() {
    await using p = await testProfile();
    const { code, stderr } = await p.call(["_", "state"], { env: { LOOOP_DATA_DIR: "/dev/looop-test" } });
    strictEqual(code, 1);
    match(stderr, /^looop _ state: Cannot [^\n]*kept out of \/dev[^\n]*; [^\n]+\n$/);
    strictEqual(exists("/dev/looop-test"), false);
  },
});

Deno.test("given text that holds --json, when it stands behind --, then the reply is no JSON", async () => {
  await using p = await testProfile();
  strictEqual(await p.ok("_", "goal", "write", "g", "--", "use", "--json", "there"), "write-goal g");
  strictEqual(p.read("goals/g.md"), "use --json there\n");
  match(
    (await p.run("_", "undo", "goal", "g", "--", "--json")).stderr,
    /^looop _ undo: Unexpected argument "--json"/,
  );
  strictEqual((await p.json("_", "goal", "write", "g", "--json", "--", "other")).message, "write-goal g");
});

Deno.test("given stdin that is no UTF-8, when it is a body, then it is refused and nothing is written", async () => {
  await using p = await furnished();
  const before = contents(p);
  const latin = '"$@" <<EOF\n$(printf "caf\\351")\nEOF';
  for (const args of [["goal", "write", "latin"], ["playbook", "write"], ["notify"], ["answer", "w-1"]]) {
    const { code, stderr } = await new Deno.Command("sh", {
      args: ["-c", latin, "sh", ...looopCommand(), "_", ...args],
      env: p.env,
      clearEnv: true,
    }).output();
    strictEqual(code, 2, args.join(" "));
    match(new TextDecoder().decode(stderr), /Stdin is not UTF-8 text; nothing was changed/);
  }
  deepStrictEqual(contents(p), before);
});
