from affect4d.config import gallery as gallery_config
from affect4d.config.project import ConfigError, load
from affect4d.formats.quarantine import BadInput
from affect4d.source import code_hash

try:
    PROJECT = load(config)
    CHUNKS = list(gallery_config.chunks(PROJECT.gallery))
except ConfigError as error:
    raise WorkflowError(f"The configuration has mistakes.\n{error}")
except BadInput as error:
    raise WorkflowError(str(error))

config = PROJECT.model_dump(mode="json")
RESULTS = PROJECT.results


wildcard_constraints:
    chunk=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    database=r"[a-z0-9][a-z0-9_]*",


def settings(*sections):
    """The slices of the configuration that a rule depends on, and the seed."""
    return {"seed": PROJECT.seed} | {name: config[name] for name in sections}


def code(*rooms):
    """Hash of the rooms' code: a changed library re-runs what it made."""
    return code_hash(*rooms)
