#!/usr/bin/env bash
# Builds the plugin into the component {{name}}.wasm and prints its path; all else goes to standard error. It needs python3
# with venv; the builder of components is installed once, into a directory of its own in the cache, and that is said.
set -euo pipefail
cd "$(dirname "$0")"

BUILDER=componentize-py==0.25.1
tools="${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/${BUILDER/==/-}"

say() { echo "build.sh: $*" >&2; }
die() { echo "build.sh: error: $*" >&2; exit 1; }

# A directory that an interrupted installation left behind does not answer.
if ! "$tools/bin/componentize-py" --version >/dev/null 2>&1; then
    say "installing $BUILDER with pip into $tools"
    python3 -m venv --clear "$tools" || die "python3 cannot make environments: on Debian 'apt-get install python3-venv'"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check "$BUILDER" >&2 ||
        die "pip could not install $BUILDER (see above)"
fi
# With --stub-wasi the component imports nothing but the log, which is what the host gives it.
"$tools/bin/componentize-py" -d wit -w {{world}} componentize --stub-wasi plugin -o {{name}}.wasm >&2
echo "$PWD/{{name}}.wasm"
