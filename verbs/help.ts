/** `looop help`: the manual, or one verb's page. */
import { UsageError } from "../lib/errors.ts";
import { helpFor, manual } from "../lib/cli/manual.ts";
import { nearest } from "../lib/text/nearest.ts";
import type { SelfCommand } from "../lib/process/self.ts";
import { shellQuote } from "../lib/text/quote.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "help",
    summary: "the whole manual, or one verb's page",
    audience: "people",
    args: [{
      name: "verb",
      summary: "as typed after looop, e.g. `_ ask`",
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
    if (input.words.length === 0) {
      return {
        text: manual(all, {
          dataDir: context.profile.dir,
          config: context.profile.config,
          exe: commandLine(context.self),
        }),
      };
    }
    const path = input.words.join(" ");
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

/** looop's absolute path, for agents whose shell has another PATH. */
function commandLine(self: SelfCommand): string {
  return [self.exe, ...self.args].map(shellQuote).join(" ");
}
