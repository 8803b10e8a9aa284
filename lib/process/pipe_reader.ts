/** Reads the output of children: each pipe to its end, or until the reader gives up. */

/** Bytes per read; a stream left to itself takes 64 KiB for each read, memory that a pulse would pay for. */
const CHUNK = 4 * 1024;
/** How long output is read after its child's end, in case another process still holds the pipe, ms. */
const DRAIN_MS = 100;

/** Passes on a pipe's bytes, part by part. */
export class PipeReader {
  /** Settles at the pipe's end, after `take` has had enough, or after {@link giveUp}. */
  readonly done: Promise<void>;
  readonly #reader: ReadableStreamBYOBReader;

  /** @param take Receives a copy of each part; returns whether it wants more. */
  constructor(stream: ReadableStream<Uint8Array>, take: (part: Uint8Array) => boolean) {
    this.#reader = stream.getReader({ mode: "byob" });
    this.done = this.#read(take);
  }

  /** Stops reading. */
  giveUp(): Promise<void> {
    return this.#reader.cancel().catch(() => {});
  }

  async #read(take: (part: Uint8Array) => boolean): Promise<void> {
    for (let free = new Uint8Array(CHUNK);;) {
      const { value, done } = await this.#reader.read(free);
      if (done || value === undefined) return;
      if (!take(value.slice())) return await this.giveUp();
      free = new Uint8Array(value.buffer);
    }
  }
}

/** Reads what an ended child has left in its pipes, and gives up pipes that a process outside of it holds open. */
export async function drain(readers: readonly PipeReader[]): Promise<void> {
  const all = Promise.all(readers.map((reader) => reader.done));
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([all, new Promise<void>((resolve) => timer = setTimeout(resolve, DRAIN_MS))]);
  clearTimeout(timer);
  await Promise.all(readers.map((reader) => reader.giveUp()));
  await all;
}
