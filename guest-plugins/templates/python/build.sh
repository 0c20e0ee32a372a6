#!/usr/bin/env bash
# Builds the plugin into the component {{name}}.wasm and prints its path; all else goes to standard error. What it needs is
# in compile.sh beside it.
set -euo pipefail
cd "$(dirname "$0")"
./compile.sh build >&2
cp build/plugin.wasm {{name}}.wasm
echo "$PWD/{{name}}.wasm"
