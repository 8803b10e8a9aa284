#!/bin/bash
# looop:summary=podman: each worker a container of its own; options: image, args (a list of words for podman run)
# A driver of looop: DRIVER VERB with JSON on stdin, one JSON value on stdout. Needs podman and jq.
set -eu
verb=$1
podman=${LOOOP_PODMAN:-podman}
boot='IFS= read -r l; eval "$(printf %b "$l")"'
[ "$verb" = exec ] || in=$(cat)
get() { jq -r "$1 // empty" <<<"$in"; }
case $verb in
describe) echo '{"v":1,"verbs":["start","list","stop","exec"],"calls":"exec","max_name":63,"logs":false}' ;;
start)
  name=$(get .name)
  if ! $podman container exists "$name"; then
    image=$(get .options.image)
    [ -n "$image" ] || { echo "options.image is not set" >&2 && exit 2; }
    args=()
    while IFS= read -r word; do args+=("$word"); done < <(get '.options.args[]?')
    create() {
      $podman create --name "$name" --label "looop=$LOOOP_HOME" ${args[@]+"${args[@]}"} "$image" \
        sh -c 'until [ "$(tail -n 1 /looop-boot 2>/dev/null)" = end ]; do sleep 0.1; done; exec </looop-boot; '"$boot" >/dev/null
    }
    if ! create; then
      # Another start may be making it; one that was killed may have left its name taken in podman's storage.
      for _ in 1 2 3 4 5 6; do $podman container exists "$name" && break || sleep 0.5; done
      $podman container exists "$name" || { $podman rm -f "$name" >/dev/null && create; }
    fi
  fi
  case $($podman inspect -f '{{.State.Status}}' "$name") in
  created | configured | initialized)
    # A file, since a container may start to read only when this script is gone; whole, since a start may be cut anywhere.
    line=$(mktemp)
    trap 'status=$?; rm -f "$line"; exit "$status"' EXIT
    { get .boot && echo end; } >"$line"
    $podman cp "$line" "$name:/looop-boot"
    $podman start "$name" >/dev/null
    ;;
  esac
  jq -n --arg h "$name" '{handle: $h}'
  ;;
list)
  $podman ps -a --filter "label=looop=$LOOOP_HOME" --format json | jq '{jobs: [.[] | {name: .Names[0], handle: .Id, code: .ExitCode,
    state: ({running: "running", exited: "exited", created: "queued", configured: "queued", initialized: "queued",
      stopping: "running", stopped: "exited"}[.State] // "lost")}]}'
  ;;
stop)
  $podman stop -i -t "$(get .grace_s)" "$(get .name)" >/dev/null
  echo '{}'
  ;;
exec) exec $podman exec -i "$2" sh ;;
*) exit 3 ;;
esac
