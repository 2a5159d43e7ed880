# Every target sets up what it needs, on a fresh machine with python 3.11+, make and a network.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
DEMO := demo-out
RUNS := runs
TERMS := trained on photos of the Carvana Image Masking Challenge (Kaggle): the terms of that competition apply to the model too
TRAIN = $(BIN)/carmask train --data $(DATA)
AGAIN = --set learning_rate=6e-4 --set 'stages=[{height=896,width=1344,window=[448,832],locate=[192,288],batch=8,epochs=8}]'

.PHONY: setup demo test check format bench docs sbom model clean

# The base install: all that cutting needs, free of torch.
$(STAMPS)/base: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import sys; sys.exit('carmask needs Python 3.11 or newer' if sys.version_info < (3, 11) else 0)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	mkdir -p $(STAMPS) && touch $@

# Everything: training and the tools of development too (about 5 GB, most of it PyTorch with CUDA).
$(STAMPS)/all: $(STAMPS)/base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,studio,cluster,docs,dev]'
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

# Training changes its process for good (allocator, threads): its tests have one of their own.
test: check  ## check, then all tests with coverage
	CARMASK_SKIPS=listed $(BIN)/python -m pytest --ignore tests/training --cov --cov-report=
	CARMASK_SKIPS=listed $(BIN)/python -m pytest tests/training --cov --cov-append --cov-report=term

format: $(STAMPS)/all  ## put the code in order
	$(BIN)/ruff check --fix src tests benchmarks examples docs
	$(BIN)/ruff format src tests benchmarks examples docs

docs: $(STAMPS)/all  ## the documentation as a site, in site/
	$(BIN)/python benchmarks/report.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Open site/index.html"

sbom: $(STAMPS)/base  ## the software bill of materials of the base install, CycloneDX JSON
	$(PYTHON) -m venv .venv-sbom && .venv-sbom/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom
	.venv-sbom/bin/cyclonedx-py environment $(BIN)/python --output-file sbom.json
	rm -rf .venv-sbom

bench: $(STAMPS)/all  ## every claim of speed, measured side by side (a quarter of an hour)
	failed=; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || failed="$$failed $$script"; \
	done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

# An interrupted step goes on where it was when the target is made again. WEIGHTS: a file, where there is no network.
model: $(STAMPS)/all  ## the shipped models from nothing: make model DATA=carvana STREET=street [WEIGHTS=FILE]
	test -d "$(DATA)" -a -d "$(STREET)" || { echo "make model DATA=DIR STREET=DIR: see docs/model.md"; exit 2; }
	$(TRAIN) default --out $(RUNS)/default $(if $(WEIGHTS),--encoder-weights $(WEIGHTS))
	$(BIN)/carmask export $(RUNS)/default --licence "$(TERMS)" --out $(RUNS)/default.onnx
	$(TRAIN) default-wide --init $(RUNS)/default.onnx --extra-data $(STREET)=0.12 --out $(RUNS)/wide
	$(BIN)/carmask export $(RUNS)/wide --licence "$(TERMS)" --out $(RUNS)/wide.onnx
	$(BIN)/carmask blend $(RUNS)/default.onnx $(RUNS)/wide.onnx --share 0.5 --out $(RUNS)/middle.onnx
	$(TRAIN) default-finish --init $(RUNS)/middle.onnx --extra-data $(STREET)=0.12 --out $(RUNS)/finish
	$(BIN)/carmask export $(RUNS)/finish --out $(RUNS)/finish.onnx
	$(BIN)/carmask blend $(RUNS)/default.onnx $(RUNS)/finish.onnx --share 0.5 --out $(RUNS)/half.onnx
	$(BIN)/carmask blend $(RUNS)/half.onnx $(RUNS)/wide.onnx --share 0.2 --out $(RUNS)/blend.onnx
	$(TRAIN) default-zoom --init $(RUNS)/blend.onnx --extra-data $(STREET)=0.05 --out $(RUNS)/zoom
	$(BIN)/carmask export $(RUNS)/zoom --licence "$(TERMS)" --out $(RUNS)/zoom.onnx
	$(TRAIN) default-last --init $(RUNS)/zoom/weights.safetensors --out $(RUNS)/last
	$(TRAIN) default-last --init $(RUNS)/last/weights.safetensors $(AGAIN) --out $(RUNS)/again
	$(BIN)/carmask export $(RUNS)/again --licence "$(TERMS)" --out $(RUNS)/again.onnx
	$(BIN)/carmask blend $(RUNS)/zoom.onnx $(RUNS)/again.onnx --share 0.6 --out $(RUNS)/both.onnx
	$(BIN)/carmask quantize $(RUNS)/both.onnx $(DATA) --extra-data $(STREET) --out $(RUNS)/eight.onnx
	$(BIN)/carmask calibrate $(RUNS)/eight.onnx $(DATA) --extra-data $(STREET) --tune --name default --version 4 \
		--out $(RUNS)/model/default.onnx --page $(RUNS)/model
	$(BIN)/carmask blend $(RUNS)/zoom.onnx $(RUNS)/again.onnx --share 1 --out $(RUNS)/last.onnx
	$(BIN)/carmask calibrate $(RUNS)/last.onnx $(DATA) --extra-data $(STREET) --tune --test-time-augmentation --name best --version 1 \
		--out $(RUNS)/model/best.onnx

clean:  ## remove what make made
	rm -rf $(VENV) $(DEMO) site
