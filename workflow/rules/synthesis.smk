# what `synthesis.neutralise` needs besides
NEUTRALISER = (
    [
        f"{RESULTS}/blendshapes/expressions.manifest.json",
        f"{RESULTS}/fits/model.manifest.json",
    ]
    if PROJECT.synthesis.neutralise
    else []
)


rule synthesis:
    input:
        template=f"{RESULTS}/registration/template.manifest.json",
        fits=f"{RESULTS}/fits/{{database}}/{{chunk}}.manifest.json",
        atlas=f"{RESULTS}/blendshapes/atlas.manifest.json",
        classes=(
            expand(
                f"{RESULTS}/blendshapes/chunks/{{group}}.manifest.json",
                group=CLASS_GROUPS,
            )
            if PROJECT.synthesis.samples
            else []
        ),
        neutral=NEUTRALISER,
    output:
        images=f"{RESULTS}/synthesis/{{database}}/{{chunk}}.manifest.json",
        quarantine=f"{RESULTS}/synthesis/{{database}}/quarantine/{{chunk}}.manifest.json",
    log:
        f"{RESULTS}/logs/synthesis/{{database}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/synthesis/{{database}}/{{chunk}}.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(120),
    params:
        settings=settings("synthesis"),
        code=code("synthesis", script="synthesis.py"),
    script:
        "../scripts/synthesis.py"


rule synthesis_pictures:
    input:
        template=f"{RESULTS}/registration/template.manifest.json",
        fits=expand(
            f"{RESULTS}/fits/{{database}}/{{chunk}}.manifest.json",
            database=DATABASES,
            chunk=FIT_CHUNKS,
        ),
        atlas=f"{RESULTS}/blendshapes/atlas.manifest.json",
        expressions=f"{RESULTS}/blendshapes/expressions.manifest.json",
        neutral=NEUTRALISER,
    output:
        f"{RESULTS}/synthesis/pictures.manifest.json",
    log:
        f"{RESULTS}/logs/synthesis_pictures.log",
    benchmark:
        f"{RESULTS}/benchmarks/synthesis_pictures.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(30),
    params:
        settings=settings("synthesis"),
        code=code("synthesis.illustrate", script="synthesis_pictures.py"),
    script:
        "../scripts/synthesis_pictures.py"
