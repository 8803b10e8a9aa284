#!/bin/bash
# looop:summary=Kubernetes: each worker a Job; options: image, namespace, spec (merged into the pod's spec)
# A driver of looop. Needs kubectl and jq. Tried against a stand-in that prints what kubectl documents, not a cluster.
set -eu
verb=$1
[ "$verb" = exec ] || in=$(cat)
get() { jq -r "$1 // empty" <<<"$in"; }
namespace=$(jq -r '.namespace // "default"' <<<"${LOOOP_OPTIONS:-{\}}")
kube() { kubectl --namespace "$namespace" "$@"; }
home=${LOOOP_HOME:0:16}
case $verb in
describe) echo '{"v":1,"verbs":["start","list","stop","exec"],"calls":"exec","max_name":52,"logs":false}' ;;
start)
  name=$(get .name | tr '[:upper:]' '[:lower:]')
  if ! kube get job "$name" -o name >/dev/null 2>&1; then
    jq --arg home "$home" --arg name "$name" '{apiVersion: "batch/v1", kind: "Job",
      metadata: {name: $name, labels: {looop: $home}, annotations: {"looop/name": .name}},
      spec: {backoffLimit: 0, template: {metadata: {labels: {looop: $home, "looop-job": $name}},
        spec: ({restartPolicy: "Never", containers: [{name: "worker", image: .options.image,
          command: ["sh", "-c", "l=$LOOOP_BOOT; unset LOOOP_BOOT; eval \"$(printf %b \"$l\")\""],
          env: [{name: "LOOOP_BOOT", value: .boot}]}]} * (.options.spec // {}))}}}' <<<"$in" |
      kube create -f - >/dev/null || kube get job "$name" -o name >/dev/null || exit 75
  fi
  jq -n --arg h "$name" '{handle: $h}'
  ;;
list)
  pods=$(kube get pods -l "looop=$home" -o json)
  kube get jobs -l "looop=$home" -o json | jq --argjson pods "$pods" '{jobs: [.items[] | .metadata.name as $name
    | ([$pods.items[] | select(.metadata.labels["looop-job"] == $name)][0]) as $pod
    | ($pod.status.containerStatuses[0].state // {}) as $state
    | {name: (.metadata.annotations["looop/name"] // $name), handle: $name,
       code: $state.terminated.exitCode, reason: ($state.waiting.reason // $state.terminated.reason),
       state: (if $state.terminated then "exited" elif $state.running then "running"
         elif (.status.failed // 0) > 0 then "lost" else "queued" end)} | with_entries(select(.value != null))]}'
  ;;
stop)
  kube delete job "$(get .handle | tr '[:upper:]' '[:lower:]')" --ignore-not-found --cascade=foreground \
    --wait=false >/dev/null
  echo '{}'
  ;;
exec)
  pod=$(kube get pods -l "looop-job=$3" -o 'jsonpath={.items[0].metadata.name}')
  exec kubectl --namespace "$namespace" exec -i "$pod" -c worker -- sh
  ;;
*) exit 3 ;;
esac
