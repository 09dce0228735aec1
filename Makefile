# hanjul: `make demo` shows it, `make test` proves it. Everything else is for people who work on it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
UV_VERSION := 0.13.9
READY  := $(VENV)/.ready
BENCH  := .venv-bench
STT    := .venv-stt

export UV_PYTHON_DOWNLOADS = never
.DEFAULT_GOAL := help

.PHONY: help demo test check format generate bench torture lock matrix older clean example-stt example-webhooks

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(UV):
	@$(PYTHON) tools/bootstrap.py $(VENV) uv==$(UV_VERSION)

$(READY): $(UV) requirements/dev.txt pyproject.toml
	@echo "installing the locked packages (once)"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: $(READY)  ## start PostgreSQL, run the tutorial, deliver 2,000 e-mails, kill a worker on the way
	@$(BIN)/hanjul demo

test: check  ## everything: the gate, then all tests (end to end, with real servers and real failures)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)
	@$(MAKE) --no-print-directory older matrix

check: $(READY)  ## format, lint, strict types, floors, generated files fresh, SQL matches calls.py
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && echo "format, lint: ok"
	@$(BIN)/mypy && $(BIN)/lint-imports --no-logo
	@$(BIN)/python tools/generate.py --check && $(BIN)/python tools/check_calls.py

format: $(READY)  ## put the code into its standard form
	@$(BIN)/ruff check --quiet --fix-only . ; $(BIN)/ruff format --quiet .

generate: $(READY)  ## write the files that are made from others (the sync clients)
	@$(BIN)/python tools/generate.py

older: $(READY)  ## the SQL tests on PostgreSQL 14, 15, 16 and 17: make older MAJORS="14 17"
	@$(BIN)/python -m tools.postgres_versions $(MAJORS)

matrix: $(READY)  ## the core tests on every other Python found here, and with the oldest allowed packages
	@$(BIN)/python tools/matrix.py

bench: $(BENCH)/.ready  ## measure against the peers: make bench ONLY=queues JSON=out.json QUICK=1
	@$(BENCH)/bin/python -m bench $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json $(JSON)) $(if $(QUICK),--quick)

torture: $(READY)  ## kills, freezes, cuts, crashes: make torture SECONDS=600, or KILLS=2000 CRASHES=200, MUTANTS=1; JOBS=100000 KILLS=1000
	@$(BIN)/python -m $(if $(JOBS),tests.torture.jobs --jobs $(JOBS),tests.torture) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(KILLS),--kills $(KILLS)) \
	    $(if $(CRASHES),--crashes $(CRASHES)) $(if $(MUTANTS),--mutants)

example-stt: $(STT)/.ready  ## the story: 40 recordings, answered at once, transcribed by two workers, one killed; before and after
	@$(STT)/bin/python -m examples.stt.run $(if $(RECORDINGS),--recordings $(RECORDINGS)) $(if $(SENTENCES),--sentences $(SENTENCES)) \
	    $(if $(NAIVE),--naive)

example-webhooks: $(READY)  ## 500 orders reach a receiver that fails, limits, goes away and stalls: signed, in order, none lost
	@$(BIN)/python -m examples.webhooks.run $(if $(ORDERS),--orders $(ORDERS)) $(if $(CUSTOMERS),--customers $(CUSTOMERS))

$(STT)/.ready: $(UV) requirements/stt.txt pyproject.toml
	@echo "installing what the example needs into $(STT) (once)"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(STT)
	@$(UV) pip sync --quiet --python $(STT)/bin/python --require-hashes requirements/stt.txt
	@$(UV) pip install --quiet --python $(STT)/bin/python --no-deps --editable .
	@touch $@

$(BENCH)/.ready: $(UV) requirements/bench.txt pyproject.toml
	@echo "installing the peers into $(BENCH) (once)"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(BENCH)
	@$(UV) pip sync --quiet --python $(BENCH)/bin/python --require-hashes requirements/bench.txt
	@$(UV) pip install --quiet --python $(BENCH)/bin/python --no-deps --editable .
	@touch $@

COMPILE := $(UV) pip compile --universal --generate-hashes --no-header --python-version 3.11 --quiet --upgrade
lock: $(UV)  ## renew requirements/*.txt
	@$(COMPILE) pyproject.toml --all-extras --group pyproject.toml:dev --output-file requirements/dev.txt
	@$(COMPILE) pyproject.toml --extra all --group pyproject.toml:bench --constraints requirements/dev.txt --output-file requirements/bench.txt
	@$(COMPILE) pyproject.toml --extra all --output-file requirements/run.txt
	@$(COMPILE) --group pyproject.toml:node --output-file requirements/node.txt
	@$(COMPILE) pyproject.toml --extra all --group pyproject.toml:stt --constraints requirements/dev.txt --output-file requirements/stt.txt

clean:  ## remove the environment and caches
	@rm -rf $(VENV) .venv-* .partman tests/node/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
