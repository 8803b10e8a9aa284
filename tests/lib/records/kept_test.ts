import { ok, strictEqual } from "node:assert/strict";
import { keepText, keptText } from "../../../lib/records/kept.ts";

Deno.test("given anything in place of a kept text, when it is read, then nothing is known at once, and no other file is written", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "looop-kept-" });
  const path = `${dir}/kept.json`;
  const other = `${dir}/other.json`;
  try {
    await keepText(path, "what is kept");
    strictEqual(await keptText(path), "what is kept");
    const good = Deno.readTextFileSync(path);
    const forgeries: Record<string, () => void> = {
      "a folder": () => Deno.mkdirSync(path),
      "a link to nothing": () => Deno.symlinkSync("/nowhere/at/all", path),
      "a link to a folder": () => Deno.symlinkSync(dir, path),
      "a FIFO": () => new Deno.Command("mkfifo", { args: [path] }).outputSync(),
      "nothing": () => {},
      "an empty file": () => Deno.writeTextFileSync(path, ""),
      "garbage": () => Deno.writeFileSync(path, crypto.getRandomValues(new Uint8Array(5_000))),
      "another text under the sum": () => Deno.writeTextFileSync(path, good.replace("what", "that")),
      "a hole far larger than what is kept": () => {
        Deno.writeTextFileSync(path, good);
        Deno.truncateSync(path, 3e9);
      },
    };
    for (const [what, forge] of Object.entries(forgeries)) {
      Deno.removeSync(path, { recursive: true });
      forge();
      const from = performance.now();
      strictEqual(await keptText(path), undefined, what);
      // Reading the whole hole would take many seconds and gigabytes.
      ok(performance.now() - from < 1_500, what);
      await Deno.remove(path, { recursive: true }).catch(() => {});
      Deno.writeTextFileSync(path, good);
    }
    // A link is replaced, not followed.
    Deno.removeSync(path);
    Deno.writeTextFileSync(other, "a person's file");
    Deno.symlinkSync(other, path);
    await keepText(path, "new");
    strictEqual(Deno.readTextFileSync(other), "a person's file");
    strictEqual(await keptText(path), "new");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
