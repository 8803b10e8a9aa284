/**
 * The supervisor of one worker: a shell and `script(1)`, a few MB together, that give the agent a
 * pseudo-terminal, record its screen, and write down how it ended. It needs no looop process and
 * outlives the pulse.
 *
 * Why so: a Deno process per worker costs 40–60 MB; `script` with a FIFO opened `<>` as its stdin never sends
 * an end-of-file to the agent (with /dev/null it types Ctrl-D); `script` itself is never signalled, since on
 * TERM it reports success.
 */

/** Size of a worker's terminal. */
export const TERMINAL = { rows: 50, cols: 160 } as const;

/**
 * Called as `sh -c SUPERVISOR looop-supervisor SESSION_DIR POKE_FILE` with LOOOP_WORKER_CMD, _ID and _GEN set.
 *
 * `sup` holds "pid start boot" of this shell, `program` the same of the agent's first process; `end`, when it
 * exists, says who ended the session and how it counts; a worker that is ended before its agent runs never runs
 * it. macOS has no /proc and another `script` syntax: there `ps` and `sysctl` give the identity (the start time in
 * words, apart by one `_` each), and BSD `script` returns the child's exit status by itself.
 */
export const SUPERVISOR = `umask 077
set -C
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
LOOOP_DIR=$1 LOOOP_POKE=$2
export LOOOP_DIR LOOOP_POKE
LOOOP_IDENTIFY='identify() {
  if read -r stat </proc/$$/stat && read -r boot </proc/sys/kernel/random/boot_id; then
    set -- \${stat##*) }
    echo "$$ \${20} $boot"
  else
    start=$(LC_ALL=C TZ=UTC0 ps -o lstart= -p $$)
    echo "$$ $(echo $start | tr " " _) $(sysctl -n kern.bootsessionuuid)"
  fi 2>/dev/null
}'
export LOOOP_IDENTIFY
eval "$LOOOP_IDENTIFY"
LOOOP_PUBLISH='publish() {
  printf "%s\\n" "$2" >"$LOOOP_DIR/.$1.tmp-$$-0" && mv -f "$LOOOP_DIR/.$1.tmp-$$-0" "$LOOOP_DIR/$1"
}
poke() {
  [ -L "$LOOOP_POKE" ] || echo >|"$LOOOP_POKE"
}'
export LOOOP_PUBLISH
eval "$LOOOP_PUBLISH"
publish sup "$(identify)"
rm -f "$LOOOP_DIR/keys"
mkfifo -m 600 "$LOOOP_DIR/keys"
LOOOP_USER_SHELL=\${SHELL:-/bin/sh}
export LOOOP_USER_SHELL
LOOOP_INNER='[ ! -f "$LOOOP_DIR/end" ] || exit 0
set -C
stty rows ${TERMINAL.rows} cols ${TERMINAL.cols} 2>/dev/null
eval "$LOOOP_IDENTIFY"
eval "$LOOOP_PUBLISH"
publish program "$(identify)"
publish status.json "{\\"state\\":\\"running\\",\\"child_pid\\":$$,\\"exit_code\\":null,\\"last_change\\":$(date +%s)}"
poke
cmd=$LOOOP_WORKER_CMD
SHELL=$LOOOP_USER_SHELL LOOOP_SESSION_ID=$LOOOP_WORKER_ID LOOOP_SESSION_GEN=$LOOOP_WORKER_GEN
export SHELL LOOOP_SESSION_ID LOOOP_SESSION_GEN
unset LOOOP_DIR LOOOP_POKE LOOOP_IDENTIFY LOOOP_PUBLISH LOOOP_INNER LOOOP_USER_SHELL LOOOP_WORKER_CMD LOOOP_WORKER_ID LOOOP_WORKER_GEN
exec /bin/sh -c "$cmd"'
export LOOOP_INNER
if [ -f "$LOOOP_DIR/end" ]; then
  :
elif [ "$(uname)" = Darwin ]; then
  SHELL=/bin/sh script -q /dev/null /bin/sh -c "$LOOOP_INNER" <>"$LOOOP_DIR/keys" >>"$LOOOP_DIR/output.log" 2>&1
else
  SHELL=/bin/sh script -qec 'eval "$LOOOP_INNER"' /dev/null <>"$LOOOP_DIR/keys" >>"$LOOOP_DIR/output.log" 2>&1
fi
code=$?
state=exited by=self
[ "$code" = 0 ] || by=crash
if [ -f "$LOOOP_DIR/end" ]; then
  read -r state by <"$LOOOP_DIR/end"
  [ "$by" = self ] && code=0
fi
[ "$state" = killed ] && code=null
child=0
[ -f "$LOOOP_DIR/program" ] && read -r child rest <"$LOOOP_DIR/program"
publish status.json "$(printf '{"state":"%s","child_pid":%s,"exit_code":%s,"last_change":%s,"ended_by":"%s"}' "$state" "$child" "$code" "$(date +%s)" "$by")"
rm -f "$LOOOP_DIR/keys"
poke
`;
