rule affectspace:
    input:
        frames=f"{RESULTS}/gallery/frames.manifest.json",
        registered=expand(
            f"{RESULTS}/registered/chunks/{{chunk}}.manifest.json", chunk=CHUNKS
        ),
    output:
        f"{RESULTS}/affectspace/affectspace.manifest.json",
        report(
            f"{RESULTS}/affectspace/histogram.png",
            caption="../report/histogram.rst",
            category="The plane",
        ),
    log:
        f"{RESULTS}/logs/affectspace.log",
    benchmark:
        f"{RESULTS}/benchmarks/affectspace.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(1500),
        runtime=grown(60),
    params:
        settings=settings("affectspace"),
        code=code("affectspace", script="affectspace.py"),
    script:
        "../scripts/affectspace.py"
