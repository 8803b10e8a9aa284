/**
 * What the gate's table asks of a call where program and subcommand are not enough: does it remove, publish, change
 * something that nothing brings back? Pure.
 */
import { type Arg, type Call, findRoots, INTERPRETERS, isUnder, SHELLS, UNKNOWN } from "./call.ts";

/** Whether the call only says what it would do. */
export function isDryRun(call: Call): boolean {
  return call.has("--dry-run") &&
    !call.values("--dry-run").some((value) => value === "none" || value === "false");
}

/** Whether git is to throw away what is in no commit. */
export function discardsChanges(call: Call): boolean {
  if (call.isVerb("stash clear")) return true;
  if (call.isVerb("reset")) return call.has("--hard");
  if (call.isVerb("worktree remove")) return call.has("-f", "--force");
  if (call.isVerb("switch")) return call.has("-f", "--force", "--discard-changes");
  if (call.isVerb("restore")) return !call.has("--staged", "-S") || call.has("--worktree", "-W");
  // `checkout HEAD x` takes a file back; `checkout -b new origin/x` makes a branch.
  const namesFiles = call.operands.length > 2 && !call.has("-b", "-B", "-t", "--track", "--orphan");
  return call.has("-f", "--force") || call.operands[1] === "." || namesFiles ||
    call.args.slice(0, -1).some((arg) => arg.text === "--");
}

/** Whether a forge's API is asked for more than reading. */
export function changesThroughApi(call: Call): boolean {
  const methods = call.values("-X", "--method");
  const fields = call.values("-f", "-F", "--field", "--raw-field", "--input");
  if (call.isVerb("api graphql")) return fields.some((field) => /^(?:query=)?\s*mutation\b/.test(field));
  return methods.length > 0 ? methods.some((method) => isWriteMethod(method)) : fields.length > 0;
}

const isWriteMethod = (method: string): boolean => /^(?:DELETE|PUT|PATCH|POST)$/i.test(method);

/** Whether something in a cloud goes or changes. The verb is aws's second word, others have it before a reading one. */
export function changesCloud(call: Call): boolean {
  const words = call.operands;
  if (call.program === "aws") {
    const verb = words[1] ?? "";
    const removes = words[0] === "s3" && call.has("--delete");
    return isAwsVerb(verb) || removes || (words[0] === "s3" && verb === "mv");
  }
  const read = words.findIndex((word) => isReadVerb(word));
  const verbs = (read < 0 ? words : words.slice(0, read)).slice(0, 5);
  const isMirror = call.program === "rclone" && /^(?:sync|delete|purge|move|cleanup)$/.test(verbs[0] ?? "");
  return isMirror || verbs.some(isCloudVerb);
}

const DESTROY = new Set(
  "delete destroy terminate remove purge deregister rm rb stop deallocate reset detach revoke disable".split(
    " ",
  ),
);
const PUBLISH = new Set(["deploy", "publish", "send", "promote", "rollback"]);
const isCloudVerb = (word: string): boolean => DESTROY.has(word) || PUBLISH.has(word);
/** AWS joins verb and noun: `delete-object`, `batch-delete-image`, `schedule-key-deletion`, `update-service`. */
const isAwsVerb = (word: string): boolean =>
  isCloudVerb(word.replace(/^batch-/, "").replace(/-.*$/, "")) || word.endsWith("-deletion") ||
  /^update-(?:service|function-code)$/.test(word);
const isReadVerb = (word: string): boolean =>
  /^(?:list|describe|get|show|print|ls|help|wait)(?:-|$)/.test(word);

/** Whether a task is run that ships something by its name. */
export function runsShippingTask(call: Call): boolean {
  return shippingTask(call) !== undefined;
}

/** The task among the operands that ships something; `npm` and its kin name it behind `run`. */
function shippingTask(call: Call): string | undefined {
  const [verb = "", ...rest] = call.operands;
  const isShipping = (task: string) =>
    !/\.[cm]?[jt]sx?$/.test(task) && isShippingName(task) && !/^publishToMavenLocal$/i.test(task);
  if (/^(?:npm|pnpm|yarn|bun|deno)$/.test(call.program)) {
    const runs = /^(?:run|run-script|rum|urn|task)$/.test(verb);
    if (runs) return isShipping(rest[0] ?? "") ? rest[0] : undefined;
    const isOwnTask = /^(?:yarn|pnpm|bun)$/.test(call.program) && isShipping(verb);
    return isOwnTask ? verb : undefined;
  }
  return call.operands.map((task) => task.replace(/([a-z])([A-Z])/g, "$1-$2")).find((task) =>
    isShipping(task) && !task.includes("=") && !/^publish-To-Maven-Local$/i.test(task.split(":").at(-1) ?? "")
  );
}

/** Whether a script is run that ships something by its name: `bash scripts/deploy.sh`, `deno run deploy.ts`. */
export function shipsScript(call: Call): boolean {
  const isShell = SHELLS.has(call.program) || call.program === "source" || call.program === ".";
  if (!isShell && !INTERPRETERS.has(call.program)) return false;
  if (isShell ? call.has("-c") : call.has("-c", "-e", "-m")) return false;
  const file = call.operands.find((word) => word !== "run") ?? "";
  return /\.\w+$|\//.test(file) && isShippingName(file.slice(file.lastIndexOf("/") + 1));
}

/** A program of one's own that ships something; `lsb_release` and other installed programs only look so. */
export function isShippingProgram({ parts }: Call): boolean {
  const path = parts.words[0]?.text ?? "";
  const name = path.slice(path.lastIndexOf("/") + 1);
  const isOwn = /\.\w+$/.test(name) || /^[^/]+\//.test(path);
  return isShippingName(name) && (isOwn || SHIPPING.has(nameWords(name)[0] ?? ""));
}

/** Names of scripts and tasks that ship something: `deploy`, `deploy:prod`, `release.sh`; not `release:build`. */
function isShippingName(name: string): boolean {
  const words = nameWords(name);
  const isBuild = words.includes("build");
  return words.some((word) => SHIPPING.has(word) && !(isBuild && word === "release")) &&
    !words.some((word) => REHEARSAL.has(word));
}

const nameWords = (name: string): string[] => name.replace(/\.\w+$/, "").toLowerCase().split(/[^a-z]+/);

const SHIPPING = new Set(
  "deploy redeploy undeploy publish release promote rollback destroy teardown".split(" "),
);
const REHEARSAL = new Set(
  "check checks dry test tests lint plan preview diff validate verify status notes log logs list help".split(
    " ",
  ),
);

/** Whether a folder is removed that is not surely below the data dir or a temp dir. */
export function removesTreeOutside(call: Call): boolean {
  return call.has("-r", "-R", "--recursive") && call.operandArgs.some((arg) => !call.isRemovable(arg));
}

/** Whether find deletes something that is not surely below the data dir or a temp dir. */
export function findDeletesOutside(call: Call): boolean {
  if (!call.args.some((arg) => arg.text === "-delete")) return false;
  const roots = findRoots(call);
  const isNarrow = call.args.some(({ text }) =>
    /^-i?(?:name|path|regex|wholename)$|^-(?:empty|newer.*|[acm](?:time|min))$/.test(text)
  );
  const dirs = [call.parts.around.dataDir, ...call.parts.around.tempDirs];
  const isInside = (path: string | undefined) => path !== undefined && dirs.some((dir) => isUnder(path, dir));
  if (roots.length === 0) return !isNarrow;
  return roots.some((root) => !call.isRemovable(root) && !(isNarrow && isInside(call.path(root))));
}

/** Whether rsync removes what the source does not have, elsewhere or not surely below the data dir or a temp dir. */
export function syncDeletes(call: Call): boolean {
  const target = call.operandArgs.at(-1);
  const removes = call.args.some(({ text }) => /^--(?:del$|delete|remove-source-files)/.test(text));
  return removes && (target === undefined || /^[^/]+:/.test(target.text) || !call.isRemovable(target));
}

/** Whether the rights of all that is below a folder of the system or of the home are changed. */
export function changesSystemRights(call: Call): boolean {
  return call.has("-R", "--recursive") && call.operandArgs.slice(1).some((arg) => isSystemDir(call, arg));
}

/** `/`, the home, something that holds them, or a folder directly below `/`. */
function isSystemDir(call: Call, arg: Arg): boolean {
  const path = call.path(arg);
  const { home, dataDir, tempDirs } = call.parts.around;
  if (path === undefined) return arg.text.replace(UNKNOWN, "").length <= 1;
  if (arg.glob && /^\/\*?$/.test(path)) return true;
  if ([dataDir, ...tempDirs].some((dir) => isUnder(path, dir))) return false;
  return /^\/[^/]*$/.test(path) || (home !== undefined && isUnder(home, path.replace(/\/\*$/, "")));
}

/** Whether a disk is what is written to. */
export function writesDisk(call: Call): boolean {
  const isTarget = (text: string) => isDisk(text.replace(/^of=/, "")) && !text.startsWith("if=");
  return call.operands.some(isTarget) && (call.program !== "cp" || isDisk(call.operands.at(-1) ?? ""));
}

/** A disk, as a file: whatever is written to it replaces what was on it. */
export function isDisk(path: string): boolean {
  return /^\/dev\/(?:sd|hd|vd|xvd|nvme|mmcblk|md|dm-|r?disk|mapper\/|disk\/|loop|mem$|kmem$)/.test(path);
}

/** Whether a disk tool only shows, or only says what it would do. */
export function onlyReadsDisk(call: Call): boolean {
  const options = call.args.filter(({ text }) => text.startsWith("-"));
  if (call.has(...DISK_READS[call.program] ?? []) || call.has("--version")) return true;
  if (call.program === "sgdisk") {
    return options.length > 0 &&
      options.every(({ text }) => /^(?:-[piv]+|--print|--info.*|--verify)$/.test(text));
  }
  if (call.program === "wipefs") return options.length === 0;
  return call.program === "parted" && call.operands.includes("print") &&
    !call.operands.some((word) => PARTED_WRITES.test(word));
}

/** Options with which a disk tool only shows, or only says what it would do. */
const DISK_READS: Readonly<Record<string, readonly string[]>> = {
  fdisk: ["-l", "--list"],
  gdisk: ["-l", "--list"],
  parted: ["-l", "--list"],
  sfdisk: ["-l", "--list", "-d", "--dump", "-J", "--json", "-n", "--no-act"],
  sgdisk: ["-P", "--pretend"],
  wipefs: ["-n", "--no-act"],
  mke2fs: ["-n"],
  zfs: ["-n"],
  lvremove: ["-t", "--test"],
  vgremove: ["-t", "--test"],
  pvremove: ["-t", "--test"],
  lvreduce: ["-t", "--test"],
};
const PARTED_WRITES = /^(?:mk.*|rm|resizepart|name|set|toggle|rescue|disk_set|disk_toggle|type)$/;

/** Whether every process is killed: `kill -9 -1`, `kill -- -1`; a lone `kill -1 PID` is the signal HUP. */
export function killsAll(call: Call): boolean {
  const words = call.args.map((arg) => arg.text);
  const last = words.lastIndexOf("-1");
  return last > 0 || (last === 0 && words.length === 1);
}

/** Whether the call gives a database a statement that changes or removes what is there. */
export function runsDestructiveSql(call: Call): boolean {
  const given = call.values("-c", "--command", "-e", "--execute", "-q", "--query", "-Q");
  return isDestructiveSql([...given, ...call.operands, call.input].join(";"));
}

/** Strings and comments are data. */
function isDestructiveSql(text: string): boolean {
  const code = text.replace(/'[^']*'|"[^"]*"|`[^`]*`|--[^\n]*|\/\*[^]*?(?:\*\/|$)/g, " ");
  const statement =
    /(?:^|[;(]|\b(?:analyze|begin)\b)\s*(?:drop|truncate|delete|alter|update|replace\s+into)\b/i;
  return code.split("\n").some((line) => statement.test(line));
}

/** Whether a database is to lose data, by a program that does or by a command given to one. */
export function removesData(call: Call): boolean {
  const words = call.operands;
  if (/^drop/.test(call.program)) return true;
  if (call.program === "mysqladmin") return words.includes("drop") || words.includes("shutdown");
  if (call.program === "pg_restore") return call.has("-c", "--clean");
  if (/-cli$/.test(call.program)) {
    const command = /^\s*(?:flushall|flushdb|shutdown|del|unlink|script flush|config set|debug)\b/i;
    return [words.join(" "), ...call.input.split("\n")].some((line) => command.test(line));
  }
  const code = [...call.values("--eval"), call.input].join("\n");
  return /\b(?:dropDatabase|drop|deleteMany|deleteOne|remove|updateMany|updateOne|renameCollection)\s*\(/
    .test(code);
}

/** Whether a framework's task empties the database. */
export function resetsDatabase(call: Call): boolean {
  if (/^(?:rails|rake)$/.test(call.program)) {
    return call.operands.some((task) => /^db:(?:drop|reset|purge|migrate:reset)(?::|$)/.test(task));
  }
  return !call.isVerb("db push") || call.has("--force-reset", "--accept-data-loss");
}

/** Whether containers, images or volumes go with what is in them, and not only what can be made again. */
export function removesContainerData(call: Call): boolean {
  const isCompose = /compose$/.test(call.program) || call.isVerb("compose down") || call.isVerb("compose rm");
  if (isCompose) return call.has("-v", "--volumes", "--rmi");
  const needsForce = ["rm", "container rm", "rmi", "image rm"].some((verb) => call.isVerb(verb));
  if (needsForce) return call.has("-f", "--force", "-v", "--volumes");
  if (call.isVerb("image prune")) return call.has("-a", "--all");
  return true;
}

/** Whether a request changes something elsewhere. POST is left out: it is also how queries are asked. */
export function changesOverHttp(call: Call): boolean {
  const isLocal = call.operands.some((url) =>
    /^(?:https?:\/\/)?(?:localhost|127\.0\.0\.1|\[::1\])(?:[:/]|$)/.test(url)
  );
  const methods = call.values("-X", "--request", "--method");
  const verb = /^(?:http|https|xh|curlie)$/.test(call.program) ? [call.operands[0] ?? ""] : [];
  return !isLocal && [...methods, ...verb].some((method) => /^(?:DELETE|PUT|PATCH)$/i.test(method));
}
