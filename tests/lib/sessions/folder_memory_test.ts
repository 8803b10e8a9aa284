import { strictEqual } from "node:assert/strict";
import { profileAt } from "../../../lib/paths.ts";
import { FolderMemory } from "../../../lib/sessions/folder_memory.ts";

const LATER_MS = 60_000;

/** A memory of one session, `w1`, whose files were written long ago. */
class Known implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "looop-memory-" });
  readonly w1 = `${this.dir}/sessions/w1`;
  readonly memory = new FolderMemory<string>(profileAt(this.dir));

  constructor() {
    Deno.mkdirSync(this.w1, { recursive: true });
    for (const name of ["meta.json", "status.json"]) Deno.writeTextFileSync(`${this.w1}/${name}`, name);
  }

  get nowMs(): number {
    return Date.now() + LATER_MS;
  }

  /** What is known of it at the next look. */
  next(): string | undefined {
    this.memory.refresh(this.nowMs);
    return this.memory.get("w1");
  }

  offer(value: string): void {
    this.memory.offer("w1", value, this.nowMs);
  }

  /** As a start or a removal of any session changes the folder of all. */
  changeFolder(): void {
    Deno.mkdirSync(`${this.dir}/sessions/${crypto.randomUUID()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

Deno.test("given a session, when it was read twice and is the same, then it is remembered, whatever becomes of others", async () => {
  await using known = new Known();
  strictEqual(known.next(), undefined);
  known.offer("first");
  strictEqual(known.next(), undefined, "it could have changed while it was read");
  known.offer("second");
  strictEqual(known.next(), "second");
  known.changeFolder();
  strictEqual(known.next(), "second");
});

Deno.test("given a session that changed between two reads, when it is offered again, then only an unchanged one is kept", async () => {
  await using known = new Known();
  known.next();
  known.offer("first");
  Deno.writeTextFileSync(`${known.w1}/status.json`, "something longer");
  known.offer("second");
  strictEqual(known.next(), undefined);
  known.offer("third");
  strictEqual(known.next(), "third");
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
    known.next();
    known.offer("first");
    known.offer("second");
    strictEqual(known.next(), "second");
    change(known.w1);
    known.changeFolder();
    strictEqual(known.next(), undefined);
  });
}

Deno.test("given a session that was written a moment ago, when it is offered, then it is not kept yet", async () => {
  await using known = new Known();
  const writtenMs = Deno.statSync(known.w1).mtime?.getTime() ?? 0;
  known.memory.refresh(writtenMs);
  for (const value of ["first", "second", "third"]) known.memory.offer("w1", value, writtenMs);
  strictEqual(known.memory.get("w1"), undefined);
});
