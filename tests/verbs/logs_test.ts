import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { looopCommand, type TestProfile, testProfile } from "../looop.ts";
import { followLog } from "../../lib/workers/logs.ts";
import { rotateOutput, trimOutput } from "../../lib/sessions/output_log.ts";

/** A call of looop whose stdout is read line by line. */
class Reader implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  text = "";

  constructor(p: TestProfile, args: string[], cwd = p.base) {
    const [exe, ...first] = looopCommand();
    this.child = new Deno.Command(exe!, {
      args: [...first, ...args],
      env: p.env,
      clearEnv: true,
      cwd,
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#reader = this.child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads until the text holds `part`; fails if the output ends first. */
  async until(part: string): Promise<void> {
    while (!this.text.includes(part)) {
      const { done, value } = await this.#reader.read();
      if (done) throw new Error(`ended without "${part}": ${this.text}`);
      this.text += value;
    }
  }

  /** Reads to the end and returns everything. */
  async rest(): Promise<string> {
    for (let next = await this.#reader.read(); !next.done; next = await this.#reader.read()) {
      this.text += next.value;
    }
    return this.text;
  }

  /** Closes the reading end, as `head -1` does. */
  async leave(): Promise<void> {
    await this.#reader.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave().catch(() => {});
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.child.status;
  }
}

/** Makes the pulse's session folder with a log, without a process. */
function logOf(p: TestProfile, id: string, text: string): string {
  const dir = p.path(`sessions/${id}`);
  Deno.mkdirSync(dir, { recursive: true });
  Deno.writeTextFileSync(`${dir}/output.log`, text);
  return dir;
}

Deno.test("given a worker that paints, when its log is shown, then codes are rendered away and -n counts lines", async () => {
  await using p = await testProfile();
  logOf(p, "w1", "\x1b[31mred\x1b[0m\r\nwork 1%\rwork 100%\r\n\x1b]0;title\x07last\r\n");
  strictEqual(await p.ok("logs", "w1"), "red\nwork 100%\nlast");
  strictEqual(await p.ok("logs", "w1", "-n", "1"), "last");
  strictEqual(await p.ok("logs", "w1", "-n", "0"), "");
});

Deno.test("given a pulse log with escape codes, when it is shown, then none reaches the terminal", async () => {
  await using p = await testProfile();
  logOf(p, "pulse", `\x1b[2Jone\x9b31m\n${"long ".repeat(80)}\ntwo`);
  deepStrictEqual((await p.ok("logs")).split("\n"), ["one", "long ".repeat(80), "two"]);
});

Deno.test("given no such log, when it is asked for, then one line says so", async () => {
  await using p = await testProfile();
  for (const args of [["logs"], ["logs", "-f"], ["logs", "nobody"], ["logs", "nobody", "-f"]]) {
    const { code, stdout, stderr } = await p.run(...args);
    deepStrictEqual([code, stdout, stderr.trim().split("\n").length], [1, "", 1]);
  }
  strictEqual((await p.run("logs", "../pulse")).code, 2);
});

Deno.test("given a log cut short by rotation, when its last lines are shown, then they include the rotated part", async () => {
  await using p = await testProfile();
  const dir = logOf(p, "pulse", "a\nb\n");
  Deno.writeTextFileSync(`${dir}/output.1.log`, "1\n2\n3\n");
  strictEqual(await p.ok("logs", "-n", "4"), "2\n3\na\nb");
});

Deno.test("given a worker whose log was cut, when more lines are asked for than are kept, then the beginning, what is missing and the end are shown", async () => {
  await using p = await testProfile();
  const dir = logOf(p, "w1", "");
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, n) => `line ${String(from + n).padStart(6, "0")}\r\n`).join("");
  for (const from of [0, 10_000, 20_000]) {
    Deno.writeTextFileSync(`${dir}/output.log`, lines(from, from + 10_000), { append: true });
    ok(rotateOutput(dir, 2_600));
  }
  Deno.writeTextFileSync(`${dir}/output.log`, lines(30_000, 30_100), { append: true });
  const { stdout, stderr } = await p.run("logs", "w1", "-n", "2");
  strictEqual(stdout, "line 030098\nline 030099\n");
  match(stderr, /^looop logs: 0\.3 MB of what it printed were cut as its log grew/);
  const all = (await p.ok("logs", "w1", "-n", "100000")).split("\n");
  const at = all.findIndex((line) => line.startsWith("[…"));
  // Of 30,000 lines of 13 bytes, 64 KiB and 200 lines are kept.
  strictEqual(
    all[at],
    `[… ${((30_000 * 13 - 2_600 - 65_536) / 1e6).toFixed(1)} MB were cut as the log grew …]`,
  );
  deepStrictEqual([all[0], all[at - 2], at], ["line 000000", "line 005040", 5042]);
  deepStrictEqual(all.slice(at + 1), lines(29_800, 30_100).trimEnd().split("\r\n"));
  // After the end, retention keeps even less.
  ok(trimOutput(dir, 260));
  const left = (await p.ok("_", "worker", "log", "w1", "-n", "100000")).split("\n");
  deepStrictEqual(left.slice(-20), lines(30_080, 30_100).trimEnd().split("\r\n"));
  match(left.at(-21) ?? "", /^\[… 0\.3 MB were cut/);
});

Deno.test("given earlier runs of an id, when one is named, then its log is shown", async () => {
  await using p = await testProfile();
  logOf(p, "w1", "the third\r\n");
  logOf(p, "w1~1", "the first\r\n");
  logOf(p, "w1~12", "the second\r\n");
  strictEqual(await p.ok("logs", "w1~1"), "the first");
  strictEqual(await p.ok("_", "worker", "log", "w1~12"), "the second");
  strictEqual(await p.ok("logs", "w1~1", "--screen"), "the first");
  strictEqual(await p.ok("logs", "w1~1", "-f"), "the first");
  for (const [id, code] of [["w1~2", 1], ["w1~x", 2], ["w1~", 2], ["~1", 2], ["w1~1/..", 2]] as const) {
    strictEqual((await p.run("logs", id)).code, code, id);
  }
});

Deno.test("given a followed log, when it grows, is cut short and is replaced, then every line comes once and in order", async () => {
  await using p = await testProfile();
  const dir = logOf(p, "pulse", `${"earlier ".repeat(100)}\nline 1\n`);
  const path = `${dir}/output.log`;
  const append = (text: string) => Deno.writeTextFileSync(path, text, { append: true });
  await using reader = new Reader(p, ["logs", "-f", "-n", "1"]);
  await reader.until("line 1\n");
  append("line 2\n");
  await reader.until("line 2\n");
  // Written and rotated at once, so that the follower finds it only in the copy.
  append("line 3\n");
  ok(rotateOutput(dir, 500));
  append("4\n");
  await reader.until("4\n");
  Deno.renameSync(path, `${dir}/output.old.log`);
  Deno.writeTextFileSync(`${dir}/output.old.log`, "line 5\n", { append: true });
  Deno.writeTextFileSync(path, "line 6\n");
  await reader.until("line 6\n");
  strictEqual(reader.text, "line 1\nline 2\nline 3\n4\nline 5\nline 6\n");
});

Deno.test("given a followed log, when it was looked at again and again, then no look has left a resource open", async () => {
  await using p = await testProfile();
  logOf(p, "pulse", "line\n");
  const stop = new AbortController();
  const { signal } = stop;
  let added = 0;
  let removed = 0;
  signal.addEventListener = (...args: Parameters<AbortSignal["addEventListener"]>) => {
    if (++added === 4) stop.abort();
    AbortSignal.prototype.addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<AbortSignal["removeEventListener"]>) => {
    removed++;
    AbortSignal.prototype.removeEventListener.apply(signal, args);
  };
  const host = {
    profile: p.profile,
    env: {},
    id: "pulse",
    count: 1,
    show: () => {},
    note: () => {},
    now: Date.now,
    stop: signal,
  };
  ok(await followLog(host));
  deepStrictEqual([added, removed], [4, 4]);
});

Deno.test("given a followed worker, when it ends, then all it printed is shown and following ends with 0", async () => {
  await using p = await testProfile();
  const brief = "echo first; while [ ! -e go ]; do sleep 0.05; done; echo last";
  await p.ok("_", "worker", "start", "w1", "--runner", "shell", brief);
  await using reader = new Reader(p, ["logs", "w1", "-f"]);
  await reader.until("first\n");
  Deno.writeTextFileSync(p.path("go"), "");
  strictEqual(await reader.rest(), "first\nlast\n");
  strictEqual((await reader.child.status).code, 0);
});

Deno.test("given a follower whose folder is removed, when the worker is looked at again, then following goes on", async () => {
  await using p = await testProfile();
  const cwd = `${p.base}/folder`;
  Deno.mkdirSync(cwd);
  // The follower looks at a silent worker once a second.
  await p.ok("_", "worker", "start", "w1", "--runner", "shell", "echo first; sleep 1.5; echo last");
  await using reader = new Reader(p, ["logs", "w1", "-f"], cwd);
  await reader.until("first\n");
  Deno.removeSync(cwd);
  strictEqual(await reader.rest(), "first\nlast\n");
  strictEqual((await reader.child.status).code, 0);
});

Deno.test("given a follower of a silent log, when its reader goes away, then it ends quietly with 0", async () => {
  await using p = await testProfile();
  logOf(p, "pulse", "only line\n");
  await using reader = new Reader(p, ["logs", "-f"]);
  await reader.until("only line\n");
  await reader.leave();
  strictEqual((await reader.child.status).code, 0);
});

Deno.test("given a closed stdout, when a silent log is followed, then it ends quietly with 0", async () => {
  await using p = await testProfile();
  logOf(p, "pulse", "only line\n");
  const words = looopCommand();
  const { code, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", '"$@" logs -f >&-', "sh", ...words],
    env: p.env,
    clearEnv: true,
  }).output();
  deepStrictEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
});

Deno.test("given a large log of a worker, when it is shown, then its last lines come within a second or two", async () => {
  await using p = await testProfile();
  logOf(
    p,
    "w1",
    Array.from({ length: 200_000 }, (_, n) => `\x1b[32mline\x1b[0m ${n} of plain output\r\n`).join(""),
  );
  const started = performance.now();
  match(await p.ok("logs", "w1", "-n", "2"), /^line 199998 .*\nline 199999 .*$/);
  ok(performance.now() - started < 8000, "too slow even for a loaded machine");
});
