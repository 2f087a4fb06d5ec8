rule neutrals:
    input:
        built=built_database,
        layout=layout_file,
        decisions=decisions_file,
        template=scan_template,
    output:
        f"{RESULTS}/neutrals/{{database}}/neutrals.manifest.json",
    log:
        f"{RESULTS}/logs/neutrals/{{database}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/neutrals/{{database}}.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=neutrals_memory,
        runtime=grown(60),
    params:
        settings=database_settings,
        code=code("neutrals", script="neutrals.py"),
        files=database_digest,
        layout=layout_content,
        withdrawn=withdrawn_people,
        registration=scan_registration,
    script:
        "../scripts/neutrals.py"
