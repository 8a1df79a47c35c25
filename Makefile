PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	URLLIB3_NO_OVERRIDE=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-binary urllib3-future --editable '.[dev,bench]' # as built here it leaves urllib3 alone
	@touch $@

demo: $(VENV)/.ready ## drive a wrapped client through every row of the table
	@$(BIN)/python -m statuspolicy.cli.demo

test: $(VENV)/.ready ## the tests, with branch coverage
	$(BIN)/python -m coverage run -m pytest
	$(BIN)/python -m coverage report

test-httpx2: $(VENV)/.ready ## the same tests, with httpx2 where they say httpx
	$(BIN)/python -m pytest -p tests.as_httpx2

night: $(VENV)/.ready ## the properties, with 100,000 examples each: for hours without you
	HYPOTHESIS_PROFILE=night $(BIN)/python -m pytest --timeout 0 \
		tests/test_guarantees.py tests/test_fields.py tests/test_hop.py

fleet: $(VENV)/.ready ## 1,000 clients and an outage, with and without a retry budget
	@$(BIN)/python benchmarks/fleet.py 1000

lint: $(VENV)/.ready ## ruff, as CI runs it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready ## mypy --strict and pyright
	$(BIN)/mypy
	$(BIN)/pyright --warnings

check: lint types test ## all that CI checks

fix: $(VENV)/.ready ## put the format right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.ready ## what handling a status code costs, beside other libraries: some minutes
	@$(BIN)/python benchmarks/bench.py

bench-quick: $(VENV)/.ready ## the same in less than a minute, to see that it runs
	@$(BIN)/python benchmarks/bench.py --quick

clean: ## remove what was made
	rm -rf $(VENV) dist .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache

.PHONY: help demo test test-httpx2 night fleet lint types check fix bench bench-quick clean
