#!/usr/bin/env bash
# Builds the plugin into the component {{name}}.wasm and prints its path; all else goes to standard error. It needs Node.js
# 20 or newer with npm; the builder of components is installed once, into the cache, and that is said: it has 400 MB.
set -euo pipefail
cd "$(dirname "$0")"

BUILDER=@bytecodealliance/componentize-js
BUILDER_VERSION=0.23.0
NODE_VERSION_MIN=20
tools="${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/componentize-js-$BUILDER_VERSION"

say() { echo "build.sh: $*" >&2; }
die() { echo "build.sh: error: $*" >&2; exit 1; }

command -v npm >/dev/null || die "there is no npm: on Debian 'apt-get install nodejs npm'"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge "$NODE_VERSION_MIN" ] ||
    die "Node.js is $(node --version), and $BUILDER needs $NODE_VERSION_MIN or newer: see https://nodejs.org"
# Written last, so that an interrupted installation is done anew.
if [ ! -e "$tools/whole" ]; then
    say "installing $BUILDER@$BUILDER_VERSION with npm into $tools"
    mkdir -p "$tools"
    npm install --prefix "$tools" --silent --no-fund --no-audit --no-save "$BUILDER@$BUILDER_VERSION" >&2 ||
        die "npm could not install $BUILDER@$BUILDER_VERSION (see above)"
    touch "$tools/whole"
fi
node build.mjs "$tools/node_modules/$BUILDER/src/componentize.js" {{world}} {{name}}.wasm >&2
echo "$PWD/{{name}}.wasm"
