# karma_rllib: everything a newcomer, a contributor and CI type. `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
FILE   ?= tuned_examples/mirror_test_laptop.yaml

# Ray and W&B stay on this machine and say little.
export RAY_USAGE_STATS_ENABLED = 0
export WANDB_MODE ?= offline

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made setup.py constraints.txt
	$(PIP) setuptools wheel
	$(PIP) torch==2.13.0 --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run pyproject.toml
	$(PIP) --no-build-isolation -e ".[dev]"
	@touch $@

.PHONY: help install run test test-fast test-ray test-slow explore test-gpu check format lint type layers conformance golden bench clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/.dev ## create .venv with the package, editable, and the developer tools

run: $(VENV)/.run ## the Mirror Test on this machine: train, compare, draw (FILE=... for another experiment)
	$(BIN)/karma train $(FILE)

test: test-fast test-ray ## every test but the slow ones

test-fast: $(VENV)/.dev ## the tests that start no Ray, on two cores
	$(BIN)/pytest -n 2 -m "not slow and not ray"

test-ray: $(VENV)/.dev ## the tests that start Ray, a file at a time on each of two cores
	$(BIN)/pytest -n 2 --dist loadfile -m "ray and not slow"

test-slow: $(VENV)/.dev ## learning and long-run tests, tens of minutes
	$(BIN)/pytest -m slow --timeout 3600

explore: $(VENV)/.dev ## the property tests on cases that no run has seen yet
	HYPOTHESIS_PROFILE=explore $(BIN)/pytest -n 2 -m "not slow and not ray"

test-gpu: $(VENV)/.dev ## the tests that need a CUDA device
	$(BIN)/pytest -m gpu

check: lint type layers ## what CI asks before the tests

format: $(VENV)/.dev ## put the code in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.dev ## ruff, formatting included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(VENV)/.dev ## mypy
	$(BIN)/mypy

layers: $(VENV)/.dev ## import layers
	$(BIN)/lint-imports

conformance: $(VENV)/.dev ## outside suites and mutants against every world
	$(BIN)/pytest tests/conformance

golden: $(VENV)/.dev ## rewrite the golden traces after a deliberate change of dynamics
	@git diff --quiet || { echo "commit or stash first: golden traces are rewritten on a clean tree only"; exit 2; }
	$(BIN)/python -m tests.golden.regenerate
	git diff --stat

bench: $(VENV)/.dev ## throughput, as ratios to baselines measured in the same run
	$(BIN)/python -m benchmarks.world
	$(BIN)/python -m benchmarks.training

clean: ## remove the virtual environment and build leftovers
	rm -rf $(VENV) build dist *.egg-info
