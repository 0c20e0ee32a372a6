#!/usr/bin/env bash
# Events in PostHog's envelope, whose member `data` is the event as JSON text. Needs dist/ (make build).
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
host=${DEDUP_HOST_BIN:-$root/dist/dedup-host}
plugins=${DEDUP_PLUGINS_DIR:-$root/dist/plugins}
work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-host-example.XXXXXX")
trap 'rm -rf "$work"' EXIT

cat >"$work/events.ndjson" <<'EVENTS'
{"uuid":"0199-a1","distinct_id":"ada","ip":"203.0.113.7","data":"{\"event\":\"$pageview\",\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"properties\":{\"$current_url\":\"https://example.com/\",\"$lib\":\"web\",\"plan\":\"free\"}}","now":"2026-01-01T12:00:01Z","token":"phc_1"}
{"uuid":"0199-b1","distinct_id":"bob","ip":"203.0.113.8","data":"{\"event\":\"signup\",\"timestamp\":\"2026-01-01T12:00:02.000Z\",\"properties\":{\"$lib\":\"web\",\"name\":\"Bob \\\"b\\\" M\u00fcller\"}}","now":"2026-01-01T12:00:03Z","token":"phc_1"}
{"uuid":"0199-a2","distinct_id":"ada","ip":"203.0.113.7","data":"{\"event\":\"$pageview\",\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"properties\":{\"$lib\":\"web\",\"plan\":\"free\",\"$current_url\":\"https://example.com/\"}}","now":"2026-01-01T12:00:09Z","token":"phc_1"}
{"uuid":"0199-a3","distinct_id":"ada","ip":"203.0.113.7","data":"{\"event\":\"$pageview\",\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"properties\":{\"$current_url\":\"https://example.com/\",\"$lib\":\"web\",\"plan\":\"paid\"}}","now":"2026-01-01T12:00:10Z","token":"phc_1"}
{"uuid":"0199-b1","distinct_id":"bob","ip":"203.0.113.8","data":{"event":"signup","timestamp":"2026-01-01T12:00:02.000Z","properties":{"$lib":"web","name":"Bob \"b\" Müller"}},"now":"2026-01-01T12:00:11Z","token":"phc_1"}
{"uuid":"0199-c1","distinct_id":"cyd","ip":"203.0.113.9","data":"{\"event\":\"$pageview\",\"timest","now":"2026-01-01T12:00:12Z","token":"phc_1"}
EVENTS

"$host" --log-level warn --json-in /data --event-time /data/timestamp \
  --plugin "$plugins/composite_key.wasm" --plugin-config /data/timestamp,/distinct_id,/token,/data/event \
  --plugin "$plugins/property_similarity.wasm" \
  --scorer-config '{"properties": "/data/properties", "times": ["/data/timestamp"], "ignore": ["/now"]}' \
  --store-path "$work/store" --input "$work/events.ndjson" --output "$work/unique.ndjson" \
  --duplicates "$work/duplicates.ndjson" --dead-letter "$work/dead.ndjson" 2>/dev/null

if grep -vqxFf "$work/events.ndjson" "$work/unique.ndjson"; then
  echo "an event was not forwarded as it came" >&2
  exit 1
fi
echo "unique uuids: $(sed -E 's/^\{"uuid":"([^"]+)".*/\1/' "$work/unique.ndjson" | paste -sd ' ' -)"
sed -E 's/^.*"outcome":"([a-z_]+)".*"property_similarity":([0-9.]+).*"changed":\[(.*)\],"same".*"original":\{[^}]*"offset":([0-9]+).*"duplicate":\{[^}]*"offset":([0-9]+).*/line \5 repeats line \4: \1, properties \2 alike\3/
  s/,?\{"path":"([^"]*)"[^}]*\}/, \1 differs/g' "$work/duplicates.ndjson"
sed -E 's/^.*"offset":"([0-9]+)".*"reason":"([^"]*)".*/line \1 is a dead letter: \2/' "$work/dead.ndjson"
