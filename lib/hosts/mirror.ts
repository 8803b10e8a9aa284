/**
 * The local copy of a run on a host: its log byte for byte, and its reports.
 *
 * Home asks for each part by its offset, so that a lost line, a cut wire or a pulse killed in between only costs a
 * part that is sent again.
 */
import { baseName, dirName } from "../paths.ts";
import type { Profile } from "../paths.ts";
import { sessionDir } from "../sessions/run_files.ts";
import { COPIED_RECORDS } from "../agents/record_files.ts";
import { appendBytes, exists, makeDir, readJson, replaceFile, statOf, valueOf } from "../store.ts";
import { joined } from "../text/bytes.ts";
import { isRecord } from "../text/json.ts";
import { MAX_RECORD, MAX_REPORT, RECORD_MARK, type RunName, say } from "./protocol.ts";

/** `sessions/<id>/mirror.json`: the progress of the copy. */
interface Progress {
  v: 1;
  /** Number of bytes of the far log that are here. */
  offset: number;
  /** Size of the local `output.log` when that was recorded, bytes. */
  size: number;
  /** Whether everything of an ended run is here. */
  fetched: boolean;
  /** Reports by their name on the host: the version that is here, and its name here. */
  reports: Record<string, { stamp: string; as: string }>;
}

/** Name of the file in a session's folder. */
const FILE = "mirror.json";

function checkProgress(value: unknown): Progress | string {
  if (!isRecord(value)) return "not an object";
  const reports = Object.entries(isRecord(value["reports"]) ? value["reports"] : {}).flatMap(([name, one]) =>
    isRecord(one) ? [[name, { stamp: String(one["stamp"]), as: String(one["as"]) }] as const] : []
  );
  return {
    v: 1,
    offset: Number(value["offset"]) || 0,
    size: Number(value["size"]) || 0,
    fetched: value["fetched"] === true,
    reports: Object.fromEntries(reports),
  };
}

function readProgress(dir: string): Progress {
  return valueOf(readJson(`${dir}/${FILE}`, checkProgress)) ??
    { v: 1, offset: 0, size: 0, fetched: false, reports: {} };
}

/** A report that was requested. */
interface Wanted {
  name: string;
  stamp: string;
  size: number;
  parts: Uint8Array[];
  got: number;
}

/** The copy of one run. */
export class Mirror {
  readonly #profile: Profile;
  readonly #run: RunName;
  readonly #dir: string;
  #progress: Progress;
  /** Length of the far log as last reported. */
  #length = 0;
  /** The request still unanswered; at most one at a time. */
  #asked: "" | "log" | "report" | "record" = "";
  readonly #wanted: Wanted[] = [];
  /** Files of the agent's own record by name: their lengths there. */
  readonly #records = new Map<string, number>();

  constructor(profile: Profile, run: RunName) {
    this.#profile = profile;
    this.#run = run;
    this.#dir = sessionDir(profile, run.id);
    this.#progress = readProgress(this.#dir);
    // A part that was appended but not recorded, because the pulse was killed in between, still counts.
    const size = this.#logSize();
    if (size > this.#progress.size) this.#progress.offset += size - this.#progress.size;
    this.#progress.size = size;
  }

  #logSize(): number {
    return statOf(`${this.#dir}/output.log`)?.size ?? 0;
  }

  /** Called for a new line to the host: requests on the old one will not be answered any more. */
  reset(): void {
    this.#asked = "";
    this.#wanted.length = 0;
    this.#records.clear();
  }

  /** Whether everything that the host has reported is here. */
  get complete(): boolean {
    return this.#progress.offset >= this.#length && this.#wanted.length === 0 &&
      this.#lagging() === undefined;
  }

  get fetched(): boolean {
    return this.#progress.fetched;
  }

  /** Records that everything is here. */
  close(): void {
    this.#progress.fetched = true;
    this.#save();
  }

  /** The far log has this length; returns the request to send. */
  grown(length: number): string | undefined {
    this.#length = length;
    return this.#next();
  }

  /** A report is there in this version; returns the request to send. */
  offered(name: string, stamp: string, size: number): string | undefined {
    if (this.#progress.reports[name]?.stamp === stamp || size > MAX_REPORT) return undefined;
    if (this.#wanted.some((one) => one.name === name && one.stamp === stamp)) return undefined;
    this.#wanted.push({ name, stamp, size, parts: [], got: 0 });
    return this.#next();
  }

  /** A file of the agent's own record has this length; it only grows. Returns the request to send. */
  recorded(name: string, size: number): string | undefined {
    if (this.#progress.fetched) return undefined;
    if (!this.#records.has(name) && this.#records.size >= MAX_RECORD.files) return undefined;
    this.#records.set(name, Math.min(size, MAX_RECORD.bytes));
    return this.#next();
  }

  #recordPath(name: string): string {
    return `${this.#dir}/${COPIED_RECORDS}/${name}`;
  }

  /** A record of which the host has more than is here. */
  #lagging(): string | undefined {
    return [...this.#records].find(([name, size]) => (statOf(this.#recordPath(name))?.size ?? 0) < size)?.[0];
  }

  /** A part has arrived; returns the request to send. */
  take(name: string | undefined, offset: number, bytes: Uint8Array): string | undefined {
    if (name === undefined) this.#takeLog(offset, bytes);
    else if (name.startsWith(RECORD_MARK)) this.#takeRecord(name.slice(1), offset, bytes);
    else this.#takeReport(name, offset, bytes);
    return this.#next();
  }

  #next(): string | undefined {
    if (this.#asked !== "") return undefined;
    const report = this.#wanted[0];
    if (report !== undefined) {
      this.#asked = "report";
      return say.get(this.#run, report.name, report.got);
    }
    if (this.#progress.offset < this.#length) {
      this.#asked = "log";
      return say.get(this.#run, undefined, this.#progress.offset);
    }
    const record = this.#lagging();
    if (record === undefined) return undefined;
    this.#asked = "record";
    return say.get(this.#run, `${RECORD_MARK}${record}`, statOf(this.#recordPath(record))?.size ?? 0);
  }

  #takeLog(offset: number, bytes: Uint8Array): void {
    if (this.#asked === "log") this.#asked = "";
    const { offset: here } = this.#progress;
    // The host has dropped the beginning of its log: the missing part was never read.
    const from = offset > here ? 0 : here - offset;
    const added = bytes.subarray(from);
    if (bytes.length === 0) this.#length = Math.min(this.#length, Math.max(here, offset));
    if (offset <= here && added.length === 0) return;
    appendBytes(`${this.#dir}/output.log`, added);
    this.#progress.offset = offset + bytes.length;
    this.#progress.size = this.#logSize();
    this.#save();
  }

  #takeReport(name: string, offset: number, bytes: Uint8Array): void {
    if (this.#asked === "report") this.#asked = "";
    const report = this.#wanted[0];
    if (report === undefined || report.name !== name || report.got !== offset) return;
    report.parts.push(bytes);
    report.got += bytes.length;
    const isWhole = report.got >= report.size;
    if (!isWhole && bytes.length > 0) return;
    this.#wanted.shift();
    // One that has changed in the meantime is offered again.
    if (report.got !== report.size) return;
    const as = this.#placeOf(name);
    makeDir(`${this.#profile.reports}/${as}`.replace(/\/[^/]*$/, ""));
    replaceFile(`${this.#profile.reports}/${as}`, joined(report.parts));
    this.#progress.reports[name] = { stamp: report.stamp, as };
    this.#save();
  }

  #takeRecord(name: string, offset: number, bytes: Uint8Array): void {
    if (this.#asked === "record") this.#asked = "";
    const path = this.#recordPath(name);
    const here = statOf(path)?.size ?? 0;
    if (!this.#records.has(name)) return;
    // One that is shorter than it was, or gone, has nothing more to give.
    if (offset !== here || bytes.length === 0) return void this.#records.delete(name);
    makeDir(dirName(path));
    appendBytes(path, bytes.subarray(0, MAX_RECORD.bytes - here));
  }

  /**
   * The local name of a report: its own, unless another file has it; a host replaces only files that it has brought
   * itself.
   */
  #placeOf(name: string): string {
    const before = this.#progress.reports[name]?.as;
    if (before !== undefined) return before;
    const { id, gen } = this.#run;
    const file = baseName(name);
    const folder = name.slice(0, name.length - file.length);
    const candidates = [name, `${folder}${id}-${file}`];
    return candidates.find((one) => !exists(`${this.#profile.reports}/${one}`)) ??
      `${folder}${id}-${gen}-${file}`;
  }

  #save(): void {
    replaceFile(`${this.#dir}/${FILE}`, `${JSON.stringify(this.#progress)}\n`, { durable: false });
  }
}
