"""A verified run, as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from scanner import ENGINE, __version__
from scanner.model.verified import GOOD, FileState, FileVerified, RunVerified
from scanner.report.diagnostic import safe
from scanner.report.phrases import counted
from scanner.report.policy_files import FOLDER as POLICIES

VERIFY_SCHEMA = 1
"""Rises when a member of the JSON changes its meaning or goes away."""

_LONGEST = 400


def render_verified(verified: RunVerified) -> Iterator[str]:
    """Which program looks at which run, one line per file with the first difference, and the answer."""
    writer = f"kms-scan {safe(verified.written_by)}" if verified.written_by else "an unknown version"
    yield f"run {safe(verified.run_id)}, judged by engine {verified.engine}, reported by {writer}"
    yield f"performed again by engine {ENGINE}, kms-scan {__version__}"
    if verified.written_by != __version__:
        yield "another version wrote the report: wording and layout may differ"
    yield ""
    files = tuple(_folded(verified.files))
    width = max(len(file.name) for file in files)
    for file in files:
        line = f"  {file.state.replace('_', ' '):<14} {safe(file.name):<{width}}"
        yield f"{line}  {safe(file.why, _LONGEST)}" if file.why else line.rstrip()
    yield ""
    yield from _answer(verified)


def _folded(files: Sequence[FileVerified]) -> Iterator[FileVerified]:
    """The files, with the good ones in the folder of policies as one per state: an organization has thousands."""
    inside = [file for file in files if file.name.startswith(f"{POLICIES}/") and file.state in GOOD]
    counts = Counter(file.state for file in inside)
    for file in files:
        if file not in inside:
            yield file
        elif file.state in counts:
            number = counts.pop(file.state)
            yield FileVerified(f"{POLICIES}/ ({counted(number, 'file')})", file.state, "")


def _answer(verified: RunVerified) -> Iterator[str]:
    counts = Counter(file.state for file in verified.files)
    if verified.hindrance:
        yield f"not performed again: {safe(verified.hindrance, _LONGEST)}"
    reproduced = counts[FileState.REPRODUCED]
    if verified.holds:
        yield f"{counted(reproduced, 'file')} reproduced byte for byte"
        return
    wrong = sum(count for state, count in counts.items() if state not in GOOD)
    yield f"{counted(reproduced, 'file')} reproduced byte for byte, {wrong} not"


def dump_verified(verified: RunVerified, exit_code: int) -> str:
    """One JSON object with sorted members."""
    fields = {
        "schema_version": VERIFY_SCHEMA,
        "run_id": verified.run_id,
        "engine": ENGINE,
        "version": __version__,
        "judged_by_engine": verified.engine,
        "written_by": verified.written_by,
        "reproduced": verified.holds,
        "hindrance": verified.hindrance,
        "files": [{"name": file.name, "state": file.state, "why": file.why} for file in verified.files],
        "exit_code": exit_code,
    }
    return json.dumps(fields, indent=1, sort_keys=True, allow_nan=False)
