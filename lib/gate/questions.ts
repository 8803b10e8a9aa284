/**
 * Questions that the gate's table asks about a call where program, subcommand and options are not enough: does it
 * remove, publish or change something that cannot be brought back? Pure.
 */
import {
  type Arg,
  type Call,
  findIsNarrow,
  findRoots,
  INTERPRETERS,
  isUnder,
  MADE_DIR,
  SHELLS,
  UNKNOWN,
} from "./call.ts";
import type { SimpleCommand } from "./shell.ts";

/** A shell's own options, which precede its script. */
export interface ShellOptions {
  has: (letter: string) => boolean;
  /** The text of `--command=…`. */
  text: string | undefined;
  /** Index of the first argument after them. */
  end: number;
}

/** Options of shells whose value is the next word. */
const SHELL_VALUES = /^(?:--rcfile|--init-file|[-+][A-Za-z]*[oO])$/;

/** Reads the options of a shell. */
export function shellOptions({ args }: Call): ShellOptions {
  let letters = "";
  let index = 0;
  for (; index < args.length; index++) {
    const text = args[index]?.text ?? "";
    if (!/^[-+]./.test(text) || text === "--") break;
    if (SHELL_VALUES.test(text)) index++;
    if (text.startsWith("--command=")) {
      return optionsOf(letters, args.length, text.slice("--command=".length));
    }
    if (/^-[A-Za-z]/.test(text)) letters += text.slice(1);
    if (text === "--command") letters += "c";
    if (text === "--no-execute" || args[index]?.text === "noexec") letters += "n";
  }
  if (args[index]?.text === "--" || args[index]?.text === "-") index++;
  return optionsOf(letters, index, undefined);
}

function optionsOf(letters: string, end: number, text: string | undefined): ShellOptions {
  return { has: (letter) => letters.includes(letter), end, text };
}

/** Whether git would discard changes that are in no commit. */
export function discardsChanges(call: Call): boolean {
  if (worksInMadeDir(call)) return false;
  if (call.isVerb("restore")) return !call.has("--staged", "-S") || call.has("--worktree", "-W");
  if (!call.isVerb("checkout")) return true;
  // `checkout HEAD x` restores a file; `checkout -b new origin/x` makes a branch.
  const namesFiles = call.operands.length > 2 && !call.has("-b", "-B", "-t", "--track", "--orphan");
  return call.has("-f", "--force") || call.operands[1] === "." || namesFiles ||
    call.args.slice(0, -1).some((arg) => arg.text === "--");
}

/** Whether git works in a folder that the line itself made: nothing there belongs to anybody. */
export function worksInMadeDir(call: Call): boolean {
  const { around, words } = call.parts;
  const at = call.args.findIndex(({ text }) => text === "-C");
  const arg = call.args[at + 1];
  const dir = at < 0 || arg === undefined ? around.cwd : call.path(arg);
  return dir !== undefined && words.length > 0 &&
    [`${around.tempDirs[0]}/mktemp`, MADE_DIR].some((made) => isUnder(dir, made));
}

/** Whether git pushes to a repository in a folder that may be removed: a clone for a test. */
export function pushesToScratch(call: Call): boolean {
  const target = call.operandArgs[1];
  return call.isVerb("push") && target !== undefined && /^(?:[./~]|file:\/\/)/.test(target.text) &&
    call.isRemovable({ ...target, text: target.text.replace(/^file:\/\//, "") });
}

/** Whether a pull merges; with `--ff-only` and `--rebase` it does not. */
export function pullMerges(call: Call): boolean {
  const settings = call.values("-c");
  if (call.has("--no-rebase", "--no-ff") || call.values("--rebase").includes("false")) return true;
  return !call.has("--ff-only", "--rebase", "-r") &&
    !settings.some((setting) => /^pull\.(?:ff=only|rebase=(?:true|merges|interactive))$/.test(setting));
}

/** Whether the call's own settings restrict merges to fast-forwards. */
export function mergesFast(call: Call): boolean {
  return call.values("-c").includes("merge.ff=only");
}

/** Whether svn, which has no local commits, works on the server: a URL is among its operands. */
export function operatesOnUrl(call: Call): boolean {
  return call.operands.some((text) => /^[a-z+]+:\/\//.test(text) || text.startsWith("^/"));
}

/** Whether a forge's API is asked to do more than read. */
export function changesThroughApi(call: Call): boolean {
  const methods = call.values("-X", "--method");
  const fields = call.values("-f", "-F", "--field", "--raw-field", "--input");
  if (call.isVerb("api graphql")) return fields.some((field) => /^(?:query=)?\s*mutation\b/.test(field));
  return methods.length > 0 ? methods.some((method) => isWriteMethod(method)) : fields.length > 0;
}

const isWriteMethod = (method: string): boolean => /^(?:DELETE|PUT|PATCH|POST)$/i.test(method);

/** Whether a call of `aws` does more than read: verbs such as `list-…` and `describe-…` read, all others change. */
export function changesAws(call: Call): boolean {
  const [service = "", verb = "", ...rest] = call.operands;
  if (verb === "" || rest.at(-1) === "help" || verb === "help" || AWS_LOCAL.test(service)) return false;
  if (service === "s3" && /^(?:cp|sync)$/.test(verb)) {
    return call.has("--delete") || (rest.at(-1)?.startsWith("s3://") ?? true);
  }
  return !AWS_READS.test(verb);
}

const AWS_LOCAL = /^(?:configure|sts|sso|login|logout|help|history)$/;
const AWS_READS = new RegExp(
  "^(?:(?:describe|list|get|head|batch-get|batch-describe|search|lookup|scan|query|select|wait|help|filter|preview|" +
    "simulate|validate|estimate|check|download|view|test|lint|tail|presign|ls|show|verify|decode|detect|discover|" +
    "transact-get|admin-get|admin-list|receive|synth|package|build)(?:-.*)?|update-kubeconfig|start-query|" +
    "start-query-execution|start-live-tail|login)$",
);

/**
 * Whether something in a cloud is removed or changed: a verb that changes stands among the groups, before any that
 * reads.
 */
export function changesCloud(call: Call): boolean {
  const words = call.operands;
  if (CLOUD_LOCAL.test(words[0] ?? "")) return false;
  const read = words.findIndex((word) => CLOUD_READS.test(word));
  const verbs = (read < 0 ? words : words.slice(0, read)).slice(0, 5);
  return verbs.some((word) => CLOUD_CHANGES.test(word));
}

const CLOUD_LOCAL =
  /^(?:config|configure|account|login|logout|auth|init|components|emulators|context|help|version|plugin)$/;
const CLOUD_READS =
  /^(?:list|describe|get|show|print|ls|help|wait|cat|du|stat|tail|read|search|head|logs?|access)(?:-.*)?$/;
const CLOUD_CHANGES = new RegExp(
  "^(?:batch-)?(?:delete|destroy|terminate|remove|purge|deregister|rm|rb|del|erase|stop|kill|deallocate|reset|rebuild|" +
    "detach|attach|revoke|disable|enable|deploy|publish|send|promote|rollback|create|update|upgrade|set|unset|add|" +
    "put|patch|replace|apply|restart|reboot|start|resize|scale|restore|import|submit|execute|invoke|call|cancel|" +
    "suspend|resume|move|mv|mb|swap|merge|complete|renew|rotate|failover|drain|undelete|unpublish|flush|truncate|" +
    "run-command|power-off|shutdown|redeploy|generate-keys)(?:-.*)?$",
);

/** Whether a copy between object stores goes to one of them, or removes what the source does not have. */
export function changesStore(call: Call): boolean {
  const verb = call.operands.find((word) => STORE_COPIES.test(word)) ?? "";
  const target = call.operands.at(-1) ?? "";
  if (verb === "" || /^(?:put|upload|pipe|rcat)$/.test(verb)) return true;
  const deletes = call.has("--delete", "--delete-removed", "--remove", "--delete-destination", "-d") ||
    (call.program === "rclone" && verb === "sync");
  if (deletes && !call.isRemovable(call.operandArgs.at(-1) as Arg)) return true;
  // mc names its stores as if they were folders.
  return /^\w[\w-]*:/.test(target) || (/^mc(?:li)?$/.test(call.program) && !/^[./~]/.test(target));
}

const STORE_COPIES = /^(?:cp|copy|copyto|put|sync|rsync|mirror|upload|pipe|rcat)$/;

/** Whether ansible's module, run without a playbook, does more than read. */
export function runsAnsibleModule(call: Call): boolean {
  const reads =
    /(?:^|\.)(?:ping|win_ping|setup|gather_facts|debug|stat|getent|service_facts|package_facts|slurp)$/;
  return !call.values("-m", "--module-name").some((module) => reads.test(module));
}

/** Whether the call runs a task whose name says that it ships something, without a dry run. */
export function runsShippingTask(call: Call): boolean {
  return shippingTask(call) !== undefined && !rehearsesTask(call);
}

/** The operand that names a task that ships something; `npm` and the like have it after `run`. */
function shippingTask(call: Call): string | undefined {
  const [verb = "", ...rest] = call.operands;
  if (
    /^(?:npm|pnpm|yarn|bun|deno|npm-run-all|run-s|run-p|cargo|mise|pixi|composer|nx|ng|rush)$/.test(
      call.program,
    )
  ) {
    const runs = /^(?:run|run-script|rum|urn|task|make|xtask|r|run-many)$/.test(verb);
    if (runs) return isShippingTask(rest[0] ?? "") ? rest[0] : undefined;
    const isOwnTask = /^(?:yarn|pnpm|bun|run-s|run-p|npm-run-all|composer|nx|ng|rush)$/.test(call.program);
    return isOwnTask && isShippingTask(verb) ? verb : undefined;
  }
  return call.operands.map((task) => task.replace(/([a-z])([A-Z])/g, "$1-$2")).find((task) =>
    isShippingTask(task) && !task.includes("=") &&
    !/^publish-To-Maven-Local$/i.test(task.split(":").at(-1) ?? "")
  );
}

function isShippingTask(task: string): boolean {
  if (/\.[cm]?[jt]sx?$/.test(task) || /^publishToMavenLocal$/i.test(task)) return false;
  const words = nameWords(task);
  const resets = words.some((word) => /^(?:db|database)$/.test(word)) &&
    words.some((word) => /^(?:drop|reset|wipe|purge|nuke|fresh)$/.test(word));
  return resets || isShippingName(task);
}

/** npm takes the options before `--` for itself; the others pass them to the task or understand them. */
function rehearsesTask(call: Call): boolean {
  const dashes = call.args.findIndex(({ text }) => text === "--");
  const texts = call.args.map(({ text }) => text);
  const own = call.program === "npm" ? texts.slice(dashes < 0 ? texts.length : dashes) : texts;
  if (
    own.some((text) =>
      /^(?:--dry-?run|--dry|--noop|--what-?if|--check|--help|-h|DRY_?RUN=(?:1|true|yes))$/i.test(text)
    )
  ) {
    return true;
  }
  const options = /make$/.test(call.program)
    ? ["-n", "--just-print", "-q", "--question"]
    : /^(?:just|task|rake)$/.test(call.program)
    ? ["-n", "--show", "-s", "--list", "-l", "--summary"]
    : /^gradlew?$/.test(call.program)
    ? ["-m"]
    : ["--list", "--show-project"];
  return call.has(...options);
}

/**
 * Whether the call runs a script whose name says that it ships something: `bash scripts/deploy.sh`, `deno run
 * deploy.ts`.
 */
function shipsScript(call: Call): boolean {
  const isShell = SHELLS.has(call.program) || call.program === "source" || call.program === ".";
  if (!isShell && !INTERPRETERS.has(call.program)) return false;
  if (isShell && (shellOptions(call).has("c") || shellOptions(call).has("n"))) return false;
  if (!isShell && call.has("-c", "-e", "-m", "-l", "--check", "--test")) return false;
  const file = call.operands.find((word) => word !== "run") ?? "";
  return /\.\w+$|\//.test(file) && isShippingName(file.slice(file.lastIndexOf("/") + 1));
}

/** A user's own program that ships something; `lsb_release` and other installed programs only look like one. */
function isShippingProgram({ parts }: Call): boolean {
  const path = parts.words[0]?.text ?? "";
  const name = path.slice(path.lastIndexOf("/") + 1);
  const isOwn = /\.\w+$/.test(name) || /^[^/]+\//.test(path);
  return isShippingName(name) && (isOwn || SHIPPING.has(nameWords(name)[0] ?? ""));
}

/**
 * Whether a script's or task's name says that it ships something: `deploy`, `deploy:prod`, `release.sh`; not
 * `release:build`.
 */
function isShippingName(name: string): boolean {
  const words = nameWords(name);
  const isBuild = words.includes("build");
  return words.some((word) => SHIPPING.has(word) && !(isBuild && word === "release")) &&
    !words.some((word) => REHEARSAL.has(word));
}

const nameWords = (name: string): string[] => name.replace(/\.\w+$/, "").toLowerCase().split(/[^a-z]+/);

const SHIPPING: ReadonlySet<string> = new Set(
  ("deploy deployment redeploy undeploy publish publishing release promote rollback destroy teardown ship shipit " +
    "upload push nuke golive").split(" "),
);
const REHEARSAL: ReadonlySet<string> = new Set(
  ("check checks dry dryrun test tests lint plan preview diff validate verify status notes log logs list help local")
    .split(" "),
);

/** Whether the call removes a folder that is not certainly below the data dir or a temp dir. */
export function removesTreeOutside(call: Call): boolean {
  const removes = call.has("-r", "-R", "--recursive") ||
    /^(?:rimraf|del|del-cli|trash-empty)$/.test(call.program);
  // An empty path names nothing; rm rejects it.
  return removes && call.operandArgs.some((arg) => arg.text !== "" && !call.isRemovable(arg));
}

/** Whether find deletes something that is not certainly below the data dir or a temp dir. */
export function findDeletesOutside(call: Call): boolean {
  if (!call.args.some((arg) => arg.text === "-delete")) return false;
  const roots = findRoots(call);
  const isNarrow = findIsNarrow(call);
  const dirs = [call.parts.around.dataDir, ...call.parts.around.tempDirs];
  const isInside = (path: string | undefined) => path !== undefined && dirs.some((dir) => isUnder(path, dir));
  if (roots.length === 0) return !isNarrow;
  return roots.some((root) => !call.isRemovable(root) && !(isNarrow && isInside(call.path(root))));
}

/**
 * Whether a copy removes what the source does not have, elsewhere or not certainly below the data dir or a temp dir.
 */
export function syncDeletes(call: Call): boolean {
  const target = call.operandArgs.at(-1);
  const removes = call.args.some(({ text }) => /^--(?:del$|delete|remove-source-files)/.test(text)) ||
    call.program === "unison";
  return removes && (target === undefined || /^[^/]+:/.test(target.text) || !call.isRemovable(target));
}

/** Whether the call changes the permissions of everything below a system folder or the home. */
export function changesSystemRights(call: Call): boolean {
  const isRecursive = call.has("-R", "--recursive") || call.program === "restorecon";
  return isRecursive && call.operandArgs.slice(1).some((arg) => isSystemDir(call, arg));
}

/** `/`, the home, a folder that holds either, or a folder directly below `/`. */
function isSystemDir(call: Call, arg: Arg): boolean {
  const path = call.path(arg);
  const { home, dataDir, tempDirs } = call.parts.around;
  if (path === undefined) return arg.text.replace(UNKNOWN, "").length <= 1;
  if (arg.glob && /^\/\*?$/.test(path)) return true;
  if ([dataDir, ...tempDirs].some((dir) => isUnder(path, dir))) return false;
  return /^\/[^/]*$/.test(path) || (home !== undefined && isUnder(home, path.replace(/\/\*$/, "")));
}

/** Whether the call writes to a disk. */
export function writesDisk(call: Call): boolean {
  const isTarget = (text: string) => isDisk(text.replace(/^of=/, "")) && !text.startsWith("if=");
  const copies = /^(?:cp|mv|install|rsync|pv|dcfldd|ddrescue)$/.test(call.program);
  return copies
    ? isDisk(call.operands.at(-1) ?? "") || isTarget(call.operands.at(1) ?? "")
    : call.operands.some(isTarget);
}

/** Whether a path is a disk: writing to it overwrites its content. */
export function isDisk(path: string): boolean {
  return /^\/dev\/(?:sd|hd|vd|xvd|nvme|mmcblk|md|dm-|r?disk|mapper\/|disk\/|loop|sr\d|zvol|mtd|mem$|kmem$)/
    .test(path);
}

/** Whether a disk tool only shows something, only says what it would do, or works on a file that may be removed. */
export function onlyReadsDisk(call: Call): boolean {
  const options = call.args.filter(({ text }) => text.startsWith("-"));
  if (call.has(...DISK_READS[call.program] ?? []) || call.has("--version")) return true;
  const files = call.operandArgs.filter(({ text }) => /[./]/.test(text));
  if (
    DISK_TOOLS_ON_FILES.has(call.program) && files.length > 0 && files.every((arg) => call.isRemovable(arg))
  ) return true;
  if (call.program === "sgdisk") {
    return options.length > 0 &&
      options.every(({ text }) => /^(?:-[piv]+|--print|--info.*|--verify)$/.test(text));
  }
  if (call.program === "wipefs") return options.length === 0;
  return call.program === "parted" && call.operands.includes("print") &&
    !call.operands.some((word) => PARTED_WRITES.test(word));
}

/** Disk tools that work on an image in a file as well as on a disk. */
const DISK_TOOLS_ON_FILES = new Set(
  "mkfs mke2fs mkswap sgdisk sfdisk parted wipefs fsck e2fsck fdisk gdisk".split(" "),
);
/** Options with which a disk tool only shows something, or only says what it would do. */
const DISK_READS: Readonly<Record<string, readonly string[]>> = {
  fdisk: ["-l", "--list"],
  gdisk: ["-l", "--list"],
  parted: ["-l", "--list"],
  sfdisk: ["-l", "--list", "-d", "--dump", "-J", "--json", "-n", "--no-act"],
  sgdisk: ["-P", "--pretend"],
  wipefs: ["-n", "--no-act"],
  mke2fs: ["-n"],
  fsck: ["-n", "-N"],
  e2fsck: ["-n"],
  xfs_repair: ["-n"],
  badblocks: ["-s"],
  zfs: ["-n"],
  lvremove: ["-t", "--test"],
  vgremove: ["-t", "--test"],
  pvremove: ["-t", "--test"],
  lvreduce: ["-t", "--test"],
};
const PARTED_WRITES = /^(?:mk.*|rm|resizepart|name|set|toggle|rescue|disk_set|disk_toggle|type)$/;

/** Whether the call kills every process: `kill -9 -1`, `kill -- -1`; a lone `kill -1 PID` sends HUP. */
export function killsAll(call: Call): boolean {
  const words = call.args.map((arg) => arg.text);
  const last = words.lastIndexOf("-1");
  return last > 0 || (last === 0 && words.length === 1);
}

/** Whether the call kills processes found by name, port or file: `lsof -ti :80 | xargs kill`. */
export function killsFound(call: Call): boolean {
  if (signalsNothing(call)) return false;
  return call.args.some((arg) => call.parts.originsOf(arg).some(selectsProcesses));
}

/** Whether a command lists anybody's processes; `pgrep -P $$` lists one's own children. */
function selectsProcesses({ words }: SimpleCommand): boolean {
  const texts = words.map(({ text }) => text.slice(text.lastIndexOf("/") + 1));
  const isSelector =
    /^(?:ps|pgrep|pidof|lsof|fuser|ss|netstat|sockstat|top|pstree|systemctl|launchctl|nvidia-smi)$/;
  const isOwn = texts.some((text) => /^-P|^--p?pid$|^--parent$/.test(text)) && texts[0] !== "lsof";
  return !isOwn && texts.slice(0, 3).some((text) => isSelector.test(text));
}

/** Whether the call only checks that a process exists, or lists the names of signals. */
export function signalsNothing(call: Call): boolean {
  return call.args.some(({ text }) => /^(?:-l|-L|--list|--list=.*|-0|--signal=0|-s0)$/.test(text)) ||
    call.values("-s", "--signal").includes("0");
}

/** Whether the call gives a database a statement that changes or removes existing data. */
export function runsDestructiveSql(call: Call): boolean {
  if (/^(?:sqlite3|duckdb|litecli)$/.test(call.program) && isScratchDatabase(call)) return false;
  const given = call.values(
    "-c",
    "--command",
    "-e",
    "--execute",
    "-q",
    "--query",
    "-Q",
    "--sql",
    "--sql-query",
    "--statement",
    "-x",
    "-s",
  );
  return isDestructiveSql([...given, ...call.operands, call.input].join(";"));
}

/** A database in memory, or a file in a temp dir. */
function isScratchDatabase(call: Call): boolean {
  const [file] = call.operandArgs;
  if (file === undefined || file.text === ":memory:") return true;
  const path = call.path(file);
  return path !== undefined && [...call.parts.around.tempDirs, MADE_DIR].some((dir) => isUnder(path, dir));
}

/** Strings and comments are data. */
function isDestructiveSql(text: string): boolean {
  const code = text.replace(/'[^']*'|"[^"]*"|`[^`]*`|--[^\n]*|\/\*[^]*?(?:\*\/|$)/g, " ");
  const statement =
    /(?:^|[;(]|\b(?:analyze|begin)\b)\s*(?:drop|truncate|delete|alter|update|revoke|replace\s+into|merge\s+into|detach\s+delete)\b/i;
  const graph = /\bdetach\s+delete\b|^\s*match\b.*\bdelete\b/i;
  return code.split("\n").some((line) => statement.test(line) || graph.test(line));
}

/** Whether the call removes data from a database, by its own function or by a command given to one. */
export function removesData(call: Call): boolean {
  const words = call.operands;
  if (call.program === "mysqladmin") return words.includes("drop") || words.includes("shutdown");
  if (call.program === "pg_restore") return call.has("-c", "--clean");
  if (/-cli$/.test(call.program)) {
    const command =
      /^\s*(?:flushall|flushdb|shutdown|del|unlink|getdel|script flush|config (?:set|rewrite)|debug|replicaof|slaveof|swapdb|xtrim|ltrim|function (?:delete|flush)|cluster (?:reset|forget|failover))(?:\s|$)/i;
    return [words.join(" "), ...call.input.split("\n")].some((line) => command.test(line));
  }
  const code = [...call.values("--eval"), call.input].join("\n");
  return /\b(?:dropDatabase|dropCollection|drop|dropIndexes|deleteMany|deleteOne|remove|updateMany|updateOne|replaceOne|findOneAndDelete|renameCollection|dropUser|shutdownServer)\s*\(/
    .test(code);
}

/** Whether a framework's task empties the database. */
export function resetsDatabase(call: Call): boolean {
  if (/^(?:rails|rake)$/.test(call.program)) {
    return call.operands.some((task) =>
      /^db:(?:drop|reset|purge|rollback|truncate_all|seed:replant|schema:load|migrate:(?:reset|redo|down))(?::|$)/
        .test(task)
    );
  }
  return !call.isVerb("db push") || call.has("--force-reset", "--accept-data-loss");
}

/** Whether the call removes containers, images or volumes with their content, and not only what can be made again. */
export function removesContainerData(call: Call): boolean {
  const isCompose = /compose$/.test(call.program) || call.isVerb("compose down|rm");
  if (isCompose) return call.has("-v", "--volumes", "--rmi");
  if (call.isVerb("rm") || call.isVerb("rmi") || call.isVerb("container|image|pod rm|remove")) {
    return call.has("-f", "--force", "-v", "--volumes", "-a", "--all");
  }
  if (call.isVerb("image prune")) return call.has("-a", "--all");
  return true;
}

/** Whether an image is built straight into a registry. */
export function buildsIntoRegistry(call: Call): boolean {
  if (call.has("--push") && !call.values("--push").includes("false")) return true;
  return call.values("-o", "--output", "--set").some((output) => /type=registry|push=true/.test(output));
}

/** Whether an image is copied into a registry, rather than to a folder, an archive or the local store. */
export function copiesToRegistry(call: Call): boolean {
  return !call.isVerb("copy|sync") ||
    !/^(?:dir|oci|oci-archive|docker-archive|docker-daemon|containers-storage):|^[./]/
      .test(call.operands.at(-1) ?? "");
}

/** Whether a request changes something elsewhere. A plain POST is left out: queries use it, too. */
export function changesOverHttp(call: Call): boolean {
  if (isLocalUrl(call)) return false;
  const methods = methodsOf(call);
  const sends = call.has("-T", "--upload-file", "--post-file", "--body-file") ||
    call.values("-F", "--form").some((field) => /=[@<]/.test(field)) ||
    call.values("-Q", "--quote").some((text) => /^[-+*]?(?:dele|rmd|rnfr|rnto)\b/i.test(text));
  if (call.program === "curl" || call.program === "wget") {
    const isGraphQl = dataOf(call).some((data) =>
      /["']query["']\s*:\s*["']\s*mutation\b|^\s*mutation\b/.test(data)
    );
    if (sends || isGraphQl) return true;
  }
  const isOrder = (methods.includes("POST") || sendsData(call)) &&
    call.operands.some((url) => ORDER.test(url));
  return isOrder || methods.some((method) => /^(?:DELETE|PUT|PATCH)$/.test(method));
}

/** Addresses that trigger something: a deployment, a build, a restart. */
const ORDER = new RegExp(
  "[/_.-](?:deploy|deploys|deployments|redeploy|build_hooks|trigger|triggers|dispatches|publish|releases|merge|merges|" +
    "restart|shutdown|reboot|destroy|delete|delete_series|purge|purge_cache|rollback|reset|_delete_by_query|" +
    "_update_by_query|_close|_shutdown|terminate|job/[^?]*/build(?:WithParameters)?|api\\.github\\.com/(?!graphql|search)\\S*|" +
    "api/v4/projects/\\S*)(?:[/?#]|$)",
  "i",
);

/** Whether a file transfer's script, given as an option or as input, sends or removes files. */
export function changesOverFtp(call: Call): boolean {
  const script = [...call.values("-e", "-c"), call.input].join("\n");
  return /(?:^|[;&\n])\s*-?(?:put|mput|reput|rm|mrm|rmdir|rename|mv|dele|delete|mdelete|mirror\s+(?:-\w*R|--reverse|.*--delete))\b/
    .test(script);
}

/** Whether a request sends people a message or mail. */
export function sendsMessage(call: Call): boolean {
  if (call.has("--mail-rcpt") || call.operands.some((url) => /^smtps?:/.test(url))) return true;
  const posts = methodsOf(call).includes("POST") || sendsData(call);
  // `$SLACK_WEBHOOK_URL` is recognized by its name.
  return call.operandArgs.some(({ text, word }) =>
    /\/bot[^/]+\/send/i.test(text) ||
    (posts && (MESSENGERS.test(text) || /\$\{?\w*(?:webhook|slack|discord)/i.test(word.text)))
  );
}

/** Services that deliver messages to people. */
const MESSENGERS = new RegExp(
  "hooks\\.slack\\.com|slack\\.com/api/(?:chat|files|conversations|reactions)|discord(?:app)?\\.com/api|" +
    "\\.webhook\\.office\\.com|office365\\.com/webhook|api\\.telegram\\.org|api\\.sendgrid\\.com|api\\.mailgun\\.net|" +
    "api\\.postmarkapp\\.com|api\\.resend\\.com|api\\.brevo\\.com|mandrillapp\\.com|api\\.twilio\\.com|email\\.\\S*amazonaws|" +
    "events\\.pagerduty\\.com|api\\.opsgenie\\.com|api\\.pushover\\.net|api\\.pushbullet\\.com|ntfy\\.sh|gotify|" +
    "chat\\.googleapis\\.com|hooks\\.zapier\\.com|maker\\.ifttt\\.com|graph\\.facebook\\.com|api\\.(?:twitter|x)\\.com|" +
    "mattermost\\S*/hooks|rocket\\S*/hooks|/_matrix/client/\\S*/send|open\\.feishu\\.cn|oapi\\.dingtalk\\.com|" +
    "qyapi\\.weixin\\.qq\\.com|graph\\.microsoft\\.com/\\S*sendMail|gmail/v1/\\S*/send",
  "i",
);

function isLocalUrl(call: Call): boolean {
  return call.operands.some((url) =>
    /^(?:https?:\/\/)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|host\.docker\.internal)(?:[:/]|$)/.test(
      url,
    )
  );
}

function methodsOf(call: Call): string[] {
  const isPlain = /^(?:http|https|xh|xhs|curlie)$/.test(call.program);
  const word = isPlain ? call.operands[0] ?? "" : "";
  const items = isPlain && call.operands.slice(1).some((item) => /^[^=:@]+(?::?=|@)/.test(item))
    ? ["POST"]
    : [];
  const given = [...call.values("-X", "--request", "--method"), ...(/^[A-Za-z]+$/.test(word) ? [word] : [])];
  return (given.length > 0 ? given : items).map((method) => method.toUpperCase());
}

function dataOf(call: Call): string[] {
  return call.values(
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-urlencode",
    "--json",
    "--post-data",
    "--body-data",
  );
}

function sendsData(call: Call): boolean {
  return !call.has("-G", "--get") && (dataOf(call).length > 0 || call.values("-F", "--form").length > 0);
}

/** Whether `git gc` removes unreferenced objects at once. */
export function prunesNow(call: Call): boolean {
  return call.values("--prune").some((when) => /^(?:now|all)$/.test(when));
}

/** Whether a copy goes to another machine or into a container. */
export function copiesThere(call: Call): boolean {
  return call.operands.at(-1)?.includes(":") ?? false;
}

/** Whether salt is asked for more than reading. */
export function runsSaltState(call: Call): boolean {
  return !call.operands.some((text) => /^(?:test|grains|status|pillar|sys)\./.test(text));
}

/** Whether vercel is called without a subcommand, which deploys. */
export function deploysBare(call: Call): boolean {
  return (call.operands.length === 0 || call.has("--prod")) && !call.has("-v");
}

/** Whether surge is given a folder, which it publishes. */
export function surges(call: Call): boolean {
  return !call.isVerb("list|whoami|login|logout|token|files");
}

/** Whether hdparm erases or overwrites. */
export function erasesDrive(call: Call): boolean {
  return call.args.some(({ text }) => /^--(?:security-erase|trim-sector|make-bad|write-sector)/.test(text));
}

/** Whether the call changes macOS's network settings. */
export function setsNetwork(call: Call): boolean {
  return call.args.some(({ text }) => /^-(?:set|remove|delete)/.test(text));
}

/** Whether the call changes firewalld's rules. */
export function setsFirewall(call: Call): boolean {
  return call.args.some(({ text }) =>
    /^--(?:remove|add|reload|complete-reload|panic-on|set|delete)/.test(text)
  );
}

/** Whether gpg deletes keys. */
export function deletesKeys(call: Call): boolean {
  return call.args.some(({ text }) => /^--delete-(?:secret|key)/.test(text));
}

/** Whether the program is a service's own script. */
export function isInitScript({ parts }: Call): boolean {
  return /^\/etc\/(?:rc\.d\/)?init\.d\/|^\/etc\/rc\.d\//.test(parts.words[0]?.text ?? "");
}

/** Whether a web server gets the signal to stop. */
export function stopsServer(call: Call): boolean {
  return call.values("-s", "-k").some((signal) => /stop|quit|restart/.test(signal));
}

/** Whether screen is asked to end a terminal. */
export function endsScreen(call: Call): boolean {
  return call.args.some(({ text }) => /^(?:quit|kill)$/.test(text));
}

/** Whether a remote procedure's name says that it removes or sends something. */
export function callsToChange(call: Call): boolean {
  return call.operands.some((text) => /[/.](?:Delete|Remove|Destroy|Purge|Drop|Send)\w*$/.test(text));
}

/** Whether a mail program sends mail; without a recipient it reads. */
export function mails(call: Call): boolean {
  return call.has("-s") || call.operands.length > 0;
}

/** Whether a notifier sends; some of its subcommands only listen. */
export function notifies(call: Call): boolean {
  return !call.isVerb("serve|subscribe|sub|version|verify|generate");
}

/** Whether a program's or script's name says that it ships something. */
export function ships(call: Call): boolean {
  return isShippingProgram(call) || shipsScript(call);
}

/** Whether a builder pushes its image to a registry. */
export function publishesImage(call: Call): boolean {
  return call.has("--publish", "--push") || buildsIntoRegistry(call);
}

/** Whether the call runs a command as another user; `sudo -v` and the like run nothing. */
export function actsAsOther({ args }: Call): boolean {
  const asks = /^(?:--version|-V|--validate|-v|--reset-timestamp|-k|-l|--list)$/;
  return args.length === 0 || !args.every(({ text }) => asks.test(text));
}

/** Whether a shell or interpreter runs text that the line fetches. */
export function runsFetchedText(call: Call): boolean {
  return runsPrograms(call) && call.parts.fetched();
}

/** Whether the program runs a script or a program's text. */
export function runsPrograms({ program }: Pick<Call, "program">): boolean {
  return SHELLS.has(program) || INTERPRETERS.has(program) || /^(?:eval|source|\.)$/.test(program);
}
