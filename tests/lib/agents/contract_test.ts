import { match, ok, strictEqual } from "node:assert/strict";
import { composePrompt, workerContract } from "../../../lib/agents/contract.ts";
import { shellQuote } from "../../../lib/text/quote.ts";

const FACTS = { id: "fix-42", bin: "/opt/my tools/looop", dataDir: "/data/it's", runner: "pi" };

Deno.test("given a worker's facts, when its contract is written, then ready comes first, kill last, all with looop's own path", () => {
  const contract = workerContract(FACTS);
  const looop = shellQuote(FACTS.bin);
  const verbs = [...contract.matchAll(/looop' _ (\w+)/g)].map((found) => found[1]);
  strictEqual(verbs[0], "ready");
  strictEqual(verbs.at(-1), "kill");
  for (
    const verb of ["ready fix-42", "ask fix-42", "claim", "unclaim", "cost session fix-42 pi", "kill fix-42"]
  ) {
    ok(contract.includes(`${looop} _ ${verb}`), verb);
  }
  ok(contract.includes(shellQuote(`${FACTS.dataDir}/reports/`)));
  match(contract, /git -C REPO worktree add/);
});

Deno.test("given a brief, when the prompt is composed, then the brief follows the contract unchanged and ends in a newline", () => {
  const contract = workerContract(FACTS);
  strictEqual(composePrompt(contract, "Do it.\n\n", "text"), `${contract}\n---\n\nDo it.\n\n`);
  strictEqual(composePrompt(contract, "Do it.", "text"), `${contract}\n---\n\nDo it.\n`);
});

Deno.test("given a runner that runs the prompt, when it is composed, then a shell runs the brief and nothing of the contract", async () => {
  const prompt = composePrompt(workerContract(FACTS), 'echo "ran $0"', "script");
  const { stdout, stderr, code } = await new Deno.Command("bash", { args: ["-c", prompt, "me"] }).output();
  strictEqual(new TextDecoder().decode(stdout), "ran me\n");
  strictEqual(new TextDecoder().decode(stderr), "");
  strictEqual(code, 0);
});

Deno.test("given that every tool call of an agent is a shell of its own, when the contract is written, then no command of it keeps anything in a variable", () => {
  const commands = workerContract(FACTS).split("\n").filter((line) => line.includes(" _ "));
  ok(commands.length >= 6, commands.join("\n"));
  for (const line of commands) strictEqual(/\$\(|=\$|`/.test(line), false, line);
});
