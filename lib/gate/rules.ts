/** The rules of the gate: its table, ready to be asked about one call, and found by program or by name. */
import type { Call } from "./call.ts";
import { type Row, ROWS } from "./table.ts";

/** One row of the table, ready to be asked. */
export interface GateRule {
  /** Stable name, which messages and tests use. */
  id: string;
  /** Every program the row speaks of. */
  programs: readonly string[];
  why: string;
  instead: string;
  /** Whether the call is refused by this row. */
  matches: (call: Call) => boolean;
}

/** A rule that `gate.ts` applies itself, since it is about the line and not about one call. */
export const UNREADABLE: GateRule = {
  id: "unreadable",
  programs: [],
  why: "it is nested too deep to be read",
  instead: "put it into a script file and say in words what it does",
  matches: () => false,
};

function compileRow({ id, calls, when, unless, why, instead }: Row): GateRule {
  const verbsOf = new Map(
    Object.entries(calls).flatMap(([names, verbs]) => names.split(" ").map((name) => [name, verbs] as const)),
  );
  const matches = (call: Call): boolean => {
    const verbs = verbsOf.get(call.program) ?? verbsOf.get("*");
    if (verbs === undefined) return false;
    if (verbs.length > 0 && (call.asksHelp || !verbs.some((verb) => call.isVerb(verb)))) return false;
    return !call.has("--help") && (when?.(call) ?? true) && !(unless?.(call) ?? false);
  };
  return { id, programs: [...verbsOf.keys()], why, instead, matches };
}

/** The whole table, in the order it is asked. */
export const GATE_RULES: readonly GateRule[] = [...ROWS.map(compileRow), UNREADABLE];

const RULES_BY_PROGRAM = new Map<string, GateRule[]>();
for (const rule of GATE_RULES) {
  for (const program of rule.programs) {
    RULES_BY_PROGRAM.set(program, [...(RULES_BY_PROGRAM.get(program) ?? []), rule]);
  }
}
const RULES_FOR_ALL = RULES_BY_PROGRAM.get("*") ?? [];

/** The rules that may speak about a program. */
export function rulesFor(program: string): readonly GateRule[] {
  return [...(RULES_BY_PROGRAM.get(program) ?? []), ...RULES_FOR_ALL];
}

/** The rule of that id, which must exist. */
export function ruleNamed(id: string): GateRule {
  return GATE_RULES.find((rule) => rule.id === id) ?? UNREADABLE;
}
