PYTHON ?= python3
PORT ?= $(if $(filter serve,$(MAKECMDGOALS)),5001,5000)
KILLS ?= 100
# Before the next line, which would find the Python of an environment that may have to be made anew.
FIND_PYTHON := PATH='$(PATH)'

# Stage commands and mlflow's scorers say `python`: it must be the environment's.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup repro status compare test integration torture bench ablation lint ui serve

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: ## Create .venv and install the project with its pinned dependencies (PYTHON=python3)
	@$(FIND_PYTHON) $(PYTHON) -I pipeline/install.py $(if $(filter file,$(origin PYTHON)),,--exactly)
	@python -m pipeline.site_cache

repro: setup ## Train, evaluate and register a model on the default corpus
	@find .dvc/tmp -name rwlock -empty -delete 2>/dev/null || true # DVC was killed while it wrote it, and cannot read it
	dvc repro
	@python -m pipeline.result

status: setup ## Say what `make repro` would run; exit code 0 if nothing
	@python -m pipeline.status

# columns that no one compares: when, digests of code, and dependencies
compare: HIDDEN = Created|download|preprocess|pretrain|pseudo_label|train|evaluate|register|data|downloads|behaviour_suite|.*/.*
compare: setup ## Compare the experiments of DVC: the numbers and the settings that differ
	@dvc exp show --only-changed --drop '^($(HIDDEN))$$' --no-pager

test: setup lint ## Check style and types, and run the tests
	python -m pytest --numprocesses auto --dist worksteal

integration: setup ## Run the slow tests and those that need Debian packages (a test whose package is missing says so)
	python -m pytest tests/integration -rs --numprocesses auto --dist worksteal

torture: setup ## Kill the pipeline at random moments, see that nothing is lost (KILLS=100): docs/faults.md
	python -m tests.torture --kills $(KILLS)

bench: setup ## Measure the speed: reports/benchmarks.json, docs/performance.md
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

serve: setup ## Serve the champion over HTTP (PORT=5001)
	@exec python -m pipeline.serve --port $(PORT)
