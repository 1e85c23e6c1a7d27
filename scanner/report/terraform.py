"""What a card says of Terraform: the resource and the attribute that an edit belongs in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.model.finding import Finding

_CHANGED = re.compile(
    r"# the patch belongs in this resource, if Terraform holds it(?: \((?P<or>[^\n]*)\))?\n"
    r'resource "(?P<kind>\w+)" "this" \{\n(?P<found>(?:  \w+ = "[^\n]*"\n)+)  (?:# )?(?P<attribute>\w+)(?: = <<|:)'
)
_REMOVED = re.compile(r"# (?P<kind>\w+): (?P<found>[^\n]+)")
_REMOVE = "# remove these resources, if Terraform holds them\n"


def terraform_place(finding: Finding) -> str:
    """Which resource changes or goes, in one sentence; empty where the remedy says no such thing.

    A changed document is not written out a second time: the patch stands above it, and findings.json has the resource
    as it would read.
    """
    remedy = finding.remediation
    if remedy.terraform.startswith(_REMOVE):
        gone = "; ".join(_removed(remedy.terraform.removeprefix(_REMOVE), finding.resource.arn))
        return f"remove {gone}." if gone else ""
    changed = _CHANGED.match(remedy.terraform)
    if changed is None or not remedy.diff:
        return ""
    found = ", ".join(changed["found"].strip().split("\n  "))
    other = f", {changed['or']}" if changed["or"] else ""
    where = _here(found, finding.resource.arn)
    return f"patch `{changed['attribute']}` of `{changed['kind']}` with {where}{other}."


def _removed(text: str, about: str) -> Iterator[str]:
    for line in text.split("\n"):
        gone = _REMOVED.fullmatch(line)
        if gone is not None:
            yield f"`{gone['kind']}` with {_here(gone['found'], about)}"


def _here(found: str, about: str) -> str:
    """The arguments by which a resource is found; the key that a finding is about is not spelled out again."""
    key = f'key_id = "{about}"'
    if not found.startswith(key):
        return f"`{found}`"
    rest = found.removeprefix(key).removeprefix(", ")
    return f"this key as `key_id`, `{rest}`" if rest else "this key as `key_id`"
