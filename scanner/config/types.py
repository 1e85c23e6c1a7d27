"""The kinds of value a setting can have: how each is read from text and what is said when it cannot be."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from scanner.closest import closest
from scanner.model.arn import AccountId, Region, is_account_id, parse_arn
from scanner.resources import region_names

RUN_ID_LENGTH = len("2026-11-22T0010Z-7f3a")
REGION_KEYWORDS = ("all-enabled", "default-only")
APPROVAL_LIMIT = dt.timedelta(days=2 * 366)
"""Approvals end within two years, leap years in the user's favour."""

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}\Z")
_ROLE_NAME = re.compile(r"(/?(?:[\x21-\x2e\x30-\x7e]+/)*)[A-Za-z0-9_+=,.@-]{1,64}\Z")
_SESSION_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}\Z")
_OU_ID = re.compile(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}\Z")
_OU_PATH = re.compile(r"(?:/[^/]{1,128})+\Z")
_ORGANIZATION_ID = re.compile(r"o-[a-z0-9]{10,32}\Z")
_ISSUER = re.compile(r"[a-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~/-]+)?\Z")
_CONDITION_KEY = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9_.:/@+=-]+\Z")
_KEY_RESOURCE = re.compile(r"(?:key|alias)/[A-Za-z0-9/_-]+\Z")
_KEY_ID = re.compile(r"(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z")
_DURATION = re.compile(r"([0-9]{1,6})([smh])\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_DATE_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class Section(BaseModel):
    """A part of the configuration: frozen, and a name it does not have is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def must_be(expected: str, suggestion: str | None = None) -> PydanticCustomError:
    """The error that reads: key is `value`, must be … (did you mean `suggestion`?)."""
    return PydanticCustomError("must_be", "must be {expected}", {"expected": expected, "suggestion": suggestion or ""})


def text_of(value: object, expected: str) -> str:
    """The text of a scalar; null, lists, mappings, empty text and control characters raise the error `must be …`."""
    if isinstance(value, Path):
        return str(value)
    if not isinstance(value, str) or not value.strip() or _CONTROL.search(value):
        raise must_be(expected)
    return value


def _matching(pattern: re.Pattern[str], expected: str) -> BeforeValidator:
    def read(value: object) -> str:
        text = text_of(value, expected)
        if not pattern.match(text):
            raise must_be(expected)
        return text

    return BeforeValidator(read)


def _text(value: object) -> str:
    text = text_of(value, "one line of text")
    if len(text) > 1024:
        raise must_be("at most 1,024 characters")
    return text


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = text_of(value, "true or false")
    if text.lower() not in ("true", "false"):
        raise must_be("true or false")
    return text.lower() == "true"


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = text_of(value, "a whole number")
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise must_be("a whole number")
    return int(text)


def _processes(value: object) -> str | int:
    if value == "auto":
        return "auto"
    expected = "auto or a whole number from 1 to 256"
    text = text_of(str(value) if isinstance(value, int) else value, expected)
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= 256:
        raise must_be(expected)
    return int(text)


def parse_duration(text: str) -> dt.timedelta | None:
    """`20s`, `15m` or `2h` as a time; None where the text is no positive duration."""
    match = _DURATION.match(text)
    if match is None or int(match[1]) == 0:
        return None
    return dt.timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def format_duration(duration: dt.timedelta) -> str:
    """The largest unit that holds the time exactly: `2h`, `90m`, `20s`."""
    seconds = int(duration.total_seconds())
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _duration(shortest: str, longest: str) -> BeforeValidator:
    """The value stays out of the message: a duration is also refused where it is no text at all."""
    least, most = parse_duration(shortest), parse_duration(longest)
    assert least is not None
    assert most is not None

    def read(value: object) -> dt.timedelta:
        duration = parse_duration(value) if isinstance(value, str) else value
        if not isinstance(duration, dt.timedelta):
            raise PydanticCustomError("bare", "must be a duration such as 20s, 15m or 2h")
        if not least <= duration <= most:
            raise must_be(f"between {shortest} and {longest}")
        return duration

    return BeforeValidator(read)


def _date(value: object) -> object:
    """Only the shape is checked here; pydantic then says what is wrong with a day that does not exist."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    text = text_of(value, "a date such as 2027-03-31")
    if not _DATE.match(text):
        raise must_be("a date such as 2027-03-31")
    return text


def _ends_soon(value: dt.date, info: ValidationInfo) -> dt.date:
    """An approval is renewed at least every two years; `today` comes with the validation context."""
    today = (info.context or {}).get("today")
    if today is not None and value > today + APPROVAL_LIMIT:
        raise must_be("within two years from today")
    return value


def _moment(value: object) -> dt.datetime:
    expected = "a date such as 2026-11-22 or a time with its zone such as 2026-11-22T00:10:00Z"
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise must_be(expected)
        return value.astimezone(dt.UTC)
    text = text_of(value, expected)
    if _DATE.match(text):
        text += "T00:00:00Z"
    if not _DATE_TIME.match(text):
        raise must_be(expected)
    try:
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise must_be("a date that exists") from None


def _account_id(value: object) -> str:
    text = text_of(value, "a 12-digit account id")
    if not is_account_id(text):
        raise must_be("a 12-digit account id")
    return text


def _partition(value: object) -> str:
    known = ("auto", *region_names())
    text = text_of(value, f"one of {listed(known)}")
    if text not in known:
        raise must_be(f"one of {listed(known)}", closest(text, known))
    return text


def all_regions() -> tuple[str, ...]:
    """Every region of every partition that the shipped list knows."""
    return tuple(region for regions in region_names().values() for region in regions)


def region_matches(pattern: str, region: str) -> bool:
    """Whether a name or glob (`*`, `?`) covers the region."""
    return fnmatchcase(region, pattern)


def _region(value: object) -> str:
    text = text_of(value, "a region")
    if text not in all_regions():
        raise must_be("a region", closest(text, all_regions()))
    return text


def _region_pattern(keywords: tuple[str, ...]) -> BeforeValidator:
    expected = listed(("a region", "a glob that matches one", *keywords))

    def read(value: object) -> str:
        text = text_of(value, expected)
        if text in keywords:
            return text
        plain = re.fullmatch(r"[a-z0-9*?-]+", text) is not None
        if not plain or not any(region_matches(text, region) for region in all_regions()):
            raise must_be(expected, closest(text, (*keywords, *all_regions())))
        return text

    return BeforeValidator(read)


def _role_arn(value: object) -> str:
    expected = "a role ARN such as arn:aws:iam::111122223333:role/Name"
    text = text_of(value, expected)
    arn = parse_arn(text)
    whole = arn is not None and arn.service == "iam" and not arn.region and is_account_id(arn.account_id)
    if arn is None or not whole or arn.partition not in region_names():
        raise must_be(expected)
    if not arn.resource.startswith("role/") or not _ROLE_NAME.match(arn.resource.removeprefix("role/")):
        raise must_be(expected)
    return text


def _role_name(value: object) -> str:
    expected = "the name of a role with its path, such as KmsScanReadOnly or audit/KmsScanReadOnly"
    text = text_of(value, expected)
    arn = parse_arn(text)
    if arn is not None:
        raise must_be(expected, arn.resource.removeprefix("role/"))
    match = _ROLE_NAME.match(text)
    if match is None or len(match[1]) > 510:
        raise must_be(expected)
    return text


def is_external_id(text: str) -> bool:
    """Whether STS accepts the text as ExternalId (2 to 1,224 characters of a narrow set; STS AssumeRole)."""
    return _EXTERNAL_ID.match(text) is not None


def _external_id(value: object) -> str:
    expected = "env:NAME, file:PATH, or 2 to 1,224 letters, digits and _+=,.@:/-"
    text = text_of(value, expected)
    kind, _, rest = text.partition(":")
    if kind == "env":
        acceptable = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rest) is not None
    elif kind == "file":
        acceptable = bool(rest)
    else:
        acceptable = is_external_id(text)
    if not acceptable:
        raise must_be(expected)
    return text


def _session_name(value: object) -> str:
    expected = "2 to 64 letters, digits and _+=,.@- with at most the placeholder {run_id}"
    text = text_of(value, expected)
    if not _SESSION_NAME.match(text.replace("{run_id}", "0" * RUN_ID_LENGTH)):
        raise must_be(expected)
    return text


def _organizational_unit(value: object) -> str:
    expected = "an organizational unit id such as ou-ab12-11111111 or a path such as /Workloads/Prod"
    text = text_of(value, expected)
    if not (_OU_ID.match(text) or _OU_PATH.match(text)):
        raise must_be(expected)
    return text


def _key_pattern(value: object) -> str:
    """An ARN names one key or alias; anything with `*` or `?` is a glob of such ARNs, anchored at both ends."""
    expected = "a key ARN, an alias ARN or a glob of them"
    text = text_of(value, expected)
    if any(character in text for character in "*?"):
        return text
    arn = parse_arn(text)
    if arn is None:
        bare = f"key/{text}" if _KEY_ID.match(text) else text
        raise must_be(expected, f"*:{bare}" if _KEY_RESOURCE.match(bare) else None)
    if arn.service != "kms" or not is_account_id(arn.account_id) or not _KEY_RESOURCE.match(arn.resource):
        raise must_be(expected)
    return text


def _key_selector(value: object) -> str:
    text = text_of(value, "tag:KEY=VALUE, a key ARN, an alias ARN or a glob of them")
    if text.startswith("tag:"):
        if not re.fullmatch(r"tag:[^=]+=.*", text):
            raise must_be("tag:KEY=VALUE")
        return text
    return _key_pattern(text)


def _subject(value: object) -> str:
    text = text_of(value, "a subject such as repo:acme/*")
    if not text.strip("*?"):
        raise must_be("narrower: it approves every subject of the issuer")
    return text


def _version(value: object) -> int:
    expected = "1, the version this release reads"
    text = str(value) if value == 1 else text_of(value, expected)
    if text == "1":
        return 1
    later = re.fullmatch(r"[1-9][0-9]{0,8}", text)
    hint = "; a newer release of kms-scan reads it" if later else ""
    raise PydanticCustomError("version", "must be {expected}{hint}", {"expected": expected, "hint": hint})


def _several(value: object) -> object:
    """One text stands for a list of one, as in IAM policies."""
    return (value,) if isinstance(value, str) else value


def _path(value: object) -> Path:
    return Path(text_of(value, "a path"))


def listed(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *head, last = names
    return f"{', '.join(head)} or {last}" if head else last


_ACCOUNT_ID_SCHEMA = WithJsonSchema({"anyOf": [{"type": "string", "pattern": "^[0-9]{12}$"}, {"type": "integer"}]})
_DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^[0-9]+[smh]$"})
_AS_DURATION: Callable[[dt.timedelta], str] = format_duration
_SHOWN = PlainSerializer(_AS_DURATION, return_type=str, when_used="json")

Version = Annotated[Literal[1], BeforeValidator(_version)]
Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[
    tuple[Text, ...],
    BeforeValidator(_several),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Flag = Annotated[bool, BeforeValidator(_flag)]
Whole = Annotated[int, BeforeValidator(_whole)]
Processes = Annotated[
    Literal["auto"] | int,
    BeforeValidator(_processes),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 256}]}),
]
Wait = Annotated[dt.timedelta, _duration("1s", "24h"), _SHOWN, _DURATION_SCHEMA]
SessionDuration = Annotated[dt.timedelta, _duration("15m", "12h"), _SHOWN, _DURATION_SCHEMA]
Expiry = Annotated[dt.date, BeforeValidator(_date), AfterValidator(_ends_soon)]
Moment = Annotated[dt.datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string"})]
FilePath = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string"})]
Account = Annotated[AccountId, BeforeValidator(_account_id), _ACCOUNT_ID_SCHEMA]
Partition = Annotated[str, BeforeValidator(_partition)]
RegionName = Annotated[Region, BeforeValidator(_region)]
RegionChoice = Annotated[str, _region_pattern(REGION_KEYWORDS)]
RegionPattern = Annotated[str, _region_pattern(())]
RoleArn = Annotated[str, BeforeValidator(_role_arn)]
RoleName = Annotated[str, BeforeValidator(_role_name)]
ExternalId = Annotated[str, BeforeValidator(_external_id)]
SessionName = Annotated[str, BeforeValidator(_session_name)]
OrganizationalUnit = Annotated[str, BeforeValidator(_organizational_unit)]
OrganizationId = Annotated[str, _matching(_ORGANIZATION_ID, "an organization id such as o-abcdef1234")]
Issuer = Annotated[str, _matching(_ISSUER, "an issuer without https:// such as token.actions.githubusercontent.com")]
Subject = Annotated[str, BeforeValidator(_subject)]
ConditionKey = Annotated[str, _matching(_CONDITION_KEY, "a condition key such as aws:SourceVpce")]
KeyPattern = Annotated[str, BeforeValidator(_key_pattern)]
KeySelector = Annotated[str, BeforeValidator(_key_selector)]
