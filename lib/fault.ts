/** Errors of the file system as one line that names the path and says what to do. */
import { UserError } from "./errors.ts";

/** Why a path that is a link is refused. */
export const LINK = "it is a symbolic link";

/** Whether an error says that the file or one of its folders does not exist. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || (error as { code?: string })?.code === "ENOENT";
}

/** Whether an error, wrapped by {@link fault} or not, says that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as { code?: string })?.code ?? "";
  const text = String((error as Error)?.message ?? error);
  return code === "ENOSPC" || code === "EDQUOT" || /no space left|quota exceeded/i.test(text);
}

/** The next step for an operating system error, by its code or class. */
function advice(error: unknown): string {
  const code = (error as { code?: string })?.code ?? "";
  const text = String((error as Error)?.message ?? error);
  if (code === "ENOSPC" || /no space left/i.test(text)) return "free some disk space, then try again";
  if (code === "EDQUOT") return "your disk quota is used up: free some space, then try again";
  if (code === "EROFS" || /read-only file system/i.test(text)) {
    return "the file system is read-only: remount it or set LOOOP_DATA_DIR";
  }
  if (code === "EMFILE" || /too many open files/i.test(text)) return "raise `ulimit -n`, then try again";
  if (code === "EFBIG" || /os error 27\b/.test(text)) return "raise `ulimit -f`, then try again";
  if (code === "EIO") return "the disk reports an error: check it, your data was left as it was";
  if (error instanceof Deno.errors.PermissionDenied || code === "EACCES" || code === "EPERM") {
    return "make it yours and writable (`ls -ld` shows who owns it), or set LOOOP_DATA_DIR";
  }
  if (text === LINK) return "remove the link; looop keeps its files inside the data dir";
  if (error instanceof Deno.errors.NotADirectory || code === "ENOTDIR") {
    return "a file stands where a folder should be: move it away or set LOOOP_DATA_DIR";
  }
  return "check the path and its permissions";
}

/** Whether an error says that no more files can be opened. */
export function isOutOfDescriptors(error: unknown): boolean {
  return (error as { code?: string })?.code === "EMFILE" ||
    /os error 24\b/.test(String((error as Error)?.message));
}

/** Number of descriptors taken by the start of a child, or by the first listener for a signal. */
const DESCRIPTORS = 8;

/** Whether enough descriptors are left that the runtime does not die in the middle of an action that takes some. */
export function hasDescriptors(): boolean {
  const files: Deno.FsFile[] = [];
  try {
    while (files.length < DESCRIPTORS) files.push(Deno.openSync("/"));
    return true;
  } catch {
    return false;
  } finally {
    for (const file of files) file.close();
  }
}

/** The error for a limit on open files. */
export function outOfDescriptors(what: string, cause?: unknown): UserError {
  return new UserError(`Cannot ${what}: too many open files`, {
    next: "raise `ulimit -n`, then try again",
    kind: "limit",
    cause,
  });
}

let isLimitExpected = false;

/** Has {@link catchFileLimit} act: in the program itself, and not where its modules are tested. */
export function expectFileLimit(): void {
  isLimitExpected = true;
}

/** Lets a write beyond `ulimit -f` fail; by default its signal ends the process in the middle of it. */
export function catchFileLimit(): void {
  if (!isLimitExpected || !hasDescriptors()) return;
  isLimitExpected = false;
  try {
    Deno.addSignalListener("SIGXFSZ", () => {});
  } catch {
    // This platform does not know the signal.
  }
}

/** Wraps an operating system error into one line that names the path. */
export function fault(action: string, path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  if (error instanceof Deno.errors.NotCapable) {
    return new UserError(
      `Cannot ${action} "${path}": compiled programs are kept out of /dev, /proc and /sys`,
      {
        next: "name a path elsewhere; LOOOP_DATA_DIR names the data dir",
        kind: "io",
        cause: error,
      },
    );
  }
  // Deno appends ": <operation> '<path>'"; the message names the path already.
  const reason = String((error as Error)?.message ?? error).replace(/:\s+\w+ '.*$/s, "");
  return new UserError(`Cannot ${action} "${path}": ${reason}`, {
    next: advice(error),
    kind: "io",
    cause: error,
  });
}
