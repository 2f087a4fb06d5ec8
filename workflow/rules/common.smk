from pathlib import Path

from affect4d.config import fitting as fitting_config
from affect4d.config import gallery as gallery_config
from affect4d.config.project import ConfigError, load
from affect4d.formats.quarantine import BadInput
from affect4d.source import code_hash, file_state

try:
    PROJECT = load(config)
    SYNTHETIC = PROJECT.gallery.source == "synthetic"
    SCAN_ROWS = {} if SYNTHETIC else gallery_config.scan_rows(PROJECT.gallery)
    CHUNKS = list(gallery_config.chunks(PROJECT.gallery) if SYNTHETIC else SCAN_ROWS)
except ConfigError as error:
    raise WorkflowError(f"The configuration has mistakes.\n{error}")
except BadInput as error:
    raise WorkflowError(str(error))

config = PROJECT.model_dump(mode="json")
RESULTS = PROJECT.results
FILES_ROOT = gallery_config.files_root(PROJECT.gallery, RESULTS)
CLASS_GROUPS = [
    str(group)
    for group in range(
        -(-PROJECT.affectspace.bins**2 // PROJECT.blendshapes.classes_per_job)
    )
]
DATABASES = list(PROJECT.neutrals.databases)
FIT_CHUNKS = fitting_config.chunk_names(PROJECT.fitting)


wildcard_constraints:
    chunk=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    database=r"[a-z0-9][a-z0-9_]*",
    group=r"\d+",


def settings(*sections):
    """The slices of the configuration that a rule depends on, and the seed."""
    return {"seed": PROJECT.seed} | {name: config[name] for name in sections}


def synthetic(*left_out):
    """The gallery's slice for a synthetic rule, without what this rule does not depend on."""
    people = config["gallery"]["synthetic"]
    kept = {name: value for name, value in people.items() if name not in left_out}
    return {"seed": PROJECT.seed, "gallery": {"source": "synthetic", "synthetic": kept}}


def code(*rooms):
    """Hash of the rooms' code: a changed library re-runs what it made."""
    return code_hash(*rooms)


def template_files(wildcards):
    """A template of the user's own."""
    return [
        path for path in (PROJECT.template.mesh, PROJECT.template.landmarks) if path
    ]


def chunk_digest(wildcards):
    """What a chunk's scans depend on: the table's time of change would count annotations."""
    rows = SCAN_ROWS[wildcards.chunk]
    files = gallery_config.scan_files(rows, FILES_ROOT)
    return [gallery_config.scans_digest(rows, FILES_ROOT), file_state(files)]


def database_digest(wildcards):
    """Names, sizes and times of an outside database's files: a repaired one counts."""
    root = PROJECT.neutrals.databases[wildcards.database]
    if root.root is None or root.built_folder:
        return ""
    return file_state(Path(root.root).rglob("*"))


def built_database(wildcards):
    """The manifest of a database that the build itself makes; outside folders have none."""
    folder = PROJECT.neutrals.databases[wildcards.database].built_folder
    return [] if folder is None else [f"{RESULTS}/{folder}.manifest.json"]


def layout_file(wildcards):
    """The database's file names and codes, which the code's hash does not cover."""
    return str(PROJECT.neutrals.databases[wildcards.database].layout_file)


def artifacts(wildcards):
    """The manifest of every artifact of the build."""
    single = """gallery/annotations gallery/frames registration/template
        affectspace/affectspace blendshapes/atlas validation/table1 fits/model dataset"""
    databases = {"database": DATABASES, "chunk": FIT_CHUNKS}
    built = [database.built_folder for database in PROJECT.neutrals.databases.values()]
    return [
        *expand(rules.gallery_scans.output, chunk=CHUNKS),
        *expand(rules.registration.output, chunk=CHUNKS),
        *expand(rules.blendshapes.output, group=CLASS_GROUPS),
        *expand(rules.neutrals.output, database=DATABASES),
        *expand(rules.fitting.output, **databases),
        *expand(rules.synthesis.output, **databases),
        *(f"{RESULTS}/{name}.manifest.json" for name in single.split()),
        *(f"{RESULTS}/{folder}.manifest.json" for folder in built if folder),
        *(
            [f"{RESULTS}/gallery/model.manifest.json"]
            if SYNTHETIC or any(built)
            else []
        ),
    ]
