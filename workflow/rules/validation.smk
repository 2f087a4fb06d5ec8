rule validation:
    input:
        template=f"{RESULTS}/registration/template.manifest.json",
        affectspace=f"{RESULTS}/affectspace/affectspace.manifest.json",
        registered=expand(
            f"{RESULTS}/registered/chunks/{{chunk}}.manifest.json", chunk=CHUNKS
        ),
    output:
        f"{RESULTS}/validation/table1.manifest.json",
    log:
        f"{RESULTS}/logs/validation.log",
    benchmark:
        f"{RESULTS}/benchmarks/validation.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        settings=settings("template", "blendshapes", "validation"),
        code=code("validation"),
    script:
        "../scripts/validation.py"
