#!/bin/sh
# looop for a worker whose looop is elsewhere: writes each call into a folder and prints the reply that comes back.
#
# LOOOP_CALLS is that folder. A call is `calls/N`, made by one rename: hex of the number of words, the words and the
# marks of the caller, each ended by a NUL; then hex of the file that --ref names after an `x`, or `-`. Its reply is
# `replies/N` (the exit code) with `N.out` and `N.err` beside it. `acks/N` says that the reply was printed (`ok`) or
# that nobody reads it any more (`dead`). A waiting call is woken through the FIFO `wait/N`; the program that delivers
# the calls through `bell`. Where there is a file `poll`, that program is on another machine: then `wait/N` is a plain
# file, into which it writes `r`.
set -u
umask 077
S=$LOOOP_CALLS me=${LOOOP_SESSION_ID:-}
usage() {
  echo "looop _ $verb: $1; $2" >&2
  exit 2
}
[ "${1:-}" = _ ] && verb=${2:-} || verb=
case $verb in
  ask | claim | unclaim | told) waits=1 ;;
  ready | cost) waits= ;;
  kill | done) ;;
  *)
    echo "looop: a worker here may call _ ready, ask, claim, unclaim, told, cost, done; ask for anything else" >&2
    exit 2
    ;;
esac
if [ ! -d "$S/calls" ]; then
  echo "looop _ $verb: $S is gone; this run of the worker is over" >&2
  exit 1
fi
ring() {
  [ ! -p "$S/bell" ] || echo c 1<>"$S/bell"
}
hex() {
  od -An -v -tx1 | tr -d ' \n'
}

case $verb in
  kill | done)
    case ${3:-$me} in
      "$me") ;;
      *) echo "looop _ $verb: a worker ends nobody but itself; run looop _ $verb $me" >&2 && exit 1 ;;
    esac
    echo "killed session $me"
    # The process that kills must not be part of the tree that it kills.
    (
      unset LOOOP_SESSION_ID LOOOP_SESSION_GEN LOOOP_DATA_DIR
      trap '' HUP INT TERM
      exec </dev/null >/dev/null 2>&1
      set -- /bin/sh "$S/far" stop "$S" exited self
      command -v setsid >/dev/null && exec setsid "$@"
      set -m
      "$@" &
    ) &
    # An agent whose command returned now would ask its model once more.
    i=0
    while [ $i -lt 10 ]; do
      sleep 1
      i=$((i + 1))
    done
    exit 0
    ;;
  cost)
    [ $# = 6 ] || usage "it needs KIND ID RUNNER USD" "as in looop _ cost session $me pi 0.25"
    case $6 in
      *[!0-9.eE+-]*) usage "bad amount \"$6\"" "give dollars as a number, 0 or more, e.g. 0.25" ;;
    esac
    printf '%s\n' "$6" | grep -Eq '^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$' ||
      usage "bad amount \"$6\"" "give dollars as a number, 0 or more, e.g. 0.25"
    ;;
esac

# The values of --ref and --timeout, as options of `_ ask` alone.
ref=- limit='' last=''
if [ "$verb" = ask ]; then
  for word in "$@"; do
    case $last in
      --ref) ref=$word ;;
      --timeout) limit=$word ;;
    esac
    last=$word
    case $word in
      --ref=*) ref=${word#--ref=} last= ;;
      --timeout=*) limit=${word#--timeout=} last= ;;
    esac
  done
  case $limit in
    *[!0-9.]*) usage "--timeout is \"$limit\"" "give seconds" ;;
  esac
fi

n=$(date +%s).$$.$(od -An -N4 -tu4 /dev/urandom | tr -d ' \n')
poll=
[ ! -f "$S/poll" ] || poll=1
if [ -n "$waits" ]; then
  if [ -n "$poll" ]; then
    : >"$S/wait/$n"
  else
    mkfifo "$S/wait/$n"
    # Opened for both directions, it never ends, whoever else comes and goes.
    exec 3<>"$S/wait/$n"
  fi
  forget() {
    echo dead >"$S/acks/$n"
    rm -f "$S/wait/$n" "$S/calls/$n" "$S/replies/$n" "$S/replies/$n.out" "$S/replies/$n.err"
    ring
    exit "$1"
  }
  trap 'forget 143' TERM
  trap 'forget 130' INT
  trap 'forget 129' HUP
fi
# The number of words, the words, and the marks that show whose call it is.
words() {
  printf '%s\0' "$#" "$@" "ns=$(readlink /proc/self/ns/pid 2>/dev/null)"
  for name in LOOOP_AGENT CLAUDECODE CLAUDE_CODE_SESSION_ID CODEX_THREAD_ID PI_SESSION_ID; do
    eval "[ -z \"\${$name:-}\" ] || printf '%s=%s\\0' $name \"\$$name\""
  done
}
call() {
  words "$@" | hex
  if [ "$ref" != - ] && [ -f "$ref" ] && [ "$(wc -c <"$ref")" -lt 1000000 ]; then
    printf ' x'
    hex <"$ref"
    echo
  else
    echo ' -'
  fi
}
if [ -n "$waits" ]; then
  call "$@" >"$S/calls/.$n"
else
  # No reply could report its loss.
  call "$@" | dd of="$S/calls/.$n" bs=65536 conv=fsync 2>/dev/null
fi && mv "$S/calls/.$n" "$S/calls/$n" || {
  echo "looop _ $verb: cannot write in $S/calls; free some disk space, then try again" >&2
  exit 1
}
ring
if [ -z "$waits" ]; then
  case $verb in
    ready) echo "ready ${3:-$me}" ;;
    cost) echo "cost $4: \$$6" ;;
  esac
  exit 0
fi
if [ -n "$limit" ]; then
  (
    trap - TERM INT HUP
    sleep "$limit"
    [ ! -e "$S/wait/$n" ] || echo t 1<>"$S/wait/$n"
  ) </dev/null >/dev/null 2>&1 3>&- &
  timer=$!
fi
# In a shared folder a look for a file that is not there yet would be remembered, and its coming missed.
answered() {
  if [ -n "$poll" ]; then [ "$wake" = r ]; else [ -f "$S/replies/$n" ]; fi
}
wake=
until answered; do
  if [ -n "$poll" ]; then
    sleep 1
    read -r wake <"$S/wait/$n" || wake=
  else
    read -r wake <&3 || wake=
  fi
  if [ "$wake" = t ] && ! answered; then
    echo "looop _ ask: it is not answered yet; ask the same again to go on waiting" >&2
    forget 124
  fi
  # The process that ran this is gone, and will ask again if it comes back.
  kill -0 "$PPID" 2>/dev/null || forget 1
done
[ -z "$limit" ] || kill "$timer" 2>/dev/null
read -r code <"$S/replies/$n"
cat "$S/replies/$n.err" >&2
cat "$S/replies/$n.out" || forget 1
echo ok >"$S/acks/$n"
rm -f "$S/wait/$n" "$S/calls/$n" "$S/replies/$n" "$S/replies/$n.out" "$S/replies/$n.err"
ring
exit "$code"
