# The two commands of the README: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
CORES ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test soak check bench docs clean

demo: .venv/core
	$(BIN)/soundreel examples/speech.wav --image examples/portrait.png --engine preview \
		--overwrite -o output/video/demo.mp4

test: check
	$(BIN)/pytest --quiet -n $(CORES) --dist loadgroup

# What takes minutes: the whole of the fuzzing and stress tests, of which `make test` runs a tenth.
soak: .venv/dev
	$(BIN)/pytest --quiet -n $(CORES) --dist loadgroup -m soak

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/dev
	$(BIN)/python -m bench

# Counts again what `plan` predicts from (a minute), and puts that and the program's own words into
# the docs; tests compare them.
docs: .venv/dev
	$(BIN)/python scripts/needs_table.py
	$(BIN)/python scripts/memory_table.py --write
	$(BIN)/python scripts/update_docs.py

clean:
	rm -rf .venv output

.venv/python:
	$(PYTHON) -m venv .venv
	touch $@

.venv/core: .venv/python pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/dev: .venv/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[wan,dev]'
	touch $@ .venv/core
