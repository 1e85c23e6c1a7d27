"""How fast operations are asked: shares of quotas, bursts, throttling and recovery, on a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scanner.collect.rates import FIXED_RATES, KMS_QUOTAS, Rates

from fault_server import FaultServer, Key, Reply, Request, refusal

A, EU = "111122223333", "eu-west-1"


def time_for(rates: Rates, operation: str, calls: int, start: float = 0.0) -> float:
    """Seconds that so many calls take when each is sent as soon as it may be."""
    now = start
    for _ in range(calls):
        now += rates.wait(operation, now)
    return now - start


@pytest.mark.parametrize(("share", "seconds"), [(100, 15.0), (20, 75.0), (1, 1500.0)])
def test_share_of_the_quota_is_kept_and_used(share: int, seconds: float) -> None:
    taken = time_for(Rates(share), "kms:ListGrants", 1500)
    assert seconds * 0.98 <= taken <= seconds * 1.01


def test_every_kms_operation_keeps_to_its_own_quota() -> None:
    for operation, quota in KMS_QUOTAS.items():
        calls = int(quota) * 10
        assert 10.0 - time_for(Rates(100), operation, calls) == pytest.approx(max(0.1, 1 / quota)), operation


def test_organizations_have_a_burst_and_then_a_rate_that_no_share_changes() -> None:
    rate, burst = FIXED_RATES["organizations:DescribePolicy"]
    rates = Rates(100)
    assert time_for(rates, "organizations:DescribePolicy", burst) == 0.0
    assert time_for(rates, "organizations:DescribePolicy", 20) == pytest.approx(20 / rate)
    assert time_for(Rates(1), "organizations:ListRoots", 12) == pytest.approx(10.0)


def test_operations_without_a_published_quota_are_not_held_back() -> None:
    assert time_for(Rates(1), "iam:GetAccountAuthorizationDetails", 1000) == 0.0
    Rates(1).throttled("iam:GetAccountAuthorizationDetails", 0.0)


def test_idle_bucket_does_not_save_up_more_than_a_burst() -> None:
    rates = Rates(100)
    rates.wait("kms:ListGrants", 0.0)
    assert time_for(rates, "kms:ListGrants", 110, start=3600.0) == pytest.approx(1.0)


def test_throttling_halves_the_pace_and_a_minute_brings_it_back() -> None:
    rates = Rates(100)
    time_for(rates, "kms:ListGrants", 20)
    rates.throttled("kms:ListGrants", 1.0)
    slowed = time_for(rates, "kms:ListGrants", 50, start=1.0)
    assert 0.9 <= slowed <= 1.1
    assert time_for(rates, "kms:ListGrants", 110, start=200.0) == pytest.approx(1.0)


def test_pace_never_falls_below_a_sixteenth() -> None:
    rates = Rates(100)
    for _ in range(20):
        rates.throttled("kms:ListGrants", 1.0)
    assert rates.wait("kms:ListGrants", 1.0) <= 16 / 100 + 0.01


def test_throttling_of_one_operation_leaves_others_alone() -> None:
    rates = Rates(100)
    rates.throttled("kms:ListGrants", 0.0)
    assert rates.wait("kms:DescribeKey", 0.0) == 0.0


def test_collection_keeps_to_the_share_of_the_quota(aws: FaultServer, run: Callable[..., Any]) -> None:
    aws.account(A, EU)
    aws.keys[(A, EU)] = {f"{n:08d}-0000-0000-0000-000000000000": Key() for n in range(60)}
    done = run(ids=(A,), kms_quota_share=20)
    assert done.gaps() == set()
    assert 57 / 20 <= done.clock.slept <= 61 / 20


def test_hot_account_loses_nothing_and_slows_no_other(aws: FaultServer, run: Callable[..., Any]) -> None:
    """AWS allows a tenth of what it documents: every second answer of the hot account is a refusal."""
    cold = "444455556666"
    aws.account(A, EU)
    aws.account(cold, EU)
    aws.keys[(A, EU)] = {f"{n:08d}-0000-0000-0000-000000000000": Key() for n in range(20)}
    aws.keys[(cold, EU)] = {f"{n:08d}-0000-0000-0000-000000000000": Key() for n in range(5)}
    asked = {A: 0, cold: 0}

    def hot(request: Request) -> Reply | None:
        if request.operation != "kms:ListGrants":
            return None
        asked[request.account] += 1
        return refusal("ThrottlingException") if request.account == A and asked[A] % 2 else None

    aws.faults.append(hot)
    done = run(ids=(A, cold), kms_quota_share=100)
    assert done.gaps() == set()
    assert len(done.query("SELECT 1 FROM keys WHERE grants_status = 'empty'")) == 25
    assert asked == {A: 40, cold: 5}
    assert done.progress[-1].throttled == 20
