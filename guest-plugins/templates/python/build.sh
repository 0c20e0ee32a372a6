#!/usr/bin/env bash
# Builds the plugin into the component {{name}}.wasm and prints its path; all else goes to standard error. It needs python3
# with venv. What is in requirements.txt is installed once, into the cache, and that is said.
set -euo pipefail
cd "$(dirname "$0")"

say() { echo "build.sh: $*" >&2; }
die() { echo "build.sh: error: $*" >&2; exit 1; }

command -v python3 >/dev/null || die "there is no python3: install Python 3.10 or later (Debian: python3 python3-venv)"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "$(python3 --version) is too old: 3.10 is needed"

# An environment of its own, named by what is in it; the last file in it says that the installation got to its end.
digest="$({ python3 --version; cat requirements.txt; } | sha256sum | cut -c1-16)"
tools="${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/tools/python-$digest"
if [ ! -f "$tools/complete" ]; then
    python3 -c 'import venv, ensurepip' 2>/dev/null || die "Python's venv is missing (Debian: python3-venv)"
    say "installing $(tr '\n' ' ' <requirements.txt)with pip into $tools"
    python3 -m venv --clear "$tools" >&2
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt >&2 ||
        die "pip cannot install requirements.txt (see above)"
    touch "$tools/complete"
fi

# Only what a component is to be made of: no tests, and nothing that lies about.
sources="$(mktemp -d)"
trap 'rm -rf "$sources"' EXIT
for file in *.py; do
    case "$file" in *_test.py) ;; *) cp "$file" "$sources/" ;; esac
done
for package in */__init__.py; do
    [ ! -f "$package" ] || cp -r "$(dirname "$package")" "$sources/"
done
say "building {{name}}.wasm; that takes about 10 s"
# With --stub-wasi the component imports nothing but the log, which is what the host gives it; so it has no clock, no
# files and no randomness, and the seed of its hashes is the one it is built with.
PYTHONHASHSEED=0 "$tools/bin/componentize-py" --quiet -d wit -w {{world}} componentize --stub-wasi -p "$sources" \
    -o {{name}}.wasm plugin >&2
echo "$PWD/{{name}}.wasm"
