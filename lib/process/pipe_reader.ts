/** Reads the output of children: each pipe to its end, or until it is given up. */

/** Bytes read at once; left to itself a stream takes 64 KiB for each read, which a pulse pays for in memory. */
const CHUNK = 4 * 1024;
/** How long output is still read after its child's end, for another process that holds the pipe, ms. */
const DRAIN_MS = 100;

/** Hands a pipe's bytes on, part by part. */
export class PipeReader {
  /** Settles at the pipe's end, after `take` has had enough, or when it was given up. */
  readonly done: Promise<void>;
  readonly #reader: ReadableStreamBYOBReader;

  /** @param take Gets a copy of each part; says whether it wants more. */
  constructor(stream: ReadableStream<Uint8Array>, take: (part: Uint8Array) => boolean) {
    this.#reader = stream.getReader({ mode: "byob" });
    this.done = this.#read(take);
  }

  /** Reads no further. */
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

/** Reads what an ended child has left in its pipes, and gives up what a process outside of it holds open. */
export async function drain(readers: readonly PipeReader[]): Promise<void> {
  const all = Promise.all(readers.map((reader) => reader.done));
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([all, new Promise<void>((resolve) => timer = setTimeout(resolve, DRAIN_MS))]);
  clearTimeout(timer);
  await Promise.all(readers.map((reader) => reader.giveUp()));
  await all;
}
