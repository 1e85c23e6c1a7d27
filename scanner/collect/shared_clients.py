"""Decides whose credentials sign a request on the clients that all accounts share.

A client takes 5 ms to make, and each new connection 33 ms, most of it to read the CA bundle again (`scale.md` A.3). So
there is one client per service and region, and the credentials come with each call. botocore has no public way for
that, nor for reading the bundle once: what it rests on is in this module and in no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from ssl import SSLContext
from threading import Lock
from typing import Any

from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.session import Session

from scanner.collect.outcome import MismatchError

_NOBODY = "nobody"
"""A client's own access key and secret, which sign nothing: were they ever used, AWS would refuse the request."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request: whose credentials sign it, and who hears the raw answer before botocore parses it."""

    credentials: Credentials = field(repr=False)
    on_answer: Callable[..., None]


_EXCHANGE: ContextVar[Exchange] = ContextVar("exchange")
"""The request that this thread is sending. Where there is none, a client signs nothing."""


class SharedClients:
    """One client per service and region, made when it is first asked for."""

    def __init__(self, session: Session, config: Config) -> None:
        self._session, self._config = session, config
        self._lock = Lock()  # botocore's loader is not safe to share between threads
        self._clients: dict[tuple[str, str], BaseClient] = {}
        self._tls: SSLContext | None = None

    def get(self, service: str, region: str) -> BaseClient:
        """The client of a service in a region; it signs nothing but what goes through `send`."""
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._made(service, region)
            return self._clients[service, region]

    def send(
        self, service: str, region: str, operation: str, params: Mapping[str, Any], exchange: Exchange
    ) -> Mapping[str, Any]:
        """One request, signed with the credentials of its exchange. Raises MismatchError where it was signed otherwise.

        INVARIANT: whose credentials sign is known to the thread that sends, for as long as it sends, and to no other.
        """
        method = getattr(self.get(service, region), xform_name(operation))
        before = _EXCHANGE.set(exchange)
        try:
            answer: Mapping[str, Any] = method(**params)
        finally:
            _EXCHANGE.reset(before)
        return answer

    def close(self) -> None:
        """Close every connection; a client that still sends opens a new one."""
        with self._lock:
            for client in self._clients.values():
                client.close()

    def _made(self, service: str, region: str) -> BaseClient:
        client: BaseClient = self._session.create_client(
            service,
            region_name=region,
            config=self._config,
            aws_access_key_id=_NOBODY,
            aws_secret_access_key=_NOBODY,
        )
        events = client.meta.events
        events.register("before-sign", _sign)
        events.register_last("before-send", _check_signature)
        events.register("before-parse", _hand_over)
        self._share_tls(client)
        return client

    def _share_tls(self, client: BaseClient) -> None:
        """Let all clients use one TLS context: every connection reads the bundle into it, and that takes time once.

        Those through a proxy too; `Config` is given no certificates of a proxy, which would be trusted for AWS as well.
        With a botocore that keeps its connections elsewhere, each connection reads for itself: slower, and as safe.
        """
        connections = _connections_of(client)
        if connections is None:
            return
        direct = connections._manager.connection_pool_kw
        if self._tls is None:
            self._tls = read_once(direct["ssl_context"])
        direct["ssl_context"] = self._tls
        connections._get_ssl_context = lambda: self._tls


def _connections_of(client: BaseClient) -> Any | None:
    """What holds the connections of a client; None where botocore does not keep their TLS context there."""
    endpoint: Any = getattr(client, "_endpoint", None)
    found: Any = getattr(endpoint, "http_session", None)
    direct = getattr(getattr(found, "_manager", None), "connection_pool_kw", {})
    return found if "ssl_context" in direct and hasattr(found, "_get_ssl_context") else None


def read_once(context: SSLContext) -> SSLContext:
    """The same TLS context, which reads each bundle one time only, and lets nobody connect before it has.

    It goes on trusting what it has read; reading the same file again adds nothing.
    """
    read, lock, genuine = set[tuple[object, ...]](), Lock(), context.load_verify_locations

    def load(*bundle: Any) -> None:
        with lock:
            if bundle not in read:
                genuine(*bundle)
                read.add(bundle)

    context.load_verify_locations = load  # type: ignore[method-assign,assignment]
    return context


def _sign(request: AWSRequest, **_: object) -> None:
    """`before-sign`: botocore signs with `request_credentials` of the request's context where it finds them.

    The context's `signing` is made anew, as botocore may hold it elsewhere too.
    """
    signing = request.context.get("signing") or {}
    request.context["signing"] = {**signing, "request_credentials": _EXCHANGE.get().credentials}


def _check_signature(request: AWSPreparedRequest, **_: object) -> None:
    """`before-send`: what goes out carries the access key and the session token of the exchange, or does not go out."""
    credentials = _EXCHANGE.get().credentials
    signed = _text(request.headers.get("Authorization"))
    token = _text(request.headers.get("X-Amz-Security-Token"))
    if f" Credential={credentials.access_key}/" not in signed or token != (credentials.token or ""):
        raise MismatchError("a request was signed with other credentials than those of its account")


def _hand_over(**answer: Any) -> None:
    """`before-parse`: the raw answer, to the exchange that asked."""
    _EXCHANGE.get().on_answer(**answer)


def _text(header: str | bytes | None) -> str:
    return header.decode("latin-1") if isinstance(header, bytes) else header or ""
