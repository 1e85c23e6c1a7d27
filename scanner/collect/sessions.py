"""Credentials and clients: from the caller, over an optional hub, into each account's audit role.

One botocore session per process (a session per account costs 149 ms and 9 MB), one client per service and region. A
unit's connection has the credentials of one account for good; they never leave this module but to sign one of its
requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from botocore import handlers
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError, ProfileNotFound
from botocore.model import ServiceModel
from botocore.session import Session, get_session

from scanner import __version__
from scanner.collect.mfa import MfaWithoutTerminalError, ask_on_terminal_only
from scanner.collect.outcome import WIRE_ERRORS, CallFailedError, MismatchError, has_no_credentials
from scanner.collect.permissions import hub_session_policy, organization_session_policy, session_policy
from scanner.collect.settings import AccountOverride, CollectSettings
from scanner.collect.shared_clients import Exchange, SharedClients
from scanner.collect.wire import GLOBAL, Pacing, Unit, call
from scanner.errors import NothingScannedError, UsageError
from scanner.model.arn import parse_arn
from scanner.model.coverage import Outcome
from scanner.snapshot.rows import UnitRecord

_REGIONAL = frozenset({"kms"})
_FRESH = timedelta(minutes=2)
"""Credentials with less time left than this are renewed before the next call."""

_CHAINED = timedelta(hours=1)
"""The longest session of a role that another role assumed (IAM User Guide, roles terms and concepts)."""

SessionFactory = Callable[[str | None], Session]
"""Makes the process's one botocore session for a profile."""


def botocore_session(profile: str | None) -> Session:
    """A botocore session with regional STS and IAM documents left as AWS encodes them.

    botocore decodes policy documents into dictionaries, which loses the exact text (spans, hashes, duplicate keys).
    """
    session = get_session()
    if profile is not None:
        session.set_config_variable("profile", profile)
    session.set_config_variable("sts_regional_endpoints", "regional")
    session.unregister("after-call.iam", handlers.json_decode_policies)  # type: ignore[arg-type]  # stub too narrow
    return session


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose credentials the run starts from."""

    arn: str
    account_id: str
    partition: str


@dataclass(frozen=True, slots=True)
class RoleSession:
    """Temporary credentials of an assumed role; never printed."""

    credentials: Credentials = field(repr=False)
    expires: datetime


@dataclass(frozen=True, slots=True)
class Hop:
    """One role to assume: its ARN, the ExternalId, the session policy, and the hop before it."""

    role_arn: str
    external_id: str | None = field(repr=False)
    policy: str
    before: Hop | None = None


class Sessions:
    """Hands out connections; caches each role's credentials until they run out."""

    def __init__(self, settings: CollectSettings, session: Session, pacing: Pacing) -> None:
        self._settings, self._session, self._pacing = settings, session, pacing
        self._is_prepared = False
        self._lock = Lock()
        self._roles: dict[Hop, tuple[Lock, list[RoleSession]]] = {}
        self._caller: Caller | None = None
        config = Config(
            connect_timeout=settings.connect_timeout.total_seconds(),
            read_timeout=settings.read_timeout.total_seconds(),
            retries={"total_max_attempts": 1},  # one loop of ours retries, it alone sees rejected answers
            max_pool_connections=max(settings.workers, 10),
            tcp_keepalive=True,
            user_agent=f"kms-scan/{__version__} run/{settings.run_id}",
        )
        self._shared = SharedClients(session, config)

    @property
    def caller(self) -> Caller:
        """Who we are, asked once. Raises NothingScannedError where the credentials are missing, expired or refused."""
        if self._caller is None:
            self._caller = self._who_am_i()
        return self._caller

    def connect(self, hop: Hop | None, region: str) -> RoleConnection:
        """A unit's way to AWS with a role's credentials, or the caller's own where there is no hop."""
        return RoleConnection(self, hop, region)

    def member(self, account_id: str) -> Hop:
        """How to get into an account."""
        override = self._settings.overrides.get(account_id, AccountOverride())
        name = self._settings.member_role.strip("/")
        role_arn = override.role_arn or f"arn:{self.caller.partition}:iam::{account_id}:role/{name}"
        return Hop(role_arn, override.external_id or self._settings.external_id, session_policy(), self.hub())

    def hub(self) -> Hop | None:
        """The first hop, where one is configured."""
        arn = self._settings.hub_role_arn
        return Hop(arn, self._settings.external_id, hub_session_policy()) if arn else None

    def organization_reader(self) -> Hop | None:
        """Who reads the organization: the configured role, else the hub, else the caller."""
        arn = self._settings.management_account_role_arn
        if arn:
            return Hop(arn, self._settings.external_id, organization_session_policy(), self.hub())
        return self.hub()

    def credentials(self, hop: Hop, *, renew: bool = False) -> Credentials:
        """A role's credentials, from the cache while they hold; one AssumeRole at a time per role.

        Raises CallFailedError where the role cannot be assumed, MismatchError where STS answers another account's.
        """
        with self._lock:
            lock, held = self._roles.setdefault(hop, (Lock(), []))
        with lock:
            if held and not renew and held[0].expires - self._pacing.clock.now() > _FRESH:
                return held[0].credentials
            held[:] = [self._assume(hop)]
            return held[0].credentials

    def own_credentials(self) -> Credentials:
        """The caller's, asked for before each request: botocore renews those of a profile's role and of SSO."""
        with self._lock:
            self._prepare()
            found = self._session.get_credentials()
        if found is None:
            raise NoCredentialsError
        frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key or "", frozen.secret_key or "", frozen.token)

    def send(
        self, service: str, region: str, operation: str, params: Mapping[str, Any], exchange: Exchange
    ) -> Mapping[str, Any]:
        """One request of a unit in a region, signed as its exchange says."""
        return self._shared.send(service, self._place(service, region), operation, params, exchange)

    def model(self, service: str, region: str) -> ServiceModel:
        """What botocore knows of a service."""
        return self._shared.get(service, self._place(service, region)).meta.service_model

    def _place(self, service: str, region: str) -> str:
        """Where a service is asked."""
        with self._lock:
            self._prepare()
        return region if service in _REGIONAL else self._settings.home_region

    def _prepare(self) -> None:
        """Before the first request: here and not earlier, because a profile that does not exist is told as a call's."""
        if self._is_prepared:
            return
        if self._session.get_config_variable("region") is None:
            # botocore asks no STS for a profile that has a role and no region.
            self._session.set_config_variable("region", self._settings.home_region)
        ask_on_terminal_only(self._session)
        self._is_prepared = True

    def close(self) -> None:
        """Close every connection; clients that still send open new ones."""
        self._shared.close()

    def _assume(self, hop: Hop) -> RoleSession:
        arn = parse_arn(hop.role_arn)
        account_id = arn.account_id if arn else ""
        name = self._settings.session_name.replace("{run_id}", self._settings.run_id)
        params: dict[str, Any] = {
            "RoleArn": hop.role_arn,
            "RoleSessionName": re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", name)[:64],
            "DurationSeconds": int(self._settings.session_duration.total_seconds()),
        }
        if hop.external_id is not None:
            params["ExternalId"] = hop.external_id
        if self._settings.scope_down:
            params["Policy"] = hop.policy
        connection = self.connect(hop.before, self._settings.home_region)
        unit = Unit(account_id, GLOBAL, connection, self._pacing, UnitRecord("sts"))
        answer = call(unit, "sts:AssumeRole", params)
        who = parse_arn(str(answer["AssumedRoleUser"].get("Arn", "")))
        if who is None or who.account_id != account_id:
            raise MismatchError(f"the session for `{hop.role_arn}` belongs to another account")
        found = answer["Credentials"]
        credentials = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
        return RoleSession(credentials, found["Expiration"])

    def _who_am_i(self) -> Caller:
        connection = self.connect(None, self._settings.home_region)
        try:
            unit = Unit("", GLOBAL, connection, self._pacing, UnitRecord("sts"))
            answer = call(unit, "sts:GetCallerIdentity", {})
        except CallFailedError as error:
            raise self._nobody(error) from error
        arn = str(answer["Arn"])
        parsed = parse_arn(arn)
        partition = parsed.partition if parsed else "aws"
        if self._settings.partition not in {"auto", partition}:
            asked = self._settings.partition
            raise NothingScannedError(f"the credentials belong to partition `{partition}`, not to `{asked}`")
        if ":assumed-role/" in arn and self._settings.session_duration > _CHAINED:
            raise UsageError(
                "`aws.session_duration` must be at most 1h: the credentials are those of a role, and AWS caps the "
                "sessions of roles that a role assumes"
            )
        return Caller(arn, str(answer["Account"]), partition)

    def _nobody(self, error: CallFailedError) -> NothingScannedError:
        failure, cause = error.failure, error.__cause__
        profile = self._settings.profile or self._session.get_config_variable("profile")
        login = f"log in, for single sign-on with `aws sso login{f' --profile {profile}' if profile else ''}`"
        if isinstance(cause, MfaWithoutTerminalError):
            typed = "run it on a terminal, or hand it credentials: `aws configure export-credentials --format env`"
            return NothingScannedError(
                f"profile `{profile}` asks for an MFA code, and there is no terminal", hint=typed
            )
        if isinstance(cause, ProfileNotFound):
            known = "`aws configure list-profiles` names those there are"
            return NothingScannedError(f"the profile `{profile}` does not exist", hint=known)
        if isinstance(cause, Exception) and has_no_credentials(cause):
            return NothingScannedError(f"no AWS credentials: {failure.message}", hint=login)
        if failure.outcome is Outcome.TIMEOUT or isinstance(cause, WIRE_ERRORS):
            return NothingScannedError(f"AWS STS cannot be reached: {failure.message}", hint="check the network")
        return NothingScannedError(f"AWS refused the credentials: {failure.code}: {failure.message}", hint=login)


class RoleConnection:
    """One unit's way to AWS, with the credentials of one role for good; satisfies `wire.Connection`."""

    def __init__(self, sessions: Sessions, hop: Hop | None, region: str) -> None:
        self._sessions, self._hop, self._region = sessions, hop, region

    def model(self, service: str) -> ServiceModel:
        """What botocore knows of a service."""
        return self._sessions.model(service, self._region)

    def send(
        self, service: str, operation: str, params: Mapping[str, Any], on_answer: Callable[..., None]
    ) -> Mapping[str, Any]:
        """One request, signed with what the role's session is now, or with the caller's own credentials."""
        held = self._sessions.own_credentials() if self._hop is None else self._sessions.credentials(self._hop)
        return self._sessions.send(service, self._region, operation, params, Exchange(held, on_answer))

    def renew(self) -> bool:
        """Assume the role again after AWS called its session expired; the caller's own credentials cannot be."""
        if self._hop is None:
            return False
        self._sessions.credentials(self._hop, renew=True)
        return True
