import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { limitOf } from "../../../lib/agents/limits.ts";

const NOW = Date.parse("2026-07-13T08:00Z");

/** Preset, text of its screen, and end of the limit (`-`: not shown, `none`: no limit). */
const CASES: readonly (readonly [string, string, string])[] = [
  ["claude", "You've hit your session limit · resets 8:30pm (Asia/Tokyo)", "2026-07-13T11:30"],
  [
    "claude",
    "You've hit your session limit · resets 3pm (America/Bogota)\n/upgrade to increase your usage limit.",
    "2026-07-13T20:00",
  ],
  ["claude", "You've hit your weekly limit · resets Jul 18 at 4am (Europe/Vienna)", "2026-07-18T02:00"],
  ["claude", "You’ve hit your session limit · resets 12:50am (America/Los_Angeles)", "2026-07-14T07:50"],
  ["claude", "Claude AI usage limit reached|1784000000", "2026-07-14T03:33"],
  [
    "codex",
    "■ You've hit your usage limit. Upgrade to Pro (https://example.com) or try again in 5 days 22 hours 11\nminutes.",
    "2026-07-19T06:11",
  ],
  [
    "codex",
    "You’ve hit your usage limit. Upgrade to Pro, visit\nhttps://example.com to purchase more credits or try again at 2:51 PM.",
    "2026-07-13T14:51",
  ],
  ["codex", "■ exceeded retry limit, last status: 429 Too Many Requests", "-"],
  [
    "gemini",
    "You have exhausted your capacity on this model. Your quota will reset after 8h44m7s.",
    "2026-07-13T16:44",
  ],
  ["gemini", "✕ [API Error: You have exhausted your daily quota on this model.]", "-"],
  ["copilot", '× Model call failed: {"message":"rate limit exceeded","code":"rate_limited"}', "-"],
  ["copilot", "You've hit your global rate limit. Please try again in 2 hours.", "2026-07-13T10:00"],
  ["opencode", "Rate limited. Retrying in 30s (attempt 3)", "2026-07-13T08:00"],
  ["pi", "Error: 429 Too Many Requests: rate_limit_error", "-"],
  ["", "API Error: 429 Too Many Requests", "-"],
  ["claude", "I added a rate limit to the login handler; retry after 60 s is tested.", "none"],
  ["codex", "The usage limit of the API is documented in README.", "none"],
  ["shell", "ok", "none"],
];

for (const [preset, screen, expected] of CASES) {
  Deno.test(`given ${preset || "an unknown agent"} that shows "${screen.slice(0, 50).replace("\n", " ")}", when its limit is read, then it ends at ${expected}`, () => {
    const limit = limitOf(preset, ["working", ...screen.split("\n"), "", "> "], NOW, "UTC");
    if (expected === "none") {
      strictEqual(limit, undefined);
      return;
    }
    const until = limit?.until;
    deepStrictEqual(until === undefined ? "-" : new Date(until).toISOString().slice(0, 16), expected);
  });
}

Deno.test("given a limit that has scrolled away, when the last lines are read, then the worker is not limited", () => {
  const lines = ["You've hit your usage limit. Try again in 1 hours.", ...Array(20).fill("at work again")];
  strictEqual(limitOf("codex", lines, NOW, "UTC"), undefined);
});
