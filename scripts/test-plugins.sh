#!/usr/bin/env bash
# Builds the example plugins in other languages into dist/test-plugins, the gallery, and plugins with faults. A language that fails does not take the others
# along: the rest is built, then each that failed is named, and the exit code is 1. SKIP="python ..." leaves some out.
# usage: scripts/test-plugins.sh [LANGUAGE ...]   (all: c python javascript)
set -euo pipefail

cd "$(dirname "$0")/.."
# shellcheck source=scripts/parts.sh
. scripts/parts.sh
check_skip
out=$PWD/dist/test-plugins
mkdir -p "$out"
# Where set-up leaves Node.js if the machine's own is too old.
export PATH="${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/nodejs/bin:$PATH"

[ $# -gt 0 ] || set -- "${parts_of_guests[@]}"
failed=()
for language in "$@"; do
  case " ${parts_of_guests[*]} " in *" $language "*) ;; *) echo "usage: scripts/test-plugins.sh [${parts_of_guests[*]}]" >&2; exit 2 ;; esac
  if skips "$language"; then
    echo "######## SKIPPED by SKIP: plugins in $language ########"
  elif ! { scripts/setup.sh "$language" && "guest-plugins/$language/build.sh" "$out" && guest-plugins/for-tests.sh "$language" "$out"; }; then
    failed+=("$language")
    # What an earlier build left must not stand in for this one.
    rm -rf "$out"/*-"$language".wasm "$out"/.*-"$language".inputs "$out/.for-tests-$language"
    echo "test-plugins: $language FAILED, see above; going on with the other languages" >&2
  fi
done
[ ${#failed[@]} -eq 0 ] || { echo "test-plugins: FAILED: ${failed[*]} (to do without: SKIP=\"${failed[*]}\")" >&2; exit 1; }
