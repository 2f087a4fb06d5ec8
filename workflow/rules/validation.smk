rule validation_bases:
    input:
        template=f"{RESULTS}/registration/template.manifest.json",
        affectspace=f"{RESULTS}/affectspace/affectspace.manifest.json",
        registered=expand(
            f"{RESULTS}/registered/chunks/{{chunk}}.manifest.json", chunk=CHUNKS
        ),
    output:
        f"{RESULTS}/validation/bases.manifest.json",
    log:
        f"{RESULTS}/logs/validation_bases.log",
    benchmark:
        f"{RESULTS}/benchmarks/validation_bases.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(120),
    params:
        settings=settings("blendshapes")
        | part_of("validation", "components", "vertices", "sparsity", "test_share"),
        code=code("validation.prepare", script="validation_bases.py"),
    script:
        "../scripts/validation_bases.py"


rule validation_features:
    input:
        bases=f"{RESULTS}/validation/bases.manifest.json",
        affectspace=f"{RESULTS}/affectspace/affectspace.manifest.json",
        registered=f"{RESULTS}/registered/chunks/{{chunk}}.manifest.json",
    output:
        f"{RESULTS}/validation/features/chunks/{{chunk}}.manifest.json",
    log:
        f"{RESULTS}/logs/validation_features/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/validation_features/{{chunk}}.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(60),
    params:
        settings=settings("blendshapes"),
        code=code("validation.features", script="validation_features.py"),
    script:
        "../scripts/validation_features.py"


rule validation:
    input:
        bases=f"{RESULTS}/validation/bases.manifest.json",
        affectspace=f"{RESULTS}/affectspace/affectspace.manifest.json",
        features=expand(
            f"{RESULTS}/validation/features/chunks/{{chunk}}.manifest.json",
            chunk=CHUNKS,
        ),
    output:
        f"{RESULTS}/validation/table1.manifest.json",
        report(
            f"{RESULTS}/validation/table1.csv",
            caption="../report/table1.rst",
            category="Table 1",
        ),
    log:
        f"{RESULTS}/logs/validation.log",
    benchmark:
        f"{RESULTS}/benchmarks/validation.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(120),
    params:
        settings=settings("validation"),
        noise=annotation_noise(),
        code=code("validation.build", script="validation.py"),
    script:
        "../scripts/validation.py"
