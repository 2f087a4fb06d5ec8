rule registration_template:
    input:
        files=template_files,
        scans=adapted_scans,
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
        mem_mb=grown(2000),
        runtime=grown(15),
    params:
        settings=settings(*template_sections()),
        code=code(
            "registration.adaptation",
            "formats.markup",
            script="registration_template.py",
        ),
        scans_root=lambda wildcards: str(FILES_ROOT),
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
        mem_mb=grown(3000),
        runtime=grown(60),
    params:
        settings=settings("registration"),
        code=code("registration.sequences", "formats.markup", script="registration.py"),
        scans_root=lambda wildcards: str(FILES_ROOT),
    script:
        "../scripts/registration.py"


rule registration_pictures:
    input:
        template=f"{RESULTS}/registration/template.manifest.json",
        scans=expand(f"{RESULTS}/gallery/scans/{{chunk}}.manifest.json", chunk=CHUNKS),
        registered=expand(
            f"{RESULTS}/registered/chunks/{{chunk}}.manifest.json", chunk=CHUNKS
        ),
    output:
        f"{RESULTS}/registration/pictures.manifest.json",
        report(
            f"{RESULTS}/registration/pictures/overview.png",
            caption="../report/registration_overview.rst",
            category="Registration",
        ),
        report(
            f"{RESULTS}/registration/pictures/flags.csv",
            caption="../report/registration_flags.rst",
            category="Registration",
        ),
        report(
            f"{RESULTS}/registration/pictures/people.jpg",
            caption="../report/registration_people.rst",
            category="Registration",
        ),
        report(
            f"{RESULTS}/registration/pictures/strip.jpg",
            caption="../report/registration_strip.rst",
            category="Registration",
        ),
        report(
            f"{RESULTS}/registration/pictures/real.jpg",
            caption="../report/registration_real.rst",
            category="Registration",
        ),
    log:
        f"{RESULTS}/logs/registration_pictures.log",
    benchmark:
        f"{RESULTS}/benchmarks/registration_pictures.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(30),
    params:
        settings=settings("registration"),
        code=code(
            "registration.pictures",
            "formats.markup",
            script="registration_pictures.py",
        ),
        scans_root=lambda wildcards: str(FILES_ROOT),
    script:
        "../scripts/registration_pictures.py"
