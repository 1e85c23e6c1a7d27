"""Credentials and clients: from the caller, over an optional hub, into each account's audit role.

One botocore session per process (a session per account costs 149 ms and 9 MB); clients are made under a lock and belong
to one unit, so that each has the credentials of one account for good. Connections hold no credentials, as every request
is signed on its own: all clients of a service and region share them. Credentials never leave this module but into a
client.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from botocore import handlers
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ProfileNotFound
from botocore.session import Session, get_session

from scanner import __version__
from scanner.collect.mfa import MfaWithoutTerminalError, ask_on_terminal_only
from scanner.collect.outcome import WIRE_ERRORS, CallFailedError, MismatchError, has_no_credentials
from scanner.collect.permissions import hub_session_policy, organization_session_policy, session_policy
from scanner.collect.settings import AccountOverride, CollectSettings
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
class Credentials:
    """Temporary credentials of an assumed role; never printed."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
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
        self._roles: dict[Hop, tuple[Lock, list[Credentials]]] = {}
        self._connections: dict[tuple[str, str], Any] = {}
        self._caller: Caller | None = None
        self._config = Config(
            connect_timeout=settings.connect_timeout.total_seconds(),
            read_timeout=settings.read_timeout.total_seconds(),
            retries={"total_max_attempts": 1},  # one loop of ours retries, it alone sees rejected answers
            max_pool_connections=max(settings.workers, 10),
            tcp_keepalive=True,
            user_agent=f"kms-scan/{__version__} run/{settings.run_id}",
        )

    @property
    def caller(self) -> Caller:
        """Who we are, asked once. Raises NothingScannedError where the credentials are missing, expired or refused."""
        if self._caller is None:
            self._caller = self._who_am_i()
        return self._caller

    def connect(self, hop: Hop | None, region: str) -> RoleConnection:
        """A unit's clients with a role's credentials, or the caller's own where there is no hop."""
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
                return held[0]
            held[:] = [self._assume(hop)]
            return held[0]

    def create_client(self, service: str, region: str, credentials: Credentials | None) -> BaseClient:
        """A client; made under a lock because botocore's loader is not safe to share between threads.

        A new TLS connection costs 33 ms of CPU, most of it for reading the CA bundle again, so connections are shared.
        botocore has no public way to give a client a connection pool (1.43); `close` must be left to this object then.
        """
        keys: dict[str, Any] = {}
        if credentials is not None:
            keys = {
                "aws_access_key_id": credentials.access_key,
                "aws_secret_access_key": credentials.secret_key,
                "aws_session_token": credentials.token,
            }
        where = region if service in _REGIONAL else self._settings.home_region
        with self._lock:
            self._prepare()
            client: BaseClient = self._session.create_client(service, region_name=where, config=self._config, **keys)
            endpoint: Any = client._endpoint  # type: ignore[attr-defined]
            endpoint.http_session = self._connections.setdefault((service, where), endpoint.http_session)
        return client

    def _prepare(self) -> None:
        """Before the first client: here and not earlier, because a profile that does not exist is told as a call's."""
        if self._is_prepared:
            return
        if self._session.get_config_variable("region") is None:
            # botocore asks no STS for a profile that has a role and no region.
            self._session.set_config_variable("region", self._settings.home_region)
        ask_on_terminal_only(self._session)
        self._is_prepared = True

    def close(self) -> None:
        """Close every connection; clients that still send open new ones."""
        with self._lock:
            for connections in self._connections.values():
                connections.close()

    def _assume(self, hop: Hop) -> Credentials:
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
        try:
            answer = call(unit, "sts:AssumeRole", params)
        finally:
            connection.close()
        who = parse_arn(str(answer["AssumedRoleUser"].get("Arn", "")))
        if who is None or who.account_id != account_id:
            raise MismatchError(f"the session for `{hop.role_arn}` belongs to another account")
        found = answer["Credentials"]
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], found["Expiration"])

    def _who_am_i(self) -> Caller:
        connection = self.connect(None, self._settings.home_region)
        try:
            unit = Unit("", GLOBAL, connection, self._pacing, UnitRecord("sts"))
            answer = call(unit, "sts:GetCallerIdentity", {})
        except CallFailedError as error:
            raise self._nobody(error) from error
        finally:
            connection.close()
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
    """One unit's clients; satisfies `wire.Connection`."""

    def __init__(self, sessions: Sessions, hop: Hop | None, region: str) -> None:
        self._sessions, self._hop, self._region = sessions, hop, region
        self._clients: dict[str, BaseClient] = {}
        self._credentials: Credentials | None = None

    def client(self, service: str) -> BaseClient:
        """The unit's client of a service; all clients are made anew when the role's credentials changed."""
        if self._hop is not None:
            credentials = self._sessions.credentials(self._hop)
            if credentials is not self._credentials:
                self.close()
                self._credentials = credentials
        if service not in self._clients:
            self._clients[service] = self._sessions.create_client(service, self._region, self._credentials)
        return self._clients[service]

    def renew(self) -> bool:
        """Assume the role again after AWS called its session expired; the caller's own credentials cannot be."""
        if self._hop is None:
            return False
        self._sessions.credentials(self._hop, renew=True)
        return True

    def close(self) -> None:
        """Let go of every client; their connections go on to the next unit."""
        self._clients.clear()
