# Everything is one command. `make demo` and `make test` need Python 3.11 (or newer) and make, and build the rest themselves.
#
#   make demo                   the whole gateway with a simulated city, live in the terminal
#   make demo DEMO_SECONDS=90   the same unattended: prints a summary and ends
#   make test                   all tests, on real servers (installs Debian's packages of them if they are missing)
#   make check                  what a commit must pass, in less than a minute

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
unexport PYTHONDONTWRITEBYTECODE  # tests that are compiled once start in half the time

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$p" && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
SOAK := tests/rules tests/gateway/core/test_core.py tests/gateway/core/test_core_records.py tests/gateway/core/test_core_rules_properties.py \
	tests/gateway/core/test_conditions.py tests/gateway/ledger tests/devices/qc tests/devices/test_hours.py tests/devices/test_timing.py
LOCK := $(BIN)/uv pip compile pyproject.toml requirements-build.in --universal --python-version 3.11 --quiet \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help demo test check bench bench-quality fuzz soak lock schemas dashboards format clean

help:  ## say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: .venv/.run  ## the gateway, a broker and a simulated city in the terminal (DEMO_SECONDS=90: unattended)
	$(BIN)/envgw demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

test: .venv/.dev  ## all tests, on real servers (PYTEST_ARGS="tests/rules -x" for some)
	bash tests/install_servers.sh
	PATH="$$PATH:/usr/sbin:/sbin" $(PYTEST) $(PYTEST_ARGS)

check: .venv/.dev  ## format, lint, types, import arrows and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-check} $(PYTEST) -q --durations 5 --durations-min 0.5 -m "not server and not slow" $(PYTEST_ARGS)

bench: .venv/.dev  ## measure: CPU a message, latency, memory, start; a table of ratios
	bash tests/install_servers.sh
	PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python -m tests.bench $(BENCH_ARGS)

bench-quality: .venv/.dev  ## what the quality tests find of what people labelled, by kind of fault (BENCH_ARGS=--write: into the docs)
	$(BIN)/python -m tests.bench.quality $(BENCH_ARGS)

fuzz: .venv/.dev  ## feed every reader of outside bytes with what it does not expect for ten minutes (FUZZ_SECONDS=60, FUZZ_ARGS="format")
	$(BIN)/python -m tests.fuzz.run --seconds $(or $(FUZZ_SECONDS),600) $(FUZZ_ARGS)

soak: .venv/.dev  ## 10,000 examples of each property of rules, core, ledger, judge and windows: hours (SOAK_ARGS="tests/rules" for some)
	HYPOTHESIS_PROFILE=soak $(PYTEST) --timeout 0 --durations 20 -m "hypothesis and not server" $(or $(SOAK_ARGS),$(SOAK))

format: .venv/.dev  ## write every file as the formatter wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: .venv/.dev  ## JSON Schemas for editors and the generated reference pages
	$(BIN)/python -m gateway.reference

dashboards: .venv/.dev  ## the JSON of the Grafana dashboards
	$(BIN)/python -m dashboards

lock: .venv/.dev  ## choose newest versions of everything (edit pyproject.toml first, if it should allow others)
	$(LOCK) --upgrade --output-file requirements.lock
	$(LOCK) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean:  ## remove what was built (not data/)
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is built once and again when its lock changes. Hashes are checked for every package; the project itself is
# built with the locked setuptools, so nothing outside the lock is downloaded.
.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found: install it, or name it: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.run: requirements.lock pyproject.toml | .venv/bin/pip
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

.venv/.dev: requirements-dev.lock .venv/.run
	$(PIP) install --require-hashes -r requirements-dev.lock
	touch $@
