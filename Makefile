# `make help` lists the targets. PYTHON names the interpreter that makes the environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format types layers unit lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## the environment in .venv, from the lock file

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { echo "error: PANN needs Python 3.11 to 3.13; name one with make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	# torch first and alone: with its pinned version in place, no other package can draw in another build of it
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $(STAMP)

demo: $(STAMP) ## an atomic model and a report of the shipped series, by the shipped networks
	$(BIN)/python infer.py input=data/demo/series.h5 "elements=[Ni,Pt]" truth=data/demo/truth.xyz output=out/demo

test: lint layers types unit ## everything that CI runs

lint: $(STAMP) ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

layers: $(STAMP) ## import directions
	$(BIN)/lint-imports --no-cache

types: $(STAMP) ## static types
	$(BIN)/mypy

unit: $(STAMP) ## tests, and the notebook
	# two processes of one thread each: threads of several processes would fight for the cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests -n 2 --dist loadfile

format: $(STAMP) ## put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP) ## write the versions installed in .venv to requirements.lock
	{ head -2 requirements.lock; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean: ## remove the environment and what runs left
	rm -rf $(VENV) out outputs multirun .pytest_cache .mypy_cache .ruff_cache
