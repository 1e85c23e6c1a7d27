"""Which configuration a question to a run is judged with: the one that is given, else the one that the run records."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scanner.commands.options import load
from scanner.model.neutral import terminal_safe

if TYPE_CHECKING:
    from scanner.config import LoadedSettings, Settings


@contextmanager
def question_settings(run: str, options: Mapping[str, Any]) -> Iterator[Settings]:
    """The settings to judge a question with; says on stderr whose they are, unless `--quiet` was typed.

    A configuration that is given, found or set in the environment counts. Without one the run's own does, as its
    manifest records it: an answer without the approvals of the run would differ from the run's findings.

    Raises:
        SnapshotError: the run has a manifest that is damaged, or records nothing that this version can read.
    """
    loaded = load(options)
    with tempfile.TemporaryDirectory() as folder:
        settings, used = loaded.settings, f"of `{loaded.path}`"
        if loaded.path is None:
            recorded = None if _is_configured(loaded) else _recorded(run, loaded, Path(folder))
            used = "of the environment" if _is_configured(loaded) else "by default: nothing is approved"
            settings, used = recorded or (settings, used)
        if not options.get("quiet"):
            click.echo(f"judged with the configuration {terminal_safe(used)}", err=True)
        yield settings


def _is_configured(loaded: LoadedSettings) -> bool:
    """Whether the environment sets something that verdicts depend on."""
    from scanner.config.display import HASHED_SECTIONS  # noqa: PLC0415

    return any(key.split(".")[0] in HASHED_SECTIONS and said.startswith("env ") for key, said in loaded.origins.items())


def _recorded(run: str, loaded: LoadedSettings, folder: Path) -> tuple[Settings, str] | None:
    """What the run was judged with, and where that stands; None for a lone snapshot and a run that was not judged."""
    from scanner.record import read_judgement, restored  # noqa: PLC0415
    from scanner.report.manifest import MANIFEST, read_manifest  # noqa: PLC0415
    from scanner.runs import find_run  # noqa: PLC0415

    if Path(run).is_file():
        return None
    directory = find_run(run, loaded.settings.output.directory).path
    if not (directory / MANIFEST).exists():
        return None
    record = read_judgement(read_manifest(directory)).model_copy(update={"baseline": None, "suppressions": None})
    found = restored(record, folder).settings
    as_of = loaded.settings.analysis.as_of
    analysis = found.analysis.model_copy(update={"as_of": as_of}) if as_of else found.analysis
    settings = found.model_copy(update={"analysis": analysis, "output": loaded.settings.output})
    return settings, f"that run `{directory.name}` records"
