#!/usr/bin/env bash
# Every test of the workspace, against dist/ and a real Kafka broker, which is started and stopped here unless one is
# given in KAFKA_HOSTS or runs already. DEDUP_KAFKA=absent does without.
set -euo pipefail

cd "$(dirname "$0")/.."
started=no
broker=present
log=$(mktemp)

# shellcheck disable=SC2329  # the trap calls it
finish() {
  [ "$started" = no ] || scripts/kafka.sh down
  rm -f "$log"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Where set-up leaves Prometheus, and Node.js if the machine's own is too old.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host
PATH=$cache/nodejs/bin:$PATH:$cache/prometheus/usr/bin

find_broker() {
  if [ "${DEDUP_KAFKA:-}" = absent ]; then return 1; fi
  if [ -n "${KAFKA_HOSTS:-}" ]; then
    echo "test: using the broker at $KAFKA_HOSTS"
    return
  fi
  if scripts/kafka.sh status 2>/dev/null; then
    echo "test: using the broker that runs already"
  else
    started=yes
  fi
  scripts/kafka.sh up >"$log" || return 1
  KAFKA_HOSTS=$(sed -n 's/^KAFKA_HOSTS=//p' "$log")
  # The TLS + SASL listener of our own broker: where it is and how to enter.
  KAFKA_SASL_ENV=$(sed -n 's/^KAFKA_SASL_ENV=//p' "$log")
  if [ -n "$KAFKA_SASL_ENV" ]; then export KAFKA_SASL_ENV; fi
  echo "test: broker at $KAFKA_HOSTS"
}

not_run() {
  echo
  echo "######## NOT RUN: broker tests (no Kafka here; give one in KAFKA_HOSTS, or see what is missing above) ########"
  echo
}

not_run_plugins() {
  echo
  echo "######## NOT RUN: tests of plugins in Python, JavaScript and C (their tools are not here, see above) ########"
  echo
}

# What cannot be installed is said; the tests that need it are then counted as not run.
scripts/setup.sh test || true
plugins=present
if ! { scripts/setup.sh guests && make test-plugins; }; then
  plugins=absent
  export DEDUP_TEST_PLUGINS=absent
  not_run_plugins
fi
if find_broker; then
  export KAFKA_HOSTS
else
  broker=absent
  unset KAFKA_HOSTS
  export DEDUP_KAFKA=absent
  not_run
fi

export DEDUP_HOST_BIN=$PWD/dist/dedup-host DEDUP_PLUGINS_DIR=$PWD/dist/plugins DEDUP_TEST_PLUGINS_DIR=$PWD/dist/test-plugins
status=0
cargo test --release --locked --workspace --no-fail-fast "$@" 2>&1 </dev/null | tee "$log" || status=$?

read -r passed failed ignored <<<"$(awk '/^test result: / { p += $4; f += $6; i += $8 } END { print p + 0, f + 0, i + 0 }' "$log")"
summary="test: $passed passed, $failed failed"
[ "$ignored" = 0 ] || summary+=", $ignored skipped"
if [ "$broker" = absent ]; then
  not_run
  summary+="; NOT RUN: broker tests"
  # Where nobody reads the words above, a green answer would be a lie.
  [ "${CI:-}" != true ] || status=1
fi
if [ "$plugins" = absent ]; then
  not_run_plugins
  summary+="; NOT RUN: tests of plugins in other languages"
  [ "${CI:-}" != true ] || status=1
fi
echo "$summary"
[ "$passed" -gt 0 ] || { echo "test: no test ran"; status=1; }
exit "$status"
