# Each target works from a fresh clone with nothing but Python ≥ 3.11; it makes .venv itself.
PYTHON ?= python3
BIN := .venv/bin
SHOP ?= demo

.PHONY: demo test fast torture dev lint mlflow bench clean

demo: .venv/installed
	@$(BIN)/dearly demo

test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check dagster_project ml tests benchmarks simulator
	$(BIN)/mypy --no-incremental
	OMP_NUM_THREADS=1 $(BIN)/pytest tests -n 2 --dist loadgroup

# For every save: no store is built.
fast: .venv/installed
	$(BIN)/pytest tests -m "not whole"

# Everything that breaks readers, in every table of every system, and 200 orders of arrival; CI takes a sample.
torture: .venv/installed
	DEARLY_TORTURE=whole OMP_NUM_THREADS=1 $(BIN)/pytest tests/sources -n 2

dev: .venv/installed
	@$(BIN)/dearly dev --shop $(SHOP)

lint: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format dagster_project ml tests benchmarks simulator
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt/models

mlflow: .venv/installed
	@$(BIN)/dearly mlflow --shop $(SHOP)

# The peers that benchmarks/ measures beside us.
bench: .venv/installed
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-bench.lock

# uv installs in half a minute what takes pip three; where there is no uv, or it cannot reach the index, pip does it.
# Bytecode is compiled at install: without it each process compiles its imports anew, five seconds instead of one.
.venv/installed: requirements.lock pyproject.toml
	@echo "Making .venv from requirements.lock (once; a minute or two) …"
	@$(PYTHON) -m venv --clear .venv
	@{ command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; } 2>/dev/null && \
		PATH="$$PATH:$(CURDIR)/$(BIN)" uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python requirements.lock || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m ensurepip --upgrade >/dev/null 2>&1 || true
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf .venv data dbt/target dbt/logs
