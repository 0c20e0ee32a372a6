#!/usr/bin/env bash
# One real Apache Kafka broker (KRaft, this machine only) for the tests and for trying things out.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/kafka.sh COMMAND
  up                   start the broker unless it runs; the last line is KAFKA_HOSTS=host:port
  down                 stop it and delete its data (the downloaded jars stay)
  fetch                only fetch the jars of Kafka
  fetched              exit 0 if they are there, 1 if not
  status               say whether it runs; exit 0 if so, 1 if not
  address              print host:port of the running broker
  topic NAME [PARTS]   create a topic (8 partitions unless told)
  tool CLASS ARGS...   run a tool of Kafka's, e.g. org.apache.kafka.tools.TopicCommand --list
environment:
  KAFKA_PORT       first port to try (9092); TLS and the controller take the next free ones
  KAFKA_ADVERTISED_PORT  the port that clients are told to come to, where something stands before the broker
  KAFKA_VERSION    the Kafka to fetch from Maven Central and run (what scripts/kafka/pom.xml says)
  KAFKA_HOME       an unpacked Kafka (4.0 or newer) to use instead of the jars from Maven Central
  KAFKA_STATE_DIR  where the broker keeps its data (another directory is another broker)
  KAFKA_HEAP_OPTS  its memory (-Xmx1g)
  KAFKA_ACLS       1: the broker obeys ACLs; as long as there are none, everybody may do everything
While it runs, STATE_DIR/sasl.env has what a client of the TLS + SASL listener needs.
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/kafka
version=${KAFKA_VERSION:-$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/kafka/pom.xml")}
jars=${KAFKA_HOME:+$KAFKA_HOME/libs}
jars=${jars:-$cache/$version}
state=${KAFKA_STATE_DIR:-$cache/state}
ready_seconds_max=90
fetch_attempts=3
stop_seconds_max=20

say() { echo "kafka: $*" >&2; }
fail() { say "$*"; exit 1; }

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port=$1
  while listening "$port"; do port=$((port + 1)); done
  echo "$port"
}

# The pid counts only if that process really is this broker: numbers are used again.
broker_pid() {
  local pid
  pid=$(cat "$state/pid" 2>/dev/null) || return 1
  { tr '\0' ' ' <"/proc/$pid/cmdline" || ps -ww -o args= -p "$pid"; } 2>/dev/null | grep -qF "$state/server.properties" || return 1
  echo "$pid"
}

# An ApiVersions request, version 0, correlation 1; any broker echoes the correlation after the size.
answers() {
  local reply
  reply=$( (
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf '\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff' >&3
    timeout 5 head -c 8 <&3 | od -An -tx1 | tr -d ' \n'
  ) 2>/dev/null) || return 1
  [ "${reply:8:8}" = 00000001 ]
}

# The class path is quoted for java, which expands the star itself; older Kafkas read the second file of log settings.
java=(java -cp "$jars/*" -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" -Dkafka.logs.dir="$state"
  ${KAFKA_HOME:+"-Dlog4j.configuration=file:$KAFKA_HOME/config/log4j.properties"})
# Tools live for a second: the quick compiler only.
java_tool=("${java[@]}" -Xmx256m -XX:TieredStopAtLevel=1 -Dkafka.log.level=WARN)

fetch_jars() {
  [ -d "$jars" ] && return
  [ -z "${KAFKA_HOME:-}" ] || fail "KAFKA_HOME is $KAFKA_HOME, but there is no libs directory in it"
  command -v mvn >/dev/null || fail "mvn is missing, needed once to fetch Kafka $version; install maven or set KAFKA_HOME"
  local part=$jars.part.$$ attempt
  mkdir -p "$cache"
  for attempt in $(seq "$fetch_attempts"); do
    say "fetching Apache Kafka $version from Maven Central (once; attempt $attempt of $fetch_attempts)"
    if mvn -B -q -ntp -C -Dstyle.color=never -f "$here/kafka/pom.xml" -Dkafka.version="$version" \
      dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$part" >&2; then
      # Of two that fetch at once the first to finish wins.
      if [ -d "$jars" ]; then rm -rf "$part"; else mv "$part" "$jars"; fi
      return
    fi
    rm -rf "$part"
    [ "$attempt" = "$fetch_attempts" ] || sleep "$((attempt * 5))"
  done
  fail "could not fetch Kafka $version: Maven's error is above. Check that Maven Central (or the mirror in ~/.m2/settings.xml)" \
    "is reachable and run this again, or set KAFKA_HOME to an unpacked Kafka"
}

# A throw-away authority and a certificate for localhost signed by it, so that clients verify for real.
make_certificates() (
  cd "$state"
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=dedup-host test authority" \
    -keyout ca.key -out ca.pem
  openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >server.ext
  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext -out server.crt
  cat server.key server.crt ca.pem >server.pem
) 2>"$state/openssl.log"

write_sasl() {
  local port=$1 password=$2
  cat >>"$state/server.properties" <<TEXT
sasl.enabled.mechanisms=SCRAM-SHA-256,PLAIN
listener.name.sasl.ssl.keystore.type=PEM
listener.name.sasl.ssl.keystore.location=$state/server.pem
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_dedup="$password";
TEXT
  cat >"$state/sasl.env" <<TEXT
KAFKA_SASL_HOSTS=localhost:$port
KAFKA_SASL_CA=$state/ca.pem
KAFKA_SASL_MECHANISMS=SCRAM-SHA-256,PLAIN
KAFKA_SASL_USERNAME=dedup
KAFKA_SASL_PASSWORD=$password
TEXT
}

write_properties() {
  local port=$1 tls=$2 controller=$3
  cat >"$state/server.properties" <<TEXT
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:$controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://localhost:$port,CONTROLLER://localhost:$controller${tls:+,SASL://localhost:$tls}
advertised.listeners=PLAINTEXT://localhost:${KAFKA_ADVERTISED_PORT:-$port}${tls:+,SASL://localhost:$tls}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL
log.dirs=$state/data
auto.create.topics.enable=false

# One node holds every replica.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# Records of 10 MiB are tested.
message.max.bytes=16777216

# Tests write records with timestamps of years ago, which the default of seven days would delete under them.
log.retention.ms=-1

# Tests do not wait for members that will not come, and notice quickly those that died.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
TEXT
  [ "${KAFKA_ACLS:-}" != 1 ] || cat >>"$state/server.properties" <<TEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
TEXT
}

wait_ready() {
  local pid=$1 port=$2 deadline=$((SECONDS + ready_seconds_max))
  while [ "$SECONDS" -lt "$deadline" ]; do
    kill -0 "$pid" 2>/dev/null || { tail -n 20 "$state/broker.log" >&2; fail "the broker ended while starting; its log: $state/broker.log"; }
    # The line comes after the controller has let the broker in: from then on topics can be created.
    if grep -qs 'Kafka Server started' "$state/broker.log" && answers "$port"; then return; fi
    sleep 0.1
  done
  tail -n 20 "$state/broker.log" >&2
  fail "the broker was not ready within $ready_seconds_max s; its log: $state/broker.log"
}

start() {
  command -v java >/dev/null || fail "java is missing: install Java 17 or newer"
  fetch_jars
  stop
  (umask 077 && mkdir -p "$state")
  touch "$state/.dedup-host-kafka"
  local wanted=${KAFKA_PORT:-9092} port tls='' controller password
  port=$(free_port "$wanted")
  [ "$port" = "$wanted" ] || say "port $wanted is taken by something else; using $port"
  controller=$(free_port $((port + 1)))
  if command -v openssl >/dev/null; then
    tls=$controller
    controller=$(free_port $((tls + 1)))
  else
    say "openssl is missing: no TLS + SASL listener"
  fi
  write_properties "$port" "$tls" "$controller"
  local format=(-t "$(head -c 16 /dev/urandom | base64 | tr '+/' AB | tr -d =)" -c "$state/server.properties")
  if [ -n "$tls" ]; then
    password=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
    make_certificates || fail "could not make certificates; see $state/openssl.log"
    write_sasl "$tls" "$password"
    format+=(--add-scram "SCRAM-SHA-256=[name=dedup,password=$password]")
  fi
  say "starting Apache Kafka ${KAFKA_HOME:-$version} on port $port, data in $state"
  "${java_tool[@]}" kafka.tools.StorageTool format "${format[@]}" >"$state/format.log" 2>&1 ||
    { cat "$state/format.log" >&2; fail "could not format the storage in $state"; }
  # shellcheck disable=SC2086  # several options in one variable, as Kafka's own scripts have it
  "${java[@]}" ${KAFKA_HEAP_OPTS:--Xmx1g} -XX:+ExitOnOutOfMemoryError kafka.Kafka "$state/server.properties" \
    >"$state/broker.log" 2>&1 </dev/null 9>&- &
  local pid=$!
  disown "$pid"
  echo "$pid" >"$state/pid"
  wait_ready "$pid" "$port"
  echo "localhost:$port" >"$state/address"
}

stop() {
  local pid deadline=$((SECONDS + stop_seconds_max))
  if pid=$(broker_pid); then
    kill "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done
    kill -9 "$pid" 2>/dev/null && say "the broker did not stop within $stop_seconds_max s and was killed"
  fi
  [ ! -e "$state" ] && return
  # Never delete a directory that this script did not make.
  [ -e "$state/.dedup-host-kafka" ] || [ -z "$(ls -A "$state")" ] || fail "$state is not a broker's directory of ours; not touched"
  rm -rf "$state"
}

# Two `up` at once must not start two brokers over one directory. Where flock is missing, they may not be run at once.
lock() {
  mkdir -p "$(dirname "$state")"
  exec 9>"$state.lock"
  ! command -v flock >/dev/null || flock 9
}

running() { broker_pid >/dev/null && [ -s "$state/address" ] && answers "$(sed 's/.*://' "$state/address")"; }

case ${1:-} in
  up)
    lock
    if running; then say "already running (pid $(broker_pid))"; else start; fi
    [ ! -e "$state/sasl.env" ] || echo "KAFKA_SASL_ENV=$state/sasl.env"
    echo "KAFKA_HOSTS=$(cat "$state/address")"
    ;;
  down)
    lock
    if broker_pid >/dev/null; then say "stopping, deleting $state"; else say "not running"; fi
    stop
    ;;
  fetch) fetch_jars ;;
  fetched) [ -d "$jars" ] ;;
  status)
    running || { say "not running"; exit 1; }
    say "running (pid $(broker_pid)), address $(cat "$state/address"), data in $state"
    ;;
  address) running && cat "$state/address" ;;
  topic)
    running || fail "not running; start it with: make kafka-up"
    "${java_tool[@]}" org.apache.kafka.tools.TopicCommand \
      --bootstrap-server "$(cat "$state/address")" --create --topic "${2:?name of the topic}" --partitions "${3:-8}"
    ;;
  tool)
    running || fail "not running; start it with: make kafka-up"
    "${java_tool[@]}" "${2:?class of the tool}" --bootstrap-server "$(cat "$state/address")" "${@:3}"
    ;;
  *) usage; [ "${1:-}" = help ] || exit 2 ;;
esac
