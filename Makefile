PYTHON ?= python3
PORT ?= 5000
KILLS ?= 100
VENV := .venv
INSTALLED := $(VENV)/installed

# Stage commands and mlflow's scorers say `python`: it must be the environment's.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup repro test integration torture bench ablation lint ui serve

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: $(INSTALLED) ## Create .venv and install the project with its pinned dependencies
	@$(VENV)/bin/pip --version >/dev/null 2>&1 || { echo "error: $(VENV) was made for another folder;" \
		"remove it (rm -r $(VENV)), then give the command again" >&2; exit 1; }
	@python -m pipeline.site_cache

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

repro: setup ## Train, evaluate and register a model on the default corpus
	@find .dvc/tmp -name rwlock -empty -delete 2>/dev/null || true # DVC was killed while it wrote it, and cannot read it
	dvc repro

test: setup lint ## Check style and types, and run the tests
	python -m pytest --numprocesses auto --dist worksteal

integration: setup ## Run the slow tests and those that need Debian packages (a test whose package is missing says so)
	python -m pytest tests/integration -rs --numprocesses auto --dist worksteal

torture: setup ## Kill the pipeline at random moments, see that nothing is lost (KILLS=100): docs/faults.md
	python -m tests.torture --kills $(KILLS)

bench: setup ## Measure the speed: reports/benchmarks.json, docs/performance.md (leave the machine alone meanwhile)
	python -m benchmarks

ablation: setup ## Train the recipe without each of its parts, three seeds each: docs/quality.md (hours)
	dvc exp run $(OVERRIDES:%=-S %) pretrain
	python -m pipeline.train -m sweep=ablation $(OVERRIDES)
	python -m pipeline.ablation

lint: setup
	ruff check
	ruff format --check
	mypy

ui: setup ## Show runs and models in the MLflow UI (PORT=5000)
	@exec python -m pipeline.ui --port $(PORT)

serve: PORT = 5001
serve: setup ## Serve the champion over HTTP (PORT=5001)
	@exec python -m pipeline.serve --port $(PORT)
