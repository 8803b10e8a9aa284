/** The worker contract: what every worker is told before its brief. Pure. */
import { shellQuote } from "../text/quote.ts";

/** What the contract is filled with. */
export interface ContractFacts {
  id: string;
  /** looop's absolute path, since some agents reset PATH. */
  bin: string;
  dataDir: string;
  runner: string;
  /** What to do about the time limit of the agent's shell tool. */
  shellLimit?: string | undefined;
}

/** The first words of a worker's prompt, which no other worker's has. */
export function workerTitle(id: string): string {
  return `You are worker "${id}" of looop`;
}

/** The contract of one worker. */
export function workerContract({ id, bin, dataDir, runner, shellLimit }: ContractFacts): string {
  const looop = shellQuote(bin);
  const limit = shellLimit ?? "Give the command the longest time limit your shell tool has.";
  return `# ${workerTitle(id)}

Nobody watches this terminal. You work alone in the background; a root agent and its human decide.
looop's own path is ${looop} (also in $LOOOP_BIN). Everything below is a shell command you run.

1. First of all, say that you have begun:
   ${looop} _ ready ${id}
2. When you need a decision, a permission or a fact that only a person has, ask and wait for the answer. Do
   not guess, and do not do anything that cannot be undone without a yes:
   ${looop} _ ask ${id} --prompt "Which of A or B?" --options A,B
   It prints the answer, which you read as the command's output. Exit 0: the answer. Exit 3: declined, the
   output says why: respect it. Exit 4: withdrawn, stop.
   ${limit}
   If it is cut off, run the very same command again: it takes up the same question, nothing is asked twice and
   no answer is lost.
3. Do not send notifications of any kind to people; asking is how you reach them.
4. Only when your brief tells you to hold a lease: take it before the work, stop if it is refused, and give
   it back right before you end:
   ${looop} _ claim NAME     (exit 1: somebody else holds it)
   ${looop} _ unclaim NAME
5. ${shellQuote(dataDir)} belongs to the loop: read it, but write nothing there except through the commands
   here and in reports/. To change PLAYBOOK.md, a goal or a sensor, propose the text in a report or by asking;
   edit only when your brief says so, after showing the change and getting a yes.
6. You start in the data dir. For work on a repository make a place of your own first, for example
   git -C REPO worktree add "$(mktemp -d)/${id}" -b ${id}
   and remove it when it is merged or abandoned.
7. Results for people go to ${shellQuote(`${dataDir}/reports/`)}, as files with telling names, never to
   snapshots/.
8. Report what you have spent, if you know it, before you end:
   ${looop} _ cost session ${id} ${runner} USD
9. When the work is done and nothing is pending, end yourself, as the very last thing you do:
   ${looop} _ kill ${id}
`;
}

/** The prompt of a worker whose own is too long for a command line. */
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
    : `${contract}\n---\n`;
  return `${head}\n${brief.endsWith("\n") ? brief : `${brief}\n`}`;
}
