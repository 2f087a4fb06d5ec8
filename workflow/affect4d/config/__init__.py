"""The typed configuration: one module a room, joined in `project`.

Light to import: the Snakefile is parsed anew for every cluster job.
"""
