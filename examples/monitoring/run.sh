#!/usr/bin/env bash
# A host that is fed generated events, and a Prometheus that scrapes it, until Ctrl-C. Needs dist/ (make build).
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
host=${DEDUP_HOST_BIN:-$root/dist/dedup-host}
plugins=${DEDUP_PLUGINS_DIR:-$root/dist/plugins}
host_port=${HOST_PORT:-8080}
prometheus_port=${PROMETHEUS_PORT:-9091}
PATH=$PATH:${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/prometheus/usr/bin
command -v prometheus >/dev/null || { echo "prometheus is missing (on Debian: apt-get install prometheus)" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-host-example.XXXXXX")
started=()
# shellcheck disable=SC2329  # the trap calls it
finish() {
  trap - EXIT INT TERM
  [ ${#started[@]} = 0 ] || kill "${started[@]}" 2>/dev/null || true
  wait || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Each round follows the one before in event time, and has its own events; half a second apart.
feed() {
  local number=0
  while "$host" generate --events 1000 --duplicates 0.2 --seed "$number" --start $((1767225600000 + number * 1000)) --output - 2>/dev/null; do
    number=$((number + 1))
    sleep 0.5
  done
}

mkfifo "$work/events"
# Opened for writing only: it ends when the host is gone.
feed >"$work/events" &
started+=($!)
"$host" --log-level warn --plugin "$plugins/composite_key.wasm" \
  --plugin "$plugins/property_similarity.wasm" --event-time /timestamp --store-path "$work/store" \
  --input "$work/events" --output /dev/null --bind-host 127.0.0.1 --bind-port "$host_port" &
host_pid=$!
started+=("$host_pid")

sed "s/localhost:8080/localhost:$host_port/; s/15s/5s/" "$root/examples/monitoring/prometheus.yaml" >"$work/prometheus.yaml"
cp "$root/examples/monitoring/alerts.yaml" "$work"
prometheus --log.level=warn --config.file="$work/prometheus.yaml" --storage.tsdb.path="$work/data" \
  --web.listen-address="localhost:$prometheus_port" &
started+=($!)

echo "host:       http://localhost:$host_port/ and /metrics"
echo "Prometheus: http://localhost:$prometheus_port/ and /alerts"
echo "dashboard:  import $root/examples/monitoring/dashboard.json into Grafana"
wait -n "${started[@]}" || true
echo "one of them has ended" >&2
exit 1
