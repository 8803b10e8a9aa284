/**
 * Carries out the calls that workers of this machine hand to the pulse (shim.ts): each as its verb would in a
 * process of its own, with the caller's variables, so that the bytes and the exit code of the reply are the same.
 */
import { Watch, type WatchOptions } from "../file_watch.ts";
import type { Profile } from "../paths.ts";
import { mayExist } from "../process/identity.ts";
import { type CallName, noteRead, parseName } from "./read_replies.ts";
import { CALL_FORM, SHIM } from "./shim.ts";
import { delay } from "../process/tree.ts";
import { generationOf } from "../sessions/run_files.ts";
import { listEntries, makeDir, quietStat, quietText, readBytes, removeFile, replaceFile } from "../store.ts";
import { joined } from "../text/bytes.ts";
import { encodeText } from "../text/quote.ts";

/** The caller of a call, as its verb sees it. */
export interface LocalCaller {
  env: Readonly<Record<string, string>>;
  out(bytes: Uint8Array): void;
  err(bytes: Uint8Array): void;
  /** Whether nobody waits for the reply any more. */
  isGone(): boolean;
  /** Takes note of the question whose answer the call waits for. */
  asked(id: string): void;
  /** Opens a watch of `answers/` or `asks/` that costs no watch of its own. */
  watch(options: WatchOptions): Watch;
  /** Keeps what is to be done once the reply has been printed: about the question `ask`, where there is one. */
  whenRead(work: () => Promise<void> | void, ask?: string): void;
}

/** The desk's surroundings. */
export interface LocalHost {
  profile: Profile;
  /** Runs a verb by its words; returns its exit code. */
  run(words: readonly string[], caller: LocalCaller): Promise<number>;
  /** The current time, unix ms. */
  now(): number;
  /** Writes into the pulse's log. */
  warn(message: string): void;
  /** Whether file watches are off: then no calls are taken. */
  watchesOff: boolean;
}

/** The verbs that are carried out here. */
const VERBS: readonly string[] = ["ask", "ready", "cost", "claim", "unclaim", "told"];
/** Folders below `.calls/`. A folder that is watched holds no FIFO, on which the runtime's watcher hangs. */
const FOLDERS = ["in", "out", "read", "wait"] as const;
/** Interval of the look for callers that were killed, ms, while there are calls and while there are none. */
const LOOK_MS = 1_000;
const IDLE_LOOK_MS = 60_000;
/** Interval at which waiting asks look for themselves, ms, should a change have gone unreported. */
const WAKE_MS = 5_000;
/** Longest text that is sent through a FIFO, bytes: a pipe holds it even where the system grants it one page. */
const MAX_INLINE = 3_000;
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/** Longest time that calls have to come to their ends when the pulse ends, ms. */
const CLOSING_MS = 500;

/** A call that was taken. */
interface OpenCall {
  name: string;
  fifo: Deno.FsFile;
  /** The waiting shell, and the process that started it. */
  pids: readonly [number, number];
  isAsk: boolean;
  /** Bytes sent through the FIFO. */
  sent: number;
  /** The files that hold what is too long for it. */
  files: string[];
  watches: Watch[];
  /** What is to be done once the reply was read. */
  read: (() => Promise<void> | void)[];
  /** The question whose answer the reply is. */
  ask: string;
  isReplied: boolean;
}

/** The desk of a pulse for the workers of its own machine. */
export class LocalDesk {
  readonly #host: LocalHost;
  readonly #dir: string;
  readonly #open = new Map<string, OpenCall>();
  readonly #watch: Watch;
  #closed = false;

  constructor(host: LocalHost) {
    this.#host = host;
    this.#dir = host.profile.calls;
    for (const folder of FOLDERS) makeDir(`${this.#dir}/${folder}`);
    replaceFile(`${this.#dir}/shim`, SHIM, { durable: false });
    const { asks, answers } = host.profile;
    for (const dir of [asks, answers]) makeDir(dir);
    this.#watch = new Watch({
      dirs: [this.#dir, `${this.#dir}/in`, `${this.#dir}/read`, asks, answers],
      pollMs: IDLE_LOOK_MS,
      off: host.watchesOff,
    });
  }

  /** Takes calls until it is closed. */
  async run(): Promise<void> {
    const [sweep, wake] = [every(LOOK_MS), every(WAKE_MS)];
    for (let isTold = true; !this.#closed;) {
      try {
        this.#sayHere();
        await this.#look(sweep(), isTold || wake());
      } catch (error) {
        // A full disk, or a data dir that is gone: calls are made by the binary.
        this.#host.warn(`calls: ${(error as Error).message}`);
      }
      // A watch that was closed meanwhile would not end.
      if (!this.#closed) isTold = await this.#watch.next(this.#open.size > 0 ? LOOK_MS : IDLE_LOOK_MS);
    }
  }

  /** Takes no more calls and ends: a waiting shell then turns to the next pulse or to the binary. */
  async close(): Promise<void> {
    this.#closed = true;
    quietly(() => removeFile(`${this.#dir}/here`, { durable: false }));
    this.#wakeAsks();
    const deadline = performance.now() + CLOSING_MS;
    const isBusy = () => [...this.#open.values()].some((call) => call.isReplied || !call.isAsk);
    while (isBusy() && performance.now() < deadline) {
      await this.#look(true, true).catch(() => {});
      await delay(5);
    }
    this.#watch.close();
    for (const call of this.#open.values()) this.#forget(call);
  }

  /** Shows that calls are taken here; a shell that was not served removes the sign. */
  #sayHere(): void {
    const path = `${this.#dir}/here`;
    if (!this.#watch.armed || quietText(path)?.startsWith(`${Deno.pid} `)) return;
    replaceFile(path, `${Deno.pid} ${CALL_FORM}\n`, { durable: false });
  }

  async #look(isSweepDue: boolean, mustWake: boolean): Promise<void> {
    const calls = listEntries(`${this.#dir}/in`);
    // Whoever calls after reading an answer finds it noted as read: hence this order.
    for (const { name, isFile } of listEntries(`${this.#dir}/read`)) {
      if (isFile) await this.#wasRead(name);
    }
    // All are taken before the first is carried out: a shell is patient with a call that has been taken.
    const taken = calls.filter(({ name, isFile }) => isFile && !this.#closed && parseName(name) !== undefined)
      .map(({ name }) => this.#take(name));
    for (const carryOut of taken) carryOut?.();
    if (mustWake) this.#wakeAsks();
    if (isSweepDue) this.#sweep();
  }

  /** Lets each waiting ask look for its answer. */
  #wakeAsks(): void {
    for (const call of this.#open.values()) for (const watch of call.watches) watch.poke();
  }

  /** Takes a call that is there as a whole, unless its shell takes it back; returns what carries it out. */
  #take(name: string): (() => void) | undefined {
    const path = `${this.#dir}/in/${name}`;
    const isHuge = (quietStat(path)?.size ?? 0) > MAX_REQUEST_BYTES;
    const request = isHuge ? "odd" : parseRequest(readBytes(path) ?? new Uint8Array());
    if (request === "incomplete") return undefined;
    const fifo = openFifo(`${this.#dir}/wait/${name}`);
    if (fifo === undefined || !removeFile(path, { durable: false })) {
      fifo?.close();
      return undefined;
    }
    const { id, gen, key, pid } = parseName(name) as CallName;
    const words = request === "odd" ? [] : request.words;
    const isOurs = generationOf(this.#host.profile, id) === gen;
    if (request === "odd" || !isOurs || words[0] !== "_" || !VERBS.includes(words[1] ?? "")) {
      write(fifo, "b");
      fifo.close();
      return undefined;
    }
    const call: OpenCall = {
      name,
      fifo,
      pids: [pid, request.parent],
      isAsk: words[1] === "ask",
      sent: 0,
      files: [],
      watches: [],
      read: [],
      ask: ".",
      isReplied: false,
    };
    this.#open.set(name, call);
    const own = { LOOOP_DATA_DIR: this.#host.profile.dir, LOOOP_SESSION_ID: id, LOOOP_SESSION_GEN: gen };
    const env = { ...request.env, ...own, LOOOP_CALL: key };
    return () =>
      void this.#carryOut(call, words, env).catch((error) => {
        this.#host.warn(`a call of ${id}: ${(error as Error).message}`);
        quietly(() => write(fifo, "b"));
        this.#forget(call);
      });
  }

  async #carryOut(call: OpenCall, words: readonly string[], env: Record<string, string>): Promise<void> {
    const out: Uint8Array[] = [];
    const err: Uint8Array[] = [];
    const code = await this.#host.run(words, {
      env,
      out: (bytes) => out.push(bytes),
      err: (bytes) => {
        const word = encodeText(bytes);
        // Shown at once, since an ask may wait for long; the order of stderr is kept.
        if (err.length === 0 && call.sent + word.length < MAX_INLINE) this.#send(call, `e ${word}`);
        else err.push(bytes);
      },
      isGone: () => this.#closed || this.#isGone(call),
      asked: (id) => this.#send(call, `t ${id}`),
      watch: (options) => {
        const watch = new Watch({ ...options, off: true });
        call.watches.push(watch);
        return watch;
      },
      whenRead: (work, ask) => {
        call.read.push(work);
        call.ask = ask ?? call.ask;
      },
    });
    if (!this.#open.has(call.name)) return;
    // A question that was given up, because the pulse ends or nobody seems to wait, is taken up by the next process.
    if (call.isAsk && call.read.length === 0 && (this.#closed || this.#isGone(call))) this.#forget(call);
    else this.#reply(call, code, joined(out), joined(err));
  }

  #reply(call: OpenCall, code: number, out: Uint8Array, err: Uint8Array): void {
    const words = [this.#word(call, "out", out), this.#word(call, "err", err)];
    const mustBeRead = call.read.length > 0 || words.includes("@");
    call.isReplied = true;
    this.#send(call, `x ${code} ${mustBeRead ? call.ask : "-"} ${words.join(" ")}`);
    if (!mustBeRead) this.#forget(call);
  }

  #send(call: OpenCall, line: string): void {
    call.sent += line.length + 1;
    write(call.fifo, line);
  }

  /** A text as a word of a reply; a long one goes into a file. */
  #word(call: OpenCall, what: "out" | "err", bytes: Uint8Array): string {
    const word = bytes.length < MAX_INLINE / 2 ? encodeText(bytes) : "";
    if (word !== "" && call.sent + word.length < MAX_INLINE) return word;
    const file = `out/${call.name}.${what}`;
    call.files.push(file);
    replaceFile(`${this.#dir}/${file}`, bytes, { durable: false });
    return "@";
  }

  /** Notes that a reply was printed, whether this pulse had sent it or one that was killed since. */
  async #wasRead(name: string): Promise<void> {
    const call = this.#open.get(name);
    const path = `${this.#dir}/read/${name}`;
    if (call === undefined) return await noteRead(this.#host.profile, name, this.#host.now());
    this.#open.delete(name);
    for (const work of call.read) await work();
    this.#forget(call);
    removeFile(path, { durable: false });
  }

  #isGone({ name, pids }: OpenCall): boolean {
    return pids.some((pid) => !mayExist(pid)) || quietStat(`${this.#dir}/wait/${name}`) === undefined;
  }

  #forget(call: OpenCall): void {
    this.#open.delete(call.name);
    for (const watch of call.watches) watch.close();
    quietly(() => call.fifo.close());
    for (const name of [`wait/${call.name}`, ...call.files]) {
      quietly(() => removeFile(`${this.#dir}/${name}`, { durable: false }));
    }
  }

  /** Removes what shells that were killed have left. */
  #sweep(): void {
    for (const call of this.#open.values()) {
      if (call.isReplied && this.#isGone(call) && !hasRead(this.#dir, call.name)) this.#forget(call);
    }
    for (const folder of ["in", "out", "wait"]) {
      for (const { name } of listEntries(`${this.#dir}/${folder}`)) {
        const pid = parseName(name)?.pid;
        if (pid !== undefined && !mayExist(pid)) {
          removeFile(`${this.#dir}/${folder}/${name}`, { durable: false });
        }
      }
    }
  }
}

function hasRead(dir: string, name: string): boolean {
  return quietStat(`${dir}/read/${name}`) !== undefined;
}

/** Answers whether `ms` have passed since it last said so. */
function every(ms: number): () => boolean {
  let last = -Infinity;
  return () => {
    const isDue = performance.now() - last >= ms;
    if (isDue) last = performance.now();
    return isDue;
  };
}

/** A call's content: pid of the caller's parent, the words, the variables. */
export interface Request {
  parent: number;
  words: string[];
  env: Record<string, string>;
}

/**
 * Parses a call: entries ended by NUL, first the parent's pid and the number of words, last a dot. `incomplete` while
 * it is being written, `odd` when it is not UTF-8 or not a call. Pure.
 */
export function parseRequest(bytes: Uint8Array): Request | "incomplete" | "odd" {
  const [parent = "", count = "", ...rest] = new TextDecoder("latin1").decode(bytes).split("\0");
  if (rest.length < Number(count) + 2 || rest.at(-1) !== "" || rest.at(-2) !== ".") return "incomplete";
  if (!/^\d+$/.test(parent) || !/^\d+$/.test(count)) return "odd";
  let entries: string[];
  try {
    entries = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).split("\0").slice(
      2,
      -2,
    );
  } catch {
    return "odd";
  }
  const pairs = entries.slice(Number(count)).map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
  return { parent: Number(parent), words: entries.slice(0, Number(count)), env: Object.fromEntries(pairs) };
}

/** Opened for both ends, so that it neither blocks nor ends by itself; undefined when it is gone, or no FIFO. */
function openFifo(path: string): Deno.FsFile | undefined {
  try {
    return Deno.lstatSync(path).isFifo ? Deno.openSync(path, { read: true, write: true }) : undefined;
  } catch {
    return undefined;
  }
}

function write(fifo: Deno.FsFile, line: string): void {
  fifo.writeSync(new TextEncoder().encode(`${line}\n`));
}

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // It is gone already.
  }
}
