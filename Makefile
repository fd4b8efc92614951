# Two commands matter: `make demo` and `make test`. Each sets up all that it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: docs demo test check unit selftest nightly fast bench kills timescale setup chromium postgresql clean

demo: $(VENV)/.core  ## set up and run the main job on three small markets
	$(BIN)/assay demo

test: check unit selftest  ## everything that CI runs

check: $(READY)  ## style, types, layers, doctests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --doctest-modules src/assay --import-mode=importlib

unit: $(READY) chromium postgresql  ## the tests; examples and every code block of README and docs are among them
	$(BIN)/pytest -n 2 --durations=10

selftest: $(READY)  ## the judge judged on markets whose truth is known, and every attack on the audit
	$(BIN)/assay selftest

nightly: $(READY)  ## the same on three times as many markets; about an hour
	$(BIN)/assay selftest --nightly

fast: $(READY)  ## the inner loop: what takes under two seconds
	$(BIN)/pytest -n 2 -m "not slow and not browser and not postgres"

docs: $(READY)  ## the documentation site, in site/; every link is checked
	$(BIN)/pip install -q -e ".[docs]"
	$(BIN)/python docs/site/prepare.py
	$(BIN)/mkdocs build --strict

bench: $(READY)  ## ours beside peers; prints one JSON line a figure
	for file in $(filter-out benchmarks/kill_loop.py benchmarks/sweep_peers.py benchmarks/by_hand.py, $(wildcard benchmarks/[a-z]*.py)); do $(BIN)/python $$file || exit 1; done

kills: $(READY) postgresql  ## 200 kills of train, publish and record on each database, and the controls; some 20 minutes
	$(BIN)/python benchmarks/kill_loop.py 200 1

timescale: $(READY) postgresql  ## the record on TimescaleDB; URL=postgresql://… names a server that has it
	$(BIN)/python -m tests.track.timescale $(URL)

setup: $(READY)

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] < (3, 14), "Assay needs Python 3.11 to 3.13"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(READY): $(VENV)/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.core

chromium:  ## the browser that the report is looked at with
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	else \
		echo "the tests need Chromium: apt-get install chromium (or put one named chromium on the PATH)"; exit 1; \
	fi

postgresql:  ## the server that the record is tested on; the tests start one of their own and stop it
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null; \
	else \
		echo "the tests need PostgreSQL: apt-get install postgresql (or put initdb and postgres on the PATH)"; exit 1; \
	fi

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
