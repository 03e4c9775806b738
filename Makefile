# Everything runs in .venv, made from requirements.lock. Needed beforehand: Python 3.11, git, make.

# some installations of Python 3.11 name it only python3
PYTHON ?= $(or $(shell command -v python3.11 2>/dev/null),python3)
OUT ?= runs/demo
CONFIG ?= demo
SITE ?= local

# An installed uv is used; otherwise pip installs one beside the environment.
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
BIN := .venv/bin
READY := .venv/.ready

# The tests of a file share what they set up, so one process has them all; the longest files come first by their names.
IN_PARALLEL = --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Worker processes share the cores: no library starts threads of its own.
export OMP_NUM_THREADS = 1
# Installing for each other's file systems must not warn about links that cannot be made.
export UV_LINK_MODE = copy
# Many processes import the same libraries: the first to do so leaves the bytecode for the others.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help analysis test test-long test-clusters lint lock clean environment
.DEFAULT_GOAL := help

help:  ## List the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

environment: $(READY)  ## Make the environment in .venv.

analysis: $(READY)  ## Run the demo analysis on this machine, from simulated events to limits and a report.
	$(BIN)/leptophile run --config $(CONFIG) --site $(SITE) --out $(OUT) \
	    --unblind "the data of this run are simulated: there is nothing to be biased by"
	@echo "Report: $(abspath $(OUT))/report/index.html"

test: $(READY) lint  ## Lint, check types and run all tests.
	$(BIN)/pytest $(IN_PARALLEL) --durations=15

test-long: $(READY)  ## Run the tests that take minutes: faults injected into runs, every door of a blinded one, validation.
	$(BIN)/pytest -m long --timeout 900 --durations=10

test-clusters: $(READY)  ## Start SLURM, Dask Gateway and XRootD on loopback, run the tests with them, and stop all of it.
	.ci/install-servers
	$(BIN)/pytest tests/clusters -m clusters -v $(IN_PARALLEL) --timeout 600 --durations=15; status=$$?; \
	    $(BIN)/python tests/clusters/daemons.py; exit $$status

lint: $(READY)  ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(UV)  ## Resolve the dependencies anew. The export names versions and hashes, no addresses.
	$(UV) lock --upgrade
	$(UV) export --locked --no-emit-project --no-header --no-annotate --all-groups -o requirements.lock

clean:  ## Remove the environment, caches and the runs.
	rm -rf .venv .tools runs .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv
