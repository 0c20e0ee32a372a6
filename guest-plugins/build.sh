#!/usr/bin/env bash
# Builds the shipped plugins into components: guest-plugins/build.sh [OUT_DIR [TEST_DIR]] (default dist/plugins, and
# dist/test-plugins for plugins that only tests load).
# The standard library for wasm comes from rustup where it can be had, else from Debian's packages, which are built
# against on the spot. DEDUP_GUEST_TOOLCHAIN=rustup|debian chooses one and does not fall back.
set -euo pipefail
cd "$(dirname "$0")/.."

PLUGINS=(composite_key multi_key property_similarity string_distance)
# Not shipped, but held up by benchmarks and suites: they go to OUT_DIR/for-tests.
FOR_TESTS=(brittle_key)
# Not shipped either: a plugin with every fault there is, one that takes values of one form, and an example. They go to
# TEST_DIR, and so do the plugins of the gallery, which are the examples of one package.
TEST_PLUGINS=(faulty forms same_share)
GALLERY=(email geo money tags time url)
TARGET=wasm32-unknown-unknown
RUSTUP_SECONDS_MAX=120
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/target}"
out="${1:-dist/plugins}"
test_out="${2:-dist/test-plugins}"
toolchain="${DEDUP_GUEST_TOOLCHAIN:-}"
host="${DEDUP_HOST:-dist/dedup-host}"

say() { echo "guest-plugins: $*"; }
die() { echo "guest-plugins: error: $*" >&2; exit 1; }

[ -x "$host" ] || die "$host is not there: 'make build' builds it before the plugins (DEDUP_HOST names another)"

rustup_has_target() {
    command -v rustup >/dev/null || return 1
    rustup target list --installed 2>/dev/null | grep -qx "$TARGET" && return 0
    say "adding the target $TARGET with rustup (at most $RUSTUP_SECONDS_MAX s)"
    timeout "$RUSTUP_SECONDS_MAX" rustup target add "$TARGET"
}

debian_has_toolchain() {
    local packages=(rustc-web cargo-web rust-web-src lld-19) missing=()
    command -v dpkg-query >/dev/null || { say "this is no Debian"; return 1; }
    for package in "${packages[@]}"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ "${#missing[@]}" -eq 0 ] && return 0
    say "installing ${missing[*]} with apt-get"
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
}

# Speed first, then size. A plugin that panics traps, so nothing unwinds; function names stay, for backtraces of traps.
guest_profile=(
    CARGO_PROFILE_RELEASE_OPT_LEVEL=3 CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1
    CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_RELEASE_STRIP=debuginfo CARGO_PROFILE_RELEASE_DEBUG=false
)
packages=()
for plugin in "${PLUGINS[@]}" "${FOR_TESTS[@]}" "${TEST_PLUGINS[@]}" gallery; do packages+=(-p "$plugin"); done
packages+=(--lib --examples)

build_with_rustup() {
    guests="$CARGO_TARGET_DIR/guests-rustup"
    say "building ${PLUGINS[*]} with $(rustc --version) of rustup"
    env "${guest_profile[@]}" CARGO_TARGET_DIR="$guests" cargo build --quiet --release --target "$TARGET" "${packages[@]}"
}

build_with_debian() {
    guests="$CARGO_TARGET_DIR/guests-debian"
    say "building ${PLUGINS[*]} with $(/usr/bin/rustc --version) of Debian, its standard library included"
    # Debian's compiler is a release; RUSTC_BOOTSTRAP lets it build the standard library from rust-web-src.
    env "${guest_profile[@]}" CARGO_TARGET_DIR="$guests" CARGO_HOME="$guests/cargo-home" PATH="/usr/bin:$PATH" \
        RUSTC_BOOTSTRAP=1 /usr/bin/cargo build --quiet --release --target "$TARGET" -Zbuild-std=std,panic_abort \
        --config "target.$TARGET.linker=\"wasm-ld-19\"" "${packages[@]}"
}

case "$toolchain" in
    rustup) rustup_has_target || die "rustup has no target $TARGET: run 'rustup target add $TARGET'"; build_with_rustup ;;
    debian) debian_has_toolchain || die "Debian's packages could not be installed"; build_with_debian ;;
    "")
        if rustup_has_target; then
            build_with_rustup
        else
            say "rustup has no target $TARGET; falling back to Debian's packages"
            debian_has_toolchain || die "no way to build for $TARGET: 'rustup target add $TARGET', or Debian's packages"
            build_with_debian
        fi ;;
    *) die "DEDUP_GUEST_TOOLCHAIN is '$toolchain': it can be rustup or debian" ;;
esac

# What the compiler makes becomes a component by the host itself.
make_components() { # directory, plugin ...
    local plugin to=$1
    shift
    mkdir -p "$to"
    for plugin in "$@"; do
        "$host" plugin componentize "$guests/$TARGET/release/$plugin.wasm" --overwrite --output "$to/$plugin.wasm"
    done
}
make_components "$out" "${PLUGINS[@]}"
make_components "$out/for-tests" "${FOR_TESTS[@]}"
make_components "$test_out" "${TEST_PLUGINS[@]}"
for plugin in "${GALLERY[@]}"; do
    "$host" plugin componentize "$guests/$TARGET/release/examples/$plugin.wasm" --overwrite --output "$test_out/gallery_$plugin.wasm"
done
