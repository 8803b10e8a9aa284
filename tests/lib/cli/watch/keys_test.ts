import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  type Choices,
  FIRST,
  type Key,
  keysIn,
  namesOf,
  type Order,
  pasted,
  press,
  replied,
  settle,
  type Ui,
} from "../../../../lib/cli/watch/keys.ts";
import { RUNS } from "../../../properties.ts";

const CHOICES: Choices = {
  asks: [{ id: "w1-1", options: ["red", "blue"] }, { id: "w2-1" }],
  workers: ["w1", "w2"],
  locked: undefined,
  page: 5,
};

/** Presses keys one after another; returns the last order that they gave. */
function pressAll(keys: readonly Key[], choices = CHOICES, from = settle(FIRST, choices, [])) {
  let ui = from;
  let last: Order | undefined;
  for (const key of keys) {
    const next = press(ui, key, choices);
    ui = next.ui;
    last = next.order;
  }
  return { ui, order: last };
}

Deno.test("given an ask with options, when a digit and enter are pressed, then that option is the order", () => {
  const reply = { kind: "reply", id: "w1-1", text: "blue", outcome: "answered", free: false };
  deepStrictEqual(pressAll(["text:2", "enter"]).order, reply);
  // Typing does not change a chosen option.
  deepStrictEqual(pressAll(["text:2", "text:x", "backspace", "enter"]).order, reply);
  strictEqual(pressAll(["text:3"]).ui.typing, undefined);
  strictEqual(pressAll(["down", "text:1"]).ui.typing, undefined);
});

Deno.test("given an ask, when a reason is typed after d, then the order declines, but an empty reason gives no order", () => {
  const { order } = pressAll(["text:d", ...keysIn("no"), "enter"]);
  deepStrictEqual(order, { kind: "reply", id: "w1-1", text: "no", outcome: "declined", free: false });
  for (
    const keys of [["text:d", "enter"], ["text:a", "text: ", "enter"], [
      "text:a",
      "text:x",
      "ctrl-u",
      "enter",
    ]]
  ) {
    const { ui, order } = pressAll(keys);
    deepStrictEqual([order, ui.typing === undefined], [undefined, false]);
  }
});

Deno.test("given an answer that is none of the options, when it is refused, then a second enter forces it, but not a changed text", () => {
  const typed = pressAll(["text:a", "text:g"]).ui;
  const refused = replied(typed, { failed: "none of them", mayForce: true });
  deepStrictEqual((press(refused, "enter", CHOICES).order as { free?: boolean }).free, true);
  const changed = press(refused, "text:h", CHOICES).ui;
  deepStrictEqual((press(changed, "enter", CHOICES).order as { free?: boolean }).free, false);
  const late = replied(typed, { failed: "already answered", mayForce: false });
  deepStrictEqual([late.notice, late.typing?.free], ["already answered", false]);
});

Deno.test("given a worker's terminal, when answering keys are pressed, then nothing begins", () => {
  const locked = { ...CHOICES, locked: "not here" };
  for (const key of ["text:a", "text:d", "text:1"]) {
    const { ui } = pressAll([key], locked);
    deepStrictEqual([ui.typing, ui.notice], [undefined, "not here"]);
  }
});

Deno.test("given a chosen entry that vanishes, when the choice is settled, then the entry in its place is chosen", () => {
  const before = namesOf(CHOICES);
  const at = (chosen: string, choices: Partial<Choices>) =>
    settle({ ...FIRST, chosen, isWhole: true }, { ...CHOICES, ...choices }, before);
  strictEqual(at("ask:w1-1", { asks: CHOICES.asks.slice(1) }).chosen, "ask:w2-1");
  strictEqual(at("worker:w2", { workers: ["w1"] }).chosen, "worker:w1");
  deepStrictEqual(at("worker:w2", { asks: [], workers: [] }), { ...FIRST, chosen: "" });
  strictEqual(at("worker:w1", { asks: [] }).chosen, "worker:w1");
});

Deno.test("given any keys, when they are pressed, then the choice exists, no number is negative, and only q and Ctrl-C quit", () => {
  const key = fc.constantFrom(
    ..."up down tab enter esc pageup pagedown backspace text:a text:d text:1 text:s text:j text:k text:x"
      .split(" "),
  );
  fc.assert(
    fc.property(fc.array(key, { maxLength: 40 }), (keys) => {
      let ui: Ui = settle(FIRST, CHOICES, []);
      for (const one of keys) {
        const next = press(ui, one, CHOICES);
        ok(next.order?.kind !== "quit");
        ui = next.ui;
        ok(namesOf(CHOICES).includes(ui.chosen));
        ok(ui.scroll >= 0);
        if (next.order !== undefined) ui = replied(ui, { done: "answered" });
      }
      strictEqual(press(ui, "ctrl-c", CHOICES).order?.kind, "quit");
      strictEqual(press({ ...ui, typing: undefined }, "text:q", CHOICES).order?.kind, "quit");
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given text in one piece, when it is split into keys, then line ends are enter, except in a paste", () => {
  deepStrictEqual(keysIn("ab\rc\r\n"), ["text:a", "text:b", "enter", "text:c", "enter"]);
  strictEqual(pasted("one\r\ntwo\x1b[31m\n"), "text:one two");
});
