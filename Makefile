# Two commands: `make picture` draws a sheet with the shipped model, `make test` runs every check.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MODEL  ?= stickers-64

.PHONY: picture test lint types docs-pictures clean

picture: $(VENV)/.base
	@mkdir -p pictures
	$(BIN)/fromnoise sheet --model $(MODEL) --out pictures/first.png

test: lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

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

# The README's pictures, by the shipped model, unselected.
docs-pictures: $(VENV)/.base
	@mkdir -p docs/pictures pictures
	$(BIN)/fromnoise sheet --model $(MODEL) --out docs/pictures/first.png
	$(BIN)/fromnoise generate "red apple" --style noto --seed 0 --model $(MODEL) --out pictures/film.png \
		--film docs/pictures/film.png

clean:
	rm -rf $(VENV) pictures .pytest_cache .mypy_cache .ruff_cache
