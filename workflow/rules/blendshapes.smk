rule blendshapes:
    input:
        template=f"{RESULTS}/registration/template.manifest.json",
        affectspace=f"{RESULTS}/affectspace/affectspace.manifest.json",
        registered=expand(
            f"{RESULTS}/registered/chunks/{{chunk}}.manifest.json", chunk=CHUNKS
        ),
    output:
        f"{RESULTS}/blendshapes/chunks/{{group}}.manifest.json",
    log:
        f"{RESULTS}/logs/blendshapes/{{group}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/blendshapes/{{group}}.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(60),
    params:
        settings=settings("affectspace", "blendshapes"),
        code=code("blendshapes.classes", script="blendshapes.py"),
    script:
        "../scripts/blendshapes.py"


rule atlas:
    input:
        affectspace=f"{RESULTS}/affectspace/affectspace.manifest.json",
        template=f"{RESULTS}/registration/template.manifest.json",
        classes=expand(
            f"{RESULTS}/blendshapes/chunks/{{group}}.manifest.json", group=CLASS_GROUPS
        ),
    output:
        f"{RESULTS}/blendshapes/atlas.manifest.json",
    log:
        f"{RESULTS}/logs/atlas.log",
    benchmark:
        f"{RESULTS}/benchmarks/atlas.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(15),
    params:
        settings=settings("blendshapes"),
        code=code("blendshapes.atlas", script="blendshapes_atlas.py"),
    script:
        "../scripts/blendshapes_atlas.py"


rule expressions:
    input:
        template=f"{RESULTS}/registration/template.manifest.json",
        frames=f"{RESULTS}/gallery/frames.manifest.json",
        affectspace=f"{RESULTS}/affectspace/affectspace.manifest.json",
        registered=expand(
            f"{RESULTS}/registered/chunks/{{chunk}}.manifest.json", chunk=CHUNKS
        ),
    output:
        models=f"{RESULTS}/blendshapes/chunks/expressions.manifest.json",
        atlas=f"{RESULTS}/blendshapes/expressions.manifest.json",
    log:
        f"{RESULTS}/logs/expressions.log",
    benchmark:
        f"{RESULTS}/benchmarks/expressions.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(60),
    params:
        settings=settings("affectspace", "blendshapes"),
        code=code("blendshapes.expressions", script="blendshapes_expressions.py"),
    script:
        "../scripts/blendshapes_expressions.py"


rule blendshapes_pictures:
    input:
        template=f"{RESULTS}/registration/template.manifest.json",
        affectspace=f"{RESULTS}/affectspace/affectspace.manifest.json",
        atlas=f"{RESULTS}/blendshapes/atlas.manifest.json",
        classes=expand(
            f"{RESULTS}/blendshapes/chunks/{{group}}.manifest.json", group=CLASS_GROUPS
        ),
    output:
        f"{RESULTS}/blendshapes/pictures.manifest.json",
        report(
            f"{RESULTS}/blendshapes/pictures/mean_faces.png",
            caption="../report/mean_faces.rst",
            category="The plane",
        ),
    log:
        f"{RESULTS}/logs/blendshapes_pictures.log",
    benchmark:
        f"{RESULTS}/benchmarks/blendshapes_pictures.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(30),
    params:
        settings=settings(),
        code=code("blendshapes.illustrate", script="blendshapes_pictures.py"),
    script:
        "../scripts/blendshapes_pictures.py"
