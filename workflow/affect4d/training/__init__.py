"""Training: does a network that also learns from synthesized images read better? (Tables 2, 3)

`prepare` runs in the pipeline's environment and writes arrays and tables; `experiment` trains on
them in an environment of its own (`make train`), which alone has PyTorch; `report` compares what
was read. Nothing that a build runs imports this package. Modules that import PyTorch: `networks`,
`learning`, `experiment`.
"""
