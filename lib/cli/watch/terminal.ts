/** The terminal of `looop watch`, by ink: the alternate screen, keys, and the rows that have changed. */
import process from "node:process";
import { Box, type Key as InkKey, render, Text, useInput, usePaste } from "ink";
import { createElement } from "react";
import { type Key, keysIn, pasted } from "./keys.ts";
import type { Size } from "./view.ts";

/** The terminal's reports. */
export interface Listeners {
  onKey(key: Key): void;
  onResize(): void;
  /** It is gone, or drawing has failed. */
  onEnd(error?: unknown): void;
}

/** An open screen. */
export interface Screen {
  size(): Size;
  show(lines: readonly string[]): void;
  /** Leaves the terminal as it was. */
  close(): Promise<void>;
}

/** Names of keys that ink reports as flags. */
const NAMED: readonly (readonly [keyof InkKey, Key])[] = [
  ["upArrow", "up"],
  ["downArrow", "down"],
  ["pageUp", "pageup"],
  ["pageDown", "pagedown"],
  ["return", "enter"],
  ["escape", "esc"],
  ["tab", "tab"],
  ["backspace", "backspace"],
  ["delete", "backspace"],
];

/** Takes the terminal over. It is to be closed in any case; see guard.ts for ends that nobody foresees. */
export function openScreen({ onKey, onResize, onEnd }: Listeners): Screen {
  const { stdout } = process;
  const onInput = (input: string, key: InkKey) => keysOf(input, key).forEach(onKey);
  const Rows = ({ lines }: { lines: readonly string[] }) => {
    useInput(onInput);
    usePaste((text) => onKey(pasted(text)));
    const rows = lines.map((line, key) =>
      createElement(Text, { key, wrap: "truncate-end" }, line === "" ? " " : line)
    );
    return createElement(Box, { flexDirection: "column" }, ...rows);
  };
  const screen = render(createElement(Rows, { lines: [] }), {
    alternateScreen: true,
    incrementalRendering: true,
    interactive: true,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  let isClosed = false;
  const end = (error?: unknown) => isClosed || onEnd(error);
  screen.waitUntilExit().then(() => end(), end);
  stdout.on("error", end);
  stdout.on("resize", onResize);
  return {
    size: () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 }),
    show: (lines) => screen.rerender(createElement(Rows, { lines })),
    async close() {
      isClosed = true;
      stdout.off("resize", onResize);
      screen.unmount();
      await screen.waitUntilExit().catch(() => {});
    },
  };
}

function keysOf(input: string, key: InkKey): Key[] {
  const named = NAMED.find(([flag]) => key[flag] === true);
  if (named !== undefined) return [named[1]];
  if (key.ctrl) return ["c", "u", "z"].includes(input) ? [`ctrl-${input}`] : [];
  return key.meta ? [] : keysIn(input);
}

/** How long a stop of this process may take to come, ms. */
const STOP_MS = 300;

/**
 * Stops this program's process group, as Ctrl-Z does outside of raw mode, and returns once it goes on; also where
 * nobody would let it go on, and the system therefore does not stop it.
 */
export async function suspend(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGCONT", resolve);
  const timer = setTimeout(resolve, STOP_MS);
  try {
    process.kill(0, "SIGTSTP");
    await promise;
  } finally {
    clearTimeout(timer);
    Deno.removeSignalListener("SIGCONT", resolve);
  }
}
