/** Writes programs for tests so that they can be run at once. */

/**
 * Writes an executable file, in a process of its own.
 *
 * Tests run as threads of one process. If the file were open for writing there while another thread starts a
 * child, the child would keep it open until its own exec, and running the file would fail with "Text file
 * busy" (ETXTBSY).
 */
export function writeExecutable(path: string, text: string): void {
  const { success, stderr } = new Deno.Command("/bin/sh", {
    args: ["-c", 'rm -f "$1" && printf %s "$2" >"$1" && chmod 755 "$1"', "sh", path, text],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).outputSync();
  if (!success) throw new Error(`cannot write ${path}: ${new TextDecoder().decode(stderr)}`);
}
