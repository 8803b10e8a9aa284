/**
 * Features that a script may not use, because macOS's bash 3.2 or its BSD tools lack them or behave differently.
 *
 * Each rule has a line that breaks it and one that does not, which prove that it works. The rules are taken from bash's
 * NEWS from 4.0 on, and from the manual pages of FreeBSD's and Apple's tools.
 */

/** A feature that a script may not use. */
export interface Rule {
  /** The feature, and what to use instead. */
  says: string;
  pattern: RegExp;
  /** A line that the rule must find. */
  bad: string;
  /** A similar line that is right. */
  good: string;
}

/** Matches a program's name in the place of a command, so not in `--timeout` or `$timeout`. */
const command = (name: string, rest = "\\b"): RegExp =>
  new RegExp(
    `(?:^|[;&({\`!]|\\$\\(|\\b(?:then|do|else|exec|if|while|until|env|xargs|sudo)\\s)\\s*${name}${rest}` +
      // After a bar it may be a pattern of a case.
      `|\\|\\s*${name}(?!\\s*[|)])${rest}`,
    "m",
  );
/** Matches a program with an option in the same command. */
const option = (name: string, flags: string): RegExp => command(name, `\\s(?:[^|;&)\\n]*\\s)?(?:${flags})`);

/** Syntax and built-ins that bash 3.2 lacks or treats differently. */
export const BASH_RULES: readonly Rule[] = [
  {
    says: "associative arrays (bash 4.0)",
    pattern: /\b(?:declare|local|typeset)\s+-[a-z]*A/,
    bad: "declare -A seen",
    good: "declare -a seen",
  },
  {
    says: "declare -g (bash 4.2)",
    pattern: /\b(?:declare|typeset)\s+-[a-z]*g/,
    bad: "declare -g x=1",
    good: "declare -r x=1",
  },
  {
    says: "name references (bash 4.3)",
    pattern: /\b(?:declare|local|typeset)\s+-[a-z]*n\b/,
    bad: "local -n list=$1",
    good: "local list=$1 # -n",
  },
  {
    says: "declare -l, -u, -c (bash 4.0): use tr",
    pattern: /\b(?:declare|local|typeset)\s+-[a-z]*[luc]\b/,
    bad: "local -l low=$1",
    good: "local low",
  },
  {
    says: "${x^^} and ${x,,} (bash 4.0): use tr",
    pattern: /\$\{[A-Za-z_]\w*(?:\[[^\]]*\])?(?:\^\^?|,,?)[^}]*\}/,
    bad: 'echo "${name^^}"',
    good: 'echo "${name%,}"',
  },
  {
    says: "${x@Q} and the like (bash 4.4)",
    pattern: /\$\{[A-Za-z_]\w*(?:\[[^\]]*\])?@[A-Za-z]\}/,
    bad: 'echo "${x@Q}"',
    good: 'echo "${x[@]:1}"',
  },
  {
    says: "a negative length (bash 4.2)",
    pattern: /\$\{[A-Za-z_]\w*:\s*[\w$(][^}:]*:\s*-/,
    bad: 'echo "${x:0:-1}"',
    good: 'echo "${x:-${y:--1}}"',
  },
  {
    says: "a negative index (bash 4.3)",
    pattern: /\$\{[A-Za-z_]\w*\[-/,
    bad: 'echo "${list[-1]}"',
    good: 'echo "${list[0]}"',
  },
  {
    says: "${!:-}, an error under set -u before anything was started: give $! a value first",
    pattern: /\$\{![-:+?=]/,
    bad: 'last="${!:-}"',
    good: 'last="$!"',
  },
  {
    says: '"${a[@]}" of an array that may be empty, an error under set -u: ${a[@]+"${a[@]}"}',
    pattern: /(?<!\+")(?<!\+)\$\{(?!#)[a-z_]\w*\[[@*]\]\}/,
    bad: 'run "${words[@]}"',
    good: 'run ${words[@]+"${words[@]}"}',
  },
  {
    says: "mapfile, readarray (bash 4.0): use while read",
    pattern: command("(?:mapfile|readarray)"),
    bad: "mapfile -t lines <file",
    good: "echo mapfile",
  },
  { says: "coproc (bash 4.0)", pattern: command("coproc"), bad: "coproc cat", good: "echo coproc" },
  { says: "&>> (bash 4.0): >>file 2>&1", pattern: /&>>/, bad: "ls &>>log", good: "ls >>log 2>&1" },
  { says: "|& (bash 4.0): 2>&1 |", pattern: /\|&/, bad: "make |& tee log", good: "make 2>&1 | tee log" },
  { says: ";& and ;;& (bash 4.0)", pattern: /;;?&/, bad: "a) echo a ;;&", good: "a) echo a ;;" },
  {
    says: "[[ -v ]] (bash 4.2): ${x+set}",
    pattern: /\[\[?\s+(?:!\s+)?-v\s/,
    bad: "[[ -v HOME ]]",
    good: '[[ -n "$v" ]]',
  },
  {
    says: "printf %(…)T (bash 4.2): use date",
    pattern: /printf[^\n]*%\([^)]*\)T/,
    bad: "printf '%(%F)T' -1",
    good: "printf '%s' \"$(date)\"",
  },
  { says: "wait -n (bash 4.3)", pattern: /\bwait\s+-n\b/, bad: "wait -n", good: 'wait "$!"' },
  {
    says: "read -t with a fraction (bash 4.0)",
    pattern: /\bread\b[^\n|;]*-t\s*0?\.\d|\bread\b[^\n|;]*-t\s*\d+\.\d/,
    bad: "read -r -t 0.5 x",
    good: "read -r -t 5 x",
  },
  {
    says: "read -N, read -i (bash 4.0, 4.1)",
    pattern: /\bread\s(?:[^\n|;]*\s)?-[a-z]*[Ni]\b/,
    bad: "read -N 1 key",
    good: "read -n 1 key",
  },
  {
    says: "$EPOCHSECONDS and $EPOCHREALTIME (bash 5.0): date +%s",
    pattern: /\bEPOCH(?:SECONDS|REALTIME)\b/,
    bad: 'echo "$EPOCHSECONDS"',
    good: "date +%s",
  },
  { says: "$BASHPID (bash 4.0)", pattern: /\bBASHPID\b/, bad: 'echo "$BASHPID"', good: 'echo "$BASH"' },
  {
    says: "$SRANDOM, $BASH_ARGV0 (bash 5)",
    pattern: /\b(?:SRANDOM|BASH_ARGV0)\b/,
    bad: 'echo "$SRANDOM"',
    good: 'echo "$RANDOM"',
  },
  { says: "{fd}> (bash 4.1)", pattern: /\{[a-z_]+\}[<>]/, bad: "exec {log}>file", good: "exec 3>file" },
  {
    says: "{1..9..2} and {01..10} (bash 4.0)",
    pattern: /\{0\d+\.\.\d+\}|\{\w+\.\.\w+\.\.\w+\}/,
    bad: "for n in {01..10}; do",
    good: "for n in {1..10}; do",
  },
  {
    says: "shopt options that bash 3.2 lacks",
    pattern:
      /\bshopt\b[^\n]*\b(?:globstar|lastpipe|inherit_errexit|dirspell|autocd|checkjobs|compat\d+|localvar_inherit|patsub_replacement)\b/,
    bad: "shopt -s globstar",
    good: "shopt -s nullglob",
  },
  {
    says: "case within $( ) whose patterns have no ( in front: a syntax error before bash 4.0",
    pattern: /\$\((?:[^()]|\([^()]*\))*\bcase\s+\S+\s+in\b(?!\s*\()/,
    bad: "x=$(case $1 in a) echo 1 ;; esac)",
    good: "x=$(case $1 in (a) echo 1 ;; esac)",
  },
  {
    says: "source <( ), which reads nothing before bash 4.0: eval",
    pattern: /(?:\bsource|(?:^|[\s;&|])\.)\s+<\(/m,
    bad: "source <(looop config bash)",
    good: 'eval "$(looop config bash)"',
  },
  {
    says:
      "an EXIT trap that forgets $?: after set -u has found an error bash 3.2 ends with the trap's last status",
    pattern: /\bset -[a-z]*u[\s\S]*^\s*trap (?!-)(?![^\n]*\$\?)[^\n]*\b(?:EXIT|0)$/m,
    bad: "set -eu\ntrap tidy EXIT\n",
    good: "set -eu\ntrap 'tidy \"$?\"' EXIT\n",
  },
];

/** Programs and options that BSD's tools lack or treat differently. */
export const TOOL_RULES: readonly Rule[] = [
  {
    says: "a program that macOS lacks",
    pattern: command(
      "(?:timeout|setsid|flock|tac|nproc|sha256sum|sha1sum|md5sum|free(?=\\s+-|\\s*(?:$|[|)]))|getent|pidof|numfmt|shuf|ss|ip|realpath|envsubst|stdbuf|ionice|chrt|watch|lsb_release|systemctl|journalctl|apt-get|prlimit|nsenter|unshare|strace|inotifywait)",
      "(?!\\s*[-+]?=)(?=[\\s;)]|$)",
    ),
    bad: "timeout 5 curl x",
    good: 'report "$timeout"',
  },
  {
    says: "date -d, -I, --…, %N: GNU's",
    pattern: /\bdate\s+(?:-u\s+)?(?:-d|-I|--)|\bdate\b[^|;\n)]*\+\S*%(?:\d?N|:z)/,
    bad: 'date -d "$x" +%s',
    good: "date -u +%s",
  },
  {
    says: "date -v, -j: BSD's alone",
    pattern: /\bdate\s+(?:-u\s+)?-[vj]/,
    bad: "date -v-1d",
    good: "date -u",
  },
  {
    says: "stat -c: GNU's",
    pattern: option("stat", "-c|--format|--printf"),
    bad: "stat -c %Y file",
    good: "ls -l file",
  },
  {
    says: "sed -i: BSD's takes the next word for a suffix",
    pattern: option("sed", "-i|--in-place|-r|-z|-s\\b"),
    bad: "sed -i s/a/b/ file",
    good: "sed -e s/-i/b/ file",
  },
  {
    says: "sed with \\t, \\n, \\w, \\s, \\+ or \\|: GNU's",
    pattern: /\bsed\s+(?:-[nE]+\s+)?'[^'\n]*\\[wWsS+|b<>][^'\n]*'/,
    bad: "sed 's/a\\|b/c/'",
    good: "sed 's/a[[:space:]]*b/c/'",
  },
  {
    says: "readlink -f: not before macOS 12.3",
    pattern: option("readlink", "-[fem]|--canonicalize"),
    bad: 'readlink -f "$0"',
    good: "readlink x",
  },
  {
    says: "mktemp with GNU's options",
    pattern: option("mktemp", "-p|--|--suffix|--tmpdir"),
    bad: "mktemp -p /tmp",
    good: 'mktemp -d "${TMPDIR:-/tmp}/x.XXXXXX"',
  },
  {
    says: "grep -P, -z, --include: GNU's",
    pattern: option("grep", "-[a-zA-Z]*[Pz]|--[a-z]+"),
    bad: "grep -oP 'a' f",
    good: "grep -E 'a' f",
  },
  {
    says: "cp, mv, ln with GNU's options",
    pattern: option("(?:cp|mv|ln)", "-T|-t|--[a-z]+|-[a-z]*u|--reflink"),
    bad: "cp -T a b",
    good: "cp -R a b",
  },
  {
    says: "head or tail with GNU's options",
    pattern: option("(?:head|tail)", "-n\\s*-\\d+|-c\\s*-\\d+|--[a-z]+|-s\\s|--pid"),
    bad: "head -n -1 file",
    good: "tail -n +2 file",
  },
  {
    says: "xargs -r, -d, --: GNU's",
    pattern: option("xargs", "-r|-d|-a|--[a-z]+"),
    bad: "ls | xargs -r rm",
    good: "ls | xargs -n 1 rm",
  },
  {
    says: "sort -V, -h, -R: not on every macOS",
    pattern: option("sort", "-[a-zA-Z]*[VhR]|--[a-z]+"),
    bad: "sort -V",
    good: "sort -rn -k 2",
  },
  {
    says: "ls with GNU's options",
    pattern: option("ls", "--[a-z]+|-[a-zA-Z]*[vQX]"),
    bad: "ls --color=never",
    good: "ls -ltr",
  },
  {
    says: "base64 -w, -d with a file: GNU's",
    pattern: option("base64", "-w|--[a-z]+"),
    bad: "base64 -w0",
    good: "base64 | tr -d '\\n'",
  },
  {
    says: "find -printf and the like: GNU's",
    pattern: option("find", "-printf|-readable|-writable|-executable|-quit|-regextype|-newermt"),
    bad: "find . -printf '%p'",
    good: "find . -newer x",
  },
  {
    says: "ps with options of procps",
    pattern: option("ps", "--[a-z]+|-o\\s*[a-z=,]*(?:start_time|lstart_time|cmd|sid|nlwp)\\b"),
    bad: "ps --no-headers -o cmd",
    good: "ps -o lstart= -p 1",
  },
  {
    says: "du, df with GNU's options",
    pattern: option("(?:du|df)", "--[a-z]+|-b\\b|-[a-zA-Z]*T"),
    bad: "df --output=avail",
    good: "df -Pk .",
  },
  {
    says: "awk of gawk: strftime, systime, gensub, asort, length of an array",
    pattern: /\bawk\b[^'|;\n]*'[^']*\b(?:strftime|systime|mktime|gensub|asorti?|strtonum)\s*\(/,
    bad: "awk '{ print systime() }'",
    good: "awk '{ print substr($0, 1) }'",
  },
  {
    says: "wc whose padding counts: BSD's pads with blanks",
    pattern: /"\$\(wc -[lcw][^)]*\)"\s*=\s/,
    bad: '[ "$(wc -l <f)" = 1 ]',
    good: '[ "$(wc -l <f)" -eq 1 ]',
  },
  {
    says: "script of util-linux",
    pattern: option("script", "-[a-z]*[ce][a-z]*"),
    bad: "script -qec sh /dev/null",
    good: "script -q /dev/null sh",
  },
  {
    says: "echo -e, -n in sh: bash 3.2 as sh prints them",
    pattern: /\becho\s+-[en]+\s/,
    bad: "echo -e 'a'",
    good: "echo - a",
  },
  {
    says: "/proc and /sys, which macOS lacks",
    pattern: /(?<![\w$}])\/(?:proc|sys)\//,
    bad: "cat /proc/loadavg",
    good: "cat x/proc/y",
  },
  {
    says: "a long option, which BSD's tools do not have",
    pattern: option("(?:chmod|mkdir|rm|cat|tr|cut|tee|wc|uniq|env|id|kill|sleep)", "--[a-z]+(?=[\\s=])"),
    bad: "mkdir --parents a",
    good: "mkdir -p -- a",
  },
  {
    says: "touch -d: GNU's",
    pattern: option("touch", "-d|--[a-z]+"),
    bad: "touch -d '1 hour ago' f",
    good: "touch -t 202601010000 f",
  },
];
