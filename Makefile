PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: check
check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
