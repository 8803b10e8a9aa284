import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { LineSplitter } from "../../../lib/text/lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("given text in pieces of any length, when it is split, then the lines are the same", () => {
  const text = "one\n\ntwo é 漢 🎉\r\nthree\nrest";
  for (let length = 1; length < 12; length++) {
    const splitter = new LineSplitter();
    const lines: string[] = [];
    const all = bytes(text);
    for (let at = 0; at < all.length; at += length) {
      lines.push(...splitter.push(all.subarray(at, at + length)));
    }
    deepStrictEqual([...lines, splitter.end()], text.split("\n"), `${length}`);
  }
});

Deno.test("given a line longer than is kept, when more comes, then it is left out, even where a character was cut in two, and the next is whole", () => {
  const splitter = new LineSplitter(10);
  const [first = 0, second = 0] = bytes("é");
  deepStrictEqual(splitter.push(bytes("a\n0123456789x")), ["a"]);
  deepStrictEqual(splitter.push(Uint8Array.of(first)), []);
  deepStrictEqual(splitter.push(Uint8Array.of(second, 10)), []);
  deepStrictEqual(splitter.push(bytes("é\nrest")), ["é"]);
  strictEqual(splitter.end(), "rest");
});

Deno.test("given 100 MB without a newline, when they are split, then hardly any of it is held", () => {
  const splitter = new LineSplitter(1024 * 1024);
  const piece = new Uint8Array(256 * 1024);
  // Memory of this file alone, since the process runs other files, too.
  const held = () => {
    const { heapUsed, external } = Deno.memoryUsage();
    return heapUsed + external;
  };
  const before = held();
  for (let n = 0; n < 400; n++) deepStrictEqual(splitter.push(piece), []);
  ok(held() - before < 50e6);
  deepStrictEqual(splitter.push(bytes("\nnext\n")), ["next"]);
});
