# Everything happens inside the clone: .venv, python-sdk/kernel/target, .demo, .peer, .artefacts.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := python-sdk/requirements/dev.txt
DEMO_DATA ?= .demo
CARGO := $(shell command -v cargo 2>/dev/null)
KERNEL := $(VENV)/.kernel-$(if $(CARGO),built,absent)
export PYTHONDONTWRITEBYTECODE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow check lint generated audit kernel bench bench-peer instructions fuzz interop lock generate clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP) $(KERNEL) ## Make .venv with everything in it; build the kernel where Rust is

$(STAMP): $(LOCK) python-sdk/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "eigenspan needs Python 3.11 or newer; name one with PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable python-sdk
	touch $@

kernel: ## Build the kernel again
	rm -f $(KERNEL)
	$(MAKE) $(KERNEL)

KERNEL_SOURCES := $(wildcard python-sdk/kernel/src/*.rs) python-sdk/kernel/Cargo.toml python-sdk/kernel/crates.lock
$(KERNEL): $(STAMP) $(KERNEL_SOURCES)
ifeq ($(CARGO),)
	@echo "No Rust toolchain: the Python engine runs. It does the same and needs more CPU; 'make kernel' builds the kernel once cargo is on the PATH."
else
	$(BIN)/python python-sdk/kernel/lock.py apply
	cd python-sdk/kernel && VIRTUAL_ENV=$(CURDIR)/$(VENV) ../../$(BIN)/maturin develop --release --locked --quiet
	@echo "The kernel is built: the compiled engine runs."
endif
	touch $@

demo: install ## Start the collector, run real circuits against it, show the table; Ctrl-C stops it
	$(BIN)/python -m eigenspan.demo --data $(DEMO_DATA)

test: install ## The whole test suite
	$(BIN)/python -m pytest tests

test-slow: install ## The long tests: fuzzing and faults, bounded
	$(BIN)/python -m pytest tests -m slow

fuzz: install ## The kernel's own tests, mutated payloads and bodies against both engines, bounded
ifneq ($(CARGO),)
	cd python-sdk/kernel && EIGENSPAN_FUZZ_SECONDS=$${EIGENSPAN_FUZZ_SECONDS:-8} cargo test --locked --quiet --no-default-features
endif
	$(BIN)/python -m pytest tests/fuzz -m slow

interop: install ## The OTLP exporters of Go, JavaScript and Java, and curl, against both receive engines (needs these tools)
	$(BIN)/python -m pytest tests/interop -m "slow or not slow"

check: lint generated audit ## Lint, types, layers, generated files and what the kernel is built from

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py tests/semconv/test_registry.py

generated: install
	$(BIN)/python semconv/generate.py --check
	$(BIN)/python collector-config/generate.py --check
	$(BIN)/python -m tests.instrument.matrix --check
	$(BIN)/python python-sdk/kernel/lock.py check

audit: install
ifeq ($(CARGO),)
	@echo "No Rust toolchain: what the kernel is built from is not looked at."
else
	$(BIN)/python python-sdk/kernel/audit.py
endif

generate: install ## Write every generated file again
	$(BIN)/python semconv/generate.py
	$(BIN)/python collector-config/generate.py
	$(BIN)/python -m tests.instrument.matrix

lock: ## Resolve the dependencies again and write the lock files
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
		--custom-compile-command "make lock" --all-extras --group python-sdk/pyproject.toml:dev \
		python-sdk/pyproject.toml -o $(LOCK)
	$(BIN)/python python-sdk/kernel/lock.py write

bench: install ## CPU-seconds for a million spans and memory, beside a real Collector where one was built
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.validate
	$(BIN)/python -m tests.bench.turn
	$(BIN)/python -m tests.bench.instrument

instructions: install ## Instructions of scan and splice a span, against their bounds (needs valgrind and Rust)
	$(BIN)/python -m tests.bench.instructions

bench-peer: ## Build a real OpenTelemetry Collector to compare with (needs Go)
	collector-config/otelcol/build.sh

clean: ## Remove everything that was made
	rm -rf $(VENV) $(DEMO_DATA) .artefacts .peer python-sdk/kernel/target .pytest_cache .mypy_cache .ruff_cache .hypothesis
