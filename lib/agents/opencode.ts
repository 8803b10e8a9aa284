/**
 * What opencode records of its sessions, in a database that is asked through opencode itself.
 *
 * It neither takes a session's id at the start nor tells its shell tool one. A worker's session is found by the
 * words that only its prompt has; a root agent's by its shell tool: which session was running a command of
 * looop's at the moment at which a verb was called.
 */
import { runSmall } from "../process/spawn.ts";
import { ModelSums, numberOf, type Recorded, type Tokens } from "./tokens.ts";
import { isRecord } from "../text/json.ts";
import { workerTitle } from "./contract.ts";

type Env = Readonly<Record<string, string>>;
type Row = Record<string, unknown>;

/** The database's files below opencode's data home: the second has what is not yet in the first. */
export function opencodeFiles(records: string): string[] {
  return [`${records}/opencode/opencode.db`, `${records}/opencode/opencode.db-wal`];
}

/** How long opencode may take to answer, ms. */
const TIMEOUT_MS = 20_000;

/** Asks opencode's own database; `[]` when it cannot be asked. */
async function query(sql: string, records: string, env: Env): Promise<Row[]> {
  try {
    const { stdout } = await runSmall("opencode", ["db", sql, "--format", "json"], {
      wholeEnv: { ...env, XDG_DATA_HOME: records },
      timeoutMs: TIMEOUT_MS,
    });
    const value: unknown = JSON.parse(stdout);
    return Array.isArray(value) ? value.filter(isRecord) : [];
  } catch {
    // Not installed any more, or of a version without a database: then nothing is known.
    return [];
  }
}

/** What is recorded of sessions and of the subagents below each; those that are not there are left out. */
export async function readOpencode(
  ids: readonly string[],
  records: string,
  env: Env,
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
    env,
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

/** Text as it stands in the database's JSON, within SQL, within LIKE. Pure. */
function likeText(words: string): string {
  return JSON.stringify(words).slice(1, -1).replaceAll("'", "''").replace(/[\\%_]/g, "\\$&");
}

/** Finds the session that was started with a worker's prompt since `sinceMs`. */
export async function findWorkerSession(
  records: string,
  id: string,
  sinceMs: number,
  env: Env,
): Promise<string | undefined> {
  // Given on the command line of `opencode run`, a prompt stands within quotes, and those within it are escaped.
  const titles = [workerTitle(id), workerTitle(id).replaceAll('"', '\\"')];
  const isTitled = titles.map((title) => `p.data like '%${likeText(title)}%' escape '\\'`).join(" or ");
  const [row] = await query(
    `select s.id as id from session s join part p on p.session_id = s.id where s.time_created >= ${sinceMs} ` +
      `and (${isTitled}) order by s.time_created limit 1`,
    records,
    env,
  );
  return typeof row?.["id"] === "string" ? row["id"] : undefined;
}

/** A verb called from a shell of opencode's: when (unix ms), and in which folder. */
export interface OpencodeCall {
  at: number;
  cwd: string;
}

/** A session whose shell tool was running a command that names looop at the moment `at`. */
export interface Candidate {
  at: number;
  id: string;
  directory: string;
}

/** A command is taken to run for a day at most. */
const LONGEST_COMMAND_MS = 86_400_000;

/** The sessions that may have made these calls. Those of workers are none of them; a subagent's is its parent's. */
export async function findCandidates(
  calls: readonly OpencodeCall[],
  records: string,
  env: Env,
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
    env,
  );
  return rows.map((row) => ({
    at: Number(row["moment"]),
    id: String(row["id"]),
    directory: String(row["directory"]),
  }));
}

/**
 * The session that made each call of one opencode process, by the call's index. Where several sessions were
 * running something of looop's at that moment, it is the one of the call's folder, else the one that could have
 * made all the calls; else none, as a guess would put one agent's spend down as another's. Pure.
 */
export function sessionsOfCalls(
  calls: readonly OpencodeCall[],
  candidates: readonly Candidate[],
): (string | undefined)[] {
  const ofCall = calls.map(({ at }) => candidates.filter((one) => one.at === Math.floor(at)));
  const inAll = (id: string) => ofCall.every((some) => some.some((one) => one.id === id));
  return calls.map(({ cwd }, n) => {
    const all = ofCall[n] ?? [];
    return only(all) ?? only(all.filter((one) => one.directory === cwd)) ??
      (calls.length > 1 ? only(all.filter((one) => inAll(one.id))) : undefined);
  });
}

function only(candidates: readonly Candidate[]): string | undefined {
  const ids = new Set(candidates.map(({ id }) => id));
  return ids.size === 1 ? [...ids][0] : undefined;
}
