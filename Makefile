# Everything runs in .venv/ of this checkout, which `make setup` creates; only Python >= 3.11 is needed before.
# uv is used when it is there, else venv and pip of the standard library.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first Python that is new enough; another one: make setup PYTHON=/path/to/python3.12
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$name"; break; }; done)

.PHONY: help setup demo test crash coverage lint check style types contracts browser bench scale executor sampled fuzz faults clean
.DEFAULT_GOAL := help

help:
	@echo 'make setup    create .venv/ and install kms-scan into it, with everything for development'
	@echo 'make demo     scan a small organization in an in-process AWS, write kms-scan-out/latest/'
	@echo 'make test     all tests that need no browser'
	@echo 'make crash    collections that die at 50 places of each kind, and are continued'
	@echo 'make coverage fails unless the tests of scanner/analyze take every branch of it'
	@echo 'make browser  the tests of the report in Chromium (/usr/bin/chromium)'
	@echo 'make lint     ruff, mypy and the import contracts; the same as make check'
	@echo 'make fuzz     random worlds, engine against the reference evaluator: make fuzz N=200000 SEED=0'
	@echo 'make faults   every API call times every way its answer can go wrong, printed as a matrix; minutes'
	@echo 'make bench    decisions per second, beside other evaluators where they are installed; the analysis of small organizations; rows per second of access.csv; calls per second of the collector'
	@echo 'make scale    the analysis of large made-up organizations, table into docs/benchmarks.md; up to ten minutes for each'
	@echo 'make executor the same analysis by one process, by two, and by a Dask cluster of two: make executor SIZES=300x100'
	@echo 'make sampled  engine, reference and whole analysis on triples of made-up organizations: make sampled N=300000 SEED=0'
	@echo 'make clean    remove .venv/, caches and builds; kms-scan-out/ stays'

setup: $(STAMP)

# A stamp, so that a second `make test` does not install again; the version is in the metadata of the installation.
$(STAMP): pyproject.toml requirements.lock scanner/__init__.py
	@set -eu; \
	enough='import sys; sys.exit(sys.version_info < (3, 11))'; \
	if ! "$(or $(PYTHON),false)" -c "$$enough" >/dev/null 2>&1; then \
		echo 'kms-scan needs Python 3.11 or newer, and `$(or $(PYTHON),python3)` is none.' >&2; \
		echo 'Install one, or name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.11' >&2; \
		exit 2; \
	fi; \
	echo 'installing into $(VENV)/ (once, a minute or two)'; \
	if command -v uv >/dev/null 2>&1; then \
		"$(BIN)/python" -c "$$enough" >/dev/null 2>&1 || uv venv --quiet --clear --python "$(PYTHON)" $(VENV); \
		uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --editable '.[dev]'; \
	else \
		if ! "$(BIN)/python" -c "import pip; $$enough" >/dev/null 2>&1; then \
			rm -rf $(VENV); \
			"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 2; }; \
		fi; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check \
			--constraint requirements.lock --editable '.[dev]'; \
	fi
	@touch $@
	@echo 'ready: $(BIN)/kms-scan --help'

demo: $(STAMP)
	$(BIN)/kms-scan demo --output kms-scan-out

test: $(STAMP)
	$(BIN)/python -m pytest -m 'not browser' -n 2

crash: $(STAMP)
	$(BIN)/python -m pytest -n 2 --all-points tests/unit/collect/test_interrupted.py

# Without the tests on random worlds, so that what is taken is the same in every run. The processes of pytest-xdist read
# the settings, [tool.coverage] in pyproject.toml, through the variables.
coverage: $(STAMP)
	rm -f .coverage .coverage.*
	COVERAGE_PROCESS_START='$(CURDIR)/pyproject.toml' COVERAGE_FILE='$(CURDIR)/.coverage' $(BIN)/python -m pytest -n 2 \
		tests/unit/analyze tests/unit/test_explain.py tests/conformance
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

browser: $(STAMP)
	$(BIN)/python -m pytest -m browser

lint check: style types contracts

N ?= 10000
SEED ?= 0
fuzz: $(STAMP)
	$(BIN)/python tests/fuzz.py $(N) --seed $(SEED)

faults: $(STAMP)
	$(BIN)/python tests/fault_matrix.py

bench: $(STAMP)
	$(BIN)/python benchmarks/decide.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/access.py
	$(BIN)/python benchmarks/collect.py

SIZES ?= 300x100 1000x300 1000x1000 10000x1000 100000x10000 1000x1000:unique 1000x1000:star
scale: $(STAMP)
	$(BIN)/python benchmarks/scale.py --sizes $(SIZES) --write docs/benchmarks.md

executor: SIZES := 300x100 1000x300
executor: $(STAMP)
	$(BIN)/python benchmarks/executor.py $(SIZES)

sampled: $(STAMP)
	$(BIN)/python benchmarks/sampled.py $(N) --seed $(SEED)

style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy -p scanner

contracts: $(STAMP)
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
