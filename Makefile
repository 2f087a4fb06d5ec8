# `make dataset` runs the main job, `make test` the tests; each sets up whatever it needs.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
READERS := build/readers
FACE_READERS := build/face_readers
SECOND_READER := build/second_reader
TRAIN := build/train
TRAINING := build/training
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: dataset test lint docs generated detector engine readers face-readers second-reader train \
	coverage clean

dataset: .venv/pipeline.done
	$(BIN)/snakemake --cores $(CORES)
	@echo "The dataset is in results/dataset, the report in results/report.html."

# one thread a process: two processes share the cores; what one compiles, the others read
test: export OMP_NUM_THREADS = 1
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/test.done
	$(BIN)/pytest --numprocesses 2 --dist loadfile --ignore tests/workflow
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/workflow

lint: .venv/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint
	$(BIN)/snakemake --dry-run --quiet all --cores 1
	$(BIN)/snakemake --dry-run --quiet all --cores 1 --snakefile workflow/Snakefile
	$(BIN)/snakemake --dry-run --quiet all --profile slurm

# how many of the library's statements and branches the tests run
coverage: .venv/test.done
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --ignore tests/workflow --cov --cov-report term

# landmarks for `affect4d synth` and `play` of photographs that have no landmark file
detector: .venv/detector.done

# Dask's workers beyond one job (`engine` in config.yaml)
engine: .venv/engine.done

# the libraries that others open a published dataset with, apart from what builds it
readers: $(READERS)/readers.done

# networks that read expression and identity of faces, apart from what they are to measure
face-readers: $(FACE_READERS)/readers.done

# another network that reads expressions, for benchmarks/readers.py; it needs Node.js 18 or newer
second-reader: $(SECOND_READER)/reader.done

# the paper's Tables 2 and 3: networks trained with and without the build's images; PyTorch lies apart
train: .venv/pipeline.done $(TRAIN)/train.done
	$(BIN)/snakemake --cores $(CORES)
	$(BIN)/python -m affect4d.training.prepare results $(TRAINING) $(wildcard training.yaml)
	PYTHONPATH=workflow OMP_NUM_THREADS=1 $(TRAIN)/bin/python -m affect4d.training.pytorch.experiment $(TRAINING)
	$(BIN)/python -m affect4d.training.audit results $(TRAINING)
	$(BIN)/python -m affect4d.training.report $(TRAINING)

# pages and schemas that are written from the code; the tests hold them to it
generated: .venv/pipeline.done
	$(BIN)/python -m affect4d.config.project > workflow/schemas/config.schema.json
	$(BIN)/python -m affect4d.config.document > docs/config.md
	$(BIN)/python -m affect4d.artifacts.document > docs/artifacts.md
	$(BIN)/python envs/conda.py > envs/pipeline.yaml.new
	mv envs/pipeline.yaml.new envs/pipeline.yaml

docs: generated .venv/docs.done
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/site

clean:
	rm -rf .venv .snakemake build workflow/*.egg-info

.venv/pipeline.done: envs/pipeline.txt envs/data.txt envs/constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) -r envs/pipeline.txt -c envs/constraints.txt
	$(PIP) --no-deps -r envs/data.txt
	$(PIP) --no-build-isolation --no-deps --editable .
	$(BIN)/python -m affect4d.template.menpo3d_data
	touch $@

.venv/engine.done: envs/engine.txt .venv/pipeline.done
	$(PIP) -r envs/engine.txt -c envs/constraints.txt
	touch $@

.venv/test.done: envs/test.txt .venv/engine.done
	$(PIP) -r envs/test.txt -c envs/constraints.txt
	touch $@

.venv/docs.done: envs/docs.txt .venv/pipeline.done
	$(PIP) -r envs/docs.txt -c envs/constraints.txt
	touch $@

.venv/detector.done: envs/detector.txt .venv/pipeline.done
	$(PIP) --no-deps -r envs/detector.txt
	touch $@

$(READERS)/readers.done: envs/readers.txt
	$(PYTHON) -m venv $(READERS)
	$(READERS)/bin/pip install --quiet --disable-pip-version-check -r envs/readers.txt
	touch $@

$(FACE_READERS)/readers.done: envs/face_readers.txt envs/face_readers_data.txt
	$(PYTHON) -m venv $(FACE_READERS)
	$(FACE_READERS)/bin/pip install --quiet --disable-pip-version-check -r envs/face_readers.txt
	$(FACE_READERS)/bin/pip install --quiet --disable-pip-version-check --no-deps \
	    --no-build-isolation -r envs/face_readers_data.txt
	touch $@

$(SECOND_READER)/reader.done: envs/second_reader/package.json
	mkdir -p $(SECOND_READER)
	cp $< $(SECOND_READER)
	npm install --prefix $(SECOND_READER) --ignore-scripts --no-audit --no-fund --loglevel error
	touch $@

$(TRAIN)/train.done: envs/train.txt
	$(PYTHON) -m venv $(TRAIN)
	$(TRAIN)/bin/pip install --quiet --disable-pip-version-check -r envs/train.txt
	touch $@
