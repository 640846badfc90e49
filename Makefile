# `make picture` draws a sheet with the shipped model; `make test` checks nearly everything in some minutes, `make long` the rest.
# TORCH="…" chooses another PyTorch than the one that fits this machine: see install.py.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MODEL  ?= stickers-64
CHECKED := src tests recipes benchmarks install.py .ci
# Without compiled sources every command that a test starts would read the package anew, whatever the caller prefers.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=25
export TORCH

.PHONY: picture test tests long formats wheel lint types torture mixed-requests docs-pictures clean

picture: $(VENV)/.base
	@mkdir -p pictures
	$(BIN)/fromnoise sheet --model $(MODEL) --out pictures/first.png

test: lint types tests

tests: $(VENV)/.dev
	$(BIN)/python .ci/needs.py
	$(PYTEST) -m "not long"

# Whole trainings that are killed and go on, many processes, every chapter on every screen: tests/long.py.
long: $(VENV)/.dev
	$(PYTEST) -m long

# Once more what touches number formats, as a CPU without bf16 computes it.
formats: $(VENV)/.dev
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -m formats

# Damaged and hostile files, by the thousand (docs/reliability.md): two hours of one core, which may be had in pieces.
torture: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/torture.py --json 40000 --weights 60000 --settings 10000 \
		--pictures 20000 --prompts 5000 --out torture.jsonl

# A studio under mixed requests, ended again and again, and drawings in a row (docs/reliability.md); 40 minutes.
mixed-requests: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mixed_requests.py --minutes 30
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/drawings_in_a_row.py --drawings 1000

# The package as people get it: built, installed away from the sources, and used.
wheel: $(VENV)/.dev
	$(BIN)/python .ci/wheel.py

lint: $(VENV)/.dev
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)

types: $(VENV)/.dev
	$(BIN)/mypy

# The environment is made once, and again when what it should hold has changed or TORCH is said.
$(VENV)/.base: pyproject.toml constraints.txt install.py $(if $(TORCH),said)
	$(PYTHON) install.py $(VENV)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt install.py $(if $(TORCH),said)
	$(PYTHON) install.py --dev $(VENV)
	@touch $@ $(VENV)/.base

.PHONY: said
said:

# The pictures of README and docs, by the shipped model, unselected.
docs-pictures: $(VENV)/.base
	@mkdir -p docs/pictures pictures
	$(BIN)/fromnoise sheet --model $(MODEL) --out docs/pictures/first.png
	$(BIN)/fromnoise generate "red apple" --style noto --seed 0 --model $(MODEL) --out pictures/film.png \
		--film docs/pictures/film.png
	$(BIN)/fromnoise inspect words "red apple and green pear" --style noto --seed 5 --mute red --model $(MODEL) \
		--out docs/pictures/words.png
	$(BIN)/fromnoise inspect activations "red apple" --style noto --seed 5 --model $(MODEL) \
		--out docs/pictures/activations.png
	$(BIN)/fromnoise inspect noise --prompt "a red apple" --style noto --model $(MODEL) --out docs/pictures/noise.png
	$(BIN)/fromnoise inspect guidance "red apple" --style noto --model $(MODEL) --out docs/pictures/guidance.png
	$(BIN)/fromnoise inspect judge "red apple" --decoy tomato --decoy "green apple" --style noto --model $(MODEL) \
		--out docs/pictures/judge.png
	$(BIN)/fromnoise inspect map food fruit "red apple" --area --pictures 8 --style noto --steps 10 --model $(MODEL) \
		--out docs/pictures/map.png
	$(BIN)/fromnoise inspect stereogram mushroom --style noto --seed 4 --model $(MODEL) --out docs/pictures/hidden.png
	$(BIN)/fromnoise inspect axes --kinds banana,tomato,pea --measures yellowness,roundness --model $(MODEL) \
		--out docs/pictures/axes.png

clean:
	rm -rf $(VENV) pictures .pytest_cache .mypy_cache .ruff_cache
