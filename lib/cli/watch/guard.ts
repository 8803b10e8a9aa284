/** Gives the terminal back whatever ends the program: an error that nobody caught, an exit from anywhere. */
import { holdTerminal } from "../console.ts";

/** Ends bracketed paste, leaves the alternate screen, shows the cursor, and takes colours back. */
const RESTORE = "\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[0m";

/** Holds until its release; restoring twice does nothing. */
export function guardTerminal(): { restore(): void; release(): void } {
  let isHeld = true;
  const restore = () => {
    if (!isHeld) return;
    isHeld = false;
    try {
      Deno.stdin.setRaw(false);
      Deno.stdout.writeSync(new TextEncoder().encode(RESTORE));
    } catch {
      // The terminal itself is gone.
    }
  };
  // A message is to be read on the screen that stays; an exit may come without one.
  holdTerminal(restore);
  addEventListener("unload", restore);
  return {
    restore,
    release() {
      isHeld = false;
      holdTerminal(() => {});
      removeEventListener("unload", restore);
    },
  };
}
