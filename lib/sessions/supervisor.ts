/**
 * The supervisor of one worker: a shell and `script(1)`, half a megabyte together, that give the agent a
 * pseudo-terminal, record its screen, and write down how it ended. It needs no looop process and outlives the pulse.
 * The text needs nothing from its surroundings but POSIX sh and `script`, so that another machine can run it.
 *
 * A Deno process per worker would cost 40 to 60 MB. `script` itself is never signalled, since on TERM it reports
 * success.
 *
 * The terminal's input must neither end nor be a FIFO: at an end of file `script` types Ctrl-D to the agent, and
 * macOS makes a FIFO of sockets, which its `script` refuses. So `script` reads a pipe, and a reader at the other end
 * keeps that pipe open. The reader in turn waits at a FIFO that `script` alone keeps open, so that it ends with
 * `script`, whatever becomes of this shell.
 */

/** Size of a worker's terminal, in rows and columns. */
export const TERMINAL = { rows: 50, cols: 160 } as const;

/**
 * A shell's function that sets `me` to the shell's own identity, as `parseIdentity` reads it. LOOOP_OS is the platform,
 * LOOOP_PLACE "boot machine pid-namespace".
 */
export const IDENTIFY = `identify() {
  start=-
  if [ "$LOOOP_OS" = darwin ]; then
    start=$(LC_ALL=C TZ=UTC0 ps -o lstart= -p $$)
    start=$(echo $start | tr " " _)
  elif read -r self rest </proc/self/stat && [ "$self" = $$ ]; then
    set -- \${rest##*) }
    start=\${20}
  fi 2>/dev/null
  me="$$ \${start:--} $LOOOP_PLACE"
}`;

/** Functions of both shells, the one outside the terminal and the one inside; both run in the session's folder. */
const LIBRARY = `now() {
  t=$(date -u +%Y-%m-%dT%H:%M:%S.%N)
  case \${t##*.} in "" | *[!0-9]*) t=\${t%.*}.000000000 ;; esac
  echo "\${t}Z"
}
${IDENTIFY}
publish() {
  [ ! -d "$1" ] || mv -f "$1" ".$1.odd-$$"
  if printf "%s\\n" "$2" >".$1.tmp-$$-0" && mv -f ".$1.tmp-$$-0" "$1"; then return 0; fi
  rm -f ".$1.tmp-$$-0"
  return 1
}
poke() {
  [ -L "$LOOOP_POKE" ] || { [ -e "$LOOOP_POKE" ] && [ ! -f "$LOOOP_POKE" ]; } || echo >|"$LOOOP_POKE"
}`;

/** Runs in the terminal, and becomes the agent. */
const INSIDE = `exec 6>&-
rm -f keys
[ ! -f end ] || exit 0
set -C
stty rows ${TERMINAL.rows} cols ${TERMINAL.cols} 2>/dev/null
eval "$LOOOP_LIBRARY"
identify
publish program "$me"
publish status.json "{\\"state\\":\\"running\\",\\"child_pid\\":$$,\\"exit_code\\":null,\\"last_change\\":\\"$(now)\\"}"
poke
[ "$LOOOP_OS" != darwin ] || exec 7>|code
cd "$LOOOP_CWD" || exit 1
umask "$LOOOP_UMASK"
cmd=$LOOOP_WORKER_CMD os=$LOOOP_OS
SHELL=$LOOOP_USER_SHELL LOOOP_SESSION_ID=$LOOOP_WORKER_ID LOOOP_SESSION_GEN=$LOOOP_WORKER_GEN
export SHELL LOOOP_SESSION_ID LOOOP_SESSION_GEN
unset LOOOP_POKE LOOOP_CWD LOOOP_UMASK LOOOP_OS LOOOP_PLACE LOOOP_LIBRARY LOOOP_INSIDE LOOOP_USER_SHELL OLDPWD
unset LOOOP_WORKER_CMD LOOOP_WORKER_ID LOOOP_WORKER_GEN
[ "$os" = darwin ] || exec /bin/sh -c "$cmd"
/bin/sh -c "$cmd" 7>&-
code=$?
echo "$code" >&7
exit "$code"`;

/**
 * Called as `sh -c SUPERVISOR looop-supervisor SESSION_DIR POKE_FILE CWD`, the poke file relative to the session's
 * folder, with LOOOP_WORKER_CMD, _ID and _GEN set; LOOOP_OS names the platform where it is known.
 *
 * It works in the session's folder and with relative paths alone, so a data dir that is moved keeps its sessions.
 *
 * - `sup` holds "pid start boot machine pid-namespace lock" of this shell, `-` for what cannot be determined; the
 *   last word is `locked` when it holds a flock on `lock`, which its children do not inherit.
 * - `program` holds the same for the agent's first process, without the last word. On macOS that is a shell around
 *   the agent: `script` there reports a signal as a bare number, a shell as 128 and more.
 * - `end`, when it exists, says who ended the session and how it counts. A worker that is ended before its agent runs
 *   never runs it.
 * - `status.json` is written until it can be: a disk that was full must not turn an end into a loss.
 */
export const SUPERVISOR = `LOOOP_UMASK=$(umask)
umask 077
set -C
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
cd "$1" || exit 1
LOOOP_POKE=$2 LOOOP_CWD=$3 LOOOP_USER_SHELL=\${SHELL:-/bin/sh}
case \${LOOOP_OS:=$(uname)} in [Dd]arwin) LOOOP_OS=darwin ;; esac
boot=- machine=- space=-
if [ "$LOOOP_OS" = darwin ]; then
  boot=$(sysctl -n kern.bootsessionuuid)
  machine=$(ioreg -rd1 -c IOPlatformExpertDevice | sed -n 's/.*"IOPlatformUUID" = "\\(.*\\)".*/\\1/p')
else
  read -r boot </proc/sys/kernel/random/boot_id
  space=$(readlink /proc/self/ns/pid)
  space=\${space%?} space=\${space##*\\[}
  for file in /etc/machine-id /var/lib/dbus/machine-id; do
    [ -r "$file" ] && read -r machine <"$file" && [ "\${#machine}" = 32 ] && break
  done
  [ "\${#machine}" = 32 ] || machine=$(uname -n)
fi 2>/dev/null
LOOOP_PLACE="\${boot:--} \${machine:--} \${space:--}"
LOOOP_LIBRARY='${LIBRARY}'
LOOOP_INSIDE='${INSIDE}'
export LOOOP_UMASK LOOOP_POKE LOOOP_CWD LOOOP_USER_SHELL LOOOP_OS LOOOP_PLACE LOOOP_LIBRARY LOOOP_INSIDE
eval "$LOOOP_LIBRARY"
exec 9>|lock
flock -n 9 2>/dev/null && lock=locked || lock=-
identify
publish sup "$me $lock"
rm -f keys
mkfifo -m 600 keys
if [ -f end ]; then
  :
elif [ "$LOOOP_OS" = darwin ]; then
  { exec 9>&- <keys; read -r none; } |
    SHELL=/bin/sh script -q /dev/null /bin/sh -c "$LOOOP_INSIDE" 6>|keys 9>&- >>output.log 2>&1
else
  { exec 9>&- <keys; read -r none; } |
    SHELL=/bin/sh script -qec 'eval "$LOOOP_INSIDE"' /dev/null 6>|keys 9>&- >>output.log 2>&1
fi
code=$?
# The programs of PATH may be gone by now, with a volume or a folder of a project.
PATH=$PATH:/usr/bin:/bin
at=$(now) state=exited by=self
# macOS's script gives the bare number of the signal that has ended the shell around the agent.
if [ -f code ]; then
  [ -s code ] || code=$((128 + code))
  rm -f code
fi
[ "$code" -lt 128 ] || by=crash
if [ -f end ]; then
  read -r how who <end
  case "$how $who" in
    "exited self") code=0 by=self ;;
    "killed root" | "killed human" | "killed down" | "killed timeout" | "killed host") state=killed by=$who ;;
  esac
fi
[ "$state" = exited ] || code=null
text=$(printf '{"state":"%s","child_pid":null,"exit_code":%s,"last_change":"%s","ended_by":"%s"}' \\
  "$state" "$code" "$at" "$by")
pause=1
until publish status.json "$text" 2>/dev/null; do
  [ -f meta.json ] || exit 1
  sleep "$pause" 9>&- || exit 1
  pause=5
done
rm -f keys
poke
`;
