"""Judgements of keys as a run leaves them in its folder, and as the next run finds them there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scanner.model.verdicts import KeyVerdicts, KnownVerdicts
from scanner.report.directory import RunDirectory
from scanner.report.verdicts import VERDICTS, VerdictsWriter, read_verdicts


@contextmanager
def found_again(verdicts: Iterable[KeyVerdicts]) -> Iterator[KnownVerdicts]:
    """The judgements after they were written to a file."""
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory.create(Path(folder), "run")
        with VerdictsWriter(directory) as kept:
            for one in verdicts:
                kept.write(one)
        yield read_verdicts(directory.path / VERDICTS)
