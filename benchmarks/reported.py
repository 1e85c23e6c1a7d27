"""A made-up organization as a run reports it, and copies of it side by side, to measure reports on.

The findings are those that the analysis makes, with remedies; nothing of them is made up again here. A copy has other
accounts, keys and ids of findings, and every policy that names one of them is another text.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TypeVar

from scanner import pipeline
from scanner.config import Settings
from scanner.contents import checked_snapshot, holding_of, read_findings, text_of
from scanner.model.finding import Finding, FindingsDocument, KeyRow
from scanner.report.context import PageSources
from scanner.report.coverage_notes import cited_notes
from scanner.report.directory import RunDirectory
from scanner.report.keys import KeyHolding
from scanner.report.streams import read_key_rows, read_ledger

from org import write
from synthetic.shape import Shape

_OWN = re.compile(
    r"\b(?P<account>\d{12})\b|\b(?P<key>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b"
    r"|\b(?P<finding>kx-[a-z2-7]{12})\b|\b(?P<text>[0-9a-f]{64})\b"
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report is rendered from."""

    document: FindingsDocument
    rows: tuple[KeyRow, ...]
    notes: Mapping[str, str]
    texts: Mapping[str, str]
    held: Mapping[str, KeyHolding]

    @property
    def sources(self) -> PageSources:
        """The same as the reports take it."""
        return PageSources(self.rows, self.notes, self.texts.get, lambda arn: self.held.get(arn, KeyHolding()))


def reported(shape: Shape, folder: Path) -> Reported:
    """Write, analyze and read an organization as the commands do, with the search for remedies."""
    directory = RunDirectory.create(folder, "organization")
    directory.copy("snapshot.sqlite", write(shape, folder / "snapshot.sqlite"))
    pipeline.analyze_run(directory, Settings())
    document = read_findings(directory.path)
    rows = tuple(read_key_rows(directory.path / "keys.csv"))
    notes = cited_notes(document.findings, read_ledger(directory.path / "coverage.csv"))
    with checked_snapshot(directory.path / "snapshot.sqlite") as connection:
        held = {row.key_arn: holding_of(connection, row.key_arn) for row in rows}
        wanted = {part.sha256 for finding in document.findings for part in finding.evidence}
        wanted |= {sha256 for holding in held.values() for _, sha256 in holding.policies}
        wanted -= set(document.documents)
        found = {sha256: text_of(connection, sha256) for sha256 in sorted(wanted)}
    texts = {sha256: text for sha256, text in found.items() if text is not None}
    return Reported(document, rows, notes, texts | dict(document.documents), held)


def side_by_side(one: Reported, number: int) -> Reported:
    """So many findings, from as many copies as it takes, with the keys in proportion."""
    findings: list[Finding] = []
    rows: list[KeyRow] = []
    notes, texts, held = dict(one.notes), dict(one.texts), dict(one.held)
    for copy, each in enumerate(_takes(number, len(one.document.findings))):
        named = _renamer(copy, one.texts)
        share = -(-len(one.rows) * each // len(one.document.findings))
        findings += (_renamed(finding, named) for finding in one.document.findings[:each])
        kept = one.rows if each == len(one.document.findings) else _about(one, each, share)
        rows += (_renamed(row, named) for row in kept)
        held |= {named(row.key_arn): _renamed(one.held[row.key_arn], named) for row in kept}
        notes |= {named(ref): named(text) for ref, text in one.notes.items()}
        texts |= {named(sha256): named(text) for sha256, text in one.texts.items()}
    return Reported(replace(one.document, findings=tuple(findings)), tuple(rows), notes, texts, held)


def _takes(number: int, whole: int) -> Iterator[int]:
    """How many findings each copy gives."""
    for start in range(0, number, whole):
        yield min(whole, number - start)


def _about(one: Reported, findings: int, share: int) -> tuple[KeyRow, ...]:
    """A share of the keys: first those that the findings are about."""
    about = {finding.resource.arn for finding in one.document.findings[:findings]}
    return tuple(sorted(one.rows, key=lambda row: (row.key_arn not in about, row.key_arn))[:share])


def _renamer(copy: int, texts: Mapping[str, str]) -> Callable[[str], str]:
    """Gives texts with the accounts, keys, findings and documents of a copy; the first is the original."""

    @cache
    def other(kind: str, name: str) -> str:
        if kind == "text":
            return hashlib.sha256(named(texts[name]).encode()).hexdigest() if name in texts else name
        digest = hashlib.sha256(f"{copy} {name}".encode()).hexdigest()
        if kind == "account":
            return f"{int(digest, 16) % 10**12:012d}"
        if kind == "finding":
            return f"kx-{base64.b32encode(bytes.fromhex(digest))[:12].decode().lower()}"
        return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))

    def named(text: str) -> str:
        return _OWN.sub(lambda found: other(str(found.lastgroup), found.group()), text) if copy else text

    return named


def _renamed(value: T, named: Callable[[str], str]) -> T:
    """A value with every text in it renamed."""
    if isinstance(value, str) and not isinstance(value, Enum):
        return type(value)(named(value))  # type: ignore[return-value]  # names of keys stay names of keys
    if isinstance(value, tuple):
        return tuple(_renamed(item, named) for item in value)  # type: ignore[return-value]
    if isinstance(value, Mapping):
        return {_renamed(name, named): _renamed(item, named) for name, item in value.items()}  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _renamed(getattr(value, f.name), named) for f in fields(value) if f.init})
    return value
