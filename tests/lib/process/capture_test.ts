import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { runCommand, TailBuffer } from "../../../lib/process/capture.ts";
import { anyCharacter, RUNS } from "../../properties.ts";

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("given any text in any pieces, when its tail is taken, then it is the end in whole characters and the rest is counted", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: anyCharacter, maxLength: 12 })),
      fc.integer({ min: 4, max: 40 }),
      (parts, cap) => {
        const buffer = new TailBuffer(cap);
        const longest = Math.max(...parts.map((part) => bytesOf(part).length));
        for (const part of parts) {
          buffer.push(bytesOf(part));
          ok(buffer.held < cap + longest, "memory follows the cap, not the output");
        }
        const whole = new Uint8Array(parts.flatMap((part) => [...bytesOf(part)]));
        const { bytes, cut } = buffer.tail();
        strictEqual(cut + bytes.length, whole.length);
        strictEqual(bytes.join(), whole.subarray(cut).join());
        ok(bytes.length <= cap);
        ok(bytes.length >= Math.min(whole.length, cap - 3), "no more is cut than a character needs");
        new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      },
    ),
    { numRuns: RUNS },
  );
});

Deno.test("given endless output, when the time limit is reached, then its tail is there and the tree is gone", async () => {
  const outcome = await runCommand({
    argv: ["bash", "-c", "yes"],
    cwd: "/",
    env: { PATH: Deno.env.get("PATH") ?? "" },
    mark: { name: "LOOOP_RUN", value: crypto.randomUUID() },
    timeoutMs: 300,
    tailBytes: 1000,
  });
  strictEqual(outcome.endedBy, "timeout");
  strictEqual(outcome.stdout.bytes.length, 1000);
  ok(outcome.stdout.cut > 1_000_000);
  deepStrictEqual(outcome.survivors, []);
});
