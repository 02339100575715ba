# KeQiao: `make run` and `make test` work right after a clone, with Python 3.11 and make alone.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Each finished step leaves a stamp; a step runs again when what it is made from is newer.
STAMPS := var/stamps
PACKAGES := $(VENV)/.packages
ASSETS := $(STAMPS)/assets
MESSAGES := $(STAMPS)/messages
MODEL := $(or $(KEQIAO_VAR),var)/models/multilingual-e5-small
CATALOGUES := $(wildcard locale/*/LC_MESSAGES/django.po */locale/*/LC_MESSAGES/django.po)
SOURCES := accounts catalog matchmaking config tests benchmarks manage.py

.DEFAULT_GOAL := help
.PHONY: help setup run test lint types ci bench messages clean
.DELETE_ON_ERROR:

help: ## List the targets
	@grep -hE '^[a-z-]+%?:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(PACKAGES) $(ASSETS) $(MESSAGES) $(if $(EMBEDDING_MODEL),,$(MODEL)) ## Install packages, assets, translations and the model

run: setup ## Run the whole platform; PORT=8080 chooses the port
	@exec $(PY) -m config.supervisor

test: setup ## Run the tests; ARGS="-k name" passes options to pytest
	$(PY) -m pytest $(ARGS)

lint: $(PACKAGES) ## Check style, templates and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/lint-imports --no-cache

types: $(PACKAGES) ## Check types
	$(BIN)/mypy $(wildcard $(SOURCES))

ci: ## Everything that must pass: lint, types, test
	$(MAKE) lint
	$(MAKE) types
	$(MAKE) test

bench: setup ## Run every benchmark at a small size
	@set -e; for file in benchmarks/bench_*.py; do \
		echo "== $$file"; $(PY) -m benchmarks.$$(basename $$file .py); \
	done

bench-rematch: setup ## 1,000 demands against 100,000 achievements in one pass
	$(PY) -m benchmarks.bench_rematch --demands 1000 --achievements 100000 $(ARGS)

bench-%: setup ## Run one benchmark: bench-retrieval N=100000; ARGS="..." passes options to it
	$(PY) -m benchmarks.bench_$(subst -,_,$*) $(ARGS)

messages: $(PACKAGES) ## Compile the translations
	@rm -f $(MESSAGES)
	@$(MAKE) --no-print-directory $(MESSAGES)

clean: ## Remove what can be made again; data, model and packages stay
	rm -rf static/vendor var/static var/static.stamp var/stamps var/test var/bench
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -not -path './node_modules/*' -prune -exec rm -rf {} +

# --- Steps --------------------------------------------------------------------------------------

$(PACKAGES): requirements/base.txt requirements/ml.txt requirements/dev.txt requirements/constraints.txt
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "KeQiao needs Python 3.11 or newer; name it with PYTHON=/path/to/python3.11."; exit 1; }
	@test -x $(PY) || "$(PYTHON)" -m venv $(VENV)
	$(PY) -m pip install --quiet -r requirements/base.txt -r requirements/ml.txt \
		-r requirements/dev.txt -c requirements/constraints.txt
	@touch $@

$(ASSETS): package.json package-lock.json scripts/build_assets.mjs scripts/echarts.mjs scripts/icons.txt static/brand/kq.svg | $(PACKAGES)
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && npm --version >/dev/null 2>&1 || \
		{ $(PY) -m pip install --quiet -r requirements/node.txt; }
	npm ci --silent
	npm run --silent build
	@mkdir -p $(STAMPS) && touch $@

$(MESSAGES): $(CATALOGUES) | $(PACKAGES)
	@set -e; for folder in $(sort $(foreach file,$(CATALOGUES),$(firstword $(subst /zh_Hans/, ,$(subst /en/, ,$(file)))))); do \
		$(BIN)/pybabel --quiet compile -D django -d $$folder; \
	done
	@mkdir -p $(STAMPS) && touch $@

$(MODEL): | $(PACKAGES)
	$(PY) manage.py prepare_model
