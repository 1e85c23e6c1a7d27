"""The one way to AWS: sends a call, checks and records the answer, tries again, and turns pages.

Everything the collector reads goes through `call` or `pages`, so the wire can be replaced in one place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import SystemRandom
from threading import Event, Lock
from typing import Any, Protocol

from botocore.model import ServiceModel

from scanner.collect.answers import MAX_PAGES, OPERATIONS, check_body, check_members, check_owner, next_token
from scanner.collect.outcome import (
    CALL_ERRORS,
    CallFailedError,
    Failure,
    RejectedAnswerError,
    Retry,
    UnitStoppedError,
    advice,
    translate,
)
from scanner.collect.rates import Rates
from scanner.collect.settings import Clock
from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.rows import Answer, UnitRecord

GLOBAL = "global"
"""The ledger's region of services without one."""

ALL = "*"
"""The ledger's region where an account's regions are unknown."""

_GRACE = 30.0
"""Seconds that units in flight have after a stop was asked for (product.md 13)."""


class Connection(Protocol):
    """The way to AWS with one account's credentials."""

    def model(self, service: str) -> ServiceModel:
        """What botocore knows of a service."""

    def send(
        self, service: str, operation: str, params: Mapping[str, Any], on_answer: Callable[..., None]
    ) -> Mapping[str, Any]:
        """One request with credentials that still hold; `on_answer` hears the raw answer before it is parsed."""

    def renew(self) -> bool:
        """Fetch fresh credentials; False where there are none to be had."""


@dataclass(slots=True)
class Counters:
    """Running totals of a collection, for progress."""

    calls: int = 0
    throttled: int = 0
    _lock: Lock = field(default_factory=Lock)

    def add(self, *, calls: int = 0, throttled: int = 0) -> None:
        """Count from any thread."""
        with self._lock:
            self.calls += calls
            self.throttled += throttled


@dataclass(slots=True)
class Pacing:
    """How patiently the wire tries, and when it must give up."""

    clock: Clock
    stop: Event
    max_attempts: int
    unit_deadline: float
    kms_quota_share: int = 20
    counters: Counters = field(default_factory=Counters)
    jitter: SystemRandom = field(default_factory=SystemRandom)
    _stopped_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether a stop was asked for and its grace period has passed."""
        if not self.stop.is_set():
            return False
        now = self.clock.monotonic()
        if self._stopped_at is None:
            self._stopped_at = now
        return now - self._stopped_at >= _GRACE

    def check(self) -> None:
        """Raise UnitStoppedError once the grace period after a stop is over."""
        if self.is_over:
            raise UnitStoppedError

    def wait(self, attempt: int, *, base: float, most: float) -> float:
        """Sleep before the next attempt: exponential, half of it random; returns the seconds slept."""
        seconds: float = min(most, base * 2 ** min(attempt, 16)) * (0.5 + self.jitter.random() / 2)
        self.clock.sleep(seconds)
        return seconds


@dataclass(slots=True)
class Unit:
    """One unit of work on the wire: whose answers it accepts and where they are recorded."""

    account_id: str
    region: str
    connection: Connection
    pacing: Pacing
    record: UnitRecord
    region_enabled: bool = True
    throttled_for: float = 0.0
    _rates: Rates = field(init=False)
    _last: tuple[int, Mapping[str, str], bytes] | None = None

    def __post_init__(self) -> None:
        self._rates = Rates(self.pacing.kms_quota_share)

    def keep_pace(self, operation: str) -> None:
        """Wait until the operation may be asked without using more of its quota than is ours."""
        seconds = self._rates.wait(operation, self.pacing.clock.monotonic())
        if seconds:
            self.pacing.clock.sleep(seconds)

    def back_off(self, operation: str, attempt: int) -> None:
        """AWS throttled: ask less often from here on, and wait before the next attempt."""
        self.pacing.counters.add(throttled=1)
        self._rates.throttled(operation, self.pacing.clock.monotonic())
        self.throttled_for += self.pacing.wait(attempt, base=0.5, most=20.0)

    @property
    def is_patient(self) -> bool:
        """Whether the unit has not yet spent all of its time waiting for AWS to stop throttling."""
        return self.throttled_for < self.pacing.unit_deadline

    @property
    def was_answered(self) -> bool:
        """Whether the last request got an answer, of whatever kind."""
        return self._last is not None

    def keep_answer(self, response_dict: Mapping[str, Any], operation_model: Any, **_: Any) -> None:
        """botocore's `before-parse` hook: hold the raw answer, and reject it before it is parsed into nothing."""
        headers = {str(k).lower(): str(v) for k, v in response_dict["headers"].items()}
        body, status = response_dict["body"], int(response_dict["status_code"])
        self._last = (status, headers, body)
        protocol = operation_model.service_model.resolved_protocol
        check_body(headers, body, json_expected=status < 300 and protocol in {"json", "rest-json"})

    def request(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """One attempt, without judging the answer. Raises `CALL_ERRORS`; anything else is a bug of ours."""
        service, name = operation.split(":")
        self._last = None
        self.pacing.counters.add(calls=1)
        try:
            return self.connection.send(service, name, params, self.keep_answer)
        except CALL_ERRORS:
            raise
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # botocore's parsers trust the shape of an answer: a web page with status 200 ends as a bare KeyError.
            if not self.was_answered:
                raise
            told = f"{type(error).__name__}: {error}"
            raise RejectedAnswerError(f"the answer is not one of {operation}: {told}") from error

    def keep(self, operation: str, params: Mapping[str, Any], subject: str) -> None:
        """Record the last answer as evidence, where the operation is one that may be recorded."""
        if not OPERATIONS[operation].recorded:
            return
        service, name = operation.split(":")
        status, headers, body = self._last or (0, {}, b"")
        request_id = headers.get("x-amzn-requestid") or headers.get("x-amz-request-id") or ""
        text = json.dumps(params, sort_keys=True)
        self.record.answers.append(
            Answer(service, name, text, subject, status, request_id, headers.get("date", ""), body)
        )

    def ledger(self, operation: str, subject: str, outcome: Outcome, *, code: str = "", message: str = "") -> None:
        """Write how a call about a subject ended, with what a person can do about it."""
        todo = advice(outcome, operation)
        self.record.ledger(LedgerRow(self.account_id, self.region, operation, subject, outcome, code, message, todo))

    def log_fields(self, operation: str) -> dict[str, str]:
        """The fields a log line about this unit carries."""
        return {"account": self.account_id, "region": self.region, "call": operation}

    def failed(self, operation: str, subject: str, failure: Failure) -> Outcome:
        """Write a failure to the ledger; returns its outcome."""
        self.ledger(operation, subject, failure.outcome, code=failure.code, message=failure.message)
        return failure.outcome


def call(
    unit: Unit, operation: str, params: Mapping[str, Any], subject: str = "", seen: set[str] | None = None
) -> Mapping[str, Any]:
    """One answer that passed every check, from `service:Operation`.

    Wire errors, 5xx and rejected answers are tried `max_attempts` times with jitter; throttling until the unit's
    deadline; expired credentials are renewed once. The last answer is recorded, whatever it says. Raises
    CallFailedError when it failed for good, MismatchError when the answer is somebody else's, UnitStoppedError after
    the run was interrupted.
    """
    attempt, throttled, renewed = 0, 0, False
    while True:
        unit.pacing.check()
        unit.keep_pace(operation)
        try:
            answer = unit.request(operation, params)
            check_members(operation, answer)
            next_token(operation, answer, seen or set())
        except CALL_ERRORS as error:
            failure, cause = _placed(unit, translate(error)), error
        else:
            unit.keep(operation, params, subject)
            check_owner(operation, answer, unit.account_id, unit.region, params)
            return answer
        if failure.retry is Retry.CREDENTIALS and not renewed and unit.connection.renew():
            renewed = True
        elif failure.retry is Retry.THROTTLED and unit.is_patient:
            unit.back_off(operation, throttled)
            throttled += 1
        elif failure.retry is Retry.WIRE and attempt + 1 < unit.pacing.max_attempts:
            unit.pacing.wait(attempt, base=0.2, most=5.0)
            attempt += 1
        else:
            unit.keep(operation, params, subject)
            raise CallFailedError(failure) from cause


def pages(
    unit: Unit, operation: str, params: Mapping[str, Any] | None = None, subject: str = ""
) -> Iterator[Mapping[str, Any]]:
    """Every page of a list, checked one by one: a marker must be there when the list goes on, and be new.

    Raises what `call` raises, after the pages that could be read, and CallFailedError for a list without end.
    """
    paging = OPERATIONS[operation].paging
    assert paging is not None
    asked: dict[str, Any] = {**(params or {}), **paging.size}
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        answer = call(unit, operation, asked, subject, seen)
        yield answer
        token = next_token(operation, answer, seen)
        if token is None:
            return
        seen.add(token)
        asked[paging.token_in] = token
    raise CallFailedError(Failure(Outcome.MALFORMED, "EndlessList", f"the list has more than {MAX_PAGES} pages"))


def read_list(
    unit: Unit, operation: str, key_id: str, keep: Callable[[Mapping[str, Any]], None], found: Mapping[str, object]
) -> Outcome:
    """Read a list about a key; what was read before a failure stays, the ledger says that there may be more."""
    try:
        for page in pages(unit, operation, {"KeyId": key_id}, key_id):
            keep(page)
    except CallFailedError as error:
        return unit.failed(operation, key_id, error.failure)
    outcome = Outcome.OK if found else Outcome.EMPTY
    unit.ledger(operation, key_id, outcome)
    return outcome


def abandon(unit: Unit, operation: str, outcome: Outcome, *, code: str, message: str) -> None:
    """Drop everything a unit found but its raw answers, and say why: it is neither complete nor to be trusted."""
    unit.record.rows.clear()
    unit.record.documents.clear()
    unit.record.coverage.clear()
    unit.record.state = "failed"
    unit.ledger(operation, "", outcome, code=code, message=message)


def iso(moment: object) -> str | None:
    """A time from an answer as ISO 8601 in UTC to the second; None where there is none."""
    if not isinstance(moment, datetime):
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def text(value: object) -> str | None:
    """A member of an answer as text; None where there is none."""
    return None if value is None else str(value)


def _placed(unit: Unit, failure: Failure) -> Failure:
    """`not_enabled` only where the region may really be disabled; where it is known to be enabled, it is an error.

    INVARIANT: an outcome that is no gap never hides something that exists.
    """
    if failure.outcome is Outcome.NOT_ENABLED and unit.region_enabled:
        return Failure(Outcome.ERROR, failure.code, failure.message, failure.retry)
    return failure
