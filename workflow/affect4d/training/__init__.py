"""Training: does a network that also learns from synthesized images read better? (Tables 2, 3)

`prepare` runs in the pipeline's environment and writes arrays and tables; `pytorch.experiment`
trains on them in an environment of its own (`make train`); `report` compares what was read. Nothing
that a build runs imports this package. The folder `pytorch` alone imports PyTorch: it is no package
(it has no `__init__.py`), so that nothing that walks over the packages imports it.
"""
