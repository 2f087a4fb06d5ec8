import functools
import os
from pathlib import Path
from types import SimpleNamespace

from affect4d.artifacts.registry import find_artifact
from affect4d.config import fitting as fitting_config
from affect4d.config.gallery import files_root
from affect4d.config.project import ADAPT_PEOPLE, ConfigError, check_sources, load
from affect4d.formats.facekit import facekit_files
from affect4d.gallery import jobs as gallery_jobs
from affect4d.gallery import user_table
from affect4d.neutrals.databases.search import shows_scans
from affect4d.neutrals.withdrawn import withdrawn_digest
from affect4d.pipeline.code_hash import content_hash, file_state, hash_code
from affect4d.pipeline.engine_modules import check_engine
from affect4d.pipeline.file_times import date_outputs_after_inputs
from affect4d.pipeline.results_folder import claim_results
from affect4d.pipeline.recorded import differs
from affect4d.pipeline.slurm_states import keep_unanswered_jobs
from affect4d.quarantine import BadInput
from affect4d.readers.environment import find_obstacle
from affect4d.store.manifest import SUFFIX
from snakemake.settings.types import RerunTrigger
from affect4d.system_files import find_files, is_hidden

# a file given with --configfile lies over config.yaml, key by key
CONFIG_FILES = map(
    os.path.relpath, [*workflow.configfiles[::-1], *workflow.overwrite_configfiles]
)

try:
    files = " overridden by ".join(dict.fromkeys(CONFIG_FILES)) or str(CONFIG)
    PROJECT = load(config, files)
    date_outputs_after_inputs(Path(PROJECT.results))
    if workflow.is_main_process:
        keep_unanswered_jobs()
        check_sources(PROJECT, files)
    SOURCE = PROJECT.gallery.source
    CHUNKS = list(gallery_jobs.chunks(PROJECT.gallery))
    FACEKIT = (
        [str(path) for path in facekit_files(PROJECT.gallery.ict_facekit.root).values()]
        if SOURCE == "ict_facekit"
        else []
    )
    IDENTITIES = (
        [str(path) for path in facekit_files(PROJECT.fitting.ict_facekit).values()]
        if PROJECT.fitting.ict_facekit
        else []
    )
except ConfigError as error:
    raise WorkflowError(f"The configuration has mistakes.\n{error}")
except BadInput as error:
    raise WorkflowError(str(error))

config = PROJECT.model_dump(mode="json")
REPOSITORY = Path(str(workflow.current_basedir)).parents[1]
RESULTS = PROJECT.results
FILES_ROOT = files_root(PROJECT.gallery, RESULTS)
GENERATOR = "facekit" if SOURCE == "ict_facekit" else "model"
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


def database_settings(wildcards):
    """The slice `neutrals` with one database: a new one does not count for the others."""
    own = {wildcards.database: config["neutrals"]["databases"][wildcards.database]}
    return settings() | {"neutrals": config["neutrals"] | {"databases": own}}


def part_of(section, *keys):
    """The keys of a section on which a rule depends, where it depends on no others."""
    return {section: {key: config[section][key] for key in keys}}


def grown(amount):
    """What a job asks for: as much again at each further attempt (`retries` of the profile)."""
    return lambda wildcards, attempt: amount * attempt


def source_settings(source, *left_out):
    """The gallery's slice for a rule of one source, without what it does not depend on."""
    section = config["gallery"][source]
    kept = {name: value for name, value in section.items() if name not in left_out}
    return {"seed": PROJECT.seed, "gallery": {"source": source, source: kept}}


def code(*packages, script):
    """Digest of the code of packages and script: a changed library re-runs what it made.

    It is computed where a job is planned: a job on a cluster needs its own rule's alone.
    """
    path = REPOSITORY / "workflow/scripts" / script
    digest = functools.cache(lambda: hash_code(*packages, script=path))
    return lambda wildcards: digest()


def annotation_noise():
    """The annotators' error: as it is set, or the embedded gallery's own."""
    stated = PROJECT.validation.annotation_noise
    if stated is None and SOURCE != "manifest":
        return config["gallery"][SOURCE]["annotation_noise"]
    return stated


def template_files(wildcards):
    """A template of the user's own."""
    return [
        path for path in (PROJECT.template.mesh, PROJECT.template.landmarks) if path
    ]


def template_sections():
    """The sections on which the template depends."""
    return ("template", "registration") if PROJECT.adapts_template else ("template",)


def adapted_scans(wildcards):
    """The scans to whose mean the template moves: other people's jobs do not count."""
    chunks = []
    if PROJECT.adapts_template:
        asked = PROJECT.template.adapt_people
        try:
            chunks = gallery_jobs.chunks_of(
                asked or ADAPT_PEOPLE, PROJECT.gallery, required=asked is not None
            )
        except BadInput as error:
            raise WorkflowError(str(error))
    return expand(f"{RESULTS}/gallery/scans/{{chunk}}.manifest.json", chunk=chunks)


@functools.cache
def scan_rows():
    """The user's table by chunk, read where a job's scans depend on it."""
    return user_table.scan_rows(PROJECT.gallery)


@functools.cache
def chunk_state(chunk):
    """What a chunk's scans depend on: the table's time of change would count annotations."""
    return list(gallery_jobs.chunk_state(scan_rows()[chunk], PROJECT.gallery))


def table_state(wildcards):
    """The table's content: a copy that is put back may be older than what was made from it."""
    return content_hash(Path(PROJECT.gallery.manifest.table))


def database_digest(wildcards):
    """Names, sizes and times of an outside database's files: a repaired one counts."""
    root = PROJECT.neutrals.databases[wildcards.database]
    if root.root is None or root.built_folder:
        return ""
    folder = Path(root.root)
    return file_state(
        p for p in folder.rglob("*") if not is_hidden(p.relative_to(folder))
    )


def built_database(wildcards):
    """The manifest of a database that the build itself makes; outside folders have none."""
    folder = PROJECT.neutrals.databases[wildcards.database].built_folder
    return [] if folder is None else [f"{RESULTS}/{folder}.manifest.json"]


def layout_file(wildcards):
    """The database's file names and codes, which the code's hash does not cover.

    Relative: a project that is moved as a whole has the same inputs. Its time of change does not
    count, which is that of the checkout: `layout_content` does.
    """
    return ancient(os.path.relpath(_layout(wildcards)))


def decisions_file(wildcards):
    """The table of what people decided on a database's images, where it is named."""
    return PROJECT.neutrals.databases[wildcards.database].decisions or []


def has_scans(wildcards):
    """Whether a database's faces are scans, which are registered."""
    return shows_scans(PROJECT.neutrals.databases[wildcards.database])


def scan_template(wildcards):
    """The template to which a database's scans are registered, where it has scans."""
    return (
        [f"{RESULTS}/registration/template.manifest.json"]
        if has_scans(wildcards)
        else []
    )


def scan_registration(wildcards):
    """The settings by which a database's scans are registered, where it has scans."""
    return config["registration"] if has_scans(wildcards) else {}


def neutrals_memory(wildcards, attempt):
    """What the selection of neutral images asks for: a registration needs more."""
    return attempt * (3000 if has_scans(wildcards) else 1000)


def layout_content(wildcards):
    """The content of the database's layout."""
    return content_hash(_layout(wildcards))


def _layout(wildcards):
    return PROJECT.neutrals.databases[wildcards.database].layout_file


def withdrawn_people(wildcards):
    """The people of the database who withdrew, as a digest."""
    return withdrawn_digest(PROJECT.neutrals.withdrawn, wildcards.database)


def workflow_files(wildcards):
    """The Snakefile, then what it includes and runs; times of change do not count."""
    folder = Path(os.path.relpath(REPOSITORY))
    patterns = ("workflow/rules/*.smk", "workflow/scripts/*.py", "envs/*.*")
    found = sorted(path for pattern in patterns for path in find_files(folder, pattern))
    return [ancient(str(path)) for path in (folder / "Snakefile", *found)]


def workflow_content(wildcards):
    """The content of the workflow's files."""
    return [content_hash(Path(path)) for path in workflow_files(wildcards)]


def gallery_parts(built):
    """What the gallery's source makes beside scans, annotations and frames."""
    if SOURCE == "manifest":
        return ["table", "model"] if any(built) else ["table"]
    return sorted({GENERATOR, "model"} if any(built) else {GENERATOR})


def artifacts(wildcards):
    """The manifest of every artifact of the build."""
    single = """gallery/annotations gallery/frames registration/template registration/pictures
        affectspace/affectspace blendshapes/atlas blendshapes/expressions
        blendshapes/chunks/expressions blendshapes/pictures validation/bases
        validation/table1
        fits/model synthesis/pictures readers/readers dataset"""
    databases = {"database": DATABASES, "chunk": FIT_CHUNKS}
    built = [database.built_folder for database in PROJECT.neutrals.databases.values()]
    return [
        *expand(rules.gallery_scans.output, chunk=CHUNKS),
        *expand(rules.registration.output, chunk=CHUNKS),
        *expand(rules.blendshapes.output, group=CLASS_GROUPS),
        *expand(rules.validation_features.output, chunk=CHUNKS),
        *expand(rules.neutrals.output, database=DATABASES),
        *expand(rules.fitting.output, **databases),
        *expand(rules.synthesis.output, **databases),
        *(f"{RESULTS}/{name}.manifest.json" for name in single.split()),
        *(f"{RESULTS}/{folder}.manifest.json" for folder in built if folder),
        *(f"{RESULTS}/gallery/{name}.manifest.json" for name in gallery_parts(built)),
    ]


def artifacts_as_set(wildcards):
    """The manifest of every artifact; those that state other settings or code are made again.

    Snakemake compares these with its own memory, which may be gone (`make clean`).
    """
    manifests = artifacts(wildcards)
    if (
        workflow.is_main_process
        and RerunTrigger.PARAMS in workflow.dag_settings.rerun_triggers
    ):
        for path in manifests:
            name = str(Path(path).relative_to(RESULTS)).removesuffix(SUFFIX)
            artifact = find_artifact(name)
            params = getattr(rules, artifact.rules[0]).params
            stated = params.settings
            if callable(stated):
                stated = stated(SimpleNamespace(**artifact.match(name)))
            if differs(Path(path), stated, params.code(wildcards)):
                workflow.dag.forcefiles.add(path)
    return manifests
