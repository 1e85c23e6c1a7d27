"""Reads suppressions.yaml, with every problem at once, and appends reviewed entries to it."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from scanner.closest import closest
from scanner.errors import ConfigError, OutputError, UsageError
from scanner.model.actions import CAPABILITIES
from scanner.model.arn import is_account_id
from scanner.model.finding import Kind
from scanner.model.neutral import terminal_safe
from scanner.model.suppression import Selector, SuppressionEntry
from scanner.yamltext import YamlDocument, YamlPath, YamlValue, dotted, read_yaml

VERSION = "1"
_ID = re.compile(r"kx-[a-z2-7]{12}\Z")
_FINGERPRINT = re.compile(r"[0-9a-f]{8}\Z")
_ENTRY = ("id", "fingerprint", "match", "reason", "owner", "ticket", "expires")
_MATCH = ("kind", "key", "grantee", "capabilities")
_KEY = ("account", "arn", "alias", "region", "tag")
_GRANTEE = ("account", "selector")
_MANDATORY = ("reason", "owner", "expires")
_LARGEST_FILE = 4 * 1024 * 1024
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class SuppressionRules:
    """What an entry must hold, and how many days from the evaluation time its end may lie at most."""

    max_days: int = 365
    require: tuple[str, ...] = _MANDATORY


@dataclass(frozen=True, slots=True)
class SuppressionFile:
    """The entries of a file, the SHA-256 of its bytes and its text; empty and None where there is no file."""

    entries: tuple[SuppressionEntry, ...] = ()
    sha256: str = ""
    text: str | None = None


def read_suppressions(path: Path, rules: SuppressionRules, today: dt.date, *, must_exist: bool) -> SuppressionFile:
    """The entries of a suppression file.

    Args:
        today: the day of the evaluation; it bounds how far away an end may lie.
        must_exist: whether somebody named the file; the default one may be missing.

    Raises:
        ConfigError: with every problem in the file, as `file:line: text`.
        UsageError: the file cannot be read.
    """
    if not must_exist and not path.exists():
        return SuppressionFile()
    data = _bytes(path)
    return SuppressionFile(_parsed(data, path, rules, today), hashlib.sha256(data).hexdigest(), data.decode("utf-8"))


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"suppressions `{path}` cannot be read: {reason}") from error
    if len(data) > _LARGEST_FILE:
        raise UsageError(f"suppressions `{path}` are larger than 4 MiB")
    return data


def _parsed(data: bytes, path: Path, rules: SuppressionRules, today: dt.date) -> tuple[SuppressionEntry, ...]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError((f"{path}:{line}: is not UTF-8 text",)) from error
    reader = _Reader(read_yaml(text), rules, today)
    entries = reader.entries()
    if reader.problems:
        ordered = sorted(reader.problems, key=lambda problem: problem[0])
        raise ConfigError(
            tuple(f"{path}:{line}: {text}" for line, text in ordered),
            details=tuple({"file": str(path), "line": line, "message": said} for line, said in ordered),
        )
    return entries


class _Reader:
    """Turns the YAML of a file into entries and collects what is wrong with it."""

    def __init__(self, document: YamlDocument, rules: SuppressionRules, today: dt.date) -> None:
        self._document = document
        self._rules = rules
        self._last = today + dt.timedelta(days=rules.max_days)
        self.problems = [(p.line, str(p)) for p in document.problems]

    def entries(self) -> tuple[SuppressionEntry, ...]:
        """Every entry that can be read."""
        if self.problems:
            return ()
        tree = self._mapping(self._document.value, (), ("version", "suppressions"))
        if tree is None:
            return ()
        if tree.get("version") != VERSION:
            self._wrong(("version",), f"must be {VERSION}, the version that this release reads")
        listed = tree.get("suppressions")
        if not isinstance(listed, list):
            if listed is not None:
                self._wrong(("suppressions",), "must be a list of entries")
            return ()
        found = [self._entry(value, ("suppressions", place)) for place, value in enumerate(listed)]
        seen: dict[str, int] = {}
        for entry in (e for e in found if e is not None and e.id):
            if entry.id in seen:
                self.problems.append((entry.line, f"`{entry.id}` is suppressed twice, first in line {seen[entry.id]}"))
            seen.setdefault(entry.id, entry.line)
        return tuple(entry for entry in found if entry is not None)

    def _entry(self, value: YamlValue, path: YamlPath) -> SuppressionEntry | None:
        tree = self._mapping(value, path, _ENTRY)
        if tree is None:
            return None
        for name in dict.fromkeys((*_MANDATORY, *self._rules.require)):
            if not tree.get(name):
                self._wrong((*path, name), "is required")
        by_id, by_match = tree.get("id") is not None, tree.get("match") is not None
        if by_id is by_match:
            self._wrong(path, "must name a finding with `id`, or several with `match`, and not both")
        finding_id = self._text(
            tree, path, "id", lambda t: bool(_ID.match(t)), "must be a finding id: kx- and 12 signs"
        )
        pinned = self._text(tree, path, "fingerprint", lambda t: bool(_FINGERPRINT.match(t)), "must be 8 hex digits")
        if pinned and not by_id:
            self._wrong((*path, "fingerprint"), "goes with `id` only")
        selector = self._selector(tree["match"], (*path, "match")) if by_match else None
        return SuppressionEntry(
            reason=self._text(tree, path, "reason"), owner=self._text(tree, path, "owner"),
            expires=self._date(tree, path), ticket=self._text(tree, path, "ticket"), id=finding_id,
            fingerprint=pinned, selector=selector, line=self._document.line(path),
        )  # fmt: skip

    def _selector(self, value: YamlValue, path: YamlPath) -> Selector:
        tree = self._mapping(value, path, _MATCH) or {}
        key = self._side(tree, path, "key", _KEY)
        grantee = self._side(tree, path, "grantee", _GRANTEE)
        tags = self._tags(key.get("tag"), (*path, "key", "tag"))
        if not any(key.get(name) for name in ("account", "arn", "alias")) and not tags:
            self._wrong((*path, "key"), "must name the key side: account, arn, alias or tag")
        if not grantee:
            self._wrong((*path, "grantee"), "must name the caller side: account or selector")
        kind = self._text(tree, path, "kind", lambda t: t in set(Kind), f"must be one of {', '.join(Kind)}")
        texts = {name: self._glob(key, (*path, "key"), name) for name in _KEY if name != "tag"}
        return Selector(
            kind, texts["account"], texts["arn"], texts["alias"], texts["region"], tags,
            self._glob(grantee, (*path, "grantee"), "account"), self._glob(grantee, (*path, "grantee"), "selector"),
            self._capabilities(tree.get("capabilities"), (*path, "capabilities")),
        )  # fmt: skip

    def _side(self, tree: Mapping[str, YamlValue], path: YamlPath, name: str, known: Iterable[str]) -> (
        Mapping[str, YamlValue]
    ):  # fmt: skip
        return self._mapping(tree[name], (*path, name), tuple(known)) or {} if tree.get(name) is not None else {}

    def _tags(self, value: YamlValue, path: YamlPath) -> dict[str, str]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._wrong(path, "must be a mapping of tag keys to values")
            return {}
        return {name: self._glob(value, path, name) for name in value}

    def _glob(self, tree: Mapping[str, YamlValue], path: YamlPath, name: str) -> str:
        """A text or glob; one that fits everything names nothing."""
        said = self._text(tree, path, name)
        if said and not said.strip("*?"):
            self._wrong((*path, name), f"is `{said}`, which fits everything; name something")
        if name == "account" and said and not set(said) & {"*", "?"} and not is_account_id(said):
            self._wrong((*path, name), f"is `{_shown(said)}`, must be a 12-digit account id or a glob of one")
        return said

    def _capabilities(self, value: YamlValue, path: YamlPath) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            self._wrong(path, "must list the capabilities that are accepted, such as [encrypt]")
            return ()
        for place, item in enumerate(value):
            if item not in CAPABILITIES:
                near = closest(item, CAPABILITIES) if isinstance(item, str) else None
                hint = f" (did you mean `{near}`?)" if near else ""
                self._wrong((*path, place), f"must be one of {', '.join(CAPABILITIES)}{hint}")
        return tuple(str(item) for item in value)

    def _date(self, tree: Mapping[str, YamlValue], path: YamlPath) -> str:
        said = self._text(tree, path, "expires")
        try:
            day = dt.date.fromisoformat(said) if said else None
        except ValueError:
            self._wrong((*path, "expires"), f"is `{_shown(said)}`, must be a date such as 2027-03-31")
            return ""
        if day is not None and day > self._last:
            self._wrong(
                (*path, "expires"),
                f"is {day}, must be within {self._rules.max_days} days: {self._last} at the latest "
                "(suppressions.max_days)",
            )
        return day.isoformat() if day else ""

    def _mapping(self, value: YamlValue, path: YamlPath, known: tuple[str, ...]) -> dict[str, YamlValue] | None:
        if not isinstance(value, dict):
            where = "the file" if not path else dotted(path)
            self.problems.append((self._document.line(path), f"{where} must be a mapping of {', '.join(known)}"))
            return None
        for name in value:
            if name not in known:
                near = closest(name, known)
                self._wrong((*path, name), f"is not known{f' (did you mean `{near}`?)' if near else ''}")
        return value

    def _text(
        self,
        tree: Mapping[str, YamlValue],
        path: YamlPath,
        name: str,
        is_right: Callable[[str], bool] = bool,
        rule: str = "",
    ) -> str:
        value = tree.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self._wrong((*path, name), "must be one text")
            return ""
        if value and rule and not is_right(value):
            self._wrong((*path, name), f"is `{_shown(value)}`, {rule}")
        return value

    def _wrong(self, path: YamlPath, text: str) -> None:
        self.problems.append((self._document.line(path), f"{terminal_safe(dotted(path))} {text}"))


def _shown(text: str) -> str:
    safe = terminal_safe(text)
    return safe if len(safe) <= _LONGEST else f"{safe[:_LONGEST]}…"


# -- writing ----------------------------------------------------------------------------------------------------------


def append_suppression(path: Path, entry: SuppressionEntry, rules: SuppressionRules, today: dt.date) -> None:
    """Append an entry by finding id; what stands in the file, comments included, stays as it is.

    The new text is read back before it takes the place of the old one. A missing file is made.

    Raises:
        ConfigError: the file has problems, or would have with the entry; it is not touched.
        UsageError: the finding has an entry already, or the list does not end the file.
        OutputError: the file cannot be written.
    """
    old = _bytes(path) if path.exists() else f"version: {VERSION}\nsuppressions: []\n".encode()
    before = _parsed(old, path, rules, today)
    held = next((e for e in before if e.id == entry.id), None)
    if held is not None:
        raise UsageError(f"{path}:{held.line}: `{entry.id}` has an entry already", hint="change that entry")
    text = old.decode("utf-8")
    if text and not text.endswith("\n"):
        text += "\n"
    new = _with_list_open(text) + _written(entry, _indent(text))
    entries = _parsed(new.encode(), path, rules, today)
    if entries[:-1] != before or entries[-1].id != entry.id:
        raise UsageError(f"`{path}` cannot be appended to: something follows its list of suppressions")
    _replace(path, new.encode())


_EMPTY_LIST = re.compile(r"^suppressions:[ \t]*(\[[ \t]*\]|~|null)?(?P<rest>[ \t\r]*(#.*)?)$", re.MULTILINE)
_FIRST_ITEM = re.compile(r"^(?P<indent> *)- ", re.MULTILINE)


def _with_list_open(text: str) -> str:
    """The text with `suppressions: []` turned into the start of a list; a missing key is added."""
    found = _EMPTY_LIST.search(text)
    if found is None:
        return text if re.search(r"^suppressions:", text, re.MULTILINE) else f"{text}suppressions:\n"
    return f"{text[: found.start()]}suppressions:{found['rest']}{text[found.end() :]}"


def _indent(text: str) -> str:
    found = _FIRST_ITEM.search(text)
    return found["indent"] if found else "  "


def _written(entry: SuppressionEntry, indent: str) -> str:
    fields = (
        ("id", entry.id), ("fingerprint", entry.fingerprint), ("reason", entry.reason), ("owner", entry.owner),
        ("ticket", entry.ticket), ("expires", entry.expires),
    )  # fmt: skip
    lines = [f"{name}: {_scalar(value)}" for name, value in fields if value]
    return f"{indent}- " + f"\n{indent}  ".join(lines) + "\n"


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _./@;,()+-]*\Z")


def _scalar(text: str) -> str:
    """The text as YAML: plain where nothing in it can mean something else, else in double quotes."""
    if _PLAIN.match(text) and not text.endswith(" ") and text.lower() != "null":
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(c if c.isprintable() else f"{chr(92)}U{ord(c):08X}" for c in escaped)}"'


def _replace(path: Path, data: bytes) -> None:
    """Put the whole new file in the place of the old one, with its permissions."""
    partial = path.with_name(f".{path.name}.{uuid4().hex}")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise OutputError(f"`{path}` cannot be written: {reason}") from error
