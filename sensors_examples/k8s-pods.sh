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
  printf '%s' "$2" | tr '[:cntrl:]' ' ' | cut -c 1-400 >&2
  exit "$1"
}

declared() { sed -n "s/^# looop:$1=//p" "$0" | tr ',' ' '; }

number() { # NAME: that setting must be a whole number
  case ${!1} in '' | *[!0-9]*) fail 78 "$1 is \"${!1}\", expected a whole number" ;; esac
}

for name in $(declared needs); do
  command -v "$name" >/dev/null 2>&1 || fail 78 "\"$name\" is not installed here, and this sensor needs it"
done
for name in $(declared env); do
  [ -n "${!name}" ] || fail 78 "$name is not set, and this sensor needs it"
done
work=$(mktemp -d "${TMPDIR:-/tmp}/looop-sensor.XXXXXX") || fail 73 "cannot make a temporary directory"
trap 'rm -rf "$work"' EXIT

# report NAME: {list: [{key, ...}], signal?, detail?, left?, unshown?} on stdin becomes the reading. The signal holds the
# sorted keys, the detail the items. Both are cut to stay below 8 KiB together; what is cut is counted and summed up.
report() {
  jq -c --arg name "$1" '
    def size: tojson | utf8bytelength;
    def sum: reduce (tojson | explode[]) as $c (7; (. * 31 + $c) % 2147483647);
    def short: if length > 120 then .[:100] + "~" + (sum | tostring) else . end;
    def plain: explode | map(if . < 32 or . == 127 then 32 else . end) | implode;
    def tidy($max):
      if type == "string" then .[:$max] | plain
      elif type == "array" then .[:10] | map(tidy(60))
      elif type == "object" then to_entries[:16] | map({key: .key[:60], value: .value | tidy($max)}) | from_entries
      else . end;
    def fit($max):
      reduce .[] as $x ([[], 2, true];
        ($x | size + 1) as $n
        | if .[2] and .[1] + $n <= $max then [.[0] + [$x], .[1] + $n, true] else [.[0], .[1], false] end)
      | .[0];
    (.left // 0) as $left
    | ([.list[].key | values | short] | unique) as $keys
    | ($keys | fit(2400)) as $named
    | $keys[($named | length):] as $rest
    | ((.signal // {}) + {($name): ($named | map(plain))}
        + (if ($rest | length) + $left == 0 then {}
           else {more: {count: (($rest | length) + $left), sum: ($rest | sum)}} end)) as $signal
    | ((.detail // {}) | tidy(200)) as $detail
    | ([.list[:120][] | del(.key) | tidy(200)] | fit(7700 - ($signal | size) - ($detail | size))) as $items
    | ((.list | length) - ($items | length) + $left + (.unshown // 0)) as $cut
    | {signal: $signal, detail: ($detail + {items: $items, cut: $cut})}' 2>/dev/null ||
    fail 70 "what was found cannot be told as a reading"
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
  | map(select(.status.phase != "Succeeded")
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
  | {list: ., detail: {pods_looked_at: $all}}' "$work/pods" >"$work/found" 2>/dev/null ||
  fail 65 "kubectl prints no list of pods in a known form"
report pods <"$work/found"
