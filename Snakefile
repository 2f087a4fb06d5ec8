from snakemake.utils import min_version

min_version("9.20")


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
include: "workflow/rules/dataset.smk"
include: "workflow/rules/provenance.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/report.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        # every artifact, so that a missing one is rebuilt although nothing else misses it
        artifacts,
        f"{RESULTS}/crate.manifest.json",
        f"{RESULTS}/audit.json",
        f"{RESULTS}/report.html",
