# `make` alone lists what there is. The virtual environment makes itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PACKAGES := shared services/booking-command services/booking-query services/notifier infra
INSTALLED := $(VENV)/installed
INSTALLED_DEV := $(VENV)/installed-dev
PIP_INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: $(INSTALLED) ## Run everything on this machine; Ctrl-C stops it
	@exec $(VENV)/bin/python -m rebook_infra

.PHONY: test
test: $(INSTALLED_DEV) ## Prove that it works: unit, contract, integration and end-to-end tests
	@$(VENV)/bin/python -m pytest $(PYTEST)

.PHONY: check
check: $(INSTALLED_DEV) ## Look at the code: ruff, its formatter, mypy --strict
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

.PHONY: format
format: $(INSTALLED_DEV) ## Lay the code out as `make check` wants it
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

.PHONY: bench-command
bench-command: $(INSTALLED_DEV) ## Measure appends and commands, as ratios within one run (minutes)
	@$(VENV)/bin/python tests/bench/command.py

.PHONY: bench-relay
bench-relay: $(INSTALLED_DEV) ## Measure how fast a backlog is published, beside a bare producer
	@$(VENV)/bin/python tests/bench/relay.py

.PHONY: bench-query
bench-query: $(INSTALLED_DEV) ## Measure queries beside their bare SQL at three sizes, and replays (many minutes)
	@$(VENV)/bin/python tests/bench/query.py

.PHONY: bench-notifier
bench-notifier: $(INSTALLED_DEV) ## Measure how fast letters are sent, beside a bare loop over smtplib
	@cd tests && ../$(VENV)/bin/python -m bench.notifier

.PHONY: proof-notifier
proof-notifier: $(INSTALLED_DEV) ## Kill the notifier 100 times during 2,000 bookings (a quarter of an hour)
	@REBOOK_CRASH_BOOKINGS=2000 REBOOK_CRASH_KILLS=100 $(VENV)/bin/python -m pytest -s tests/integration/test_notifier_crashes.py

.PHONY: chaos
chaos: $(INSTALLED_DEV) ## Kill, freeze and lose everything under load, then check what is left (CHAOS_SECONDS, CHAOS_SEED)
	@PYTHONPATH=tests $(VENV)/bin/python -m chaos

.PHONY: fuzz
fuzz: $(INSTALLED_DEV) ## Send malformed, hostile and odd requests to every route (FUZZ_REQUESTS, FUZZ_SEED)
	@PYTHONPATH=tests $(VENV)/bin/python -m fuzz

.PHONY: soak
soak: $(INSTALLED_DEV) ## Steady load: nothing grows, and restarts are not felt (SOAK_SECONDS, SOAK_SEED)
	@PYTHONPATH=tests $(VENV)/bin/python -m soak

.PHONY: proof
proof: ## Everything that takes long: chaos by three seeds, fuzz, soak, benches (an hour)
	@for seed in 1 2 3; do CHAOS_SECONDS=600 CHAOS_SEED=$$seed $(MAKE) --no-print-directory chaos || exit 1; done
	@$(MAKE) --no-print-directory fuzz
	@SOAK_SECONDS=600 $(MAKE) --no-print-directory soak
	@$(MAKE) --no-print-directory proof-notifier bench-command bench-relay bench-query bench-notifier

.PHONY: docs
docs: $(INSTALLED) ## Write docs/asyncapi.yaml and docs/settings.md from the code
	@$(VENV)/bin/python -m rebook_infra.reference docs

.PHONY: clean
clean: ## Remove what was made here; bookings in .local stay
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} + -o -name '*.egg-info' -prune -exec rm -rf {} +

# The first Python that is new enough; venv and pip have to come with it.
$(VENV)/bin/python:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Rebook needs Python 3.11 or newer, and there is none on the PATH." >&2; exit 2; fi; \
	echo "Making a virtual environment with $$($$found --version)"; \
	$$found -m venv $(VENV) || \
	    { rm -rf $(VENV); echo "$$found cannot make a virtual environment; is its venv package installed?" >&2; exit 2; }

$(INSTALLED): constraints.txt $(PACKAGES:%=%/pyproject.toml) | $(VENV)/bin/python
	@echo "Installing what Rebook stands on (once, and when it changes)"
	@$(PIP_INSTALL) setuptools wheel
	@$(PIP_INSTALL) --no-build-isolation $(PACKAGES:%=-e ./%)
	@touch $@

$(INSTALLED_DEV): requirements-dev.txt $(INSTALLED)
	@echo "Installing what the tests and checks need"
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@
