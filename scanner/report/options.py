"""How a run is reported: which formats are rendered, and how each of them looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.report.escape import CsvDialect
from scanner.report.ocsf import OcsfClass
from scanner.report.pages import HtmlOptions

FORMATS = ("html", "csv", "json", "ocsf", "asff", "sarif")
"""Formats that this version writes. `json` needs no rendering: findings.json is the input of a report."""
_BY_DEFAULT = ("html", "csv", "json")


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What is asked of a report."""

    formats: tuple[str, ...] = _BY_DEFAULT
    csv_dialect: CsvDialect = CsvDialect.EXCEL
    ocsf_class: OcsfClass = OcsfClass.IAM
    html: HtmlOptions = field(default_factory=HtmlOptions)

    def recorded(self) -> Mapping[str, object]:
        """What the manifest keeps, so that the report can be made again; templates of the user are not kept."""
        only = self.html.only
        return {
            "formats": [] if only else list(self.formats),
            "csv_dialect": self.csv_dialect.value,
            "ocsf_class": self.ocsf_class.value,
            "html_max_findings": self.html.limits.findings,
            "print_full": self.html.print_full,
            "own_templates": self.html.templates is not None,
            "only": list(dict.fromkeys(only)),
        }
