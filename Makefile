# The two commands of the README: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
CORES ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test soak check bench docs clean

demo: .venv/core
	@echo "Making output/video/demo.mp4 of examples/speech.wav and examples/portrait.png ..."
	$(BIN)/soundreel examples/speech.wav --image examples/portrait.png --engine preview \
		--overwrite -o output/video/demo.mp4
	@echo "Open it with any player or browser."

# `worksteal` leaves the tests of a file to one process, which makes what they share once.
# A dot product of numpy's OpenBLAS over two threads once stood for an hour on a busy machine.
test soak: export OPENBLAS_NUM_THREADS := 1

test: check
	@echo "Running all tests on $(CORES) cores; some 15 minutes on two ..."
	$(BIN)/pytest --quiet -rs -n $(CORES) --dist worksteal --ignore tests/web/page
	@echo "And those of the page, before one browser ..."
	$(BIN)/pytest --quiet -rs tests/web/page

# What takes minutes: the whole of the fuzzing and stress tests, of which `make test` runs a tenth.
soak: .venv/dev
	$(BIN)/pytest --quiet -n $(CORES) --dist worksteal -m soak

check: .venv/dev
	@echo "Checking form and types; mypy takes a minute the first time ..."
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
	@echo "Making .venv with $(PYTHON) ..."
	$(PYTHON) -m venv .venv
	touch $@

.venv/core: .venv/python pyproject.toml
	@echo "Fetching soundreel's packages into .venv, once: about 150 MB ..."
	$(BIN)/pip install -qq --editable .
	touch $@

.venv/dev: .venv/python pyproject.toml constraints.txt
	@echo "Fetching what the tests need into .venv, once: about 500 MB, and several GB"
	@echo "more where torch comes with libraries for NVIDIA cards ..."
	$(BIN)/pip install -qq --constraint constraints.txt --editable '.[wan,dev]'
	touch $@ .venv/core
