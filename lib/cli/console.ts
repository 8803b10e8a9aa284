/** The edge to the terminal: writes output, reads stdin. Only this module prints. */
import { joined } from "../text/bytes.ts";
import { UsageError } from "../errors.ts";
import { catchFileLimit, fault } from "../fault.ts";

const CHUNK = 4096;

/** Thrown when the reader of stdout has gone: it has what it wanted, and nothing is left to do. */
export class ReaderGone extends Error {
  override name = "ReaderGone";
}

/** Restores a terminal that a full screen has taken over, so that a message can be read on it. */
let giveBack = () => {};

/** While a full screen holds the terminal: `restore` is called before anything is written to stderr. */
export function holdTerminal(restore: () => void): void {
  giveBack = restore;
}

/**
 * Writes a whole text, or bytes unchanged, to stdout or stderr.
 *
 * It writes chunks of PIPE_BUF, which a pipe takes whole or not at all. So a descriptor that another program has made
 * non-blocking can be retried without losing or doubling a byte.
 *
 * @throws {ReaderGone} when the other end is closed.
 * @throws {UserError} when the target takes no more, such as a file on a full disk.
 */
export function writeAll(
  stream: { writeSync(bytes: Uint8Array): number },
  text: string | Uint8Array,
): void {
  if (stream === Deno.stderr) giveBack();
  if (mayBeFile(stream)) catchFileLimit();
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  for (let at = 0; at < bytes.length;) {
    try {
      at += stream.writeSync(bytes.subarray(at, at + CHUNK));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new ReaderGone();
      if (error instanceof Deno.errors.BadResource) return;
      if (!(error instanceof Deno.errors.WouldBlock)) {
        throw fault("write to", stream === Deno.stderr ? "stderr" : "stdout", error);
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

/** Whether a stream may lead to a file, which alone has a limit of size; to catch that limit takes 0.5 ms. */
function mayBeFile(stream: unknown): boolean {
  try {
    return Deno.statSync(`/dev/fd/${stream === Deno.stderr ? 2 : 1}`).isFile;
  } catch {
    return true;
  }
}

/** All of stdin. @throws {UsageError} beyond `maxBytes`: nothing is cut. */
export async function readStdinBytes(maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const n = await Deno.stdin.read(buffer);
    if (n === null) break;
    size += n;
    if (size > maxBytes) {
      throw new UsageError(`Stdin is larger than ${maxBytes / 1024 / 1024} MB`, {
        next: "put the material in a file and name its path",
      });
    }
    parts.push(buffer.slice(0, n));
  }
  return joined(parts);
}

/** All of stdin as text. @throws {UsageError} beyond 16 MB or when it is not UTF-8: no body is cut or changed. */
export async function readStdin(): Promise<string> {
  const bytes = await readStdinBytes(16 * 1024 * 1024);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageError("Stdin is not UTF-8 text", {
      next: "nothing was changed; convert it, as with `iconv -f latin1 -t utf-8`",
    });
  }
}

/** Whether output may be coloured: `LOOOP_COLOR`, else a terminal and no `NO_COLOR`. */
export function wantsColour(env: Readonly<Record<string, string>>, isTerminal: boolean): boolean {
  if (env["LOOOP_COLOR"] === "1") return true;
  if (env["LOOOP_COLOR"] === "0" || env["NO_COLOR"] || env["TERM"] === "dumb") return false;
  return isTerminal;
}

/** Columns of the user's terminal; 80 when there is none or it reports no size (`script`, CI). */
export function terminalWidth(env: Readonly<Record<string, string>>): number {
  const columns = Number(env["COLUMNS"]);
  if (Number.isInteger(columns) && columns > 0) return columns;
  try {
    return Deno.stdout.isTerminal() ? Math.max(20, Deno.consoleSize().columns || 80) : 80;
  } catch {
    return 80;
  }
}

/** Columns at which sentences are wrapped: those of the terminal, without limit when the output is piped. */
export function lineWidth(env: Readonly<Record<string, string>>): number {
  return env["COLUMNS"] || Deno.stdout.isTerminal() ? terminalWidth(env) : Infinity;
}
