/**
 * The shim of local workers, shell text that the launcher reads from `.calls/shim`: it hands a worker's call to the
 * pulse and prints the reply, so that a call that waits takes the memory of a shell. Anything unusual is left to the
 * binary, which the launcher runs when the shim returns.
 */
import { AGENT_CLIS } from "../process/agent_marks.ts";

/** The form of calls and replies; a shell and a pulse of different forms do not talk to each other. */
export const CALL_FORM = 1;

/** Variables that travel with a call: those that the verbs read, and the marks of the agent that calls. */
const CALL_VARIABLES: readonly string[] = [
  "LOOOP_AGENT",
  "LOOOP_ASKED",
  "LOOOP_CONFIG",
  "LOOOP_HOME",
  "HOME",
  "XDG_DATA_HOME",
  "AI_AGENT",
  "PI_CODING_AGENT_DIR",
  "PI_CODING_AGENT_SESSION_DIR",
  "PI_SESSION_FILE",
  "CLAUDE_CONFIG_DIR",
  "CODEX_HOME",
  "GEMINI_CLI_HOME",
  "QWEN_HOME",
  "QWEN_RUNTIME_DIR",
  "COPILOT_HOME",
  ...AGENT_CLIS.flatMap(({ session, process, present }) => [
    ...session,
    ...(process === undefined ? [] : [process]),
    ...present,
  ]),
];

/**
 * Ends the shell with the pulse's reply, or returns: then the binary is to be run, with the call's key in LOOOP_CALL,
 * and that of a question already posted in LOOOP_ASKED, so that nothing is done twice.
 *
 * `.calls/here` names the pulse that takes calls. A call is the file `in/NAME`; removing it takes the call, which the
 * pulse does, or this shell when the pulse is late. Everything else comes through the FIFO `wait/NAME`, one line each:
 * `t ASK` (the question is posted, and the call may wait for long), `e TEXT` (for stderr), `b` (run the binary),
 * `x CODE ASK OUT ERR` (the reply). The call that answers sends `k ASK` (the outcome is on disk). Texts are words for
 * `printf %b`; `-` is an empty one, `@` one that is in a file in `out/`. Once a question is posted, only the pulse has
 * the FIFO open for writing, so its death is the end of the file; a pulse that is stopped shows by a `k` without a
 * reply. `read/NAME` reports that the reply was printed.
 */
export const SHIM = `by_pulse() {
  calls=$LOOOP_DATA_DIR/.calls
  case \${LOOOP_SESSION_ID-},\${LOOOP_SESSION_GEN-} in
    ,* | *, | *,*,* | *[!A-Za-z0-9.,_-]*) return 0 ;;
  esac
  # The binary keeps a limit of time also while the pulse is stopped, and knows these variables.
  case "$*" in *--timeout*) return 0 ;; esac
  [ -z "\${LOOOP_DEBUG-}\${LOOOP_NO_WATCH-}\${LOOOP_ASK_POLL_MS-}" ] || return 0
  took=
  for round in 1 2 3 4; do
    if serves; then
      call "$@"
      [ -n "$took" ] || return 0
    elif [ -z "$took" ]; then
      return 0
    fi
    # The pulse has ended: another one may take the question up, as long as somebody waits for its answer.
    [ -d "/proc/$PPID" ] || kill -0 "$PPID" 2>/dev/null || exit 1
    [ "$round" = 4 ] || sleep 1
  done
}
serves() {
  read -r pulse form 2>/dev/null <"$calls/here" || return 1
  case $pulse in "" | *[!0-9]*) return 1 ;; esac
  [ "$form" = ${CALL_FORM} ] && kill -0 "$pulse" 2>/dev/null || return 1
  # In another pid namespace the pulse could not see whether this shell lives.
  [ ! -e /proc/self/ns/pid ] || [ "/proc/$pulse/ns/pid" -ef /proc/self/ns/pid ]
}
call() {
  if [ -z "\${LOOOP_CALL-}" ]; then
    { read -r LOOOP_CALL </proc/sys/kernel/random/uuid; } 2>/dev/null || LOOOP_CALL=$(date +%s).$$
    export LOOOP_CALL
  fi
  name=$LOOOP_SESSION_ID,$LOOOP_SESSION_GEN,$LOOOP_CALL,$$
  # What is started here reads no file of a locale.
  LC_ALL=C mkfifo -m 600 "$calls/wait/$name" 2>/dev/null || return 0
  { hand_over "$@"; } 8<>"$calls/wait/$name" 7<"$calls/wait/$name"
  rm -f "$calls/wait/$name" "$calls/in/$name"
}
hand_over() {
  request "$@" 2>/dev/null >"$calls/in/$name" || return 0
  late=0 waits=
  set_dog
  while read -r kind text ask out err <&7; do
    case $kind in
      t)
        took=1 LOOOP_ASKED=$text
        export LOOOP_ASKED
        exec 8>&-
        [ -n "$waits" ] || end_dog
        waits=\${waits:-t}
        ;;
      k)
        case \${LOOOP_ASKED-} in "" | "$text") waits=k && set_dog ;; esac
        ;;
      e) show "$text" >&2 ;;
      b)
        took=
        return 0
        ;;
      x)
        give
        return 0
        ;;
      late)
        dog=
        [ "$waits" != t ] || continue
        late=$((late + 1))
        # A question may wait a little longer for a busy pulse: the binary would hold memory for as long as it waits.
        if [ "$waits" = k ] ||
          { { [ "$2" != ask ] || [ "$late" -ge 4 ]; } && rm "$calls/in/$name" 2>/dev/null </dev/null; }; then
          rm -f "$calls/here"
          took=
          return 0
        fi
        kill -0 "$pulse" 2>/dev/null && [ "$late" -lt 20 ] || return 0
        set_dog
        ;;
    esac
  done
}
set_dog() {
  # Without sleep the binary is run at once.
  { LC_ALL=C sleep 0.5 || sleep 1; [ ! -p "$calls/wait/$name" ] || echo late 1<>"$calls/wait/$name"; } \
    </dev/null >/dev/null 2>&1 7<&- 8>&- &
  dog=$!
}
request() {
  printf '%s\\0' "$PPID" "$#" "$@" || return 1
  for variable in ${CALL_VARIABLES.join(" ")}; do
    eval "value=\\\${$variable-}"
    [ -z "$value" ] || printf '%s=%s\\0' "$variable" "$value"
  done
  printf '.\\0'
}
show() {
  case $1 in -) ;; @) cat "$calls/out/$name.$2" ;; *) printf %b "$1" ;; esac
}
end_dog() {
  # Its number may be a stranger's once it has ended.
  [ -z "$dog" ] || kill -PIPE "$dog" 2>/dev/null
  dog=
}
give() {
  end_dog
  trap "" PIPE
  # The binary reports an output that cannot be written.
  if ! show "$out" out 2>/dev/null; then
    trap - PIPE
    took=
    return 0
  fi
  show "$err" err >&2
  [ "$ask" = - ] || echo "$ask" >"$calls/read/$name"
  exit "$text"
}
by_pulse "$@"
`;
