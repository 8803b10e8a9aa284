/**
 * The programs that are sent to a host's `sh`: one line of data each, so that nothing in them needs quoting. Pure.
 */
import { SUPERVISOR } from "../sessions/supervisor.ts";
import { shellQuote } from "../text/quote.ts";
import { FAR_TEXTS } from "./far_texts.ts";
import { encodeText } from "../text/quote.ts";
import type { RunName } from "./protocol.ts";

/**
 * The first line: the shell there reports that it listens, and runs the single line that comes next. It works in
 * whatever login shell, since it has no word to which any of them gives another meaning. Nothing more is sent until
 * it has answered, as dash and busybox read ahead.
 */
export const GREETING = `echo looop-ready; exec sh -c 'IFS= read -r l; eval "$(printf %b "$l")"'\n`;
/** The answer to the greeting; anything before it is a banner. */
export const READY = "looop-ready";

/** One line for a shell that runs {@link GREETING}. */
export function asLine(program: string): string {
  return `${encodeText(program)}\n`;
}

/** The folder of a home's things on a host, as the shell there spells it. */
export function farFolder(home: string): string {
  return `"\${XDG_STATE_HOME:-$HOME/.local/state}/looop-far/${home}"`;
}

/** Lays out looop's files there, unless they are the same already, and changes to the folder. */
function prelude(home: string, shared?: string): string {
  const texts = { ...FAR_TEXTS, supervisor: SUPERVISOR };
  const version = versionOf(Object.values(texts));
  const puts = Object.entries(texts).map(([name, text]) => `put ${name} ${shellQuote(text)}`).join("\n");
  return `LOOOP_UMASK=$(umask)
export LOOOP_UMASK
umask 077
FAR=${shared === undefined ? farFolder(home) : shellQuote(shared)}
mkdir -p "$FAR/bin" "$FAR/posts" "$FAR/w" && cd "$FAR" || { echo "refused 1 cannot make $FAR"; exit 1; }
FAR=$(pwd -P)
cd "$FAR"
if [ "$(cat bin/version 2>/dev/null)" != ${version} ]; then
  put() { new=$(mktemp bin/.XXXXXX) && printf '%s\\n' "$2" >"$new" && chmod 700 "$new" && mv -f "$new" "bin/$1"; }
  ${puts}
  put version ${version}
fi
`;
}

/** A short text that identifies texts: the same for the same. */
function versionOf(texts: readonly string[]): string {
  let hash = 0xcbf29ce484222325n;
  for (const char of texts.join("\0")) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(char.codePointAt(0) ?? 0)) * 0x100000001b3n);
  }
  return hash.toString(16);
}

/** The program of the link. */
export function postProgram(home: string, machine: string, take: boolean): string {
  return `${prelude(home)}exec sh "$FAR/bin/far" post ${shellQuote(machine)} ${take ? 1 : 0}\n`;
}

/**
 * The program of the link to a shared folder, for a shell of this machine. Its text is ours: nothing that lies in the
 * folder is run here.
 */
export function folderPostProgram(folder: string, machine: string, take: boolean): string {
  const words = [FAR_TEXTS["far"] ?? "", `${folder}/bin/far`].map(shellQuote).join(" ");
  return `umask 077
mkdir -p ${shellQuote(folder)}/posts ${shellQuote(folder)}/w || exit 1
exec sh -c ${words} post ${shellQuote(machine)} ${take ? 1 : 0} apart
`;
}

/** Everything that makes up a run on a host. */
export interface FarRun extends RunName {
  /** The agent's shell line. */
  command: string;
  /** Files for the run's folder: `prompt.md` and whatever else the command names. */
  files: Readonly<Record<string, string>>;
  /** Variables in addition to those of the login shell there. */
  env: Readonly<Record<string, string>>;
  /** Folder in which it starts; the run's own by default, another run's as `../ID.GEN`. */
  cwd?: string | undefined;
  /** A shell text that calls `record PATH NAME` for each file of the agent's own record there. */
  records?: string | undefined;
  /** The first signal of a stop, for the agent itself; TERM by default. */
  lead?: "KILL" | undefined;
  /** The program that must be on PATH there. */
  program?: string | undefined;
  /** Minutes without contact to home after which it ends itself; 0 for never. */
  orphanMinutes: number;
  /**
   * As the main process of a container or job: seconds for which it stays after its agent's end, so that home can
   * fetch everything.
   */
  lingerS?: number | undefined;
  /** The folder of this home's things there, when home sees it, too: it is at the same path on both machines. */
  shared?: string | undefined;
}

/**
 * A placeholder for the run's folder on the host, unknown at home, in the command and the variables. In files for the
 * agent it is a path that stays the same: a resumed conversation still names the one it was told first.
 */
export function farDir({ gen }: Pick<RunName, "gen">): string {
  return `@looop-${gen}@`;
}

/**
 * The worker's looop: it knows its own run, whatever the agent does to its environment. What an earlier run has left
 * running finds it by the same path, and is refused.
 */
function launcher({ id, gen }: RunName): string {
  return `#!/bin/sh
[ "\${LOOOP_SESSION_GEN:-${gen}}" = ${gen} ] || { echo "looop: this run of ${id} is over: stop" >&2 && exit 1; }
LOOOP_CALLS=$(cd "\${0%/*}" && pwd -P) LOOOP_SESSION_ID=${id} LOOOP_SESSION_GEN=${gen}
export LOOOP_CALLS LOOOP_SESSION_ID LOOOP_SESSION_GEN
exec /bin/sh "$LOOOP_CALLS/shim" "$@"
`;
}

/** Lays a run out; safe to repeat. */
function layout(run: FarRun): string {
  const { id, gen } = run;
  const exports = Object.entries(run.env).map(([name, value]) => `export ${name}=${shellQuote(value)}\n`);
  const files: [string, string][] = [
    ["looop", launcher(run)],
    ["command", run.command],
    ["cwd", `${run.cwd?.startsWith("../") ? `${farDir(run)}/${run.cwd}` : run.cwd ?? farDir(run)}\n`],
    ["env", exports.join("")],
    ["program_name", run.program === undefined ? "" : `${run.program}\n`],
    ["records", run.records ?? ""],
    ["lead", run.lead === undefined ? "" : `${run.lead}\n`],
    ["meta.json", `${JSON.stringify({ v: 1, id, gen })}\n`],
    ["orphan", run.orphanMinutes > 0 ? `${run.orphanMinutes}\n` : ""],
    ...(run.lingerS === undefined ? [] : [["linger", `${run.lingerS}\n`] as [string, string]]),
  ];
  return `W=$FAR/w/${id}.${gen}
case $W in *[!A-Za-z0-9_./:=@%+,-]*) echo "refused 1 the folder $W has an odd name"; exit 1 ;; esac
mkdir -p "$W/calls" "$W/replies" "$W/acks" "$W/wait" "$W/reports" || exit 1
${run.shared === undefined ? `[ -h "$W/bell" ] || ln -s ../../posts/bell "$W/bell"` : ': >"$W/poll"'}
[ -h "$W/far" ] || ln -s ../../bin/far "$W/far"
[ -h "$W/shim" ] || ln -s ../../bin/shim "$W/shim"
lay() { printf %s "$2" | sed "s|${farDir(run)}|\${3:-$W}|g" >"$W/.$1.$$" && mv -f "$W/.$1.$$" "$W/$1"; }
${
    Object.entries(run.files).map(([name, text]) => `lay ${name} ${shellQuote(text)} "$FAR/now/${id}"`).join(
      "\n",
    )
  }
${files.map(([name, text]) => `lay ${name} ${shellQuote(text)}`).join("\n")}
chmod 700 "$W/looop"
`;
}

/** The program that starts a run; it prints `started`, `refused CODE WHY` or `unknown WHY`, and the run's folder. */
export function startProgram(home: string, run: FarRun): string {
  return `${prelude(home)}${layout(run)}echo "dir $W"\nexec sh "$FAR/bin/far" start "$W"\n`;
}

/** The program of a job's main process: it lays the run out and becomes its supervisor. */
export function jobProgram(home: string, run: FarRun): string {
  return `${prelude(home, run.shared)}${layout(run)}exec sh "$FAR/bin/far" sup "$W"\n`;
}

/** A run to end, and how. */
export interface EndingRun extends RunName {
  state: string;
  by: string;
}

/** The program that ends runs, all by one look; prints `stopped ID.GEN` for each of which no process is left. */
export function stopProgram(home: string, runs: readonly EndingRun[]): string {
  const said = runs.map(({ id, gen }) => `echo "stopped ${id}.${gen}"\n`).join("");
  const each = runs.map(({ id, gen, state, by }) => `set -- "$@" "$FAR/w/${id}.${gen}" ${state} ${by}\n`);
  return `${prelude(home)}
set --
${each.join("")}[ $# = 0 ] || sh "$FAR/bin/far" stop "$@" || exit
${said}`;
}

/**
 * The program that checks the work of a run that is over, once: says `line TEXT` for the last lines of what the check
 * printed, then `verdict CODE`; `verdict again` where it was begun before, `verdict -` where it cannot run. Nothing of it
 * outlives its own shell: a second one watches that.
 */
export function checkProgram(home: string, { id, gen }: RunName, line: string, limitS: number): string {
  return `FAR=${farFolder(home)}
cd "$FAR/w/${id}.${gen}" 2>/dev/null || { echo "line its folder is gone"; echo "verdict -"; exit; }
W=$(pwd -P)
mkdir checked 2>/dev/null || { echo "verdict again"; exit; }
IFS= read -r cwd <cwd
cd "$cwd" 2>/dev/null || { echo "line there is no folder $cwd any more"; echo "verdict -"; exit; }
. "$W/env"
LOOOP_VERIFY=${gen}
export LOOOP_VERIFY
begin() {
  command -v setsid >/dev/null && exec setsid "$@"
  exec "$@"
}
command -v setsid >/dev/null || set -m
begin bash -c ${shellQuote(line)} </dev/null >"$W/checked/out" 2>&1 &
pid=$! until=$(($(date +%s) + ${limitS})) late=
begin sh -c 'while kill -0 "$1"; do sleep 1; done; kill -KILL "-$2"' watch $$ "$pid" </dev/null >/dev/null 2>&1 &
watch=$!
while kill -0 "$pid" 2>/dev/null; do
  [ -n "$late" ] || [ "$(date +%s)" -lt "$until" ] || { late=1 until=$((until + 5)) && kill -TERM "-$pid"; }
  [ -z "$late" ] || [ "$(date +%s)" -lt "$until" ] || kill -KILL "-$pid"
  sleep 0.2 2>/dev/null || sleep 1
done 2>/dev/null
wait "$pid"
code=$?
kill -KILL "-$pid" "-$watch" 2>/dev/null
[ -z "$late" ] || code=124
tail -c 16384 "$W/checked/out" | tail -n 20 | LC_ALL=C sed 's/^/line /'
[ -z "$late" ] || echo "line timed out after ${limitS} s"
echo "verdict $code"
`;
}
