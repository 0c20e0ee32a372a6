#!/usr/bin/env bash
# Builds the JavaScript and TypeScript plugins of this directory into components: build.sh [OUT_DIR]. A plugin is a file
# with `export const keyExtractor` or `export const similarityScorer`. What is needed to build is installed once, into
# ${XDG_CACHE_HOME:-~/.cache}/dedup-host/tools; what did not change since the last time is not built again.
# It works as it is in a project of your own: this file, package.json, package-lock.json, dedup-plugin.js,
# dedup-plugin.d.ts, wit/plugin.wit, the plugin. What else a plugin imports has to lie beside it, or be bundled into it.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"

say() { echo "javascript plugins: $*"; }
die() { echo "javascript plugins: error: $*" >&2; exit 1; }

# Beside the host's own sources the components of all languages share a directory.
if [ -d "$here/wit" ]; then wit="$here/wit" suffix="" default="$here/dist"; else
    root="$(cd "$here/../.." && pwd)"
    wit="$root/wit" suffix="-javascript" default="$root/dist/test-plugins"
fi
[ -f "$wit/plugin.wit" ] || die "there is no $here/wit/plugin.wit: put the contract there"
out="${1:-$default}"
mkdir -p "$out"
out="$(cd "$out" && pwd)"

command -v node >/dev/null || die "node is missing: install Node.js 20 or later (Debian: nodejs npm)"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || die "Node.js $(node --version) is too old: 20 is needed"
digest() { sha256sum | cut -c1-16; }

# Versions of npm write lock files differently: what counts is which packages there are, and their digests.
same_packages() {
    node -e 'const read = (file) => Object.entries(JSON.parse(require("fs").readFileSync(file)).packages);
        const packages = (file) => JSON.stringify(read(file).map(([name, { version, integrity }]) => [name, version, integrity]).sort());
        process.exit(packages(process.argv[1]) === packages(process.argv[2]) ? 0 : 1)' "$1" "$2"
}

# The tools, in a directory of their own, named by what is in it.
tools="${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/tools/javascript-$({ node --version; cat "$here/package-lock.json"; } | digest)"
if [ ! -f "$tools/complete" ]; then
    command -v npm >/dev/null || die "npm is missing: install it (Debian: npm)"
    say "installing $(node -p 'Object.entries(require(process.argv[1]).dependencies).map((d) => d.join("@")).join(", ")' "$here/package.json") into $tools (400 MB)"
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$here/package.json" "$here/package-lock.json" "$tools/"
    # `npm install` takes the versions of the lock file as `npm ci` does, but does not insist that packages of platforms
    # other than this one can be had. Nothing of what is installed runs here.
    (cd "$tools" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error) || die "npm cannot install package.json: see above"
    same_packages "$here/package-lock.json" "$tools/package-lock.json" || die "what npm installed is not what package-lock.json says"
    touch "$tools/complete"
fi

# Only what a component may be made of: no tests, and nothing that lies about. TypeScript is checked and becomes JavaScript.
sources="$(mktemp -d)"
trap 'rm -rf "$sources"' EXIT
shopt -s nullglob
typescript=()
for file in "$here"/*.js "$here"/*.ts; do
    case "$(basename "$file")" in
        *.test.js | *.test.ts | *.config.js | dedup-plugin-testing.js) continue ;;
        *.d.ts) ;;
        *.ts) typescript+=("$sources/$(basename "$file")") ;;
    esac
    cp "$file" "$sources/"
done
inputs="$({ cat "$here/build.sh" "$here/package-lock.json" "$wit"/*.wit; tail -n +1 "$sources"/* | sed "s#$sources##"; } | digest)"

is_built() { [ -f "$out/$1$suffix.wasm" ] && [ "$(cat "$out/.$1$suffix.inputs" 2>/dev/null)" = "$inputs" ]; }
checked=0
check_typescript() {
    [ "${#typescript[@]}" -gt 0 ] && [ "$checked" = 0 ] || return 0
    checked=1
    node "$tools/node_modules/typescript/bin/tsc" --strict --target es2022 --module esnext --moduleResolution bundler \
        "${typescript[@]}" || die "the TypeScript above does not type-check"
}

cat >"$tools/componentize.mjs" <<'SCRIPT'
import { componentize } from "@bytecodealliance/componentize-js";
import { writeFile } from "node:fs/promises";

const [sourcePath, witPath, worldName, out] = process.argv.slice(2);
// Without these nothing is left to import but the log: no clock, no randomness, no output.
const disableFeatures = ["stdio", "random", "clocks", "http", "fetch-event"];
const { component } = await componentize({ sourcePath, witPath, worldName, disableFeatures });
await writeFile(out, component);
SCRIPT

found=0
for file in "$sources"/*.js "${typescript[@]}"; do
    name="$(basename "$file")"
    name="${name%.*}"
    extracts="$(grep -cE '^export const keyExtractor\b' "$file" || true)" scores="$(grep -cE '^export const similarityScorer\b' "$file" || true)"
    case "$((extracts > 0))$((scores > 0))" in
        10) world=key-plugin ;; 01) world=similarity-plugin ;; 11) world=dedup-plugin ;; *) continue ;;
    esac
    found=1
    component="$out/$name$suffix.wasm"
    if is_built "$name"; then
        say "$component is up to date"
        continue
    fi
    check_typescript
    say "building $component ($world, takes about 10 s)"
    cat >"$sources/component-of-$name.js" <<ENTRY
import { write } from "dedup:plugin/log@1.0.0";
import { connectLog } from "./dedup-plugin.js";
connectLog(write);
export * from "./$name.js";
ENTRY
    (cd "$sources" && node "$tools/componentize.mjs" "component-of-$name.js" "$wit" "$world" "$sources/$name.wasm") ||
        die "$(basename "$file") cannot be built: see above"
    mv "$sources/$name.wasm" "$component"
    echo "$inputs" >"$out/.$name$suffix.inputs"
done
[ "$found" = 1 ] || die "no plugin in $here: write 'export const keyExtractor = exportKeyExtractor(YourClass);'"
