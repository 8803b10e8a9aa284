/**
 * Completions: the possible next words of a command line, from the verbs' declarations, and scripts for three shells.
 */
import { type Argument, type Declaration, type LiveKind, type Option, optionsOf } from "./verb.ts";

/** One possible word and its meaning. */
export interface Suggestion {
  word: string;
  summary: string;
}

/** The words a shell is to offer, or its own names of files or folders. */
export type Completion = Suggestion[] | ":file" | ":dir";

/** Finds the live words of a kind; called only for the kind that is needed. */
export type Live = (kind: LiveKind) => Suggestion[] | Promise<Suggestion[]>;

/** All verbs, each loaded only when its declaration is needed, so that a TAB does not load all of looop. */
export interface Verbs {
  paths: readonly string[];
  declaration(path: string): Promise<Declaration>;
}

/** Suggestions for the last of `words` (those after `looop`), which is being typed and may be "". */
export async function complete(verbs: Verbs, words: readonly string[], live: Live): Promise<Completion> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const path = verbOf(verbs.paths, before);
  if (path === undefined) return await nextWords(verbs, before, current);
  const spot = spotOf(await verbs.declaration(path), before.slice(path.split(" ").length), current);
  const found = await candidatesOf(spot, verbs, current, live);
  return typeof found === "string" ? found : matching(found, current);
}

function matching(candidates: readonly Suggestion[], current: string): Suggestion[] {
  return candidates.filter(({ word }) => word.startsWith(current));
}

/** The verb that the words begin with. */
function verbOf(paths: readonly string[], words: readonly string[]): string | undefined {
  for (const count of [3, 2, 1]) {
    const path = words.slice(0, count).join(" ");
    if (words.length >= count && paths.includes(path)) return path;
  }
  return undefined;
}

/** The words that continue `before` towards a verb; a group of verbs has no summary. */
async function nextWords(verbs: Verbs, before: readonly string[], current: string): Promise<Suggestion[]> {
  const found = new Map<string, Promise<string> | string>();
  for (const path of verbs.paths) {
    const parts = path.split(" ");
    const word = parts[before.length];
    if (word === undefined || !word.startsWith(current) || found.has(word)) continue;
    if (before.some((each, n) => each !== parts[n])) continue;
    const whole = parts.length === before.length + 1;
    found.set(word, whole ? verbs.declaration(path).then(({ summary }) => summary) : "");
  }
  return await Promise.all([...found].map(async ([word, summary]) => ({ word, summary: await summary })));
}

/** The role of the current word. */
type Spot =
  | { is: "option"; options: Option[] }
  | { is: "value"; option: Option; prefix: string }
  | { is: "argument"; argument: Argument; words: string[] }
  | { is: "nothing" };

/** The position of the current word among a verb's words. Pure. */
function spotOf(declare: Declaration, typed: readonly string[], current: string): Spot {
  const options = optionsOf(declare);
  const words: string[] = [];
  const used = new Set<string>();
  let waiting: Option | undefined;
  let closed = false;
  for (const word of typed) {
    if (waiting !== undefined) waiting = undefined;
    else if (closed || !word.startsWith("-") || word === "-") {
      words.push(word);
      closed ||= declare.passthrough === true;
    } else if (word === "--") closed = true;
    else {
      const option = optionOf(options, word);
      if (option === undefined) continue;
      used.add(option.name);
      if (option.value !== undefined && !word.includes("=")) waiting = option;
    }
  }
  if (waiting !== undefined) return { is: "value", option: waiting, prefix: "" };
  if (!closed && current.startsWith("-")) return optionSpot(options, used, current);
  const args = declare.args ?? [];
  const argument = args[words.length] ?? (args.at(-1)?.many ? args.at(-1) : undefined);
  return argument === undefined
    ? { is: "nothing" }
    : { is: "argument", argument, words: words.slice(args.indexOf(argument)) };
}

function optionSpot(options: readonly Option[], used: ReadonlySet<string>, current: string): Spot {
  const equals = current.indexOf("=");
  if (equals < 0) {
    return { is: "option", options: options.filter(({ name, many }) => many || !used.has(name)) };
  }
  const option = optionOf(options, current);
  if (option?.value === undefined) return { is: "nothing" };
  return { is: "value", option, prefix: current.slice(0, equals + 1) };
}

function optionOf(options: readonly Option[], word: string): Option | undefined {
  const name = word.split("=", 1)[0];
  return options.find((option) =>
    name === `--${option.name}` || (option.short && name === `-${option.short}`)
  );
}

async function candidatesOf(
  spot: Spot,
  verbs: Verbs,
  current: string,
  live: Live,
): Promise<Completion> {
  switch (spot.is) {
    case "option":
      return spot.options.map(({ name, summary }) => ({ word: `--${name}`, summary }));
    case "value": {
      const found = await liveOf(spot.option.kind, live);
      return typeof found === "string"
        ? found
        : found.map(({ word, summary }) => ({ word: spot.prefix + word, summary }));
    }
    case "argument":
      if (spot.argument.choices !== undefined) {
        return spot.argument.choices.map((word) => ({ word, summary: "" }));
      }
      if (spot.argument.kind === "verb") return await nextWords(verbs, spot.words, current);
      // Only the first of many words can be an id; the rest is prose.
      return spot.words.length > 0 ? [] : await liveOf(spot.argument.kind, live);
    default:
      return [];
  }
}

function liveOf(kind: LiveKind | undefined, live: Live): Completion | Promise<Completion> {
  if (kind === "file") return ":file";
  if (kind === "dir") return ":dir";
  return kind === undefined ? [] : live(kind);
}

/** The completion as a shell's script reads it: a directive, or one word per line with its meaning after a tab. */
export function formatCompletion(completion: Completion): string {
  if (typeof completion === "string") return `${completion}\n`;
  return completion.map(({ word, summary }) => `${word}\t${summary}\n`).join("");
}

export type Shell = "bash" | "zsh" | "fish";

/**
 * The scripts that a shell evaluates. Each passes the words to `looop _ complete` and offers the output. Typed text
 * is passed on unchanged and never evaluated; every failure is silent.
 */
export const SCRIPTS: Readonly<Record<Shell, string>> = {
  // Works in bash 3.2 (macOS) without the bash-completion package. Readline splits words at "=", so pieces are
  // joined.
  bash: `# bash completion for looop: eval "$(looop config bash)"
_looop() {
  local words=() piece line cur=\${COMP_WORDS[COMP_CWORD]} n=1 glue=
  while [ "$n" -le "$COMP_CWORD" ]; do
    piece=\${COMP_WORDS[n]}
    if [ "$n" -gt 1 ] && { [ "$piece" = "=" ] || [ -n "$glue" ]; }; then
      words[\${#words[@]}-1]=\${words[\${#words[@]}-1]}$piece
    else
      words[\${#words[@]}]=$piece
    fi
    glue=
    [ "$piece" = "=" ] && glue=1
    n=$((n + 1))
  done
  [ "$cur" = "=" ] && cur=
  COMPREPLY=()
  local whole=\${words[\${#words[@]}-1]} IFS=$'\\n'
  while IFS= read -r line; do
    case $line in
      :file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
      :dir) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur")); return ;;
      *) line=\${line%%$'\\t'*}
        COMPREPLY[\${#COMPREPLY[@]}]=\${line:\${#whole}-\${#cur}} ;;
    esac
  done < <("\${1/#\\~\\//$HOME/}" _ complete -- "\${words[@]}" 2>/dev/null </dev/null)
}
complete -F _looop looop
`,
  zsh: `# zsh completion for looop: eval "$(looop config zsh)"
_looop() {
  local line program=\${(Q)words[1]/#\\~\\//$HOME/}
  local -a found
  while IFS= read -r line; do
    case $line in
      :file) _files; return ;;
      :dir) _files -/; return ;;
      *$'\\t') found+=("\${\${line%$'\\t'}//:/\\\\:}") ;;
      *) found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done < <("$program" _ complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)
  (( $#found )) && _describe looop found
}
if ! (( $+functions[compdef] )); then
  autoload -Uz compinit && compinit -i
fi
compdef _looop looop
`,
  fish: `# fish completion for looop: looop config fish | source
function __looop_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found (command $words[1] _ complete -- $words[2..-1] "$current" 2>/dev/null </dev/null)
    switch "$found[1]"
        case :file
            __fish_complete_path "$current"
        case :dir
            __fish_complete_directories "$current"
        case '*'
            test (count $found) -gt 0; and printf '%s\\n' $found
    end
end
complete -c looop -e
complete -c looop -f -a '(__looop_complete)'
`,
};
