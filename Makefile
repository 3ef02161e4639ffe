# Every target sets itself up in .venv: a machine needs Python 3.10 or later, pip and make.
# Another Python than python3: make test PYTHON=python3.12
# The tests run in as many processes as WORKERS says: make test WORKERS=8
# On Linux the torch of PyPI brings CUDA with it. The much smaller one for a CPU:
#     PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make test

PYTHON ?= python3
BIN := .venv/bin
DEMO := build/digits
WORKERS ?= 2

export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint site clean

demo: .venv/installed
	$(BIN)/python -m codemods apply fixtures/digits/source/train.py --out $(DEMO) --clients 2 --rounds 3 --local-epochs 1
	$(BIN)/python -m codemods simulate $(DEMO) --baseline

test: .venv/installed
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

site: .venv/installed
	$(BIN)/python -m pip install --editable '.[docs]'
	$(BIN)/mkdocs build --strict

clean:
	rm -rf .venv build

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --editable '.[dev]' --constraint constraints.txt
	$(BIN)/python -m compileall -q codemods engine rules
	touch $@
