#!/usr/bin/env bash
# Builds what only tests load in a language other than Rust: for-tests.sh LANGUAGE OUT_DIR. The gallery: in C a component
# each, gallery_NAME-c.wasm; in Python and JavaScript one for all, gallery-LANGUAGE.wasm, because each would hold an
# interpreter, and the configuration says which plugin it is. And plugins with the faults that are the language's own:
# faults-LANGUAGE.wasm.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
[ $# -eq 2 ] || { echo "usage: for-tests.sh c|python|javascript OUT_DIR" >&2; exit 2; }
language="$1"
mkdir -p "$2"
out="$(cd "$2" && pwd)"

if [ "$language" = c ]; then
    [ -n "${DEDUP_HOST:-}" ] || [ ! -x "$here/../dist/dedup-host" ] || export DEDUP_HOST="$here/../dist/dedup-host"
    for source in "$here"/gallery/*/plugin.c; do
        name="$(basename "$(dirname "$source")")"
        "$here/c/compile.sh" "$source" key-plugin "$out/gallery_$name-c.wasm"
    done
    "$here/c/compile.sh" "$here/faulty/other/faults.c" key-plugin "$out/faults-c.wasm"
    exit
fi

# A project as an author has one: the SDK, the contract, the plugins.
project="$(mktemp -d)"
trap 'rm -rf "$project"' EXIT
cp -r "$here/../wit" "$here/$language/build.sh" "$project/"
case "$language" in
    python)
        cp "$here"/python/{dedup_plugin.py,requirements.txt} "$here/gallery/recipes.py" "$here/faulty/other/faults.py" "$project/"
        mkdir "$project/gallery"
        touch "$project/gallery/__init__.py"
        for source in "$here"/gallery/*/plugin.py; do cp "$source" "$project/gallery/$(basename "$(dirname "$source")").py"; done ;;
    javascript)
        cp "$here"/javascript/{dedup-plugin.js,dedup-plugin.d.ts,package.json,package-lock.json} "$here/gallery/recipes.js" \
            "$here/faulty/other/faults.js" "$project/"
        # Only what is exported as `keyExtractor` becomes a component of its own.
        for source in "$here"/gallery/*/plugin.js; do
            sed 's/^export const keyExtractor = /export default /' "$source" >"$project/gallery-$(basename "$(dirname "$source")").js"
        done ;;
    *) echo "there is no language $language" >&2; exit 2 ;;
esac
# What did not change is not built again.
built="$out/.for-tests-$language"
"$project/build.sh" "$built"
cp "$built/recipes.wasm" "$out/gallery-$language.wasm"
cp "$built/faults.wasm" "$out/faults-$language.wasm"
