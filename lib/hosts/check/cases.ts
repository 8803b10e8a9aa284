/** The cases of `looop _ host check`: everything a host must do so that looop's promises hold on it. */
import { Bench, claim, same, Skip } from "./bench.ts";
import { delay } from "../../process/tree.ts";
import { listLeases } from "../../sessions/lease.ts";
import { claim as takeLease } from "../../calls/worker_calls.ts";
import { readMailbox, withdrawAsk } from "../../records/mailbox.ts";
import { workerCaller } from "../../sessions/caller.ts";
import { readSession } from "../../sessions/session.ts";
import { sessionDir } from "../../sessions/run_files.ts";
import { readHost } from "../../records/hosts.ts";
import { exists, quietText, replaceFile, statOf } from "../../store.ts";
import { TERMINAL } from "../../sessions/supervisor.ts";
import { asLine, type FarRun, GREETING, postProgram, READY, startProgram, stopProgram } from "../program.ts";
import { encodeText } from "../../text/quote.ts";
import type { RunName } from "../protocol.ts";
import type { Channel, Reach } from "../reach.ts";
import { Desk } from "../desk.ts";
import { fromBase64, parseLine } from "../protocol.ts";
import { LineSplitter } from "../lines.ts";
import { Driver } from "../driver.ts";
import { MISSING } from "../probe.ts";

/** One case. */
export interface Case {
  n: number;
  title: string;
  /** Fails by throwing; throws {@link Skip} where its means are missing. A returned text is a remark for the report. */
  run(bench: Bench): Promise<string | void>;
}

const GO = `until [ -f "$LOOOP_DATA_DIR/go" ]; do sleep 0.1; done\n`;
const ready = `"$LOOOP_BIN" _ ready "$LOOOP_SESSION_ID"\n`;

const REACH: Case[] = [
  {
    n: 1,
    title: "1 MB passes both ways byte for byte",
    async run(bench) {
      const bytes = new Uint8Array(1_000_000);
      for (let at = 0; at < bytes.length; at++) bytes[at] = 1 + (at * 7 + (at >> 8)) % 255;
      const text = `IFS= read -r l; printf %b "$l" | base64 | tr -d '\\n'; echo\n`;
      const channel = await bench.channel(text);
      const lines: string[] = [];
      await channel.send(encodeText(bytes));
      await Promise.race([channel.listen((line) => void lines.push(String(line))), delay(30_000)]);
      channel.close();
      const back = fromBase64(lines[0] ?? "");
      same(back?.length, bytes.length, "bytes that came back");
      same(back === undefined ? undefined : cksum(back), cksum(bytes), "their sum");
    },
  },
  {
    n: 2,
    title: "what its login shell prints is no harm",
    async run(bench) {
      bench.wire().banner();
      same(await bench.said("echo hello\n"), "hello", "what came after the greeting");
      const channel = await bench.channel(postProgram(bench.home, bench.machine, true));
      same((await firstLine(channel)).split(" ")[0], "hello", "the post's first word");
    },
  },
  {
    n: 3,
    title: "its login shell may be any",
    async run(bench) {
      return await eachShell(bench, ["sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "tcsh", "csh"], {
        oneOf: ["fish", "tcsh", "csh"],
        async attempt(shell) {
          const said = await nested(bench, `exec ${shell} -c sh\n`, "echo 'it'\"'\"'s $HOME'\n");
          same(said, "it's $HOME", shell);
        },
      });
    },
  },
  {
    n: 4,
    title: "a line arrives at once",
    async run(bench) {
      const channel = await bench.channel("echo one; sleep 3; echo two\n");
      const started = performance.now();
      const first = Promise.withResolvers<number>();
      const listening = channel.listen(() => first.resolve(performance.now() - started));
      const ms = await Promise.race([first.promise, delay(2_500).then(() => 2_500)]);
      channel.close();
      await listening;
      claim(ms < 1_000, `the first line took ${Math.round(ms)} ms`);
    },
  },
  {
    n: 5,
    title: "the end of our input ends the shell there",
    async run(bench) {
      const channel = await bench.channel("read -r x; echo over\n");
      const ended = channel.listen(() => {});
      const started = performance.now();
      await channel.end();
      await Promise.race([ended, delay(6_000)]);
      channel.close();
      claim(performance.now() - started < 5_000, "it did not end within 5 s");
    },
  },
  {
    n: 6,
    title: "a post whose line is cut ends by itself",
    async run(bench) {
      const channel = await bench.channel(postProgram(bench.home, bench.machine, true));
      const hello = Promise.withResolvers<void>();
      const listening = channel.listen((line) => {
        if (String(line).startsWith("hello")) hello.resolve();
      });
      await hello.promise;
      const alive = bench.there(`read -r machine pid start rest <"$FAR/posts/owner" || exit
far=$FAR/bin/far
set -- look
. "$far" 2>/dev/null
started "$pid"
[ -n "$START" ] && [ "$START" = "$start" ] && echo alive || echo gone`);
      const isSeen = (await bench.said(alive)) === "alive";
      channel.close();
      await listening;
      if (!isSeen) throw new Skip("a second line there does not see the processes of the first");
      await bench.until("the end of the post", async () => (await bench.said(alive)) === "gone", 35_000);
    },
  },
  {
    n: 7,
    title: "its sh may be dash, bash or busybox",
    async run(bench) {
      return await eachShell(bench, ["sh", "bash", "dash", "busybox"], {
        oneOf: ["dash", "busybox"],
        async attempt(shell, path) {
          const use = bench.there(
            `mkdir -p "$FAR/sh.${shell}" && ln -sf ${path} "$FAR/sh.${shell}/sh" && PATH=$FAR/sh.${shell}:$PATH && export PATH && exec sh`,
          );
          const hello = await nested(bench, use, postProgram(bench.home, bench.machine, true));
          same(hello.split(" ")[0], "hello", `the post's first word below ${shell}`);
        },
      });
    },
  },
  {
    n: 8,
    title: "the programs that looop needs are there",
    async run(bench) {
      const said = await bench.said(`${MISSING}echo .\n`);
      same(said, ".", "what it says");
    },
  },
];

const START: Case[] = [
  {
    n: 9,
    title: "a started worker runs in a terminal of its own",
    async run(bench) {
      bench.link();
      const run = await bench.start('stty size; test -t 0 && test -t 1 && echo "a terminal"; exit 0\n');
      same((await bench.ended(run)).state, "exited", "state");
      const log = await bench.printed(run, "a terminal");
      claim(log.includes(`${TERMINAL.rows} ${TERMINAL.cols}`), `its size is ${log.split("\r")[0]}`);
    },
  },
  {
    n: 10,
    title: "the same start twice is one run",
    async run(bench) {
      bench.link();
      const run = await bench.start("echo began; cat >/dev/null\n");
      await bench.begin(run);
      await bench.printed(run, "began");
      await delay(1_000);
      same(bench.log(run).split("began").length - 1, 1, "runs");
      await bench.end(run);
      await bench.ended(run);
    },
  },
  {
    n: 11,
    title: "20 starts at once are one run",
    async run(bench) {
      bench.link();
      const run = bench.prepare("echo began; cat >/dev/null\n");
      await Promise.all(Array.from({ length: 20 }, () => bench.begin(run).catch(() => {})));
      await bench.printed(run, "began");
      await delay(1_000);
      same(bench.log(run).split("began").length - 1, 1, "runs");
      await bench.end(run);
      await bench.ended(run);
    },
  },
  {
    n: 12,
    title: "another run of a worker that lives is refused",
    async run(bench) {
      bench.link();
      const run = await bench.start("cat >/dev/null\n");
      if (bench.place.driver !== undefined) await bench.job(run);
      const other = startProgram(bench.home, { ...run, gen: "0badc0de", command: "true" });
      claim(/refused 4 /.test(await bench.said(other, run)), "it was not refused");
      await bench.end(run);
      await bench.ended(run);
    },
  },
  {
    n: 13,
    title: "a start that is cut anywhere runs once when it is made again",
    async run(bench) {
      bench.link();
      const run = bench.prepare("echo began; cat >/dev/null\n");
      const line = asLine(startProgram(bench.home, run));
      const cuts = [
        1,
        100,
        Math.floor(line.length / 3),
        Math.floor(line.length / 2),
        line.length - 20,
        line.length - 1,
      ];
      if (bench.place.driver === undefined) {
        const reach = await bench.entry();
        for (const cut of cuts) await cutStart(reach, line.slice(0, cut));
        for (const ms of [5, 20, 60]) await cutStart(reach, line, ms);
      } else for (const ms of [50, 100, 200, 400, 800]) await cutDriver(bench, run, ms);
      await bench.begin(run);
      await bench.printed(run, "began");
      await delay(1_000);
      same(bench.log(run).split("began").length - 1, 1, "runs");
      await bench.end(run);
      await bench.ended(run);
      return bench.place.driver === undefined
        ? `cut at ${cuts.length} of ${line.length} bytes and at 3 moments after`
        : "its driver killed at 5 moments";
    },
  },
  {
    n: 14,
    title: "exit codes 0, 5, 137 and 255 come home as they are",
    async run(bench) {
      bench.link();
      for (const code of [0, 5, 137, 255]) {
        const run = await bench.start(`exit ${code}\n`);
        const end = await bench.ended(run);
        same([end.state, end.code], ["exited", code], `exit ${code}`);
      }
    },
  },
  {
    n: 15,
    title: "an agent that dies at once is seen to have run",
    async run(bench) {
      bench.link();
      const run = await bench.start("kill -9 $$\n");
      const end = await bench.ended(run);
      same([end.state, end.code], ["exited", 137], "end");
    },
  },
  {
    n: 16,
    title: "a prompt with anything in it arrives byte for byte",
    async run(bench) {
      bench.link();
      const odd = `- it's "$HOME" \`x\` \\0101 \\n %s ${"ü€😀"}\t!\n'''\n${"x".repeat(1_000_000)}\nend\n`;
      const script = `cksum <"$LOOOP_DATA_DIR/odd.txt"\n`;
      const run = bench.prepare(script);
      await bench.begin({ ...run, files: { ...run.files, "odd.txt": odd } });
      await bench.ended(run);
      const log = await bench.printed(run, " ");
      same(log.trim().split(" ").slice(0, 2), sumOf(odd), "sum and length");
    },
  },
  {
    n: 17,
    title: "variables arrive, marks of the caller do not",
    async run(bench) {
      bench.link();
      const script =
        'printf "<%s|%s|%s|%s>" "$ODD" "${CLAUDECODE:-}" "$LOOOP_SESSION_ID" "${LOOOP_CONFIG:-}"; echo "$PATH" | grep -q / && echo ok\n';
      const run = await bench.start(script, { env: { ODD: `it's "a" $b \`c\`` } });
      await bench.ended(run);
      const log = await bench.printed(run, "ok");
      claim(log.includes(`<it's "a" $b \`c\`||${run.id}|>`), `it has ${log.slice(0, 100)}`);
    },
  },
];

const STOP: Case[] = [
  {
    n: 18,
    title: "a stop ends the whole tree, whatever it does against it",
    async run(bench) {
      bench.link();
      const mark = `looop-check-${crypto.randomUUID().slice(0, 8)}`;
      const stubborn = `trap "" TERM HUP INT; : ${mark}; while :; do sleep 1; done`;
      const script = `own() { command -v setsid >/dev/null && exec setsid "$@"
exec perl -MPOSIX -e 'POSIX::setsid(); exec @ARGV' "$@"; }
(${stubborn}) &\n(own sh -c '${stubborn}') &\n(own sh -c '(${stubborn}) &') &\nsh -c '${stubborn}' </dev/tty &\necho began; ${stubborn}\n`;
      const run = await bench.start(script);
      await bench.printed(run, "began");
      const count = await bench.until("all of it", async () => {
        const seen = await carriers(bench, run, run);
        return seen >= 5 && seen;
      });
      const isSeen = await carriers(bench, run) > 0;
      const isMain = !isSeen && await isMainProcess(bench, run);
      await bench.end(run);
      same((await bench.ended(run)).state, "killed", "state");
      if (isSeen) {
        same(await carriers(bench, run), 0, "processes left");
        return `${count} processes`;
      }
      if (!isMain) throw new Skip("its processes are not seen from another job; its job is over");
      await bench.jobOver(run);
      return `${count} processes in a process table of their own, which ended with its main process`;
    },
  },
  {
    n: 19,
    title: "a stop twice, of nothing and after the end is no error",
    async run(bench) {
      bench.link();
      const run = await bench.start("exit 3\n");
      await bench.ended(run);
      const again = [{ id: run.id, gen: run.gen, state: "killed", by: "root" }];
      await bench.place.stop(again, 20_000);
      await bench.place.stop([{ id: "nobody", gen: "00000000", state: "killed", by: "root" }], 20_000);
      same(readSession(bench.profile, run.id)?.status?.exit_code, 3, "its own exit");
    },
  },
  {
    n: 20,
    title: "a stop that was asked for without a line is made on the next",
    async run(bench) {
      bench.link();
      const run = await bench.start("echo began; cat >/dev/null\n");
      await bench.printed(run, "began");
      await bench.drop();
      await bench.end(run);
      await delay(500);
      bench.link();
      same((await bench.ended(run)).state, "killed", "state");
    },
  },
  {
    n: 21,
    title: "a stranger with the same command line lives on",
    async run(bench) {
      bench.link();
      const stranger = await bench.start("echo began; sleep 61\n");
      const run = await bench.start("echo began; sleep 61\n");
      await bench.printed(run, "began");
      await bench.end(run);
      await bench.ended(run);
      const alive = await carriers(bench, stranger, stranger);
      claim(alive > 0, "the stranger was ended, too");
      await bench.end(stranger);
      await bench.ended(stranger);
    },
  },
  {
    n: 22,
    title: "a worker ends itself without any line",
    async run(bench) {
      const run = await bench.start(`${GO}sleep 62 &\n"$LOOOP_BIN" _ done\n`);
      await bench.until("its beginning", async () => await carriers(bench, run, run) > 0);
      await touch(bench, run, "go");
      await bench.until("its end over there", async () => await carriers(bench, run, run) === 0);
      bench.link();
      const end = await bench.ended(run);
      same([end.state, end.code, end.by], ["exited", 0, "self"], "end");
    },
  },
];

const CALLS: Case[] = [
  {
    n: 23,
    title: "answers come back byte for byte, with their exit codes",
    async run(bench) {
      bench.link();
      const script =
        `${ready}for q in a b c; do "$LOOOP_BIN" _ ask "$LOOOP_SESSION_ID" --prompt "$q \\$x 'y' ü" >"$LOOOP_DATA_DIR/out.$q"; echo "code $q $?"; done\n"$LOOOP_BIN" _ ask --prompt late --timeout 1; echo "code d $?"; "$LOOOP_BIN" _ ask --prompt "taken back"; echo "code e $?"; for q in a b; do cksum <"$LOOOP_DATA_DIR/out.$q"; done; echo over\n`;
      const run = await bench.start(script);
      const text = `it's "fine" $HOME \`x\` \\0101 %s\n\n-- ü€😀\t.`;
      const first = await bench.asked(run);
      same(readMailbox(bench.profile).pending[0]?.prompt, "a $x 'y' ü", "the question");
      await bench.answer(first, text);
      await bench.printed(run, "code a 0");
      await bench.answer(await bench.asked(run), "no: why", "declined");
      await bench.printed(run, "code b 3");
      const third = await bench.asked(run);
      await bench.answer(third, "x");
      await bench.printed(run, "code c 0");
      await bench.printed(run, "code d 124");
      const isLast = () => readMailbox(bench.profile).pending.find((ask) => ask.prompt === "taken back")?.id;
      await withdrawAsk(bench.profile, await bench.until("the last question", isLast), "hand", bench.now());
      await bench.printed(run, "code e 4");
      const log = await bench.printed(run, "over");
      claim(log.includes(sumOf(`${text}\n`).join(" ")), "the answer's bytes differ");
      claim(log.includes(sumOf("no: why\n").join(" ")), "the reason's bytes differ");
      await bench.ended(run);
    },
  },
  {
    n: 24,
    title: "a line that breaks at any point of an ask: one question, one answer",
    async run(bench) {
      bench.link();
      const script =
        `${ready}i=0; while [ $i -lt 12 ]; do "$LOOOP_BIN" _ ask "$LOOOP_SESSION_ID" --prompt "q$i"; i=$((i+1)); done; echo over\n`;
      const run = await bench.start(script);
      for (let at = 0; at < 12; at++) {
        // A little later each time: before the call arrives, while it is carried out, before and after its reply.
        await delay(at * 40);
        await bench.drop();
        bench.link();
        const id = await bench.asked(run);
        if (at % 2 === 0) {
          await bench.drop();
          await bench.answer(id, `a${at}`);
          bench.link();
        } else {
          await bench.answer(id, `a${at}`);
          await delay(at * 3);
          await bench.drop();
          bench.link();
        }
        await bench.printed(run, `a${at}`);
      }
      const log = await bench.printed(run, "over");
      same(
        log.match(/a\d+/g)?.join(" "),
        Array.from({ length: 12 }, (_, at) => `a${at}`).join(" "),
        "answers",
      );
      await bench.ended(run);
      return "at 24 moments";
    },
  },
  { n: 25, title: "60 s without the wire in the middle of an ask", run: (bench) => silence(bench, "cut") },
  { n: 26, title: "60 s in which nothing passes, without a word", run: (bench) => silence(bench, "drop") },
  {
    n: 27,
    title: "a home that is killed between a cost and its reply counts it once",
    async run(bench) {
      const run = await bench.start(
        `${ready}"$LOOOP_BIN" _ cost session "$LOOOP_SESSION_ID" check 0.25; ${GO}`,
      );
      for (let at = 0; at < 6; at++) {
        bench.link();
        await delay(40 + at * 40);
        await bench.drop();
      }
      bench.link();
      await bench.until("the cost", () => (quietText(bench.profile.cost) ?? "") !== "" || undefined);
      await touch(bench, run, "go");
      await bench.ended(run);
      same((quietText(bench.profile.cost) ?? "").trim().split("\n").length, 1, "rows");
      return "at 6 moments";
    },
  },
  {
    n: 28,
    title: "an asker that was killed stops nobody",
    async run(bench) {
      bench.link();
      const script =
        `${ready}"$LOOOP_BIN" _ ask "$LOOOP_SESSION_ID" --prompt first & sleep 1; kill -9 $!; "$LOOOP_BIN" _ ask "$LOOOP_SESSION_ID" --prompt second; echo over\n`;
      const run = await bench.start(script);
      const pending = await bench.until("both questions", () => {
        const asks = readMailbox(bench.profile).pending.filter((ask) => ask.worker === run.id);
        return asks.length === 2 ? asks : undefined;
      });
      for (const { id, prompt } of pending) await bench.answer(id, `answer to ${prompt}`);
      await bench.printed(run, "answer to second");
      await bench.printed(run, "over");
      await bench.ended(run);
    },
  },
  {
    n: 29,
    title: "ready and cost need no line and take no time",
    async run(bench) {
      const script =
        `a=$(date +%s); ${ready}"$LOOOP_BIN" _ cost session "$LOOOP_SESSION_ID" check 0.5; b=$(date +%s); echo "took $((b - a))"\n"$LOOOP_BIN" _ cost session "$LOOOP_SESSION_ID" check -1; echo "code $?"\n`;
      const run = await bench.start(script);
      await delay(1_500);
      bench.link();
      const log = await bench.printed(run, "code 2");
      const took = Number(/took (\d+)/.exec(log)?.[1]);
      claim(took <= 1, `they took ${took} s`);
      await bench.ended(run);
      claim(readSession(bench.profile, run.id)?.ready === true, "it is not ready");
      claim((quietText(bench.profile.cost) ?? "").includes('"cost_usd":0.5'), "the cost is not there");
    },
  },
  {
    n: 30,
    title: "of a race for a lease one wins, far or near",
    async run(bench) {
      bench.link();
      const script = `${ready}${GO}"$LOOOP_BIN" _ claim race; echo "code $?"; cat >/dev/null\n`;
      const runs = [await bench.start(script), await bench.start(script)];
      const third = bench.prepare("true\n");
      for (const run of runs) await touch(bench, run, "go");
      const caller = workerCaller(third.id);
      const mover = { profile: bench.profile, now: bench.now, journalText: undefined, caller };
      const near = takeLease(mover, "race", third.id)
        .then(() => 0, () => 1);
      const codes = await Promise.all(
        runs.map(async (run) => /code (\d+)/.exec(await bench.printed(run, "code "))?.[1]),
      );
      const won = [...codes.map(Number), await near].filter((code) => code === 0).length;
      same(won, 1, "winners");
      same(listLeases(bench.profile).leases.length, 1, "leases");
      for (const run of runs) await bench.end(run);
      for (const run of runs) await bench.ended(run);
    },
  },
  {
    n: 31,
    title: "a call of an earlier run has no effect",
    async run(bench) {
      const run = await bench.start(
        `${GO}"$LOOOP_BIN" _ claim old; echo "code $?" >"$LOOOP_DATA_DIR/said"\n`,
      );
      if (bench.place.driver !== undefined) await bench.job(run);
      bench.prepare("cat >/dev/null\n", { id: run.id });
      bench.link();
      await touch(bench, run, "go");
      const shared = await bench.place.shared();
      if (shared !== undefined) {
        const file = `${shared}/w/${run.id}.${run.gen}/said`;
        await bench.until("what the old run is told", () => quietText(file) === "code 1\n");
      } else if (bench.place.driver === undefined) {
        const file = bench.there(`cat "$FAR/w/${run.id}.${run.gen}/said" 2>/dev/null || echo nothing`);
        await bench.until("what the old run is told", async () => (await bench.said(file)) === "code 1");
      } else {
        // Nobody opens a line into its job: it is named, and not heard.
        const stray = `${run.id}-${run.gen}`;
        await bench.until(
          "the old run is named",
          () => readHost(bench.profile, bench.host.name)?.strays.some((name) => name.endsWith(stray)),
        );
      }
      same(listLeases(bench.profile).leases.length, 0, "leases");
      if (shared !== undefined) return;
      await bench.said(stopProgram(bench.home, [{ ...run, state: "killed", by: "root" }]), run);
      if (bench.place.driver !== undefined) return "its call is not heard: nobody opens a line into its job";
    },
  },
];

/** Asks twice; the first question is answered while the wire is dead. */
async function silence(bench: Bench, how: "cut" | "drop"): Promise<string> {
  if (await bench.place.shared() !== undefined) throw new Skip("home sees its folder: there is no wire");
  const wire = bench.wire();
  bench.link();
  const run = await bench.start(
    `${ready}for q in 1 2; do a=$("$LOOOP_BIN" _ ask "$LOOOP_SESSION_ID" --prompt "q$q"); echo "got $a"; done; exit 0\n`,
  );
  const first = await bench.asked(run);
  await wire[how]();
  await delay(20_000);
  await bench.answer(first, "one");
  await delay(40_000);
  same(readSession(bench.profile, run.id)?.status?.state, "running", "state in the dark");
  await wire.heal();
  const back = performance.now();
  await bench.answer(await bench.asked(run), "two");
  const seconds = (performance.now() - back) / 1000;
  same((await bench.ended(run)).code, 0, "exit");
  const log = await bench.printed(run, "got two");
  same(log.match(/got \w+/g), ["got one", "got two"], "answers");
  same(readMailbox(bench.profile).pending.length, 0, "questions left");
  return `the next question was at home ${seconds.toFixed(1)} s after the wire was back`;
}

const HOSTILE: Case[] = [
  {
    n: 32,
    title: "a host cannot speak for another's worker",
    async run(bench) {
      const [mine, theirs] = [bench.prepare("true\n"), bench.prepare("true\n")];
      const desk = hostile(bench, "elsewhere");
      await desk.say(callLine(theirs, ["_", "claim", "stolen"]));
      await desk.say(`w ${mine.id} ${mine.gen} exited 0 self 0 0`);
      same(listLeases(bench.profile).leases.length, 0, "leases");
      same(readSession(bench.profile, mine.id)?.status, undefined, "state");
      const own = hostile(bench, bench.host.name);
      await own.say(callLine(mine, ["_", "claim", "stolen", "--session", theirs.id]));
      await own.say(callLine(mine, ["_", "cost", "session", theirs.id, "check", "5"]));
      await own.say(callLine(mine, ["_", "ready", theirs.id]));
      same(listLeases(bench.profile).leases.length, 0, "leases for another");
      same(quietText(bench.profile.cost) ?? "", "", "costs for another");
      same(own.codes(), ["1", "1", "1"], "codes");
    },
  },
  {
    n: 33,
    title: "a host cannot call any other verb",
    async run(bench) {
      const run = bench.prepare("true\n");
      const desk = hostile(bench, bench.host.name);
      const verbs = [
        ["_", "answer", `${run.id}-1`, "yes"],
        ["_", "run", "--approved", "yes", "touch", `${bench.profile.dir}/touched`],
        ["_", "worker", "start", "other", "x"],
        ["_", "goal", "write", "g", "x"],
        ["_", "notify", "x"],
        ["down"],
        ["_", "pulse"],
      ];
      for (const words of verbs) await desk.say(callLine(run, words));
      claim(desk.codes().every((code) => code === "1" || code === "2"), `codes ${desk.codes()}`);
      same(desk.codes().length, verbs.length, "replies");
      same(quietText(`${bench.profile.dir}/touched`), undefined, "what the command would have made");
    },
  },
  {
    n: 34,
    title: "lines without end, NULs, half characters and terminal codes do no harm",
    run(bench) {
      const run = bench.prepare("true\n");
      const splitter = new LineSplitter(4 * 1024 * 1024);
      const part = new TextEncoder().encode("x".repeat(1024 * 1024));
      for (let n = 0; n < 9; n++) same(splitter.push(part).length, 0, "lines of a line without end");
      const [long] = splitter.push(new TextEncoder().encode("\nw"));
      claim(typeof long === "number", "a line that is too long was taken");
      const name = `${run.id} ${run.gen}`;
      const odd = [
        `w ${name} running - - - \0`,
        `w ${name} \x1b[2J - - - 0`,
        "w ü x",
        `c ${name} 1 zz -`,
        `d ${name} - 0 ###`,
        `p ${name} ${hex("../../etc/passwd")} 1-1`,
        `p ${name} ${hex(".hidden")} 1-1`,
        `p ${name} ${hex("a\x1b[2J")} 1-1`,
        `w ${name} running 999999 - - 0`,
        "hello 2 x 1",
        "",
        `c ${name} 1.1.1 ${hex("9\0a\0")} -`,
      ];
      for (const line of odd) {
        claim(typeof parseLine(line) === "string", `it was taken: ${JSON.stringify(line)}`);
      }
      return Promise.resolve();
    },
  },
  {
    n: 35,
    title: "10,000 calls a second do not hold the home up",
    async run(bench) {
      const run = bench.prepare("true\n");
      const desk = hostile(bench, bench.host.name);
      const started = performance.now();
      let late = 0;
      let before = performance.now();
      const clock = setInterval(() => {
        late = Math.max(late, performance.now() - before - 50);
        before = performance.now();
      }, 50);
      for (let n = 0; n < 10_000; n++) {
        desk.tell(callLine(run, ["_", "ready", run.id], `1.1.${n}`));
        if (n % 50 === 0) await delay(0);
      }
      await delay(300);
      clearInterval(clock);
      claim(late < 1_000, `the home was late by ${Math.round(late)} ms`);
      const seconds = (performance.now() - started) / 1000;
      claim(
        desk.codes().length <= 25 + 10 * seconds,
        `${desk.codes().length} calls in ${Math.round(seconds)} s`,
      );
      return `10,000 calls in ${seconds.toFixed(1)} s; late by ${Math.round(Math.max(0, late))} ms at most`;
    },
  },
];

const REBOOT: Case[] = [
  {
    n: 36,
    title: "a host that loses its power: lost once, by its boot id",
    async run(bench) {
      bench.link();
      const run = await bench.start("echo began; cat >/dev/null\n");
      await bench.printed(run, "began");
      await (bench.place.driver === undefined ? age(bench, run) : unplace(bench, run));
      const end = await bench.ended(run, 90_000);
      claim(end.state !== "running" && end.by !== "root", `it is ${end.state} by ${end.by}`);
      if (bench.place.driver === undefined) same([end.state, end.by], ["lost", "host"], "end");
      const file = `${sessionDir(bench.profile, run.id)}/status.json`;
      const before = quietText(file);
      await bench.drop();
      bench.link();
      await delay(2_000);
      same(quietText(file), before, "its state after another line");
      if (bench.place.driver === undefined) {
        await bench.said(stopProgram(bench.home, [{ ...run, state: "killed", by: "root" }]));
      }
      const again = await bench.start("exit 3\n", { id: run.id });
      same((await bench.ended(again)).code, 3, "exit of its next run");
      return `${end.state} by ${end.by}; ${
        bench.place.driver === undefined
          ? "its records were made those of an earlier boot"
          : "its job was ended behind home's back"
      }`;
    },
  },
  {
    n: 37,
    title: "a home that starts again finds its workers, nothing doubled",
    async run(bench) {
      bench.link();
      const run = await bench.start(
        `${ready}echo began; "$LOOOP_BIN" _ ask "$LOOOP_SESSION_ID" --prompt q; echo over\n`,
      );
      const id = await bench.asked(run);
      await bench.drop();
      await delay(300);
      bench.link();
      await bench.answer(id, "yes");
      const log = await bench.printed(run, "over");
      same(log.split("began").length - 1, 1, "beginnings");
      same(readMailbox(bench.profile).pending.length, 0, "questions left");
      await bench.ended(run);
    },
  },
  {
    n: 38,
    title: "the log is equal to the one over there, after cuts and rotation",
    async run(bench) {
      bench.link();
      // More than is kept over there, then so slowly that the log is cut in between.
      const [first, fast, last] = [1_000_000, 2_378_255, 2_378_335];
      const script = `stty -opost; awk 'BEGIN { for (i = ${first}; i <= ${fast}; i++) print i }'
i=${fast}; while [ $i -lt ${last} ]; do i=$((i + 1)); echo $i; sleep 0.1 2>/dev/null || sleep 1; done; cat >/dev/null\n`;
      const run = await bench.start(script);
      for (let at = 0; at < 5; at++) {
        await delay(50 * at);
        await bench.drop();
        bench.link();
      }
      const base = bench.there(`cat "$FAR/w/${run.id}.${run.gen}/base" 2>/dev/null || echo 0`);
      const isCut = async () => Number(await bench.said(base, run)) > 0;
      await bench.until("the log over there is cut", isCut, 120_000);
      const path = `${sessionDir(bench.profile, run.id)}/output.log`;
      const size = (last - first + 1) * `${first}\n`.length;
      await bench.until("its whole log", () => (statOf(path)?.size ?? 0) >= size);
      const lines = bench.log(run).trimEnd().split("\n");
      same(lines.length, last - first + 1, "lines");
      claim(lines.every((line, at) => line === String(first + at)), "lines are missing or doubled");
      await bench.end(run);
      await bench.ended(run);
    },
  },
  {
    n: 39,
    title: "clocks that differ by an hour: ages are right",
    async run(bench) {
      for (const clockMs of [3_600_000, -3_600_000]) {
        bench.clockMs = clockMs;
        bench.link();
        const run = await bench.start("sleep 1\n");
        await bench.ended(run);
        const at = readSession(bench.profile, run.id)?.status?.last_change ?? 0;
        const age = bench.now() / 1000 - at;
        await bench.drop();
        bench.clockMs = 0;
        claim(age > -5 && age < 15, `an end of just now is ${Math.round(age)} s old`);
      }
    },
  },
  {
    n: 40,
    title: "a second home with the same id is refused",
    async run(bench) {
      const first = await bench.channel(postProgram(bench.home, "machine-a", true));
      const hello = Promise.withResolvers<void>();
      const listening = first.listen((line) => {
        if (String(line).startsWith("hello")) hello.resolve();
      });
      await hello.promise;
      const second = await bench.channel(postProgram(bench.home, "machine-b", false));
      const said: string[] = [];
      await second.listen((line) => void said.push(String(line)));
      first.close();
      await listening;
      second.close();
      claim(said[0]?.startsWith("refused") === true, `it said ${said[0]}`);
      const own = await bench.channel(postProgram(bench.home, bench.machine, true));
      const back = own.listen(() => {});
      await delay(500);
      own.close();
      await back;
    },
  },
];

const ENGINES: Case[] = [
  {
    n: 41,
    title: "the list names all and only this home's jobs",
    async run(bench) {
      const { driver } = bench.place;
      if (driver === undefined) return await namesAll(bench);
      bench.link();
      const run = await bench.start("echo began; cat >/dev/null\n");
      const name = bench.place.jobName(run);
      const jobs = await bench.until("its job", async () => {
        const list = await driver.list();
        return list?.some((job) => job.name === name) ? list : undefined;
      });
      const prefix = `looop-${bench.home.slice(0, 8)}-`;
      claim(jobs.every((job) => job.name.startsWith(prefix)), "it names jobs of others");
      await namesNoOther(bench, run);
      await bench.end(run);
      await bench.ended(run, 90_000);
    },
  },
  {
    n: 42,
    title: "a verb that it does not know changes nothing; a driver's exit is 3",
    async run(bench) {
      const { driver } = bench.place;
      if (driver === undefined) return await ignoresWords(bench);
      const outcome = await driver.call("nonsense", {});
      claim(outcome.kind === "failed" && outcome.code === 3, JSON.stringify(outcome));
    },
  },
  {
    n: 43,
    title: "a job is queued or runs, and then runs",
    async run(bench) {
      const { driver } = bench.place;
      bench.link();
      const run = bench.prepare("echo began; cat >/dev/null\n");
      await bench.begin(run);
      const name = bench.place.jobName(run);
      const first = await bench.until("its state", async () => {
        if (driver === undefined) return readSession(bench.profile, run.id)?.status;
        return (await driver.list())?.find((job) => job.name === name);
      });
      claim(first.state === "queued" || first.state === "running", `it is ${first.state}`);
      await bench.printed(run, "began", 60_000);
      await bench.end(run);
      await bench.ended(run, 90_000);
      return `first ${first.state}`;
    },
  },
  {
    n: 44,
    title: "a run whose supervisor is started twice runs once",
    async run(bench) {
      bench.link();
      const run = await bench.start("echo began; cat >/dev/null\n");
      await bench.printed(run, "began", 60_000);
      await bench.place.start(run);
      const second = bench.there(
        `FAR=$(cd "$FAR" && pwd -P); sh "$FAR/bin/far" sup "$FAR/w/${run.id}.${run.gen}"; echo "code $?"`,
      );
      same((await bench.said(second, run)).split("\n").at(-1), "code 0", "the second supervisor");
      same(bench.log(run).split("began").length - 1, 1, "runs");
      await bench.end(run);
      await bench.ended(run, 90_000);
    },
  },
  {
    n: 45,
    title: "a driver that hangs, floods or says no JSON: nothing is concluded",
    async run(bench) {
      const bad = [
        "sleep 60",
        "yes | head -c 9000000",
        "echo no; echo json",
        'echo \'{"jobs":[{"name":1}]}\'',
        "exit 255",
        "echo '{}'; exit 7",
      ];
      for (const script of bad) {
        const env = { ...bench.host.env };
        const driver = new Driver(["sh", "-c", script, "driver"], env, bench.profile.dir, "bad", {});
        const outcome = await driver.call("list", {}, 1_000);
        const jobs = outcome.kind === "done" ? await driver.list() : undefined;
        same(jobs, undefined, `what is concluded from \`${script}\``);
      }
    },
  },
];

/** A place's post names all and only the runs of this home. */
async function namesAll(bench: Bench): Promise<void> {
  const runs = [await bench.start("cat >/dev/null\n"), await bench.start("cat >/dev/null\n")];
  const channel = await bench.channel(postProgram(bench.home, bench.machine, true));
  const named: string[] = [];
  await channel.listen((line) => {
    const [word, id = ""] = String(line).split(" ");
    if (word === "w") named.push(id);
    if (word === ".") channel.close();
  });
  same(named.sort(), runs.map(({ id }) => id).sort(), "runs named");
}

/** A job of another home is named to that home alone. */
async function namesNoOther(bench: Bench, run: RunName): Promise<void> {
  const other = await Bench.open(bench.host);
  try {
    const job = await other.job(await other.start("cat >/dev/null\n"));
    const names = (await bench.place.driver?.list())?.map(({ name }) => name);
    same(names?.includes(bench.place.jobName(run)), true, "whether its own is named");
    same(names?.includes(job.name), false, "whether that of another home is named");
  } finally {
    await other.close();
  }
}

/** A place's post goes on after words that it does not know. */
async function ignoresWords(bench: Bench): Promise<void> {
  const run = await bench.start("cat >/dev/null\n");
  const channel = await bench.channel(postProgram(bench.home, bench.machine, true));
  let dots = 0;
  const listening = channel.listen(async (line) => {
    if (line !== ".") return;
    if (++dots > 2) return channel.close();
    for (const word of ["nonsense", "gone", "stop", "r", ""]) await channel.send(`${word} x ../../etc y z`);
  });
  await Promise.race([listening, delay(20_000)]);
  channel.close();
  claim(dots > 2, "it says nothing any more");
  claim(await carriers(bench, run) > 0, "the run was ended");
}

/** All cases, in their order. */
export const CASES: readonly Case[] = [
  ...REACH,
  ...START,
  ...STOP,
  ...CALLS,
  ...HOSTILE,
  ...REBOOT,
  ...ENGINES,
];

/** Tries each of the shells that are there; says which are not. Skipped when none of `oneOf` is. */
async function eachShell(
  bench: Bench,
  names: readonly string[],
  how: { oneOf: readonly string[]; attempt(shell: string, path: string): Promise<void> },
): Promise<string> {
  const paths = (await bench.said(`for s in ${names.join(" ")}; do command -v $s || echo none; done\n`))
    .split("\n");
  const isThere = (name: string) => paths[names.indexOf(name)]?.startsWith("/") === true;
  for (const name of names.filter(isThere)) await how.attempt(name, paths[names.indexOf(name)] ?? "");
  const list = (all: readonly string[]) => all.join(", ");
  const tried = `tried ${list(names.filter(isThere))}`;
  if (!how.oneOf.some(isThere)) throw new Skip(`there is no ${how.oneOf.join(" or ")}; ${tried}`);
  const missing = names.filter((name) => !isThere(name));
  return missing.length === 0 ? tried : `${tried}; not there: ${list(missing)}`;
}

/**
 * The processes over there that carry a run's mark, counted; on an engine, those in the job of `where`.
 *
 * @throws {Skip} when the count does not even see itself.
 */
async function carriers(bench: Bench, { gen }: RunName, where?: RunName): Promise<number> {
  const look =
    `if [ -d /proc/self ]; then cat /proc/[0-9]*/environ | tr "\\0" "\\n"; else ps -axwwEo command=; fi`;
  // No pattern is its own match, as all command lines are looked at, too.
  const program = `LOOOP_SESSION_GEN=looker sh -c '${look}' 2>/dev/null | awk '
/[L]OOOP_SESSION_GEN=looker/ { me = 1 }
/[L]OOOP_SESSION_GEN=${gen}/ { n++ }
END { print me + 0, n + 0 }'\n`;
  const [me, count] = (await bench.said(program, where)).trim().split(" ").map(Number);
  if (me !== 1) throw new Skip("the marks of processes cannot be read there (/proc/PID/environ, ps -E)");
  return count ?? 0;
}

/** Whether a run's supervisor is the main process of a process table of its own, with which everything in it ends. */
async function isMainProcess(bench: Bench, run: RunName): Promise<boolean> {
  const said = await bench.said(`tr '\\0' ' ' </proc/1/cmdline; echo\n`, run);
  return said.includes(`/bin/far sup `) && said.includes(`/w/${run.id}.${run.gen} `);
}

/** Makes a file in a run's folder over there. */
async function touch(bench: Bench, run: RunName, name: string): Promise<void> {
  const shared = await bench.place.shared();
  if (shared !== undefined) {
    const dir = `${shared}/w/${run.id}.${run.gen}`;
    await bench.until("the run's folder", () => exists(dir));
    return replaceFile(`${dir}/${name}`, "");
  }
  await bench.said(bench.there(`: >"$FAR/w/${run.id}.${run.gen}/${name}"`), run);
}

/** Sends the beginning of a start, then cuts the line. */
async function cutStart({ argv, cwd, env }: Reach, line: string, ms = 0): Promise<void> {
  const child = new Deno.Command(argv[0] ?? "", {
    args: argv.slice(1),
    cwd,
    env: { ...env },
    clearEnv: true,
    detached: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(GREETING)).catch(() => {});
  const reader = child.stdout.getReader();
  for (let text = ""; !text.includes("looop-ready");) {
    const { value, done } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
  }
  await writer.write(new TextEncoder().encode(line)).catch(() => {});
  if (ms > 0) await delay(ms);
  try {
    Deno.kill(-child.pid, "SIGKILL");
  } catch {
    // It has already ended.
  }
  await reader.cancel().catch(() => {});
  await writer.abort().catch(() => {});
  await child.status;
}

/** Makes a run's records those of an earlier boot, as they are after a power cut. Its pids are even in use again. */
async function age(bench: Bench, { id, gen }: RunName): Promise<void> {
  const boot = crypto.randomUUID();
  await bench.said(bench.there(`cd "$FAR/w/${id}.${gen}" || exit
read -r pid start old rest <sup && echo "$pid $start ${boot} $rest" >.sup && mv .sup sup
read -r at old <run/began && echo "$at ${boot}" >run/.began && mv run/.began run/began`));
}

/** Ends a run's job behind home's back. */
async function unplace(bench: Bench, run: RunName): Promise<void> {
  const { name, handle } = await bench.job(run);
  await bench.place.driver?.call("stop", { name, handle, grace_s: 0 });
}

/** Kills an engine's driver in the middle of a start. */
async function cutDriver(bench: Bench, run: FarRun, ms: number): Promise<void> {
  const wire = bench.wire();
  const starting = bench.place.start(run).catch(() => {});
  await delay(ms);
  await wire.cut();
  await wire.heal();
  await starting;
}

/** The first line that a program says; then its line is closed. */
async function firstLine(channel: Channel): Promise<string> {
  const said = Promise.withResolvers<string>();
  const listening = channel.listen((line) => said.resolve(String(line))).then(() => said.resolve(""));
  const line = await Promise.race([said.promise, delay(10_000).then(() => "nothing within 10 s")]);
  channel.close();
  await listening;
  return line;
}

/** The first line of a program in a shell that another program becomes: greeted as a machine is. */
async function nested(bench: Bench, shell: string, program: string): Promise<string> {
  const channel = await bench.channel(shell);
  const lines: ((line: string) => void)[] = [];
  const said: string[] = [];
  const listening = channel.listen((line) => {
    said.push(String(line));
    lines.shift()?.(String(line));
  });
  const next = async (line: string) => {
    const reply = new Promise<string>((resolve) => lines.push(resolve));
    await channel.send(line.trimEnd());
    return await Promise.race([reply, delay(10_000).then(() => "nothing within 10 s")]);
  };
  const ready = await next(GREETING);
  const first = ready === READY ? await next(asLine(program)) : ready;
  channel.close();
  await listening;
  return first;
}

/** A desk that a lying host speaks to. */
function hostile(bench: Bench, name: string) {
  const replies: string[] = [];
  const desk = new Desk({ ...bench.calls, changed: () => {}, warn: () => {} }, name);
  desk.opened();
  const tell = (text: string) => {
    const line = parseLine(text);
    if (typeof line !== "string") desk.take(line, (said) => void replies.push(said));
  };
  return {
    tell,
    say: async (text: string) => {
      const before = replies.length;
      tell(text);
      for (let tries = 0; tries < 25 && replies.length === before; tries++) await delay(10);
    },
    codes: () => replies.filter((line) => line.startsWith("r ")).map((line) => line.split(" ")[4]),
  };
}

let calls = 0;

function callLine(run: { id: string; gen: string }, words: readonly string[], n = `9.9.${++calls}`): string {
  const text = [String(words.length), ...words].map((word) => `${word}\0`).join("");
  return `c ${run.id} ${run.gen} ${n} ${hex(text)} -`;
}

function hex(text: string): string {
  return [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sumOf(text: string): [string, string] {
  const bytes = new TextEncoder().encode(text);
  return [String(cksum(bytes)), String(bytes.length)];
}

/** The checksum that cksum(1) prints. */
export function cksum(bytes: Uint8Array): number {
  let crc = 0;
  const feed = (byte: number) => {
    crc = ((crc << 8) ^ (CRC[((crc >>> 24) ^ byte) & 0xff] ?? 0)) >>> 0;
  };
  for (const byte of bytes) feed(byte);
  for (let length = bytes.length; length > 0; length = Math.floor(length / 256)) feed(length & 0xff);
  return ~crc >>> 0;
}

const CRC = Array.from({ length: 256 }, (_, n) => {
  let crc = n << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});
