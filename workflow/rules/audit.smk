def artifacts(wildcards):
    """The manifest of every artifact of the build."""
    databases = {"database": DATABASES, "chunk": FIT_CHUNKS}
    truth = expand(f"{RESULTS}/gallery/truth/{{chunk}}.manifest.json", chunk=CHUNKS)
    return [
        *(truth if SYNTHETIC else []),
        f"{RESULTS}/gallery/frames.manifest.json",
        f"{RESULTS}/blendshapes/atlas.manifest.json",
        f"{RESULTS}/validation/table1.manifest.json",
        *expand(rules.neutrals.output, **databases),
        *expand(rules.fitting.output, **databases),
        *expand(rules.synthesis.output, **databases),
        *expand(rules.gallery_scans.output, chunk=CHUNKS),
        *expand(rules.registration.output, chunk=CHUNKS),
        *expand(rules.blendshapes.output, group=CLASS_GROUPS),
        *(f"{RESULTS}/{name}.manifest.json" for name in _SINGLE),
    ]


_SINGLE = (
    "gallery/annotations",
    "registration/template",
    "affectspace/affectspace",
    "fits/model",
    "dataset",
)


rule audit:
    input:
        artifacts,
    output:
        f"{RESULTS}/audit.json",
    log:
        f"{RESULTS}/logs/audit.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=settings(),
        code=code("audit.check"),
    script:
        "../scripts/audit.py"


rule report:
    input:
        artifacts,
        audit=f"{RESULTS}/audit.json",
    output:
        f"{RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        settings=settings("template"),
        code=code("audit.report"),
    script:
        "../scripts/report.py"
