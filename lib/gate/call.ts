/**
 * One call of a program as the gate's rules see it: its name, its arguments with known variables filled in, its
 * options and operands, and where its paths lead. Pure.
 */
import type { Part, SimpleCommand, Word } from "./shell.ts";

/** Stands in an argument's text for a piece that only the running shell knows (a private-use character). */
export const UNKNOWN = "\uE000";
/** A folder that the line itself makes with `mktemp`, in an unknown place. */
export const MADE_DIR = "/\uE001/mktemp";

/** Programs that run a script or a program's text. */
export const SHELLS: ReadonlySet<string> = new Set(
  "sh bash zsh dash ksh mksh ash fish csh tcsh yash rbash nu xonsh elvish".split(" "),
);
export const INTERPRETERS: ReadonlySet<string> = new Set(
  "python pypy perl ruby node deno bun php lua osascript pwsh powershell tsx ts-node Rscript julia groovy"
    .split(" "),
);

/** An argument after the expansion of everything known. */
export interface Arg {
  /** The text; each unknown piece is one `UNKNOWN`. */
  text: string;
  /** Whether it begins with a `~` that the shell expands. */
  tilde: boolean;
  /** Whether it has a `*`, `?`, `[` or `{` that the shell expands. */
  glob: boolean;
  word: Word;
  /** The commands whose output it comes from: through a pipe into `xargs`, a `$(…)`, or a variable that holds it. */
  origins?: readonly SimpleCommand[];
}

/** The facts known about the place where the command runs. */
export interface Surroundings {
  /** Undefined when it cannot be known. */
  cwd: string | undefined;
  home: string | undefined;
  dataDir: string;
  tempDirs: readonly string[];
}

/** One possible value of a variable or a command substitution. */
export interface Value {
  text: string;
  /** Whether it has a `*` or the like that the shell expanded, or expands where it is not quoted. */
  glob?: boolean;
}

/** The value of a part of a word; undefined when it cannot be known. */
export type Lookup = (part: Part) => Value | undefined;

/** Makes an argument of literal text. */
export function literalArg(text: string, word: Word): Arg {
  return { text, tilde: false, glob: false, word };
}

/** Expands a word as the shell would, as far as values are known; an unquoted value is split at blanks. */
export function expandWord(word: Word, lookup: Lookup): Arg[] {
  const [first, second] = word.parts;
  const value = first === undefined || first.kind === "text" ? undefined : lookup(first);
  if (first !== undefined && second === undefined && !first.quoted && value !== undefined) {
    return splitValue(value, word);
  }
  const values = word.parts.map((part) => expandPart(part, lookup));
  const bare = word.parts.filter((part) => part.kind === "text" && !part.quoted);
  const tilde = first !== undefined && first === bare[0] && first.text.startsWith("~");
  const glob = bare.some((part) => /[*?[{]/.test(part.text)) || values.some((value) => value.glob === true);
  return [{ text: values.map((value) => value.text).join(""), tilde, glob, word }];
}

function splitValue({ text, glob = /[*?[]/.test(text) }: Value, word: Word): Arg[] {
  return text.split(/\s+/).filter((piece) => piece !== "").map((piece) => ({
    ...literalArg(piece, word),
    glob,
  }));
}

function expandPart(part: Part, lookup: Lookup): Value {
  if (part.kind === "text") return { text: part.text };
  const value = lookup(part);
  const splits = !part.quoted && value !== undefined && /[\s*?[]/.test(value.text);
  return value === undefined || splits ? { text: UNKNOWN } : value;
}

/** The value of an argument for a shell or a variable: its `~` is expanded. */
export function toValue({ text, tilde, glob }: Arg, { home }: Surroundings): Value {
  if (!tilde) return { text, glob };
  return { text: home !== undefined && /^~(?:\/|$)/.test(text) ? home + text.slice(1) : UNKNOWN, glob };
}

/** Makes a path absolute and normalized without looking at the disk; undefined when it cannot be known. */
export function resolvePath(arg: Arg, { cwd, home }: Surroundings): string | undefined {
  let path = arg.text;
  if (path.includes(UNKNOWN) || hasBraces(arg)) return undefined;
  if (arg.tilde) {
    if (home === undefined || !/^~(?:\/|$)/.test(path)) return undefined;
    path = home + path.slice(1);
  }
  if (!path.startsWith("/")) {
    if (cwd === undefined) return undefined;
    path = `${cwd}/${path}`;
  }
  return normalizePath(path);
}

/**
 * `{a,/etc}` names several paths; a brace expression is read as one path only if no alternative leaves the directory.
 */
function hasBraces({ glob, text }: Arg): boolean {
  return glob && /\{[^}]*,/.test(text) && /[{,](?:[/~]|\.\.)|\.\.[,}]/.test(text);
}

function normalizePath(path: string): string {
  const steps: string[] = [];
  for (const step of path.split("/")) {
    if (step === "..") steps.pop();
    else if (step !== "" && step !== ".") steps.push(step);
  }
  return `/${steps.join("/")}`;
}

/** Whether `path` is `dir` or below it. */
export function isUnder(path: string, dir: string): boolean {
  const root = normalizePath(dir);
  return path === root || path.startsWith(root === "/" ? "/" : `${root}/`);
}

/**
 * Whether a path may be removed with everything in it: it must be strictly below the data dir or a temp dir, and must
 * not be one of these, everything in one (`*`), or a folder that holds the data dir or the home. A folder that the
 * line itself made with `mktemp` may be removed, too.
 */
function isRemovable(arg: Arg, around: Surroundings): boolean {
  const path = resolvePath(arg, around);
  if (path === undefined || isUnder(around.dataDir, path)) return false;
  if (around.home !== undefined && isUnder(around.home, path)) return false;
  if (isUnder(path, MADE_DIR)) return true;
  return [around.dataDir, ...around.tempDirs].some((dir) => {
    if (!isUnder(path, dir) || isUnder(normalizePath(dir), path)) return false;
    const firstStep = path.slice(normalizePath(dir).length + 1).split("/")[0] ?? "";
    return !(arg.glob && /^[.*?]*\*[.*?]*$/.test(firstStep));
  });
}

/** Packages whose program has another name, as `npx` and the like are given them. */
const PROGRAM_OF_PACKAGE: Readonly<Record<string, string>> = {
  "firebase-tools": "firebase",
  "aws-cdk": "cdk",
  "cdktf-cli": "cdktf",
  "netlify-cli": "netlify",
  "fkill-cli": "fkill",
  "eas-cli": "eas",
  "@changesets/cli": "changeset",
  "@railway/cli": "railway",
  "@aws-amplify/cli": "amplify",
  "@cloudflare/wrangler": "wrangler",
  "@google/clasp": "clasp",
  "@angular/cli": "ng",
  "@nestjs/cli": "nest",
  "@expo/cli": "expo",
  "@dotenvx/dotenvx": "dotenvx",
  "@vscode/vsce": "vsce",
};

/** A program's name without its directory and version: `/usr/bin/python3.12` is `python`, `vercel@33` is `vercel`. */
export function programName(text: string): string {
  const bare = text.replace(/^(?:npm:|jsr:)/, "").replace(/(.)@[^@/]*$/, "$1");
  if (Object.hasOwn(PROGRAM_OF_PACKAGE, bare)) return PROGRAM_OF_PACKAGE[bare] ?? bare;
  const base = bare.slice(bare.lastIndexOf("/") + 1).replace(/\.exe$/, "");
  return base.replace(/^(mkfs|newfs|fsck)[._].*$/, "$1").replace(
    /^(python|pypy|pip|gem|ruby|php|perl|lua|node|bash)-?[0-9.]+$/,
    "$1",
  );
}

/** The parts of a call. */
export interface CallParts {
  /** The program and its arguments. */
  words: readonly Arg[];
  /** Text that is known to reach its standard input. */
  input: string;
  /** The words known to reach its standard input, such as the paths that `find` prints for `xargs`. */
  inputWords: () => readonly Arg[] | undefined;
  /** Whether text fetched from elsewhere reaches its standard input or, as a word, the program itself. */
  fetched: (arg?: Arg) => boolean;
  /** The commands whose output an argument is made of. */
  originsOf: (arg: Arg) => readonly SimpleCommand[];
  around: Surroundings;
}

/** The view of one call that the rules query. */
export class Call {
  readonly program: string;
  readonly args: readonly Arg[];
  /** Options of this program that take their value from the next word; undefined when they are unknown. */
  readonly valueOptions: ReadonlySet<string> | undefined;
  #operands: Arg[] | undefined;

  constructor(readonly parts: CallParts) {
    const name = programName(parts.words[0]?.text ?? "");
    const [first, ...rest] = parts.words;
    // `git-push` is `git push`.
    const gitVerb = /^git-(.+)/.exec(name)?.[1];
    this.program = gitVerb === undefined ? name : "git";
    this.valueOptions = valueOptionsOf(this.program);
    // `cargo +nightly publish`: the toolchain comes before the subcommand.
    const isToolchain = /^(?:cargo|rustup)$/.test(name) && rest[0]?.text.startsWith("+");
    this.args = gitVerb === undefined || first === undefined
      ? (isToolchain ? rest.slice(1) : rest)
      : [literalArg(gitVerb, first.word), ...rest];
  }

  get input(): string {
    return this.parts.input;
  }

  /** The arguments that are neither options nor the values of options known to take one. */
  get operandArgs(): readonly Arg[] {
    if (this.#operands !== undefined) return this.#operands;
    const operands: Arg[] = [];
    let isOver = false;
    for (let index = 0; index < this.args.length; index++) {
      const arg = this.args[index] as Arg;
      if (isOver || !isOption(arg.text)) operands.push(arg);
      else if (arg.text === "--") isOver = true;
      else if (this.valueOptions?.has(arg.text)) index++;
    }
    return this.#operands = operands;
  }

  /** The texts of `operandArgs`: subcommands first, for programs that have them. */
  get operands(): readonly string[] {
    return this.operandArgs.map((arg) => arg.text);
  }

  /** The operands except those after an option, which may be its values when the program's options are unknown. */
  get #surelyOperands(): readonly string[] {
    return this.args.flatMap(({ text }, index) =>
      isOption(text) || isOption(this.args[index - 1]?.text ?? "") ? [] : [text]
    );
  }

  /**
   * Whether the subcommands begin with these words, such as `pr merge`. A word may be a choice (`merge|close`) or
   * hold a `*` for anything; `…` stands for any number of words.
   */
  isVerb(verb: string): boolean {
    const pattern = verb.split(" ");
    if (beginsWith(this.operands, pattern)) return true;
    return this.valueOptions === undefined && beginsWith(this.#surelyOperands, pattern);
  }

  /** Whether one of the options is given: `--force`, `--force=…`, `-f`, or `f` among `-xfd`. */
  has(...options: string[]): boolean {
    return this.#options().some((text) =>
      options.some((option) =>
        text === option ||
        (option.startsWith("--") && text.startsWith(`${option}=`)) ||
        (option.length === 2 && option !== "--" && /^-[A-Za-z0-9]+$/.test(text) &&
          text.includes(option.charAt(1)))
      )
    );
  }

  #options(): string[] {
    const end = this.args.findIndex((arg) => arg.text === "--");
    return (end < 0 ? this.args : this.args.slice(0, end)).map((arg) => arg.text).filter(isOption);
  }

  /** The values given to an option: `-X V`, `-XV`, `-sX V`, `-sXV`, `--opt V`, `--opt=V`. */
  values(...options: string[]): string[] {
    return this.args.flatMap(({ text }, index) =>
      options.flatMap((option) => {
        if (text === option) return [this.args[index + 1]?.text ?? ""];
        if (text.startsWith(`${option}=`)) return [text.slice(option.length + 1)];
        if (!/^-[A-Za-z]$/.test(option) || !/^-[A-Za-z0-9]/.test(text)) return [];
        const at = /^[A-Za-z0-9]+/.exec(text.slice(1))?.[0].indexOf(option.charAt(1)) ?? -1;
        if (at < 0) return [];
        return [text.slice(at + 2) || (this.args[index + 1]?.text ?? "")];
      })
    );
  }

  /** Whether a path may be removed with everything in it. */
  isRemovable(arg: Arg): boolean {
    return isRemovable(arg, this.parts.around);
  }

  /** The path made absolute, or undefined when it cannot be known. */
  path(arg: Arg): string | undefined {
    return resolvePath(arg, this.parts.around);
  }

  /** Whether the call asks for help or the version and does nothing else. */
  get asksHelp(): boolean {
    const [only, more] = this.args;
    return this.has("--help") || this.args.some((arg) => arg.text === "-help") ||
      (more === undefined && /^(?:--version|-V|-h|help|version)$/.test(only?.text ?? ""));
  }

  /** Whether the call only shows what it would do: `--dry-run` and its names in other programs. */
  get rehearses(): boolean {
    const given = this.#options().filter((text) => REHEARSAL.test(text));
    return given.length > 0 && !this.values("--dry-run").some((value) => /^(?:none|false|no|0)$/.test(value));
  }
}

const REHEARSAL =
  /^(?:--(?:dry-?run|dry|noop|no-op|no-act|simulate|just-print|pretend|what-?if|plan-only)(?:=.*)?|-WhatIf|-dry-run)$/i;

/** Whether operands begin with a pattern of words. */
function beginsWith(operands: readonly string[], pattern: readonly string[]): boolean {
  const gap = pattern.indexOf("…");
  const head = gap < 0 ? pattern : pattern.slice(0, gap);
  const isHere = (from: number, words: readonly string[]) =>
    words.every((word, index) => isWord(operands[from + index], word));
  if (!isHere(0, head)) return false;
  const tail = gap < 0 ? [] : pattern.slice(gap + 1);
  return tail.length === 0 || operands.some((_, from) => from >= head.length && isHere(from, tail));
}

function isWord(text: string | undefined, pattern: string): boolean {
  if (text === undefined) return false;
  return pattern.split("|").some((choice) =>
    choice === text || (choice.includes("*") && isLike(text, choice))
  );
}

/** Whether a text matches a pattern with one `*`. */
function isLike(text: string, pattern: string): boolean {
  const [head = "", tail = ""] = pattern.split("*");
  return text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
}

/** The folders that a call of `find` walks; the current one when none is given. */
export function findRoots({ args }: Pick<Call, "args">): readonly Arg[] {
  const start = args.findIndex(({ text }) => !/^-(?:[HLP]|O[0-9]*|D)$/.test(text));
  const behind = start < 0 ? [] : args.slice(start);
  const end = behind.findIndex((arg) => /^[-(!]/.test(arg.text));
  return end < 0 ? behind : behind.slice(0, end);
}

/** Whether find is asked for less than everything below its roots. */
export function findIsNarrow({ args }: Pick<Call, "args">): boolean {
  const test = /^-i?(?:name|path|regex|wholename)$|^-(?:empty|newer.*|[acm](?:time|min))$/;
  return args.some(({ text }) => test.test(text));
}

function isOption(text: string): boolean {
  return text.length > 1 && text.startsWith("-");
}

/**
 * Options that take their value from the next word, by program: without them `git -C x push` would read as the
 * subcommand `x`. Only options that may precede a subcommand or operand that a rule checks are listed. A call of a
 * program that is not listed is read twice, with and without the words after its options.
 */
const VALUE_OPTIONS: Readonly<Record<string, string>> = {
  "git hub yadm":
    "-C -c --git-dir --work-tree --namespace --config-env --super-prefix --exec-path --yadm-dir --yadm-repo",
  "gh glab": "-R --repo --hostname -g --group",
  "kubectl oc":
    "-n --namespace --context --cluster --kubeconfig -s --server --user --token --as --as-group " +
    "--request-timeout --cache-dir --certificate-authority --client-certificate --client-key --tls-server-name -v",
  "helm helmfile":
    "-n --namespace --kube-context --kubeconfig --registry-config --repository-config -f -e --environment",
  "docker podman nerdctl docker-compose":
    "--context -c -H --host -l --log-level --config -f --file -p --project-name " +
    "--profile --env-file --project-directory --ansi --tlscacert --tlscert --tlskey --url --connection --parallel",
  "npm pnpm yarn bun":
    "--prefix -C --dir --cwd --filter -F -w --workspace --registry --userconfig --tag --otp --loglevel",
  aws:
    "--profile --region --output --endpoint-url --query --ca-bundle --color --cli-read-timeout --cli-connect-timeout",
  "gcloud bq gsutil":
    "--project --account --configuration --format --verbosity --impersonate-service-account --zone " +
    "--region --filter --billing-project -o -h",
  az: "--subscription -g --resource-group -n --name -o --output --query",
  "make gmake": "-C --directory -f --file -I -j -l -o -W",
  "just task rake nx turbo gradle gradlew mvn mvnw":
    "--tests -x --exclude-task -f --justfile -d --working-directory -t -p --filter --cwd -P",
  cargo: "--manifest-path --config -p --package --registry --color -Z --target-dir",
  "systemctl launchctl": "-H --host -M --machine -t --type -p --property --signal -s -n",
  "psql mysql mariadb":
    "-h --host -U --username -u --user -d --dbname -D --database -p --port -P --password -f --file " +
    "-o -v --set -L -F -R -T",
  sqlite3: "-separator -nullvalue -init -cmd -newline",
  "redis-cli valkey-cli": "-h -p -a -n -u --user --pass -r -i -s --pattern --count --type",
  "fly flyctl heroku wrangler vercel netlify":
    "-a --app -c --config -t --token --cwd -A -S --scope --env -e --site",
  "pulumi cdk": "-s --stack -C --cwd -a --app --profile -c --context",
  "poetry uv": "-C -P --directory --project --config-file",
  "deno bundle gem": "-c --config -L --log-level",
  "hg sl": "-R --repository --cwd --config -r --rev -b --branch",
  svn: "--username --password --config-dir --config-option -m --message -F --file -r --revision -c --change",
  jj: "-R --repository --at-op --color --config -r --revisions",
  ansible: "-i --inventory -m --module-name -a --args -u --user -l --limit -e --extra-vars -f --forks",
  curl:
    "-H --header -d --data --data-raw --data-binary --data-urlencode --json -X --request -o --output -u --user " +
    "-A -e -b -c -w -F --form -T --upload-file -m --max-time --retry --connect-timeout -x --proxy --url-query " +
    "--mail-from --mail-rcpt -K --cacert --cert --key --resolve -Q --quote",
  wget:
    "-O --output-document -o --output-file -P --header --method --body-data --body-file --post-data --post-file " +
    "-U --user --password -t --tries -T --timeout",
};

const VALUE_OPTIONS_OF = new Map<string, ReadonlySet<string> | undefined>();

/** A program's options that take their value from the next word; undefined when they are unknown. */
function valueOptionsOf(program: string): ReadonlySet<string> | undefined {
  if (!VALUE_OPTIONS_OF.has(program)) {
    const found = Object.entries(VALUE_OPTIONS).find(([names]) => names.split(" ").includes(program));
    VALUE_OPTIONS_OF.set(program, found === undefined ? undefined : new Set(found[1].split(" ")));
  }
  return VALUE_OPTIONS_OF.get(program);
}
