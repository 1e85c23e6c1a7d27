"""The demo's AWS: moto's server in this process, on the loopback interface only."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

import botocore.session
from botocore.config import Config

from scanner.demo.organization import MANAGEMENT, MEMBER_ROLE, OPERATOR, OPT_IN_REGIONS, OPTED_IN, REGIONS, VIRGINIA
from scanner.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from scanner.demo.faults import Faults
    from scanner.demo.loopback import LoopbackServer

SERVICES = ("ACCOUNT", "EC2", "IAM", "KMS", "ORGANIZATIONS", "STS")

# INVARIANT: at most one demo per process, because moto keeps its accounts in module-level state.
_RUNNING = threading.Lock()


@dataclass(frozen=True, slots=True)
class OrganizationFacts:
    """The identifiers of the demo organization by name; all of them are the same in every run."""

    organization_id: str
    management_account_id: str
    account_ids: dict[str, str] = field(default_factory=dict)
    ou_ids: dict[str, str] = field(default_factory=dict)
    policy_ids: dict[str, str] = field(default_factory=dict)
    # By `account name/region/alias`.
    key_arns: dict[str, str] = field(default_factory=dict)
    # By grant name.
    grant_ids: dict[str, str] = field(default_factory=dict)


class DemoServer:
    """A running demo server; close it, or use it as a context manager.

    `organization` is None until `scanner.demo.build.build` has run.
    """

    member_role = MEMBER_ROLE
    management_account_id = MANAGEMENT

    def __init__(self, loopback: LoopbackServer, faults: Faults, credentials: tuple[str, str]) -> None:
        self._loopback = loopback
        self._closed = False
        self.faults = faults
        self.credentials = credentials
        self.endpoint_url = loopback.endpoint_url
        self.organization: OrganizationFacts | None = None
        self._session = _session()

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which any AWS tool talks to this server as an operator of the management account.

        It is independent of the home directory, and names the services one by one so that an endpoint in the
        user's own environment cannot win (botocore prefers `AWS_ENDPOINT_URL_<SERVICE>`).
        """
        access_key, secret_key = self.credentials
        endpoints = {f"AWS_ENDPOINT_URL_{service}": self.endpoint_url for service in SERVICES}
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            **endpoints,
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            "AWS_DEFAULT_REGION": VIRGINIA,
            "AWS_REGION": VIRGINIA,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    @property
    def unset_environment(self) -> tuple[str, ...]:
        """The variables that must not be set, because no value of them is neutral."""
        return ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")

    def client(self, service: str, region: str = VIRGINIA, credentials: tuple[str, ...] | None = None) -> BaseClient:
        """A client of this server; `credentials` are access key, secret key and session token.

        It ignores profiles, proxies and endpoints of the environment: nothing can lead it off the loopback interface.
        """
        access_key, secret_key, *token = credentials or self.credentials
        return self._session.create_client(
            service,
            region_name=region,
            endpoint_url=self.endpoint_url,
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token[0] if token else None,
        )

    def close(self) -> None:
        """Stop the server, forget its accounts, and let the process start another one."""
        if self._closed:
            return
        self._closed = True
        self._loopback.close()
        _RUNNING.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def start_demo() -> DemoServer:
    """Start an empty AWS on a free port of 127.0.0.1; `scanner.demo.build.build` fills it.

    Raises UnavailableError where the extra `kms-scan[demo]` is not installed, UsageError where a demo already runs in
    this process, OSError where the loopback interface has no free port.
    """
    try:
        from scanner.demo import loopback, moto_state  # noqa: PLC0415 (moto is an extra)
        from scanner.demo.faults import Faults  # noqa: PLC0415 (moto is an extra)
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"the demo needs moto, which is not installed (no module `{error.name}`)",
            hint="install the extra: `pip install 'kms-scan[demo]'`",
        ) from error
    if not _RUNNING.acquire(blocking=False):
        raise UsageError("a demo already runs in this process", hint="close it first")
    try:
        moto_state.reset()
        faults = Faults(MANAGEMENT, REGIONS, OPT_IN_REGIONS, OPTED_IN)
        server = loopback.LoopbackServer(faults)
    except BaseException:
        _RUNNING.release()
        raise
    return DemoServer(server, faults, moto_state.operator_credentials(MANAGEMENT, OPERATOR))


def _session() -> botocore.session.Session:
    """A botocore session that reads no profile and no file of the user's."""
    unset: tuple[str | None, str | None, str | None, None] = (None, None, None, None)
    nowhere: tuple[str | None, str | None, str | None, None] = (None, None, os.devnull, None)
    return botocore.session.Session(
        session_vars={"profile": unset, "config_file": nowhere, "credentials_file": nowhere}
    )
