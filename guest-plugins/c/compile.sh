#!/usr/bin/env bash
# Makes a component of a plugin in C: compile.sh SOURCE.c WORLD OUT.wasm, where WORLD is key-plugin, similarity-plugin or
# dedup-plugin of wit/plugin.wit. It takes clang and wasm-ld, else the compiler in the Python package ziglang; both can
# do the same, and nothing is installed. CC and WASM_LD name others. dedup-host is the one on the PATH, or DEDUP_HOST.
set -euo pipefail

say() { echo "compile.sh: $*" >&2; }
die() { echo "compile.sh: error: $*" >&2; exit 1; }

[ $# -eq 3 ] || die "usage: compile.sh SOURCE.c WORLD OUT.wasm"
source="$1" world="$2" out="$3"
host="${DEDUP_HOST:-dedup-host}"
command -v "$host" >/dev/null || die "there is no $host: put dedup-host on the PATH, or its path in DEDUP_HOST"

# Debian gives the linker a number unless the package lld is there.
newest_linker() {
    local named
    named="$(compgen -c wasm-ld | grep -xE 'wasm-ld(-[0-9]+)?' | sort -u -t- -k3,3n | tail -1)"
    [ -n "$named" ] || named="$(compgen -G '/usr/lib/llvm-*/bin/wasm-ld' | sort -V | tail -1)"
    echo "$named"
}

# Compilers built without wasm32, such as Apple's, are passed over.
if [ -n "${CC:-}" ] || { command -v clang >/dev/null && clang --print-targets 2>/dev/null | grep -q wasm32; }; then
    compiler=("${CC:-clang}" --target=wasm32-unknown-unknown)
    linker=("${WASM_LD:-$(newest_linker || true)}")
fi
if [ -z "${linker[*]:-}" ]; then
    python3 -m ziglang version >/dev/null 2>&1 || die "there is no clang with wasm32 and wasm-ld: on Debian" \
        "'apt-get install clang lld', elsewhere 'python3 -m pip install ziglang'"
    compiler=(python3 -m ziglang cc -target wasm32-freestanding)
    linker=(python3 -m ziglang wasm-ld)
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
# memory.copy and the like are in every engine of the last years; without them copies go byte by byte.
"${compiler[@]}" -std=c11 -O3 -ffreestanding -mbulk-memory -mnontrapping-fptoint -msign-ext -Wall -Wextra \
    -I "$(dirname "${BASH_SOURCE[0]}")" -c "$source" -o "$work/plugin.o"
# The stack lies lowest, so that running out of it traps rather than writes over data. Function names stay, for
# backtraces of traps.
"${linker[@]}" --no-entry --stack-first -z stack-size=131072 --strip-debug "$work/plugin.o" -o "$work/core.wasm"
"$host" plugin componentize "$work/core.wasm" --world "$world" --overwrite -o "$out" >&2
