#!/usr/bin/env bash
# Every test of the workspace, against dist/ and a real Kafka broker, which is started and stopped here unless one is
# given in KAFKA_HOSTS or runs already. What set-up should have installed and is not there is a failure, here as in CI.
# SKIP="kafka browser prometheus s3 c python javascript ..." does without parts of it (scripts/parts.sh lists them): their
# tests are counted as skipped.
set -euo pipefail

cd "$(dirname "$0")/.."
# shellcheck source=scripts/parts.sh
. scripts/parts.sh
check_skip
started=no
started_s3=no
log=$(mktemp)

# shellcheck disable=SC2329  # the trap calls it
finish() {
  [ "$started" = no ] || scripts/kafka.sh down
  [ "$started_s3" = no ] || scripts/s3.sh down
  rm -f "$log"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Where set-up leaves Prometheus, and Node.js if the machine's own is too old.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host
PATH=$cache/nodejs/bin:$PATH:$cache/prometheus/usr/bin

# shellcheck disable=SC2329  # try calls it
find_broker() {
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
  export KAFKA_HOSTS
}

# shellcheck disable=SC2329  # try calls it
find_store() {
  if [ -n "${TEST_S3_ENDPOINT:-}" ]; then
    echo "test: using the object store at $TEST_S3_ENDPOINT"
    return
  fi
  scripts/s3.sh status 2>/dev/null || started_s3=yes
  scripts/s3.sh up >"$log" || return 1
  local variable
  while read -r variable; do export "${variable?}"; done < <(grep '^TEST_S3_' "$log")
  echo "test: object store at $TEST_S3_ENDPOINT"
}

# A part that fails is remembered, and all else is tested; the tests that need it fail, each by its name.
missing=()
try() { # part, command ...
  local part=$1
  shift
  if skips "$part" || "$@"; then return; fi
  missing+=("$part")
  echo "######## MISSING: $part, see above; the tests that need it will fail (to do without: SKIP=\"$part\") ########"
}

# With a broker of the caller's, Kafka itself is needed only for the tests that kill one.
needs_no_kafka() { [ -n "${KAFKA_HOSTS:-}" ] && skips own-broker; }
set_up() { { [ "$1" = kafka ] && needs_no_kafka; } || scripts/setup.sh "$1"; }

say_skipped
for part in "${parts_of_tests[@]}"; do try "$part" set_up "$part"; done
for language in "${parts_of_guests[@]}"; do try "$language" scripts/test-plugins.sh "$language"; done
case " ${missing[*]:-} " in *" kafka "*) ;; *) try kafka find_broker ;; esac
case " ${missing[*]:-} " in *" s3 "*) ;; *) try s3 find_store ;; esac

export DEDUP_HOST_BIN=$PWD/dist/dedup-host DEDUP_PLUGINS_DIR=$PWD/dist/plugins DEDUP_TEST_PLUGINS_DIR=$PWD/dist/test-plugins
status=0
run() { "$@" 2>&1 </dev/null | tee -a "$log" || status=$?; }
: >"$log"
run tests/scripts.sh
echo "test: building the tests"
scripts/compile.sh test --release --locked --workspace --no-run || status=$?
run cargo test --release --locked --workspace --no-fail-fast "$@"

read -r passed failed ignored <<<"$(awk '/^test result: / { p += $4; f += $6; i += $8 } END { print p + 0, f + 0, i + 0 }' "$log")"
[ ${#missing[@]} -eq 0 ] || status=1
say_skipped
summary="test: $passed passed, $failed failed"
[ "$ignored" = 0 ] || summary+=", $ignored skipped"
[ -z "${SKIP//[ ,]/}" ] || summary+="; SKIPPED by SKIP: ${SKIP//,/ }"
[ ${#missing[@]} -eq 0 ] || summary+="; MISSING: ${missing[*]}"
echo "$summary"
[ "$passed" -gt 0 ] || { echo "test: no test ran"; status=1; }
exit "$status"
