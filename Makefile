# Everything runs in .venv, which the first command makes; Python 3.11 or later is all it needs.
PYTHON ?= python3
BIN := .venv/bin
# More arguments for pytest, for example PYTEST_ARGS=tests/test_model.py
PYTEST_ARGS ?=

.PHONY: help demo test test-slow lint docs bench build-file bazel clean

help:
	@echo "make demo       train on the bundled digits, measure, export: runs/digits/"
	@echo "make test       the tests (offline)"
	@echo "make test-slow  the tests that take minutes each"
	@echo "make lint       formatting, lint and types"
	@echo "make docs       the site of docs/, with the Python interface: build/site/index.html"
	@echo "make bench      benchmarks: ratios against named alternatives"
	@echo "make build-file write the BUILD files anew from the imports"
	@echo "make bazel      build all and run quick tests with Bazel 4 (Debian: bazel-bootstrap), offline"
	@echo "make clean      remove .venv and build products; runs/ stays"

# The stamp is written last, so that an interrupted installation is done again.
.venv/installed: setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

demo: .venv/installed
	$(BIN)/python -m tf_sintrovae.main --flagfile=configs/digits.flags

# Two processes, a test file each at a time: files share nothing.
test: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Reads the sources without importing them; nothing in the pages comes from elsewhere.
docs: .venv/installed-docs
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html; its search needs a server: python -m http.server --directory build/site"

.venv/installed-docs: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@

bench: .venv/installed
	$(BIN)/python -m benchmarks.kernels
	$(BIN)/python -m benchmarks.batch_norm
	$(BIN)/python -m benchmarks.training_step
	$(BIN)/python -m benchmarks.step_profile
	$(BIN)/python -m benchmarks.input_pipeline
	$(BIN)/python -m benchmarks.export

build-file: .venv/installed
	$(BIN)/python -m tests.build_file

bazel: .venv/installed
	$(BIN)/python -m tests.run_bazel

clean:
	rm -rf .venv build dist *.egg-info
