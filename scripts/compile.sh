#!/usr/bin/env bash
# Runs cargo with these arguments, and while it is silent says once a minute what is being compiled: RocksDB alone takes
# minutes. On a terminal cargo has a bar of its own. Not a build system: what is built, and how, is cargo's business.
set -euo pipefail

interval=${PROGRESS_SECONDS:-60}

# The crates that rustc works on, and C++ files, as the system lists them: those of this build, which are in our process group.
group=$(ps -o pgid= -p "$$" 2>/dev/null | tr -d ' ') || group=
compiling() {
  # No process at all is no failure.
  ps -eo pgid,args 2>/dev/null | sed -nE "s/^ *$group +//p" | sed -nE \
    -e 's/.*[ /]rustc .*--crate-name ([a-z0-9_]+) .*/\1/p' \
    -e 's,.*librocksdb-sys.* -c .*/([a-z0-9_]+\.cc)$,RocksDB (\1),p' |
    grep -v -x -e ___ -e build_script_build | sort -u | head -n 4 | paste -sd, | sed 's/,/, /g' || true
}

if [ -t 2 ]; then exec cargo "$@"; fi
cargo "$@" &
cargo=$!
trap 'kill "$cargo" 2>/dev/null || true' INT TERM
(
  # Waits without a process of its own, which would outlive it.
  while ! read -r -t "$interval" <> <(:) && kill -0 "$cargo" 2>/dev/null; do
    now=$(compiling)
    [ -z "$now" ] || echo "build: $((SECONDS / 60)) min, now compiling $now" >&2
  done
) &
teller=$!
status=0
wait "$cargo" || status=$?
kill "$teller" 2>/dev/null || true
exit "$status"
