rule dataset:
    input:
        synthesis=expand(
            f"{RESULTS}/synthesis/{{database}}/{{chunk}}.manifest.json",
            database=DATABASES,
            chunk=FIT_CHUNKS,
        ),
        decisions=[
            database.decisions
            for database in PROJECT.neutrals.databases.values()
            if database.decisions
        ],
        readers=f"{RESULTS}/readers/readers.manifest.json",
    output:
        f"{RESULTS}/dataset.manifest.json",
    log:
        f"{RESULTS}/logs/dataset.log",
    benchmark:
        f"{RESULTS}/benchmarks/dataset.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        settings=settings("dataset", "neutrals", "gallery"),
        code=code("dataset", script="dataset.py"),
    script:
        "../scripts/dataset.py"
