import { strictEqual } from "node:assert/strict";
import { profileAt } from "../../../lib/paths.ts";
import { FolderMemory } from "../../../lib/sessions/folder_memory.ts";

const LATER_MS = 60_000;

/** A memory of one session, `w1`, whose files are old. */
class Known implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "looop-memory-" });
  readonly w1 = `${this.dir}/sessions/w1`;
  readonly file = `${this.dir}/.cache/ended.json`;
  memory = this.#newMemory();

  constructor() {
    Deno.mkdirSync(this.w1, { recursive: true });
    for (const name of ["meta.json", "status.json"]) Deno.writeTextFileSync(`${this.w1}/${name}`, name);
    // Two changes within one tick of the file system's clock would have the same time.
    const long = new Date(Date.now() - LATER_MS);
    for (const name of ["/meta.json", "/status.json", "", "/.."]) {
      Deno.utimeSync(`${this.w1}${name}`, long, long);
    }
  }

  get nowMs(): number {
    return Date.now() + LATER_MS;
  }

  #newMemory(of = "this program") {
    const isKept = (value: unknown) => typeof value === "string";
    return new FolderMemory<string>(profileAt(this.dir), { path: this.file, of, isKept });
  }

  /** The remembered value at the next look. */
  async next(): Promise<string | undefined> {
    await this.memory.refresh(this.nowMs);
    return this.memory.get("w1");
  }

  /** The remembered value in the next process. */
  async inNextProcess(of?: string): Promise<string | undefined> {
    await this.memory.save();
    this.memory = this.#newMemory(of);
    return await this.next();
  }

  offer(value: string): void {
    this.memory.offer("w1", value, this.nowMs);
  }

  /** Changes the folder of all sessions, as any session's start or removal does. */
  changeFolder(): void {
    Deno.mkdirSync(`${this.dir}/sessions/${crypto.randomUUID()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

Deno.test("given a session, when it was read twice without a change, then it is remembered, whatever happens to others", async () => {
  await using known = new Known();
  strictEqual(await known.next(), undefined);
  known.offer("first");
  strictEqual(await known.next(), undefined, "it could have changed while it was read");
  known.offer("second");
  strictEqual(await known.next(), "second");
  known.changeFolder();
  strictEqual(await known.next(), "second");
});

Deno.test("given a session that changed between two reads, when it is offered again, then only an unchanged one is kept", async () => {
  await using known = new Known();
  await known.next();
  known.offer("first");
  Deno.writeTextFileSync(`${known.w1}/status.json`, "something longer");
  known.offer("second");
  strictEqual(await known.next(), undefined);
  known.offer("third");
  strictEqual(await known.next(), "third");
});

const CHANGES: Readonly<Record<string, (w1: string) => void>> = {
  "a file is added": (w1) => Deno.writeTextFileSync(`${w1}/spend.json`, "{}"),
  "its status is edited in place": (w1) => Deno.writeTextFileSync(`${w1}/status.json`, "{}"),
  "its meta.json is replaced": (w1) => {
    Deno.writeTextFileSync(`${w1}/.meta`, "meta.json");
    Deno.renameSync(`${w1}/.meta`, `${w1}/meta.json`);
  },
  "another run takes its place": (w1) => {
    Deno.renameSync(w1, `${w1}~1`);
    Deno.mkdirSync(w1);
    for (const name of ["meta.json", "status.json"]) Deno.writeTextFileSync(`${w1}/${name}`, name);
  },
  "it is removed": (w1) => Deno.removeSync(w1, { recursive: true }),
};

for (const [what, change] of Object.entries(CHANGES)) {
  Deno.test(`given a remembered session, when ${what} and the fleet changes, then it is read again`, async () => {
    await using known = new Known();
    await known.next();
    known.offer("first");
    known.offer("second");
    strictEqual(await known.next(), "second");
    change(known.w1);
    known.changeFolder();
    strictEqual(await known.next(), undefined);
  });
}

Deno.test("given a session that was written a moment ago, when it is offered, then it is not kept yet", async () => {
  await using known = new Known();
  const writtenMs = Deno.statSync(known.w1).mtime?.getTime() ?? 0;
  await known.memory.refresh(writtenMs);
  for (const value of ["first", "second", "third"]) known.memory.offer("w1", value, writtenMs);
  strictEqual(known.memory.get("w1"), undefined);
});

/** A session that a process has remembered and kept on disk. */
async function keptSession(): Promise<Known> {
  const known = new Known();
  await known.next();
  known.offer("first");
  known.offer("second");
  await known.memory.save();
  return known;
}

Deno.test("given what one process has kept, when the next one looks, then an unchanged session is known without a read", async () => {
  await using known = await keptSession();
  strictEqual(await known.inNextProcess(), "second");
  strictEqual(await known.inNextProcess("another version"), undefined);
});

for (const [what, change] of Object.entries(CHANGES)) {
  Deno.test(`given what one process has kept, when ${what}, then the next one reads it again`, async () => {
    await using known = await keptSession();
    change(known.w1);
    strictEqual(await known.inNextProcess(), undefined);
  });
}

const DAMAGES: Readonly<Record<string, (text: string) => string>> = {
  "is empty": () => "",
  "is cut": (text) => text.slice(0, -9),
  "was edited": (text) => text.replace("second", "third!"),
  "is of a later form": (text) => text.replace('"v":1', '"v":2'),
  "is something else": () => "\0{}",
};

for (const [what, damage] of Object.entries(DAMAGES)) {
  Deno.test(`given the kept file, when it ${what}, then nothing is known and it is made anew`, async () => {
    await using known = await keptSession();
    Deno.writeTextFileSync(known.file, damage(Deno.readTextFileSync(known.file)));
    strictEqual(await known.inNextProcess(), undefined);
    known.offer("third");
    known.offer("fourth");
    strictEqual(await known.inNextProcess(), "fourth");
  });
}

Deno.test("given a folder in place of the kept file, when the memory is saved and read, then only time is lost", async () => {
  await using known = await keptSession();
  Deno.removeSync(known.file);
  Deno.mkdirSync(known.file);
  strictEqual(await known.inNextProcess(), undefined);
  known.offer("third");
  known.offer("fourth");
  await known.memory.save();
  strictEqual(await known.next(), "fourth");
});
