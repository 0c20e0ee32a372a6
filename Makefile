# One command for everything: `make help` lists them. Cargo does the building; this only strings steps together.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Outside the checkout, so that every clone on this machine shares one build of the C++ dependencies.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dedup-host/target

.PHONY: help demo test chaos sim property fuzz build test-plugins bench soak fmt lint lint-fmt lint-clippy lint-deny sbom release-check kafka-up kafka-down clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: build ## Build, then de-duplicate 200,000 events and check the answer
	@scripts/demo.sh

test: build ## Build, start a real Kafka, run every test, stop it (SKIP="kafka browser ..." does without a part)
	@scripts/test.sh

chaos: ROUNDS ?= 25
chaos: build ## Everything goes wrong at once, round after round, and verify judges (ROUNDS=25 SEED=; BROKEN=1: a broken build is found)
	@CHAOS_ROUNDS=$(ROUNDS) CHAOS_SEED=$(SEED) scripts/chaos.sh $(if $(BROKEN),broken)

sim: SEEDS ?= 100000
sim: FROM ?= 0
sim: ## Simulate hosts, their group and a broker from seeds (SEEDS=100000 FROM=0); a seed that fails tells its story
	@scripts/setup.sh build
	@SIM_SEEDS=$(SEEDS) SIM_FROM=$(FROM) cargo test --release --locked --workspace --test simulation -- --nocapture \
	  whatever_happens

property: CASES ?= 100000
property: ## Run the property tests of all that reads what strangers wrote, long (CASES=100000 of each)
	@scripts/setup.sh build
	@PROPTEST_CASES=$(CASES) cargo test --release --locked --workspace --lib -- strangers
	@PROPTEST_CASES=$(CASES) cargo test --release --locked --workspace --test readers

fuzz: ## Fuzz the same readers; needs a nightly compiler and cargo-fuzz, and says so (FUZZ_SECONDS=60 ONLY="clock ...")
	@scripts/fuzz.sh

build: ## Build dist/dedup-host and dist/plugins/*.wasm
	@scripts/setup.sh build
	@echo "build: dedup-host (release; the first build compiles RocksDB, wasmtime and librdkafka: about 40 minutes of processor time)"
	@scripts/compile.sh build --release --locked -p dedup-host
	@mkdir -p dist/plugins
	@# A new file moved over the old one: a running dedup-host keeps the file it was started from.
	@# Without debug sections it is a tenth of the size; names of functions stay for backtraces.
	@strip --strip-debug -o dist/.dedup-host.new "$(CARGO_TARGET_DIR)/release/dedup-host"
	@mv dist/.dedup-host.new dist/dedup-host
	@echo "build: guest plugins"
	@guest-plugins/build.sh dist/plugins
	@echo "build: done, see dist/"

test-plugins: build ## Build the example plugins in C, Python and JavaScript into dist/test-plugins
	@scripts/test-plugins.sh

bench: build ## Measure the line, plugins, files, and Kafka against a bare copy, latency (EVENTS=2000000 KEYS= ROUNDS=3 ONLY= HOST_ARGS= BASELINE=)
	@scripts/bench.sh

soak: build ## Records, plugin swaps and a flood over HTTP for ten minutes; fails where the line suffers (SOAK_SECONDS=600)
	@ONLY=soak scripts/bench.sh

fmt: ## Format the Rust sources
	@scripts/setup.sh lint
	@cargo fmt --all

lint: lint-fmt lint-clippy lint-deny ## Check format, clippy, licences and layers

lint-fmt:
	@scripts/setup.sh lint
	@cargo fmt --all --check

lint-clippy:
	@scripts/setup.sh build lint
	@scripts/compile.sh clippy --release --locked --workspace --all-targets -- -D warnings

lint-deny:
	@scripts/setup.sh lint
	@scripts/deny.sh

sbom: ## Write dist/dedup-host.cdx.json, the bill of materials (CycloneDX)
	@scripts/sbom.py dist/dedup-host.cdx.json

release-check: ## Before a release: fail unless known vulnerabilities were looked for (ADVISORY_DB=a git copy of their database)
	@scripts/setup.sh lint
	@scripts/deny.sh --release
	@$(MAKE) sbom

kafka-up: ## Start a real Kafka broker on this machine; prints its address
	@scripts/setup.sh kafka
	@scripts/kafka.sh up

kafka-down: ## Stop it and delete its data
	@scripts/kafka.sh down

clean: kafka-down ## Delete dist/ and the build directory; stop the broker
	@rm -rf dist
	@cargo clean
