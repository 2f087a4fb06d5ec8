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
        mem_mb=2000,
        runtime=30,
    params:
        settings=settings(
            *(name for name in config if name not in ("results", "seed", "strict"))
        ),
        code=code("provenance.crate"),
    script:
        "../scripts/crate.py"


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
        mem_mb=2000,
        runtime=240,
    params:
        settings=settings(),
        code=code("audit.check"),
    script:
        "../scripts/audit.py"


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
        mem_mb=3000,
        runtime=30,
    params:
        settings=settings("template"),
        code=code("report.report"),
    script:
        "../scripts/report.py"
