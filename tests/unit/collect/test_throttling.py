"""1,500 calls against an account that allows 100 a second: nothing is lost, and how long it takes.

The clock is simulated, and each thread has a time of its own: a thread that sleeps keeps no other one waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, local
from typing import Any

import pytest
from botocore.exceptions import ClientError
from scanner.collect.settings import Clock
from scanner.collect.wire import Pacing, Unit, call
from scanner.snapshot.rows import UnitRecord

CALLS = 1500
ALLOWED = 100.0
IDEAL = CALLS / ALLOWED


@dataclass
class Account:
    """ListGrants of one account: so many a second, the rest is refused. `others` a second are somebody else's."""

    clock: Clock
    others: float = 0.0
    tokens: float = 10.0
    at: float = 0.0
    answered: int = 0
    refused: int = 0
    seconds: float = 0.0

    def send(self, *_: object) -> Mapping[str, Any]:
        """One request; it takes the network 10 ms."""
        self.clock.sleep(0.01)
        now = self.clock.monotonic()
        self.tokens = min(10.0, self.tokens + (now - self.at) * (ALLOWED - self.others))
        self.at = now
        if self.tokens < 1.0:
            self.refused += 1
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "ListGrants")
        self.tokens -= 1.0
        self.answered += 1
        return {"Grants": [], "Truncated": False}

    def renew(self) -> bool:
        return False

    def model(self, _: str) -> Any:
        raise NotImplementedError


class ThreadClock:
    """A clock of one's own for every thread; it only moves when the thread sleeps."""

    def __init__(self) -> None:
        self._of = local()

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)

    def monotonic(self) -> float:
        return float(getattr(self._of, "slept", 0.0))

    def sleep(self, seconds: float) -> None:
        self._of.slept = self.monotonic() + seconds


def pacing(share: int) -> Pacing:
    return Pacing(ThreadClock(), Event(), max_attempts=1, unit_deadline=600.0, kms_quota_share=share)


def read(given: Pacing, account_id: str = "111122223333", calls: int = CALLS, others: float = 0.0) -> Account:
    """Ask for grants so many times, in a thread of its own; raises where one call is given up."""

    def unit() -> Account:
        account = Account(given.clock, others)
        asked = Unit(account_id, "eu-west-1", account, given, UnitRecord("kms"))
        for number in range(calls):
            call(asked, "kms:ListGrants", {"KeyId": str(number)})
        account.seconds = given.clock.monotonic()
        return account

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(unit).result()


def test_whole_quota_is_used_to_within_a_quarter_and_nothing_is_lost() -> None:
    account = read(pacing(100))
    assert account.answered == CALLS
    assert IDEAL * 0.98 <= account.seconds <= IDEAL * 1.25


def test_default_share_takes_a_fifth_of_the_quota_and_is_never_refused() -> None:
    account = read(pacing(20))
    assert (account.answered, account.refused) == (CALLS, 0)
    assert account.seconds == pytest.approx(75.0, rel=0.01)


def test_busy_account_is_waited_out_and_nothing_is_lost() -> None:
    """The customer's own calls use nine tenths of the quota: what is left allows 10 a second."""
    account = read(pacing(100), calls=150, others=90.0)
    assert account.answered == 150
    assert account.refused > 0
    assert account.seconds <= 15.0 * 4


def test_cold_accounts_take_as_long_beside_a_hot_one_as_alone() -> None:
    alone = read(pacing(20), calls=50)
    shared = pacing(20)
    hot = read(shared, calls=50, others=95.0)
    cold = [read(shared, f"{n:012d}", calls=50) for n in range(10)]
    assert hot.refused > 0
    assert hot.seconds > alone.seconds
    assert [account.seconds for account in cold] == [alone.seconds] * 10
