/** An engine of the test's own whose jobs are on another machine, as far as they can tell; home sees their folder. */
import { writeExecutable } from "../executable.ts";
import { sh } from "./host.ts";

/** Why it cannot be had here; undefined when it can. */
export function folderMissing(): string | undefined {
  return Deno.build.os === "linux" && Deno.uid() === 0 ? undefined : "it needs root on Linux";
}

/** A job: a process table, a machine and a boot of its own. Called in the job's folder. */
const JOB = (base: string) =>
  `#!/bin/sh
mkdir begun || exit
echo $$ >pid
env -i HOME=${base}/home PATH="$PATH" unshare --pid --fork --kill-child --mount-proc sh -c '
  mount --bind ${base}/machine-id /etc/machine-id && mount --bind ${base}/boot /proc/sys/kernel/random/boot_id &&
  exec sh -c '\\''IFS= read -r l; eval "$(printf %b "$l")"'\\' <boot >out 2>&1 &
echo $! >inner
wait $!
echo $? >.code && mv .code code
`;

const DRIVER = (base: string) =>
  `#!/bin/sh
in=$(cat) jobs=${base}/jobs/$LOOOP_HOME
get() { printf '%s\\n' "$in" | sed -n 's/.*"'"$1"'":"\\([^"]*\\)".*/\\1/p'; }
case $1 in
describe) cat ${base}/describe ;;
folder) cat ${base}/answer ;;
start)
  job=$jobs/$(get name) new=${base}/new.$$
  # However often it is cut, a job is begun whole, and once.
  mkdir -p "$jobs" "$new" && get boot | sed 's/\\\\\\\\/\\\\/g' >"$new/boot" && mv -T "$new" "$job" || rm -rf "$new"
  [ -d "$job/begun" ] || (cd "$job" && setsid ${base}/job </dev/null >/dev/null 2>&1 &)
  echo '{"handle":"x"}'
  ;;
list)
  echo '{"jobs":['
  comma=
  for job in "$jobs"/*; do
    [ -f "$job/pid" ] || continue
    code=0 state=running
    if [ -f "$job/code" ]; then state=exited code=$(cat "$job/code"); elif ! kill -0 "$(cat "$job/pid")"; then state=lost; fi
    echo "$comma{\\"name\\":\\"\${job##*/}\\",\\"handle\\":\\"x\\",\\"state\\":\\"$state\\",\\"code\\":$code}"
    comma=,
  done
  echo ']}'
  ;;
stop) kill -KILL "$(cat "$jobs/$(get name)/inner")"; echo '{}' ;;
*) exit 3 ;;
esac 2>/dev/null
`;

/** The engine, in a folder of its own. */
export class FolderHost implements AsyncDisposable {
  readonly base: string;

  private constructor(base: string) {
    this.base = base;
  }

  static async open(): Promise<FolderHost> {
    const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "looop-folder-" }));
    const host = new FolderHost(base);
    await sh(`mkdir -m 700 ${base}/jobs ${base}/home ${base}/shared`);
    writeExecutable(`${base}/job`, JOB(base));
    writeExecutable(`${base}/driver`, DRIVER(base));
    await Deno.writeTextFile(`${base}/machine-id`, `${crypto.randomUUID().replaceAll("-", "")}\n`);
    await Deno.writeTextFile(`${base}/boot`, `${crypto.randomUUID()}\n`);
    host.describe({});
    host.answer({ path: `${base}/shared` });
    return host;
  }

  /** The wiring of it. */
  get driver(): { driver: string } {
    return { driver: `${this.base}/driver` };
  }

  /** What the driver says of itself, with these changes. */
  describe(change: Record<string, unknown>): void {
    const verbs = ["start", "list", "stop", "folder"];
    const text = JSON.stringify({ v: 1, verbs, calls: "folder", max_name: 100, ...change });
    Deno.writeTextFileSync(`${this.base}/describe`, text);
  }

  /** What the driver replies to `folder`. */
  answer(value: unknown): void {
    Deno.writeTextFileSync(`${this.base}/answer`, JSON.stringify(value));
  }

  /** The folder of a worker's present run, as home sees it. */
  async run(id: string): Promise<string> {
    const { stdout } = await new Deno.Command("sh", { args: ["-c", `echo ${this.base}/shared/*/w/${id}.*`] })
      .output();
    return new TextDecoder().decode(stdout).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await sh(
      `for f in ${this.base}/jobs/*/*/inner; do [ ! -f "$f" ] || kill -KILL "$(cat "$f")" 2>/dev/null; done
      for f in ${this.base}/jobs/*/*/pid; do
        [ -f "$f" ] || continue
        i=0; while kill -0 "$(cat "$f")" 2>/dev/null && [ $i -lt 100 ]; do i=$((i + 1)); sleep 0.1; done
      done; rm -rf ${this.base}`,
    );
  }
}
