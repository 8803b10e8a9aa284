/** The story of a worker, read from its agent's own records while they grow. */
import { completeAgent } from "./find_session.ts";
import { type Asking, opencodeParts } from "./opencode.ts";
import { type AgentSession, recordFiles } from "./record_files.ts";
import { opencodeStory, type StoryItem, storyLines, type StoryReader, storyReader, Turn } from "./story.ts";
import { LineSplitter } from "../text/lines.ts";
import { isRecord, parseRecord } from "../text/json.ts";
import { sanitize } from "../text/style.ts";
import type { Profile } from "../paths.ts";
import { readTailBytes } from "../store.ts";

/** The surroundings of reading: profile, and those of a query. */
export type StoryHost = Asking & { profile: Profile };

/** A source of the new items in one session since the last read. */
interface Source {
  read(): Promise<StoryItem[]>;
}

/** Reads the story of one run of a worker, piece by piece. */
export class Story {
  readonly #host: StoryHost;
  readonly #id: string;
  readonly #dir: string;
  readonly #sources = new Map<string, Source>();

  constructor(host: StoryHost, id: string, dir: string) {
    this.#host = host;
    this.#id = id;
    this.#dir = dir;
  }

  /** Whether the agent has recorded anything so far. */
  get isKnown(): boolean {
    return this.#sources.size > 0;
  }

  /**
   * The new lines since the last call, safe to print.
   *
   * @throws {NotAnswered} when opencode did not answer.
   */
  async read(): Promise<string[]> {
    const agent = await completeAgent(this.#host, this.#id, this.#dir);
    const asking = { ...this.#host, env: { ...this.#host.env, ...agent?.env } };
    for (const session of agent?.sessions ?? []) this.#open(session, asking);
    const lines: string[] = [];
    for (const source of this.#sources.values()) lines.push(...(await source.read()).flatMap(storyLines));
    return lines.map((line) => sanitize(line).replaceAll("\n", " "));
  }

  #open(session: AgentSession, asking: Asking): void {
    const { cli, id } = session;
    if (cli === "other" || this.#sources.has(id)) return;
    const [main] = recordFiles(session);
    if (main === undefined && cli !== "opencode") return;
    const source = cli === "opencode"
      ? new OpencodeSource(session, asking)
      : new FileSource(main ?? "", storyReader(cli));
    this.#sources.set(id, source);
  }
}

/** Size of one read, bytes. */
const CHUNK = 256 * 1024;

/** A record in lines, to which its CLI appends. */
class FileSource implements Source {
  readonly #lines = new LineSplitter();
  #offset = 0;

  constructor(readonly path: string, readonly reader: StoryReader) {}

  read(): Promise<StoryItem[]> {
    return Promise.resolve(this.readNow());
  }

  readNow(): StoryItem[] {
    const items: StoryItem[] = [];
    const file = Deno.openSync(this.path, { read: true });
    try {
      file.seekSync(this.#offset, Deno.SeekMode.Start);
      const buffer = new Uint8Array(CHUNK);
      for (let n = file.readSync(buffer); n !== null; n = file.readSync(buffer)) {
        this.#offset += n;
        for (const line of this.#lines.push(buffer.subarray(0, n))) {
          const entry = parseRecord(line);
          if (entry !== undefined) items.push(...this.reader(entry));
        }
      }
    } finally {
      file.close();
    }
    return items;
  }
}

/** A session in opencode's database, whose parts change until they are finished. */
class OpencodeSource implements Source {
  readonly #turn = new Turn();
  /** Number of items read of each part; a finished part gets no more. */
  readonly #read = new Map<string, number>();
  readonly #over = new Set<string>();

  constructor(readonly session: AgentSession, readonly asking: Asking) {}

  async read(): Promise<StoryItem[]> {
    const { id, records } = this.session;
    const parts = await opencodeParts(id, records, this.asking);
    return parts.flatMap(({ id, role, data, isLast }) => {
      if (this.#over.has(id)) return [];
      // The text of the last part may still grow.
      if (data["type"] === "text" && role === "assistant" && isLast && !isRecord(data["time"])) return [];
      const items = opencodeStory(data, role, this.#turn);
      const before = this.#read.get(id) ?? 0;
      this.#read.set(id, items.length);
      const { status } = isRecord(data["state"]) ? data["state"] : {} as Record<string, unknown>;
      if (data["type"] !== "tool" || status === "completed" || status === "error") this.#over.add(id);
      return items.slice(before);
    });
  }
}

/** Length of a record's end that is read for the last text, bytes. */
const LAST_BYTES = 64 * 1024;

/** The last entry in the records of these sessions, if it is an agent's text or an error; else undefined. */
export function lastSaid(sessions: readonly AgentSession[]): string | undefined {
  const session = sessions.at(-1);
  if (session === undefined || session.cli === "other" || session.cli === "opencode") return undefined;
  const [main] = recordFiles(session);
  if (main === undefined) return undefined;
  const reader = storyReader(session.cli);
  const lines = new TextDecoder().decode(readTailBytes(main, LAST_BYTES)).split("\n");
  const items = lines.map(parseRecord).flatMap((entry) => entry === undefined ? [] : reader(entry));
  const last = items.findLast(({ kind }) => kind !== "end");
  return last?.kind === "text" || last?.kind === "error" ? last.text : undefined;
}

/** A call of one of looop's verbs within a command. */
const VERB_CALL = /\s_\s+[a-z]+/g;

/** How many calls of looop's verbs the records of these sessions show. */
export function callsRecorded(sessions: readonly AgentSession[]): number {
  return sessions.reduce((sum, session) => {
    const [main] = recordFiles(session);
    if (main === undefined || session.cli === "other" || session.cli === "opencode") return sum;
    const items = new FileSource(main, storyReader(session.cli)).readNow();
    const commands = items.flatMap((item) => item.kind === "call" ? [JSON.stringify(item.input)] : []);
    return sum + commands.reduce((count, command) => count + (command.match(VERB_CALL)?.length ?? 0), 0);
  }, 0);
}
