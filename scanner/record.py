"""What a run was judged with, as its manifest keeps it, so that it can be judged again the same way elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from scanner.baseline import Earlier
from scanner.config import Settings
from scanner.config.display import HASHED_SECTIONS
from scanner.errors import SnapshotError
from scanner.report.escape import CsvDialect
from scanner.report.manifest import Manifest, sha256_of
from scanner.report.ocsf import OcsfClass
from scanner.report.options import ReportOptions
from scanner.report.pages import HtmlOptions, PageLimits
from scanner.runs import FINDINGS, SNAPSHOT
from scanner.suppressions import SuppressionFile

VENDORS = "vendors.yaml"
SUPPRESSIONS = "suppressions.yaml"
_JUDGING = ("analyze", "config", "data", "model", "report", "snapshot", "contents.py", "plan.py", "worlds.py")
"""What an outcome depends on: what makes a world of a snapshot and a configuration, what judges it, with the tables in
these packages, and what writes and reads it."""
_UNREADABLE = "its manifest records no configuration that this version can read"


class BaselineRecord(BaseModel):
    """The earlier run that was compared with: where it was, the SHA-256 of its findings.json, whether it had more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    path: str
    sha256: str
    with_snapshot: bool


class Record(BaseModel):
    """Everything beside the snapshot that a judgement was made from; `suppressions` is the text of that file.

    `judging_code` is a hash of the code that judged; empty in manifests of before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    configuration: Mapping[str, object]
    vendors: Mapping[str, str]
    suppressions: str | None
    baseline: BaselineRecord | None
    judging_code: str = ""


class ReportRecord(BaseModel):
    """One report that left files, and how it was rendered: formats, or single findings by id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    formats: tuple[str, ...]
    csv_dialect: CsvDialect
    ocsf_class: OcsfClass
    html_max_findings: int
    print_full: bool
    own_templates: bool
    only: tuple[str, ...] = ()

    @property
    def can_be_made_again(self) -> bool:
        """Whether anything of it can: pages of single findings by templates of the user cannot."""
        return not (self.own_templates and self.only)

    def options(self) -> ReportOptions:
        """The options that make the same report; without its pages where templates of the user made them."""
        formats = tuple(f for f in self.formats if f != "html" or not self.own_templates)
        html = HtmlOptions(PageLimits(self.html_max_findings), self.only, self.print_full)
        return ReportOptions(formats, self.csv_dialect, self.ocsf_class, html)

    def without(self, later: ReportRecord) -> ReportRecord | None:
        """What a later report left as it was; None where it replaced everything."""
        formats = tuple(name for name in self.formats if name not in later.formats)
        only = tuple(name for name in self.only if name not in later.only)
        return self.model_copy(update={"formats": formats, "only": only}) if formats or only else None


_REPORTS = TypeAdapter(tuple[ReportRecord, ...])


@dataclass(frozen=True, slots=True)
class Restored:
    """A record turned back into what the analysis takes; `suppressions` is None where there was no such file."""

    settings: Settings
    suppressions: Path | None


@lru_cache(maxsize=1)
def judging_code() -> str:
    """A hash of the code that judges: a release may try edits otherwise, and the same engine find the same."""
    told = hashlib.sha256()
    for name in _JUDGING:
        for path, content in _sources(files("scanner").joinpath(name), name):
            told.update(f"{path} {len(content)}\n".encode() + content)
    return told.hexdigest()


def _sources(entry: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    if entry.is_dir():
        for inner in sorted(entry.iterdir(), key=lambda e: e.name):
            yield from _sources(inner, f"{path}/{inner.name}")
    elif path.endswith((".py", ".json")):
        yield path, entry.read_bytes()


def record_of(
    settings: Settings, vendors: Mapping[str, str], accepted: SuppressionFile, earlier: Earlier | None
) -> Mapping[str, object]:
    """The record of a judgement, as JSON.

    It holds the sections that the hash of the configuration covers, without ExternalIds, and the gates. What other
    files said goes in whole, so that the folder of a run is enough; the baseline is a run of its own, and is named.
    """
    values = _sections(settings, *HASHED_SECTIONS, "gate")
    values["output"] = {"csv_dialect": settings.output.csv_dialect}
    baseline = None
    if earlier is not None:
        folder, facts = earlier.snapshot.parent, earlier.baseline
        baseline = BaselineRecord(
            run_id=facts.run_id,
            path=str(folder),
            sha256=sha256_of(folder / FINDINGS),
            with_snapshot=earlier.snapshot.is_file(),
        )
    record = Record(
        configuration=values, vendors=vendors, suppressions=accepted.text, baseline=baseline,
        judging_code=judging_code(),
    )  # fmt: skip
    return record.model_dump(mode="json")


def judged_as(settings: Settings, vendors: Mapping[str, str]) -> Callable[[Record], bool]:
    """Whether a judgement was made with a configuration, suppressions aside: they change no verdict.

    Args:
        vendors: what the list of vendors of the settings says; it counts in place of where the list is.
    """
    names = [name for name in HASHED_SECTIONS if name != "suppressions"]

    def as_json(values: Mapping[str, Any]) -> dict[str, object]:
        return {n: {k: v for k, v in values[n].items() if (n, k) != ("trust", "known_vendors")} for n in names}

    wanted = as_json(_sections(settings, *names)), dict(vendors)

    def fits(record: Record) -> bool:
        try:
            return (as_json(record.configuration), dict(record.vendors)) == wanted
        except (KeyError, AttributeError):  # a section is missing, or is none
            return False

    return fits


def _sections(settings: Settings, *names: str) -> dict[str, Any]:
    """Sections of a configuration as JSON, without ExternalIds."""
    values = settings.model_dump(mode="json", include=set(names))
    for override in values["accounts"]["overrides"].values():
        del override["external_id"]
    return values


def read_record(manifest: Manifest) -> tuple[Record, tuple[ReportRecord, ...]]:
    """The record of the judgement, and of each report that left files, the first one first.

    Raises:
        SnapshotError: the manifest has none, as those of older versions.
    """
    try:
        return read_judgement(manifest), _REPORTS.validate_python(manifest.fields.get("reported"))
    except ValidationError as error:
        raise SnapshotError(_UNREADABLE, hint="analyze and report its snapshot again") from error


def read_judgement(manifest: Manifest) -> Record:
    """What the findings were made with. Raises SnapshotError where the manifest does not record it."""
    try:
        return Record.model_validate(manifest.fields.get("judged"))
    except ValidationError as error:
        raise SnapshotError(_UNREADABLE, hint="analyze and report its snapshot again") from error


def reports_with(before: object, options: ReportOptions) -> list[Mapping[str, object]]:
    """What the manifest says was reported, after one more report; `before` is what it said until now.

    What a later report writes again stands once, with the options of the later one. A record that cannot be read says
    nothing of the files that are there, and those are then not performed again.
    """
    added = ReportRecord.model_validate(options.recorded())
    try:
        earlier = _REPORTS.validate_python(before or [])
    except ValidationError:
        earlier = ()
    left = (record.without(added) for record in earlier)
    return [record.model_dump(mode="json") for record in (*(record for record in left if record), added)]


def restored(record: Record, folder: Path) -> Restored:
    """The settings of a record; what other files said is written into the folder.

    Raises:
        SnapshotError: the configuration is none of this version, or the baseline is not there as it was.
    """
    values = {name: dict(section) for name, section in record.configuration.items() if isinstance(section, Mapping)}
    values.setdefault("gate", {})["baseline"] = _baseline(record.baseline) if record.baseline else None
    if record.vendors:
        listed = folder / VENDORS
        entries = [{"name": name, "accounts": [account]} for account, name in record.vendors.items()]
        listed.write_text(yaml.safe_dump(entries), encoding="utf-8")
        values.setdefault("trust", {})["known_vendors"] = str(listed)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SnapshotError(_UNREADABLE) from error
    suppressions = None
    if record.suppressions is not None:
        suppressions = folder / SUPPRESSIONS
        suppressions.write_bytes(record.suppressions.encode())
    return Restored(settings, suppressions)


def _baseline(record: BaselineRecord) -> str:
    """The folder of the earlier run, if it still says what it said. Raises SnapshotError."""
    folder = Path(record.path)
    named = f"the baseline `{record.run_id}`"
    if not (folder / FINDINGS).is_file():
        raise SnapshotError(f"{named} is not in `{folder}` any more", hint="put it back to verify this run")
    if sha256_of(folder / FINDINGS) != record.sha256:
        raise SnapshotError(f"{named} in `{folder}` does not say what it said when this run was judged")
    if record.with_snapshot and not (folder / SNAPSHOT).is_file():
        raise SnapshotError(f"{named} in `{folder}` has lost its snapshot", hint="put it back to verify this run")
    return record.path
