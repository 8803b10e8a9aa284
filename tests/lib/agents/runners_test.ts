import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  fillTemplate,
  isHeadless,
  isOneCommand,
  passesPromptAsArgument,
  presetOf,
  programOf,
  withSessionResume,
  withSessionStart,
} from "../../../lib/agents/runners.ts";
import { presetNamed, RUNNER_PRESETS } from "../../../lib/records/presets.ts";
import { runs } from "../../whole.ts";

const RUNS = runs(30);

/** Any path, mostly of characters special to a shell; without a final newline, which `$(…)` would drop. */
const ANY_PATH = fc.array(
  fc.oneof(
    fc.constantFrom(
      "'",
      '"',
      "$",
      "`",
      "\\",
      " ",
      "\n",
      "!",
      "*",
      "~",
      "#",
      ";",
      "&",
      "|",
      "(",
      ")",
      "$(touch x)",
    ),
    fc.string({ unit: "grapheme", maxLength: 4 }),
  ),
  { maxLength: 12 },
).map((parts) => `/${parts.join("").replaceAll("\0", "")}.`).filter((path) => path.isWellFormed());

/** The output of `/bin/sh -c command`. */
function sh(command: string): string {
  const { stdout, stderr } = new Deno.Command("/bin/sh", {
    args: ["-c", command],
    env: { PATH: "/usr/bin:/bin" },
    clearEnv: true,
    stdin: "null",
  }).outputSync();
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  return text.decode(stdout) + text.decode(stderr);
}

for (
  const [where, template, around] of [
    ["bare", "printf %s {{p}}", ""],
    ["in double quotes", 'printf %s "{{p}}"', ""],
    ["in single quotes", "printf %s '{{p}}'", ""],
    ["inside more text", `printf %s "a b"{{p}}'c d'`, "a b|c d"],
    ["after an assignment", 'FOO="x y" printf %s {{p}}', ""],
    ["bare in a substitution", "printf %s $(printf %s {{p}} >&2)", ""],
    ["in a quoted substitution", 'printf %s "$(printf %s {{p}})"', ""],
    ["in quotes in a quoted substitution", 'printf %s "$(printf %s "{{p}}")"', ""],
    ["in single quotes in a quoted substitution", `printf %s "$(printf %s '{{p}}')"`, ""],
    ["after a subshell in a quoted substitution", 'printf %s "$( (true); printf %s {{p}})"', ""],
    ["after a substitution in quotes", 'printf %s "$(echo ab){{p}}"', "ab|"],
    ["after an escaped quote", 'printf %s \\"{{p}}', '"|'],
    ["after an apostrophe in quotes", `printf %s "it's {{p}}"`, "it's |"],
  ] as const
) {
  Deno.test(`given any path, when it is filled in ${where}, then a real shell sees it as it is`, () => {
    const [before = "", after = ""] = around.split("|");
    fc.assert(
      fc.property(
        ANY_PATH,
        (path) => strictEqual(sh(fillTemplate(template, { p: path })), before + path + after),
      ),
      { numRuns: RUNS, examples: [['/data dir/it\'s "x" $(touch x) `y` \\n.md'], ["/plain/path.md"]] },
    );
  });
}

Deno.test("given a template with several placeholders, when it is filled, then unknown ones and other text stay", () => {
  strictEqual(
    fillTemplate('a {{p}} "{{p}}" {{q}} {{toString}} {{ p }} {{', { p: "/x y" }),
    `a '/x y' "/x y" {{q}} {{toString}} {{ p }} {{`,
  );
});

Deno.test("given a template, when its program is asked for, then the word a shell would run is named, or none", () => {
  const cases: [string, string | undefined][] = [
    ["pi @{{prompt_file}}", "pi"],
    ["  pi", "pi"],
    ["FOO=1 pi x", "pi"],
    ['FOO="a b" BAR= pi x', "pi"],
    ["exec pi", "pi"],
    ["env FOO=1 pi", "pi"],
    ['"pi" x', "pi"],
    ["'/opt/my tools/agent' x", "/opt/my tools/agent"],
    ["/usr/bin/pi", "/usr/bin/pi"],
    // Programs that only a shell can find are not looked up, since they would be refused although they run.
    ["$AGENT x", undefined],
    ['"$HOME/bin/agent" x', undefined],
    ["$(which pi) x", undefined],
    ["`which pi` x", undefined],
    ["~/bin/agent x", undefined],
    ["./agent x", undefined],
    ["/opt/my\\ tools/agent x", undefined],
    ["cd /src && claude x", undefined],
    ["umask 077; pi x", undefined],
    [". ./env.sh && pi", undefined],
    ["export A=1; pi", undefined],
    ["if true; then pi; fi", undefined],
    ["{ pi; }", undefined],
    ["( pi )", undefined],
    ["env -i pi", undefined],
    ["command pi", undefined],
    ["true; pi", undefined],
    ["exit 3", undefined],
    ["pi; true", undefined],
    ["", undefined],
  ];
  deepStrictEqual(cases.map(([template]) => [template, programOf(template)]), cases);
});

Deno.test("given the built-in runners, when their templates are read, then program and placeholder agree", () => {
  for (const [name, preset] of Object.entries(RUNNER_PRESETS)) {
    strictEqual(programOf(preset.interactive), preset.program, name);
    strictEqual(preset.interactive.split("{{prompt_file}}").length, 2, name);
  }
});

Deno.test("given the presets' lines, when they are checked, then the headless ones are known", () => {
  for (const [name, { interactive, headless, records }] of Object.entries(RUNNER_PRESETS)) {
    if (records === undefined) continue;
    deepStrictEqual([isHeadless(interactive), isHeadless(headless ?? "")], [false, true], name);
  }
});

Deno.test("given the presets' lines, when sessions are given and resumed, then the words stand where the CLI takes them", () => {
  const of = (name: string) => {
    const preset = presetNamed(name)!;
    const started = withSessionStart(preset.interactive, preset.session);
    return [started.split(" ").slice(0, 3).join(" "), withSessionResume(started, preset.session!)];
  };
  deepStrictEqual(of("pi"), [
    "pi --session-id {{session_id}}",
    "pi --session {{session_id}} @{{prompt_file}}",
  ]);
  match(of("claude")[1]!, /^claude --resume \{\{session_id\}\} "\$\(cat/);
  match(of("codex")[1]!, /^codex resume \{\{session_id\}\} --disable/);
  strictEqual(of("opencode")[1], "opencode run -s {{session_id}} --auto <{{prompt_file}}");
  const opencode = presetNamed("opencode")!;
  match(
    withSessionResume(opencode.headless!, opencode.session!),
    /^opencode run -s \{\{session_id\}\} --auto/,
  );
  const codex = presetNamed("codex")!;
  match(withSessionResume(codex.headless!, codex.session!), /^codex exec resume \{\{session_id\}\} --skip/);
});

Deno.test("given a user's own line, when it names a session itself, then nothing is added to it", () => {
  const pi = presetNamed("pi")!.session;
  for (
    const own of [
      "pi --session-dir x @{{prompt_file}}",
      "pi --no-session @{{prompt_file}}",
      "pi -c @{{prompt_file}}",
    ]
  ) {
    strictEqual(withSessionStart(own, pi), own);
  }
  strictEqual(
    withSessionStart("A=1 exec pi --model m @{{prompt_file}}", pi),
    "A=1 exec pi --session-id {{session_id}} --model m @{{prompt_file}}",
  );
});

Deno.test("given a template, when its program is an agent's by any path, then its preset is known", () => {
  strictEqual(presetOf("/opt/bin/claude --x"), "claude");
  strictEqual(presetOf("bash {{prompt_file}}"), undefined);
  strictEqual(presetNamed("constructor"), undefined);
  strictEqual(passesPromptAsArgument('x "$(cat {{prompt_file}})"'), true);
  strictEqual(passesPromptAsArgument('x "$(< "{{prompt_file}}")"'), true);
  strictEqual(passesPromptAsArgument("x @{{prompt_file}}"), false);
});

Deno.test("given templates, when they are checked for being one plain command, then only those pass", () => {
  for (const { interactive, headless } of Object.values(RUNNER_PRESETS)) {
    for (const template of [interactive, headless ?? interactive]) {
      strictEqual(isOneCommand(template), true, template);
    }
  }
  const plain = [
    "sleep 600",
    'agent "$(cat {{prompt_file}})" --x "a b" \'c;d\' <in',
    "agent {{prompt_file}}",
  ];
  for (const template of plain) strictEqual(isOneCommand(template), true, template);
  const others = [
    "A=1 agent",
    "env A=1 agent",
    "exec agent",
    "agent; true",
    "agent | tee log",
    "cd x && agent",
    "agent $(cat {{prompt_file}})",
    "agent &",
    "~/bin/agent",
    'agent "a\\"; b"',
    "if true",
    "agent # note",
    "agent\ntrue",
    "",
  ];
  for (const template of others) strictEqual(isOneCommand(template), false, template);
});
