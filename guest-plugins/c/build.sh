#!/usr/bin/env bash
# Builds the plugins in C into components: guest-plugins/c/build.sh [OUT_DIR] (default dist/test-plugins), as
# composite_key-c.wasm and same_share-c.wasm. What it needs is in compile.sh beside it.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="${1:-$here/../../dist/test-plugins}"
[ -n "${DEDUP_HOST:-}" ] || [ ! -x "$here/../../dist/dedup-host" ] || export DEDUP_HOST="$here/../../dist/dedup-host"
mkdir -p "$out"
"$here/compile.sh" "$here/composite_key.c" key-plugin "$out/composite_key-c.wasm"
"$here/compile.sh" "$here/same_share.c" similarity-plugin "$out/same_share-c.wasm"
