rule crate:
    input:
        built=artifacts,
        workflow=workflow_files,
    output:
        f"{RESULTS}/crate.manifest.json",
    log:
        f"{RESULTS}/logs/crate.log",
    benchmark:
        f"{RESULTS}/benchmarks/crate.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(30),
    params:
        settings=settings(
            *(name for name in config if name not in ("results", "seed", "strict"))
        ),
        code=code("provenance.crate", script="crate.py"),
        workflow=workflow_content,
    script:
        "../scripts/crate.py"
