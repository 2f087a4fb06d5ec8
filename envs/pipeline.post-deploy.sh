#!/usr/bin/env bash
# Snakemake runs it in a conda environment that it has just made, in the working folder: a clone of
# the repository. What pip installs without its dependencies cannot be said in the conda file.
set -euo pipefail
pip install --no-deps --requirement envs/data.txt
pip install --no-build-isolation --no-deps --editable .
python -m affect4d.template.menpo3d_data
