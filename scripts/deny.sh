#!/usr/bin/env bash
# Licences, sources and layers (deny.toml) always; known vulnerabilities where their database can be had: it lies with
# GitHub, which not every machine reaches, and no registry has a copy. So its absence is said and counted as skipped, and is
# no failure, except before a release.
set -euo pipefail

usage="usage: scripts/deny.sh [--release | --record]
  --release  fails where known vulnerabilities cannot be looked for, or only in a database older than 30 days
  --record   fails where they cannot be looked for, and writes down in which crates they were: scripts/advisories-checked.txt
ADVISORY_DB names a git copy of the database, a directory or an address, to take in the place of GitHub's."

cd "$(dirname "$0")/.."
# shellcheck source=scripts/parts.sh
. scripts/parts.sh
check_skip
mode=${1:-}
case "$#$mode" in 0 | 1--release | 1--record) ;; *) echo "$usage" >&2; exit 2 ;; esac
fetch_attempts=3
database_days_max=30
record=scripts/advisories-checked.txt
deny=${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/cargo-deny/bin/cargo-deny
[ -x "$deny" ] || deny=$(command -v cargo-deny) ||
  { echo "deny: cargo-deny is missing: run scripts/setup.sh lint, which says what it needs"; exit 1; }

# cargo-deny looks at the crates of every platform, and a build fetches only those of this one.
cargo fetch --quiet --locked
echo "deny: bans, licences, sources"
if ! report=$("$deny" --offline --locked check bans licenses sources 2>&1); then
  echo "$report"
  exit 1
fi
# What a crate must be built without, through others too: bans say only who may depend directly.
without() { # crate, the others as a pattern
  local tree reached
  tree=$(cargo tree --locked --offline --package "$1" --edges normal,build --prefix none --format '{p}')
  reached=$(awk '{ print $1 }' <<<"$tree" | sort -u | grep -xE "$2" | paste -sd,) || return 0
  echo "deny: $1 has to do without $reached: ask for it through a trait, or put the code into another crate"
  exit 1
}
clients='rdkafka|rocksdb|prometheus|axum|hyper|clap|toml'
without engine "$clients|wasmtime|tracing|tokio"
without connectors "$clients|wasmtime|flate2|zstd"
without setting "rdkafka|rocksdb|prometheus|axum|hyper|clap|wasmtime|tracing|tokio"
without line "$clients|state|observe|kafka_connector|file_connector"
without drive "$clients|state|observe|kafka_connector|file_connector"
without reload "rdkafka|rocksdb|clap|state|kafka_connector|file_connector"
without reporting "rdkafka|axum|hyper|clap|kafka_connector|file_connector"
without file_connector "$clients|wasmtime|kafka_connector"
without checkpoint "rdkafka|rocksdb|prometheus|axum|clap|toml|wasmtime|state|observe|rustls|aws-lc-rs"
without kafka_connector "rocksdb|prometheus|axum|clap|wasmtime|file_connector"
twice=$(grep -c '^warning\[duplicate\]' <<<"$report" || true)
echo "deny: $(tail -n 1 <<<"$report"); $twice crates are here in more than one version (see: cargo tree --duplicates)"

if [ -n "${ADVISORY_DB:-}" ]; then
  copy=$ADVISORY_DB
  if [ -d "$copy" ]; then copy=file://$(realpath "$copy"); fi
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.$copy.insteadOf" GIT_CONFIG_VALUE_0=https://github.com/RustSec/advisory-db
fi

fetch_database() {
  local attempt
  for attempt in $(seq "$fetch_attempts"); do
    report=$("$deny" --locked fetch db 2>&1) && return
    [ "$attempt" = "$fetch_attempts" ] || sleep "$((attempt * 2))"
  done
  return 1
}

# What git knows of the newest commit of the database that was fetched last.
database() { # format
  local newest
  newest=$(find "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -n | tail -n 1)
  git -C "${newest#* }" log -1 --date=short --format="$1"
}

# Crates of registries, as `name version`.
crates() {
  awk '/^name = /{ name = $3 } /^version = /{ version = $3 }
    /^source = "registry/{ gsub(/"/, "", name); gsub(/"/, "", version); print name, version }' Cargo.lock | LC_ALL=C sort
}

not_run() { # why
  # .ci/run counts lines that start with NOT RUN: advisories.
  echo "NOT RUN: advisories ($1)"
  if [ -e "$record" ] && [ -e Cargo.lock ]; then
    local since
    since=$(LC_ALL=C comm -23 <(crates) <(grep -v '^#' "$record" | LC_ALL=C sort))
    sed -n 's/^# \(database.*\)/deny: last \1/p' "$record"
    if [ -n "$since" ]; then echo "deny: never looked up: $(paste -sd, <<<"$since" | sed 's/,/, /g')"; fi
  fi
  [ -z "$mode" ] || { echo "deny: $mode needs them: reach GitHub, or name a copy in ADVISORY_DB"; exit 1; }
}

if skips advisories; then
  not_run "SKIP names them"
elif fetch_database; then
  echo "deny: advisories"
  "$deny" --offline --locked check --hide-inclusion-graph advisories
  if [ "$mode" = --release ]; then
    days=$((($(date +%s) - $(database %ct)) / 86400))
    if [ "$days" -gt "$database_days_max" ]; then
      echo "deny: the database is of $(database %cd), $days days ago: a release needs one of the last $database_days_max days"
      exit 1
    fi
  elif [ "$mode" = --record ]; then
    {
      echo "# Crates in which known vulnerabilities were looked for and none was found; written by scripts/deny.sh --record."
      echo "# database of RustSec at commit $(database %H) of $(database %cd), looked into on $(date -u +%F)"
      crates
    } >"$record.new"
    mv "$record.new" "$record"
    echo "deny: written: $record"
  fi
else
  printf '%s\n' "$report" | tail -n 3
  not_run "their database could not be fetched in $fetch_attempts attempts, see above"
fi
