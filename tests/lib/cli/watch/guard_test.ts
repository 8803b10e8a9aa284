import { deepStrictEqual, match } from "node:assert/strict";
import { testProfile } from "../../../looop.ts";
import { HAS_TMUX, Terminal } from "../../../tmux.ts";

const ROOT = new URL("../../../../", import.meta.url).pathname;

/** A program that takes over the terminal as `watch` does and then ends unexpectedly. */
function program(end: string): string {
  return `import { guardTerminal } from ${JSON.stringify(`file://${ROOT}lib/cli/watch/guard.ts`)};
import { writeAll } from ${JSON.stringify(`file://${ROOT}lib/cli/console.ts`)};
addEventListener("error", (event) => { event.preventDefault(); writeAll(Deno.stderr, "said: " + event.message + "\\n"); Deno.exit(70); });
addEventListener("unhandledrejection", (event) => { event.preventDefault(); writeAll(Deno.stderr, "said: " + event.reason.message + "\\n"); Deno.exit(70); });
guardTerminal();
Deno.stdin.setRaw(true);
await Deno.stdout.write(new TextEncoder().encode("\\x1b[?1049h\\x1b[?25l\\x1b[?2004hdrawn"));
setTimeout(() => { ${end} }, 200);
await new Promise((resolve) => setTimeout(resolve, 60_000));
`;
}

for (
  const [what, end] of [
    ["an error that nobody catches", 'throw new Error("gone wrong")'],
    ["a rejection that nobody handles", 'Promise.reject(new Error("gone wrong"))'],
    ["an exit from anywhere", "Deno.exit(70)"],
  ] as const
) {
  Deno.test({
    name: `given a screen, when it ends by ${what}, then the terminal is as it was and shows what was said`,
    ignore: !HAS_TMUX,
    async fn() {
      await using p = await testProfile();
      await Deno.writeTextFile(`${p.base}/crash.ts`, program(end));
      const command = [Deno.execPath(), "run", "-A", "--quiet", "--no-config", `${p.base}/crash.ts`];
      await using terminal = await Terminal.open(p, [], { command });
      const rows = await terminal.until(/rc=70[^]*icanon/);
      if (!what.startsWith("an exit")) match(rows.join("\n"), /^before\nsaid: .*gone wrong/);
      match(rows.join("\n"), /(?<!-)icanon/);
      deepStrictEqual(await terminal.modes(), { alternate: false, cursor: true });
    },
  });
}
