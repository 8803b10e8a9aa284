/**
 * The commands that a program would run in turn: `env`, `timeout 5`, `xargs`, `sh -c`, `find -exec`, `ssh host`.
 * Pure; it unwraps one layer at a time, and `judge.ts` follows the layers.
 */
import { type Arg, type Call, literalArg, programName, SHELLS, UNKNOWN } from "./call.ts";
import { runsPrograms, shellOptions } from "./questions.ts";
import { literalWord } from "./shell.ts";
import { hasRules, linesNaming } from "./table.ts";
import { pathsFound } from "./values.ts";

/** A command inside a command, as words or as text for a shell. */
export type Inner = ({ words: readonly Arg[]; text?: undefined } | { words?: undefined; text: string }) & {
  /** Whether it runs on another machine, in a container or in an unknown directory. */
  isElsewhere?: boolean;
  /** Whether this shell itself runs it, with its variables. */
  isSameShell?: boolean;
  /** Whether it runs when this shell ends. */
  isTrap?: boolean;
  /** `$1`, `$2` and so on, for a new shell. */
  positional?: readonly Arg[];
};

/** Options of `docker run` and similar programs whose value is the next word. */
const CONTAINER =
  "-a --add-host --annotation --attach --cap-add --cap-drop --cidfile --cpus --cpu-shares --device " +
  "--dns -e --env --env-file --entrypoint --expose --gpus --group-add --hostname -h --ip --ipc -l --label --label-file " +
  "--link --log-driver --log-opt -m --memory --mount --name --net --network --network-alias --pid --platform --pod -p " +
  "--publish --pull --restart --runtime --secret --security-opt --shm-size --stop-timeout --tmpfs --ulimit -u --user " +
  "--userns -v --volume --volumes-from -w --workdir";
/** The same for `docker exec`. */
const EXEC = "-e --env -u --user -w --workdir --env-file --index -f --file -p --project-name --detach-keys";
/** The same for the package runners. */
const PACKAGE =
  "-p --package -w --workspace --prefix --from --with --python --spec -C --dir --filter -F --cwd";

/**
 * Wrappers: programs, with their first operands where these make them one; then, as needed:
 * `values …` options whose value is the next word; `skips N` words before the command that are not options;
 * `dashes`: the command begins after `--`, if there is one; `behind …` options after which its words begin;
 * `texts …` options whose value is the command as text for a shell; `text`: its words are joined by blanks and given
 * to a shell; `elsewhere`: it runs on another machine, in a container or in an unknown directory.
 */
const WRAPPERS = `
# The machine's own
 nohup, setsid, command, builtin, noglob, nocorrect, chronic, unbuffer, busybox, toybox, unshare, dumb-init
 eatmydata, winpty, nocache, dbus-run-session, ltrace, valgrind, ifne, fakeroot, linux32, linux64, corepack
 xvfb-run, setarch, torsocks, torify, tsocks, proxychains, proxychains4, keychain, flatpak-spawn, daemon
 timeout, gtimeout; skips 1; values -s --signal -k --kill-after
 nice; values -n --adjustment
 ionice; values -c --class -n --classdata -p -P -u
 taskset, chrt, chpst, setuidgid, s6-setuidgid, envdir, runcon, faketime, lockf, setlock; skips 1
 numactl, cpulimit, prlimit, softlimit, cgexec; values -g -p -l -e -m -N -C --pid --limit --membind
 stdbuf; values -i -o -e --input --output --error
 time; values -f --format -o --output
 exec; values -a
 caffeinate; values -t -w
 systemd-inhibit; values --who --why --what --mode
 systemd-cat; values -t -p --identifier --priority
 systemd-run; values -u --unit -p --property -E --setenv -M -H --slice --uid --gid --on-calendar --on-active
 strace; values -e -o -p -s -u
 perf stat, perf record; values -e -o -p
 gdb, lldb, rr; dashes; behind --args
 retry; values -t --tries --times --delay --max -d -n
 flock; skips 1; texts -c --command; values -w --timeout --wait -E --conflict-exit-code
 arch; values -arch -e
 tini; values -p -e
 start-stop-daemon, daemonize; texts -x --exec --startas; values -p --pidfile -u -c --chuid -a -d
 sudo; values -u --user -g --group -h --host -p --prompt -C -T -U -D --chdir -R -r -t
 doas, dzdo, please, su-exec, gosu; values -u -C
 pkexec; values --user
 run0; values -u --user -g --group
 su, runuser, setpriv, capsh; texts -c --command; values -u --user -g --group -s --reuid --regid --groups
 sg; skips 1; texts -c
 chroot; skips 1; elsewhere
 nsenter; elsewhere; values -t --target -S -G
 bwrap, firejail, proot; elsewhere; values --bind --ro-bind --dev-bind --setenv --chdir -b -w -r
 script; skips 1; texts -c --command; values -t -m -o
 screen; values -S -t -c -e -h -s -T -p
 dtach; skips 1; values -e -r
 abduco; skips 1; values -e
 zellij run, pueue add; skips 0; dashes
 tsp, nq; values -L
 expect; texts -c
 watch; text; values -n --interval
 entr; texts -s
 watchexec, reflex, when-changed; values -e --exts -w --watch -i --ignore -f --filter -r -R -s -g --signal
 nodemon; texts -x --exec; values -e --ext -w --watch -i --ignore
 chokidar, onchange; dashes; texts -c --command
# Tools of languages
 npx, npm exec, npm x; texts -c --call; values @package
 bunx, pnpx, uvx, pnpm dlx, pnpm exec, yarn dlx, yarn exec, bun x, uv tool run, pipx run; values @package
 pnpm, yarn; values @package
 yarn workspaces foreach; values --include --exclude --from -j --jobs
 yarn workspace; skips 1; values @package
 lerna exec, nx exec, rush exec; dashes
 cross-env, cross-env-shell
 env-cmd; values -f -e -r
 dotenv, dotenvx run; values -e -f -v -c
 bundle exec, rbenv exec, pyenv exec, nodenv exec, jenv exec, asdf exec
 nvm exec, nvm run, fnm exec, volta run; skips 1; values --using
 rvm; skips 2
 uv run; values @package -p --directory --project --env-file --extra --group
 poetry run, pipenv run, pdm run, hatch run, rye run, pixi run; values -C -P -p -e
 conda run, mamba run, micromamba run; values -n --name -p --prefix --cwd
 opam exec, stack exec, cabal exec, mix cmd
# Environments
 direnv exec; skips 1; elsewhere
 mise exec, mise x, rtx exec; dashes; texts -c --command
 devbox run, devenv shell
 flox activate, guix shell, guix environment; dashes
 nix develop, nix shell, nix; behind -c --command
 nix-shell; texts --run --command
 op run, doppler run, infisical run, teller run; dashes; texts --command
 aws-vault exec, saml2aws exec, chamber exec; skips 1; dashes
 envchain; skips 1
 sops exec-env, sops exec-file; skips 1; text
 consul lock, etcdctl lock; skips 1
 ssh-agent; values -a -t -E -P
# Elsewhere
 ssh, autossh, mosh, rsh, slogin, dbclient, plink; skips 1; text; elsewhere; values -b -B -c -D -E -e -F -I -i -J -L -l -M -m -O -o -p -P -Q -R -S -W -w --ssh
 sshpass; values -p -f -d -P
 tsh ssh; skips 1; text; elsewhere; values -p -l -i --proxy --cluster -o
 pdsh, dsh, clush, pssh, parallel-ssh, mussh; text; elsewhere; values -w -x -g -h -H -l -p -t -o -e -f -m -X
 docker exec, podman exec, nerdctl exec, docker-compose exec, podman-compose exec; skips 1; elsewhere; values @exec
 docker compose exec, podman compose exec, docker container exec; skips 1; elsewhere; values @exec
 kubectl exec, oc exec, oc rsh; skips 1; dashes; elsewhere; values -c --container -n
 kubectl debug, nomad alloc exec; dashes; elsewhere
 lxc exec, incus exec, multipass exec, distrobox enter, limactl shell, machinectl shell; skips 1; dashes; elsewhere; values -n --name -c --container --env -w --workdir --working-directory
 lima, orb, colima ssh, minikube ssh, toolbox run; elsewhere; values -p -n -m -u
 vagrant ssh, eb ssh, cf ssh, gcloud compute ssh; dashes; texts -c --command; elsewhere
 fly ssh console, flyctl ssh console; texts -C --command; elsewhere
 heroku run, railway run, railway ssh, adb shell, wsl; text; elsewhere
 fly machine exec, flyctl machine exec; skips 1; text; elsewhere
 srun, salloc; elsewhere; values -p -n -N -c -t -J -A --partition --time
 sbatch; texts --wrap; elsewhere
 minikube kubectl; dashes
# Repositories
 git bisect run; values -C -c
 repo forall; texts -c; elsewhere
`;

/** How to find the command after a wrapper's own arguments. */
interface Wrapper {
  values: readonly string[];
  skips: number | undefined;
  afterDashes: boolean;
  behind: readonly string[];
  texts: readonly string[];
  isText: boolean;
  isElsewhere: boolean;
}

const WRAPPER_OF = new Map<string, Wrapper | undefined>();

/** The wrapper of that name. */
function wrapperNamed(name: string): Wrapper | undefined {
  if (WRAPPER_OF.has(name)) return WRAPPER_OF.get(name);
  const [line] = linesNaming(WRAPPERS, name, 0);
  const wrapper = line === undefined ? undefined : toWrapper(line);
  WRAPPER_OF.set(name, wrapper);
  return wrapper;
}

function toWrapper(line: string): Wrapper {
  const [, ...fields] = line.replace("@package", PACKAGE).replace("@exec", EXEC).split("; ");
  const has = (field: string) => fields.includes(field);
  const wordsOf = (field: string) =>
    fields.find((text) => text.startsWith(`${field} `))?.split(" ").slice(1) ?? [];
  const [skips] = wordsOf("skips");
  return {
    values: wordsOf("values"),
    skips: skips === undefined ? undefined : Number(skips),
    afterDashes: has("dashes"),
    behind: wordsOf("behind"),
    texts: wordsOf("texts"),
    isText: has("text"),
    isElsewhere: has("elsewhere"),
  };
}

/** Programs whose words are data: text that they quote or search for is not run. */
const PLAIN = new Set(
  ("echo printf cat tac grep egrep fgrep zgrep rg ag ack sed gsed awk gawk mawk jq yq fx man info tldr cheat apropos " +
    "whatis which type whereis help hash test [ [[ true false : ls ll exa eza tree head tail wc sort uniq cut paste join " +
    "column fold fmt nl od hexdump strings file stat du df touch mkdir ln install basename dirname realpath readlink " +
    "export declare local readonly typeset alias unalias set unset shift return exit let expr seq date sleep wait jobs " +
    "for select read mapfile printenv logger say notify-send figlet cowsay open xdg-open code vim vi nvim nano emacs less " +
    "more bat most diff cmp comm patch apt apt-get apt-cache dnf yum apk pacman zypper rpm dpkg pip pip3 looop history " +
    "fc complete compgen bind ulimit umask tput clear yes rev tr tee split csplit shuf look wall dict gpg pytest jest " +
    "vitest mocha shellcheck shfmt prettier eslint cloc tokei hyperlink fzf gum dialog whiptail zenity osascript " +
    "espeak glow mdcat md5sum sha1sum sha256sum cksum base64 whoami id uname hostname uptime ps pgrep lsof ss netstat")
    .split(" "),
);

/** The commands inside a call; none for a program that runs no other. */
export function unwrap(call: Call): Inner[] {
  if (SHELLS.has(call.program)) return unwrapShell(call);
  const special = SPECIAL.get(call.program);
  if (special !== undefined) return special(call);
  return unwrapPlainly(call);
}

/**
 * The first known program among the words of an unknown one, which may well be a wrapper. Undefined when there is
 * none, or when the words are data.
 */
export function guessInner(call: Call): Inner | undefined {
  const { program, args } = call;
  if (PLAIN.has(program) || hasRules(program) || runsPrograms(call)) return undefined;
  const text = args.length < 2
    ? ""
    : call.values("--command", "--exec", "--run", "--cmd", "-c").find((value) => value.includes(" "));
  if (text !== undefined) return { text, isElsewhere: true };
  const at = args.slice(0, MAX_GUESSED).findIndex(({ text }, index) =>
    index < args.length - 1 && isRunnable(programName(text))
  );
  return at < 0 ? undefined : { words: args.slice(at), isElsewhere: true };
}

/** Number of words after an unknown program that are looked at. */
const MAX_GUESSED = 12;

const isRunnable = (program: string): boolean =>
  hasRules(program) || SHELLS.has(program) || wrapperNamed(program) !== undefined || SPECIAL.has(program);

function unwrapPlainly(call: Call): Inner[] {
  const found = wrapperOf(call);
  return found === undefined ? [] : commandIn(call, found.wrapper, found.verbs);
}

/** Verbs of pnpm and yarn themselves: `pnpm rm -r x` removes a package from package.json files. */
const OWN_VERBS = new Set(
  ("add install i ci remove rm uninstall un up update upgrade why list ls outdated audit link unlink init create config " +
    "cache store import patch rebuild info view run run-script test t start pack login logout publish version")
    .split(" "),
);

/** The wrapper that a call is, and the number of its operands that name it. */
function wrapperOf(call: Call): { wrapper: Wrapper; verbs: number } | undefined {
  // `command -v rm` only looks a program up.
  if (call.program === "command" && /^-[vV]/.test(call.args[0]?.text ?? "")) return undefined;
  if (/^(?:pnpm|yarn)$/.test(call.program) && OWN_VERBS.has(call.operands[0] ?? "")) return undefined;
  const names = [call.program, ...call.operands.slice(0, 2)];
  for (let verbs = names.length - 1; verbs >= 0; verbs--) {
    const wrapper = wrapperNamed(names.slice(0, verbs + 1).join(" "));
    if (wrapper !== undefined) return { wrapper, verbs };
  }
  return undefined;
}

function commandIn(call: Call, wrapper: Wrapper, verbs: number): Inner[] {
  const { values, skips, afterDashes, texts, behind, isText, isElsewhere } = wrapper;
  const where = { isElsewhere };
  const given = call.values(...texts);
  if (given.length > 0) return given.map((text) => ({ text, ...where }));
  const begin = call.args.findIndex(({ text }) => behind.includes(text));
  if (begin >= 0) return asInner(call.args.slice(begin + 1), where);
  const dashes = call.args.findIndex((arg) => arg.text === "--");
  if (afterDashes && dashes >= 0) return asInner(call.args.slice(dashes + 1), where);
  if ((afterDashes && skips === undefined) || (behind.length > 0 && !afterDashes)) return [];
  const withValue = [...values, ...texts, ...(verbs > 0 ? call.valueOptions ?? [] : [])];
  const words = call.args.slice(commandStart(call.args, withValue, (skips ?? 0) + verbs));
  return isText ? textOf(words, where) : asInner(words, where);
}

function literal(text: string): Arg {
  return literalArg(text, literalWord(text));
}

function asInner(words: readonly Arg[], where: { isElsewhere?: boolean } = {}): Inner[] {
  return words.length === 0 ? [] : [{ words, ...where }];
}

/** Index of the first word after options, their values, assignments and `skips` further words. */
function commandStart(args: readonly Arg[], values: readonly string[], skips: number): number {
  let left = skips;
  let index = 0;
  for (; index < args.length; index++) {
    const text = args[index]?.text ?? "";
    if (text === "--" && left === 0) return index + 1;
    if (values.includes(text)) index++;
    // `-dmS name`: the last letter takes the value.
    else if (/^-[A-Za-z]{2,}$/.test(text) && values.includes(`-${text.at(-1)}`)) index++;
    else if (/^-./.test(text) || /^[A-Za-z_]\w*=/.test(text)) continue;
    else if (left > 0) left--;
    else return index;
  }
  return index;
}

/** Programs that need more than skipping their own arguments. */
const SPECIAL = new Map<string, (call: Call) => Inner[]>([
  ["eval", (call) => textOf(call.args, { isSameShell: true })],
  ["trap", unwrapTrap],
  ["env", unwrapEnv],
  ["xargs", unwrapXargs],
  ["gxargs", unwrapXargs],
  ["parallel", unwrapXargs],
  ["sem", unwrapXargs],
  ["find", unwrapFind],
  ["gfind", unwrapFind],
  ["fd", unwrapFd],
  ["fdfind", unwrapFd],
  ["at", unwrapInput],
  ["batch", unwrapInput],
  ["tmux", unwrapTmux],
  ["screen", unwrapScreen],
  ["git", unwrapGit],
  ["cargo", unwrapCargo],
  ["deno", unwrapDeno],
  ["python", unwrapPython],
  ["nix", unwrapNix],
  ["ssh", unwrapSsh],
  ["docker", unwrapContainer],
  ["podman", unwrapContainer],
  ["nerdctl", unwrapContainer],
  ["docker-compose", unwrapContainer],
  ["concurrently", (call) => call.operands.map((text) => ({ text }))],
  ["hyperfine", (call) => call.operands.map((text) => ({ text }))],
]);

/** Joins words back into a script's text, for programs that hand them to a shell joined by blanks. */
function textOf(args: readonly Arg[], inner: { isElsewhere?: boolean; isSameShell?: boolean }): Inner[] {
  const text = args.map((arg) => arg.text).join(" ");
  return text.trim() === "" ? [] : [{ text, ...inner }];
}

/** `sh -lc TEXT`, `sh <<EOF`, `echo TEXT | sh`; `sh -n` only reads. */
function unwrapShell(call: Call): Inner[] {
  const options = shellOptions(call);
  if (options.has("n")) return [];
  const [operand, ...rest] = call.args.slice(options.end);
  if (options.text !== undefined) return [{ text: options.text }];
  if (options.has("c")) {
    return operand === undefined ? [] : [{ text: operand.text, positional: rest.slice(1) }];
  }
  const readsInput = operand === undefined || options.has("s");
  return readsInput && call.input.trim() !== "" ? [{ text: call.input }] : [];
}

/** `trap ACTION SIGNAL…`; a lone word is a signal, and `-p` and `-l` only print. */
function unwrapTrap(call: Call): Inner[] {
  const [action, signal] = call.operandArgs;
  if (action === undefined || signal === undefined || call.has("-p", "-l")) return [];
  return [{ text: action.text, isSameShell: true, isTrap: true }];
}

function unwrapEnv(call: Call): Inner[] {
  const split = call.values("-S", "--split-string");
  const values = ["-u", "--unset", "-C", "--chdir", "-S", "--split-string", "-P"];
  const isElsewhere = call.values("-C", "--chdir").length > 0;
  const words = call.args.slice(commandStart(call.args, values, 0));
  if (split.length > 0) return textOf([...split.map(literal), ...words], { isElsewhere });
  return asInner(words, { isElsewhere });
}

/** xargs appends the words of its input, or puts them in place of `-I`'s word. */
function unwrapXargs(call: Call): Inner[] {
  const values =
    "-I -i -n -P -L -s -d -a -E -R -S -J -j --max-args --max-procs --delimiter --arg-file --replace --jobs --id"
      .split(" ");
  const all = call.args.slice(commandStart(call.args, values, 0));
  // parallel: its inputs may follow `:::`.
  const inputs = all.findIndex((arg) => /^:::/.test(arg.text));
  const words = inputs < 0 ? all : all.slice(0, inputs);
  if (words.length === 0) return [];
  const isParallel = /^(?:parallel|sem)$/.test(call.program);
  const given = inputs >= 0
    ? all.slice(inputs + 1).filter((arg) => !/^:::/.test(arg.text))
    : call.has("-a", "--arg-file")
    ? undefined
    : call.parts.inputWords();
  const fed = given === undefined || given.length > MAX_FED_WORDS ? [literal(UNKNOWN)] : given;
  const places = [...call.values("-I", "-J", "--replace"), ...(isParallel || call.has("-i") ? ["{}"] : [])];
  const place = places.filter((text) => text !== "").at(-1);
  if (place !== undefined && words.some((arg) => arg.text.includes(place))) {
    return fed.flatMap((input) => inPlace(words, place, input, isParallel));
  }
  // parallel: a lone word with blanks is text for a shell.
  if (!isParallel || words.length > 1 || !/\s/.test(words[0]?.text ?? "")) {
    return [{ words: [...words, ...fed] }];
  }
  return fed.map((input) => ({ text: `${words[0]?.text} ${input.text}` }));
}
const MAX_FED_WORDS = 64;

/** A command with one word of the input in its placeholders. */
function inPlace(words: readonly Arg[], place: string, input: Arg, isParallel: boolean): Inner[] {
  const replaced = words.map((arg) =>
    arg.text === place ? { ...input } : { ...arg, text: arg.text.replaceAll(place, () => input.text) }
  );
  const [only, more] = replaced;
  return isParallel && only !== undefined && more === undefined
    ? [{ text: only.text }]
    : [{ words: replaced }];
}

/** `find ROOT… -exec CMD {} ;`: the paths found lie below its roots. */
function unwrapFind(call: Call): Inner[] {
  const found = pathsFound(call);
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

/** A lone `{}` stands for each path found; where nested finds would multiply them, for one unknown path. */
function withFound(arg: Arg, found: readonly Arg[], length: number): readonly Arg[] {
  if (arg.text === "{}" && found.length * length <= MAX_FOUND_WORDS) return found;
  return [{ ...arg, text: arg.text.replaceAll("{}", UNKNOWN) }];
}
const MAX_FOUND_WORDS = 1_000;

function unwrapFd(call: Call): Inner[] {
  const index = call.args.findIndex(({ text }) => /^(?:-x|-X|--exec|--exec-batch)$/.test(text));
  if (index < 0) return [];
  const unknown = literal(UNKNOWN);
  return asInner([...call.args.slice(index + 1), unknown]);
}

/** `at now <<< TEXT`: the text is run later. */
function unwrapInput(call: Call): Inner[] {
  return call.input.trim() === "" ? [] : [{ text: call.input, isElsewhere: true }];
}

/** ssh joins its words by blanks and gives them to the login shell there; without words it gives its input. */
function unwrapSsh(call: Call): Inner[] {
  const words = unwrapPlainly(call);
  return words.length > 0 ? words : unwrapInput(call);
}

/** tmux runs shell text in its windows, or types it there; `;` separates its commands. */
function unwrapTmux(call: Call): Inner[] {
  const values = "-L -S -f -c -s -n -t -x -y -F -e -l -p -b -T".split(" ");
  const inners: Inner[] = [];
  let rest: readonly Arg[] = call.args.slice(commandStart(call.args, values, 0));
  while (rest.length > 0) {
    const end = rest.findIndex((arg) => arg.text === ";");
    const [verb, ...args] = end < 0 ? rest : rest.slice(0, end);
    rest = end < 0 ? [] : rest.slice(end + 1);
    const words = args.slice(commandStart(args, values, 0));
    if (/^(?:new|splitw|split|respawn|popup|display-popup|run|if)/.test(verb?.text ?? "")) {
      inners.push(...(words.length === 1 ? textOf(words, {}) : asInner(words)));
    }
    if (/^(?:send|set-buffer|pipe)/.test(verb?.text ?? "")) {
      inners.push(...words.flatMap((arg) => textOf([arg], {})));
    }
  }
  return inners;
}

/** `screen -X stuff TEXT` types the text there. */
function unwrapScreen(call: Call): Inner[] {
  const typed = call.args.findIndex((arg) => arg.text === "stuff");
  if (!call.has("-X")) return unwrapPlainly(call);
  return call.args.slice(typed + 1).map(({ text }) => ({ text: text.replaceAll(/\\[nr]|\^M/g, "\n") }));
}

/** Git runs the user's commands, too. */
function unwrapGit(call: Call): Inner[] {
  if (call.isVerb("rebase")) return call.values("-x", "--exec").map((text) => ({ text, isElsewhere: true }));
  if (call.isVerb("submodule foreach")) return textOf(call.operandArgs.slice(2), { isElsewhere: true });
  if (call.isVerb("for-each-repo")) {
    const words = call.args.slice(commandStart(call.args, ["--config"], 1));
    return asInner([literal("git"), ...words], { isElsewhere: true });
  }
  return unwrapPlainly(call);
}

/** `cargo watch -x publish` runs `cargo publish` at each change. */
function unwrapCargo(call: Call): Inner[] {
  if (!call.isVerb("watch")) return [];
  return [
    ...call.values("-x", "--exec").map((text) => ({ text: `cargo ${text}` })),
    ...call.values("-s", "--shell").map((text) => ({ text })),
  ];
}

/** `deno run npm:wrangler deploy` runs `wrangler deploy`. */
function unwrapDeno(call: Call): Inner[] {
  const index = call.args.findIndex(({ text }) => /^(?:npm|jsr):/.test(text));
  return index < 0 || !call.isVerb("run|x") ? [] : asInner(call.args.slice(index));
}

/** `python -m twine upload` runs `twine upload`. */
function unwrapPython(call: Call): Inner[] {
  const index = call.args.findIndex((arg) => arg.text === "-m");
  return index < 0 || programName(call.args[index + 1]?.text ?? "") === "python"
    ? []
    : asInner(call.args.slice(index + 1));
}

/** `nix run nixpkgs#gh -- pr merge` runs `gh pr merge`. */
function unwrapNix(call: Call): Inner[] {
  const [verb, installable] = call.operandArgs;
  const dashes = call.args.findIndex((arg) => arg.text === "--");
  const name = installable?.text.split(/[#.]/).at(-1);
  if (verb?.text !== "run" || name === undefined || dashes < 0) return unwrapPlainly(call);
  return asInner([literal(name), ...call.args.slice(dashes + 1)], {
    isElsewhere: true,
  });
}

/** `docker run IMAGE CMD`: the command, or the program that the image or `--entrypoint` names, with its arguments. */
function unwrapContainer(call: Call): Inner[] {
  const verbs = ["compose run", "container run", "run", "create"].find((verb) => call.isVerb(verb));
  if (verbs === undefined) return unwrapPlainly(call);
  const where = { isElsewhere: true };
  const values = [...CONTAINER.split(" "), ...call.valueOptions ?? []];
  const start = commandStart(call.args, values, verbs.split(" ").length);
  const image = call.args[start]?.text.replace(/[:@][^/]*$/, "") ?? "";
  const program = call.values("--entrypoint")[0] ??
    image.slice(image.lastIndexOf("/") + 1).replace(/-cli$/, "");
  const words = call.args.slice(start + 1);
  return [...asInner(words, where), ...asInner([literal(program), ...words], where)];
}
