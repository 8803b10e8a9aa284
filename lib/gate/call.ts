/**
 * One call of a program, as the gate's rules see it: its name, its arguments with known variables put in,
 * its options and operands, and where its paths lead. Pure.
 */
import type { Part, Word } from "./shell.ts";

/** Stands in an argument's text for what only the running shell knows (a private-use character). */
export const UNKNOWN = "\uE000";

/** What runs a script, and what runs a program's text. */
export const SHELLS: ReadonlySet<string> = new Set("sh bash zsh dash ksh ash fish".split(" "));
export const INTERPRETERS: ReadonlySet<string> = new Set(
  "python perl ruby node deno bun php lua osascript pwsh".split(" "),
);

/** An argument after expansion of what is known. */
export interface Arg {
  /** Each unknown piece is one `UNKNOWN`. */
  text: string;
  /** Begins with a `~` that the shell expands. */
  tilde: boolean;
  /** Has a `*`, `?`, `[` or `{` that the shell expands. */
  glob: boolean;
  word: Word;
}

/** What is known where the command runs. */
export interface Surroundings {
  /** Undefined when it cannot be known. */
  cwd: string | undefined;
  home: string | undefined;
  dataDir: string;
  tempDirs: readonly string[];
}

/** Value of a variable or of a command substitution; undefined when it cannot be known. */
export type Lookup = (part: Part) => string | undefined;

/** Makes an argument of literal text. */
export function literalArg(text: string, word: Word): Arg {
  return { text, tilde: false, glob: false, word };
}

/** Expands a word as the shell would, as far as values are known; an unquoted value splits at blanks. */
export function expandWord(word: Word, lookup: Lookup): Arg[] {
  const [first, second] = word.parts;
  const value = first === undefined || first.kind === "text" ? undefined : lookup(first);
  if (first !== undefined && second === undefined && !first.quoted && value !== undefined) {
    return value.split(/\s+/).filter((text) => text !== "").map((text) => literalArg(text, word));
  }
  const text = word.parts.map((part) => expandPart(part, lookup)).join("");
  const bare = word.parts.filter((part) => part.kind === "text" && !part.quoted);
  const tilde = first !== undefined && first === bare[0] && first.text.startsWith("~");
  return [{ text, tilde, glob: bare.some((part) => /[*?[{]/.test(part.text)), word }];
}

function expandPart(part: Part, lookup: Lookup): string {
  if (part.kind === "text") return part.text;
  const value = lookup(part);
  const splits = !part.quoted && value !== undefined && /[\s*?[]/.test(value);
  return value === undefined || splits ? UNKNOWN : value;
}

/** Makes a path absolute and plain without looking at the disk; undefined when it cannot be known. */
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

/** `{a,/etc}` names several paths; only those without a way out of the directory are read as one. */
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
 * Whether a path may be removed whole: it is strictly below the data dir or a temp dir, and is not one of
 * these dirs, nor everything in one (`*`), nor something that holds the data dir or the home.
 */
export function isRemovable(arg: Arg, around: Surroundings): boolean {
  const path = resolvePath(arg, around);
  if (path === undefined || isUnder(around.dataDir, path)) return false;
  if (around.home !== undefined && isUnder(around.home, path)) return false;
  return [around.dataDir, ...around.tempDirs].some((dir) => {
    if (!isUnder(path, dir) || isUnder(normalizePath(dir), path)) return false;
    const firstStep = path.slice(normalizePath(dir).length + 1).split("/")[0] ?? "";
    return !(arg.glob && /^[.*?]*\*[.*?]*$/.test(firstStep));
  });
}

/** Packages whose program has another name than they, as `npx` and its kin are told. */
const PROGRAM_OF_PACKAGE: Readonly<Record<string, string>> = {
  "firebase-tools": "firebase",
  "aws-cdk": "cdk",
  "cdktf-cli": "cdktf",
  "netlify-cli": "netlify",
  "@changesets/cli": "changeset",
  "@railway/cli": "railway",
  "@aws-amplify/cli": "amplify",
};

/** A program's name without its directory and version: `/usr/bin/python3.12` is `python`, `vercel@33` is `vercel`. */
export function programName(text: string): string {
  const bare = text.replace(/(.)@[^@/]*$/, "$1");
  if (Object.hasOwn(PROGRAM_OF_PACKAGE, bare)) return PROGRAM_OF_PACKAGE[bare] ?? bare;
  const base = bare.slice(bare.lastIndexOf("/") + 1);
  return base.replace(/^(mkfs|newfs)[._].*$/, "$1").replace(/^(python|pip|gem|ruby|php|perl)[0-9.]+$/, "$1");
}

/** What a call is made of. */
export interface CallParts {
  /** The program and its arguments. */
  words: readonly Arg[];
  /** Text that is known to reach its standard input. */
  input: string;
  /** Whether text fetched from elsewhere reaches its standard input or, as a word, the program itself. */
  fetched: (arg?: Arg) => boolean;
  around: Surroundings;
}

/** The view of one call that rules ask their questions to. */
export class Call {
  readonly program: string;
  readonly args: readonly Arg[];
  /** Options of this program that take their value from the next word. */
  readonly valueOptions: ReadonlySet<string>;
  #operands: Arg[] | undefined;

  constructor(readonly parts: CallParts) {
    this.program = programName(parts.words[0]?.text ?? "");
    this.valueOptions = valueOptionsOf(this.program);
    // `cargo +nightly publish`: the toolchain comes before the subcommand.
    const toolchain = this.program === "cargo" && parts.words[1]?.text.startsWith("+") ? 1 : 0;
    this.args = parts.words.slice(1 + toolchain);
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
      else if (this.valueOptions.has(arg.text)) index++;
    }
    return this.#operands = operands;
  }

  /** The texts of `operandArgs`: subcommands first, for programs that have them. */
  get operands(): readonly string[] {
    return this.operandArgs.map((arg) => arg.text);
  }

  /** Whether the subcommands begin with these words, such as `pr merge`. */
  isVerb(verb: string): boolean {
    const operands = this.operandArgs;
    return verb.split(" ").every((word, index) => operands[index]?.text === word);
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

  /** Whether a path may be removed with all that is in it. */
  isRemovable(arg: Arg): boolean {
    return isRemovable(arg, this.parts.around);
  }

  /** The path made absolute, or undefined when it cannot be known. */
  path(arg: Arg): string | undefined {
    return resolvePath(arg, this.parts.around);
  }

  /** Whether the call asks for help and does nothing else. */
  get asksHelp(): boolean {
    return this.has("--help") || this.args.some((arg) => arg.text === "-help") ||
      this.args.at(-1)?.text === "-h";
  }
}

/** The folders that a call of `find` walks; none given is the current one. */
export function findRoots({ args }: Call): readonly Arg[] {
  const start = args.findIndex(({ text }) => !/^-(?:[HLP]|O[0-9]*|D)$/.test(text));
  const behind = start < 0 ? [] : args.slice(start);
  const end = behind.findIndex((arg) => /^[-(!]/.test(arg.text));
  return end < 0 ? behind : behind.slice(0, end);
}

function isOption(text: string): boolean {
  return text.length > 1 && text.startsWith("-");
}

/**
 * Options that take their value from the next word, by program: without them `git -C x push` would read as
 * the subcommand `x`. Only those that may stand before a subcommand or an operand that a rule looks at.
 */
const VALUE_OPTIONS: Readonly<Record<string, string>> = {
  git: "-C -c --git-dir --work-tree --namespace --config-env --super-prefix --exec-path",
  "gh glab": "-R --repo --hostname -g --group",
  "kubectl oc":
    "-n --namespace --context --cluster --kubeconfig -s --server --user --token --as --as-group " +
    "--request-timeout --cache-dir --certificate-authority --client-certificate --client-key --tls-server-name -v",
  "helm helmfile":
    "-n --namespace --kube-context --kubeconfig --registry-config --repository-config -f -e --environment",
  "docker podman nerdctl docker-compose":
    "--context -c -H --host -l --log-level --config -f --file -p --project-name " +
    "--profile --env-file --project-directory --ansi --tlscacert --tlscert --tlskey --url --connection",
  "npm pnpm yarn bun":
    "--prefix -C --dir --cwd --filter -F -w --workspace --registry --userconfig --tag --otp --loglevel",
  aws:
    "--profile --region --output --endpoint-url --query --ca-bundle --color --cli-read-timeout --cli-connect-timeout",
  "gcloud bq gsutil":
    "--project --account --configuration --format --verbosity --impersonate-service-account --zone " +
    "--region --filter --billing-project -o -h",
  az: "--subscription -g --resource-group -n --name -o --output --query",
  "make gmake": "-C --directory -f --file -I -j -l -o -W",
  "just task rake nx turbo gradle mvn": "-f --justfile -d --working-directory -t -p --filter --cwd -P",
  cargo: "--manifest-path --config -p --package --registry --color -Z --target-dir",
  "systemctl launchctl": "-H --host -M --machine -t --type -p --property --signal -s -n",
  "psql mysql mariadb":
    "-h --host -U --username -u --user -d --dbname -D --database -p --port -P --password -f --file " +
    "-o -v --set -L -F -R -T",
  sqlite3: "-separator -nullvalue -init -cmd -newline",
  "redis-cli valkey-cli": "-h -p -a -n -u --user --pass -r -i -s",
  "fly flyctl heroku wrangler vercel netlify":
    "-a --app -c --config -t --token --cwd -A -S --scope --env -e --site",
  "pulumi cdk": "-s --stack -C --cwd -a --app --profile -c --context",
  "poetry uv": "-C -P --directory --project --config-file",
  "deno bundle gem": "-c --config -L --log-level",
};

const VALUE_OPTIONS_BY_PROGRAM = new Map(
  Object.entries(VALUE_OPTIONS).flatMap(([names, options]) => {
    const set: ReadonlySet<string> = new Set(options.split(" "));
    return names.split(" ").map((name) => [name, set] as const);
  }),
);
const NO_OPTIONS: ReadonlySet<string> = new Set();

/** Options of a program that take their value from the next word. */
function valueOptionsOf(program: string): ReadonlySet<string> {
  return VALUE_OPTIONS_BY_PROGRAM.get(program) ?? NO_OPTIONS;
}
