rule registration_template:
    input:
        template_files,
    output:
        f"{RESULTS}/registration/template.manifest.json",
    log:
        f"{RESULTS}/logs/registration_template.log",
    benchmark:
        f"{RESULTS}/benchmarks/registration_template.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        settings=settings("template"),
        code=code("registration"),
    script:
        "../scripts/registration_template.py"


rule registration:
    input:
        scans=f"{RESULTS}/gallery/scans/{{chunk}}.manifest.json",
        template=f"{RESULTS}/registration/template.manifest.json",
    output:
        f"{RESULTS}/registered/chunks/{{chunk}}.manifest.json",
    log:
        f"{RESULTS}/logs/registration/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/registration/{{chunk}}.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        settings=settings("registration"),
        code=code("registration", "formats.markup"),
        scans_root=lambda wildcards: str(FILES_ROOT),
    script:
        "../scripts/registration.py"
