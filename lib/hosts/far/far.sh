#!/bin/sh
# The far side of looop, built on POSIX sh, script(1) and od, base64, awk: starts workers, ends them, and posts their
# states and calls to their home. Called as
#   far start W | far sup W | far stop W STATE BY [W STATE BY …] | far post MACHINE TAKE [apart]
# with W the folder of one run, FAR/w/ID.GEN. Everything is read from files again and again, so that a lost line, a
# killed post and a reboot cost time and nothing else. A post that is `apart` runs at home, on a folder that both machines
# see: a process that is named there is none of its own machine, and nothing that lies there is run.
set -u
umask 077
LOCALE=${LC_ALL:-} LC_ALL=C
export LC_ALL
case $0 in
  */bin/far) FAR=${0%/bin/far} ;;
  *) FAR=$(cd "${0%/*}/../.." && pwd) ;;
esac

# --- who runs here ---------------------------------------------------------------------------------------------

BOOT=- MACHINE=- SPACE=- OWN_PROC='' APART=''
{
  if read -r BOOT </proc/sys/kernel/random/boot_id; then
    SPACE=$(readlink /proc/self/ns/pid)
    SPACE=${SPACE%?} SPACE=${SPACE##*\[}
    for file in /etc/machine-id /var/lib/dbus/machine-id; do
      [ -r "$file" ] && read -r MACHINE <"$file" && [ "${#MACHINE}" = 32 ] && break
    done
    [ "${#MACHINE}" = 32 ] || MACHINE=$(uname -n)
    # Where /proc belongs to another pid namespace, its numbers are not ours.
    read -r self rest </proc/self/stat && [ "$self" = $$ ] && OWN_PROC=1
  elif [ "$(uname)" = Darwin ]; then
    BOOT=$(sysctl -n kern.bootsessionuuid)
    MACHINE=$(ioreg -rd1 -c IOPlatformExpertDevice | sed -n 's/.*"IOPlatformUUID" = "\(.*\)".*/\1/p')
    OWN_PROC=1
  fi
} 2>/dev/null

# Start time of a process, "" when there is none or it is a zombie.
started() {
  START='' STATE=''
  if [ -d /proc/self ]; then
    read -r stat <"/proc/$1/stat" || return 0
    # shellcheck disable=SC2086 # numbers, to be taken apart
    set -- ${stat##*) }
    [ "$1" = Z ] || START=${20}
  else
    STATE=$(ps -o stat= -p "$1")
    case $STATE in "" | Z*) ;; *) START=$(TZ=UTC0 ps -o lstart= -p "$1" | awk '{print $1 "_" $2 "_" $3 "_" $4 "_" $5}') ;; esac
  fi
} 2>/dev/null

# LIFE of the process that the file $1 names: alive, dead or unknown. A lock beside it is tried when the pid means
# nothing here.
living() {
  LIFE=unknown
  [ -z "$APART" ] || return 0
  LIFE=dead
  read -r pid start boot machine space lock <"$1" || return 0
  if [ "${machine:--}" != - ] && [ "$MACHINE" != - ] && [ "$machine" != "$MACHINE" ]; then
    LIFE=unknown
  elif [ "$boot" != "$BOOT" ]; then
    return 0
  elif [ -z "$OWN_PROC" ] || [ "$start" = - ] || { [ "${space:--}" != - ] && [ "$space" != "$SPACE" ]; }; then
    LIFE=unknown
    if [ "${lock:--}" = locked ] && command -v flock >/dev/null; then
      flock -s -n "${1%/*}/lock" true && LIFE=dead || LIFE=alive
    fi
  else
    started "$pid"
    [ "$START" != "$start" ] || LIFE=alive
  fi
} 2>/dev/null

# The value of a key in one line of JSON without blanks.
value() {
  VALUE=${1#*\""$2"\":}
  [ "$VALUE" != "$1" ] || VALUE=
  VALUE=${VALUE%%[,\}]*} VALUE=${VALUE#\"} VALUE=${VALUE%\"}
}

# The state of a run: IS one of none, starting, running, exited, killed, lost; CODE and BY once it is over.
stands() {
  IS=none CODE=- BY=-
  [ -d "$1/run" ] || return 0
  told "$1" && return 0
  IS=running
  if [ -f "$1/sup" ]; then
    living "$1/sup"
    # It may have written its end between the two looks.
    [ "$LIFE" != dead ] || told "$1" || IS=lost
    [ -f "$1/status.json" ] || [ "$IS" = lost ] || IS=starting
    return 0
  fi
  IS=starting
  [ -z "$APART" ] || return 0
  read -r since boot 2>/dev/null <"$1/run/began" || return 0
  [ "$boot" = "$BOOT" ] && [ $(($(date +%s) - since)) -lt 15 ] || IS=lost
}
# The state as home is to see it: a run that is being ended is over when nothing of it is left.
shown() {
  stands "$1"
  case $IS in exited | killed) ;; *) return 0 ;; esac
  # The agent's record is there by then. Only a folder that is opened anew shows what another machine has made in it.
  [ -z "$APART" ] || { : "$1"/* && [ -f "$1/ended" ] || IS=running CODE=- BY=-; }
  [ -f "$1/stopping" ] || return 0
  living "$1/stopping"
  [ "$LIFE" != alive ] || IS=running CODE=- BY=-
}
told() {
  read -r line <"$1/status.json" || return 1
  value "$line" state
  case $VALUE in exited | killed | lost) IS=$VALUE ;; *) return 1 ;; esac
  value "$line" exit_code
  case $VALUE in "" | *[!0-9]*) ;; *) CODE=$VALUE ;; esac
  value "$line" ended_by
  case $VALUE in self | root | human | down | timeout | crash | host) BY=$VALUE ;; esac
} 2>/dev/null

# --- start -----------------------------------------------------------------------------------------------------

# Runs this script in a session of its own, with nothing open; its output goes to the file $1.
detached() {
  said_to=$1
  shift
  (
    exec </dev/null >/dev/null 2>"$said_to" 7<&- 8<&-
    set -- /bin/sh "$FAR/bin/far" "$@"
    command -v setsid >/dev/null && exec setsid "$@"
    # A Mac has perl, and no setsid.
    exec perl -MPOSIX -e 'POSIX::setsid(); exec @ARGV' "$@"
  ) &
}

# Prints `started`, or `refused CODE WHY`. Starts once per run, however often it is called.
start() {
  W=$1 name=${1##*/}
  id=${name%.*}
  stands "$W"
  if [ "$IS" = none ]; then
    IFS= read -r cwd <"$W/cwd"
    [ -d "$cwd" ] || { echo "refused 1 there is no folder \"$cwd\" here" && exit; }
    if [ -s "$W/program_name" ]; then
      read -r program <"$W/program_name"
      (. "$W/env" && command -v "$program" >/dev/null) || {
        echo "refused 1 \"$program\" is not on the PATH here"
        exit
      }
    fi
    command -v script >/dev/null || { echo "refused 1 \"script\" (util-linux) is not installed here" && exit; }
    command -v setsid >/dev/null || command -v perl >/dev/null || {
      echo 'refused 1 "setsid" (util-linux) is not installed here, and no perl' && exit
    }
    for other in "$FAR/w/$id."*; do
      [ "$other" != "$W" ] && [ "${other%.*}" = "$FAR/w/$id" ] || continue
      stands "$other"
      case $IS in
        starting | running) echo "refused 4 another run of $id lives here (${other##*.})" && exit ;;
      esac
    done
    detached "$W/sup.err" sup "$W"
  fi
  tries=0
  until [ -f "$W/status.json" ] || [ $tries -ge 160 ]; do
    sleep 0.05 2>/dev/null || sleep 1
    tries=$((tries + 1))
  done
  [ -f "$W/status.json" ] && echo started || echo "unknown it did not come up within 8 s"
}

# Runs the agent under its supervisor; the folder `run` is the fence: a second caller runs nothing.
sup() {
  W=$1
  mkdir "$W/run" 2>/dev/null || exit 0
  echo "$(date +%s) $BOOT" >"$W/run/.began" && mv "$W/run/.began" "$W/run/began"
  name=${W##*/}
  # The path by which the agent is told to call and report, also by a conversation that began in an earlier run.
  mkdir -p "$FAR/now" && rm -f "$FAR/now/${name%.*}" && ln -s "../w/$name" "$FAR/now/${name%.*}"
  IFS= read -r cwd <"$W/cwd"
  [ ! -s "$W/orphan" ] || orphan &
  # A post at home sees none of the callers here.
  ! grep -qs '^ends=' "$W/records" || endings >"$W/endings"
  [ ! -f "$W/poll" ] || (while sleep 10 && [ -d "$W" ] && [ ! -f "$W/ended" ]; do reap "$W"; done) &
  (
    cd "$cwd" || exit 1
    if [ -n "$LOCALE" ]; then LC_ALL=$LOCALE; else unset LC_ALL; fi
    umask "${LOOOP_UMASK:-022}"
    for own in $(env | sed -n 's/^\(LOOOP_[A-Z_]*\)=.*/\1/p'); do unset "$own"; done
    . "$W/env"
    LOOOP_DATA_DIR=$W LOOOP_BIN=$W/looop LOOOP_REPORTS_DIR=$W/reports
    export LOOOP_DATA_DIR LOOOP_BIN LOOOP_REPORTS_DIR
    LOOOP_WORKER_CMD=$(cat "$W/command") LOOOP_WORKER_ID=${name%.*} LOOOP_WORKER_GEN=${name##*.}
    TERM=xterm-256color
    export LOOOP_WORKER_CMD LOOOP_WORKER_ID LOOOP_WORKER_GEN TERM
    exec /bin/sh "$FAR/bin/supervisor" "$W" poke "$cwd"
  )
  [ ! -f "$W/poll" ] || keep
  date +%s >"$W/.ended" && mv "$W/.ended" "$W/ended"
  ring
  stands "$W"
  # As the main process of a container or a job: its files vanish with it, so home gets them first.
  if [ -f "$W/linger" ]; then
    read -r patience <"$W/linger"
    until [ -f "$W/fetched" ] || [ "$patience" -le 0 ]; do
      sleep 1
      patience=$((patience - 1))
    done
  fi
  [ "$CODE" = - ] || exit "$CODE"
  exit 137
}
# Ends a run that has had no contact to its home for so many minutes, from outside: a stop spares its own shell's children.
orphan() {
  read -r minutes <"$W/orphan"
  while sleep 30 && [ ! -f "$W/ended" ]; do
    [ -z "$(find "$FAR/posts/seen" -mmin "+$minutes" 2>/dev/null)" ] || detached /dev/null stop "$W" killed host
  done
}
# Puts the agent's own record where home sees it.
keep() {
  record() {
    mkdir -p "$(dirname "$W/kept/$2")" && cp "$1" "$W/kept/$2"
  }
  each_record
}
ring() {
  [ -f "$W/poll" ] || [ ! -p "$FAR/posts/bell" ] || echo c 1<>"$FAR/posts/bell"
}

# --- stop ------------------------------------------------------------------------------------------------------

# All processes as lines "pid state ppid group session start".
processes() {
  if [ -d /proc/self ]; then
    cat /proc/[0-9]*/stat | sed -n 's/^\([0-9]*\) (.*) \([A-Za-z]\) /\1 \2 /p' | awk '{print $1,$2,$3,$4,$5,$21}'
  else
    TZ=UTC0 ps -axo pid=,stat=,ppid=,pgid=,lstart= |
      awk '{print $1,substr($2,1,1),$3,$4,0,$5 "_" $6 "_" $7 "_" $8 "_" $9}'
  fi
} 2>/dev/null

# Pids that carry one of these marks, one per line; a mark is without its `LOOOP_`.
marked() {
  [ $# -gt 0 ] || return 0
  if [ -d /proc/self ]; then
    marks=$(printf 'LOOOP_%s\n' "$@")
    if printf 'a\0' | grep -qzxF a; then
      grep -lzxF "$marks" /proc/[0-9]*/environ
    else
      for file in /proc/[0-9]*/environ; do
        tr '\0' '\n' <"$file" | grep -qxF "$marks" && echo "$file"
      done
    fi | sed 's,/proc/\([0-9]*\)/.*,\1,'
  else
    # Not the whole mark as one word: awk would find itself.
    ps -axwwEo pid=,command= | awk -v marks="$*" '
      BEGIN { n = split(marks, mark, " ") }
      { for (i = 1; i <= n; i++) if (index($0 " ", " LOOOP_" mark[i] " ")) { print $1; break } }'
  fi
} 2>/dev/null

# The members of trees as lines "pid start signal": the first processes of the agents ($1), those with one of the marks
# ($2), and the ones noted earlier that are still the same; descendants, groups and sessions of all these; never this shell
# and its children. $1 has "pid start signal" for each tree; that signal follows those that share their first one's
# terminal. One look at all processes serves any number of trees.
tree() {
  {
    # shellcheck disable=SC2086 # words
    marked $2 | sed 's/^/m /'
    sed 's/^/n /' "$3"
    processes
  } | awk -v root="$1" -v own=$$ '
    $1 == "m" { mark[$2] = 1; next }
    $1 == "n" { note[$2] = $3; next }
    $2 != "Z" { parent[$1] = $3; group[$1] = $4; session[$1] = $5; start[$1] = $6 }
    END {
      for (p in start) if (p in mark || (p in note && note[p] == start[p])) in_tree[p] = 1
      n = split(root, r, " ")
      for (i = 1; i < n; i += 3) if (r[i] in start && start[r[i]] == r[i + 1]) {
        in_tree[r[i]] = 1
        first[session[r[i]] ? session[r[i]] : r[i]] = r[i + 2]
      }
      do {
        grew = 0
        for (p in start) {
          if (p in in_tree) continue
          if (parent[p] in in_tree || group[p] in in_tree || session[p] in in_tree) { in_tree[p] = 1; grew = 1 }
        }
      } while (grew)
      mine[own] = 1
      do {
        grew = 0
        for (p in start) if (!(p in mine) && parent[p] in mine) { mine[p] = 1; grew = 1 }
      } while (grew)
      for (p in in_tree) if (!(p in mine) && p > 1) print p, start[p], first[session[p] ? session[p] : group[p]]
    }'
}

# How often the agent's record has a reply that calls the run's end, where home knows how to see that.
endings() {
  record() { [ -z "${ends:-}" ] || grep -c -- "$ends" "$1"; }
  each_record
} 2>/dev/null

# Ends the whole trees of runs: records the ends first, then TERM, KILL after 6 s, until nothing is left. Idempotent.
# Agents come before their commands: one whose command ended first would ask its model once more.
stop() {
  trap '' HUP INT TERM
  started $$
  runs='' marks='' roots=''
  while [ $# -ge 3 ]; do
    # Its folder may have been deleted: what is left of the tree still carries its mark.
    W=$1 runs="$runs $1" marks="$marks SESSION_GEN=${1##*.}"
    # Then its supervisor leads to an agent that has no mark.
    [ -f "$W/sup" ] || marks="$marks WORKER_GEN=${1##*.}"
    mkdir -p "$W" || exit 1
    echo "$$ ${START:--} $BOOT $MACHINE $SPACE -" >"$W/.stopping.$$" && mv -f "$W/.stopping.$$" "$W/stopping"
    if [ ! -f "$W/end" ] && ! told "$W"; then
      echo "$2 $3" >"$W/.end.$$" && ln "$W/.end.$$" "$W/end"
      rm -f "$W/.end.$$"
    fi 2>/dev/null
    [ -d "$W/run" ] || mkdir "$W/run" || exit 1
    # An agent that is killed at once has yet to record the reply in which it calls this.
    if [ "$3" = self ] && [ -f "$W/endings" ]; then
      read -r before <"$W/endings" || before=0
      tries=0
      until now=$(endings) && [ "${now:-0}" -gt "$before" ] || [ $tries -ge 50 ]; do
        sleep 0.1 2>/dev/null || sleep 1
        tries=$((tries + 1))
      done
    fi
    shift 3
  done
  for W in $runs; do
    stands "$W"
    # Before its agent runs there is nothing that could be found.
    tries=0
    while [ "$IS" = starting ] && [ -f "$W/sup" ] && [ "$LIFE" = alive ] && [ $tries -lt 80 ]; do
      sleep 0.1 2>/dev/null || sleep 1
      tries=$((tries + 1))
      stands "$W"
    done
    # A pid and a start time of an earlier boot may be a stranger's in this one.
    [ ! -f "$W/program" ] || living "$W/program"
    lead=TERM
    [ ! -s "$W/lead" ] || read -r lead <"$W/lead"
    [ ! -f "$W/program" ] || [ "$LIFE" != alive ] || roots="$roots $pid $start $lead"
  done
  notes=$W/.notes.$$
  : >"$notes"
  kills=0 sent='' began=$(date +%s) bare=0
  while tree "$roots" "$marks" "$notes" >"$notes.new" && [ $kills -lt 20 ]; do
    # A process whose parent ends during a look, or that becomes another program, is not seen by this one look.
    if [ ! -s "$notes.new" ]; then
      bare=$((bare + 1))
      [ $bare -lt 2 ] || break
    else
      bare=0
    fi
    cat "$notes.new" >>"$notes"
    passed=$(($(date +%s) - began)) next=
    if [ $passed -ge 6 ]; then
      next=KILL kills=$((kills + 1))
    elif [ -z "$sent" ] && grep -q '[A-Z]$' "$notes.new"; then
      next=lead
    elif [ "$sent" != TERM ] && { [ $passed -ge 3 ] || ! grep -q '[A-Z]$' "$notes.new"; }; then
      next=TERM
    fi
    [ -z "$next" ] || while read -r pid start lead; do
      started "$pid"
      [ "$next" = lead ] || lead=$next
      [ "$START" != "$start" ] || [ -z "$lead" ] || kill -"$lead" "$pid"
    done <"$notes.new" 2>/dev/null
    sent=${next:-$sent}
    sleep 0.1 2>/dev/null || sleep 1
  done
  rm -f "$notes" "$notes.new"
  for W in $runs; do
    tries=0
    while stands "$W" && [ "$IS" != exited ] && [ "$IS" != killed ]; do
      # Its supervisor is gone, or never was.
      [ "$IS" = running ] && [ "$LIFE" = alive ] && [ $tries -lt 20 ] || { final && break; }
      sleep 0.1 2>/dev/null || sleep 1
      tries=$((tries + 1))
    done
    [ -f "$W/ended" ] || [ -f "$W/poll" ] || date +%s >"$W/ended"
    rm -f "$W/stopping"
  done
  ring
}
final() {
  read -r how who <"$W/end"
  code=null
  [ "$how" = killed ] || code=0
  conclude "$how" "$who" "$code"
}
conclude() {
  printf '{"state":"%s","child_pid":null,"exit_code":%s,"last_change":%s,"ended_by":"%s"}\n' \
    "$1" "$3" "$(date +%s)" "$2" >"$W/.status.$$" && mv "$W/.status.$$" "$W/status.json"
}

# --- post ------------------------------------------------------------------------------------------------------

# Length of a log that is kept here, and of a part that is sent home in one line, bytes.
LOG_MAX=10485760 CHUNK=196608
# Open calls of one worker that home sees at a time.
WINDOW=32

# Reports the state of everything, then each change, until home hangs up or is silent for 30 s.
post() {
  cd "$FAR" || exit 1
  APART=${3:-} beat=2
  [ -z "$APART" ] || beat=1
  owned "$1" "$2"
  rm -rf posts/said.*
  mkfifo posts/.bell.$$ && mv -f posts/.bell.$$ posts/bell
  exec 7<&0 8<>posts/bell </dev/null
  SAID=posts/said.$$
  mkdir "$SAID"
  started $$
  me="$$ ${START:--}"
  hear &
  started $!
  hearing="$! ${START:--}"
  tick &
  started $!
  helpers="$hearing $! ${START:--}"
  echo "$1 $me $BOOT $helpers" >posts/.owner.$$ && mv -f posts/.owner.$$ posts/owner
  # shellcheck disable=SC2064,SC2086,SC2154 # as they are now; words; it is assigned in the trap itself
  trap "status=\$?; end TERM $helpers; rm -rf '$SAID'; exit \$status" EXIT
  trap 'exit 0' TERM INT HUP
  echo "hello 1 $BOOT $(date +%s)"
  silence=0 ticks=0 word=t
  : >posts/seen
  pass
  while read -r word a b c d <&8; do
    case $word in
      h) silence=0 ;;
      q) break ;;
      get) chunk "$a" "$b" "$c" "$d" ;;
      t)
        silence=$((silence + 1)) ticks=$((ticks + 1))
        [ $((silence * beat)) -lt 30 ] || break
        : >posts/seen
        [ $((ticks % 5)) != 0 ] || [ -n "$APART" ] || { reap w/*.* && wake; }
        pass
        ;;
      *) pass ;;
    esac
  done
}

# A second home, copied from the first, must not take calls of the first; a half-dead post of this home is killed.
owned() {
  read -r machine pid start boot others 2>/dev/null <posts/owner || return 0
  if [ "$machine" != "$1" ] && [ "$2" != 1 ] && [ -f posts/seen ]; then
    echo "refused owned by machine $machine"
    exit
  fi
  # shellcheck disable=SC2086 # words
  [ "$boot" != "$BOOT" ] || end KILL "$pid" "$start" $others
}

# Sends a signal to processes, each given by pid and start time: the number of one that has ended may be a stranger's.
end() {
  signal=$1
  shift
  while [ $# -ge 2 ]; do
    started "$1"
    [ "$START" != "$2" ] || kill -"$signal" "$1"
    shift 2
  done
} 2>/dev/null

# Reads lines from home. Files are changed here; replies go through the bell, since only one process may speak.
hear() {
  while IFS=' ' read -r word id gen n code out err <&7; do
    W=w/$id.$gen
    case $word in
      r) [ ! -d "$W" ] || reply "$W" "$n" "$code" "$out" "$err" ;;
      f) rm -f "$W/acks/$n" "$SAID/$id.$gen/c.$n" "$SAID/$id.$gen/a.$n" ;;
      get) echo "get $id $gen $n $code" >&8 ;;
      stop)
        case $id.$gen in
          *[!A-Za-z0-9._-]*) ;;
          *) [ -n "$APART" ] || {
            # A lost one is looked at again: it becomes a killed one. Where the folder is gone, home begins anew.
            { mkdir -p "$W" && : >"$W/ending"; } 2>/dev/null || echo q >&8
            rm -f "$SAID/$id.$gen/over"
            detached /dev/null stop "$FAR/$W" "$n" "$code"
          } ;;
        esac
        ;;
      # Nothing of it lives any more, as its engine says: STATE BY CODE.
      over)
        [ ! -d "$W" ] || {
          rm -f "$SAID/$id.$gen/over"
          told "$W" && [ "$IS" != lost ] || conclude "$n" "$code" "$out"
          [ -f "$W/ended" ] || date +%s >"$W/ended"
          for file in "$W"/wait/*; do [ ! -e "$file" ] || drop "$W" "${file##*/}"; done
        }
        ;;
      fetched) [ ! -d "$W" ] || : >"$W/fetched" ;;
      gone)
        stands "$W"
        # A later run may have been resumed in its folder.
        case $IS in exited | killed | lost) grep -qs "/\.\./$id\.$gen\$" w/*/cwd || rm -rf "$W" ;; esac
        [ -d "now/$id" ] || rm -f "now/$id"
        ;;
    esac
    echo h >&8
    [ "$word" = . ] || echo b >&8
  done
  echo q >&8
}

reply() {
  if [ ! -f "$1/calls/$2" ]; then
    return
  elif [ -e "$1/wait/$2" ]; then
    text "$4" >"$1/replies/$2.out"
    text "$5" >"$1/replies/$2.err"
    echo "$3" >"$1/replies/.$2" && mv "$1/replies/.$2" "$1/replies/$2"
    # In a process of its own: a FIFO that is full because its reader is stopped must not stop the post.
    (echo r 1<>"$1/wait/$2") &
  else
    echo ok >"$1/acks/$2" && rm -f "$1/calls/$2"
  fi
}
text() {
  [ "$1" = - ] || printf %b "$1"
}

tick() {
  exec 7<&-
  # shellcheck disable=SC2086 # words
  set -- $me
  while sleep $beat; do
    started "$1"
    if [ "$START" != "$2" ]; then
      # shellcheck disable=SC2086 # words
      end TERM $hearing
      exit
    fi
    # Without the folder nothing could end it any more.
    if [ -p posts/bell ]; then echo t >&8; else echo q >&8; fi
  done
}

# Drops calls of these runs whose caller was killed. A pid of another namespace proves nothing.
reap() {
  for W in "$@"; do
    for file in "$W"/wait/*; do
      [ -e "$file" ] || continue
      n=${file##*/}
      caller=${n#*.}
      kill -0 "${caller%%.*}" 2>/dev/null && continue
      grep -q "$OWN_SPACE" "$W/calls/$n" 2>/dev/null || [ ! -f "$W/calls/$n" ] || continue
      drop "$W" "$n"
    done
  done
}
# Nobody reads the reply to this call.
drop() {
  [ ! -f "$1/calls/$2" ] || echo dead >"$1/acks/$2"
  rm -f "$1/wait/$2" "$1/calls/$2" "$1/replies/$2" "$1/replies/$2.out" "$1/replies/$2.err"
}
OWN_SPACE=$(printf '%s\0' "ns=$(readlink /proc/self/ns/pid 2>/dev/null)" | od -An -v -tx1 | tr -d ' \n')

# A waiting call checks whether its own caller is still there.
waking=
wake() {
  [ -z "$waking" ] || ! kill -0 "$waking" 2>/dev/null || return 0
  (for fifo in w/*/wait/*; do [ ! -p "$fifo" ] || echo . 1<>"$fifo"; done) &
  waking=$!
}

# Sends what home has not seen on this line yet. A run that is over and fully reported is not looked at again.
pass() {
  sizes=" $(wc -c w/*/output.log 2>/dev/null)"
  for W in w/*.*; do
    name=${W#w/} D=$SAID/${W#w/}
    [ -d "$W" ] && [ ! -f "$D/over" ] || continue
    id=${name%.*} gen=${name##*.}
    [ -d "$D" ] || mkdir "$D"
    calls
    acks
    shown "$W"
    over=
    case $IS in exited | killed | lost) over=1 ;; esac
    [ "$word" != t ] && [ -z "$over" ] || reports
    [ $((ticks % 5)) != 0 ] && [ -z "$over" ] || records
    log
    said=
    read -r said 2>/dev/null <"$D/w" || :
    if [ "$said" = "$IS $CODE $BY $total" ]; then
      [ -z "$over" ] || [ "$open" != 0 ] || { [ "$IS" = lost ] && [ -f "$W/ending" ]; } || : >"$D/over"
      continue
    fi
    age=-
    if [ -n "$over" ]; then
      age=0
      read -r at 2>/dev/null <"$W/ended" && age=$(($(date +%s) - at))
    fi
    echo "w $id $gen $IS $CODE $BY $age $total"
    echo "$IS $CODE $BY $total" >"$D/w"
  done
  for D in "$SAID"/*; do
    name=${D##*/}
    [ -d "$D" ] && [ ! -d "w/$name" ] || continue
    echo "w ${name%.*} ${name##*.} none - - - 0"
    rm -rf "$D"
  done
  echo .
}

acks() {
  for file in "$W"/acks/*; do
    [ -f "$file" ] || continue
    open=$((open + 1))
    [ ! -f "$D/a.${file##*/}" ] && read -r how <"$file" || continue
    echo "a $id $gen ${file##*/} $how"
    : >"$D/a.${file##*/}"
  done
}

# Those that home has count first: later calls may come earlier in the folder's order.
calls() {
  open=0 seen=0
  for file in "$W"/calls/*; do
    [ -f "$file" ] || continue
    open=$((open + 1))
    [ ! -f "$D/c.${file##*/}" ] || seen=$((seen + 1))
  done
  [ $open != $seen ] || return 0
  for file in "$W"/calls/*; do
    [ $seen -lt $WINDOW ] || return 0
    n=${file##*/}
    [ -f "$file" ] && [ ! -f "$D/c.$n" ] || continue
    line=$(cat "$file" 2>/dev/null) && [ -n "$line" ] || continue
    echo "c $id $gen $n $line"
    : >"$D/c.$n"
    seen=$((seen + 1))
  done
}

# The length of a log counted from its beginning, whatever part was dropped.
log() {
  base=0 total=0
  [ -f "$W/output.log" ] || return 0
  read -r base 2>/dev/null <"$W/base" || :
  case $sizes in *" $W/output.log"*) ;; *) return 0 ;; esac
  size=${sizes%%" $W/output.log"*}
  size=${size##*[!0-9]}
  total=$((base + size))
  # On a shared folder a cut could meet a write of the other machine.
  [ "$size" -gt $LOG_MAX ] && [ -z "$APART" ] || return 0
  # As long as there is room, only at a moment at which home was sent all of it.
  sent=0
  read -r sent 2>/dev/null <"$D/sent" || :
  size=$(($(wc -c <"$W/output.log")))
  [ $((base + size)) = "$sent" ] || [ "$size" -gt $((2 * LOG_MAX)) ] || return 0
  echo $((base + size)) >"$W/.base" && : >"$W/output.log" && mv "$W/.base" "$W/base"
  total=$((base + size))
}

# Reports that are new or have changed since the look before the last one on this line. A file that is written in the
# very moment of a look has the time of that look, so each look also covers the one before; home knows what it has.
reports() {
  any=
  for file in "$W"/reports/*; do [ -e "$file" ] && any=1 && break; done
  [ -n "$any" ] || return 0
  newer=
  [ -f "$D/reports" ] && newer=1
  : >"$D/.reports"
  # shellcheck disable=SC2086 # no words or two
  find "$W/reports" -type f ${newer:+-newer "$D/reports"} | while IFS= read -r file; do
    # shellcheck disable=SC2046 # two numbers and a name
    set -- $(cksum <"$file")
    printf 'p %s %s %s %s-%s\n' "$id" "$gen" "$(printf %s "${file#"$W"/reports/}" | od -An -v -tx1 | tr -d ' \n')" "$1" "$2"
  done
  [ ! -f "$D/reports.last" ] || mv "$D/reports.last" "$D/reports"
  mv "$D/.reports" "$D/reports.last"
}

# The files of the agent's own record, as home knows to find them; each is passed to `record PATH NAME`.
each_record() {
  if [ -n "$APART" ]; then
    find "$W/kept" -type f 2>/dev/null | while IFS= read -r file; do record "$file" "${file#"$W/kept/"}"; done
  else
    [ ! -s "$W/records" ] || (. "$W/env" && . "$W/records") 2>/dev/null
  fi
}

# Reports how long these files are: home asks for what it has not.
records() {
  record() {
    case $2 in *[!A-Za-z0-9_./-]*) return 0 ;; esac
    [ ! -f "$1" ] || printf 't %s %s %s %s\n' "$id" "$gen" "$(printf %s "$2" | od -An -v -tx1 | tr -d ' \n')" $(($(wc -c <"$1")))
  }
  each_record
}

# One part of a log (`-`), of an agent's record (`@NAME`) or a report, from an offset on.
chunk() {
  W=w/$1.$2 D=$SAID/$1.$2 name=$3 from=$4 base=0 length=$CHUNK
  [ -d "$W" ] && [ -d "$D" ] || return 0
  case $from in "" | *[!0-9]*) return 0 ;; esac
  if [ "$name" = - ]; then
    file=$W/output.log
    read -r base 2>/dev/null <"$W/base" || :
    [ "$from" -ge "$base" ] || from=$base
    [ -f "$file" ] || return 0
    size=$(($(wc -c <"$file")))
    [ $((base + size - from)) -ge "$length" ] || length=$((base + size - from))
    [ "$length" -gt 0 ] || length=0
    echo $((from + length)) >"$D/sent"
  else
    file=$(printf %b "$name")
    case $file in
      @*)
        wanted=${file#@}
        record() { [ "$2" != "$wanted" ] || printf '%s\n' "$1"; }
        file=$(each_record)
        ;;
      *) file=$W/reports/$file ;;
    esac
  fi
  [ -f "$file" ] || return 0
  printf 'd %s %s %s %s ' "$1" "$2" "$name" "$from"
  tail -c +$((from - base + 1)) "$file" | head -c "$length" | base64 | tr -d '\n'
  echo
}

# ---------------------------------------------------------------------------------------------------------------

task=$1
shift
case $task in
  start | sup | stop | post) "$task" "$@" ;;
esac
