"""Impose every class's deformation on the photographs of one chunk."""

from affect4d.blendshapes.targets import Atlas
from affect4d.pipeline.job import Job
from affect4d.synthesis.chunks import deformations, synthesize_chunk
from affect4d.template.anatomy import anatomy_of
from affect4d.template.template import load_template

with Job(snakemake) as job:
    database, chunk = job.wildcards
    settings, template = job.config("synthesis"), job.config("template")
    atlas = Atlas(job.root / "blendshapes" / "atlas.zarr")
    anatomy = anatomy_of(load_template(template.mesh, template.landmarks))
    synthesize_chunk(
        job.root / "fits" / database / f"{chunk}.zarr",
        atlas,
        deformations(atlas, job.root / "blendshapes", anatomy, settings, job.seed),
        anatomy,
        database,
        settings,
        job.root,
        job.root / "synthesis" / database / f"{chunk}.zarr",
        job.strict,
        job.progress,
        job.provenance(job.item, job.input),
    )
