rule readers:
    input:
        template=f"{RESULTS}/registration/template.manifest.json",
        fits=expand(
            f"{RESULTS}/fits/{{database}}/{{chunk}}.manifest.json",
            database=DATABASES,
            chunk=FIT_CHUNKS,
        ),
        synthesis=expand(
            f"{RESULTS}/synthesis/{{database}}/{{chunk}}.manifest.json",
            database=DATABASES,
            chunk=FIT_CHUNKS,
        ),
        expressions=f"{RESULTS}/blendshapes/expressions.manifest.json",
        neutral=NEUTRALISER,
    output:
        f"{RESULTS}/readers/readers.manifest.json",
    log:
        f"{RESULTS}/logs/readers.log",
    benchmark:
        f"{RESULTS}/benchmarks/readers.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(30),
    params:
        settings=settings("readers", "synthesis"),
        code=code("synthesis.readings", script="readers.py"),
        # what was not read before is read once the readers are installed
        missing=str(find_obstacle() or ""),
    script:
        "../scripts/readers.py"
