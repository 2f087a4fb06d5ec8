# `make dataset` runs the main job, `make test` the tests; each sets up whatever it needs.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: dataset test lint docs detector clean

dataset: .venv/pipeline.done
	$(BIN)/snakemake --cores $(CORES)
	@echo "The dataset is in results/dataset, the report in results/report.html."

test: .venv/test.done
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --ignore tests/workflow
	$(BIN)/pytest tests/workflow

lint: .venv/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint
	$(BIN)/snakemake --dry-run --quiet all --cores 1
	$(BIN)/snakemake --dry-run --quiet all --profile slurm

# landmarks for `affect4d synth` and `play` of photographs that nobody has marked
detector: .venv/detector.done

docs: .venv/pipeline.done
	$(BIN)/python -m affect4d.config.project > workflow/schemas/config.schema.json
	$(BIN)/python -m affect4d.config.document > docs/config.md

clean:
	rm -rf .venv .snakemake build workflow/*.egg-info

# numpy and cython first: menpo3d builds against them and declares neither.
.venv/pipeline.done: envs/pipeline.txt envs/constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) -r envs/pipeline.txt -c envs/constraints.txt
	$(PIP) --no-build-isolation --no-deps menpo3d==0.8.6
	$(PIP) --no-build-isolation --no-deps --editable .
	touch $@

.venv/test.done: envs/test.txt .venv/pipeline.done
	$(PIP) -r envs/test.txt -c envs/constraints.txt
	touch $@

.venv/detector.done: envs/detector.txt .venv/pipeline.done
	$(PIP) --no-deps -r envs/detector.txt
	touch $@
