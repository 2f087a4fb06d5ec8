from pathlib import Path

from affect4d.config.project import ConfigError, check_file
from snakemake.utils import min_version

min_version("9.20")


CONFIG = Path("config.yaml")

# before Snakemake reads it: it sets no limits
try:
    EMPTY = [
        path
        for path in (CONFIG, *workflow.overwrite_configfiles)
        if path.exists() and not check_file(path)
    ]
except ConfigError as error:
    raise WorkflowError(str(error))

# Snakemake refuses a file without any key: here it is the default configuration
if CONFIG not in EMPTY:

    configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/gallery.smk"
include: "workflow/rules/registration.smk"
include: "workflow/rules/affectspace.smk"
include: "workflow/rules/blendshapes.smk"
include: "workflow/rules/validation.smk"
include: "workflow/rules/neutrals.smk"
include: "workflow/rules/fitting.smk"
include: "workflow/rules/synthesis.smk"
include: "workflow/rules/readers.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/provenance.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/report.smk"


# before Snakemake removes the outputs, and with them the manifests, of the jobs to come
onstart:
    claim_results(Path(RESULTS))
    try:
        check_engine(PROJECT.engine)
        if PROJECT.engine == "dask-jobqueue":
            # imported here: Dask is slow to load
            from affect4d.pipeline.dask_clusters import start_queued_workers

            start_queued_workers(Path(".snakemake/engine"), PROJECT.engine_workers)
    except BadInput as error:
        raise WorkflowError(str(error))


# on a cluster, run where snakemake runs: seconds each, also at 600,000 frames
localrules:
    all,
    gallery_annotations,
    gallery_frames,
    atlas,
    crate,


rule all:
    default_target: True
    input:
        # every artifact, so that a missing one is rebuilt although nothing else misses it
        artifacts_as_set,
        f"{RESULTS}/crate.manifest.json",
        f"{RESULTS}/audit.json",
        f"{RESULTS}/report.html",
