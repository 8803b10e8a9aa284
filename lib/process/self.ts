/** How looop starts itself again, however it is run: compiled, by `deno run` of a file, or of a URL. */
import { UserError } from "../errors.ts";
import { makeDir, readText, replaceFile } from "../store.ts";
import { shellQuote } from "../text/quote.ts";
import type { Profile } from "../paths.ts";

/** The argv (without further arguments) that starts this program again. */
export interface SelfCommand {
  exe: string;
  args: readonly string[];
  /** Whether it is one executable; otherwise a launcher script is needed where a single path is asked for. */
  standalone: boolean;
}

/**
 * Reads how this process was started. Call it once, early: after an upgrade by rename `Deno.execPath()` ends in
 * " (deleted)", and the new program at the same path is the one to start.
 */
export function selfCommand(): SelfCommand {
  const exe = Deno.execPath().replace(/ \(deleted\)$/, "");
  if (Deno.build.standalone) return { exe, args: [], standalone: true };
  // A running Deno does not reveal its flags, so the list is fixed; --cached-only keeps it offline.
  const args = ["run", "-A", "--no-prompt", "--quiet", "--cached-only", Deno.mainModule];
  return { exe, args, standalone: false };
}

/** One executable path that starts this program: the binary itself, or a launcher script in the data dir. */
export function executablePath(profile: Profile, self: SelfCommand): string {
  return self.standalone ? self.exe : launcherPath(profile, self);
}

/** The argument that asks a launcher whether it can run; it answers by its exit code alone. */
const TRIAL_WORD = "--launcher-runs";

/**
 * Handles what the runtime does not. Deno ends before a line of ours runs in a folder that is gone (as after `git
 * worktree remove`) or whose name is not UTF-8, with an argument that is not UTF-8, with a TMPDIR that is empty or
 * relative, and where fewer than 20 files or less than some 64 GB of addresses may be used; a worker could then
 * neither ask nor end itself.
 */
function launcherText(words: string): string {
  return `#!/bin/sh
[ "$*" != ${TRIAL_WORD} ] || exit 0
unset LOOOP_CALL LOOOP_ASKED
# The pulse carries out what a worker calls most; its shim returns where it does not.
case "\${1-} \${2-} \${3-}" in
  "_ ask list" | "_ ask withdraw") ;;
  "_ ask "* | "_ ready "* | "_ cost "* | "_ claim "* | "_ unclaim "* | "_ told "*)
    case \${LOOOP_DATA_DIR-} in /*) [ ! -r "$LOOOP_DATA_DIR/.calls/shim" ] || . "$LOOOP_DATA_DIR/.calls/shim" ;; esac
    ;;
esac
is_utf8() {
  case $1 in *[![:print:][:space:]]*) ;; *) return 0 ;; esac
  ! command -v iconv >/dev/null || printf %s "$1" | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1
}
case $(ulimit -n) in
  [0-9] | 1[0-9])
    echo "looop: $(ulimit -n) open files are too few to start; raise the limit (ulimit -n 64)" >&2
    exit 1
    ;;
esac
case $(ulimit -v 2>/dev/null) in
  *[0-9]*)
    ${words} version >/dev/null 2>&1 || {
      echo "looop: $(ulimit -v) KiB of memory are too few to start; raise the limit (ulimit -v unlimited)" >&2
      exit 1
    }
    ;;
esac
here=$(pwd -P 2>/dev/null)
case $here in /*) is_utf8 "$here" || cd / ;; *) cd / ;; esac
case \${TMPDIR-/} in /*) ;; *) unset TMPDIR ;; esac
for word in "$LOOOP_DATA_DIR" "$LOOOP_CONFIG"; do
  is_utf8 "$word" || { echo "looop: the data dir's path is not UTF-8; give LOOOP_DATA_DIR one that is" >&2; exit 1; }
done
is_utf8 "$*" || { echo "looop: an argument is not UTF-8; convert it (iconv), then call again" >&2; exit 2; }
exec ${words} "$@"
`;
}

/**
 * Writes a launcher script into the data dir. It must stay valid for as long as the processes that were given it
 * live.
 */
export function launcherPath(profile: Profile, self: SelfCommand): string {
  const path = `${profile.bin}/looop`;
  const text = launcherText([self.exe, ...self.args].map(shellQuote).join(" "));
  if (readText(path) !== text) {
    makeDir(profile.bin);
    replaceFile(path, text, { mode: 0o700, durable: false });
  }
  return path;
}

/** Whether programs can run where a launcher lies: on a file system mounted noexec they cannot. */
export async function canBeRun(launcher: string): Promise<boolean> {
  const { runSmall } = await import("./spawn.ts");
  try {
    return (await runSmall(launcher, [TRIAL_WORD])).code === 0;
  } catch (error) {
    // Busy: a child of this process still has it open for writing. The kernel checks that only for a file that may be
    // run.
    return /os error 26\b/.test((error as Error).message);
  }
}

/**
 * The path by which a worker calls back, its `LOOOP_BIN`: the launcher, or the binary itself where no program can run
 * in the data dir.
 *
 * @throws {UserError} when there is neither.
 */
export async function callBackPath(profile: Profile, self: SelfCommand): Promise<string> {
  const launcher = launcherPath(profile, self);
  if (await canBeRun(launcher)) return launcher;
  if (self.standalone) return self.exe;
  throw new UserError(`A worker could not call back: no program can be run in "${profile.dir}" (noexec?)`, {
    next: "put the data dir on another file system with LOOOP_DATA_DIR, or install the looop binary",
    kind: "noexec",
  });
}
