"""The typed configuration: one module per stage, joined in `project`.

It imports no heavy library, because every job on a cluster parses the Snakefile anew.
"""
