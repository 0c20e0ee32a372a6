#!/usr/bin/env bash
# Builds the plugin into the component {{name}}.wasm and prints its path; all else goes to standard error. The standard
# library for wasm comes from rustup, else from Debian's packages where they are installed.
set -euo pipefail
cd "$(dirname "$0")"

TARGET=wasm32-unknown-unknown
RUSTUP_SECONDS_MAX=120
host="${DEDUP_HOST:-dedup-host}"

say() { echo "build.sh: $*" >&2; }
die() { echo "build.sh: error: $*" >&2; exit 1; }

within() { if command -v timeout >/dev/null; then timeout "$@"; else shift; "$@"; fi; }

rustup_has_target() {
    command -v rustup >/dev/null || return 1
    rustup target list --installed 2>/dev/null | grep -qx "$TARGET" && return 0
    say "adding the target $TARGET with rustup (at most $RUSTUP_SECONDS_MAX s)"
    within "$RUSTUP_SECONDS_MAX" rustup target add "$TARGET" >&2
}

debian_has_toolchain() {
    command -v dpkg-query >/dev/null || return 1
    local package
    for package in rustc-web cargo-web rust-web-src lld-19; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || return 1
    done
}

command -v "$host" >/dev/null || die "there is no $host: put dedup-host on the PATH, or its path in DEDUP_HOST"
# A target directory for this project alone: the paths below count on it.
export CARGO_TARGET_DIR="$PWD/target"
if rustup_has_target; then
    cargo build --quiet --release --target "$TARGET" >&2
elif debian_has_toolchain; then
    say "rustup has no target $TARGET; building with Debian's toolchain, its standard library included"
    # Debian's compiler is a release; RUSTC_BOOTSTRAP lets it build the standard library from rust-web-src.
    CARGO_HOME="$PWD/target/cargo-home" PATH="/usr/bin:$PATH" RUSTC_BOOTSTRAP=1 /usr/bin/cargo build --quiet --release \
        --target "$TARGET" -Zbuild-std=std,panic_abort --config "target.$TARGET.linker=\"wasm-ld-19\"" >&2
else
    die "no standard library for $TARGET: run 'rustup target add $TARGET', or on Debian" \
        "'apt-get install rustc-web cargo-web rust-web-src lld-19'"
fi
"$host" plugin componentize "target/$TARGET/release/{{name}}.wasm" --overwrite -o {{name}}.wasm >&2
echo "$PWD/{{name}}.wasm"
