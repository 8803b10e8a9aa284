#!/usr/bin/env bash
# Installs real agent CLIs from their registries (npm; aider from PyPI), for the tests in this folder.
# Usage: install.sh [pi] [claude] [codex] [opencode] [gemini] [qwen] [copilot] [aider]   (pi and claude unless named)
# They go to LOOOP_AGENTS_DIR, else ~/.cache/looop-ci/agents; an installed version is not fetched again.
# PI_VERSION and the like choose another version. Install scripts of npm packages are not run.
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

# version_of NAME: the version to install
version_of() {
  case $1 in
    pi) echo "${PI_VERSION:-1.6.0}" ;;
    claude) echo "${CLAUDE_VERSION:-2.1.332}" ;;
    codex) echo "${CODEX_VERSION:-0.171.0}" ;;
    opencode) echo "${OPENCODE_VERSION:-1.18.33}" ;;
    gemini) echo "${GEMINI_VERSION:-0.61.0}" ;;
    qwen) echo "${QWEN_VERSION:-0.24.4}" ;;
    copilot) echo "${COPILOT_VERSION:-1.0.102}" ;;
    aider) echo "${AIDER_VERSION:-0.86.2}" ;;
    *) echo "no agent named $1" >&2 && exit 2 ;;
  esac
}

# add FOLDER PACKAGE@VERSION
add() {
  mkdir -p "$dir/$1"
  [ -f "$dir/$1/package.json" ] || echo '{"private":true}' >"$dir/$1/package.json"
  (cd "$dir/$1" && npm install --ignore-scripts --no-fund --no-audit --loglevel=error "$2" >/dev/null)
}

# unpack FOLDER PACKAGE@VERSION: the package without dependencies, if it bundles them
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

# program_of FOLDER PACKAGE: the script of a package's only program
program_of() {
  local folder=$dir/$1/node_modules/$2
  echo "$folder/$(node -p 'const {bin} = require(process.argv[1]); typeof bin === "string" ? bin : Object.values(bin)[0]' \
    "$folder/package.json")"
}

# node22: a Node that can run all of them, from the registry if the installed one is older
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

# install NAME VERSION FOLDER
install() {
  case $1 in
    pi)
      unpack "$3" "@earendil-works/pi-coding-agent@$2"
      # Its bundle leaves out only the package that loads extensions.
      add "$3" "jiti@$(node -p 'require(process.argv[1]).dependencies.jiti' "$dir/$3/package/package.json")"
      wrap pi "$(node22)" "$dir/$3/package/dist/bundle/cli.js"
      ;;
    claude)
      add "$3" "@anthropic-ai/claude-code@$2"
      wrap claude "$dir/$3/node_modules/@anthropic-ai/claude-code-$os-$arch/claude"
      ;;
    codex)
      add "$3" "@openai/codex@$2"
      wrap codex "$(node22)" "$dir/$3/node_modules/@openai/codex/bin/codex.js"
      ;;
    opencode)
      add "$3" "opencode-ai@$2"
      baseline=
      [ "$os-$arch" = linux-x64 ] && ! grep -qw avx2 /proc/cpuinfo && baseline=-baseline
      wrap opencode "$dir/$3/node_modules/opencode-$os-$arch$baseline/bin/opencode"
      ;;
    gemini)
      add "$3" "@google/gemini-cli@$2"
      wrap gemini "$(node22)" "$(program_of "$3" @google/gemini-cli)"
      ;;
    qwen)
      add "$3" "@qwen-code/qwen-code@$2"
      wrap qwen "$(node22)" "$(program_of "$3" @qwen-code/qwen-code)"
      ;;
    copilot)
      add "$3" "@github/copilot@$2"
      wrap copilot "$(node22)" "$(program_of "$3" @github/copilot)"
      ;;
    aider)
      python3 -m venv "$dir/$3"
      "$dir/$3/bin/pip" install --quiet --disable-pip-version-check "aider-chat==$2"
      wrap aider "$dir/$3/bin/aider"
      ;;
  esac
}

for name; do
  version=$(version_of "$name")
  [ "$name" = pi ] && [ ! -d "$dir/pi-$version/node_modules/jiti" ] ||
    ! grep -qs "/$name-$version/" "$dir/bin/$name" || continue
  install "$name" "$version" "$name-$version"
done
ls "$dir/bin"
