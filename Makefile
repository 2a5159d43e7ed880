# Every target sets up what it needs, on a fresh machine with python 3.11+, make and a network.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
DEMO := demo-out

.PHONY: setup demo test check format bench soak lock docs sbom clean

# With LOCKED=1 exactly the versions of requirements/development.txt, each checked against its hash: what a build server
# should take. Nothing is resolved (--no-deps): older pips ask for another version of a package with extras then. pip check
# says what is missing. The build backend alone, hatchling, is fetched by pip in the version that pyproject.toml allows.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
define install_locked
$(PIP) --no-deps --require-hashes -r requirements/development.txt
$(PIP) --no-deps --editable .
$(BIN)/python -m pip check
endef

# The base install: all that cutting needs, free of torch; with LOCKED=1 all that is pinned.
$(STAMPS)/base: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import sys; sys.exit('carmask needs Python 3.11 or newer' if sys.version_info < (3, 11) else 0)"
ifdef LOCKED
	$(install_locked)
else
	$(PIP) --editable .
endif
	mkdir -p $(STAMPS) && touch $@

# Everything: training and the tools of development too (about 5 GB, most of it PyTorch with CUDA).
$(STAMPS)/all: $(STAMPS)/base
ifdef LOCKED
	$(install_locked)
else
	$(PIP) --editable '.[train,studio,cluster,serve,docs,dev]'
endif
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
		|| echo "No Chromium: tests of the pages will be skipped. apt-get install chromium"
	touch $@

setup: $(STAMPS)/all  ## install all extras into .venv

demo: $(STAMPS)/base  ## cut the example cars out
	$(BIN)/carmask cut examples/train --out $(DEMO)/cutouts
	$(BIN)/carmask cut examples/train --out $(DEMO)/masks --mask
	$(BIN)/carmask cut examples/train --out $(DEMO)/composites --background '#7a9e87'
	$(BIN)/carmask evaluate default examples --out $(DEMO)
	@echo
	@echo "Look at $(DEMO)/cutouts, $(DEMO)/masks and $(DEMO)/composites; confidences are in $(DEMO)/cutouts/report.csv."

check: $(STAMPS)/all  ## lint, types, direction of imports
	$(BIN)/ruff check src tests benchmarks examples docs
	$(BIN)/ruff format --check src tests benchmarks examples docs
	$(BIN)/mypy
	$(BIN)/lint-imports

# A worker of the tests for each core, up to four: each loads networks, and each test has one thread. A file's tests have
# the same worker. Training changes its process for good (allocator, threads): its tests have workers of their own.
WORKERS ?= logical
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile

test: check  ## check, then all tests with coverage; WORKERS=0 for one process
	failed=; export CARMASK_SKIPS=listed OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE; \
	$(PYTEST) --ignore tests/training --cov --cov-report= || failed=1; \
	$(PYTEST) tests/training --cov --cov-append --cov-report=term || failed=1; \
	test -z "$$failed"

format: $(STAMPS)/all  ## put the code in order
	$(BIN)/ruff check --fix src tests benchmarks examples docs
	$(BIN)/ruff format src tests benchmarks examples docs

docs: $(STAMPS)/all  ## the documentation as a site, in site/
	$(BIN)/python benchmarks/report.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Open site/index.html"

sbom: $(STAMPS)/base  ## sbom.json, the software bill of materials of what is installed in .venv, CycloneDX
	$(PYTHON) -m venv .venv-sbom && .venv-sbom/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom
	.venv-sbom/bin/cyclonedx-py environment $(BIN)/python --output-file sbom.json
	sed -i 's|file://$(CURDIR)|file://.|' sbom.json
	rm -rf .venv-sbom

lock:  ## requirements/development.txt anew: the newest versions that pyproject.toml allows, with hashes
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lock/bin/uv pip compile pyproject.toml $(foreach extra,train studio cluster heif serve table docs dev,--extra $(extra)) \
		--universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --quiet --output-file requirements/development.txt
	rm -rf .venv-lock

bench: $(STAMPS)/all  ## every claim of speed, measured side by side (a quarter of an hour)
	failed=; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || failed="$$failed $$script"; \
	done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

soak: $(STAMPS)/all  ## hours of kills, full disks, power cuts and damaged files; goes on where it was (docs/reliability.md)
	$(BIN)/python -m benchmarks.soak --minutes 30 --work soak-out --record
	$(BIN)/python benchmarks/report.py

clean:  ## remove what make made
	rm -rf $(VENV) $(DEMO) site soak-out sbom.json
