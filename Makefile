# Everything starts here: `make` lists what there is. ARGS passes options on, as in: make nightly ARGS="--framework vllm"

SETUP := docker/setup/setup.sh
PYTHON := .venv/bin/python
UV := .venv/bin/uv
SHELL_SCRIPTS := $(wildcard docker/setup/*.sh docker/setup/*/*.sh) .ci/run
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup nightly ui test test-unit test-real bench lint lint-code lint-format lint-types lint-imports \
	lint-shell format lock lock-upgrade down clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: ## Make this machine ready: Python environment, Docker engine, emulation, registries, base image
	@$(SETUP)

nightly: ## Set up, then run tonight's whole night with the local profile (exit 0: green)
	@docker/setup/nightly.sh $(ARGS)

ui: ## Set up, then serve Dagster's pages on http://127.0.0.1:3000 until Ctrl-C
	@$(SETUP)
	@docker/setup/ui.sh

test: ## Set up with the development tools, then run the whole test suite
	@$(SETUP) --dev
	@$(PYTHON) -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations=25 $(ARGS)

test-unit: ## Run the tests that need no Docker
	@$(SETUP) --dev python
	@$(PYTHON) -m pytest tests/unit --durations=10 $(ARGS)

test-real: ## Build and test real inference engines (gigabytes, minutes)
	@$(SETUP) --dev
	@$(PYTHON) -m pytest -m real tests/real --durations=0 $(ARGS)

bench: ## Measure the pipeline against the figures it promises
	@$(SETUP) --dev
	@$(PYTHON) -m benchmarks.run $(ARGS)

lint: lint-code lint-format lint-types lint-imports lint-shell ## Check the code: ruff, mypy, import contracts, shellcheck

lint-tools:
	@$(SETUP) --dev python linters

lint-code: lint-tools
	$(PYTHON) -m ruff check

lint-format: lint-tools
	$(PYTHON) -m ruff format --check

lint-types: lint-tools
	$(PYTHON) -m mypy

lint-imports: lint-tools
	.venv/bin/lint-imports --no-logo

lint-shell: lint-tools
	shellcheck -x $(SHELL_SCRIPTS)

format: lint-tools ## Format the code and apply ruff's safe fixes
	$(PYTHON) -m ruff format
	$(PYTHON) -m ruff check --fix

LOCK := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --custom-compile-command "make lock"

lock: ## Make the lock files anew from pyproject.toml, keeping versions that still fit
	@test -x $(UV) || $(SETUP) --dev python
	$(LOCK) $(ARGS) pyproject.toml --output-file requirements.lock
	$(LOCK) $(ARGS) --group dev pyproject.toml --constraints requirements.lock --output-file requirements-dev.lock
	echo uv | $(LOCK) $(ARGS) - --output-file docker/setup/uv.lock
	printf 'hatchling\neditables\n' | $(LOCK) $(ARGS) - --output-file docker/setup/build.lock

lock-upgrade: ## Make the lock files anew with the newest versions
	@$(MAKE) lock ARGS=--upgrade

down: ## Stop the registries and the Docker engine that the set-up started
	@docker/setup/teardown.sh

clean: ## Remove the environment and the tools' caches; nights, artifacts and registries (.nightly) stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -not -path './.nightly/*' -prune -exec rm -rf {} +
