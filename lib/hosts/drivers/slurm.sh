#!/bin/bash
# looop:summary=Slurm: each worker a batch job; options: args (a list of words for sbatch, e.g. "--partition=long")
# A driver of looop. Needs sbatch, squeue, scancel, srun and jq, and ProctrackType=proctrack/cgroup in slurm.conf:
# without it, processes that leave their session survive scancel. The workers' folder must be the same on all nodes.
set -eu
verb=$1
[ "$verb" = exec ] || in=$(cat)
get() { jq -r "$1 // empty" <<<"$in"; }
# Jobs of this home as "id name state reason"; Slurm forgets jobs that are over after MinJobAge.
jobs() { squeue -h --me -t all -o '%i %j %T %r' | grep " looop-${LOOOP_HOME:0:8}-" || :; }
# The ids of the job `name`, while it is not over.
alive() { jobs | awk -v n="$name" '$2 == n && $3 ~ /^(PENDING|CONFIGURING|RUNNING|COMPLETING|SUSPENDED)$/ { print $1 }'; }
case $verb in
describe) echo '{"v":1,"verbs":["start","list","stop","exec"],"calls":"exec","max_name":120,"logs":false}' ;;
start)
  name=$(get .name)
  # One after the other: Slurm itself accepts a name twice.
  state=${XDG_STATE_HOME:-$HOME/.local/state}/looop-far/slurm
  mkdir -p "$state"
  exec 9>"$state/lock"
  ! command -v flock >/dev/null || flock 9
  id=$(jobs | awk -v n="$name" '$2 == n { print $1; exit }')
  [ -n "$id" ] || ! [ -f "$state/$name" ] || id=$(cat "$state/$name")
  if [ -z "$id" ]; then
    args=()
    while IFS= read -r word; do args+=("$word"); done < <(get '.options.args[]?')
    script=$(printf '#!/bin/sh\nexec sh -c %s <<'"'"'LOOOP-BOOT'"'"'\n%s\nLOOOP-BOOT\n' \
      "'IFS= read -r l; eval \"\$(printf %b \"\$l\")\"'" "$(get .boot)")
    id=$(sbatch --parsable --no-requeue --job-name="$name" --output=/dev/null ${args[@]+"${args[@]}"} <<<"$script") || exit 75
    echo "${id%%;*}" >"$state/$name"
  fi
  jq -n --arg h "${id%%;*}" '{handle: $h}'
  ;;
list)
  jobs | jq -Rn '{jobs: [inputs | split(" ") | {handle: .[0], name: .[1], reason: .[3],
    state: ({PENDING: "queued", CONFIGURING: "queued", RUNNING: "running", COMPLETING: "running", SUSPENDED: "running",
      COMPLETED: "exited", FAILED: "exited", CANCELLED: "killed", TIMEOUT: "killed", PREEMPTED: "killed",
      OUT_OF_MEMORY: "killed", DEADLINE: "killed"}[.[2]] // "lost")}]}'
  ;;
stop)
  name=$(get .name) patience=$(get .grace_s) id=$(alive)
  # shellcheck disable=SC2086 # ids
  [ -z "$id" ] || scancel --full $id || :
  # Slurm's own KILL may come later than looop's patience ends.
  while [ -n "$id" ] && [ "$patience" -gt 0 ]; do sleep 1 && patience=$((patience - 1)) && id=$(alive); done
  # shellcheck disable=SC2086
  [ -z "$id" ] || scancel --full --signal=KILL $id || :
  echo '{}'
  ;;
exec) exec srun --quiet --overlap --jobid="$3" --ntasks=1 sh ;;
*) exit 3 ;;
esac
