/**
 * Reads what opencode records of its sessions, in a database.
 *
 * opencode neither accepts a session id at the start nor passes one to its shell tool. A worker's session is found by
 * the words that only its prompt has; a root agent's by its shell tool: which session was running a command of
 * looop's at the moment when a verb was called.
 */
import { type Candidate, LONGEST_COMMAND_MS, type UnnamedCall } from "./unnamed.ts";
import { ModelSums, numberOf, type Recorded, type Tokens } from "./tokens.ts";
import { oneLine } from "../errors.ts";
import { runCommand } from "../process/capture.ts";
import { findProgram } from "../process/programs.ts";
import { quietStat } from "../store.ts";
import { isRecord, parseRecord } from "../text/json.ts";
import { workerTitle } from "./contract.ts";

type Env = Readonly<Record<string, string>>;
type Row = Record<string, unknown>;

/** The surroundings of a query: environment, patience, and what to call while it lasts. */
export interface Asking {
  env: Env;
  /** Called once when an answer takes more than 2 s, with what is being waited for. */
  waiting?(what: string): void;
  /** Longest time to wait for an answer, ms; 90 s by default. */
  patienceMs?: number;
}

/** Thrown when opencode has not answered: the content of its database is unknown, which is different from empty. */
export class NotAnswered extends Error {}

/** Longest time for opencode to answer, ms; on a busy machine it takes a minute to start. */
const PATIENCE_MS = 90_000;
/** Time after which the caller is informed about the wait, ms. */
const SAID_AFTER_MS = 2_000;
/** Time for which a database that has not answered is not asked again, ms. */
const NOT_AGAIN_MS = 60_000;
/** Largest answer, bytes. */
const ANSWER_BYTES = 16 * 1024 * 1024;

/** When each database last failed to answer, ms since this process began, by data home. */
const silent = new Map<string, number>();

/**
 * Queries opencode's database: the file itself, in milliseconds; when it is missing or has another form, opencode.
 *
 * @throws {NotAnswered} when opencode did not answer in time, or failed.
 */
async function query(sql: string, records: string, asking: Asking): Promise<Row[]> {
  return await readDatabase(sql, `${records}/opencode/opencode.db`) ??
    await askOpencode(sql, records, asking);
}

async function readDatabase(sql: string, path: string): Promise<Row[] | undefined> {
  if (quietStat(path)?.isFile !== true) return undefined;
  try {
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      return database.prepare(sql).all() as Row[];
    } finally {
      database.close();
    }
  } catch {
    return undefined; // locked, or of a future version: opencode itself can read it
  }
}

async function askOpencode(sql: string, records: string, asking: Asking): Promise<Row[]> {
  const { env, waiting, patienceMs = PATIENCE_MS } = asking;
  const program = findProgram("opencode", env["PATH"] ?? "");
  if (program === undefined) return [];
  if (performance.now() - (silent.get(records) ?? -Infinity) < NOT_AGAIN_MS) {
    throw new NotAnswered("opencode has not answered yet");
  }
  const timer = setTimeout(() => waiting?.("opencode's database"), SAID_AFTER_MS);
  const { code, endedBy, stdout, stderr } = await runCommand({
    argv: [program, "db", sql, "--format", "json"],
    cwd: "/",
    env: { ...env, XDG_DATA_HOME: records },
    mark: { name: "LOOOP_RUN", value: crypto.randomUUID() },
    timeoutMs: patienceMs,
    tailBytes: ANSWER_BYTES,
  }).finally(() => clearTimeout(timer));
  const rows = endedBy === "self" && code === 0 ? rowsIn(stdout.bytes) : undefined;
  if (rows !== undefined) return rows;
  silent.set(records, performance.now());
  const said = oneLine(new TextDecoder().decode(stderr.bytes), 200);
  throw new NotAnswered(
    endedBy === "timeout" ? "opencode has not answered yet" : `opencode did not answer: ${said}`,
  );
}

function rowsIn(bytes: Uint8Array): Row[] | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes) || "[]");
    return Array.isArray(value) ? value.filter(isRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** The records of sessions and of the subagents below each; sessions that do not exist are left out. */
export async function readOpencode(
  ids: readonly string[],
  records: string,
  asking: Asking,
): Promise<Map<string, Recorded>> {
  const list = ids.filter((id) => /^[A-Za-z0-9_]+$/.test(id)).map((id) => `'${id}'`).join(", ");
  if (list === "") return new Map();
  const hasPart = (type: string) =>
    `exists (select 1 from part p where p.message_id = m.id and json_extract(p.data, '$.type') = '${type}')`;
  const rows = await query(
    "select id, parent_id, cost, tokens_input, tokens_output, tokens_cache_read, tokens_cache_write, time_updated, " +
      "(select count(*) from message m where m.session_id = session.id " +
      `and ${hasPart("step-start")} and not ${hasPart("step-finish")}) as unrecorded ` +
      `from session where id in (${list}) or parent_id in (${list})`,
    records,
    asking,
  );
  return new Map(ids.flatMap((id) => {
    const own = rows.filter((row) => row["id"] === id || row["parent_id"] === id);
    return own.some((row) => row["id"] === id) ? [[id, sumOf(own)] as const] : [];
  }));
}

function sumOf(rows: readonly Row[]): Recorded {
  const sums = new ModelSums();
  for (const row of rows) sums.add("", tokensOf(row));
  const unrecorded = rows.reduce((sum, row) => sum + numberOf(row["unrecorded"]), 0);
  return {
    ...sums.sum(),
    ...(unrecorded > 0 ? { unrecorded } : {}),
    usd: rows.reduce((sum, row) => sum + numberOf(row["cost"]), 0),
    touchedMs: Math.max(...rows.map((row) => numberOf(row["time_updated"]))),
  };
}

function tokensOf(row: Row): Tokens {
  return {
    input: numberOf(row["tokens_input"]),
    output: numberOf(row["tokens_output"]),
    cache_read: numberOf(row["tokens_cache_read"]),
    cache_write: numberOf(row["tokens_cache_write"]),
  };
}

/** Text as it appears in the database's JSON, escaped for LIKE within SQL. Pure. */
function likeText(words: string): string {
  return JSON.stringify(words).slice(1, -1).replaceAll("'", "''").replace(/[\\%_]/g, "\\$&");
}

/** Finds the session that was started with a worker's prompt since `sinceMs`. */
export async function findOpencodeSession(
  records: string,
  id: string,
  sinceMs: number,
  asking: Asking,
): Promise<string | undefined> {
  // On the command line of `opencode run`, a prompt is put in quotes, and quotes inside it are escaped.
  const titles = [workerTitle(id), workerTitle(id).replaceAll('"', '\\"')];
  const isTitled = titles.map((title) => `p.data like '%${likeText(title)}%' escape '\\'`).join(" or ");
  const [row] = await query(
    `select s.id as id from session s join part p on p.session_id = s.id where s.time_created >= ${sinceMs} ` +
      `and (${isTitled}) order by s.time_created limit 1`,
    records,
    asking,
  );
  return typeof row?.["id"] === "string" ? row["id"] : undefined;
}

/**
 * The sessions that may have made these calls. Workers' sessions are excluded; a subagent's counts as its parent's.
 */
export async function findCandidates(
  calls: readonly UnnamedCall[],
  records: string,
  asking: Asking,
): Promise<Candidate[]> {
  if (calls.length === 0) return [];
  const moments = calls.map(({ at }) => Math.floor(at));
  const begin = "json_extract(p.data, '$.state.time.start')";
  const end = "json_extract(p.data, '$.state.time.end')";
  const rows = await query(
    `with call(moment) as (values ${moments.map((at) => `(${at})`).join(", ")}) ` +
      "select distinct call.moment as moment, coalesce(s.parent_id, s.id) as id, s.directory as directory " +
      "from session s join part p on p.session_id = s.id join call " +
      `where s.time_updated >= ${Math.min(...moments) - LONGEST_COMMAND_MS} ` +
      "and p.data like '%\"type\":\"tool\"%' and p.data like '%looop%' " +
      `and ${begin} <= call.moment and coalesce(${end}, call.moment) >= call.moment ` +
      `and ${begin} >= call.moment - ${LONGEST_COMMAND_MS} ` +
      "and not exists (select 1 from part q where q.session_id = s.id " +
      "and json_extract(q.data, '$.type') = 'text' " +
      "and substr(json_extract(q.data, '$.text'), 1, 20) like '%You are worker%')",
    records,
    asking,
  );
  return rows.map((row) => ({
    at: Number(row["moment"]),
    id: String(row["id"]),
    directory: String(row["directory"]),
  }));
}

/** One part of a session: a text, a tool call, the end of a step. */
export interface OpencodePart {
  id: string;
  /** Role of the message to which it belongs. */
  role: string;
  data: Row;
  isLast: boolean;
}

/** All parts of a session, in order. @throws {NotAnswered} */
export async function opencodeParts(id: string, records: string, asking: Asking): Promise<OpencodePart[]> {
  if (!/^\w+$/.test(id)) return [];
  const rows = await query(
    "select p.id as id, p.data as data, json_extract(m.data, '$.role') as role from part p " +
      `join message m on m.id = p.message_id where p.session_id = '${id}' order by p.time_created, p.id`,
    records,
    asking,
  );
  return rows.map((row, n) => ({
    id: String(row["id"]),
    role: String(row["role"]),
    data: parseRecord(String(row["data"])) ?? {},
    isLast: n === rows.length - 1,
  }));
}
