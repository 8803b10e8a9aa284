/** The table of verbs, and the verb that a command line means. Pure. */
import { oneLine, UsageError } from "../errors.ts";
import { nearest } from "../text/nearest.ts";
import type { Verb } from "./verb.ts";

/** Every verb by its path, as it is typed; each is loaded only when it is called. */
export type VerbTable = Readonly<Record<string, () => Promise<{ default: Verb }>>>;

/** Verbs that only looop itself calls; no message suggests them. */
const INTERNAL: readonly string[] = ["_ pulse", "_ reap", "_ complete", "_ probe"];

/** Verbs that end or remove something: no message may suggest one for a mistyped word. */
const DESTRUCTIVE: readonly string[] = [
  "down",
  "_ kill",
  "_ done",
  "_ worker kill",
  "_ sensor remove",
  "_ schedule remove",
  "_ goal archive",
  "_ ask withdraw",
];

/** The verbs that people and agents may be shown. */
export function shownPaths(verbs: VerbTable): string[] {
  return Object.keys(verbs).filter((path) => !INTERNAL.includes(path));
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Loads the verb with a path from the table. A pulse that carries out several calls loads one verb after the other:
 * Deno 2.9 may panic where a load begins while another one's module is evaluated.
 */
export async function loadVerb(verbs: VerbTable, path: string): Promise<Verb> {
  const next = last.then(verbs[path] as VerbTable[string]);
  last = next.catch(() => {});
  return (await next).default;
}

/** Other words for a verb. */
const ALIASES: Readonly<Record<string, string>> = {
  "--help": "help",
  "-h": "help",
  "--version": "version",
  "-V": "version",
};

/** The verb of a command line and the words after it. @throws {UsageError} with the nearest match. */
export function findVerb(
  verbs: VerbTable,
  argv: readonly string[],
): { path: string; rest: string[] } {
  const first = argv[0];
  if (first === undefined) return { path: "help", rest: ["people"] };
  for (const count of [3, 2, 1]) {
    const path = argv.slice(0, count).join(" ");
    if (argv.length >= count && Object.hasOwn(verbs, path)) return { path, rest: argv.slice(count) };
  }
  const alias = Object.hasOwn(ALIASES, first) ? ALIASES[first] : undefined;
  if (alias !== undefined) return { path: alias, rest: argv.slice(1) };
  throw unknownVerb(verbs, argv);
}

function unknownVerb(verbs: VerbTable, argv: readonly string[]): UsageError {
  const paths = shownPaths(verbs);
  const isGroup = (word = "") => paths.some((path) => path.startsWith(`_ ${word} `));
  const words = argv[0] !== "_" && isGroup(argv[0]) ? ["_", ...argv] : argv;
  const count = words[0] === "_" ? (isGroup(words[1]) ? 3 : 2) : 1;
  const typed = words.slice(0, count).join(" ");
  const below = paths.filter((path) => path.startsWith(`${typed} `));
  if (below.length > 0) {
    const next = below.map((path) => path.slice(typed.length + 1)).join(", ");
    return new UsageError(`"${oneLine(typed, 60)}" needs a verb`, { next: `one of ${next}` });
  }
  const match = nearest(typed, paths) ?? nearest(`_ ${typed}`, paths);
  return new UsageError(`Unknown verb "${oneLine(typed, 60)}"`, {
    // Where one that ends something is nearest, another that happens to be near is not meant.
    next: match === undefined || DESTRUCTIVE.includes(match)
      ? "`looop help` lists them"
      : `did you mean \`looop ${match}\`?`,
  });
}
