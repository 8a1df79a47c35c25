PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST = $(BIN)/python -m pytest --numprocesses 3 --dist worksteal
PYTHONS ?= 3.12 3.13 3.14 3.15

# What is compiled is kept, whatever the machine says: the tests start hundreds of Pythons.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# One environment; what a command needs comes into it with its first run: an extra, a stamp.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/.with-%: $(VENV)/.ready
	$(PIP) --editable '.[$*]'
	@touch $@

# urllib3-future, as built here, leaves urllib3 alone
$(VENV)/.with-bench: export URLLIB3_NO_OVERRIDE = 1
$(VENV)/.with-bench: PIP += --no-binary urllib3-future

demo: $(VENV)/.ready ## drive a wrapped client through every row of the table
	@$(BIN)/python -m statuspolicy.cli.demo

test: $(VENV)/.with-test ## the tests, but for the long ones
	$(PYTEST) -m 'not slow'

coverage: $(VENV)/.with-test ## all tests, with 100 % branch coverage: where all servers are
	rm -f .coverage .coverage.*
	COVERAGE_PROCESS_START=pyproject.toml $(PYTEST) --timeout 300 # what is measured is slower
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --fail-under=100

test-httpx2: $(VENV)/.with-test ## all tests, with clients of httpx2
	STATUSPOLICY_LIBRARY=httpx2 $(PYTEST)

test-pythons: ## the tests on the other Pythons that it is for; as root, where they aren't installed
	tests/pythons $(PYTHONS)

test-prereleases: ## whether the newest pre-releases of httpx and others will do; they are a warning
	$(PYTHON) -m venv --clear $(VENV)-prereleases
	$(VENV)-prereleases/bin/python -m pip install --quiet --disable-pip-version-check \
		--editable '.[http2,httpx2]'
	@$(VENV)-prereleases/bin/python tests/prereleases.py

night: $(VENV)/.with-test ## the properties, with 100,000 examples each: for hours without you
	HYPOTHESIS_PROFILE=night $(BIN)/python -m pytest --timeout 0 \
		tests/test_guarantees.py tests/test_fields.py tests/test_redirected.py

fleet: $(VENV)/.ready ## 1,000 clients and an outage, with and without a retry budget
	@$(BIN)/python benchmarks/fleet.py 1000

docs: $(VENV)/.with-test ## make docs/status-codes.md anew, of the tables in the code
	$(BIN)/python -m statuspolicy.cli.codes_page docs/status-codes.md

lint: $(VENV)/.with-lint ## ruff, as CI runs it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.with-types ## mypy --strict and pyright
	$(BIN)/mypy
	$(BIN)/pyright --warnings

check: lint types test ## what to run before a commit

fix: $(VENV)/.with-lint ## put the format right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.with-bench ## what handling a status code costs, beside other libraries: some minutes
	@$(BIN)/python benchmarks/bench.py

bench-quick: $(VENV)/.with-bench ## the same in less than a minute, to see that it runs
	@$(BIN)/python benchmarks/bench.py --quick

clean: ## remove what was made
	rm -rf $(VENV) $(VENV)-* dist .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache

.PHONY: help demo test coverage test-httpx2 test-pythons test-prereleases night fleet docs lint types check fix bench bench-quick clean
