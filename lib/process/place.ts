/** Where this process is: its machine and its pid namespace. */
import { quietText, readLinkedText } from "../store.ts";
import { PLATFORM } from "./platform.ts";

let machine: string | undefined;
let space: string | undefined;

/** The machine's own id: that of systemd or dbus, else its name; on macOS the platform's UUID. */
export async function ownMachine(): Promise<string> {
  return machine ??= machineAtHand() ?? await askPlatformId();
}

/** The machine's id where it is known without a child process; undefined elsewhere. */
export function machineAtHand(): string | undefined {
  if (PLATFORM === "linux") machine ??= readMachineId();
  return machine;
}

/** Reads what the supervisor's shell reads (`sessions/supervisor.ts`). */
function readMachineId(): string {
  const ids = ["/etc/machine-id", "/var/lib/dbus/machine-id"].map((path) =>
    quietText(path, readLinkedText)?.split("\n")[0] ?? ""
  );
  return ids.find((id) => id.length === 32) ?? Deno.hostname();
}

async function askPlatformId(): Promise<string> {
  const text = await outputOf("ioreg", "-rd1", "-c", "IOPlatformExpertDevice");
  return /"IOPlatformUUID" = "(.*)"/.exec(text)?.[1] ?? "-";
}

/** The pid namespace of this process, `-` where there are none. */
export async function ownSpace(): Promise<string> {
  return space ??= spaceAtHand() ?? spaceIn(await outputOf("readlink", SPACE));
}

const SPACE = "/proc/self/ns/pid";

/** The pid namespace where it is known without a child process; undefined where the runtime may not read it. */
export function spaceAtHand(): string | undefined {
  if (PLATFORM === "darwin") return "-";
  try {
    space ??= spaceIn(Deno.readLinkSync(SPACE));
  } catch {
    // Only a child process can read it.
  }
  return space;
}

/** The number in `pid:[4026531836]`. */
function spaceIn(link: string): string {
  return /\d+/.exec(link)?.[0] ?? "-";
}

/** The output of a small program, "" when it cannot be run. */
async function outputOf(program: string, ...args: string[]): Promise<string> {
  const { runSmall } = await import("./spawn.ts");
  return (await runSmall(program, args).catch(() => ({ stdout: "" }))).stdout;
}
