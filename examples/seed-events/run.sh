#!/usr/bin/env bash
# Two events that a client sent twice: other uuids, one identity. Needs dist/ (make build).
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
host=${DEDUP_HOST_BIN:-$root/dist/dedup-host}
plugins=${DEDUP_PLUGINS_DIR:-$root/dist/plugins}
work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-host-example.XXXXXX")
trap 'rm -rf "$work"' EXIT

cat >"$work/events.ndjson" <<'EVENTS'
{"uuid":"01936f4e-0000-7000-8000-000000000001","event":"page_view","distinct_id":"user123","token":"project-a","timestamp":"2024-01-01T12:00:00Z"}
{"uuid":"01936f4e-0000-7000-8000-000000000002","event":"page_view","distinct_id":"user123","token":"project-a","timestamp":"2024-01-01T12:00:00Z"}
EVENTS

"$host" --log-level warn --plugin "$plugins/composite_key.wasm" --plugin "$plugins/property_similarity.wasm" \
  --store-path "$work/store" \
  --input "$work/events.ndjson" --output "$work/unique.ndjson" --duplicates "$work/duplicates.ndjson" 2>/dev/null

echo "unique:"
cat "$work/unique.ndjson"
echo "duplicates:"
# The digests of the plugins change with every build.
sed -E 's/"sha256":"[0-9a-f]+"/"sha256":"..."/g' "$work/duplicates.ndjson"
