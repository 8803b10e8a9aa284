#!/bin/sh
# Installs looop as one file, `looop`, in a folder of yours. POSIX sh, Linux and macOS, no root.
#
# Each release has a copy of this script that names its publisher, and the line to run it in its notes.
# In a checkout nobody is named: there it builds looop, unless LOOOP_REPO says whose release to install.
#
# The file in place changes in one step at the very end, after the download was verified and the new
# program has answered `version`: whatever goes wrong before that, what was installed stays.
# All of this is functions and the last line calls them, so a cut-off script does nothing.

# The GitHub repository that publishes looop, and its package on JSR; a release fills both in.
publisher=''
package=''
repo="${LOOOP_REPO:-$publisher}"
base="${LOOOP_RELEASE_URL:-${repo:+https://github.com/$repo/releases}}"

set -eu
LC_ALL=C
export LC_ALL

work=''     # our temp folder, inside the target folder so that the last step is a rename
before=none # $! as it was before the process being waited for
whole=''    # yes once all is done

usage() {
  cat <<'END'
Installs looop to ~/.local/bin, or brings it up to date.

  sh install.sh               install the latest release
  sh install.sh --uninstall   remove the program; your data stays
  sh install.sh --help        this text

  LOOOP_VERSION=0.1.0         install that release
  LOOOP_INSTALL_DIR=DIR       install there
  LOOOP_REPO=OWNER/NAME       install what this GitHub repository has released
  LOOOP_RELEASE_URL=URL       download from a mirror laid out as GitHub's /releases
  LOOOP_ATTESTATION=skip      install without asking GitHub's `gh` who built it

Where there is no release for the machine, it builds looop from the checkout it is run in (Deno, else
`npx -y deno`), else writes a small script that runs it from JSR with Deno. It says which.
END
}

say() { printf '%s\n' "$*"; }

fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

main() {
  action=install
  for word in "$@"; do
    case $word in
      --help | -h) action=help ;;
      --uninstall) action=uninstall ;;
      *)
        printf 'install.sh: Unknown option "%s"; see --help\n' "$word" >&2
        exit 2
        ;;
    esac
  done
  if [ "$action" = help ]; then
    usage
    return
  fi
  read_settings
  # bash 3.2, which is macOS's sh, knows no $! under set -u before something has been started.
  : &
  wait "$!"
  trap 'clean_up "$?"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  "$action"_looop
  whole=yes
}

# Sets: dir, target, version ('' for the latest).
read_settings() {
  dir=${LOOOP_INSTALL_DIR:-}
  if [ -z "$dir" ]; then
    [ -n "${HOME:-}" ] || fail 'Cannot tell where to install: HOME is not set; set LOOOP_INSTALL_DIR'
    dir=$HOME/.local/bin
  fi
  case $dir in
    /*) ;;
    *) dir=$PWD/$dir ;;
  esac
  while [ "$dir" != "${dir%/}" ]; do dir=${dir%/}; done
  target=$dir/looop
  version=${LOOOP_VERSION:-}
  [ "$version" != latest ] || version=''
  version=${version#v}
  case $version in
    *[!0-9A-Za-z.+-]*) fail "LOOOP_VERSION is \"$version\", which is no version; say it as in 0.1.0" ;;
  esac
}

# clean_up STATUS: ends the script with that status, but with 1 in place of 0 when it did not come to its end:
# bash 3.2 would end with the status of the last command here, whatever went wrong before.
# Also runs when a signal ends the script: a `wait` is interrupted at once, a foreground command is not,
# which is why whatever can take long is started by `attend`.
clean_up() {
  trap '' HUP INT TERM
  ending=$1
  if [ "$before" != none ] && [ "$!" != "$before" ]; then
    kill "$!" 2>/dev/null || :
    wait "$!" 2>/dev/null || :
  fi
  [ -z "$work" ] || rm -rf "$work"
  if [ "$ending" -eq 0 ] && [ "$whole" != yes ]; then ending=1; fi
  exit "$ending"
}

# attend COMMAND...: runs it with nothing on stdin (which may be this very script); its exit status.
attend() {
  # A signal may come right after the fork: $! is right at once, a variable of ours would be a step late.
  before=$!
  status=0
  "$@" </dev/null &
  wait "$!" || status=$?
  before=none
  return "$status"
}

install_looop() {
  prepare_folder
  new=$work/looop
  find_platform
  if [ -n "$platform" ] && download_release; then
    checked_release
  else
    build_or_launch
  fi
  mv -f "$new" "$target" || fail "Cannot put looop at $target; what was there is untouched"
  say "Installed $answer: $target"
  show_next
}

uninstall_looop() {
  [ ! -d "$target" ] || fail "Cannot remove $target: it is a folder, not looop"
  if [ ! -e "$target" ] && [ ! -h "$target" ]; then
    say "Nothing to remove: no looop at $target"
    return
  fi
  rm -f "$target" || fail "Cannot remove $target; remove it as the user who owns $dir"
  say "Removed $target"
  say "Your data is kept: ${LOOOP_DATA_DIR:-${XDG_STATE_HOME:-~/.local/state}/looop}"
  say 'What looop started and still runs goes on until you end it; "looop down" before this stops it all.'
}

# Makes the target folder and, in it, a temp folder that only we use.
prepare_folder() {
  [ ! -d "$target" ] || fail "Cannot install to $target: a folder is in the way; set LOOOP_INSTALL_DIR"
  { mkdir -p "$dir" && remove_leftovers && mkdir -m 700 "$dir/.looop-install.$$"; } 2>/dev/null ||
    fail "Cannot write to $dir; set LOOOP_INSTALL_DIR to a folder of yours"
  work=$dir/.looop-install.$$
}

# An install that was ended by `kill -9` or a power cut could not tidy up; its process id says it is over.
remove_leftovers() {
  for old in "$dir"/.looop-install.*; do
    [ -d "$old" ] || continue
    kill -0 "${old##*.}" 2>/dev/null || rm -rf "$old"
  done
}

# Sets platform to the name of our release for this machine, or to '' when there is none, and libc.
find_platform() {
  system=$(uname -s)
  machine=$(uname -m)
  libc=''
  case $machine in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    *) machine="unknown $machine" ;;
  esac
  case $system in
    Linux)
      system=linux
      ! is_musl || libc=musl
      ;;
    Darwin)
      system=macos
      # A shell run under Rosetta is told x86_64 on an arm64 machine.
      if [ "$(sysctl -n hw.optional.arm64 2>/dev/null || :)" = 1 ]; then machine=aarch64; fi
      ;;
    *) machine="unknown $machine" ;;
  esac
  platform=$system-$machine
  case $platform in
    *unknown*)
      say "There are no releases for $(uname -s) on $(uname -m)."
      platform=''
      ;;
  esac
  if [ -n "$libc" ]; then
    say 'This Linux uses musl; releases need glibc (as do programs that Deno compiles).'
    platform=''
  fi
}

is_musl() {
  ! getconf GNU_LIBC_VERSION >/dev/null 2>&1 || return 1
  case $(ldd --version 2>&1 || :) in
    *musl*) return 0 ;;
    *GLIBC* | *GNU*) return 1 ;;
  esac
  for loader in /lib/ld-musl-*.so.1; do
    [ ! -e "$loader" ] || [ -e /lib64/ld-linux-x86-64.so.2 ] || [ -e /lib/ld-linux-aarch64.so.1 ] || return 0
  done
  return 1
}

# Leaves the verified program in $new. 1: nothing to be had, go on without a release. Something that
# arrived but is not whole or not right ends the script instead: no fallback may paper over that.
download_release() {
  asset=looop-$platform.gz
  if [ -z "$base" ]; then
    say 'This copy of install.sh names no publisher (LOOOP_REPO=OWNER/NAME does): there is no release to ask for.'
    return 1
  fi
  if [ -n "$version" ]; then from=$base/download/v$version; else from=$base/latest/download; fi
  if ! has curl && ! has wget; then
    say 'Cannot download a release: there is neither curl nor wget.'
    return 1
  fi
  say "Downloading $from/$asset"
  fetch "$from/SHA256SUMS" "$work/SHA256SUMS" || return 1
  expected=$(listed_sum "$asset" "$work/SHA256SUMS")
  case $expected in
    none)
      say "This release has no $asset."
      return 1
      ;;
    broken) fail "$from/SHA256SUMS is not a list of checksums; $untouched" ;;
  esac
  fetch "$from/$asset" "$work/$asset" || return 1
  actual=$(sha256 "$work/$asset") ||
    fail "Cannot verify the download with sha256sum, shasum or openssl: install one; $untouched"
  [ "$actual" = "$expected" ] ||
    fail "Wrong checksum: $asset is $actual, SHA256SUMS says $expected; $untouched"
  check_attestation
  gzip -dc "$work/$asset" >"$new" || fail "Cannot unpack $asset with gzip; $untouched"
  chmod 755 "$new"
}

untouched='nothing was changed, try again later'

# A checksum beside a file shows that it is whole, an attestation who built it: asked of `gh` where it is at hand
# and logged in. gh before 2.67 exits 0 without any attestation, so what it prints counts as well.
check_attestation() {
  [ -n "$repo" ] && [ "${LOOOP_ATTESTATION:-}" != skip ] && has gh || return 0
  case $(gh attestation verify --help 2>/dev/null || :) in *--signer-workflow*) ;; *) return 0 ;; esac
  if ! gh auth token >/dev/null 2>&1; then
    say 'Not asked who built it: gh is not logged in.'
    return 0
  fi
  if attend gh attestation verify "$work/$asset" --repo "$repo" \
    --signer-workflow "$repo/.github/workflows/release.yml" --format json >"$work/attested" 2>"$work/errors"
  then read -r attested <"$work/attested" || [ -n "$attested" ] || :
  else attested=''
  fi
  case $attested in
    '[]'*) ;;
    '['*)
      say "Built by the release workflow of $repo, says its attestation."
      return 0
      ;;
  esac
  cat "$work/errors" >&2
  fail "gh found no attestation of $repo for $asset (above: why); nothing was changed," \
    'LOOOP_ATTESTATION=skip installs it all the same'
}

# fetch URL FILE. 1: nothing arrived. Ends the script when a part arrived.
fetch() {
  if has curl; then
    set -- "$1" "$2" -f -L --connect-timeout 20 --speed-limit 100 --speed-time 60
    case $1 in https:*) set -- "$@" --proto '=https' ;; esac
    if [ -t 2 ]; then set -- "$@" '-#'; else set -- "$@" -sS; fi
    url=$1 file=$2
    shift 2
    attend curl "$@" -o "$file" "$url" && return 0
  else
    url=$1 file=$2
    set -- -q
    # Only GNU's has both; BusyBox as Debian builds it crashes on -T.
    case $(wget --version 2>/dev/null || :) in *'GNU Wget'*) set -- -q -T 60 -t 2 ;; esac
    attend wget "$@" -O "$file" "$url" && return 0
  fi
  # 18 is curl's own word for a part; of wget only the file tells.
  if [ -s "$file" ] || [ "$status" -eq 18 ]; then fail "The download of $url broke off; $untouched"; fi
  say "Cannot download $url"
  return 1
}

# listed_sum ASSET FILE: its checksum, or "none" when it is not listed, or "broken" when FILE is no list.
listed_sum() {
  found=broken
  while read -r sum name || [ -n "$sum" ]; do
    case $sum in *[!0-9a-f]*) sum='' ;; esac
    if [ "${#sum}" -ne 64 ]; then
      found=broken
      break
    elif [ "${name#\*}" = "$1" ]; then
      found=$sum
    elif [ "$found" = broken ]; then
      found=none
    fi
  done <"$2"
  printf '%s\n' "$found"
}

sha256() {
  if has sha256sum; then
    sum=$(sha256sum <"$1")
  elif has shasum; then
    sum=$(shasum -a 256 <"$1")
  elif has openssl; then
    sum=$(openssl dgst -sha256 <"$1")
    sum=${sum##* }
  else
    return 1
  fi
  sum=${sum%% *}
  [ "${#sum}" -eq 64 ] && printf '%s\n' "$sum"
}

# runs: does $new work on this machine? Sets answer to what its `version` prints.
runs() {
  attend "$new" version >"$work/answer" 2>"$work/errors" || return 1
  read -r answer <"$work/answer" || [ -n "$answer" ] || return 1
  case $answer in looop\ *) ;; *) return 1 ;; esac
}

checked_release() {
  runs || {
    cat "$work/errors" >&2
    fail "The release does not run on this machine (above: why); nothing was changed," \
      "try it in a checkout: there it builds one, with Deno or Node"
  }
  [ -z "$version" ] || [ "$answer" = "looop $version" ] ||
    fail "The release says it is \"$answer\", not $version; $untouched"
}

build_or_launch() {
  if find_checkout; then
    if has deno && build deno; then return; fi
    if has npx && build npx -y deno; then return; fi
  fi
  if [ -z "$package" ]; then
    fail 'There is no release to be had and nothing to build: run this in a checkout of looop, with Deno' \
      '(https://deno.com) or Node, or run the install.sh of a release'
  elif has deno; then
    launch deno
  elif has npx; then
    launch npx -y deno
  else
    fail 'There is no release to be had and no Deno to do without: install Deno (https://deno.com)' \
      "or Node, or copy a looop from elsewhere to $target"
  fi
}

# Sets checkout to the source folder around this script, or around the working dir when it is piped.
find_checkout() {
  [ -z "$libc" ] || return 1
  checkout=$(dirname -- "$0")
  is_checkout || checkout=.
  is_checkout || return 1
  [ -n "$version" ] || return 0
  grep -qF "\"version\": \"$version\"" "$checkout/deno.json" && return 0
  say "The checkout here is not of version $version: not building it."
  return 1
}

is_checkout() { grep -q '"name": "@[a-z0-9-]*/cli"' "$checkout/deno.json" 2>/dev/null; }

# build DENO...: compiles the checkout into $new.
build() {
  say "Falling back to a build of this checkout: $* task compile"
  if attend in_checkout "$@" task compile && cp "$checkout/dist/looop" "$new" && chmod 755 "$new" && runs
  then return 0; fi
  say "That build did not give a looop that runs here."
  return 1
}

in_checkout() {
  cd "$checkout"
  exec "$@"
}

# launch DENO...: a script that runs looop from JSR.
launch() {
  say "Falling back to a launcher that runs looop from JSR (slower to start): $* run -A $package"
  if [ -n "$version" ]; then package=$package@$version; fi
  home=$(dirname -- "$(command -v "$1")")
  {
    say '#!/bin/sh'
    say '# Runs looop from JSR with Deno; written by install.sh, which could get no release here.'
    case $home in
      *[!A-Za-z0-9_./-]*) ;;
      # Agents and services start programs with a PATH of their own.
      *) say "PATH=\"\$PATH:$home\" && export PATH" ;;
    esac
    say "exec $* run -A $package \"\$@\""
  } >"$new"
  chmod 755 "$new"
  runs || {
    cat "$work/errors" >&2
    fail "Deno could not run $package (above: why); nothing was changed, try again with a network"
  }
}

show_next() {
  case :${PATH:-}: in
    *":$dir:"*)
      first=$(command -v looop || :)
      [ "$first" = "$target" ] || say "Note: PATH finds another looop first: $first"
      ;;
    *) show_path_advice ;;
  esac
  say 'Next: "looop up" starts it (or moves a running one to this version); "looop demo" shows it at work.'
}

show_path_advice() {
  say "$dir is not in PATH. Add it, then open a new terminal:"
  shell=${SHELL:-}
  shell=${shell##*/}
  line="export PATH=\"$dir:\$PATH\""
  case $shell in
    zsh) say "  echo '$line' >> ~/.zshrc" ;;
    bash)
      # Terminals on macOS start login shells, which do not read ~/.bashrc.
      if [ "$system" = macos ]; then rc=.bash_profile; else rc=.bashrc; fi
      say "  echo '$line' >> ~/$rc"
      ;;
    fish) say "  fish_add_path '$dir'" ;;
    *) say "  echo '$line' >> ~/.profile" ;;
  esac
}

main "$@"
