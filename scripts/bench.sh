#!/usr/bin/env bash
# Events a second over files, a fresh store each run. Needs dist/ (make build). EVENTS, RUNS and DUPLICATES may be set.
set -euo pipefail

cd "$(dirname "$0")/.."
host=dist/dedup-host
plugin=dist/plugins/composite_key.wasm
events=${EVENTS:-2000000}
runs=${RUNS:-3}

work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-host-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

echo "bench: $events events, ${DUPLICATES:-0.1} of them duplicates, $(nproc) processors, $(uname -srm)"
"$host" generate --events "$events" --duplicates "${DUPLICATES:-0.1}" --seed 7 --output "$work/in" --truth "$work/truth"
echo "bench: $(wc -c <"$work/in") bytes of input"

start=$(milliseconds)
cat "$work/in" >"$work/copy"
echo "bench: merely copying the file: $(($(milliseconds) - start)) ms"
rm "$work/copy"

for run in $(seq "$runs"); do
  rm -rf "$work/store" "$work/unique" "$work/duplicates"
  start=$(milliseconds)
  "$host" --plugin "$plugin" --input "$work/in" --output "$work/unique" --duplicates "$work/duplicates" \
    --store-path "$work/store" --report "$work/report" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  took=$(($(milliseconds) - start))
  echo "bench: run $run: $took ms, $((events * 1000 / took)) events/s, $(wc -l <"$work/unique") unique"
done
