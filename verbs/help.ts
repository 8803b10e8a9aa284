/** `looop help`: shows the root agent's contract, a page, or one verb. */
import { UsageError } from "../lib/errors.ts";
import { configPage, FILES, helpFor, manual, PEOPLE_PAGE, rootHelp } from "../lib/cli/manual.ts";
import { nearest } from "../lib/text/nearest.ts";
import type { SelfCommand } from "../lib/process/self.ts";
import { shellQuote } from "../lib/text/quote.ts";
import { type Context, type Declaration, defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "help",
    summary: "what a root agent needs; or the page of a verb, config, files, all",
    audience: "people",
    args: [{
      name: "verb",
      summary: "as typed after looop, e.g. `_ ask`; or config, files, all",
      optional: true,
      many: true,
      kind: "verb",
    }],
    options: [{ name: "json", summary: "the declarations of all verbs, for machines" }],
    example: "looop help _ ask",
  },
  async run(context, input) {
    const all = (await context.declarations()).filter((declare) => declare.audience !== "internal");
    if (context.json) return { json: all };
    const path = input.words.join(" ");
    const page = pageOf(path, () => all, context);
    if (page !== undefined) return { text: page };
    const named = (wanted: string) => all.filter((declare) => declare.path === wanted);
    // `cost` and `_ cost` differ: show the one that was typed.
    const exact = named(path).length > 0 ? named(path) : named(`_ ${path}`);
    const below = all.filter((declare) =>
      declare.path.startsWith(`${path} `) || declare.path.startsWith(`_ ${path} `)
    );
    const found = exact.length > 0 ? exact : below;
    if (found.length > 0) return { text: found.map(helpFor).join("\n") };
    const match = nearest(path, all.map((declare) => declare.path)) ??
      nearest(`_ ${path}`, all.map((declare) => declare.path));
    throw new UsageError(`There is no verb "${path}"`, {
      next: match === undefined ? "`looop help` lists them" : `did you mean \`looop help ${match}\`?`,
    });
  },
});

/**
 * The page with a name that is not a verb's, or undefined; `config` is also a verb, whose own page is its `--help`.
 */
function pageOf(name: string, all: () => Declaration[], { profile, self }: Context): string | undefined {
  const here = { dataDir: profile.dir, config: profile.config, exe: commandLine(self) };
  switch (name) {
    case "":
      return rootHelp(here);
    case "all":
      return manual(all(), here);
    case "config":
      return configPage();
    case "files":
      return FILES;
    case "people":
      return PEOPLE_PAGE;
    default:
      return undefined;
  }
}

/** looop's absolute path, for agents whose shell has another PATH. */
function commandLine(self: SelfCommand): string {
  return [self.exe, ...self.args].map(shellQuote).join(" ");
}
