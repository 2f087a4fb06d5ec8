rule fitting_model:
    input:
        template=f"{RESULTS}/registration/template.manifest.json",
        sequences=expand(
            f"{RESULTS}/registered/chunks/{{chunk}}.manifest.json", chunk=CHUNKS
        ),
        lsfm=PROJECT.fitting.lsfm_model or [],
        facekit=IDENTITIES,
    output:
        f"{RESULTS}/fits/model.manifest.json",
    log:
        f"{RESULTS}/logs/fitting/model.log",
    benchmark:
        f"{RESULTS}/benchmarks/fitting/model.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        settings=settings()
        | {
            "fitting": {
                name: config["fitting"][name] for name in fitting_config.MODEL_FIELDS
            }
        },
        code=code("fitting", script="fitting_model.py"),
    script:
        "../scripts/fitting_model.py"


rule fitting:
    input:
        neutrals=f"{RESULTS}/neutrals/{{database}}/neutrals.manifest.json",
        model=f"{RESULTS}/fits/model.manifest.json",
    output:
        fits=f"{RESULTS}/fits/{{database}}/{{chunk}}.manifest.json",
        quarantine=f"{RESULTS}/fits/{{database}}/quarantine/{{chunk}}.manifest.json",
    log:
        f"{RESULTS}/logs/fitting/{{database}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fitting/{{database}}/{{chunk}}.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(60),
    params:
        settings=settings("fitting"),
        code=code("fitting", script="fitting.py"),
    script:
        "../scripts/fitting.py"
