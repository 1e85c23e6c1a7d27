"""Decides what a log record looks like: text or JSON, no control characters, no field that is not named here."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

from scanner.errors import OutputError
from scanner.model.neutral import terminal_safe

CONTEXT_FIELDS = ("run_id", "account", "region", "call")
"""Set by `log_context` around a unit of work, or given with the record (`extra`)."""

EXTRA_FIELDS = ("subject", "outcome", "error_code", "attempt", "seconds", "done", "total", "path")
"""Further fields a record may carry with `extra`. INVARIANT: nothing else reaches a log, so no secret can."""

_LONGEST = 4000
_OURS = "scanner"
_context: ContextVar[dict[str, str] | None] = ContextVar("kms_scan_log_context", default=None)


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Add run_id, account, region or call to every record logged inside, in this thread or task.

    Raises KeyError for another field. Worker threads start with an empty context: enter it inside the unit.
    """
    for name in fields:
        if name not in CONTEXT_FIELDS:
            raise KeyError(name)
    token = _context.set({**(_context.get() or {}), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def configure(level: str, log_format: str, stream: TextIO, file: Path | None = None) -> None:
    """Send records to the stream and, when given, to a file; calling it again replaces what it set up before.

    `log_format` is `text`, `json` or `auto`: text on a terminal, JSON otherwise (a file is no terminal). Libraries are
    heard from WARNING on whatever the level is: botocore's debug records hold credentials.
    The file's first record says that a command began: it tells runs apart, and a full device before the work is done.
    Raises OutputError where the file cannot be opened or written.
    """
    file_handler = None if file is None else _file_handler(file, "json" if log_format == "auto" else log_format)
    if file_handler is not None:
        file_handler.handle(logging.LogRecord(_OURS, logging.INFO, __file__, 0, "log opened", None, None))
        if file_handler.failure is not None:
            file_handler.close()
        file_handler.check()
    remove_handlers()
    chosen = log_format if log_format != "auto" else "text" if stream.isatty() else "json"
    handlers: list[logging.Handler] = [_Stream(stream)]
    handlers[0].setFormatter(_formatter(chosen))
    if file_handler is not None:
        handlers.append(file_handler)
    for handler in handlers:
        _attach(handler)
    logging.getLogger(_OURS).setLevel(level.upper())
    for library in ("botocore", "boto3", "urllib3"):
        logging.getLogger(library).setLevel(logging.WARNING)


def check_files() -> None:
    """Raise OutputError where a log file that is still open could not be written; its records since then are lost."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _File):
            handler.check()


def remove_handlers() -> None:
    """Close and forget every handler that `configure` and `run_log` attached."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Stream | _File)]:
        root.removeHandler(handler)
        handler.close()


@contextmanager
def run_log(path: Path) -> Iterator[None]:
    """Also write every record inside as JSON lines into `path` (the `log.jsonl` of a run).

    Raises OutputError where the file cannot be opened, and after the block where it could not be written.
    """
    handler = _file_handler(path, "json")
    _attach(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    handler.check()


class JsonFormatter(logging.Formatter):
    """One JSON object per record: `ts level event`, then the context and the allowed fields that are set."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of ASCII."""
        fields: dict[str, object] = {
            "ts": _timestamp(record),
            "level": record.levelname.lower(),
            "event": _event(record),
            **_fields(record),
        }
        if record.exc_info is not None and record.exc_info[1] is not None:
            fields["error"] = _error(record.exc_info[1])
        return json.dumps(fields, ensure_ascii=True)


class TextFormatter(logging.Formatter):
    """One line per record for people: time, level, where, event, further fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        fields = _fields(record)
        place = " ".join(str(fields.pop(name)) for name in ("account", "region", "call") if name in fields)
        fields.pop("run_id", None)
        parts = [
            _timestamp(record),
            f"{record.levelname.lower():<7}",
            *([f"[{place}]"] if place else ()),
            _event(record),
        ]
        parts += [f"{name}={value}" for name, value in fields.items()]
        if record.exc_info is not None and record.exc_info[1] is not None:
            parts.append(f"error={_error(record.exc_info[1])}")
        return " ".join(part for part in parts if part)


class _ContextFilter(logging.Filter):
    """Gives a record the context of the thread that logged it, and drops libraries' records below WARNING."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in (_context.get() or {}).items():
            if not hasattr(record, name):
                setattr(record, name, value)
        ours = record.name == _OURS or record.name.startswith(f"{_OURS}.")
        return ours or record.levelno >= logging.WARNING


class _Stream(logging.StreamHandler[TextIO]):
    """A handler of ours, so that it can be told from those of others; a terminal that is gone stops nothing."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Drop the record."""


class _File(logging.FileHandler):
    """A handler of ours that creates its file for the user only and follows no symbolic link.

    The first record that cannot be written ends the file, not the work: `check` tells afterwards.
    """

    failure: OSError | None = None

    def _open(self) -> TextIO:  # type: ignore[override] # typeshed names the concrete text wrapper
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        return os.fdopen(os.open(self.baseFilename, flags, 0o600), "a", encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, unless the file has failed."""
        if self.failure is None:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Keep why the file refused the record."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self.failure = error

    def close(self) -> None:
        """Close the file; what it refused to take is dropped."""
        try:
            super().close()
        except OSError as error:
            self.failure = self.failure or error

    def check(self) -> None:
        """Raise OutputError where a record could not be written."""
        if self.failure is not None:
            reason = (self.failure.strerror or type(self.failure).__name__).lower()
            raise OutputError(f"log file `{self.baseFilename}` cannot be written: {reason}", hint="free some space")


def _formatter(name: str) -> logging.Formatter:
    return TextFormatter() if name == "text" else JsonFormatter()


def _file_handler(path: Path, log_format: str) -> _File:
    try:
        handler = _File(path, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise OutputError(f"log file `{path}` cannot be opened: {reason}", hint="choose another --log-file") from error
    handler.setFormatter(_formatter(log_format))
    return handler


def _attach(handler: logging.Handler) -> None:
    handler.addFilter(_ContextFilter())
    logging.getLogger().addHandler(handler)


def _timestamp(record: logging.LogRecord) -> str:
    moment = dt.datetime.fromtimestamp(record.created, tz=dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event(record: logging.LogRecord) -> str:
    return _neutral(record.getMessage())


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """The allowed fields that the record has; numbers stay numbers."""
    found: dict[str, object] = {}
    for name in (*CONTEXT_FIELDS, *EXTRA_FIELDS):
        value = getattr(record, name, None)
        if value is not None:
            found[name] = value if isinstance(value, int | float) else _neutral(str(value))
    return found


def _error(error: BaseException) -> str:
    """Type and message; no traceback, whose lines repeat arguments."""
    return _neutral(f"{type(error).__name__}: {error}")


def _neutral(text: str) -> str:
    safe = terminal_safe(text[:_LONGEST])
    return safe if len(text) <= _LONGEST else f"{safe}… ({len(text)} characters)"
