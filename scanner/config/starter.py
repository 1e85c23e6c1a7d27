"""Writes the files that `kms-scan init` starts a user with, and never over those a user has."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from scanner.errors import OutputError, UsageError
from scanner.resources import example_config

SUPPRESSIONS_STARTER = """\
# kms-scan suppressions: findings that were reviewed and accepted, each with a reason, an owner and an end.
# `kms-scan suppress RUN FINDING` appends an entry. One that is over, or whose fingerprint no longer holds, is void.
# Texts are compared whole, with the wildcards `*` and `?`. A selector covers the capabilities it lists, and no other.
#
#  - id: kx-pnfc3b5nav5y                       # by finding id ...
#    fingerprint: a1fce436                     # ... optional: void as soon as the access changes
#    reason: Payroll vendor reads month-end exports; contract 2024-117
#    owner: hr-platform@acme.example
#    ticket: RISK-1042
#    expires: 2027-03-31
#  - match:                                    # or by selector, which must name the key side AND the caller side
#      kind: external_access
#      key: {account: "111122223333", tag: {app: backup}}
#      grantee: {account: "222233334444"}
#      capabilities: [encrypt]
#    reason: Central backup writes only
#    owner: backup-team@acme.example
#    expires: 2027-01-15

version: 1
suppressions: []
"""


def write_starter(directory: Path, *, force: bool) -> list[Path]:
    """Write `config.yaml` and `suppressions.yaml`, readable by the user only; the paths written.

    Raises UsageError where one of them exists and `force` is off (then none is written), OutputError where the folder
    cannot be written.
    """
    texts = {directory / "config.yaml": example_config(), directory / "suppressions.yaml": SUPPRESSIONS_STARTER}
    existing = [path for path in texts if os.path.lexists(path)]
    if existing and not force:
        names = " and ".join(f"`{path}`" for path in existing)
        raise UsageError(
            f"{names} already {'exist' if len(existing) > 1 else 'exists'}, nothing was written",
            hint="`--force` overwrites, `--dir` writes elsewhere",
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            _write(path, text, force=force)
    except OSError as error:
        place = error.filename2 or error.filename or directory
        reason = (error.strerror or type(error).__name__).lower()
        raise OutputError(f"`{place}` cannot be written: {reason}", hint="`--dir` writes elsewhere") from error
    return list(texts)


def _write(path: Path, text: str, *, force: bool) -> None:
    """A complete file appears under its name, or none. A link, unlike a rename, fails where the name is taken."""
    partial = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if force:
            partial.replace(path)
        else:
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
