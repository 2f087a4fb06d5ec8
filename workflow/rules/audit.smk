rule audit:
    input:
        artifacts,
        rules.crate.output,
    output:
        f"{RESULTS}/audit.json",
    log:
        f"{RESULTS}/logs/audit.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(240),
    params:
        settings=settings(),
        code=code("audit.check", script="audit.py"),
    script:
        "../scripts/audit.py"
