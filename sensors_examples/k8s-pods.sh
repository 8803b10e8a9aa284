#!/usr/bin/env bash
# looop:summary=Kubernetes pods that are not ready or keep restarting
# looop:needs=kubectl,jq
# looop:env=
# looop:optional=KUBE_CONTEXT,KUBE_NAMESPACE,KUBE_SELECTOR
# looop:interval=60
# looop:timeout=45
KUBE_CONTEXT="${KUBE_CONTEXT:-}"
KUBE_NAMESPACE="${KUBE_NAMESPACE:-}"
KUBE_SELECTOR="${KUBE_SELECTOR:-}"

set -euo pipefail
export LC_ALL=C

fail() { # CODE MESSAGE: one line on stderr, and the end
  printf '%s\n' "$(printf '%s' "$2" | tr '[:cntrl:]' ' ' | cut -c 1-400)" >&2
  exit "$1"
}
declared() { sed -n "s/^# looop:$1=//p" "$0" | tr ',' ' '; }
for name in $(declared needs); do command -v "$name" >/dev/null || fail 78 "\"$name\" is not installed here"; done
for name in $(declared env); do [ -n "${!name}" ] || fail 78 "$name is not set, and this sensor needs it"; done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# report NAME: turns {list: [{key, ...}], signal?, detail?, left?, unshown?} on stdin into the reading. The signal names
# the keys, the detail shows the items. Items that do not fit are cut and counted; the signal adds a sum of those cut.
# Parts that could not be fetched (lines of $work/lost) or understood ({odd} in the list) are counted and reported.
report() {
  : >>"$work/lost"
  jq -c --arg name "$1" --rawfile lost "$work/lost" '
    def size: tojson | utf8bytelength;
    def sum: reduce (tojson | explode[]) as $c (7; (. * 31 + $c) % 2147483647);
    def fit($max): [foreach .[] as $x (2; . + ($x | size) + 1; select(. <= $max) | $x)];
    def tidy: walk(if type == "string" then .[:200] | gsub("\\p{Cc}"; " ") elif type == "object" then
      to_entries[:16] | from_entries elif type == "array" then .[:10] | map(.[:60]? // .) else . end);
    {not_seen: ($lost / "\n" - [""] | unique), not_understood: [.list[].odd | values]} as $gaps
    | ($gaps | map_values(length) | with_entries(select(.value > 0))) as $counts | .list |= map(select(.odd | not))
    | ([.list[].key | values | if length > 120 then .[:100] + "~\(sum)" else . end] | unique) as $keys
    | ($keys | fit(2400)) as $told | ($keys - $told) as $rest | (($rest | length) + .left) as $more
    | (.signal + {($name): ($told | map(tidy))} + $counts
      + if $more > 0 then {more: {count: $more, sum: ($rest | sum)}} else {} end) as $signal
    | ($gaps | map_values(map(tidy) | fit(1000)) | with_entries(select(.value != []))) as $gaps
    | ((.detail // {} | tidy) + $gaps) as $detail
    | (7700 - ([$signal, $detail] | size)) as $room
    | ([.list[:120][] | del(.key) | tidy] | fit($room)) as $items
    | ((.list | length) - ($items | length) + .left + .unshown) as $cut | {$signal, detail: ($detail + {$items, $cut})}'
}

set -- get pods --output=json --request-timeout=20s
[ -z "$KUBE_CONTEXT" ] || set -- "$@" "--context=$KUBE_CONTEXT"
if [ -n "$KUBE_NAMESPACE" ]; then set -- "$@" "--namespace=$KUBE_NAMESPACE"; else set -- "$@" --all-namespaces; fi
[ -z "$KUBE_SELECTOR" ] || set -- "$@" "--selector=$KUBE_SELECTOR"
kubectl "$@" >"$work/pods" 2>"$work/err" || case $(cat "$work/err") in
  *Unauthorized* | *Forbidden* | *"must be logged in"* | *credentials*) fail 77 "kubectl: $(tail -n 1 "$work/err")" ;;
  *"does not exist"* | *"unable to parse"*) fail 78 "kubectl: $(tail -n 1 "$work/err")" ;;
  *) fail 69 "kubectl: $(tail -n 1 "$work/err" | grep . || echo "failed without a word")" ;;
esac
# A crash-looping pod is ready for moments; it counts as restarting until ten minutes have passed without a crash.
jq -sc 'if length == 1 and (.[0].items | type) == "array" then .[0].items else error("form") end | length as $all
  | (now - 600 | todate) as $lately
  | map(. as $pod | try (select(.status.phase != "Succeeded")
    | [.status.initContainerStatuses[]?, .status.containerStatuses[]?] as $containers
    | ([$containers[] | .state.waiting.reason // (.state.terminated | select(.exitCode != 0) | .reason) | values]
        - ["ContainerCreating", "PodInitializing"] | .[0]) as $reason
    | any($containers[].lastState.terminated | values; .exitCode != 0 and (.finishedAt // "") > $lately) as $restarting
    | any(.status.conditions[]?; .type == "Ready" and .status == "True") as $ready
    | (if $restarting then "restarting" elif $ready | not then "not ready" else empty end) as $state
    | {key: "\(.metadata.namespace)/\(.metadata.name | strings // error("form")) \($state)",
       namespace: .metadata.namespace, pod: .metadata.name,
       state: $state, phase: .status.phase, reason: ($reason // .status.reason),
       message: ([($containers[].state.waiting.message | values),
         (.status.conditions[]? | select(.status == "False") | .message | values)] | .[0]),
       restarts: ([$containers[].restartCount] | add), node: .spec.nodeName, started_at: .status.startTime})
      catch {odd: ($pod | tojson | .[:160])})
  | if $all > 0 and (map(select(.odd)) | length) == $all then error("form") else . end
  | {list: ., detail: {pods_looked_at: $all}}' "$work/pods" >"$work/found" 2>/dev/null ||
  fail 65 "kubectl prints no list of pods in a known form"
report pods <"$work/found"
