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

# What was asked for is what counts: every package of our lock file is there, none has another version or digest, and
# nothing else was installed. What npm adds to the lock file it writes, for platforms other than this one, is no matter.
check_packages() { # our lock file, the directory npm installed into
    node -e 'const [ours, tools] = process.argv.slice(1);
        const read = (file) => JSON.parse(require("fs").readFileSync(file)).packages;
        const [asked, written] = [read(ours), read(tools + "/package-lock.json")];
        const installed = read(tools + "/node_modules/.package-lock.json");
        const wrong = [];
        const compare = (name, found) => {
            for (const what of ["version", "integrity"])
                if (asked[name][what] !== undefined && asked[name][what] !== found[what])
                    wrong.push(`${name}: ${what} ${found[what]}, and not ${asked[name][what]}`);
        };
        for (const name of Object.keys(asked).filter((name) => name !== "")) {
            const { optional, dev, devOptional } = asked[name];
            if (written[name] === undefined) wrong.push(`${name}: missing`);
            else if (installed[name] !== undefined) compare(name, installed[name]);
            else if (!optional && !dev && !devOptional) wrong.push(`${name}: not installed`);
            else compare(name, written[name]);
        }
        for (const name of Object.keys(installed)) if (asked[name] === undefined) wrong.push(`${name}: installed, though not asked for`);
        for (const line of wrong) console.error(`  ${line}`);
        process.exit(wrong.length === 0 ? 0 : 1);' "$1" "$2"
}

# `npm ci` installs just what the lock file says. Some versions of npm refuse a lock file that lacks optional packages of
# other platforms; `npm install` takes the versions of the lock file too, and does not insist on those.
install_packages() {
    local npm=(--ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=4)
    (cd "$tools" && npm ci "${npm[@]}") >"$tools/npm-ci.log" 2>&1 && return
    say "npm ci does not take this lock file or cannot fetch a package; trying npm install"
    rm -rf "$tools/node_modules"
    (cd "$tools" && npm install "${npm[@]}") && return
    echo "what npm ci said before:" >&2
    cat "$tools/npm-ci.log" >&2
    return 1
}

# The tools, in a directory of their own, named by what is in it.
tools="${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/tools/javascript-$({ node --version; cat "$here/package-lock.json"; } | digest)"
if [ ! -f "$tools/complete" ]; then
    command -v npm >/dev/null || die "npm is missing: install it (Debian: npm)"
    say "installing $(node -p 'Object.entries(require(process.argv[1]).dependencies).map((d) => d.join("@")).join(", ")' "$here/package.json") into $tools (400 MB)"
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$here/package.json" "$here/package-lock.json" "$tools/"
    # Nothing of what is installed runs here.
    install_packages || die "npm $(npm --version) cannot install what package-lock.json names: see above, and check with 'npm ping'" \
        "that its registry is reachable"
    check_packages "$here/package-lock.json" "$tools" ||
        die "npm $(npm --version) installed other packages than package-lock.json names: see above. If package.json has" \
            "changed, update the lock file with 'npm install' in $here"
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
