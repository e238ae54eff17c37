# The words that a developer types are the ones that CI runs.
# Each makes its own virtual environment; nothing outside this folder is touched.

PYTHON ?= python3
VENV ?= .venv
FOLDER ?= demo-data
BENCH ?= benchmark-data/venv
OPTIONS ?=
BIN := $(VENV)/bin
# two more than a small machine has processors: much is waited for, as by the jobs of clusters
WORKERS ?= 4
# modules are compiled when they are first imported, as few of all those in the packages are
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: help demo test lint bench bench-archive bench-cluster docs build clean

help:
	@echo "make demo    the main job on a local archive: a cohort through BET and back (FOLDER=$(FOLDER))"
	@echo "make test    lint, types and the whole test suite"
	@echo "make lint    ruff and mypy"
	@echo "make bench   the client beside curl and other clients; writes docs/benchmarks.md (OPTIONS=)"
	@echo "make bench-archive   the local archive at scale; writes docs/benchmarks-archive.md"
	@echo "make bench-cluster   what SLURM and Grid Engine cost a cohort; writes docs/benchmarks-cluster.md"
	@echo "make docs    the pages of docs/ as HTML, in build/site"
	@echo "make build   source distribution and wheel"
	@echo "make clean   remove what the above made"

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed")'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "installing the package with what the demo needs into $(VENV) ..."
	$(INSTALL) --editable '.[demo]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo "installing the package with what the tests need into $(VENV) ..."
	$(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/nipype-xnat demo --folder $(FOLDER)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# files in their own order: by number of tests the long ones, which have few, would come last, alone
test: lint
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# other clients at fixed versions, so an environment of its own
$(BENCH)/.ready: pyproject.toml benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	@echo "installing the package and the other clients into $(BENCH) ..."
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[archive]' -r benchmarks/requirements.txt
	@touch $@

bench: $(BENCH)/.ready
	PYTHONPATH=benchmarks $(BENCH)/bin/python -m bench $(OPTIONS)

bench-archive: $(VENV)/.test
	$(BIN)/python benchmarks/archive_scale.py

# needs root and the packages of tests/cluster/install; OPTIONS are those of the program
bench-cluster: $(VENV)/.test
	$(BIN)/python benchmarks/cluster_cohort.py $(OPTIONS)

docs: $(BIN)/python
	$(INSTALL) 'mkdocs>=1.5,<2'
	$(BIN)/mkdocs build --site-dir build/site

build: $(BIN)/python
	$(INSTALL) build
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) $(FOLDER) benchmark-data build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
