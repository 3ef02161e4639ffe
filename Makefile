# Every target sets itself up in .venv: a machine needs Python 3.10 or later, pip and make.
# The torch of PyPI brings CUDA on Linux; without a GPU, PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu saves 4 GB.

PYTHON ?= python3
BIN := .venv/bin
DEMO := build/digits

export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint clean

demo: .venv/installed
	$(BIN)/python -m codemods apply fixtures/digits/source/train.py --out $(DEMO) --clients 2 --rounds 3 --local-epochs 2
	$(BIN)/python -m codemods simulate $(DEMO)

test: .venv/installed
	$(BIN)/python -m pytest

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf .venv build

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --editable '.[dev]' --constraint constraints.txt
	touch $@
