"""keys.csv, access.csv and coverage.csv: written row by row, read back for `report`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

from scanner import FINDINGS_SCHEMA
from scanner.errors import SnapshotError
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import AccessRow, KeyRow, RowAccess, RowPrincipal
from scanner.report.columns import ACCESS, COVERAGE, KEYS, Column, names
from scanner.report.directory import RunDirectory
from scanner.report.escape import CsvDialect, csv_cell, csv_text

BYTE_ORDER_MARK = "\ufeff"
NO_NAME = "no name"
_SCHEMA = str(FINDINGS_SCHEMA)
_LINE_END = "\r\n"
_REMEMBERED = 2048
"""Parts of lines that are made once: rows of a key share few, and these come again at the next one."""
_PRINCIPALS = 200_000
"""The same for principals, of which many keys have the same."""
_COUNTS = ("grants", "critical", "high", "medium", "low", "info", "suppressed")
_ESCAPE = re.compile(r"\\([\\;=])")
_HINT = "run `kms-scan analyze` on the snapshot again"


def account_label(name: str, account_id: str) -> str:
    """`payroll (012345670123)`: spreadsheets drop leading zeros of an id that stands alone."""
    if not account_id:
        return name
    return f"{name or NO_NAME} ({account_id})"


def join_list(values: tuple[str, ...]) -> str:
    r"""One cell for several values, joined with `; `; a `;` within a value reads `\;`."""
    return "; ".join(_escaped(value) for value in values)


def join_map(values: Mapping[str, str]) -> str:
    r"""One cell of `name=value`, sorted by name; a `=` within a name reads `\=`."""
    pairs = sorted(values.items())
    return "; ".join(f"{_escaped(name).replace('=', chr(92) + '=')}={_escaped(value)}" for name, value in pairs)


class _TableWriter:
    """A CSV file that is written row by row and appears when the `with` block ends without error."""

    name = ""
    columns: tuple[Column, ...] = ()

    def __init__(self, directory: RunDirectory, dialect: CsvDialect) -> None:
        self._directory = directory
        self._dialect = dialect
        self._stack = ExitStack()
        self._line = io.StringIO(newline="")
        self._line_of = csv.writer(self._line, lineterminator=_LINE_END)

    def __enter__(self) -> Self:
        stream = self._stack.enter_context(self._directory.stream(self.name))
        if self._dialect is CsvDialect.EXCEL:
            stream.write(BYTE_ORDER_MARK)
        self._stream = stream
        self._stream.write(",".join(names(self.columns)) + _LINE_END)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _write(self, cells: Mapping[str, object]) -> None:
        """One line; a column without a cell is a programming error and raises KeyError."""
        line = (_SCHEMA, *(str(cells[column.name]) for column in self.columns[1:]))
        self._stream.write(self._cells(line) + _LINE_END)

    def _cells(self, texts: tuple[str, ...]) -> str:
        """Two or more cells as they stand side by side in a line."""
        self._line.seek(0)
        self._line.truncate()
        self._line_of.writerow([csv_cell(cell, self._dialect) for cell in texts])
        return self._line.getvalue().removesuffix(_LINE_END)


class AccessWriter(_TableWriter):
    """access.csv: can have millions of rows, so nothing is kept but what neighbouring rows have in common."""

    name = "access.csv"
    columns = ACCESS

    def __init__(self, directory: RunDirectory, dialect: CsvDialect, aliases: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__(directory, dialect)
        self._aliases = {arn: join_list(names) for arn, names in aliases.items()}
        remembered = lru_cache(_REMEMBERED)
        self._before, self._after = remembered(self._cells_before), remembered(self._cells_after)
        self._who, self._what = lru_cache(_PRINCIPALS)(self._cells_of_who), remembered(self._cells_of_what)

    def write(self, row: AccessRow) -> None:
        """Append one row, in parts of columns that stand side by side and often come again."""
        arn, principal, access = row
        self._stream.write(
            f"{self._before(arn)},{self._who(principal)},{self._what(access)},"
            f"{self._after(principal.kind, access.finding_verdict, arn)}{_LINE_END}"
        )

    def _cells_before(self, key_arn: str) -> str:
        return self._cells((_SCHEMA, key_arn))

    def _cells_of_who(self, who: RowPrincipal) -> str:
        return self._cells((who.arn, who.account_id, account_label(who.account_name, who.account_id)))

    def _cells_of_what(self, what: RowAccess) -> str:
        party, capability, actions, *others, _ = what
        return self._cells((party, capability, join_list(actions), *others))

    def _cells_after(self, kind: str, verdict: str, key_arn: str) -> str:
        return self._cells((kind, verdict, self._aliases.get(key_arn, "")))


class KeysWriter(_TableWriter):
    """keys.csv: every key, also without findings."""

    name = "keys.csv"
    columns = KEYS

    def write(self, row: KeyRow) -> None:
        """Append one row."""
        cells = {field.name: getattr(row, field.name) for field in fields(row)}
        cells["account_name"] = account_label(row.account_name, row.account_id)
        cells["aliases"] = join_list(row.aliases)
        cells["tags"] = join_map(row.tags)
        self._write(cells)


class CoverageWriter(_TableWriter):
    """coverage.csv: the ledger, with the number of findings that each row weakens."""

    name = "coverage.csv"
    columns = COVERAGE

    def __init__(self, directory: RunDirectory, dialect: CsvDialect, account_names: Mapping[str, str]) -> None:
        super().__init__(directory, dialect)
        self._account_names = account_names

    def write(self, row: LedgerRow, findings_affected: int) -> None:
        """Append one row."""
        cells: dict[str, object] = {field.name: getattr(row, field.name) for field in fields(row)}
        cells["account_name"] = account_label(self._account_names.get(row.account_id, ""), row.account_id)
        cells["findings_affected"] = findings_affected
        self._write(cells)


def read_key_rows(path: Path) -> tuple[KeyRow, ...]:
    """The rows of a keys.csv in either dialect. Raises SnapshotError when the file is missing or damaged."""
    return tuple(_key_row(cells, path) for cells in _lines(path, KEYS))


def read_ledger(path: Path) -> tuple[LedgerRow, ...]:
    """The rows of a coverage.csv in either dialect. Raises SnapshotError when the file is missing or damaged."""
    return tuple(_ledger_row(cells, path) for cells in _lines(path, COVERAGE))


def _key_row(cells: dict[str, str], path: Path) -> KeyRow:
    suffix = f" ({cells['account_id']})"
    name = cells["account_name"].removesuffix(suffix)
    counts = {count: cells[count] for count in _COUNTS}
    if not all(number.isdecimal() for number in counts.values()):
        raise _damaged(path, f"a count of key `{cells['key_arn']}` is no number")
    return KeyRow(
        key_arn=cells["key_arn"],
        account_id=cells["account_id"],
        account_name="" if name == NO_NAME else name,
        region=cells["region"],
        aliases=tuple(_split(cells["aliases"])),
        state=cells["state"],
        manager=cells["manager"],
        spec=cells["spec"],
        usage=cells["usage"],
        origin=cells["origin"],
        family=cells["family"],
        tags=dict(_pairs(cells["tags"])),
        last_used=cells["last_used"],
        policy_read=cells["policy_read"],
        grants_read=cells["grants_read"],
        ram_read=cells["ram_read"],
        delegates_to_iam=cells["delegates_to_iam"],
        **{count: int(number) for count, number in counts.items()},
    )


def _ledger_row(cells: dict[str, str], path: Path) -> LedgerRow:
    outcome = cells.pop("outcome")
    if outcome not in set(Outcome):
        raise _damaged(path, f"`{outcome}` is no outcome")
    del cells["account_name"], cells["findings_affected"]
    return LedgerRow(outcome=Outcome(outcome), **cells)


def _lines(path: Path, columns: tuple[Column, ...]) -> Iterator[dict[str, str]]:
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SnapshotError(f"`{path}` cannot be read: {(error.strerror or '').lower()}", hint=_HINT) from error
    except UnicodeDecodeError as error:
        raise _damaged(path, "it is no UTF-8 text") from error
    dialect = CsvDialect.EXCEL if text.startswith(BYTE_ORDER_MARK) else CsvDialect.RFC4180
    lines = csv.reader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline=""), strict=True)
    expected = names(columns)
    try:
        if next(lines, [])[: len(expected)] != expected:
            raise _damaged(path, "its first line names other columns")
        for line in lines:
            if len(line) < len(expected) or line[0] != _SCHEMA:
                raise _damaged(path, f"line {lines.line_num} is cut off or of another schema")
            yield {
                name: csv_text(cell, dialect) for name, cell in zip(expected[1:], line[1 : len(expected)], strict=True)
            }
    except csv.Error as error:
        raise _damaged(path, f"line {lines.line_num}: {error}") from error


def _damaged(path: Path, why: str) -> SnapshotError:
    return SnapshotError(f"`{path}` is damaged: {why}", hint=_HINT)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(";", "\\;")


def _split(cell: str) -> Iterator[str]:
    """Values of a `join_list` cell."""
    yield from (_plain(part) for part in _raw_split(cell))


def _pairs(cell: str) -> Iterator[tuple[str, str]]:
    """Names and values of a `join_map` cell."""
    for part in _raw_split(cell):
        at = 0
        while at < len(part) and part[at] != "=":
            at += 2 if part[at] == "\\" else 1
        yield _plain(part[:at]), _plain(part[at + 1 :])


def _raw_split(cell: str) -> Iterator[str]:
    if not cell:
        return
    start = at = 0
    while at < len(cell):
        if cell[at] == ";":
            yield cell[start:at]
            start = at + 2
        at += 2 if cell[at] == "\\" else 1
    yield cell[start:]


def _plain(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)
