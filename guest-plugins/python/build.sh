#!/usr/bin/env bash
# Builds the Python plugins of this directory into components: build.sh [OUT_DIR]. A plugin is a file in which
# @key_extractor or @similarity_scorer stands before a class. What is needed to build is installed once, into
# ${XDG_CACHE_HOME:-~/.cache}/dedup-host/tools; what did not change since the last time is not built again.
# It works as it is in a project of your own: this file, requirements.txt, dedup_plugin.py, wit/plugin.wit, the plugin.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"

say() { echo "python plugins: $*"; }
die() { echo "python plugins: error: $*" >&2; exit 1; }

# Beside the host's own sources the components of all languages share a directory.
if [ -d "$here/wit" ]; then wit="$here/wit" suffix="" default="$here/dist"; else
    root="$(cd "$here/../.." && pwd)"
    wit="$root/wit" suffix="-python" default="$root/dist/test-plugins"
fi
[ -f "$wit/plugin.wit" ] || die "there is no $here/wit/plugin.wit: put the contract there"
out="${1:-$default}"
mkdir -p "$out"
out="$(cd "$out" && pwd)"

command -v python3 >/dev/null || die "python3 is missing: install Python 3.10 or later (Debian: python3 python3-venv)"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "$(python3 --version) is too old: 3.10 is needed"
digest() { sha256sum | cut -c1-16; }

# The tools, in an environment of their own, named by what is in it.
tools="${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/tools/python-$({ python3 --version; cat "$here/requirements.txt"; } | digest)"
if [ ! -f "$tools/complete" ]; then
    python3 -c 'import venv, ensurepip' 2>/dev/null || die "Python's venv is missing: install it (Debian: python3-venv)"
    say "installing $(tr '\n' ' ' <"$here/requirements.txt")into $tools"
    rm -rf "$tools"
    mkdir -p "$(dirname "$tools")"
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" ||
        die "pip cannot install requirements.txt: see above"
    touch "$tools/complete"
fi

# Only what a component may be made of: no tests, and nothing that lies about.
sources="$(mktemp -d)"
trap 'rm -rf "$sources"' EXIT
shopt -s nullglob
for file in "$here"/*.py; do
    case "$(basename "$file")" in test_*.py | *_test.py | dedup_plugin_testing.py) ;; *) cp "$file" "$sources/" ;; esac
done
for package in "$here"/*/__init__.py; do cp -r "$(dirname "$package")" "$sources/"; done

inputs() {
    { cat "$here/build.sh" "$here/requirements.txt" "$wit"/*.wit
      find "$sources" -type f -name '*.py' | LC_ALL=C sort | while read -r file; do echo "${file#"$sources"}"; cat "$file"; done
    } | digest
}
inputs="$(inputs)"

found=0
for file in "$sources"/*.py; do
    name="$(basename "$file" .py)"
    extracts="$(grep -c '^@key_extractor\b' "$file" || true)" scores="$(grep -c '^@similarity_scorer\b' "$file" || true)"
    case "$((extracts > 0))$((scores > 0))" in
        10) world=key-plugin ;; 01) world=similarity-plugin ;; 11) world=dedup-plugin ;; *) continue ;;
    esac
    found=1
    component="$out/$name$suffix.wasm" stamp="$out/.$name$suffix.inputs"
    if [ -f "$component" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$inputs" ]; then
        say "$component is up to date"
        continue
    fi
    say "building $component ($world, takes about 10 s)"
    # Without WASI a component has no clock, no files and no randomness; the seed of hashes is what it was built with.
    (cd "$sources" && PYTHONHASHSEED=0 "$tools/bin/componentize-py" --quiet -d "$wit" -w "$world" componentize \
        --stub-wasi -p "$sources" -o "$sources/$name.wasm" "$name") || die "$name.py cannot be built: see above"
    mv "$sources/$name.wasm" "$component"
    echo "$inputs" >"$stamp"
done
[ "$found" = 1 ] || die "no plugin in $here: write @key_extractor or @similarity_scorer before a class"
