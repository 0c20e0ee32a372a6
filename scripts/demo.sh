#!/usr/bin/env bash
# Shows the program at work on files, and checks its answers by other means. Needs dist/ (make build).
set -euo pipefail

cd "$(dirname "$0")/.."
host=dist/dedup-host
plugin=dist/plugins/composite_key.wasm
scorer=dist/plugins/property_similarity.wasm
events=${EVENTS:-200000}
wrong=0

work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-host-demo.XXXXXX")
trap '[ "$wrong" = 0 ] && rm -rf "$work"' EXIT

# A number of the last object in a file of JSON, the summary or the report.
field() { sed -n "s/.*\"$1\"[[:space:]]*:[[:space:]]*\([0-9][0-9]*\).*/\1/p" "$2" | tail -n 1; }
lines() { wc -l <"$1" | tr -d ' '; }

# The four fields that make two events the same, cut out with awk: knows nothing of the program.
distinct_keys() {
  awk '
    function value(name,   start) {
      start = match($0, "\"" name "\"[ ]*:[ ]*(\"[^\"]*\"|[^,}]*)")
      return start ? substr($0, RSTART, RLENGTH) : ""
    }
    { key = value("timestamp") value("distinct_id") value("token") value("event"); if (!(key in seen)) { seen[key]; n++ } }
    END { print n + 0 }' "$1"
}

check() { # what, wanted, got
  if [ "$2" = "$3" ]; then
    printf '  right  %-44s %s\n' "$1" "$3"
  else
    printf '  WRONG  %-44s %s, should be %s\n' "$1" "${3:-nothing}" "${2:-known}"
    wrong=1
  fi
}

deduplicate() { # name: reads name.ndjson; writes name.unique, name.duplicates, name.report
  rm -rf "$work/$1.store"
  "$host" --plugin "$plugin" --plugin "$scorer" --input "$work/$1.ndjson" --output "$work/$1.unique" \
    --duplicates "$work/$1.duplicates" --store-path "$work/$1.store" --report "$work/$1.report"
}

echo "demo: working in $work"
echo
echo "1. $events events, about one in ten a duplicate (seed 7)"
"$host" generate --events "$events" --duplicates 0.1 --seed 7 --output "$work/many.ndjson" --truth "$work/many.truth"
echo "  in     $(lines "$work/many.ndjson") events, $(wc -c <"$work/many.ndjson" | tr -d ' ') bytes; the first:"
echo "         $(head -n 1 "$work/many.ndjson" | cut -c 1-160)"
deduplicate many
echo "  out    $(lines "$work/many.unique") unique, $(lines "$work/many.duplicates") duplicates; the first of them, explained:"
echo "         $(head -n 1 "$work/many.duplicates" | cut -c 1-600)"
check "events consumed" "$events" "$(field consumed "$work/many.report")"
check "unique, by what the generator knows" "$(field unique "$work/many.truth")" "$(field unique "$work/many.report")"
check "duplicates, by what the generator knows" "$(field duplicates "$work/many.truth")" "$(field duplicate "$work/many.report")"
check "unique, by counting distinct keys with awk" "$(distinct_keys "$work/many.ndjson")" "$(lines "$work/many.unique")"
check "distinct keys that came out" "$(distinct_keys "$work/many.ndjson")" "$(distinct_keys "$work/many.unique")"
check "lines out, both files together" "$events" "$(($(lines "$work/many.unique") + $(lines "$work/many.duplicates")))"

echo
echo "2. Two events with the same timestamp, distinct_id, token and event, but another uuid"
cat >"$work/two.ndjson" <<'EVENTS'
{"uuid":"01936f4e-0000-7000-8000-000000000001","event":"page_view","distinct_id":"user123","token":"project-a","timestamp":"2024-01-01T12:00:00Z","properties":{"$current_url":"https://example.com/"}}
{"uuid":"01936f4e-0000-7000-8000-000000000002","event":"page_view","distinct_id":"user123","token":"project-a","timestamp":"2024-01-01T12:00:00Z","properties":{"$current_url":"https://example.com/"}}
EVENTS
deduplicate two
sed 's/^/  in     /' "$work/two.ndjson" | cut -c 1-170
echo "  unique $(cut -c 1-160 "$work/two.unique")"
echo "  dup    $(cut -c 1-600 "$work/two.duplicates")"
check "unique" 1 "$(lines "$work/two.unique")"
check "duplicates" 1 "$(lines "$work/two.duplicates")"
check "the unique one is the first, byte for byte" "$(head -n 1 "$work/two.ndjson" | cksum)" "$(cksum <"$work/two.unique")"

echo
if [ "$wrong" = 0 ]; then
  echo "demo: RIGHT: every answer is what it should be"
else
  echo "demo: WRONG: see above; the files are kept in $work"
fi
exit "$wrong"
