/** Reads a log while it grows, is cut short and is replaced: every byte once and in order. */
import { joined } from "../text/bytes.ts";
import { fault, isAbsent } from "../fault.ts";
import { readTailBytes, statOf } from "../store.ts";

/** Number of the last bytes read that are remembered, to find them again in the copy of a log that was cut short. */
const MARK_BYTES = 256;
/** Number of bytes at the end of the copy that are searched: no more is written between two looks. */
const COPY_BYTES = 1024 * 1024;
/** The most that one look reads, bytes: of more than a log is kept of, only the end is shown. */
const REST_BYTES = 16 * 1024 * 1024;

/**
 * The growing end of a log. The file is kept open, so that a log that is renamed away is read to its end before the
 * new one; when it is cut short (its end copied to `output.1.log`, see output_log.ts), the unread part is read from
 * the copy.
 */
export class GrowingLog {
  readonly #dir: string;
  #file: Deno.FsFile;
  #ino: number | null;
  #offset: number;
  #mark: Uint8Array;

  private constructor(dir: string, file: Deno.FsFile) {
    this.#dir = dir;
    this.#file = file;
    const { ino, size } = file.statSync();
    this.#ino = ino;
    this.#offset = size;
    this.#mark = readTailBytes(`${dir}/output.log`, MARK_BYTES);
  }

  /** Opens the log at its present end; undefined when there is none. */
  static open(dir: string): GrowingLog | undefined {
    const file = openLog(`${dir}/output.log`);
    return file === undefined ? undefined : new GrowingLog(dir, file);
  }

  /** The bytes added since the last call. */
  read(): Uint8Array {
    const parts = [this.#cutAway(), this.#rest()];
    const info = statOf(`${this.#dir}/output.log`);
    if (info !== undefined && info.ino !== this.#ino) parts.push(this.#reopen());
    const added = joined(parts);
    if (added.length > 0) this.#mark = joined([this.#mark, added]).slice(-MARK_BYTES);
    return added;
  }

  close(): void {
    this.#file.close();
  }

  #cutAway(): Uint8Array {
    if (this.#file.statSync().size >= this.#offset) return new Uint8Array();
    this.#offset = 0;
    return behind(readTailBytes(`${this.#dir}/output.1.log`, COPY_BYTES), this.#mark);
  }

  #rest(): Uint8Array {
    this.#offset = Math.max(this.#offset, this.#file.statSync().size - REST_BYTES);
    this.#file.seekSync(this.#offset, Deno.SeekMode.Start);
    const parts: Uint8Array[] = [];
    const buffer = new Uint8Array(64 * 1024);
    for (let n = this.#file.readSync(buffer); n !== null && n > 0; n = this.#file.readSync(buffer)) {
      parts.push(buffer.slice(0, n));
      this.#offset += n;
    }
    return joined(parts);
  }

  #reopen(): Uint8Array {
    const file = openLog(`${this.#dir}/output.log`);
    if (file === undefined) return new Uint8Array();
    this.#file.close();
    this.#file = file;
    this.#ino = file.statSync().ino;
    this.#offset = 0;
    return this.#rest();
  }
}

/** The bytes after the last occurrence of `mark`; none when it is not there. */
function behind(bytes: Uint8Array, mark: Uint8Array): Uint8Array {
  const latin1 = new TextDecoder("latin1");
  const at = mark.length === 0 ? 0 : latin1.decode(bytes).lastIndexOf(latin1.decode(mark));
  return at < 0 ? new Uint8Array() : bytes.subarray(at + mark.length);
}

function openLog(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path, { read: true });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw fault("read", path, error);
  }
}
