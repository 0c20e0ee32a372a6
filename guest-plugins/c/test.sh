#!/usr/bin/env bash
# Runs the unit tests of the plugins in C natively, with the machine's own compiler (CC, default cc) and its sanitizers.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
for test in "$here"/tests/*_test.c; do
    "${CC:-cc}" -std=c11 -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
        -I "$here" "$test" -o "$work/test"
    said="$("$work/test")"
    echo "$(basename "$test"): $said"
done
