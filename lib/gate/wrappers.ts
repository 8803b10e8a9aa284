/**
 * What a program would run in its turn: `env`, `timeout 5`, `xargs`, `sh -c`, `find -exec`, `ssh host`.
 * Pure; one layer at a time, `gate.ts` follows them.
 */
import { type Arg, type Call, findRoots, literalArg, programName, SHELLS, UNKNOWN } from "./call.ts";
import { literalWord } from "./shell.ts";

/** A command inside a command: as words, or as text for a shell. */
export type Inner = ({ words: readonly Arg[]; text?: undefined } | { words?: undefined; text: string }) & {
  /** It runs on another machine, in a container or in a directory that is not known. */
  isElsewhere?: boolean;
  /** It is run by this shell itself, with its variables. */
  isSameShell?: boolean;
};

/** How to find the command behind a wrapper's own arguments. */
interface Wrapper {
  /** Options whose value is the next word. */
  values?: string;
  /** Words in front of the command that are neither options nor assignments. */
  skips?: number;
  /** The command begins behind `--`, if there is one. */
  afterDashes?: boolean;
  isElsewhere?: boolean;
}

/** By program, or by program and its first operands. */
const WRAPPERS = new Map<string, Wrapper>(Object.entries({
  nohup: {},
  setsid: {},
  nice: { values: "-n --adjustment" },
  ionice: { values: "-c --class -n --classdata -p -P -u" },
  timeout: { values: "-s --signal -k --kill-after", skips: 1 },
  gtimeout: { values: "-s --signal -k --kill-after", skips: 1 },
  stdbuf: { values: "-i -o -e --input --output --error" },
  time: { values: "-f --format -o --output" },
  command: {},
  builtin: {},
  exec: { values: "-a" },
  noglob: {},
  chronic: {},
  unbuffer: {},
  caffeinate: { values: "-t -w" },
  strace: { values: "-e -o -p -s -u" },
  flock: { values: "-w --timeout --wait -E --conflict-exit-code", skips: 1 },
  busybox: {},
  toybox: {},
  sudo: { values: "-u --user -g --group -h --host -p --prompt -C -T -U -D --chdir -R -r -t" },
  doas: { values: "-u -C" },
  pkexec: { values: "--user" },
  run0: { values: "-u --user -g --group" },
  chroot: { skips: 1, isElsewhere: true },
  unshare: {},
  "systemd-run": { values: "-u --unit -p --property -E --setenv" },
  tini: { values: "-p -e" },
  "dumb-init": {},
  npx: { values: "-p --package -w --workspace" },
  bunx: { values: "-p --package" },
  pnpx: {},
  uvx: { values: "--from --with -p --python" },
  "npm exec": { values: "-p --package -w --workspace --prefix", skips: 1 },
  "npm x": { values: "-p --package", skips: 1 },
  // What is no command of theirs is the program of a package.
  pnpm: { values: "-C --dir --filter -F" },
  yarn: { values: "--cwd" },
  "yarn workspaces foreach": { values: "--include --exclude --from -j --jobs", skips: 2 },
  "pnpm exec": { values: "-C --dir --filter -F", skips: 1 },
  "pnpm dlx": { values: "--package", skips: 1 },
  "yarn exec": { values: "--cwd", skips: 1 },
  "yarn dlx": { values: "-p --package", skips: 1 },
  "yarn workspace": { values: "--cwd", skips: 2 },
  "bun x": { skips: 1 },
  "bundle exec": { skips: 1 },
  "uv run": { values: "--with -p --python --directory --project", skips: 1 },
  "uv tool run": { values: "--from --with -p --python", skips: 2 },
  "poetry run": { values: "-C -P", skips: 1 },
  "pipenv run": { skips: 1 },
  "pdm run": { skips: 1 },
  "hatch run": { skips: 1 },
  "pipx run": { values: "--spec", skips: 1 },
  "rye run": { skips: 1 },
  "mise exec": { afterDashes: true },
  "mise x": { afterDashes: true },
  "asdf exec": { skips: 1 },
  "direnv exec": { skips: 2, isElsewhere: true },
  "op run": { afterDashes: true },
  "doppler run": { afterDashes: true },
  "dotenv": { afterDashes: true, values: "-e -f" },
  "aws-vault exec": { afterDashes: true, skips: 2 },
  corepack: {},
  "kubectl exec": { values: "-c --container", afterDashes: true, skips: 2, isElsewhere: true },
  "oc exec": { values: "-c --container", afterDashes: true, skips: 2, isElsewhere: true },
  "docker exec": { values: "-e --env -u --user -w --workdir --env-file", skips: 2, isElsewhere: true },
  "podman exec": { values: "-e --env -u --user -w --workdir", skips: 2, isElsewhere: true },
  "docker compose exec": { values: "-e --env -u --user -w --workdir -f -p", skips: 3, isElsewhere: true },
  "docker-compose exec": { values: "-e --env -u --user -w --workdir -f -p", skips: 2, isElsewhere: true },
  "git bisect run": { values: "-C -c", skips: 2 },
}));

/** Of shells: options whose value is the next word. */
const SHELL_VALUES = /^(?:--rcfile|--init-file|[-+][A-Za-z]*[oO])$/;

/** The commands inside a call; none for a program that runs no other. */
export function unwrap(call: Call): Inner[] {
  if (SHELLS.has(call.program)) return unwrapShell(call);
  const special = SPECIAL.get(call.program);
  if (special !== undefined) return special(call);
  const wrapper = wrapperOf(call);
  return wrapper === undefined ? [] : wordsBehind(call, wrapper);
}

function wrapperOf(call: Call): Wrapper | undefined {
  // `command -v rm` only looks a program up.
  if (call.program === "command" && call.args[0] !== undefined && /^-[vV]/.test(call.args[0].text)) {
    return undefined;
  }
  // `pnpm rm -r x` takes a package out of package.json files.
  if (/^(?:pnpm|yarn)$/.test(call.program) && call.isVerb("rm")) return undefined;
  const [first, second] = call.operandArgs;
  return WRAPPERS.get(`${call.program} ${first?.text} ${second?.text}`) ??
    WRAPPERS.get(`${call.program} ${first?.text}`) ?? WRAPPERS.get(call.program);
}

function wordsBehind(
  call: Call,
  { values = "", skips = 0, afterDashes = false, isElsewhere = false }: Wrapper,
): Inner[] {
  const dashes = call.args.findIndex((arg) => arg.text === "--");
  if (afterDashes && dashes >= 0) return asInner(call.args.slice(dashes + 1), isElsewhere);
  if (afterDashes && skips === 0) return [];
  const withValue = [...values.split(" "), ...(skips > 0 ? call.valueOptions : [])];
  return asInner(call.args.slice(commandStart(call.args, withValue, skips)), isElsewhere);
}

function asInner(words: readonly Arg[], isElsewhere: boolean): Inner[] {
  return words.length === 0 ? [] : [{ words, isElsewhere }];
}

/** Index of the first word behind options, their values, assignments and `skips` further words. */
function commandStart(args: readonly Arg[], values: readonly string[], skips: number): number {
  let left = skips;
  let index = 0;
  for (; index < args.length; index++) {
    const text = args[index]?.text ?? "";
    if (text === "--" && left === 0) return index + 1;
    if (values.includes(text)) index++;
    else if (/^-./.test(text) || /^[A-Za-z_]\w*=/.test(text)) continue;
    else if (left > 0) left--;
    else return index;
  }
  return index;
}

/** Programs that need more than skipping their own arguments. */
const SPECIAL = new Map<string, (call: Call) => Inner[]>([
  ["eval", (call) => textOf(call.args, { isSameShell: true })],
  ["trap", (call) => textOf(call.operandArgs.slice(0, 1), { isSameShell: true })],
  ["env", unwrapEnv],
  ["xargs", unwrapXargs],
  ["parallel", unwrapXargs],
  ["find", unwrapFind],
  ["gfind", unwrapFind],
  ["fd", unwrapFd],
  ["ssh", unwrapSsh],
  ["watch", (call) => textOf(call.args.slice(commandStart(call.args, ["-n", "--interval"], 0)), {})],
  ["su", (call) => call.values("-c", "--command").map((text) => ({ text }))],
  ["script", (call) => optionText(call, "c")],
  ["git", unwrapGit],
  ["npx", unwrapNpm],
  ["npm", unwrapNpm],
  ["python", unwrapPython],
  ["concurrently", (call) => call.operands.map((text) => ({ text }))],
]);

/** Puts words back into a script's text, for programs that hand them to a shell joined by blanks. */
function textOf(args: readonly Arg[], inner: { isElsewhere?: boolean; isSameShell?: boolean }): Inner[] {
  const text = args.map((arg) => arg.text).join(" ");
  return text.trim() === "" ? [] : [{ text, ...inner }];
}

/** The word behind a cluster of short options that holds `letter`, such as `-qec`. */
function optionText(call: Call, letter: string): Inner[] {
  const index = call.args.findIndex(({ text }) => /^-[A-Za-z]+$/.test(text) && text.includes(letter));
  const script = index < 0 ? undefined : call.args[index + 1];
  return script === undefined ? [] : [{ text: script.text }];
}

/** `sh -lc TEXT`, `sh <<EOF`, `echo TEXT | sh`. */
function unwrapShell(call: Call): Inner[] {
  let hasText = false;
  let readsInput = false;
  let index = 0;
  for (; index < call.args.length; index++) {
    const text = call.args[index]?.text ?? "";
    if (!/^[-+]./.test(text) || text === "--") break;
    if (SHELL_VALUES.test(text)) index++;
    if (text.startsWith("--command=")) return [{ text: text.slice("--command=".length) }];
    if (/^-[A-Za-z]*c/.test(text) || text === "--command") hasText = true;
    if (/^-[A-Za-z]*s/.test(text)) readsInput = true;
  }
  if (call.args[index]?.text === "--" || call.args[index]?.text === "-") index++;
  const operand = call.args[index];
  if (hasText) return operand === undefined ? [] : [{ text: operand.text }];
  return (operand === undefined || readsInput) && call.input.trim() !== "" ? [{ text: call.input }] : [];
}

function unwrapEnv(call: Call): Inner[] {
  const split = call.values("-S", "--split-string");
  const values = ["-u", "--unset", "-C", "--chdir", "-S", "--split-string", "-P"];
  const isElsewhere = call.values("-C", "--chdir").length > 0;
  if (split.length > 0) return split.map((text) => ({ text, isElsewhere }));
  return asInner(call.args.slice(commandStart(call.args, values, 0)), isElsewhere);
}

/** What xargs appends, or puts in the place of `-I`'s word, cannot be known. */
function unwrapXargs(call: Call): Inner[] {
  const values =
    "-I -i -n -P -L -s -d -a -E -R -S -J -j --max-args --max-procs --delimiter --arg-file --replace --jobs"
      .split(" ");
  const all = call.args.slice(commandStart(call.args, values, 0));
  // parallel: its inputs stand behind `:::`.
  const inputs = all.findIndex((arg) => /^:::/.test(arg.text));
  const words = inputs < 0 ? all : all.slice(0, inputs);
  if (words.length === 0) return [];
  const places = [
    ...call.values("-I", "-J", "--replace"),
    ...(call.program === "parallel" || call.has("-i") ? ["{}"] : []),
  ];
  const unknown = literalArg(UNKNOWN, literalWord(UNKNOWN));
  const replaced = words.map((arg) => ({ ...arg, text: replaceAny(arg.text, places) }));
  const hasPlace = replaced.some((arg, index) => arg.text !== words[index]?.text);
  const inner: Inner = { words: hasPlace ? replaced : [...replaced, unknown] };
  const isText = call.program === "parallel" && words.length === 1;
  return isText ? [{ text: replaced[0]?.text ?? "" }] : [inner];
}

function replaceAny(text: string, places: readonly string[]): string {
  return places.filter((place) => place !== "").slice(-1).reduce(
    (result, place) => result.replaceAll(place, UNKNOWN),
    text,
  );
}

/** `find ROOT… -exec CMD {} ;`: what it finds lies below its roots. */
function unwrapFind(call: Call): Inner[] {
  const roots = findRoots(call);
  const texts = roots.length > 0 ? roots : [literalArg(".", literalWord("."))];
  const found = texts.map((root) => ({ ...root, text: `${root.text}/found` }));
  const inners: Inner[] = [];
  for (let index = 0; index < call.args.length; index++) {
    const action = call.args[index]?.text ?? "";
    if (!/^-(?:exec|execdir|ok|okdir)$/.test(action)) continue;
    const end = actionEnd(call.args, index + 1);
    const words = call.args.slice(index + 1, end);
    inners.push({ words: words.flatMap((arg) => withFound(arg, found, words.length)) });
    index = end;
  }
  return inners;
}

/** Index of the `;` or `{} +` that ends an action of find. */
function actionEnd(args: readonly Arg[], start: number): number {
  for (let index = start; index < args.length; index++) {
    const text = args[index]?.text;
    if (text === ";" || (text === "+" && args[index - 1]?.text === "{}")) return index;
  }
  return args.length;
}

/** A lone `{}` is each path found; where finds in finds would multiply them, it is one unknown path. */
function withFound(arg: Arg, found: readonly Arg[], length: number): readonly Arg[] {
  if (arg.text === "{}" && found.length * length <= MAX_FOUND_WORDS) return found;
  return [{ ...arg, text: arg.text.replaceAll("{}", UNKNOWN) }];
}
const MAX_FOUND_WORDS = 1_000;

function unwrapFd(call: Call): Inner[] {
  const index = call.args.findIndex(({ text }) => /^(?:-x|-X|--exec|--exec-batch)$/.test(text));
  if (index < 0) return [];
  const unknown = literalArg(UNKNOWN, literalWord(UNKNOWN));
  return asInner([...call.args.slice(index + 1), unknown], false);
}

/** ssh joins its words by blanks and gives them to the login shell there; without words, its input. */
function unwrapSsh(call: Call): Inner[] {
  const values = "-b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w".split(" ");
  const words = call.args.slice(commandStart(call.args, values, 1));
  if (words.length > 0) return textOf(words, { isElsewhere: true });
  return call.input.trim() === "" ? [] : [{ text: call.input, isElsewhere: true }];
}

/** Git runs commands of the user's too. */
function unwrapGit(call: Call): Inner[] {
  if (call.isVerb("rebase")) return call.values("-x", "--exec").map((text) => ({ text, isElsewhere: true }));
  if (call.isVerb("submodule foreach")) return textOf(call.operandArgs.slice(2), { isElsewhere: true });
  const wrapper = wrapperOf(call);
  return wrapper === undefined ? [] : wordsBehind(call, wrapper);
}

/** `npx -c TEXT` and `npm exec -c TEXT` give the text to a shell. */
function unwrapNpm(call: Call): Inner[] {
  const texts = call.program === "npx" || call.isVerb("exec") || call.isVerb("x")
    ? call.values("-c", "--call")
    : [];
  if (texts.length > 0) return texts.map((text) => ({ text }));
  const wrapper = wrapperOf(call);
  return wrapper === undefined ? [] : wordsBehind(call, wrapper);
}

/** `python -m twine upload` is `twine upload`. */
function unwrapPython(call: Call): Inner[] {
  const index = call.args.findIndex((arg) => arg.text === "-m");
  return index < 0 || programName(call.args[index + 1]?.text ?? "") === "python"
    ? []
    : asInner(call.args.slice(index + 1), false);
}
