/** The cases of `looop _ host check`: everything a host must do so that looop's promises hold on it. */
import { type Bench, claim, kindOf, same, Skip } from "./bench.ts";
import { delay } from "../../process/tree.ts";
import { listLeases } from "../../sessions/lease.ts";
import { claim as takeLease } from "../../calls/worker_calls.ts";
import { readMailbox } from "../../records/mailbox.ts";
import { workerCaller } from "../../sessions/caller.ts";
import { readSession } from "../../sessions/session.ts";
import { quietText } from "../../store.ts";
import { TERMINAL } from "../../sessions/supervisor.ts";
import { asLine, GREETING, postProgram, startProgram, stopProgram } from "../program.ts";
import { encodeText } from "../protocol.ts";
import { openChannel } from "../reach.ts";
import { Desk } from "../desk.ts";
import { parseLine } from "../protocol.ts";
import { LineSplitter } from "../lines.ts";
import { Driver } from "../driver.ts";

/** One case. */
export interface Case {
  n: number;
  title: string;
  /** Fails by throwing; a returned text is a remark for the report. */
  run(bench: Bench): Promise<string | void>;
}

/** Skips a case that only the project's own lab can inflict on a machine. */
function lab(): Promise<never> {
  throw new Skip("only the project's lab does this");
}

const GO = `until [ -f "$LOOOP_DATA_DIR/go" ]; do sleep 0.1; done\n`;
const ready = `"$LOOOP_BIN" _ ready "$LOOOP_SESSION_ID"\n`;

const REACH: Case[] = [
  {
    n: 1,
    title: "1 MB passes both ways byte for byte",
    async run(bench) {
      bench.needsPlace();
      const bytes = new Uint8Array(1_000_000);
      for (let at = 0; at < bytes.length; at++) bytes[at] = 1 + (at * 7 + (at >> 8)) % 255;
      const text = `IFS= read -r l; printf %b "$l" | cksum\n`;
      const channel = await openChannel(bench.place.reach(), text);
      const lines: string[] = [];
      await channel.send(encodeText(bytes));
      await Promise.race([channel.listen((line) => void lines.push(String(line))), delay(30_000)]);
      channel.close();
      same(lines[0]?.split(" ")[1], String(bytes.length), "bytes that came");
      same(lines[0]?.split(" ")[0], String(cksum(bytes)), "their sum");
    },
  },
  {
    n: 2,
    title: "what its login shell prints is no harm",
    async run(bench) {
      const said = await bench.said("echo hello\n");
      same(said, "hello", "what came after the greeting");
    },
  },
  {
    n: 3,
    title: "its login shell may be any",
    async run(bench) {
      const said = await bench.said('echo "${SHELL:-unknown}"\n');
      return `login shell ${said}`;
    },
  },
  {
    n: 4,
    title: "a line arrives at once",
    async run(bench) {
      bench.needsPlace();
      const channel = await openChannel(bench.place.reach(), "echo one; sleep 3; echo two\n");
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
      bench.needsPlace();
      const channel = await openChannel(bench.place.reach(), "read -r x; echo over\n");
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
      bench.needsPlace();
      const channel = await openChannel(bench.place.reach(), postProgram(bench.home, bench.machine, true));
      const hello = Promise.withResolvers<void>();
      const listening = channel.listen((line) => {
        if (String(line).startsWith("hello")) hello.resolve();
      });
      await hello.promise;
      channel.close();
      await listening;
      const alive = bench.there(
        `read -r m pid rest <"$FAR/posts/owner"; kill -0 $pid 2>/dev/null && echo alive || echo gone`,
      );
      await bench.until("the end of the post", async () => (await bench.said(alive)) === "gone", 35_000);
    },
  },
  {
    n: 7,
    title: "its sh is one that looop knows",
    async run(bench) {
      const said = await bench.said("readlink /proc/$$/exe 2>/dev/null || echo unknown\n");
      return said;
    },
  },
  {
    n: 8,
    title: "the programs that looop needs are there",
    async run(bench) {
      const tools = "script od mkfifo awk base64 sed grep cksum find tail head dd";
      const said = await bench.said(
        `for t in ${tools}; do command -v $t >/dev/null || echo $t; done; echo .\n`,
      );
      same(said, ".", "missing programs");
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
      bench.needsPlace();
      bench.link();
      const run = await bench.start("cat >/dev/null\n");
      const other = { ...run, gen: "0badc0de", command: "true" };
      same(await kindOf(() => bench.place.start(other)), "host_refused", "what came of it");
      await bench.end(run);
      await bench.ended(run);
    },
  },
  {
    n: 13,
    title: "a start that is cut anywhere runs once when it is made again",
    async run(bench) {
      bench.needsPlace();
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
      for (const cut of cuts) await cutStart(bench, line.slice(0, cut));
      for (const ms of [5, 20, 60]) await cutStart(bench, line, ms);
      await bench.begin(run);
      await bench.printed(run, "began");
      await delay(1_000);
      same(bench.log(run).split("began").length - 1, 1, "runs");
      await bench.end(run);
      await bench.ended(run);
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
      const script =
        `(${stubborn}) &\nsetsid sh -c '${stubborn}' &\n(setsid sh -c '(${stubborn}) &') &\nsh -c '${stubborn}' </dev/tty &\necho began; ${stubborn}\n`;
      const run = await bench.start(script);
      await bench.printed(run, "began");
      await bench.end(run);
      same((await bench.ended(run)).state, "killed", "state");
      bench.needsPlace();
      same(await carriers(bench, run.gen), "0", "processes left");
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
      bench.needsPlace();
      bench.link();
      const stranger = await bench.start("echo began; sleep 61\n");
      const run = await bench.start("echo began; sleep 61\n");
      await bench.printed(run, "began");
      await bench.end(run);
      await bench.ended(run);
      const alive = await carriers(bench, stranger.gen);
      claim(Number(alive) > 0, "the stranger was ended, too");
      await bench.end(stranger);
      await bench.ended(stranger);
    },
  },
  {
    n: 22,
    title: "a worker ends itself without any line",
    async run(bench) {
      bench.needsPlace();
      const run = await bench.start(`${GO}sleep 62 &\n"$LOOOP_BIN" _ done\n`);
      await touch(bench, run, "go");
      await bench.until("its end over there", async () => (await carriers(bench, run.gen)) === "0");
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
        `${ready}for q in a b c; do "$LOOOP_BIN" _ ask "$LOOOP_SESSION_ID" --prompt "$q \\$x 'y' ü" >"$LOOOP_DATA_DIR/out.$q"; echo "code $q $?"; done\n"$LOOOP_BIN" _ ask --prompt late --timeout 1; echo "code d $?"; for q in a b; do cksum <"$LOOOP_DATA_DIR/out.$q"; done; echo over\n`;
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
    },
  },
  { n: 25, title: "60 s without the wire in the middle of an ask", run: lab },
  { n: 26, title: "60 s in which packets are dropped without a word", run: lab },
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
      bench.needsPlace();
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
      bench.needsPlace();
      const run = await bench.start(
        `${GO}"$LOOOP_BIN" _ claim old; echo "code $?" >"$LOOOP_DATA_DIR/said"\n`,
      );
      const next = bench.prepare("cat >/dev/null\n", { id: run.id });
      bench.link();
      await touch(bench, run, "go");
      const file = bench.there(`cat "$FAR/w/${run.id}.${run.gen}/said" 2>/dev/null || echo nothing`);
      await bench.until("what the old run is told", async () => (await bench.said(file)) === "code 1");
      same(listLeases(bench.profile).leases.length, 0, "leases");
      await bench.said(stopProgram(bench.home, run, "killed", "root"));
      void next;
    },
  },
];

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
      return `late by ${Math.round(Math.max(0, late))} ms at most`;
    },
  },
];

const REBOOT: Case[] = [
  { n: 36, title: "a host that loses its power: lost once, by its boot id", run: lab },
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
      const script =
        `${ready}stty -onlcr; i=0; while [ $i -lt 3000 ]; do echo "line $i of a log that is cut again and again"; i=$((i+1)); done; ${GO}`;
      const run = await bench.start(script);
      for (let at = 0; at < 5; at++) {
        await delay(50 * at);
        await bench.drop();
        bench.link();
      }
      const log = await bench.printed(run, "line 2999 ");
      const lines = log.split("\n").filter((line) => line.startsWith("line ")).map((line) =>
        Number(line.split(" ")[1])
      );
      same(lines.length, 3000, "lines");
      claim(lines.every((n, at) => n === at), "lines are missing or doubled");
      await touch(bench, run, "go");
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
      bench.needsPlace();
      const first = await openChannel(bench.place.reach(), postProgram(bench.home, "machine-a", true));
      const hello = Promise.withResolvers<void>();
      const listening = first.listen((line) => {
        if (String(line).startsWith("hello")) hello.resolve();
      });
      await hello.promise;
      const second = await openChannel(bench.place.reach(), postProgram(bench.home, "machine-b", false));
      const said: string[] = [];
      await second.listen((line) => void said.push(String(line)));
      first.close();
      await listening;
      second.close();
      claim(said[0]?.startsWith("refused") === true, `it said ${said[0]}`);
      const own = await openChannel(bench.place.reach(), postProgram(bench.home, bench.machine, true));
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
      const driver = bench.needsEngine();
      bench.link();
      const run = await bench.start("echo began; cat >/dev/null\n");
      const name = bench.place.jobName(run);
      const jobs = await bench.until("its job", async () => {
        const list = await driver.list();
        return list?.some((job) => job.name === name) ? list : undefined;
      });
      const prefix = `looop-${bench.home.slice(0, 8)}-`;
      claim(jobs.every((job) => job.name.startsWith(prefix)), "it names jobs of others");
      await bench.end(run);
      await bench.ended(run, 90_000);
    },
  },
  {
    n: 42,
    title: "a verb that the driver does not know is exit 3",
    async run(bench) {
      const outcome = await bench.needsEngine().call("nonsense", {});
      claim(outcome.kind === "failed" && outcome.code === 3, JSON.stringify(outcome));
    },
  },
  {
    n: 43,
    title: "a job is queued or runs, and then runs",
    async run(bench) {
      const driver = bench.needsEngine();
      bench.link();
      const run = bench.prepare("echo began; cat >/dev/null\n");
      await bench.begin(run);
      const name = bench.place.jobName(run);
      const first = await bench.until(
        "its job",
        async () => (await driver.list())?.find((job) => job.name === name),
      );
      claim(first.state === "queued" || first.state === "running", `it is ${first.state}`);
      await bench.printed(run, "began", 60_000);
      await bench.end(run);
      await bench.ended(run, 90_000);
      return `first ${first.state}`;
    },
  },
  {
    n: 44,
    title: "a job that the engine starts twice runs once",
    async run(bench) {
      const driver = bench.needsEngine();
      bench.link();
      const run = await bench.start("echo began; cat >/dev/null\n");
      await bench.printed(run, "began", 60_000);
      const again = await bench.place.start(run);
      claim(again !== undefined, "it has no handle");
      const name = bench.place.jobName(run);
      const job = (await driver.list())?.find((one) => one.name === name);
      const second =
        `FAR=$(ls -d "\${XDG_STATE_HOME:-$HOME/.local/state}/looop-far/${bench.home}")\nsh "$FAR/bin/far" sup "$FAR/w/${run.id}.${run.gen}"\necho "code $?"\n`;
      const channel = await openChannel(bench.place.reach({ name, handle: job?.handle ?? name }), second);
      const said: string[] = [];
      await Promise.race([channel.listen((line) => void said.push(String(line))), delay(10_000)]);
      channel.close();
      same(said.at(-1), "code 0", "the second supervisor");
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

/** The processes over there that carry a run's mark, counted. */
async function carriers(bench: Bench, gen: string): Promise<string> {
  const program =
    `if [ -d /proc/self ]; then cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; else ps -axwwEo command=; fi | grep -c "LOOOP_SESSION_GEN=${gen}"\n`;
  return (await bench.said(program)).trim();
}

/** Makes a file in a run's folder over there. */
async function touch(bench: Bench, run: { id: string; gen: string }, name: string): Promise<void> {
  if (bench.place.driver === undefined) {
    await bench.said(bench.there(`: >"$FAR/w/${run.id}.${run.gen}/${name}"`));
    return;
  }
  const job = await bench.until("its job", async () => {
    const wanted = bench.place.jobName(run);
    return (await bench.place.driver?.list())?.find((one) => one.name === wanted && one.state === "running");
  });
  const channel = await openChannel(
    bench.place.reach(job),
    bench.there(`: >"$FAR/w/${run.id}.${run.gen}/${name}"; echo done`),
  );
  await channel.listen(() => {});
  channel.close();
}

/** Sends the beginning of a start, then cuts the line. */
async function cutStart(bench: Bench, line: string, ms = 0): Promise<void> {
  const { argv, cwd, env } = bench.place.reach();
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
