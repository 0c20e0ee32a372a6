#!/usr/bin/env bash
# Measurements: the line alone, the state alone, explaining duplicates, the boundary to plugins, a plugin that traps, plugins
# of each language, over files, Kafka to Kafka against a bare copy, and latency at a constant rate; only where they are
# named, a partition that moves to a host with an empty disk (takeover), what checkpoints cost (checkpoints), partitions that
# move while events come in (rebalance), and the soak of ten minutes under a flood over HTTP. Needs dist/ (make build).
# Settings are variables, see below; a broker of ours is started, and stopped again, unless one is given or runs. BASELINE
# names another build of dedup-host, which takes its turn over files and on Kafka, and is compared with; BASELINE_ARGS other
# arguments for it, or for the same build, in the place of HOST_ARGS.
set -euo pipefail

cd "$(dirname "$0")/.."
# shellcheck source=scripts/parts.sh
. scripts/parts.sh
check_skip
export EVENTS=${EVENTS:-2000000} ROUNDS=${ROUNDS:-3}
export PARTITIONS=${PARTITIONS:-4 1} DUPLICATES=${DUPLICATES:-0 0.1} HOST_ARGS=${HOST_ARGS:-}
keys=${KEYS:-1000000 20000000}
export BASELINE=${BASELINE:-}
[ -z "${BASELINE_ARGS:-}" ] || export BASELINE_ARGS
export RATE=${RATE:-20000} LATENCY_SECONDS=${LATENCY_SECONDS:-16} SOAK_SECONDS=${SOAK_SECONDS:-600}
only=${ONLY:-line state explain boundary poison languages files kafka latency}
export DEDUP_HOST_BIN=$PWD/dist/dedup-host DEDUP_PLUGINS_DIR=$PWD/dist/plugins
work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-host-bench.XXXXXX")
started=no s3_started=no
status=0

# shellcheck disable=SC2329  # the trap calls it
finish() {
  rm -rf "$work"
  [ "$started" = no ] || scripts/kafka.sh down
  [ "$s3_started" = no ] || scripts/s3.sh down
}
trap finish EXIT
trap 'exit 130' INT TERM

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# Always of the whole workspace: built for one package alone, dependencies have other features, and RocksDB is compiled again.
bench() { # name of the benchmark, arguments
  cargo bench --locked --workspace --bench "$1" -- "${@:2}"
}

bench_line() {
  # shellcheck disable=SC2086  # several numbers
  bench line "$EVENTS" $keys
}

bench_state() {
  local count
  for count in $keys; do bench state --keys "$count" --buckets 8 --duplicates 0.1; done
}

bench_explain() { bench explain "$EVENTS" "$ROUNDS"; }
bench_boundary() { bench boundary; }
bench_poison() { bench poison; }

# The same plugins in four languages; where one cannot be built the others are measured, and the end is a failure.
bench_languages() {
  local name language examples=dist/test-plugins components
  make test-plugins || status=1
  for name in composite_key same_share; do
    components=("$examples/$name.wasm")
    [ "$name" != composite_key ] || components=("$DEDUP_PLUGINS_DIR/composite_key.wasm")
    for language in c javascript python; do
      [ ! -e "$examples/$name-$language.wasm" ] || components+=("$examples/$name-$language.wasm")
    done
    "$DEDUP_HOST_BIN" plugin bench "${components[@]}"
  done
}

bench_files() {
  local share=${DUPLICATES##* } start run others=()
  "$DEDUP_HOST_BIN" generate --events "$EVENTS" --duplicates "$share" --seed 7 --output "$work/in" --truth "$work/truth"
  echo "files: $(wc -c <"$work/in") bytes of input, $share of the events are duplicates"
  start=$(milliseconds)
  cat "$work/in" >"$work/copy"
  echo "files: merely copying the file: $(($(milliseconds) - start)) ms"
  rm "$work/copy"
  [ -z "$BASELINE" ] || others=("baseline $BASELINE")
  for run in $(seq "$ROUNDS"); do
    # Each goes first as often as the other.
    if ((run % 2)); then set -- "host $DEDUP_HOST_BIN" "${others[@]}"; else set -- "${others[@]}" "host $DEDUP_HOST_BIN"; fi
    for turn in "$@"; do once_over_files "$run" "${turn%% *}" "${turn#* }"; done
  done
  if [ -n "$BASELINE" ]; then
    cmp "$work/unique.host" "$work/unique.baseline"
    cmp "$work/duplicates.host" "$work/duplicates.baseline"
    echo "files: the same outputs byte for byte; the host runs at $(paste "$work/took.baseline" "$work/took.host" |
      awk '{ print $1 / $2 }' | sort -g | awk '{ ratio[NR] = $1 } END { printf "%.2f", ratio[int((NR + 1) / 2)] }') of" \
      "the speed of the baseline (median of $ROUNDS rounds)"
  fi
  rm -rf "${work:?}"/*
}

once_over_files() { # round, name, binary
  local start took unique=$work/unique.$2 duplicates=$work/duplicates.$2
  rm -rf "$work/store" "$unique" "$duplicates" "$work/report"
  start=$(milliseconds)
  "$3" --plugin "$DEDUP_PLUGINS_DIR/composite_key.wasm" --input "$work/in" --output "$unique" --duplicates "$duplicates" \
    --store-path "$work/store" --report "$work/report" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  took=$(($(milliseconds) - start))
  echo "$took" >>"$work/took.$2"
  echo "files: run $1 of $2: $took ms, $((EVENTS * 1000 / took)) events/s, $(wc -l <"$unique") unique"
}

find_broker() {
  if [ -n "${KAFKA_HOSTS:-}" ]; then return; fi
  if ! scripts/kafka.sh status 2>/dev/null; then
    scripts/setup.sh kafka || return 1
    started=yes
  fi
  scripts/kafka.sh up >"$work/broker" || return 1
  KAFKA_HOSTS=$(sed -n 's/^KAFKA_HOSTS=//p' "$work/broker")
  # Of a broker on this machine the processor time is measured too.
  BROKER_PID=$(scripts/kafka.sh status 2>&1 | sed -n 's/.*(pid \([0-9]*\)).*/\1/p')
  export KAFKA_HOSTS BROKER_PID
}

on_kafka() { # name of the benchmark
  if skips kafka; then
    echo "######## SKIPPED by SKIP: $1 ########"
  elif find_broker; then
    bench "$1"
  else
    echo "######## NOT RUN: $1 (no Kafka, see above; give one in KAFKA_HOSTS, or do without: SKIP=kafka) ########"
    status=1
  fi
}

bench_kafka() { on_kafka kafka; }
bench_latency() { on_kafka latency; }
bench_soak() { on_kafka soak; }
bench_rebalance() { RATE=$((RATE / 4)) on_kafka rebalance; }

# Checkpoints of every partition every five seconds, against none.
bench_checkpoints() {
  local often="--checkpoint-interval-secs 5" none="--checkpoint-interval-secs 0"
  HOST_ARGS="$HOST_ARGS $often" BASELINE_ARGS="$HOST_ARGS $none" on_kafka kafka
  HOST_ARGS="$HOST_ARGS $often" BASELINE_ARGS="$HOST_ARGS $none" on_kafka latency
}

bench_takeover() {
  local count
  if [ -z "${TEST_S3_ENDPOINT:-}" ] && ! skips s3 && scripts/setup.sh s3; then
    scripts/s3.sh status 2>/dev/null || s3_started=yes
    # shellcheck disable=SC2046  # several variables
    export $(scripts/s3.sh up | grep '^TEST_S3_')
  fi
  for count in $keys; do bench takeover "$count"; done
}

echo "bench: EVENTS=$EVENTS KEYS='$keys' ROUNDS=$ROUNDS PARTITIONS='$PARTITIONS' DUPLICATES='$DUPLICATES'" \
  "HOST_ARGS='$HOST_ARGS' ONLY='$only'"
echo "bench: $(nproc) processors, $(uname -srm), load $(uptime | sed 's/.*average[s]*: //')"
for what in $only; do
  echo
  echo "bench: $what"
  "bench_$what"
done
exit "$status"
