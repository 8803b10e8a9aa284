import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { composePrompt, workerContract } from "../../../lib/agents/contract.ts";
import { shellQuote } from "../../../lib/text/quote.ts";

const FACTS = { id: "fix-42", bin: "/opt/my tools/looop", dataDir: "/data/it's", cwd: "/src/my app" };

Deno.test("given a worker's facts, when its contract is written, then ready comes first and done last, all with looop's own path", () => {
  const contract = workerContract(FACTS);
  const looop = shellQuote(FACTS.bin);
  const verbs = [...contract.matchAll(/looop' _ (\w+)/g)].map((found) => found[1]);
  deepStrictEqual(verbs, ["ready", "ask", "claim", "unclaim", "done"]);
  for (const verb of ["ready fix-42", "ask fix-42", "claim NAME", "unclaim NAME", "done fix-42"]) {
    ok(contract.includes(`   ${looop} _ ${verb}`), verb);
  }
  ok(contract.includes(shellQuote(`${FACTS.dataDir}/reports/`)));
  ok(contract.includes(`You start in ${shellQuote(FACTS.cwd)}.`));
  match(contract, /git -C REPO worktree add/);
});

Deno.test("given an agent whose spend looop cannot read, when its contract is written, then it asks the agent to report it", () => {
  const verbs = (contract: string) => [...contract.matchAll(/looop' _ (\w+)/g)].map((found) => found[1]);
  const contract = workerContract({ ...FACTS, reportsSpendAs: "mine" });
  deepStrictEqual(verbs(contract).slice(-2), ["cost", "done"]);
  match(contract, /_ cost session fix-42 mine 0\.25/);
  const numbers = [...contract.matchAll(/^(\d+)\. /gm)].map((found) => Number(found[1]));
  deepStrictEqual(numbers, numbers.map((_, n) => n + 1), "numbered without a gap");
});

Deno.test("given a brief, when the prompt is composed, then the brief follows the contract unchanged and ends in a newline", () => {
  const contract = workerContract(FACTS);
  strictEqual(composePrompt(contract, "Do it.\n\n", "text"), `${contract}\n---\n\nDo it.\n\n`);
  strictEqual(composePrompt(contract, "Do it.", "text"), `${contract}\n---\n\nDo it.\n`);
});

Deno.test("given a runner that runs the prompt, when it is composed, then a shell runs the brief and no part of the contract", async () => {
  const prompt = composePrompt(workerContract(FACTS), 'echo "ran $0"', "script");
  const { stdout, stderr, code } = await new Deno.Command("bash", { args: ["-c", prompt, "me"] }).output();
  strictEqual(new TextDecoder().decode(stdout), "ran me\n");
  strictEqual(new TextDecoder().decode(stderr), "");
  strictEqual(code, 0);
});

Deno.test("given agents that refuse substitutions and the word kill, when the contract is written, then its commands are bare lines", () => {
  const facts = { ...FACTS, bin: "/opt/looop", reportsSpendAs: "mine" };
  const commands = workerContract(facts).split("\n").filter((line) => /^ {3}(\/opt\/looop|git) /.test(line));
  strictEqual(commands.length, 7, commands.join("\n"));
  for (const line of commands) ok(!/[$`<>|;&=]|\bkill\b/.test(line), line);
});
