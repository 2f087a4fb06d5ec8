rule report:
    input:
        artifacts,
        audit=f"{RESULTS}/audit.json",
    output:
        report(
            f"{RESULTS}/report.html", caption="../report/report.rst", category="Build"
        ),
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(30),
    params:
        settings=settings(),
        code=code("report.page", script="report.py"),
    script:
        "../scripts/report.py"
