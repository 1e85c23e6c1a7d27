"""docs/csv.md, which is made from the declaration of the columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from scanner import FINDINGS_SCHEMA
from scanner.report.columns import TABLES

PAPER = Path(__file__).parents[2] / "docs" / "csv.md"
OPENING = f"""# The CSV files

<!-- Made from scanner/report/columns.py by `pytest tests/golden --update-golden`; edit the descriptions there. -->

Columns are only ever added at the end, so that a column stays where it is.
`schema_version` is {FINDINGS_SCHEMA}.
A file without rows has its header.
Fields are separated by commas, lines end with CR LF, the text is UTF-8.
Several values in one cell are joined with `; `; a `;` or `\\` within a value has a `\\` before it.
Times are ISO 8601 in UTC.

There are two dialects, `output.csv_dialect` or `report --csv-dialect`.

- `excel`, the default, opens with a byte order mark.
  A `'` stands before what a spreadsheet would calculate, also behind spaces: `=`, `+`, `-`, `@`, TAB, CR, LF,
  and their full-width forms.
  Control and invisible characters are spelled out, such as `\\x1b`.
- `rfc4180` is for programs: no byte order mark, and values as they are.
  NUL and lone surrogates are spelled out, because no UTF-8 table holds them.

`report` writes `findings.csv` alone.
The other three are written when a run is judged, in the dialect that is configured then.
"""


def paper() -> Iterator[str]:
    """The whole page, in parts."""
    yield OPENING
    for table in TABLES:
        yield f"\n## {table.name}\n\nOne row per {table.one_row_per}.\n"
        yield table.note.replace(". ", ".\n") + "\n\n| Column | Holds |\n|---|---|\n"
        yield from (f"| `{column.name}` | {column.description} |\n" for column in table.columns)


def test_paper_of_the_csv_files_says_what_the_columns_declare(golden: Callable[[str, bytes], None]) -> None:
    golden(str(PAPER), "".join(paper()).encode())
