#!/usr/bin/env bash
# Fuzzes what reads the bytes of strangers, each target of fuzz/ for FUZZ_SECONDS (60); ONLY="clock history" takes some. It
# needs cargo-fuzz and a nightly compiler (TOOLCHAIN=nightly), and installs neither. What a target fails on is left in
# fuzz/artifacts; the exit code is 1 then, and 2 where fuzzing cannot be had.
set -euo pipefail

cd "$(dirname "$0")/.."
toolchain=${TOOLCHAIN:-nightly} seconds=${FUZZ_SECONDS:-60}
case "$seconds" in '' | *[!0-9]*) echo "fuzz: FUZZ_SECONDS is a number of seconds, and not '$seconds'" >&2; exit 2 ;; esac

missing=()
# Where cargo is not rustup's, no other compiler can be asked for.
rustup run "$toolchain" rustc --version >/dev/null 2>&1 ||
  missing+=("a nightly compiler: rustup toolchain install $toolchain --profile minimal")
cargo fuzz --version >/dev/null 2>&1 || missing+=("cargo-fuzz: cargo install cargo-fuzz --locked")
if [ ${#missing[@]} -gt 0 ]; then
  {
    echo "fuzz: NOT RUN, as these are missing:"
    printf '  %s\n' "${missing[@]}"
    echo "without them, the same checks run as property tests: make property CASES=100000"
  } >&2
  exit 2
fi

read -ra targets <<<"$(sed -n 's|^path = "targets/\(.*\)\.rs"$|\1|p' fuzz/Cargo.toml | tr '\n' ' ')"
for target in ${ONLY:-}; do
  case " ${targets[*]} " in
    *" $target "*) ;;
    *) echo "fuzz: ONLY names '$target', which is no target; there are: ${targets[*]}" >&2; exit 2 ;;
  esac
done
if [ -n "${ONLY:-}" ]; then read -ra targets <<<"$ONLY"; fi

# The build of a fuzzer shares nothing with that of the program.
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/fuzz/target}
cargo run --quiet --release --locked --manifest-path fuzz/Cargo.toml --bin seeds -- fuzz/corpus
failed=()
for target in "${targets[@]}"; do
  echo "==== fuzz: $target, $seconds s"
  cargo "+$toolchain" fuzz run "$target" -- \
    -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 || failed+=("$target")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "fuzz: FAILED: ${failed[*]}; what they fail on is in fuzz/artifacts, and" >&2
  echo "      cargo +$toolchain fuzz run TARGET FILE tries one of them again" >&2
  exit 1
fi
echo "fuzz: ${#targets[@]} targets, $seconds s each, nothing found"
