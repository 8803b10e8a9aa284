import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { isReportName, parseLine, say } from "../../../lib/hosts/protocol.ts";
import { encodeText } from "../../../lib/text/quote.ts";
import { LineSplitter } from "../../../lib/hosts/lines.ts";
import { moduleOf } from "../../tools/assets.ts";
import { ASSETS } from "../../tools/assets.ts";

Deno.test("given any text, when it is made a word for printf, then a shell gives it back byte for byte", async () => {
  const texts = fc.sample(fc.string({ unit: "grapheme", maxLength: 200 }), 40).map((text) =>
    text.replaceAll("\0", "")
  );
  const odd = ["-", "-n x", 'it\'s "$HOME" `x` \\0101 %s\n\n', "ü€😀", "\x1b[2J", "", " ", "a\\"];
  for (const shell of ["sh", "bash"]) {
    const words = [...texts, ...odd].map(encodeText);
    ok(words.every((word) => /^[!-~]+$/.test(word)), "a word has a blank or a byte that is not plain");
    const script = `while read -r w; do [ "$w" = - ] || printf %b "$w"; printf '\\n==\\n'; done`;
    const child = new Deno.Command(shell, { args: ["-c", script], stdin: "piped", stdout: "piped" }).spawn();
    const writer = child.stdin.getWriter();
    const writing = writer.write(new TextEncoder().encode(words.map((word) => `${word}\n`).join("")))
      .then(() => writer.close());
    const { stdout } = await child.output();
    await writing;
    const expected = [...texts, ...odd].map((text) => `${text}\n==\n`).join("");
    strictEqual(new TextDecoder("utf-8", { ignoreBOM: true }).decode(stdout), expected);
  }
});

Deno.test("given lines of a host, when they are read, then each is exactly one of the known ones or refused", () => {
  const run = { id: "a.b", gen: "0123abcd" };
  deepStrictEqual(parseLine("w a.b 0123abcd exited 5 self 12 99"), {
    kind: "worker",
    ...run,
    state: "exited",
    code: 5,
    by: "self",
    ageS: 12,
    length: 99,
  });
  deepStrictEqual(parseLine("c a.b 0123abcd 1.2.3 32005f0061736b006e733d3100 -"), {
    kind: "call",
    ...run,
    n: "1.2.3",
    words: ["_", "ask"],
    marks: { ns: "1" },
  });
  deepStrictEqual(parseLine("a a.b 0123abcd 1.2.3 dead"), { kind: "ack", ...run, n: "1.2.3", read: false });
  deepStrictEqual(parseLine("."), { kind: "heartbeat" });
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => {
    const line = parseLine(text);
    ok(typeof line === "string" || text === "." || /^(hello|refused|[wcapd]) /.test(text));
  }));
});

Deno.test("given names of reports, when one is hidden or leads outside the folder, then it is refused", () => {
  for (const name of ["a.md", "w1/plot.html", "Bericht für heute.md"]) ok(isReportName(name), name);
  for (
    const name of [
      "../a",
      "/etc/passwd",
      "a/../b",
      ".profile",
      "a/.b",
      "a//b",
      "",
      "a\nb",
      "~root",
      "a/b/c/d/e",
    ]
  ) {
    ok(!isReportName(name), name);
  }
});

Deno.test("given a stream in any pieces, when it is split, then the lines are the same and long ones are dropped", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme-ascii", maxLength: 30 })),
      fc.integer({ min: 1, max: 17 }),
      (lines, size) => {
        const clean = lines.map((line) => line.replace(/[\r\n]/g, ""));
        const bytes = new TextEncoder().encode(clean.map((line) => `${line}\n`).join(""));
        const splitter = new LineSplitter(20);
        const found = [];
        for (let at = 0; at < bytes.length; at += size) {
          found.push(...splitter.push(bytes.subarray(at, at + size)));
        }
        deepStrictEqual(found, clean.map((line) => line.length > 20 ? line.length : line));
      },
    ),
  );
});

Deno.test("given what home says, when it is put into a line, then it has no line end of its own", () => {
  const run = { id: "w1", gen: "0123abcd" };
  const line = say.reply(run, "1.2.3", { code: 0, out: "a\nb c\n", err: "" });
  strictEqual(line, "r w1 0123abcd 1.2.3 0 a\\0012b\\0040c\\0012 -");
});

Deno.test("given the texts for hosts, when they are compared with their modules, then these are up to date", () => {
  for (const asset of ASSETS) {
    const module = Deno.readTextFileSync(new URL(`../../../${asset.module}`, import.meta.url));
    strictEqual(module, moduleOf(asset), "run `deno task assets`");
  }
});
