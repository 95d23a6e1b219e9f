# `make` lists what can be made.  Another interpreter: `make demo PYTHON=python3.12`.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
SHELL := /bin/sh
# All tests at once: four processes, since most of a test's time is waiting.
TOGETHER := -n 4 --dist worksteal
.DEFAULT_GOAL := help
.PHONY: help demo test chaos bench bench-peers lock clean

help:  ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(INSTALLED)  ## See it work, on a database of its own
	@$(BIN)/minutehand demo $(ARGS)

test: $(INSTALLED)  ## Check style, types and imports, and run the tests (some of them: ARGS=tests/unit)
	@echo "Checking style, types and imports"
	@$(BIN)/ruff check -q
	@$(BIN)/ruff format -q --diff
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@found=$$($(BIN)/squawk sql/*.sql sql/*/*.sql 2>&1) || { echo "$$found"; exit 1; }
	@echo "Running the tests"
	@$(BIN)/pytest $(or $(ARGS),$(TOGETHER))

chaos: $(INSTALLED)  ## Kill, stop and restart everything while it works, on and on (a tenth of it, some minutes: CHAOS_SHARE=0.1)
	@CHAOS=long $(BIN)/pytest -s tests/chaos $(ARGS)

bench: $(INSTALLED)  ## Measure it on this machine
	@$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(INSTALLED)  ## Measure it beside other queues in Postgres, which it installs in the user's cache
	@$(BIN)/python -m benchmarks.peers $(ARGS)

# Pins all that is used, with hashes of every published file, and without a word about where they came from.
lock:  ## Renew requirements.lock (everything to its newest: ARGS=--upgrade)
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	"$(PYTHON)" -m venv "$$tools"; "$$tools/bin/python" -m pip install -qq --upgrade pip pip-tools; \
	CUSTOM_COMPILE_COMMAND="make lock" "$$tools/bin/pip-compile" -q --all-extras \
	  --generate-hashes --strip-extras --allow-unsafe --no-emit-options \
	  --output-file requirements.lock $(ARGS) pyproject.toml; \
	if grep -nE '://|^-| @ ' requirements.lock; then echo "requirements.lock names a place (above)." >&2; exit 1; fi

clean:  ## Remove what was made
	rm -rf .venv dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf tests/supabase/node_modules tests/supabase/.deno
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# From scratch whenever what is to be installed has changed, so that a package no longer named is gone too.
$(INSTALLED): requirements.lock pyproject.toml
	@"$(PYTHON)" -c "" 2>/dev/null || { echo "There is no $(PYTHON) that runs. Install Python 3.11 or newer" \
	  "(Debian: apt-get install python3 python3-venv), or name yours: make PYTHON=/path/to/python3"; exit 1; } >&2
	@"$(PYTHON)" -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "$$("$(PYTHON)" -V 2>&1) is too old:" \
	  "3.11 or newer is needed. Install one and name it: make PYTHON=python3.12"; exit 1; } >&2
	@"$(PYTHON)" -c "import venv, ensurepip" 2>/dev/null || { package=$$("$(PYTHON)" -c \
	  "import sys; print('python%d.%d-venv' % sys.version_info[:2])"); echo "$(PYTHON) cannot make virtual environments." \
	  "Install $$package (Debian: apt-get install $$package)"; exit 1; } >&2
	@echo "Making .venv"
	@"$(PYTHON)" -m venv --clear .venv
	@echo "Installing $$(grep -c == requirements.lock) packages (about half a minute, only this once)"
	@$(BIN)/python -m pip install -qq --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .
	@touch $@
