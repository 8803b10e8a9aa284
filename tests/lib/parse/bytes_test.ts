/** Documents as bytes: declared, missing and wrong encodings; compression; letters cut in two. */
import { rejects, strictEqual } from "node:assert/strict";
import { decodeDocument, Undecodable } from "../../../lib/parse/bytes.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const latin1 = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const utf16 = (text: string, little: boolean) => {
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let n = 0; n < text.length; n++) view.setUint16(n * 2, text.charCodeAt(n), little);
  return bytes;
};
const gzip = async (bytes: Uint8Array<ArrayBuffer>) =>
  new Uint8Array(
    await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
  );
const xml = (encoding: string, text: string) => `<?xml version="1.0" encoding="${encoding}"?><x>${text}</x>`;

const DOCUMENTS: [string, Uint8Array<ArrayBuffer>, string | undefined, string][] = [
  ["UTF-8", utf8("café"), undefined, "café"],
  ["UTF-8 with a mark", utf8("\ufeffcafé"), undefined, "café"],
  ["UTF-16 with a mark", utf16("\ufeffcafé", true), undefined, "café"],
  ["UTF-16 without a mark", utf16("<x>café", false), undefined, "<x>café"],
  ["Latin-1 by its XML declaration", latin1(xml("ISO-8859-1", "café")), undefined, xml("ISO-8859-1", "café")],
  ["Latin-1 by the header alone", latin1("<x>café"), "iso-8859-1", "<x>café"],
  ["Latin-1 that no one declares", latin1("<x>café"), undefined, "<x>café"],
  ["Latin-1 that is declared as UTF-8", latin1(xml("utf-8", "café")), "utf-8", xml("utf-8", "café")],
  [
    "UTF-8 that is declared as Latin-1",
    utf8(xml("iso-8859-1", "café")),
    "iso-8859-1",
    xml("iso-8859-1", "café"),
  ],
  ["Windows-1251", Uint8Array.of(0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2), "windows-1251", "Привет"],
  ["Shift_JIS", Uint8Array.of(0x93, 0xfa, 0x96, 0x7b), "Shift_JIS", "日本"],
  ["ISO-2022-JP, whose bytes are all ASCII", latin1("\x1b$BF|K\\\x1b(B"), "iso-2022-jp", "日本"],
  ["an encoding that does not exist", utf8("café"), "x-nonsense", "café"],
  ["control characters", utf8("a\u0000b\u001bc\td"), undefined, "abc\td"],
];

for (const [name, bytes, charset, text] of DOCUMENTS) {
  Deno.test(`given ${name}, when it is decoded, plain or compressed, then the text is right`, async () => {
    strictEqual(await decodeDocument(bytes, charset), text);
    strictEqual(await decodeDocument(await gzip(bytes), charset), text);
  });
}

Deno.test("given lines folded within a letter, when they are decoded, then the letter is whole and lines keep their number", async () => {
  const [a, b, c] = utf8("漢");
  const text = Uint8Array.of(...utf8("SUMMARY:"), a!, 13, 10, 32, b!, c!, ...utf8("x\r\nEND"));
  strictEqual(await decodeDocument(text), "SUMMARY:漢\r\n x\r\nEND");
});

Deno.test("given gzip that is cut off, or that unpacks to far more, when it is decoded, then it is refused", async () => {
  const packed = await gzip(utf8("x".repeat(100_000)));
  await rejects(decodeDocument(packed.slice(0, packed.length - 20)), Undecodable);
  await rejects(decodeDocument(await gzip(new Uint8Array(70 * 1024 * 1024))), /larger than 64 MB/);
});
