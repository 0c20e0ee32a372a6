#!/usr/bin/env bash
# Two days of generated events, the second day overlapping the first, through one store. Needs dist/ (make build).
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
host=${DEDUP_HOST_BIN:-$root/dist/dedup-host}
plugins=${DEDUP_PLUGINS_DIR:-$root/dist/plugins}
work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-host-example.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The same seed gives the same events: day 2 starts with the last 20,000 of day 1.
"$host" generate --events 100000 --duplicates 0.1 --seed 7 --output - 2>/dev/null >"$work/both"
head -n 60000 "$work/both" | gzip >"$work/day1.ndjson.gz"
tail -n +40001 "$work/both" >"$work/day2.ndjson"

deduplicate() { # input, output, report: the store remembers from one file to the next
  "$host" --log-level warn --plugin "$plugins/composite_key.wasm" --store-path "$work/store" --window none \
    --input "$1" --output "$2" --report "$3" 2>/dev/null
}
counts() { grep -E '"(consumed|unique|duplicate)"' "$1"; }

deduplicate "$work/day1.ndjson.gz" "$work/unique1.ndjson.gz" "$work/report1.json"
echo "day 1:"
counts "$work/report1.json"

deduplicate "$work/day2.ndjson" "$work/unique2.ndjson.gz" "$work/report2.json"
echo "day 2, held against day 1:"
counts "$work/report2.json"

echo "lines of both days: $(zcat "$work/unique1.ndjson.gz" "$work/unique2.ndjson.gz" | wc -l | tr -d ' ')"
# The same once more by other means: all composite keys, cut out with sed.
distinct=$(sed -E 's/^\{"uuid":"[^"]*",("event":"[^"]*","distinct_id":"[^"]*","token":"[^"]*","timestamp":"[^"]*").*/\1/' "$work/both" | sort -u | wc -l | tr -d ' ')
echo "distinct keys, counted with sort: $distinct"
