"""One rule's run: its typed settings, its context for the library, its log.

The scripts in `workflow/scripts` pass Snakemake's object; nothing here imports Snakemake.
"""

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2

from affect4d.config.project import Project
from affect4d.pipeline.context import RunContext
from affect4d.pipeline.engine import open_engine
from affect4d.pipeline.results_folder import claim_results
from affect4d.quarantine import BadInput, Quarantine
from affect4d.store import StoreError, translate_os_error

log = logging.getLogger("affect4d")


class Job:
    """One rule's run; bad input, a damaged store or a full disk end it with one line in its log.

    Attributes
    ----------
    root : the results folder
    strict : stop at bad input instead of quarantining it
    seed : the build's seed
    workers : threads that the job may use
    input, output, wildcards : Snakemake's
    """

    def __init__(self, snakemake: Any) -> None:
        self.root = Path(snakemake.config["results"])
        self.strict = bool(snakemake.config["strict"])
        self.seed, self.workers = int(snakemake.config["seed"]), int(snakemake.threads)
        self._engine = str(snakemake.config["engine"])
        self._memory_mb = int(snakemake.resources.get("mem_mb", 0))
        self.input, self.output = snakemake.input, snakemake.output
        self.wildcards, self.rule = snakemake.wildcards, snakemake.rule
        self.settings: dict[str, Any] = dict(snakemake.params.settings)
        self.code: str = snakemake.params.code
        self._project = Project.model_validate(self.settings)
        self._log = Path(str(snakemake.log[0]))
        cv2.setNumThreads(
            self.workers
        )  # OpenCV ignores the variables that Snakemake sets for others

    @property
    def item(self) -> str:
        """The wildcards, joined; the rule's name where it has none."""
        return "/".join(str(value) for value in self.wildcards) or self.rule

    def config(self, section: str) -> Any:
        """The typed section of the configuration.

        Raises
        ------
        KeyError
            The rule did not declare this section in its params: a change would go unnoticed.
        """
        if section not in self.settings:
            raise KeyError(f"rule {self.rule} does not declare the settings of {section!r}")
        return getattr(self._project, section)

    def context(self, stage: str, inputs: Iterable[Path | str] = ()) -> RunContext:
        """The context for the library's entry.

        Parameters
        ----------
        stage : named in the rows of the quarantine
        inputs : files that every artifact of the run depends on
        """
        return RunContext(
            root=self.root,
            rule=self.rule,
            quarantine=Quarantine(stage, self.strict),
            item=self.item,
            inputs=tuple(map(Path, inputs)),
            settings=self.settings,
            code=self.code,
            seed=self.seed,
            workers=self.workers,
            engine=open_engine(self._engine, threads=self.workers, memory_mb=self._memory_mb),
        )

    def __enter__(self) -> "Job":
        try:
            claim_results(self.root)
        except StoreError as error:
            log.error("%s", error)
            sys.exit(1)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        # a new file: the old one's name may lead, as a link, to a file outside
        self._log.unlink(missing_ok=True)
        form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
        for handler in (logging.FileHandler(self._log, mode="w"), logging.StreamHandler()):
            handler.setFormatter(form)
            log.addHandler(handler)
        log.setLevel(logging.INFO)
        # on a full disk the log's own failure must not hide the line that says so
        logging.raiseExceptions = False
        log.propagate = False
        logging.captureWarnings(True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            error = translate_os_error(error, error.filename or self.root) or error
        if isinstance(error, BadInput | StoreError):
            log.error("%s", error)
            sys.exit(1)
        if error is not None and kind is not SystemExit:
            log.error("rule %s, %s failed", self.rule, self.item, exc_info=error)
        logging.shutdown()
