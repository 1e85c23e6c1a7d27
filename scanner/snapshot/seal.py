"""The seal of a snapshot: a hash in its header over all other bytes, so that a whole file is known without its rows."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

SEAL = "file_hash"
"""The header's entry: SHA-256 of the file with `BLANK` in the place of this value."""
BLANK = "0" * 64
"""What the entry says before the file is sealed."""

_FOUND = re.compile(b"%s([0-9a-f]{64})" % SEAL.encode())
_BLOCK = 1 << 20
"""Bytes read at once: a multiple of any page size, as an entry never goes beyond its page."""


def seal(path: Path, directory: int | None = None) -> None:
    """Put the hash into a closed file whose header has the entry, blank.

    A file that holds what looks like the entry anywhere else stays as it is: its rows tell whether it is whole.

    Args:
        directory: a descriptor of the folder of the file, where it is locked; without one the path is followed.

    Raises:
        OSError: the file cannot be written.
    """
    where = path if directory is None else path.name
    with os.fdopen(os.open(where, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory), "r+b") as file:
        digest, entries = _measured(file)
        if [said for _, said in entries] == [BLANK]:
            file.seek(entries[0][0])
            file.write(digest.encode())
            file.flush()
            os.fsync(file.fileno())


def is_sealed(path: Path) -> bool:
    """Whether the file is byte for byte the one that was closed; one that cannot be read is not known to be.

    Whoever edits on purpose can compute it anew, as for the rows; only a manifest kept elsewhere tells.
    """
    try:
        with path.open("rb") as file:
            digest, entries = _measured(file)
    except OSError:
        return False
    return [said for _, said in entries] == [digest]


def _measured(file: BinaryIO) -> tuple[str, list[tuple[int, str]]]:
    """The hash of a file with its entries blank; where each entry starts, and what it says."""
    digest, entries, start = sha256(), list[tuple[int, str]](), 0
    while block := file.read(_BLOCK):
        for found in _FOUND.finditer(block):
            entries.append((start + found.start(1), found[1].decode()))
            block = block[: found.start(1)] + BLANK.encode() + block[found.end(1) :]
        digest.update(block)
        start += len(block)
    return digest.hexdigest(), entries
