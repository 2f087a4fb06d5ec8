rule gallery_model:
    output:
        f"{RESULTS}/gallery/model.manifest.json",
    log:
        f"{RESULTS}/logs/gallery_model.log",
    benchmark:
        f"{RESULTS}/benchmarks/gallery_model.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(30),
    params:
        settings=source_settings(
            "synthetic", "annotation_noise", "portraits", "subjects_per_job"
        ),
        code=code("gallery.synthetic.model", script="gallery_model.py"),
    script:
        "../scripts/gallery_model.py"


if SOURCE == "ict_facekit":

    rule gallery_facekit:
        input:
            FACEKIT,
        output:
            f"{RESULTS}/gallery/facekit.manifest.json",
        log:
            f"{RESULTS}/logs/gallery_facekit.log",
        benchmark:
            f"{RESULTS}/benchmarks/gallery_facekit.tsv"
        conda:
            "../../envs/pipeline.yaml"
        threads: 1
        resources:
            mem_mb=grown(2000),
            runtime=grown(30),
        params:
            settings=source_settings(
                "ict_facekit", "annotation_noise", "subjects", "subjects_per_job"
            ),
            code=code("gallery.synthetic.facekit", script="gallery_facekit.py"),
        script:
            "../scripts/gallery_facekit.py"


if SOURCE != "manifest":

    rule gallery_scans:
        input:
            model=f"{RESULTS}/gallery/{GENERATOR}.manifest.json",
        output:
            scans=f"{RESULTS}/gallery/scans/{{chunk}}.manifest.json",
            truth=f"{RESULTS}/gallery/truth/{{chunk}}.manifest.json",
        log:
            f"{RESULTS}/logs/gallery_scans/{{chunk}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/gallery_scans/{{chunk}}.tsv"
        conda:
            "../../envs/pipeline.yaml"
        threads: 1
        resources:
            mem_mb=grown(3000),
            runtime=grown(60),
        params:
            settings=source_settings(SOURCE, "annotation_noise", "portraits"),
            code=code("gallery.synthetic.scans", script="gallery_scans_synthetic.py"),
        script:
            "../scripts/gallery_scans_synthetic.py"

    rule gallery_annotations:
        output:
            f"{RESULTS}/gallery/annotations.manifest.json",
        log:
            f"{RESULTS}/logs/gallery_annotations.log",
        benchmark:
            f"{RESULTS}/benchmarks/gallery_annotations.tsv"
        conda:
            "../../envs/pipeline.yaml"
        threads: 1
        resources:
            mem_mb=grown(1000),
            runtime=grown(15),
        params:
            settings=source_settings(SOURCE, "portraits", "subjects_per_job"),
            code=code(
                "gallery.synthetic.sequences",
                "gallery.frames",
                script="gallery_annotations_synthetic.py",
            ),
        script:
            "../scripts/gallery_annotations_synthetic.py"

else:

    rule gallery_table:
        input:
            PROJECT.gallery.manifest.table,
        output:
            f"{RESULTS}/gallery/table.manifest.json",
        log:
            f"{RESULTS}/logs/gallery_table.log",
        benchmark:
            f"{RESULTS}/benchmarks/gallery_table.tsv"
        priority: 100  # whatever is wrong with the table is said before work begins
        conda:
            "../../envs/pipeline.yaml"
        threads: 1
        resources:
            mem_mb=grown(4000),
            runtime=grown(60),
        params:
            settings=source_settings("manifest"),
            code=code("gallery.manifest", script="gallery_table.py"),
            content=table_state,
        script:
            "../scripts/gallery_table.py"

    rule gallery_scans:
        # no input: a chunk's own rows and files decide, not the table's time of change,
        # and below a rule that is to run, snakemake does not look at what params say
        output:
            f"{RESULTS}/gallery/scans/{{chunk}}.manifest.json",
        log:
            f"{RESULTS}/logs/gallery_scans/{{chunk}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/gallery_scans/{{chunk}}.tsv"
        conda:
            "../../envs/pipeline.yaml"
        threads: 1
        resources:
            mem_mb=grown(2000),
            runtime=grown(60),
        params:
            settings=source_settings("manifest"),
            code=code("gallery.manifest", script="gallery_scans_manifest.py"),
            state=lambda wildcards: chunk_state(wildcards.chunk),
        script:
            "../scripts/gallery_scans_manifest.py"

    rule gallery_annotations:
        input:
            f"{RESULTS}/gallery/table.manifest.json",
        output:
            f"{RESULTS}/gallery/annotations.manifest.json",
        log:
            f"{RESULTS}/logs/gallery_annotations.log",
        benchmark:
            f"{RESULTS}/benchmarks/gallery_annotations.tsv"
        conda:
            "../../envs/pipeline.yaml"
        threads: 1
        resources:
            mem_mb=grown(2000),
            runtime=grown(15),
        params:
            settings=source_settings("manifest", "sequences_per_job"),
            code=code(
                "gallery.manifest",
                "gallery.frames",
                script="gallery_annotations_manifest.py",
            ),
        script:
            "../scripts/gallery_annotations_manifest.py"


rule gallery_frames:
    input:
        scans=expand(f"{RESULTS}/gallery/scans/{{chunk}}.manifest.json", chunk=CHUNKS),
        annotations=f"{RESULTS}/gallery/annotations.manifest.json",
    output:
        f"{RESULTS}/gallery/frames.manifest.json",
    log:
        f"{RESULTS}/logs/gallery_frames.log",
    benchmark:
        f"{RESULTS}/benchmarks/gallery_frames.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(15),
    params:
        settings=settings("gallery"),
        code=code("gallery.frames", script="gallery_frames.py"),
    script:
        "../scripts/gallery_frames.py"


rule gallery_portraits:
    input:
        model=f"{RESULTS}/gallery/model.manifest.json",
    output:
        f"{RESULTS}/gallery/portraits.manifest.json",
    log:
        f"{RESULTS}/logs/gallery_portraits.log",
    benchmark:
        f"{RESULTS}/benchmarks/gallery_portraits.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=grown(3000),
        runtime=grown(30),
    params:
        settings=source_settings(
            "synthetic", "annotation_noise", "subjects", "subjects_per_job"
        ),
        code=code("gallery.synthetic.portraits", script="gallery_portraits.py"),
    script:
        "../scripts/gallery_portraits.py"
