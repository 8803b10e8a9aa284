import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { profileAt } from "../../../lib/paths.ts";
import { executablePath } from "../../../lib/process/self.ts";
import { shellQuote } from "../../../lib/text/quote.ts";
import { writeExecutable } from "../../executable.ts";

Deno.test("given any words, when they are quoted, then a real shell gets the same words back", () => {
  const word = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !text.includes("\0"));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const { stdout } = new Deno.Command("/bin/sh", {
        args: ["-c", `for w in ${words.map(shellQuote).join(" ")}; do printf '%s\\0' "$w"; done`],
        stdin: "null",
      }).outputSync();
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(stdout);
      deepStrictEqual(text.split("\0").slice(0, -1), words);
    }),
    { numRuns: 100, examples: [[["", "-n", "a b", "it's", '"', "$(x)", "`y`", "\\", "*", "~", "\n", "!"]]] },
  );
});

Deno.test("given a program that is one binary, when its path is asked for, then it is itself and nothing is written", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const self = { exe: "/opt/looop", args: [], standalone: true };
    strictEqual(executablePath(profileAt(dir), self), "/opt/looop");
    deepStrictEqual([...Deno.readDirSync(dir)], []);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("given no single binary, when its path is asked for, then a launcher passes every word and the exit code on", async () => {
  const base = await Deno.makeTempDir({ prefix: "it's $(x) " });
  try {
    const program = `${base}/pro gram`;
    writeExecutable(program, `#!/bin/sh\nfor w in "$@"; do printf '<%s>' "$w"; done\nexit 7\n`);
    const self = { exe: program, args: ["run", "it's"], standalone: false };
    const path = executablePath(profileAt(`${base}/data`), self);
    const written = Deno.statSync(path);
    // This process has just written the launcher, so a copy is run; see writeExecutable.
    const copy = `${base}/copy`;
    strictEqual((await new Deno.Command("cp", { args: ["-p", path, copy] }).output()).code, 0);
    const { code, stdout } = await new Deno.Command(copy, { args: ["", "a b", "--help", "$(x)"] }).output();
    strictEqual(new TextDecoder().decode(stdout), "<run><it's><><a b><--help><$(x)>");
    strictEqual(code, 7);
    strictEqual(executablePath(profileAt(`${base}/data`), self), path);
    strictEqual(Deno.statSync(path).ino, written.ino, "it is not written again");
    strictEqual((written.mode ?? 0) & 0o777, 0o700);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});
