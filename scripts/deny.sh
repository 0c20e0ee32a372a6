#!/usr/bin/env bash
# Licences, sources and layers (deny.toml) always; known vulnerabilities where their database can be had: it lies with
# GitHub, which not every machine reaches, so its absence is said and counted as skipped, and is no failure.
set -euo pipefail

# shellcheck source=scripts/parts.sh
. "$(dirname "$0")/parts.sh"
check_skip
fetch_attempts=3
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
twice=$(grep -c '^warning\[duplicate\]' <<<"$report" || true)
echo "deny: $(tail -n 1 <<<"$report"); $twice crates are here in more than one version (see: cargo tree --duplicates)"

fetch_database() {
  local attempt
  for attempt in $(seq "$fetch_attempts"); do
    report=$("$deny" --locked fetch db 2>&1) && return
    [ "$attempt" = "$fetch_attempts" ] || sleep "$((attempt * 2))"
  done
  return 1
}

# .ci/run counts lines that start with NOT RUN: advisories.
if skips advisories; then
  echo "NOT RUN: advisories (SKIP names them)"
elif fetch_database; then
  echo "deny: advisories"
  "$deny" --offline --locked check --hide-inclusion-graph advisories
else
  printf '%s\n' "$report" | tail -n 3
  echo "NOT RUN: advisories (their database could not be fetched in $fetch_attempts attempts, see above)"
fi
