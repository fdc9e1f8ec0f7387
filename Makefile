# make demo, make test, make lint, make bench: each sets up .venv with the pinned packages.

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
PYTHON ?= python3
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo test test-conda test-faults test-slurm test-slurm-faults test-storage kills lint coverage-models coverage coverage-all inside power planning bench bench-gpu zoo-publish schema fits sizes pins clean

help:
	@echo "make demo         the demo study, then its report (results/demo)"
	@echo "make test         the ordinary test suite"
	@echo "make test-conda   a study by --use-conda (minutes)"
	@echo "make test-faults  a study that is killed, runs out of space, is damaged (minutes)"
	@echo "make test-slurm   the demo on a real SLURM, installed and started here (minutes; root, Debian)"
	@echo "make test-slurm-faults  lost nodes, cancelled, preempted and timed-out jobs on it (minutes)"
	@echo "make test-storage a whole study whose results lie on object storage (minutes)"
	@echo "make kills        the demo killed at twenty random moments (long)"
	@echo "make lint         formatting, style, types, workflow and import checks"
	@echo "make coverage-models  check docs/coverage.csv against every module of timm (long)"
	@echo "make coverage     make docs/coverage.csv again; coverage-all takes every name (hours)"
	@echo "make inside       make docs/inside.csv and its tables in docs/methods.md again"
	@echo "make power        what the tests of architecture find, simulated, and its tables again (long)"
	@echo "make planning     time and memory of Snakemake itself on up to 100,000 jobs (long)"
	@echo "make bench        time and error beside other tools"
	@echo "make bench-gpu    a whole grid of models and methods, on a GPU if there is one"
	@echo "make zoo-publish  train the embedded models and put them into resources/zoo"
	@echo "make schema       document the configuration again"
	@echo "make fits         which methods cannot explain which models, for all names (long)"
	@echo "make sizes        what a pass of each model takes, for all names (half an hour)"
	@echo "make pins         resolve and pin all packages again"

demo: $(VENV)/run
	snakemake --cores all --quiet host rules
	snakemake --quiet all --report results/demo/report.html
	@echo
	@echo "Open results/demo/answers.html in a browser, results/demo/report.html, or the pictures:"
	@ls results/demo/figures/*/overlays.png results/demo/figures/*/heatmap.svg
	@echo "Tables are in results/demo/tables, maps in results/demo/maps."

test: $(VENV)/dev
	python -m pytest -n 2 --dist loadscope

test-conda: $(VENV)/dev
	python -m pytest -m conda tests/test_conda.py

test-faults: $(VENV)/dev
	python -m pytest -m faults tests/test_faults.py

# Where SLURM cannot be installed, its tests say why and are skipped, or fail if SIGHTLINE_NEEDS_SLURM is set.
test-slurm: $(VENV)/dev
	tests/slurm/install.sh
	python -m pytest -rs -m slurm --ignore tests/test_slurm_faults.py

test-slurm-faults: $(VENV)/dev
	tests/slurm/install.sh
	python -m pytest -rs -m slurm tests/test_slurm_faults.py

# Of a small study with experiments and checks, every rule, twice.
test-storage: $(VENV)/dev
	python -m pytest -m storage tests/test_storage.py

# Twice the demo, one of them in twenty-one parts.
kills: $(VENV)/dev
	python -m pytest -m kills tests/test_random_kills.py

lint: $(VENV)/dev
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	mypy
	lint-imports
	snakemake --lint

# Long: every module of timm, and the seed studies' models as a study.
coverage-models: $(VENV)/dev
	python -m pytest -n 2 -m coverage tests/test_coverage.py

coverage: $(VENV)/dev
	python tools/coverage.py

coverage-all: $(VENV)/dev
	python tools/coverage.py --all --resume

# Half an hour: every method on the clean models of the zoo.
inside: $(VENV)/dev
	python tools/inside.py

# As a study's jobs run: a batch's memory is kept for the next (workflow/rules/common.smk).
ALLOCATOR := MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296

# Half an hour: thousands of simulated studies.
power: $(VENV)/dev
	PYTHONPATH=workflow python benchmarks/power.py

# An hour: 1,000, 10,000 and 100,000 jobs that do nothing.
planning: $(VENV)/dev
	PYTHONPATH=workflow python benchmarks/planning.py --write

bench: $(VENV)/dev
	$(ALLOCATOR) PYTHONPATH=workflow python benchmarks/run.py

# Of an environment with a GPU, make bench-gpu GPU_PYTHON=python takes that one's packages.
GPU_PYTHON := $(BIN)/python
bench-gpu: $(if $(filter $(BIN)/python,$(GPU_PYTHON)),$(VENV)/run)
	PYTHONPATH=workflow $(GPU_PYTHON) benchmarks/gpu.py

zoo-publish: $(VENV)/run
	snakemake --cores all zoo
	python tools/publish_zoo.py

schema: $(VENV)/dev
	python tools/schema.py

# Long: after a method with fits was added, or with another timm.
fits: $(VENV)/dev
	python tools/fits.py

# Half an hour: after timm, torchvision or the zoo was renewed.
sizes: $(VENV)/dev
	python tools/sizes.py --again

pins: $(UV)
	python tools/pins.py

clean:
	rm -rf $(VENV) results .snakemake

# pip brings uv, uv everything else, by version and hash.
$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/run: requirements.txt | $(UV)
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.txt
	@$(BIN)/python tools/link.py
	@touch $@

$(VENV)/dev: requirements-dev.txt | $(UV)
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@$(BIN)/python tools/link.py
	@touch $@ $(VENV)/run
