import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { parseRequest } from "../../../lib/calls/local.ts";
import { parseName } from "../../../lib/calls/read_replies.ts";

/** The bytes of entries, each ended by a NUL. */
const entries = (...texts: string[]) => new TextEncoder().encode(texts.map((text) => `${text}\0`).join(""));

Deno.test("given a call that is being written, when any part of it is read, then it is incomplete until its last byte", () => {
  const whole = entries("42", "3", "_", "ask", "Käse?", "HOME=/a=b", ".");
  for (let length = 0; length < whole.length; length++) {
    strictEqual(parseRequest(whole.slice(0, length)), "incomplete", `${length} bytes`);
  }
  deepStrictEqual(parseRequest(whole), { parent: 42, words: ["_", "ask", "Käse?"], env: { HOME: "/a=b" } });
});

Deno.test("given words that are dots or empty, when the call is whole, then they are words", () => {
  deepStrictEqual(parseRequest(entries("1", "2", ".", "", ".")), { parent: 1, words: [".", ""], env: {} });
});

Deno.test("given bytes that are no call, when they are read, then they count as odd", () => {
  strictEqual(parseRequest(entries("x", "1", "_", ".")), "odd");
  strictEqual(parseRequest(Uint8Array.of(...entries("1", "1"), 0xe9, 0, ...entries("."))), "odd");
});

Deno.test("given names of files, when they are parsed, then only those of calls have parts", () => {
  const call = { id: "w.1", gen: "0a", key: "3f-2", pid: 7 };
  deepStrictEqual(parseName("w.1,0a,3f-2,7"), call);
  deepStrictEqual(parseName("w.1,0a,3f-2,7.out"), call);
  for (const name of ["", "w", "w,0a,3f", "w,0a,3f,x", "../w,0a,3f,7", "w,0a,3f,7.tmp", "w,,3f,7"]) {
    strictEqual(parseName(name), undefined, name);
  }
});
