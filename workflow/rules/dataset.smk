# what exact labels follow from: template, fits, deformations, and how these were imposed
LABEL_SETTINGS = ("synthesis",) if PROJECT.dataset.labels else ()
LABELLED = (
    [
        f"{RESULTS}/registration/template.manifest.json",
        f"{RESULTS}/blendshapes/atlas.manifest.json",
        *expand(
            f"{RESULTS}/blendshapes/chunks/{{group}}.manifest.json",
            group=CLASS_GROUPS if PROJECT.synthesis.samples else [],
        ),
        *expand(
            f"{RESULTS}/fits/{{database}}/{{chunk}}.manifest.json",
            database=DATABASES,
            chunk=FIT_CHUNKS,
        ),
    ]
    if PROJECT.dataset.labels
    else []
)


rule dataset:
    input:
        synthesis=expand(
            f"{RESULTS}/synthesis/{{database}}/{{chunk}}.manifest.json",
            database=DATABASES,
            chunk=FIT_CHUNKS,
        ),
        # the card counts what was annotated among all candidates
        neutrals=expand(
            f"{RESULTS}/neutrals/{{database}}/neutrals.manifest.json",
            database=DATABASES,
        ),
        decisions=[
            database.decisions
            for database in PROJECT.neutrals.databases.values()
            if database.decisions
        ],
        readers=f"{RESULTS}/readers/readers.manifest.json",
        labels=LABELLED,
        counts=PROJECT.dataset.counts or [],
    output:
        f"{RESULTS}/dataset.manifest.json",
    log:
        f"{RESULTS}/logs/dataset.log",
    benchmark:
        f"{RESULTS}/benchmarks/dataset.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(240),
    params:
        settings=settings("dataset", "neutrals", "gallery", *LABEL_SETTINGS)
        | part_of("blendshapes", "target"),
        code=code("dataset", script="dataset.py"),
    script:
        "../scripts/dataset.py"
