# make demo [DATA=DIR]   the main job on a small scale, end to end, on rows that ship or on yours
# make demo-long       the same at a size from which the encoder learns: some 50 minutes on two cores, resumable
# make study DATA=DIR  the study of studies/nli-generators: some two hours on two cores, resumable
# make test [WORKERS=2]  make check, then all tests, the fast ones in this many processes
# make check             lint, import rules and types
# make fuzz [SECONDS=600] changed inputs for every reader (tests/fuzz); what breaks one is written to its corpus
# make docs             the documentation, strict: site/
# make faults            every command with a fault at every write, then killed at random: for the night
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?=
WORKERS ?= 2
SECONDS ?= 600

.PHONY: demo demo-long study test fast fuzz faults check docs install
.DEFAULT_GOAL := install

install: $(VENV)/installed.json

$(VENV)/installed.json: pyproject.toml $(wildcard .ci/hashes-*.txt) .ci/install
	@PYTHON=$(PYTHON) bash .ci/install $(VENV)

demo: install
	@$(BIN)/python -m evaluator.demo $(if $(DATA),--data-root $(DATA)) --install-facts $(VENV)/installed.json

demo-long: install
	@echo "some 50 minutes on two cores; stopped, the same command goes on"
	@$(BIN)/python examples/long/split.py runs/demo-long/rows
	@SYNTHGEN_THREADS=$$(( ($$(getconf _NPROCESSORS_ONLN) + 1) / 2 )) $(BIN)/evaluator run examples/long/experiment.toml

study: install
	@$(BIN)/python studies/nli-generators/run.py $(DATA)

# Cheap things first: lint and types, then the tests that say most of what is wrong. Real data and real models follow.
test: check docs fast
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "(realdata or model or browser or install or ray or slow) and not vllm and not gpu and not network"
	$(BIN)/pytest -m "vllm and not gpu and not network"

fast: install
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not realdata and not model and not browser and not vllm and not install and not ray and not slow and not gpu and not network"

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

fuzz: install
	$(BIN)/python -m tests.fuzz $(SECONDS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

faults: install
	$(BIN)/python -m tests.faults --jobs $(WORKERS)
	$(BIN)/python scripts/random_kills.py
