/** Notices when nobody reads this process's stdout any more, even while nothing is written. */
import { delay } from "./tree.ts";

/**
 * Waits on the reader of this process's stdout: ends by SIGPIPE when it is gone, and with 3 when that cannot be found
 * out or need not be (a file, a terminal).
 *
 * A pipe whose reader has gone becomes ready for reading, which Deno cannot query. The runtime opens a closed stdout
 * as /dev/null for both reading and writing; a shell's `>/dev/null` is open for writing only. Where there is no perl,
 * GNU `tail` watches its stdout in the same way.
 */
const AWAIT_READER = `if command -v perl >/dev/null 2>&1; then
exec perl -e '
my $gone = -c STDOUT && !-t STDOUT && (fcntl(STDOUT, 3, 0) & 3) == 2;
exit 3 unless $gone || -p STDOUT || -S STDOUT;
my $parent = getppid;
until ($gone) {
  my $set = "";
  vec($set, 1, 1) = 1;
  $gone = select($set, undef, undef, 5) > 0;
  exit 3 if getppid != $parent;
}
kill PIPE => $$;
'
fi
[ -p /dev/stdout ] || exit 3
exec tail --pid="$PPID" -f /dev/null 2>/dev/null`;

/**
 * An abort signal that fires when nobody reads stdout any more, even while nothing is written; `close` releases it.
 */
export function readerOfStdout(): { gone: AbortSignal; close(): Promise<void> } {
  const gone = new AbortController();
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("/bin/sh", {
      args: ["-c", AWAIT_READER],
      stdin: "null",
      stdout: "inherit",
      stderr: "null",
    }).spawn();
  } catch {
    // Without a helper the next write shows it.
    return { gone: gone.signal, close: () => delay(0) };
  }
  let closed = false;
  const ended = child.status.then(({ signal }) => {
    if (!closed && signal === "SIGPIPE") gone.abort();
  });
  return {
    gone: gone.signal,
    async close() {
      closed = true;
      try {
        child.kill("SIGKILL");
      } catch {
        // It has already ended.
      }
      await ended;
    },
  };
}
