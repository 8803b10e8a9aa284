/** `looop config`: prints completions for a shell. */
import { SCRIPTS, type Shell } from "../lib/cli/completions.ts";
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "config",
    summary: "completions for your shell, including live ids",
    audience: "people",
    args: [{ name: "shell", summary: "whose script to print", choices: ["zsh", "bash", "fish"] }],
    example: 'eval "$(looop config zsh)"',
    details:
      "Put it into ~/.zshrc or ~/.bashrc; for fish: `looop config fish | source` in ~/.config/fish/config.fish.",
  },
  run: (_context, input) => Promise.resolve({ text: SCRIPTS[input.word(0) as Shell] }),
});
