/**
 * Where agent CLIs keep their own records of a session. These files belong to other programs: read, never written.
 */
import { baseName, dirName } from "../paths.ts";
import type { RecordsKind } from "../records/presets.ts";
import { isRecord } from "../text/json.ts";
import { listEntries, quietStat, readHeadBytes } from "../store.ts";

type Env = Readonly<Record<string, string>>;

/** One session of an agent CLI. */
export interface AgentSession {
  /** `other` is a user's own runner, whose records looop cannot read. */
  cli: RecordsKind | "other";
  /** The CLI's own id for it; "" while it is not known. */
  id: string;
  /** Folder (opencode: data home) below which the CLI keeps its records. */
  records: string;
  /** The record itself, where the CLI gives its path. */
  file?: string;
}

/** The layout of one CLI's records. */
interface Layout {
  /** The folder that holds all sessions, by the CLI's environment. */
  folder(env: Env, home: string): string;
  /** The records of all sessions below the folder. */
  all(folder: string): string[];
  /** The records of one session; found without reading the others when the id is in the name. */
  of(folder: string, id: string): string[];
  /** The session of a record. */
  id(file: string): string;
  /**
   * Shell words that print the records of one session on another machine: its folder, patterns below that, and each
   * one's name in a folder of ours that has the same layout. Only where the id can be given at the start. `ends` is a
   * pattern for grep: the reply in which the agent calls its end, for a CLI that records it only after the call.
   */
  there?(id: string): { folder: string; patterns: string[]; name: string; ends?: string };
}

const LAYOUTS: Readonly<Record<RecordsKind, Layout>> = {
  pi: {
    folder: (env, home) =>
      env["PI_CODING_AGENT_SESSION_DIR"] || `${env["PI_CODING_AGENT_DIR"] || `${home}/.pi/agent`}/sessions`,
    all: (folder) => inFolders([folder, ...foldersIn(folder)], isLines),
    of: (folder, id) =>
      inFolders([folder, ...foldersIn(folder)], (name) => name.endsWith(`_${id}.jsonl`)).slice(0, 1),
    id: (file) => stem(file).replace(/^.*_/, ""),
    there: (id) => ({
      folder: "${PI_CODING_AGENT_SESSION_DIR:-${PI_CODING_AGENT_DIR:-$HOME/.pi/agent}/sessions}",
      patterns: [`*_${id}.jsonl`, `*/*_${id}.jsonl`],
      name: "${file##*/}",
    }),
  },
  claude: {
    folder: (env, home) => `${env["CLAUDE_CONFIG_DIR"] || `${home}/.claude`}/projects`,
    all: (folder) => inFolders(foldersIn(folder), isLines),
    // Subagents have files of their own beside the transcript.
    of: (folder, id) =>
      foldersIn(folder).flatMap((project) =>
        ifFile(`${project}/${id}.jsonl`).flatMap((main) => [main, ...filesBelow(`${project}/${id}`)])
      ),
    id: stem,
    there: (id) => ({
      folder: "${CLAUDE_CONFIG_DIR:-$HOME/.claude}/projects",
      patterns: [`*/${id}.jsonl`, `*/${id}/*.jsonl`, `*/${id}/*/*.jsonl`],
      name: "_/${file#$folder/*/}",
    }),
  },
  codex: {
    folder: (env, home) => `${env["CODEX_HOME"] || `${home}/.codex`}/sessions`,
    all: (folder) => codexDays(folder).flatMap((day) => inFolders([day], isLines)),
    of: codexFiles,
    id: (file) => stem(file).slice(-36),
  },
  opencode: {
    folder: (env, home) => env["XDG_DATA_HOME"] || `${home}/.local/share`,
    all: () => [],
    // The second file has what is not yet in the first.
    of: (folder) =>
      ["opencode.db", "opencode.db-wal"].flatMap((name) => ifFile(`${folder}/opencode/${name}`)),
    id: () => "",
  },
  gemini: {
    folder: (env, home) => `${env["GEMINI_CLI_HOME"] || home}/.gemini/tmp`,
    all: (folder) => inFolders(foldersIn(folder).map((project) => `${project}/chats`), isLines),
    // The name has the minute of the start, and only the first letters of the id. A resume in another minute leaves
    // an empty file of its own, and goes on in the first.
    of: (folder, id) =>
      LAYOUTS.gemini.all(folder).filter((file) =>
        file.endsWith(`-${id.slice(0, 8)}.jsonl`) && geminiId(file) === id
      ).sort(),
    id: geminiId,
  },
  qwen: {
    folder: (env, home) => `${env["QWEN_RUNTIME_DIR"] || env["QWEN_HOME"] || `${home}/.qwen`}/projects`,
    all: (folder) => inFolders(foldersIn(folder).map((project) => `${project}/chats`), isLines),
    of: (folder, id) => foldersIn(folder).flatMap((project) => ifFile(`${project}/chats/${id}.jsonl`)),
    id: stem,
    there: (id) => ({
      folder: "${QWEN_RUNTIME_DIR:-${QWEN_HOME:-$HOME/.qwen}}/projects",
      patterns: [`*/chats/${id}.jsonl`],
      name: "_/chats/${file##*/}",
      ends: '"type":"assistant".*_ done',
    }),
  },
  copilot: {
    folder: (env, home) => `${env["COPILOT_HOME"] || `${home}/.copilot`}/session-state`,
    all: (folder) => foldersIn(folder).flatMap((session) => ifFile(`${session}/events.jsonl`)),
    of: (folder, id) => ifFile(`${folder}/${id}/events.jsonl`),
    id: (file) => baseName(dirName(file)),
    there: (id) => ({
      folder: "${COPILOT_HOME:-$HOME/.copilot}/session-state",
      patterns: [`${id}/events.jsonl`],
      name: `${id}/events.jsonl`,
      ends: '"type":"assistant.message".*_ done',
    }),
  },
};

/** Where the records of a worker on another machine are copied to, in its session's folder. */
export const COPIED_RECORDS = "records";

/**
 * A shell text that calls `record PATH NAME` for each file of a session's record on another machine; "" where looop
 * cannot know them. Pure.
 */
export function recordsThere({ cli, id }: AgentSession): string {
  const there = cli === "other" || !/^[\w-]+$/.test(id) ? undefined : LAYOUTS[cli].there?.(id);
  if (there === undefined) return "";
  const files = there.patterns.map((pattern) => `"$folder"/${pattern}`).join(" ");
  const ends = there.ends === undefined ? "" : `ends='${there.ends}'\n`;
  return `${ends}folder=${there.folder}\nfor file in ${files}; do record "$file" "${there.name}"; done\n`;
}

/** Where a CLI keeps its records, by the CLI's environment. */
export function recordsFolder(cli: RecordsKind, env: Env): string {
  return LAYOUTS[cli].folder(env, env["HOME"] ?? "");
}

/** The files that hold a session's record; none when it cannot be found. */
export function recordFiles({ cli, id, records, file }: AgentSession): string[] {
  if (cli === "other" || id === "" && cli !== "opencode") return [];
  return file === undefined
    ? LAYOUTS[cli].of(records, id)
    : [...ifFile(file), ...LAYOUTS[cli].of(records, id)].slice(0, 1);
}

/**
 * The sessions of a CLI whose records were modified since `sinceMs` (unix ms), by file; opencode's are not included.
 */
export function sessionsSince(cli: RecordsKind, records: string, sinceMs: number): Map<string, string> {
  const recent = LAYOUTS[cli].all(records).filter((file) =>
    (quietStat(file)?.mtime?.getTime() ?? 0) >= sinceMs
  );
  return new Map(recent.map((file) => [file, LAYOUTS[cli].id(file)]));
}

function isLines(name: string): boolean {
  return name.endsWith(".jsonl");
}

function stem(file: string): string {
  return baseName(file).replace(/\.jsonl$/, "");
}

function ifFile(path: string): string[] {
  return quietStat(path)?.isFile ? [path] : [];
}

/** codex's folders, one for each day, the newest first. */
function codexDays(folder: string): string[] {
  const newestFirst = (folders: string[]) => folders.sort().reverse();
  return newestFirst(foldersIn(folder)).flatMap((year) =>
    newestFirst(foldersIn(year)).flatMap((month) => newestFirst(foldersIn(month)))
  );
}

function codexFiles(folder: string, id: string): string[] {
  for (const day of codexDays(folder)) {
    const found = inFolders([day], (name) => name.endsWith(`-${id}.jsonl`));
    if (found.length > 0) return found.sort();
  }
  return [];
}

/** Length that holds the first line of a gemini record, bytes. */
const FIRST_LINE_BYTES = 4096;

function geminiId(file: string): string {
  try {
    const [first = ""] = new TextDecoder().decode(readHeadBytes(file, FIRST_LINE_BYTES)).split("\n");
    const entry: unknown = JSON.parse(first);
    return isRecord(entry) ? String(entry["sessionId"] ?? "") : "";
  } catch {
    return ""; // removed in the meantime, or in a future format
  }
}

function foldersIn(folder: string): string[] {
  return quietEntries(folder).filter((entry) => entry.isDirectory).map((entry) => `${folder}/${entry.name}`);
}

function inFolders(folders: readonly string[], fits: (name: string) => boolean): string[] {
  return folders.flatMap((folder) =>
    quietEntries(folder).filter((entry) => entry.isFile && fits(entry.name)).map((entry) =>
      `${folder}/${entry.name}`
    )
  );
}

function filesBelow(folder: string): string[] {
  return [...inFolders([folder], isLines), ...foldersIn(folder).flatMap(filesBelow)];
}

/** Other programs' folders may be unreadable: then there is no record. */
function quietEntries(folder: string): Deno.DirEntry[] {
  try {
    return listEntries(folder);
  } catch {
    return [];
  }
}
