# Everything here works on a machine with only Python >= 3.11, pip and make.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test coverage smoke analytic lint check bench fault docs figures notebooks clean

help: ## Say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.installed ## Make .venv and install grokscope into it
.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/.dev: .venv/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/.docs: .venv/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs,images]'
	touch $@

.venv/.notebooks: .venv/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[notebooks]'
	touch $@

demo: setup ## Train the classic network until it groks and write its report: some minutes
	$(BIN)/grokscope train nanda-113

test: .venv/.dev ## Run all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal -q

coverage: .venv/.dev ## Run all tests and count the lines they reach: takes nearly twice as long
	$(BIN)/python -m pytest -n 2 --dist worksteal -q --cov --cov-report=term --cov-fail-under=90

smoke: setup ## Train the smallest recipe, verify it, read it back: seconds
	$(BIN)/grokscope train quick --out runs/smoke
	$(BIN)/grokscope verify runs/smoke/*

analytic: setup ## Simulate norm minimization without training and check it: seconds
	$(BIN)/python examples/analytic.py

lint: .venv/.dev ## Format, lint and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

check: lint ## Format, lint, types and the fast tests
	$(BIN)/python -m pytest -n 2 --dist worksteal -q -m 'not slow'

docs: .venv/.docs ## Build the documentation into site/
	$(BIN)/python docs/generate.py
	$(BIN)/zensical build --clean

bench: .venv/.dev ## Compare a step with plain eager PyTorch, side by side
	$(BIN)/python benchmarks/bench.py

fault: .venv/.dev ## Break every promise of a run on purpose: the long run, some hours
	$(BIN)/python faults/run.py

figures: .venv/.docs ## Draw the pictures of README and docs from real runs
	$(BIN)/python docs/figures.py

notebooks: .venv/.notebooks ## Run the notebooks and write them as pages that open without a network
	$(BIN)/python notebooks/export.py

clean: ## Remove what the build made; runs/ stays
	rm -rf .venv site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
