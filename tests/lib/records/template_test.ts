import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { fillHook, hookEnv } from "../../../lib/records/template.ts";
import { runs } from "../../whole.ts";

const RUNS = runs(50);

/** Templates that print exactly the message, each with different text around the placeholder. */
const FAITHFUL = [
  "printf %s {{message}}",
  'printf %s "{{message}}"',
  "printf %s '{{message}}'",
  "printf %s ''{{message}}\"\"",
  "printf %s \"$(printf %s {{message}}; echo .)\" | sed '$ s/[.]$//' | awk 'NR>1{print p} {p=$0} END{printf \"%s\", p}'",
  "# it's a comment\nprintf %s '{{message}}'",
  "sh -c 'printf %s {{message}}'",
  "sh -c 'printf %s \"{{message}}\"'",
  'sh -c "printf %s {{message}}"',
  'sh -c "printf %s \\"{{message}}\\""',
  "sh -c \"printf %s '{{message}}'\"",
  "bash -c 'bash -c '\\''true'\\''; printf %s {{message}}'",
  "sh -c 'printf %s '\"'{{message}}'\"''",
  'X="%s"; sh -c "printf $X {{message}}"',
  'bash -ec "printf \'%s\' \\"{{message}}\\""',
  "sh -c 'sh -c \"printf %s {{message}}\"'",
  "eval 'printf %s {{message}}'",
  'eval "printf %s {{message}}"',
  "(printf %s {{message}})",
  "case x in x) printf %s {{message}};; esac",
];
/** Templates that may split or keep the placeholder, but must not run any part of the message. */
const HARMLESS = [
  "printf %s `printf %s {{message}}`",
  'printf %s "`printf %s {{message}}`"',
  'printf %s "`printf %s \\"{{message}}\\"`"',
  "cat <<EOF\n{{message}}\nEOF",
  "cat <<'EOF'\nit's {{message}}\nEOF",
  "printf %s $'{{message}}'",
  "# {{message}}\ntrue",
  'printf %s "it\'s" {{message}} "${X:-{{message}}}" ${X:-"{{message}}"}',
  "printf %s '\"' {{message}} '\"'",
  "printf %s \\' {{message}} \\'",
  "sh -c \"sh -c 'printf %s {{message}}'\"",
  "sh -c 'sh -c \"printf %s {{message}}\"'",
  'X="{{message}}"; printf %s "$X"',
];

/** Messages of characters special to shells; each would leave a file if it were run. */
const messages = fc.array(
  fc.oneof(
    fc.constantFrom(
      "'",
      '"',
      "`",
      "$(",
      ")",
      "\\",
      "\n",
      ";",
      "&",
      "|",
      "#",
      " ",
      "*",
      "~",
      "}",
      "EOF\n",
      "touch pwned",
      "$(touch pwned)",
      "`touch pwned`",
      "';touch pwned;'",
      '";touch pwned;"',
      "\\';touch pwned;'",
      "\ntouch pwned\n",
      "EOF\ntouch pwned\n",
      "é🙂",
      "{{id}}",
      "-n",
      "a",
    ),
    fc.string({ maxLength: 4 }),
  ),
  { minLength: 1, maxLength: 8 },
).map((parts) => parts.join("").replaceAll("\0", ""));

async function run(template: string, message: string, id: string): Promise<{ said: string; left: string[] }> {
  const dir = await Deno.makeTempDir({ prefix: "looop hook " });
  try {
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: ["-c", fillHook(template)],
      cwd: dir,
      env: { PATH: Deno.env.get("PATH") ?? "", ...hookEnv(message, id) },
      clearEnv: true,
      stdin: "null",
      stderr: "null",
    }).output();
    return {
      said: new TextDecoder().decode(stdout),
      left: [...Deno.readDirSync(dir)].map(({ name }) => name),
    };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("given any message, when a template quotes it in any usual way, then the shell prints it and runs nothing of it", async () => {
  await fc.assert(
    fc.asyncProperty(messages, fc.constantFrom(...FAITHFUL), async (message, template) => {
      // `$(…)` drops final newlines, so its output is not compared.
      const wanted = template.includes("$(") ? undefined : message;
      const { said, left } = await run(template, message, "");
      deepStrictEqual(left, [], template);
      if (wanted !== undefined) strictEqual(said, wanted, template);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given any message, when it stands in backticks, here-documents and comments, then nothing of it is run", async () => {
  await fc.assert(
    fc.asyncProperty(messages, fc.constantFrom(...HARMLESS), async (message, template) => {
      deepStrictEqual((await run(template, message, message)).left, [], template);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given the worst messages, when each template of both kinds runs them, then no file appears", async () => {
  const worst = ["';touch pwned;'", '";touch pwned;"', "`touch pwned`", "$(touch pwned)", "\ntouch pwned\n"];
  const all = [...FAITHFUL, ...HARMLESS];
  for (const template of all) {
    const found = await Promise.all(worst.map((message) => run(template, message, message)));
    deepStrictEqual(found.flatMap(({ left }) => left), [], template);
  }
});

Deno.test("given both placeholders and others, when filled, then only the two are references and the rest stands", () => {
  strictEqual(
    fillHook('n {{id}} "{{message}}" {{other}} {message}'),
    'n "${LOOOP_ID}" "${LOOOP_MESSAGE}" {{other}} {message}',
  );
  deepStrictEqual(hookEnv("a\0b", "w"), { LOOOP_MESSAGE: "ab", LOOOP_ID: "w" });
});
