#!/usr/bin/env bash
# Rounds of chaos against a real Kafka and a real S3-compatible store, with dist/dedup-host (tests/chaos/storm.rs), and the
# control of the verdict before them. CHAOS_ROUNDS and CHAOS_SEED say how many and which; both are printed.
#   scripts/chaos.sh           the rounds: fails where the verdict is not "right"
#   scripts/chaos.sh broken    the same rounds with a build of this tree that tests/chaos/broken.patch breaks: fails where the
#                              verdict does not find it
set -euo pipefail

cd "$(dirname "$0")/.."
started=no
started_s3=no
work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-host-chaos.XXXXXX")

# shellcheck disable=SC2329  # the trap calls it
finish() {
  [ "$started" = no ] || scripts/kafka.sh down
  [ "$started_s3" = no ] || scripts/s3.sh down
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

start() {
  scripts/setup.sh kafka
  scripts/setup.sh s3
  if [ -z "${KAFKA_HOSTS:-}" ]; then
    scripts/kafka.sh status 2>/dev/null || started=yes
    KAFKA_HOSTS=$(scripts/kafka.sh up | sed -n 's/^KAFKA_HOSTS=//p')
    export KAFKA_HOSTS
  fi
  [ -z "${TEST_S3_ENDPOINT:-}" ] || return 0
  scripts/s3.sh status 2>/dev/null || started_s3=yes
  scripts/s3.sh up >"$work/s3"
  local variable
  while read -r variable; do export "${variable?}"; done < <(grep '^TEST_S3_' "$work/s3")
}

# Every file that git knows, as it is here, with the patch: the libraries that are built for this tree serve that one, too.
build_broken() {
  git ls-files -z | tar --null --files-from=- -cf - | tar -xf - -C "$work"
  (patch=$PWD/tests/chaos/broken.patch && cd "$work" && git apply "$patch")
  echo "chaos: building a host that is broken on purpose: $(sed -n '1s/^# //p' tests/chaos/broken.patch)"
  (cd "$work" && cargo build --release --locked -p dedup-host)
  cp "$CARGO_TARGET_DIR/release/dedup-host" "$work/dedup-host"
  DEDUP_HOST_BIN=$work/dedup-host
}

rage() { cargo test --release --locked --workspace --test chaos -- --nocapture --exact "$1"; }

export DEDUP_HOST_BIN=${DEDUP_HOST_BIN:-$PWD/dist/dedup-host} DEDUP_PLUGINS_DIR=${DEDUP_PLUGINS_DIR:-$PWD/dist/plugins}
case ${1:-} in
  '')
    start
    rage a_state_that_claims_more_than_it_has_is_found_by_the_verdict
    rage everything_at_once
    ;;
  broken)
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:?where make puts what it builds}
    build_broken
    start
    if rage everything_at_once 2>&1 | tee "$work/said"; then
      echo "chaos: the verdict on a broken host is right: it would find nothing" >&2
      exit 1
    fi
    # It may also fail for other reasons, which show nothing.
    grep -q 'verdict  *violated' "$work/said" || { echo "chaos: the broken host failed, and not by the verdict" >&2; exit 1; }
    echo "chaos: the broken host is found"
    ;;
  *) sed -n '2,7s/^# *//p' "$0"; exit 2 ;;
esac
