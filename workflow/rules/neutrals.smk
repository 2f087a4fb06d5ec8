DATABASES = list(PROJECT.neutrals.databases)


def built_database(wildcards):
    """The manifest of a database that the build itself makes; outside folders have none."""
    folder = PROJECT.neutrals.databases[wildcards.database].built_folder
    return [] if folder is None else [f"{RESULTS}/{folder}.manifest.json"]


def layout_file(wildcards):
    """The database's file names and codes, which the code's hash does not cover."""
    return str(PROJECT.neutrals.databases[wildcards.database].layout_file)


rule neutrals:
    input:
        built=built_database,
        layout=layout_file,
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
        mem_mb=1000,
        runtime=60,
    params:
        settings=settings("neutrals"),
        code=code("neutrals"),
    script:
        "../scripts/neutrals.py"
