/** `deno task readme`: writes verbs/README.md from the verbs' declarations. */
import { type Audience, type Declaration, usageOf } from "../../lib/cli/verb.ts";

const TITLES: readonly (readonly [Audience, string])[] = [
  ["people", "For people"],
  ["root", "For the root agent"],
  ["worker", "For workers, about themselves"],
];

/** The reference as Markdown. */
export async function readmeReference(): Promise<string> {
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", main, "help", "--json"],
    env: { LOOOP_DATA_DIR: "/nonexistent" },
  }).output();
  const declarations: Declaration[] = JSON.parse(new TextDecoder().decode(stdout));
  return TITLES.map(([audience, title]) => {
    const rows = declarations.filter((declare) => declare.audience === audience)
      .map((declare) => `${usageOf(declare)}\n    ${declare.summary}\n`);
    return `### ${title}\n\n\`\`\`text\n${rows.join("")}\`\`\`\n`;
  }).join("\n");
}

if (import.meta.main) {
  const path = new URL("../../verbs/README.md", import.meta.url);
  const text = await Deno.readTextFile(path);
  const reference = await readmeReference();
  await Deno.writeTextFile(
    path,
    text.replace(
      /(<!-- verbs:begin -->\n)[\s\S]*?(<!-- verbs:end -->)/,
      (_all, begin, end) => `${begin}\n${reference}\n${end}`,
    ),
  );
}
