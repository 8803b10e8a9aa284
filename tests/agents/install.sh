#!/usr/bin/env bash
# Installs real agent CLIs from the npm registry, for the tests in this folder.
# Usage: install.sh [pi] [claude] [codex] [opencode]      (pi and claude unless named)
# They go to LOOOP_AGENTS_DIR, else ~/.cache/looop-ci/agents; what is there already is not fetched again.
# No package's install script is run: each program lies in a package of its own for its platform.
set -euo pipefail
dir=${LOOOP_AGENTS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/looop-ci/agents}
mkdir -p "$dir/bin"
[ $# -gt 0 ] || set -- pi claude
os=$(uname -s | tr '[:upper:]' '[:lower:]')
case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) echo "no packages for $(uname -m)" >&2 && exit 1 ;;
esac

# add FOLDER PACKAGE@VERSION
add() {
  mkdir -p "$dir/$1"
  [ -f "$dir/$1/package.json" ] || echo '{"private":true}' >"$dir/$1/package.json"
  (cd "$dir/$1" && npm install --ignore-scripts --no-fund --no-audit --loglevel=error "$2" >/dev/null)
}

# unpack FOLDER PACKAGE@VERSION: the package alone, where it bundles all it needs
unpack() {
  mkdir -p "$dir/$1"
  (cd "$dir/$1" && tar -xzf "$(npm pack --silent "$2")" && rm -f ./*.tgz)
}

# wrap NAME PROGRAM [ARGUMENT...]
wrap() {
  local name=$1 word
  shift
  for word; do [ -e "$word" ] || { echo "$name: $word is not there" >&2 && return 1; }; done
  {
    printf '#!/bin/sh\nexec'
    printf ' "%s"' "$@"
    printf ' "$@"\n'
  } >"$dir/bin/.$name"
  chmod +x "$dir/bin/.$name"
  mv "$dir/bin/.$name" "$dir/bin/$name"
}

# node22: a Node that pi can run on, from the registry when the one at hand is older
node22() {
  local node
  node=$(command -v node || true)
  if [ -n "$node" ] && "$node" -e 'const [a,b]=process.versions.node.split(".");process.exit(a>22||a==22&&b>=19?0:1)'; then
    echo "$node"
    return
  fi
  node=$dir/node/node_modules/node-$os-$arch/bin/node
  [ -x "$node" ] || add node "node-$os-$arch@22"
  echo "$node"
}

for name; do
  [ -x "$dir/bin/$name" ] && continue
  case $name in
    pi)
      unpack pi "@earendil-works/pi-coding-agent@${PI_VERSION:-1.5.2}"
      wrap pi "$(node22)" "$dir/pi/package/dist/bundle/cli.js"
      ;;
    claude)
      add claude "@anthropic-ai/claude-code@${CLAUDE_VERSION:-2.1.330}"
      wrap claude "$dir/claude/node_modules/@anthropic-ai/claude-code-$os-$arch/claude"
      ;;
    codex)
      add codex "@openai/codex@${CODEX_VERSION:-0.169.0}"
      wrap codex "$(node22)" "$dir/codex/node_modules/@openai/codex/bin/codex.js"
      ;;
    opencode)
      add opencode "opencode-ai@${OPENCODE_VERSION:-1.18.33}"
      baseline=
      [ "$os-$arch" = linux-x64 ] && ! grep -qw avx2 /proc/cpuinfo && baseline=-baseline
      wrap opencode "$dir/opencode/node_modules/opencode-$os-$arch$baseline/bin/opencode"
      ;;
    *) echo "no agent named $name" >&2 && exit 2 ;;
  esac
done
ls "$dir/bin"
