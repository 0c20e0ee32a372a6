#!/usr/bin/env bash
# Events in the shape of GitHub's, fetched twice by a poller that overlaps. Needs dist/ (make build).
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
host=${DEDUP_HOST_BIN:-$root/dist/dedup-host}
plugins=${DEDUP_PLUGINS_DIR:-$root/dist/plugins}
work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-host-example.XXXXXX")
trap 'rm -rf "$work"' EXIT

cat >"$work/events.ndjson" <<'EVENTS'
{"id":"101","type":"PushEvent","actor":{"login":"ada"},"repo":{"name":"ada/engine"},"created_at":"2026-01-01T12:00:00Z"}
{"id":"102","type":"WatchEvent","actor":{"login":"bob"},"repo":{"name":"ada/engine"},"created_at":"2026-01-01T12:00:01Z"}
{"id":"103","type":"PushEvent","actor":{"login":"ada"},"repo":{"name":"ada/notes"},"created_at":"2026-01-01T12:00:00Z"}
{"id":"102","type":"WatchEvent","actor":{"login":"bob"},"repo":{"name":"ada/engine"},"created_at":"2026-01-01T12:00:01Z"}
{"id":"104","type":"PushEvent","actor":{"login":"ada"},"repo":{"name":"ada/engine"},"created_at":"2026-01-01T12:05:00Z"}
{"id":"101","type":"PushEvent","actor":{"login":"ada"},"repo":{"name":"ada/engine"},"created_at":"2026-01-01T12:00:00Z"}
EVENTS

deduplicate() { # name of the store, key: prints the ids that stay, then which event repeats which, and what differs
  echo "by $2:"
  "$host" --log-level warn --plugin "$plugins/composite_key.wasm" --plugin-config "$2" \
    --plugin "$plugins/property_similarity.wasm" --uuid-field /id --store-path "$work/$1" --overwrite \
    --input "$work/events.ndjson" --output "$work/unique.ndjson" --duplicates "$work/duplicates.ndjson" 2>/dev/null
  echo "  unique ids: $(sed -E 's/^\{"id":"([0-9]+)".*/\1/' "$work/unique.ndjson" | paste -sd ' ' -)"
  sed -E 's/^.*"outcome":"([a-z_]+)".*"similarity":([0-9.]+),"prop.*"changed":\[(.*)\],"same".*"original":\{[^}]*"offset":([0-9]+).*"duplicate":\{[^}]*"offset":([0-9]+).*"uuid":"([0-9]+)","event".*/  line \5 (id \6) repeats line \4: \1, \2 alike\3/
    s/,?\{"path":"([^"]*)"[^}]*\}/, \1 differs/g' "$work/duplicates.ndjson"
}

deduplicate by-id /id
deduplicate by-fields /actor/login,/type,/created_at
