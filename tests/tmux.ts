/** A real terminal for tests: a tmux server of its own with one pane, driven by keys and read as text. */
import { looopCommand, type TestProfile } from "./looop.ts";

/** Whether there is a tmux; without it a line says that the tests that need it are skipped. */
export const HAS_TMUX = await new Deno.Command("tmux", { args: ["-V"], stdout: "null", stderr: "null" })
  .output().then(({ success }) => success, () => false);
// deno-lint-ignore no-console -- skipped tests must be seen
if (!HAS_TMUX) console.log("no tmux here: the tests of full screens are skipped");

/** How long a test waits for the terminal to show something, s. */
const PATIENCE_S = 40;

/** One terminal. */
export class Terminal implements AsyncDisposable {
  readonly #p: TestProfile;
  readonly #env: Record<string, string>;

  private constructor(p: TestProfile, env: Record<string, string>) {
    this.#p = p;
    this.#env = env;
  }

  /**
   * Opens a terminal in which a shell prints `before`, calls looop, and prints `rc=` with its exit code
   * and the terminal's modes.
   */
  static async open(
    p: TestProfile,
    args: readonly string[],
    { columns = 80, rows = 24, env = {}, command = looopCommand() }: {
      columns?: number;
      rows?: number;
      env?: Record<string, string>;
      /** The command to call instead of looop. */
      command?: readonly string[];
    } = {},
  ): Promise<Terminal> {
    const terminal = new Terminal(p, { ...p.env, TERM: "xterm-256color", SHELL: "/bin/sh", ...env });
    const words = [...command, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
    const script = `echo before; ${words.join(" ")}; echo "rc=$?"; stty -a; exec sleep 1000`;
    const size = ["-x", String(columns), "-y", String(rows)];
    await terminal.tmux("-f", "/dev/null", "new-session", "-d", ...size, script);
    return terminal;
  }

  /** Calls tmux and returns what it printed. */
  async tmux(...args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-u", "-S", `${this.#p.base}/tmux`, ...args],
      env: this.#env,
      clearEnv: true,
      cwd: this.#p.base,
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    if (!success) throw new Error(`tmux ${args.join(" ")}: ${text.decode(stderr)}`);
    return text.decode(stdout);
  }

  /** The rows of the screen. */
  async rows(): Promise<string[]> {
    return (await this.tmux("capture-pane", "-p")).replace(/\n$/, "").split("\n");
  }

  /** Waits until the screen as text matches, and returns its rows. */
  async until(what: RegExp): Promise<string[]> {
    let rows: string[] = [];
    const holds = async () => what.test((rows = await this.rows()).join("\n"));
    await this.#p.until(`${what} on the screen`, holds, PATIENCE_S).catch((error) => {
      throw new Error(`${(error as Error).message}; it shows:\n${rows.join("\n")}`);
    });
    return rows;
  }

  /** Presses keys, by the names tmux has for them. */
  async keys(...keys: string[]): Promise<void> {
    await this.tmux("send-keys", ...keys);
  }

  /** Types a text. */
  async type(text: string): Promise<void> {
    await this.tmux("send-keys", "-l", text);
  }

  /** Resizes the window. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** Whether the alternate screen is on and the cursor shown. */
  async modes(): Promise<{ alternate: boolean; cursor: boolean }> {
    const [alternate, cursor] = (await this.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}"))
      .trim().split(" ");
    return { alternate: alternate === "1", cursor: cursor === "1" };
  }

  /** Pid of looop, the shell's only child. */
  async pid(): Promise<number> {
    const shell = (await this.tmux("display-message", "-p", "#{pane_pid}")).trim();
    const { stdout } = await new Deno.Command("ps", { args: ["-A", "-o", "pid=,ppid="] }).output();
    const rows = new TextDecoder().decode(stdout).split("\n").map((line) => line.trim().split(/\s+/));
    return Number(rows.find(([, parent]) => parent === shell)?.[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pids = (await this.tmux("display-message", "-p", "#{pid} #{pane_pid}").catch(() => "")).trim();
    await this.tmux("kill-server").catch(() => {});
    for (const pid of pids.split(" ").filter((word) => word !== "")) {
      await this.#p.until(`the end of tmux's process ${pid}`, () => !isThere(Number(pid)));
    }
  }
}

function isThere(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGURG");
    return true;
  } catch {
    return false;
  }
}
