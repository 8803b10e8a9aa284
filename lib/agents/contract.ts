/** The worker contract, which precedes every worker's brief. Pure. */
import { shellQuote } from "../text/quote.ts";

/** The facts that are filled into the contract. */
export interface ContractFacts {
  id: string;
  /** looop's absolute path, since some agents reset PATH. */
  bin: string;
  dataDir: string;
  /** Folder in which the agent starts; a fresh one on another machine by default. */
  cwd?: string | undefined;
  /** Name under which the worker reports its spend; absent where looop reads that from the agent's records. */
  reportsSpendAs?: string | undefined;
  /** Advice about the time limit of the agent's shell tool. */
  shellLimit?: string | undefined;
}

/** The first words of a worker's prompt, unique to it. */
export function workerTitle(id: string): string {
  return `You are worker "${id}" of looop`;
}

/** The line that ends the contract; the brief follows. */
export const CONTRACT_END = "---";

/**
 * The contract of one worker. Its commands are bare lines: each tool call of an agent is a shell of its own, and some
 * agents refuse `$(…)`, backticks or the word `kill`.
 */
export function workerContract(facts: ContractFacts): string {
  const { id, dataDir, cwd } = facts;
  const looop = shellQuote(facts.bin);
  const limit = facts.shellLimit ?? "Give the command the longest time limit your shell tool has.";
  const own = cwd === undefined ? "a fresh folder of your own" : shellQuote(cwd);
  const place = cwd === dataDir ? `${own}, the loop's own folder` : own;
  const rules = [
    `Before anything else, report that you have begun:
   ${looop} _ ready ${id}`,
    `When you need a decision, a permission or a fact that only a person has, ask and wait for the answer. Do
   not guess, and do nothing that cannot be undone without a yes. Name the object in the question, as whoever
   answers sees nothing else of your work:
   ${looop} _ ask ${id} --prompt "Merge PR 12 of api into main?" --options yes,no
   The command prints the answer. Exit 0: answered. Exit 3: declined, and the output says why: respect it.
   Exit 4: withdrawn: stop.
   ${limit}
   If the command is cut off, run the very same command again: it takes up the same question, nothing is asked
   twice and no answer is lost.`,
    `Send no notifications of any kind to people; asking is how you reach them.`,
    `Only when your brief tells you to hold a lease: take it before the work, stop if it is refused, and give
   it back right before you end:
   ${looop} _ claim NAME     (exit 1: somebody else holds it)
   ${looop} _ unclaim NAME`,
    `${shellQuote(dataDir)} belongs to the loop: read it, but write nothing there except through the commands
   here and in reports/. To change PLAYBOOK.md, a goal or a sensor, propose the text in a report or by asking;
   edit only when your brief says so, after showing the change and getting a yes.`,
    `You start in ${place}. For work on a repository make a place of your own first, for example
   git -C REPO worktree add REPO.${id} -b ${id}
   and remove it when it is merged or abandoned.`,
    `Results for people go to ${shellQuote(`${dataDir}/reports/`)}, in files whose names begin with ${id}.`,
    ...(facts.reportsSpendAs === undefined ? [] : [
      `Before you end, report what you have spent, if you know it, in dollars:
   ${looop} _ cost session ${id} ${facts.reportsSpendAs} 0.25`,
    ]),
    `When the work is done and nothing is pending, end yourself, as the very last thing you do:
   ${looop} _ done ${id}`,
  ];
  return `# ${workerTitle(id)}

Nobody watches this terminal. You work alone in the background; a root agent and its human decide.
Run each command below as it stands, in a call of your shell tool of its own, and read what it prints.

${rules.map((rule, n) => `${n + 1}. ${rule}`).join("\n")}
`;
}

/** The prompt for a worker whose own prompt is too long for a command line. */
export function pointerPrompt(id: string, promptFile: string): string {
  return `${workerTitle(id)}. Your contract and your brief are in the file ${shellQuote(promptFile)}. ` +
    "Read all of it first, in several parts if your tools cut it, then do what it says.\n";
}

/** The prompt of a resumed session when the root agent gives none. */
export function resumePrompt(bin: string, asks: readonly { prompt: string; worker: string }[]): string {
  const looop = shellQuote(bin);
  const open = asks.map(({ worker, prompt }) => `${looop} _ ask ${worker} --prompt ${shellQuote(prompt)}`);
  const again = open.length === 0
    ? ""
    : `Your open question is still there: run this to wait for its answer, nothing is asked twice:\n${
      open.join("\n")
    }\n`;
  return `Your terminal was cut off and has been started again; your conversation so far is still yours, but no
command that you had running is. ${again}Go on where you were. Your contract still holds; its commands are unchanged.`;
}

/** The prompt file: contract, then brief. For a runner that runs the prompt, the contract is commented out. */
export function composePrompt(contract: string, brief: string, kind: "text" | "script"): string {
  const head = kind === "script"
    ? contract.replace(/^/gm, "# ").replace(/[ ]+$/gm, "")
    : `${contract}\n${CONTRACT_END}\n`;
  return `${head}\n${brief.endsWith("\n") ? brief : `${brief}\n`}`;
}
