/** Collects every shell script that looop ships, runs or is built by: files, and texts in its source. */
import jsTokens from "js-tokens";

const ROOT = new URL("../../", import.meta.url).pathname;

/** A script, named by its place. */
export interface Script {
  name: string;
  text: string;
}

/** All scripts. */
export function shippedScripts(): Script[] {
  const files = ["install.sh", ".ci/run", ".ci/deno/install", "tests/agents/install.sh"].map(file);
  const sensors = [...namesIn("sensors_examples", ".sh"), ...namesIn("lib", ".sh")].map(file);
  const sources = [...namesIn("lib", ".ts"), ...namesIn("verbs", ".ts"), "main.ts"]
    .filter((name) => !/_(examples|texts)\.ts$/.test(name));
  const workflows = namesIn(".github/workflows", ".yml").flatMap(stepsOf);
  return [...files, ...sensors, ...workflows, ...sources.flatMap(textsOf)];
}

function file(name: string): Script {
  return { name, text: Deno.readTextFileSync(ROOT + name) };
}

function namesIn(dir: string, suffix: string): string[] {
  return [...Deno.readDirSync(ROOT + dir)].flatMap(({ name, isDirectory }) =>
    isDirectory ? namesIn(`${dir}/${name}`, suffix) : name.endsWith(suffix) ? [`${dir}/${name}`] : []
  ).sort();
}

/** The `run: |` blocks and `run:` lines of a workflow. */
function stepsOf(name: string): Script[] {
  const { text } = file(name);
  const blocks = [...text.matchAll(/^( *)run: \|\n((?:\1 {2}.*\n|\n)*)/gm)].map(([, , body]) => body ?? "");
  const lines = [...text.matchAll(/^ *run: (?!\|)(.*)$/gm)].map(([, line]) => line ?? "");
  return [...blocks, ...lines].map((step, n) => ({ name: `${name} step ${n + 1}`, text: step }));
}

/** Texts of a TypeScript file that look like shell; `X` stands for text filled in at run time. */
function textsOf(name: string): Script[] {
  const found: Script[] = [];
  let line = 1;
  const open: { text: string; line: number }[] = [];
  for (const { type, value } of jsTokens(file(name).text)) {
    if (type === "StringLiteral" || type === "NoSubstitutionTemplate") {
      found.push({ name: `${name}:${line}`, text: unescaped(value.slice(1, -1)) });
    } else if (type === "TemplateHead") open.push({ text: value.slice(1, -2), line });
    else if (type === "TemplateMiddle") open.at(-1)!.text += `X${value.slice(1, -2)}`;
    else if (type === "TemplateTail") {
      const { text, line } = open.pop()!;
      found.push({ name: `${name}:${line}`, text: unescaped(`${text}X${value.slice(1, -1)}`) });
    }
    line += value.split("\n").length - 1;
  }
  return found.filter(({ text }) => looksLikeShell(text));
}

/** The value of a JavaScript string literal. */
function unescaped(source: string): string {
  const named: Record<string, string> = { n: "\n", t: "\t", r: "\r", "\n": "" };
  return source.replace(
    /\\(?:u\{?([0-9a-fA-F]+)\}?|x([0-9a-fA-F]{2})|([\s\S]))/g,
    (_all, u, x, one) => one === undefined ? String.fromCodePoint(parseInt(u ?? x, 16)) : named[one] ?? one,
  );
}

/** Whether a text has a `#!`, or both a command and syntax that only shells have. */
function looksLikeShell(text: string): boolean {
  const hasCommand =
    /(?:^|[\n;|&({`]|\$\()\s*(?:exec|for|while|until|case|if|read|printf|echo|cat|ps|grep|sed|awk|mkfifo|script|sysctl|stty|df|ls|kill|trap|set|eval|umask|sleep|command|LC_ALL=\w+|\[)\s/;
  return text.startsWith("#!") ||
    hasCommand.test(text) && /["$][A-Za-z_?!@*(1-9{]|2>|<<|>>|\|\s|\bdone\b/.test(text);
}
