# Targets explain themselves: `make` alone lists them.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
# One more than there are cores: many tests wait for processes that they kill.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.DEFAULT_GOAL := help
.PHONY: help install extras dev demo test fuzz check format format-check lint types imports docs docs-check lock clean

help: ## list the targets
	@echo "make TARGET    (only python3, git and make are needed; everything goes into .venv)"
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## make .venv with the command .venv/bin/watchfloor
	@$(PYTHON) tools/bootstrap.py runtime
	@$(BIN)/python tools/assets.py || echo "the console works without them: no live updates, no graph"
	@echo "ready: $(BIN)/watchfloor --help"

extras: install ## the clients for Kafka, NATS and AWS besides
	@$(PYTHON) tools/bootstrap.py extras

dev: ## install, and the tools for tests and checks
	@$(PYTHON) tools/bootstrap.py dev
	@$(BIN)/python tools/assets.py || echo "the console works without them: no live updates, no graph"

demo: install ## set up, run the bundled story and open the console; ARGS=--once prints the summary and ends
	@$(BIN)/watchfloor demo $(ARGS)

test: dev ## set up and run every test that needs no server (ARGS: more words for pytest)
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

fuzz: dev ## fuzz readers and mappings for 10 minutes (ARGS: --minutes N, --corpus DIR)
	@$(PYTHON) tools/bootstrap.py fuzz
	@$(BIN)/python tools/fuzz.py $(ARGS)

check: dev format-check lint types imports docs-check ## format, lint, types, import arrows, docs fresh

format: dev ## write the one format
	@$(BIN)/ruff format src tests tools bench
	@$(BIN)/ruff check --fix -q src tests tools bench

format-check:
	@$(BIN)/ruff format --check -q src tests tools bench

lint:
	@$(BIN)/ruff check src tests tools bench

types:
	@$(BIN)/mypy

imports:
	@$(BIN)/lint-imports --no-cache

docs: dev ## write docs/reference anew from the code
	@$(BIN)/python tools/reference.py

docs-check:
	@$(BIN)/python tools/reference.py --check

COMPILE := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
  --custom-compile-command "make lock" pyproject.toml

lock: ## write the lock files anew from pyproject.toml (needs uv)
	$(COMPILE) -o locks/runtime.txt
	$(COMPILE) --all-extras -o locks/extras.txt
	$(COMPILE) --all-extras --group dev -o locks/dev.txt

clean: ## remove what was installed and built
	rm -rf .venv node_modules src/watchfloor/server/static/vendor src/watchfloor/detect/sigma/native/*.so .mypy_cache .ruff_cache .pytest_cache
