#!/usr/bin/env bash
# Tests of the scripts: what counts as installed, and that what is missing is a failure. In a tree of fakes: no network, no
# cargo, no broker. The last line is like that of cargo's tests, so that it is counted with them.
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/dedup-host-scripts.XXXXXX")
trap 'rm -rf "$work"' EXIT
skip=${SKIP:-} skip=" ${skip//,/ } "
node=$(dirname "$(command -v node || echo "${XDG_CACHE_HOME:-$HOME/.cache}/dedup-host/nodejs/bin/node")")
passed=0 failed=0 ignored=0

check() { # name, part that it needs or -, function
  case "$skip" in *" $2 "*) ignored=$((ignored + 1)); echo "test $1 ... ignored"; return ;; esac
  local said
  # Not as a condition: there a failing line in the middle would not end the test.
  said=$(set -e; "$3" 2>&1)
  if [ $? = 0 ]; then
    passed=$((passed + 1))
    echo "test $1 ... ok"
  else
    failed=$((failed + 1))
    printf 'test %s ... FAILED\n%s\n' "$1" "$said"
  fi
}

wants() { # text, words that must be in it
  case "$1" in *"$2"*) ;; *) printf 'not said: %s\nbut:\n%s\n' "$2" "$1"; return 1 ;; esac
}
wants_not() { case "$1" in *"$2"*) printf 'said: %s\nin:\n%s\n' "$2" "$1"; return 1 ;; *) ;; esac; }

executable() { # path; the text comes on standard input
  mkdir -p "$(dirname "$1")"
  { echo '#!/usr/bin/env bash'; cat; } >"$1"
  chmod +x "$1"
}

# ---- What npm installed against package-lock.json: a project with an npm that installs as CI, LOCK and INSTALLED say.

lock() { # further members of "packages"
  echo '{"packages": {"": {}, "node_modules/a": {"version": "1.0.0", "integrity": "sha512-a"},
    "node_modules/a-linux": {"version": "1.0.0", "integrity": "sha512-l", "optional": true}'"$1"'}}'
}
lock_of_others() { lock '' | sed 's/"node_modules.a-linux.*/"node_modules\/a": {"version": "1.0.0", "integrity": "sha512-a"}}}/'; }
addition=', "node_modules/a-windows": {"version": "1.0.0", "integrity": "sha512-w", "optional": true, "os": ["win32"]}'

new_project() {
  rm -rf "$work/project" "$work/cache" "$work/npm"
  mkdir -p "$work/project/wit" "$work/npm"
  cp "$root/guest-plugins/javascript/build.sh" "$work/project/"
  echo '{"type": "module", "dependencies": {"a": "1.0.0"}}' >"$work/project/package.json"
  lock '' >"$work/project/package-lock.json"
  echo 'export const keyExtractor = 1;' >"$work/project/key.js"
  touch "$work/project/wit/plugin.wit"
  executable "$work/npm/npm" <<'NPM'
[ "$1" != --version ] || { echo 0.0; exit; }
echo "$1" >>"$FAKE/calls"
case "$1$CI" in ciworks) ;; ci*) echo "npm error: no $1"; exit 1 ;; install*) [ "$INSTALL" = works ] || { echo "npm error: no network"; exit 1; } ;; esac
[ "$1" = ci ] || cp "$FAKE/written" package-lock.json
mkdir -p node_modules/@bytecodealliance/componentize-js
cp "$FAKE/installed" node_modules/.package-lock.json
echo '{"type": "module", "main": "i.js"}' >node_modules/@bytecodealliance/componentize-js/package.json
echo 'export const componentize = async () => ({ component: "built" });' >node_modules/@bytecodealliance/componentize-js/i.js
NPM
}

# As npm 10 or 11 would: `npm ci` works or not, then what npm install writes and what it installs. Prints what is said.
npm_builds() { # ci, install, lock file as written, what is installed
  new_project
  echo "$3" >"$work/npm/written"
  echo "$4" >"$work/npm/installed"
  env -i PATH="$work/npm:$node:$PATH" HOME="$work" XDG_CACHE_HOME="$work/cache" TMPDIR="$work" FAKE="$work/npm" CI="$1" INSTALL="$2" \
    "$work/project/build.sh" "$work/project/out" 2>&1
}
is_built() { [ "$(cat "$work/project/out/key.wasm")" = built ]; }
refused() { # what must be said, then as npm_builds
  local said
  if said=$(npm_builds "${@:2}"); then echo "it was taken: $said"; return 1; fi
  wants "$said" "$1"
  [ ! -e "$work/project/out/key.wasm" ]
}

npm_ci_where_it_can() {
  npm_builds works fails "$(lock '')" "$(lock '')"
  is_built
  [ "$(cat "$work/npm/calls")" = ci ]
}
additions_are_fine() {
  npm_builds refuses works "$(lock "$addition")" "$(lock '')"
  is_built
  [ "$(tr '\n' ' ' <"$work/npm/calls")" = "ci install " ]
}
optional_ones_of_other_platforms_need_not_be_installed() {
  npm_builds works fails "$(lock '')" "$(lock_of_others)"
  is_built
}
changed_version() { refused "node_modules/a: version 1.0.1, and not 1.0.0" refuses works "$(lock '' | sed 's/a": {"version": "1.0.0/a": {"version": "1.0.1/')" "$(lock '' | sed 's/a": {"version": "1.0.0/a": {"version": "1.0.1/')"; }
changed_digest() { refused "node_modules/a: integrity sha512-x, and not sha512-a" refuses works "$(lock '')" "$(lock '' | sed 's/sha512-a/sha512-x/')"; }
changed_digest_of_another_platform() { refused "node_modules/a-linux: integrity sha512-x" refuses works "$(lock '' | sed 's/sha512-l/sha512-x/')" "$(lock_of_others)"; }
missing_package() { refused "node_modules/a: missing" refuses works '{"packages": {}}' '{"packages": {}}'; }
not_installed() { refused "node_modules/a: not installed" refuses works "$(lock '')" '{"packages": {}}'; }
not_asked_for() { refused "node_modules/a-windows: installed, though not asked for" refuses works "$(lock "$addition")" "$(lock "$addition")"; }
no_network() { refused "npm ping" refuses fails "$(lock '')" "$(lock '')"; }
no_host_in_the_lock_file() { ! grep -n '"resolved"' "$root/guest-plugins/javascript/package-lock.json"; }

# ---- What is missing: the real scripts in a tree of fakes. ABSENT names the parts whose set-up fails.

new_tree() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree/scripts" "$work/tree/.ci"
  cp "$root/scripts/parts.sh" "$root/scripts/compile.sh" "$root/scripts/test.sh" "$root/scripts/test-plugins.sh" "$root/scripts/deny.sh" "$work/tree/scripts/"
  cp "$root/.ci/run" "$work/tree/.ci/"
  executable "$work/tree/scripts/setup.sh" <<'FAKE'
for part in "$@"; do case " $ABSENT " in *" $part "*) echo "setup: no $part"; exit 1 ;; esac; done
FAKE
  executable "$work/tree/scripts/kafka.sh" <<'FAKE'
case $1 in status) exit 1 ;; up) case " $ABSENT " in *" broker "*) exit 1 ;; esac; echo KAFKA_HOSTS=localhost:1 ;; esac
FAKE
  executable "$work/tree/scripts/s3.sh" <<'FAKE'
case $1 in status) exit 1 ;; up) case " $ABSENT " in *" store "*) exit 1 ;; esac; echo TEST_S3_ENDPOINT=http://localhost:2 ;; esac
FAKE
  for language in c python javascript; do
    executable "$work/tree/guest-plugins/$language/build.sh" <<FAKE
case " \$ABSENT " in *" build-$language "*) exit 1 ;; esac
echo new >"\$1/composite_key-$language.wasm"
FAKE
    executable "$work/tree/guest-plugins/for-tests.sh" <<<'exit 0'
    mkdir -p "$work/tree/dist/test-plugins"
    echo old >"$work/tree/dist/test-plugins/composite_key-$language.wasm"
  done
  executable "$work/tree/tests/scripts.sh" <<<'echo "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"'
  executable "$work/tree/bin/cargo" <<'FAKE'
case "$*" in fetch* | *--no-run*) exit ;; esac
echo "SKIP is '$SKIP', KAFKA_HOSTS is '${KAFKA_HOSTS:-}', TEST_S3_ENDPOINT is '${TEST_S3_ENDPOINT:-}'"
echo "test result: ok. 3 passed; 0 failed; ${IGNORED:-0} ignored; 0 measured; 0 filtered out; finished in 0.00s"
FAKE
  executable "$work/tree/bin/make" <<'FAKE'
case $1 in test) scripts/test.sh ;; lint-deny) scripts/deny.sh ;; esac
FAKE
  executable "$work/tree/bin/cargo-deny" <<'FAKE'
case "$*" in *"fetch db"*) case " $ABSENT " in *" database "*) echo "could not resolve host"; exit 1 ;; esac ;; *) exit ;; esac
echo "${GIT_CONFIG_KEY_0:-}" >"$HOME/copy"
database=$HOME/.cargo/advisory-dbs/advisory-db-1
mkdir -p "$database"
cd "$database"
git init -q .
case " $ABSENT " in *" new-database "*) GIT_COMMITTER_DATE="$(($(date +%s) - 31 * 86400)) +0000"; export GIT_COMMITTER_DATE ;; esac
git -c user.name=a -c user.email=a@b commit -q --allow-empty --date=now -m database
FAKE
  executable "$work/tree/bin/sleep" <<<''
}

in_tree() { # ABSENT, SKIP, command ...
  env -i PATH="$work/tree/bin:$PATH" HOME="$work/tree" TMPDIR="$work" ABSENT="$1" SKIP="$2" IGNORED="${IGNORED:-0}" "$work/tree/$3" "${@:4}" 2>&1
}
last_line_is() { # wanted, text
  [ "$(tail -n 1 <<<"$2")" = "$1" ] || { printf 'not %s, but:\n%s\n' "$1" "$2"; return 1; }
}

all_is_there() {
  new_tree
  local said
  said=$(in_tree "" "" scripts/test.sh)
  wants "$said" "KAFKA_HOSTS is 'localhost:1'"
  wants "$said" "TEST_S3_ENDPOINT is 'http://localhost:2'"
  last_line_is "test: 4 passed, 0 failed" "$said"
}
each_missing_part_is_a_failure() {
  local part said
  for part in kafka browser prometheus s3 c python javascript; do
    new_tree
    if said=$(in_tree "$part" "" scripts/test.sh); then echo "without $part it passes: $said"; return 1; fi
    last_line_is "test: 4 passed, 0 failed; MISSING: $part" "$said"
  done
}
each_part_can_be_skipped() {
  local part said
  for part in kafka browser prometheus s3 c python javascript; do
    new_tree
    said=$(IGNORED=2 in_tree "$part" "$part" scripts/test.sh)
    wants "$said" "######## SKIPPED by SKIP: $part"
    wants "$said" "SKIP is '$part'"
    last_line_is "test: 4 passed, 0 failed, 2 skipped; SKIPPED by SKIP: $part" "$said"
  done
}
skipping_one_does_not_excuse_another() {
  new_tree
  local said
  if said=$(in_tree "kafka browser" browser scripts/test.sh); then return 1; fi
  wants "$said" "MISSING: kafka"
}
a_broker_that_does_not_start_is_a_failure() {
  new_tree
  local said
  if said=$(in_tree broker "" scripts/test.sh); then return 1; fi
  last_line_is "test: 4 passed, 0 failed; MISSING: kafka" "$said"
}
an_object_store_that_does_not_start_is_a_failure() {
  new_tree
  local said
  if said=$(in_tree store "" scripts/test.sh); then return 1; fi
  last_line_is "test: 4 passed, 0 failed; MISSING: s3" "$said"
}
a_skipped_broker_is_not_used() {
  new_tree
  wants "$(in_tree "" kafka scripts/test.sh)" "KAFKA_HOSTS is ''"
}
a_word_misspelt_is_refused() {
  new_tree
  local said script
  for script in scripts/test.sh scripts/test-plugins.sh scripts/deny.sh .ci/run; do
    if said=$(in_tree "" kafak "$script"); then return 1; fi
    wants "$said" "SKIP names 'kafak'"
  done
}
a_language_that_fails_leaves_the_others() {
  new_tree
  local said
  if said=$(in_tree "build-python c" "" scripts/test-plugins.sh); then return 1; fi
  last_line_is 'test-plugins: FAILED: c python (to do without: SKIP="c python")' "$said"
  [ "$(cat "$work/tree/dist/test-plugins/"*.wasm)" = new ]
  [ -e "$work/tree/dist/test-plugins/composite_key-javascript.wasm" ]
}
ci_counts_a_missing_part() {
  new_tree
  local said
  if said=$(in_tree browser "" .ci/run); then return 1; fi
  last_line_is "4 passed, 1 failed" "$said"
}
ci_counts_what_is_skipped() {
  new_tree
  local said
  said=$(IGNORED=2 in_tree "browser database" browser .ci/run)
  wants "$said" "NOT RUN: advisories"
  last_line_is "4 passed, 0 failed, 3 skipped" "$said"
  said=$(in_tree "" "" .ci/run)
  wants_not "$said" "NOT RUN"
  last_line_is "4 passed, 0 failed" "$said"
}

a_release_needs_the_advisories() {
  new_tree
  local said skip
  for skip in "" advisories; do
    if said=$(in_tree database "$skip" scripts/deny.sh --release); then echo "it passes: $said"; return 1; fi
    wants "$said" "NOT RUN: advisories"
    wants "$said" "--release needs them: reach GitHub, or name a copy in ADVISORY_DB"
  done
  wants "$(in_tree database "" scripts/deny.sh)" "NOT RUN: advisories"
  in_tree "" "" scripts/deny.sh --release
}
a_release_needs_a_new_database() {
  new_tree
  local said
  if said=$(in_tree new-database "" scripts/deny.sh --release); then echo "it passes: $said"; return 1; fi
  wants "$said" "31 days ago: a release needs one of the last 30 days"
  in_tree new-database "" scripts/deny.sh
}
a_release_fails_on_an_advisory() {
  new_tree
  local said
  executable "$work/tree/bin/cargo-deny" <<<'case "$*" in *"check --hide-inclusion-graph advisories"*) echo "error[vulnerability]"; exit 1 ;; esac'
  if said=$(in_tree "" "" scripts/deny.sh --release); then echo "it passes: $said"; return 1; fi
  wants "$said" "error[vulnerability]"
}
crates_that_were_never_looked_up_are_named() {
  new_tree
  local said
  printf '[[package]]\nname = "%s"\nversion = "1.0.0"\nsource = "registry+https://x"\n\n' old new >"$work/tree/Cargo.lock"
  printf '# database of RustSec at commit 1 of 2026-01-01\nold 1.0.0\n' >"$work/tree/scripts/advisories-checked.txt"
  said=$(in_tree database "" scripts/deny.sh)
  wants "$said" "deny: last database of RustSec at commit 1 of 2026-01-01"
  wants "$said" "deny: never looked up: new 1.0.0"
  in_tree "" "" scripts/deny.sh --record
  said=$(in_tree database "" scripts/deny.sh)
  wants_not "$said" "never looked up"
}
a_copy_of_the_database_takes_the_place_of_the_original() {
  new_tree
  env -i PATH="$work/tree/bin:$PATH" HOME="$work/tree" ABSENT="" ADVISORY_DB="$work/tree/bin" "$work/tree/scripts/deny.sh"
  [ "$(cat "$work/tree/copy")" = "url.file://$(realpath "$work/tree/bin").insteadOf" ]
}

# The real set-up on a machine that has cargo and the tools of C, an old Java, no Prometheus and no network.
new_machine() {
  new_tree
  cp "$root/scripts/setup.sh" "$work/tree/scripts/"
  local tool
  for tool in bash env cat cp dirname grep head ls mkdir mktemp mv rm sed seq tail tr; do
    ln -s "$(command -v "$tool")" "$work/tree/bin/$tool"
  done
  executable "$work/tree/bin/java" <<<'echo "openjdk version \"11.0.2\"" >&2'
  executable "$work/tree/bin/id" <<<'echo 0'
  executable "$work/tree/bin/apt-get" <<<'echo "E: could not resolve host" >&2; exit 100'
  for tool in openssl mvn clang clang++ wasm-ld dpkg; do executable "$work/tree/bin/$tool" <<<''; done
}
on_machine() { # SKIP, step ...
  env -i PATH="$work/tree/bin" HOME="$work/tree" TMPDIR="$work" SKIP="$1" "$work/tree/scripts/setup.sh" "${@:2}" 2>&1
}
set_up_names_each_part_that_failed() {
  new_machine
  local said
  if said=$(on_machine "" kafka prometheus c); then echo "it goes well: $said"; return 1; fi
  wants "$said" "Java 17 or newer"
  wants "$said" "Prometheus could not be fetched"
  last_line_is "setup: FAILED: kafka prometheus" "$said"
}
set_up_leaves_out_what_is_skipped() {
  new_machine
  on_machine "kafka prometheus" kafka prometheus c
}

# ---- Fuzzing, with a rustup and a cargo that do as they are told.

fuzz() { # whether there is a compiler, whether cargo-fuzz, targets; prints what is said and the exit code
  echo "$1" | executable "$work/fuzz/rustup"
  printf '%s\n' 'case "$*" in *"fuzz run clock"*) exit 77 ;; "fuzz --version") '"$2"' ;; *) exit 0 ;; esac' | executable "$work/fuzz/cargo"
  PATH="$work/fuzz:$PATH" FUZZ_TARGET_DIR=$work/fuzz/target ONLY=$3 "$root/scripts/fuzz.sh" 2>&1 && echo "exit 0" || echo "exit $?"
}
fuzzing_says_what_is_missing() {
  local said
  said=$(fuzz "exit 1" "exit 101" "")
  wants "$said" "rustup toolchain install nightly"
  wants "$said" "cargo install cargo-fuzz"
  wants "$said" "make property"
  wants "$said" "exit 2"
  said=$(fuzz "exit 0" "exit 101" "")
  wants_not "$said" "rustup"
  wants "$said" "exit 2"
}
fuzzing_fails_by_the_name_of_the_target() {
  local said
  said=$(fuzz "exit 0" "exit 0" "clock history")
  wants "$said" "FAILED: clock;"
  wants "$said" "exit 1"
  wants "$(fuzz "exit 0" "exit 0" "history kept")" "2 targets, 60 s each, nothing found"
  wants "$(fuzz "exit 0" "exit 0" "clok")" "'clok', which is no target"
}

the_fault_of_the_broken_build_still_fits_the_tree() { git -C "$root" apply --check tests/chaos/broken.patch; }

echo "running the tests of the scripts"
check npm_ci_is_taken_where_it_can javascript npm_ci_where_it_can
check npm_may_add_packages_of_other_platforms_to_the_lock_file javascript additions_are_fine
check packages_of_other_platforms_need_not_be_installed javascript optional_ones_of_other_platforms_need_not_be_installed
check a_changed_version_is_refused javascript changed_version
check a_changed_digest_is_refused javascript changed_digest
check a_changed_digest_of_another_platform_is_refused javascript changed_digest_of_another_platform
check a_missing_package_is_refused javascript missing_package
check a_package_that_was_not_installed_is_refused javascript not_installed
check a_package_that_was_not_asked_for_is_refused javascript not_asked_for
check no_network_says_what_to_check javascript no_network
check the_lock_file_names_no_registry - no_host_in_the_lock_file
check set_up_names_each_part_that_failed - set_up_names_each_part_that_failed
check set_up_leaves_out_what_is_skipped - set_up_leaves_out_what_is_skipped
check with_all_parts_the_tests_pass - all_is_there
check each_missing_part_is_a_failure - each_missing_part_is_a_failure
check each_part_can_be_skipped_by_the_callers_word - each_part_can_be_skipped
check skipping_one_part_does_not_excuse_another - skipping_one_does_not_excuse_another
check a_broker_that_does_not_start_is_a_failure - a_broker_that_does_not_start_is_a_failure
check an_object_store_that_does_not_start_is_a_failure - an_object_store_that_does_not_start_is_a_failure
check a_skipped_broker_is_not_used - a_skipped_broker_is_not_used
check a_word_misspelt_in_SKIP_is_refused - a_word_misspelt_is_refused
check a_language_that_fails_does_not_take_the_others_along - a_language_that_fails_leaves_the_others
check ci_counts_a_missing_part_as_a_failure - ci_counts_a_missing_part
check ci_counts_what_is_skipped - ci_counts_what_is_skipped
check a_release_needs_the_advisories - a_release_needs_the_advisories
check a_release_needs_a_new_database - a_release_needs_a_new_database
check a_release_fails_on_an_advisory - a_release_fails_on_an_advisory
check crates_that_were_never_looked_up_are_named - crates_that_were_never_looked_up_are_named
check a_copy_of_the_database_takes_the_place_of_the_original - a_copy_of_the_database_takes_the_place_of_the_original
check fuzzing_says_what_is_missing - fuzzing_says_what_is_missing
check fuzzing_fails_by_the_name_of_the_target - fuzzing_fails_by_the_name_of_the_target
check the_fault_of_the_broken_build_still_fits_the_tree - the_fault_of_the_broken_build_still_fits_the_tree

verdict=ok
[ "$failed" = 0 ] || verdict=FAILED
echo
echo "test result: $verdict. $passed passed; $failed failed; $ignored ignored; 0 measured; 0 filtered out"
[ "$failed" = 0 ]
