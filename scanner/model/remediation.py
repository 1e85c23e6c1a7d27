"""What to do about a finding, as words, commands and a patch."""

from __future__ import annotations

from dataclasses import dataclass

RUN = '"$RUN"'
"""Stands for the run in commands: whoever pastes them says which one, and `set -u` stops where nobody has."""


@dataclass(frozen=True, slots=True)
class Remediation:
    """What to do: the smallest edit that ends the access, in words, as commands and as a patch of the document.

    `verified` says that the edit was tried on the snapshot: it removes the finding, changes no other one and keeps the
    access of the key's own account. `effect` says what the trial showed, or why there was none; `risk_note` what is to
    be known before it is made. `terraform` is where the same edit belongs in Terraform, whose files are not known.
    Nothing is ever executed. `cli` is one block for a shell, with the run as `RUN`.
    """

    kind: str = "none"
    text: str = ""
    cli: str = ""
    diff: str = ""
    verified: bool = False
    effect: str = ""
    risk_note: str = ""
    terraform: str = ""
