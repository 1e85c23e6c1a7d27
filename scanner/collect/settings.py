"""What the collector needs to know: plain values that the pipeline maps from the configuration, and its clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol


class Clock(Protocol):
    """Time as a parameter, so that retries and deadlines are tested without waiting."""

    def now(self) -> datetime:
        """Wall clock, with a time zone."""

    def monotonic(self) -> float:
        """Seconds that never go back; deadlines count in them."""

    def sleep(self, seconds: float) -> None:
        """Wait between two attempts."""


@dataclass(frozen=True, slots=True)
class AccountOverride:
    """What differs for one account (`accounts.overrides`); None or empty: as everywhere."""

    role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """The settings of one collection; names follow the configuration's keys, see product.md 5.1."""

    run_id: str
    member_role: str
    scope: str = ""
    config_hash: str = ""
    configuration: str = ""
    as_of: datetime | None = None
    profile: str | None = None
    partition: str = "auto"
    home_region: str = "us-east-1"
    hub_role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    session_name: str = "kms-scan-{run_id}"
    session_duration: timedelta = timedelta(minutes=15)
    scope_down: bool = True
    source: Literal["organization", "ids", "file"] = "organization"
    management_account_role_arn: str | None = None
    ids: tuple[str, ...] = ()
    file: Path | None = None
    include_ous: tuple[str, ...] = ()
    exclude_ous: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    overrides: Mapping[str, AccountOverride] = field(default_factory=dict)
    regions_include: tuple[str, ...] = ("all-enabled",)
    regions_exclude: tuple[str, ...] = ()
    opt_in: bool = True
    keys_include: tuple[str, ...] = ()
    keys_include_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keys_states: tuple[str, ...] = ("enabled", "disabled", "pending_deletion", "pending_import", "unavailable")
    keys_last_usage: bool = False
    workers: int = 32
    deadline: timedelta = timedelta(hours=2)
    connect_timeout: timedelta = timedelta(seconds=5)
    read_timeout: timedelta = timedelta(seconds=20)
    max_attempts: int = 4
    unit_deadline: timedelta = timedelta(minutes=10)
    kms_quota_share: int = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a collection stands; units are accounts, account-regions and the organization."""

    units_done: int
    units_total: int
    account_regions_done: int
    account_regions_total: int
    keys: int
    calls: int
    throttled: int
    gaps: int


@dataclass(frozen=True, slots=True)
class CollectSummary:
    """How a collection ended. `complete`: every planned unit was reached, gaps or not."""

    run_id: str
    complete: bool
    stopped: bool
    deadline_hit: bool
    accounts_in_scope: int
    accounts_refused: int
    progress: Progress
    snapshot_hash: str
