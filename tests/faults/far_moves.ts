/** Moves with a worker on another machine, which survives a power cut at home. */
import { ShHost, startThere, wire } from "../hosts/host.ts";
import { type LabProfile, namesIn, textAt } from "./lab.ts";
import type { Effect, Move } from "./moves.ts";

/** A start on a host, and a pulse that carries out the calls of a worker there. */
export function farMoves(): Move[] {
  return [far(START), far(PULSE)];
}

/** A move whose profile has a host `h`, which is removed with it. */
function far(move: Move): Move {
  let host: ShHost | undefined;
  return {
    ...move,
    async prepare(p) {
      host = await ShHost.open();
      wire(p, { h: { reach: host.reach } });
      await p.ok("_", "state");
      await move.prepare?.(p);
    },
    async clean() {
      await host?.[Symbol.asyncDispose]();
    },
  };
}

const START: Move = {
  name: "worker start (there)",
  argv: ["_", "worker", "start", "w", "--host", "h", "--command", "sleep 300", "a brief"],
  effect: (p) => textAt(p.path("sessions/w/meta.json")).includes('"host":"h"') ? "after" : "before",
};

const CALLS = `"$LOOOP_BIN" _ claim c; "$LOOOP_BIN" _ cost session w shell 0.25
"$LOOOP_BIN" _ ask w --prompt "Merge?"; sleep 300
`;

const PULSE: Move = {
  name: "pulse (there)",
  argv: ["_", "pulse"],
  env: { LOOOP_PULSE: "1" },
  streams: true,
  // The lock's own name, and how much of the far log has been copied.
  derived: [/^\.lock\/pid$/, /^sessions\/w\/mirror\.json$/],
  prepare: (p) => startThere(p, "w", "h", CALLS),
  effect: pulseEffect,
  until: (p) => pulseEffect(p) === "after" && textAt(p.path(".world.json")) !== "",
};

/** Whether all calls have come home, each once. */
function pulseEffect(p: LabProfile): Effect {
  const rows = textAt(p.path("cost.jsonl")).split('"w"').length - 1;
  const asks = namesIn(p.path("asks")).filter((name) => /^w-\d+\.json$/.test(name));
  if (rows > 1 || asks.length > 1) return `${rows} costs and ${asks.length} questions`;
  return rows === 1 && asks.length === 1 && textAt(p.path("claims/c.json")) !== "" ? "after" : "before";
}
