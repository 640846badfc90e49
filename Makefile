# Two commands: `make picture` draws a sheet with the shipped model, `make test` runs every check.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MODEL  ?= stickers-64

.PHONY: picture test lint types check clean

picture: $(VENV)/.base
	@mkdir -p pictures
	$(BIN)/fromnoise sheet --model $(MODEL) --out pictures/first.png

test: lint types
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests recipes benchmarks
	$(BIN)/ruff format --check src tests recipes benchmarks

types: $(VENV)/.dev
	$(BIN)/mypy

# The environment is made once, and again when what it should hold has changed.
$(VENV)/.base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) pictures .pytest_cache .mypy_cache .ruff_cache
