"""Commands on builds: `affect4d audit`, `seal`, `explain`, `diff`."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affect4d.cli.application import Folder, Results, app, fail, results_of, say
from affect4d.plurals import plural

if TYPE_CHECKING:
    from affect4d.audit import Verdict


@app.command("audit")
def audit_command(
    folder: Folder = None,
    results: Results = None,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict as JSON.")] = False,
    invalidate: Annotated[
        bool,
        typer.Option(
            "--invalidate",
            help="Delete what is broken, so that the next snakemake rebuilds it and what follows; "
            "says what and asks before.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete what --invalidate lists without asking.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Read so many files only; check that the others are there."),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            help="Compute so many parts again, drawn at random, and compare their bytes; or one "
            "part by its name: an artifact, or image:IMAGE_ID."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Another seed draws another --sample (0 if absent) or --replay (any if absent)."
        ),
    ] = None,
    signers: Annotated[
        Path | None,
        typer.Option(
            help="File of the SSH keys that may seal a build (allowed signers, see `man "
            "ssh-keygen`); a build without a valid seal of theirs is broken."
        ),
    ] = None,
) -> None:
    """Check every artifact against its manifest: digests, lineage, schemas, labels, counts.

    Exit code 0: everything intact and its lineage known; 1: something is broken (each line names
    artifact, file and remedy); 2: the audit failed to run. An audit that is interrupted continues
    where it stopped when it is started again within a day.

    Examples: affect4d audit; affect4d audit --replay 20; affect4d audit --replay image:IMAGE_ID
    """
    from affect4d import audit
    from affect4d.store import StoreError
    from affect4d.store.protocol import translate_errors

    root = results_of(folder, results)
    try:
        verdict = audit.audit_build(root, sample, seed or 0, plan=True, signers=signers)
        if replay and not verdict.error:
            drawn = int(replay) if replay.isdecimal() else replay
            progress = partial(typer.echo, err=True)
            verdict = audit.replay_build(root, verdict, drawn, seed=seed, say=progress)
    except KeyboardInterrupt:
        fail("interrupted; start the audit again to go on", 2)
    say(json.dumps(verdict.record(), indent=1) if as_json else verdict.text())
    if not (as_json or verdict.error):
        there = sorted(name for name in audit.UNPROTECTED if (root / name).exists())
        say(f"not protected, for no manifest lists them: {', '.join(there)}")
    if invalidate and not verdict.error:
        try:
            with translate_errors(root):
                _invalidate(root, verdict, asks=not yes)
        except StoreError as error:
            fail(error, 2)
    raise typer.Exit(verdict.exit_code)


def _invalidate(root: Path, verdict: "Verdict", *, asks: bool) -> None:
    """Say what is broken and would be deleted, ask, delete it, sum up."""
    from affect4d import audit

    planned = audit.describe_removals(root, audit.plan_removals(root, verdict))
    if not planned:
        say("nothing to delete", err=True)
        return
    say(f"to be deleted in {root}:\n{planned}", err=True)
    if asks and not sys.stdin.isatty():
        fail("nothing was deleted, for nobody can be asked here; give --yes", 2)
    if asks and not typer.confirm("Delete these?", err=True):
        fail("nothing was deleted", 2)
    deleted = audit.invalidate(root, verdict)
    words = plural(len(deleted), "file or store", "files and stores")
    say(f"deleted {len(deleted)} {words}; snakemake builds what is missing", err=True)


@app.command()
def seal(
    key: Annotated[
        Path, typer.Option(help="SSH key to sign with: private, or public with an agent.")
    ],
    folder: Folder = None,
    results: Results = None,
) -> None:
    """Sign one Merkle root over all manifests of a build, once an audit has found it intact.

    The root and the signature are written to seal.json and seal.json.sig, into the dataset card and
    into the RO-Crate. `affect4d audit --signers FILE` verifies them.

    Example: affect4d seal --key ~/.ssh/id_ed25519
    """
    from affect4d import audit
    from affect4d.store import StoreError
    from affect4d.store.protocol import translate_errors

    root = results_of(folder, results)
    verdict = audit.audit_build(root, plan=True)
    if verdict.error or verdict.problems:
        say(verdict.text())
        fail("a build that is not intact is not sealed", verdict.exit_code)
    try:
        with translate_errors(root):
            say(f"sealed: {audit.seal_build(root, key)}")
    except StoreError as error:
        fail(error, 2)


@app.command()
def explain(
    name: Annotated[
        str,
        typer.Argument(
            help="An image_id, frame_id, sequence, class (name or index), photograph, person, "
            "artifact or file; KIND:NAME where a name alone stands for several things."
        ),
    ],
    folder: Folder = None,
    results: Results = None,
    full: Annotated[
        bool, typer.Option("--full", help="With settings, code, versions, cameras and quality.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The whole record as JSON.")] = False,
) -> None:
    """Say what anything in a build is, what it was built from, and what was built from it.

    Examples: affect4d explain dataset; affect4d explain v+0.5_a+0.5; affect4d explain
    registered/s001_1_happiness; affect4d explain class:44
    """
    from affect4d import provenance
    from affect4d.store import StoreError

    root = results_of(folder, results)
    try:
        explanation = provenance.explain_name(root, name)
    except (provenance.UnknownName, provenance.AmbiguousName, StoreError) as error:
        fail(error, 1)
    except (OSError, ValueError, KeyError) as error:
        fail(f"{root} cannot be read ({error}); run `affect4d audit`", 1)
    say(json.dumps(explanation.record, indent=1) if as_json else explanation.text(full=full))


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="Results folder of a build, or its manifests.")],
    new: Annotated[Path, typer.Argument(help="Results folder of another build.")],
    as_json: Annotated[bool, typer.Option("--json", help="The comparison as JSON.")] = False,
) -> None:
    """Say what changed between two builds, and which setting, input, code or package is behind it.

    Exit code 0: every artifact has the same bytes; 1: something differs; 2: it failed to run.
    """
    from affect4d import provenance

    found = provenance.compare_builds(old, new)
    say(json.dumps(found.record(), indent=1) if as_json else found.text())
    raise typer.Exit(found.exit_code)
