# Two commands are all a fresh machine needs: `make demo` and `make test`. Both set everything up first.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PROCESSES ?= 2

.PHONY: demo test explore setup setup-test lint format docs bench reproduce reproduce-quick mutation fuzz torture bad-input memory sbom sanitize clean

demo: setup ## Set up, then train the default recipe on scikit-learn's digits.
	$(BIN)/chainrule train digits-mlp

test: setup-test ## Set up, then run every test.
	$(BIN)/python -m pytest -n $(PROCESSES)

explore: setup-test ## Run the tests with examples that were not drawn before.
	$(BIN)/python -m pytest -n $(PROCESSES) --hypothesis-profile explore

setup: $(VENV)/.user
setup-test: $(VENV)/.test

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)

NATIVE := CMakeLists.txt $(wildcard native/*pp native/kernels/*pp)

$(VENV)/.user: pyproject.toml $(NATIVE) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: pyproject.toml $(NATIVE) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	@touch $(VENV)/.user $@

lint: setup-test ## Style, types, and the direction of imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup-test ## Write the generated pages under docs/.
	$(BIN)/python tools/docs.py

bench: setup-test ## Step times against peers, into docs/results/ (minutes).
	$(BIN)/python benchmarks/run.py

reproduce: setup-test ## Train every reported row on the real data, into docs/results/ (hours; goes on where it stopped).
	$(BIN)/chainrule reproduce --all

reproduce-quick: setup-test ## The same with few epochs, into build/reproduce-quick (minutes).
	$(BIN)/chainrule reproduce --all --quick --out build/reproduce-quick

mutation: setup-test ## Plant faults and count how many the tests catch, into docs/results/ (minutes).
	$(BIN)/python tools/mutation.py

fuzz: setup-test ## Damaged and hostile files: 20,000 of data, 100,000 checkpoints, runs, into docs/results/ (half an hour).
	$(BIN)/python tools/fuzz --cases 20000 --report docs/results/fuzz.md
	$(BIN)/python tools/fuzz --group checkpoints --cases 100000 --report docs/results/fuzz.md
	$(BIN)/python tools/fuzz --group runs --cases 2000 --report docs/results/fuzz.md
	$(BIN)/python tools/fuzz --hostile --report docs/results/fuzz.md
	$(BIN)/python tools/fuzz --guided 30 --report docs/results/fuzz.md

torture: setup-test ## Runs killed, stopped and starved of disk, 500 kills among them, into docs/results/ (half an hour).
	$(BIN)/python tools/torture.py

bad-input: setup-test ## Every public entry point with every kind of bad argument, into docs/results/ (half an hour).
	$(BIN)/python tools/bad_input.py --report docs/results/bad-input.md

memory: setup-test ## The predicted memory of every recipe beside what is measured, into docs/results/ (minutes).
	$(BIN)/python tools/memory.py

sbom: setup-test ## The bill of materials of what is installed, docs/sbom.json.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7.0'
	$(BIN)/python tools/sbom.py

sanitize: setup-test ## The native engine under address, undefined-behaviour and thread sanitizers (minutes).
	$(BIN)/python tools/sanitize.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
