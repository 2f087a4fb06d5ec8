"""What is written about a build: the crate, the audit's verdict, the report."""

from affect4d.artifacts.declaration import Artifact, File

ORDER = 11

CRATE_METADATA = File("ro-crate-metadata.json", "the description of the build as JSON-LD")
CRATE_FILE = File("crate/{path}", "the configuration, or a file of the workflow")
CRATE = Artifact(
    "crate",
    "the description of the build as a Workflow Run RO-Crate",
    rules=("crate",),
    files=(CRATE_METADATA, CRATE_FILE),
)
VERDICT = File("audit.json", "the verdict as JSON values")
REPORT_PAGE = File("report.html", "the page")
AUDIT = Artifact(
    "audit.json",
    "the verdict of the audit: what is damaged, stale or missing",
    rules=("audit",),
    files=(VERDICT,),
    has_manifest=False,
)
REPORT = Artifact(
    "report.html",
    "the page on what the build made",
    rules=("report",),
    files=(REPORT_PAGE,),
    has_manifest=False,
)

SEAL = File("seal.json", "the Merkle root over all manifests", optional=True)
SIGNATURE = File("seal.json.sig", "the SSH signature of seal.json", optional=True)
SEALED = Artifact(
    "seal.json",
    "the seal: a Merkle root over all manifests and its signature, by `affect4d seal`",
    rules=(),
    files=(SEAL, SIGNATURE),
    optional=True,
    has_manifest=False,
)

LEFT_OUT = File("left_out/{path}", "a manifest whose artifact is not in the archive", optional=True)
LEFT = Artifact(
    "left_out",
    "the manifests of artifacts that an archive lacks, by `affect4d restore`",
    rules=(),
    files=(LEFT_OUT,),
    optional=True,
    has_manifest=False,
)

ARTIFACTS = (CRATE, AUDIT, REPORT, SEALED, LEFT)
