/** The gate's cases: what it must refuse, by rule, and the harmless look-alikes that must pass. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { explainVerdict, type GateOptions, judge } from "../../../lib/gate/judge.ts";
import { RULES } from "../../../lib/gate/table.ts";
import { HARMLESS, REFUSED } from "./lines.ts";
import { anyArgv, anyText, quote, repeated, SEEDS, shellish } from "./shellish.ts";
import { runs } from "../../whole.ts";

const OPTIONS: GateOptions = { dataDir: "/data/looop", cwd: "/data/looop", home: "/home/ada" };
const RUNS = runs(100);

function ruleFor(line: string, options: GateOptions = OPTIONS): string {
  const verdict = judge({ line }, options);
  return verdict.allowed ? "allowed" : verdict.rule;
}

Deno.test("given the table of irreversible lines, when each is judged, then its rule refuses it", () => {
  const wrong = REFUSED.filter(({ rule, line }) => ruleFor(line) !== rule)
    .map(({ rule, line }) => `${rule}: ${ruleFor(line)} ${line}`);
  deepStrictEqual(wrong, []);
});

Deno.test("given the table of harmless look-alikes, when each is judged, then it passes", () => {
  const wrong = HARMLESS.filter((line) => ruleFor(line) !== "allowed");
  deepStrictEqual(wrong.map((line) => `${ruleFor(line)} ${line}`), []);
});

Deno.test("given the tables, when they are counted, then harmless lines are about half of at least 180", () => {
  const refused = REFUSED.length;
  const harmless = HARMLESS.length;
  ok(refused + harmless >= 180 && harmless >= 150, `${refused} refused, ${harmless} harmless`);
});

Deno.test("given several lines, when one of them is irreversible, then that one is refused and named", () => {
  const line =
    "set -e\n# git push is below\ncat <<EOF # with \"a quote\nit's\nEOF\ncd x &&\n  git push origin \\\n main # now";
  const verdict = judge({ line }, OPTIONS);
  deepStrictEqual(verdict.allowed ? undefined : [verdict.rule, verdict.part, verdict.command], [
    "git-push",
    "git push origin main",
    `set -e # git push is below cat <<EOF # with "a quote it's EOF cd x &&   git push origin main # now`,
  ]);
});

Deno.test("given an exact argv, when it is judged, then its words are taken as they are", () => {
  const rule = (...argv: string[]) => {
    const verdict = judge({ argv }, OPTIONS);
    return verdict.allowed ? "allowed" : verdict.rule;
  };
  const judged = [
    rule("git", "push"),
    rule("git", "-C", "x y", "push"),
    rule("sh", "-c", "git push"),
    rule("env", "A=b", "git", "push"),
    rule("echo", "$(git push)"),
    rule("echo", "a; git push"),
    rule("git", "commit", "-m", "x; git push"),
    rule("git push"),
    rule("rm", "-rf", "~"),
    rule("rm", "-rf", "$HOME"),
    rule("rm", "-rf", "/home/ada/x"),
    rule("rm", "-rf", "*"),
    rule(),
    rule(""),
  ];
  const pushed = ["git-push", "git-push", "git-push", "git-push"];
  const passes = (count: number) => Array.from({ length: count }, () => "allowed");
  deepStrictEqual(judged, [...pushed, ...passes(6), "remove-tree", ...passes(3)]);
});

Deno.test("given gate.deny, when a call has its program, subcommands and options, then it is refused", () => {
  const options = {
    ...OPTIONS,
    deny: ["git stash drop", "curl", { match: "git commit --amend", why: "we never amend" }],
  };
  const judged = [
    "git stash drop",
    "cd x; git -C y stash drop 3",
    "git stash list",
    "echo git stash drop",
    "env curl x",
    "git commit -m x",
    "git commit -m x --amend",
  ].map((line) => ruleFor(line, options));
  deepStrictEqual(judged, ["config", "config", "allowed", "allowed", "config", "allowed", "config"]);
  const verdict = judge({ line: "git commit --amend" }, options);
  strictEqual(verdict.allowed ? "" : verdict.why, "we never amend");
});

Deno.test("given gate.allow, when it names a call, then only the built-in rules for that call are lifted", () => {
  const options = {
    ...OPTIONS,
    allow: ["git push origin", { match: "sudo" }, "npm run deploy"],
    deny: ["git push origin main"],
  };
  const judged = [
    "git push origin topic",
    "git push",
    "git push origin main",
    "git push origin x; git push",
    "sudo ls",
    "sudo reboot",
    "npm run deploy",
    "npm run release",
  ].map((line) => ruleFor(line, options));
  deepStrictEqual(judged, [
    "allowed",
    "git-push",
    "config",
    "git-push",
    "allowed",
    "service",
    "allowed",
    "ship-task",
  ]);
});

Deno.test("given other folders, when rm -r is judged, then the data dir, cwd and temp dirs are those given", () => {
  const options = { dataDir: "/tmp/profile", cwd: "/tmp/profile/goals", tempDirs: ["/scratch/"] };
  const judged = [
    "rm -r x",
    "rm -r ..",
    "rm -r ../x",
    "rm -r ../../x",
    "rm -r /scratch/x",
    "rm -r /scratch",
    "rm -r /tmp/x",
    "rm -r ~/x",
  ];
  const rules = judged.map((line) => ruleFor(line, options));
  const outside = "remove-tree";
  deepStrictEqual(rules, ["allowed", outside, "allowed", outside, "allowed", outside, outside, outside]);
});

Deno.test("given a refusal, when it is explained, then one line says what, which rule, why and what next", () => {
  const verdict = judge({ line: "git push" }, OPTIONS);
  ok(!verdict.allowed);
  const { message, next } = explainVerdict(verdict);
  strictEqual(
    message,
    'The gate refused "git push" (rule git-push): others see what is pushed at once, and it may start builds and releases',
  );
  ok(next.startsWith(verdict.instead) && next.includes("--approved"), next);
});

Deno.test("given the rules, when they are listed, then each has its texts and a line of the table", () => {
  const rules = Object.entries(RULES);
  const bare = rules.filter(([id, { why, instead }]) =>
    why === "" || instead === "" || !/^[a-z-]+$/.test(id)
  );
  deepStrictEqual(bare, []);
  const untested = rules.map(([id]) => id).filter((id) => !REFUSED.some(({ rule }) => rule === id));
  deepStrictEqual(untested, ["unreadable"]);
});

Deno.test("given deeply nested wrappers and scripts, when judged, then they are refused as unreadable", () => {
  let nested = "true";
  for (let depth = 0; depth < 12; depth++) nested = `sh -c ${quote(nested)}`;
  const judged = [
    "env ".repeat(50) + "true",
    "env ".repeat(10) + "true",
    "echo " + "$(".repeat(500),
    "eval ".repeat(200) + "true",
    nested,
  ].map((line) => ruleFor(line));
  deepStrictEqual(judged, ["unreadable", "allowed", "unreadable", "unreadable", "allowed"]);
});

Deno.test("given 5 kB of any kind, when judged, then each gets a verdict", () => {
  for (const seed of SEEDS) {
    strictEqual(typeof judge({ line: repeated(seed, 5_000) }, OPTIONS).allowed, "boolean", seed);
  }
});

Deno.test("given any text, when it is judged, then a verdict comes back", () => {
  fc.assert(
    fc.property(anyText, (line) => {
      strictEqual(typeof judge({ line }, OPTIONS).allowed, "boolean");
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given any words, when they are judged as an argv, then a verdict comes back", () => {
  fc.assert(
    fc.property(anyArgv, (argv) => {
      strictEqual(typeof judge({ argv }, OPTIONS).allowed, "boolean");
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given any text in single quotes, when echo prints it, then it passes", () => {
  const text = fc.oneof(
    shellish,
    fc.string({ maxLength: 100 }),
    fc.constantFrom(...REFUSED.map(({ line }) => line)),
  );
  fc.assert(
    fc.property(text, (text) => {
      deepStrictEqual(judge({ line: `echo ${quote(text)}` }, OPTIONS), { allowed: true });
    }),
    { numRuns: RUNS },
  );
});

Deno.test("given a refused line, when harmless lines stand around it, then it is still refused", () => {
  const refused = fc.constantFrom(
    ...REFUSED.map(({ line }) => line).filter((line) => !line.includes("\n")),
  );
  const harmless = fc.constantFrom(
    "ls",
    "echo 'a; b'",
    "true && false",
    "looop_y=1",
    "for i in 1 2; do ls; done",
    "cat f | sort # ok\n",
  );
  const joint = fc.constantFrom(";", "\n", " && ", " || ");
  fc.assert(
    fc.property(harmless, joint, refused, (before, joint, line) => {
      const rule = ruleFor(`${before}${before.endsWith("\n") ? "" : joint}${line}\n${before}`);
      ok(rule !== "allowed", rule);
    }),
    { numRuns: RUNS },
  );
});
