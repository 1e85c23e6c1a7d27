"""That clients which all accounts share never sign with the wrong credentials, and what of botocore this rests on."""

from __future__ import annotations

import socket
import ssl
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from select import select
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Barrier, Thread
from typing import Any

import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import SSLError
from botocore.session import Session
from scanner.collect import shared_clients
from scanner.collect.outcome import MismatchError
from scanner.collect.sessions import botocore_session
from scanner.collect.shared_clients import Exchange, SharedClients, read_once

from fault_server import CALLER, TOKEN, FaultServer, Key
from tls_certificate import botocore_bundle, make_certificate

EU, US = "eu-west-1", "us-east-1"
ACCOUNTS = tuple(f"{number:012d}" for number in range(111100000001, 111100000033))
Collect = Callable[..., Any]


def key_of(account: str) -> str:
    return f"{account[-8:]}-0000-0000-0000-000000000000"


def credentials_of(account: str) -> Credentials:
    return Credentials(f"ASIA{account}", "secret", f"{TOKEN}{account}")


@pytest.fixture
def world(aws: FaultServer) -> FaultServer:
    """32 accounts, each with a key of its own id in each region: a call for it with other credentials finds nothing."""
    for account in ACCOUNTS:
        aws.account(account, EU, US)
        for region in (EU, US):
            aws.keys[account, region][key_of(account)] = Key()
    return aws


@pytest.fixture(scope="module")
def session() -> Session:
    """One session for all tests: its parsed models take half a second."""
    return botocore_session(None)


@pytest.fixture
def clients(session: Session) -> SharedClients:
    return SharedClients(session, Config(retries={"total_max_attempts": 1}, max_pool_connections=32))


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns as often as Python lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def heard(into: list[bytes]) -> Callable[..., None]:
    return lambda response_dict, **_: into.append(response_dict["body"])


def describe(clients: SharedClients, account: str, region: str = EU) -> Any:
    exchange = Exchange(credentials_of(account), heard([]))
    return clients.send("kms", region, "DescribeKey", {"KeyId": key_of(account)}, exchange)


# -- whose credentials ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hasty_threads")
def test_calls_of_many_accounts_at_once_on_one_client_are_each_signed_by_their_own(
    world: FaultServer, clients: SharedClients
) -> None:
    together = Barrier(len(ACCOUNTS))

    def ask(account: str) -> list[tuple[str, str]]:
        together.wait(30)
        return [
            (account, describe(clients, account, region)["KeyMetadata"]["AWSAccountId"])
            for region in (EU, US, EU, US, EU, US)
        ]

    with ThreadPoolExecutor(len(ACCOUNTS)) as executor:
        pairs = [pair for answers in executor.map(ask, ACCOUNTS) for pair in answers]
    assert len(pairs) == 6 * len(ACCOUNTS)
    assert {asked for asked, answered in pairs if asked != answered} == set()
    assert {(r.account, r.params["KeyId"]) for r in world.requests} == {(a, key_of(a)) for a in ACCOUNTS}


@pytest.mark.usefixtures("hasty_threads")
def test_overlapping_units_of_a_whole_run_ask_each_account_for_its_own_keys_only(
    world: FaultServer, run: Collect
) -> None:
    done = run(ids=ACCOUNTS, workers=32, threads=32)
    assert done.error is None
    assert done.gaps() == set()
    per_key = [r for r in world.requests if "KeyId" in r.params]
    assert Counter(r.account for r in per_key) == dict.fromkeys(ACCOUNTS, 2 * 5)
    assert {(r.account, r.params["KeyId"]) for r in per_key} == {(a, key_of(a)) for a in ACCOUNTS}
    stored = done.query("SELECT account_id, key_id FROM keys")
    assert sorted(stored) == sorted((a, key_of(a)) for a in ACCOUNTS for _ in (EU, US))


def test_one_thread_that_goes_from_account_to_account_takes_no_credentials_along(
    world: FaultServer, clients: SharedClients
) -> None:
    for account in (*ACCOUNTS, *reversed(ACCOUNTS)):
        assert describe(clients, account)["KeyMetadata"]["AWSAccountId"] == account
    assert [r.account for r in world.requests] == [*ACCOUNTS, *reversed(ACCOUNTS)]


def test_call_within_a_call_leaves_the_outer_one_its_credentials(world: FaultServer, clients: SharedClients) -> None:
    outer, inner = ACCOUNTS[:2]
    bodies: list[bytes] = []

    def while_it_is_parsed(response_dict: Any, **_: Any) -> None:
        describe(clients, inner)
        bodies.append(response_dict["body"])

    exchange = Exchange(credentials_of(outer), while_it_is_parsed)
    clients.send("kms", EU, "ListKeys", {}, exchange)
    assert [r.account for r in world.requests] == [outer, inner]
    assert key_of(outer).encode() in bodies[0]


def test_each_answer_is_handed_to_the_exchange_that_asked(world: FaultServer, clients: SharedClients) -> None:
    for account in ACCOUNTS[:3]:
        bodies: list[bytes] = []
        clients.send("kms", EU, "ListKeys", {}, Exchange(credentials_of(account), heard(bodies)))
        assert [key_of(account).encode() in body for body in bodies] == [True]


def test_client_used_without_an_exchange_sends_nothing(world: FaultServer, clients: SharedClients) -> None:
    describe(clients, ACCOUNTS[0])
    world.requests.clear()
    with pytest.raises(LookupError):
        clients.get("kms", EU).list_keys()
    assert world.requests == []


def test_request_signed_with_other_credentials_is_never_sent(world: FaultServer, clients: SharedClients) -> None:
    """As if botocore had stopped looking at what the call says, and used what it finds in the client."""
    emitter = clients.get("kms", EU).meta.events
    emitter.register_last("before-sign", lambda request, **_: request.context.pop("signing"))
    with pytest.raises(MismatchError, match="signed with"):
        describe(clients, ACCOUNTS[0])
    assert world.requests == []


def test_request_with_the_token_of_another_session_is_never_sent(world: FaultServer, clients: SharedClients) -> None:
    def swap(request: Any, **_: Any) -> None:
        request.headers["X-Amz-Security-Token"] = f"{TOKEN}{ACCOUNTS[1]}"

    clients.get("kms", EU).meta.events.register_first("before-send", swap)
    with pytest.raises(MismatchError, match="signed with"):
        describe(clients, ACCOUNTS[0])
    assert world.requests == []


def test_mixed_up_credentials_abort_the_unit_and_are_told(
    world: FaultServer, run: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ACCOUNTS[:2]
    genuine = SharedClients.send

    def mixed(self: SharedClients, service: str, region: str, name: str, params: Any, exchange: Exchange) -> Any:
        """Credentials of the one account for the keys of the other."""
        if service == "kms" and exchange.credentials.access_key.endswith(first):
            exchange = Exchange(credentials_of(second), exchange.on_answer)
        return genuine(self, service, region, name, params, exchange)

    monkeypatch.setattr(SharedClients, "send", mixed)
    done = run(ids=(first, second))
    assert done.gaps() == {(first, region, "kms:ListKeys", "", "mismatch") for region in (EU, US)}
    assert {account for (account,) in done.query("SELECT account_id FROM keys")} == {second}


def test_caller_is_asked_for_credentials_anew_for_every_call(
    world: FaultServer, run: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore may renew them in the middle of a run: those of single sign-on, of a process, of a profile's role."""
    session = botocore_session(None)
    own = session.get_credentials()
    assert own is not None
    given: list[str] = []
    frozen = own.get_frozen_credentials

    def next_one() -> Any:
        given.append(f"AKIACALLER{len(given)}")
        return frozen()._replace(access_key=given[-1])

    monkeypatch.setattr(own, "get_frozen_credentials", next_one)
    run(ids=ACCOUNTS[:2], session_factory=lambda _: session)
    signed = [r.access_key for r in world.requests if r.account == CALLER]
    assert len(signed) == 4  # who it is, the organization, two roles
    assert sorted(signed) == given


# -- how many ----------------------------------------------------------------------------------------------------------


def test_accounts_share_one_client_per_service_and_region(clients: SharedClients) -> None:
    assert clients.get("kms", EU) is clients.get("kms", EU)
    assert len({id(clients.get(s, r)) for s, r in (("kms", EU), ("kms", US), ("iam", EU))}) == 3


def test_clients_share_one_tls_context(clients: SharedClients) -> None:
    assert len({id(context_of(clients, region)) for region in (EU, US)}) == 1


# -- the certificates --------------------------------------------------------------------------------------------------


def context_of(clients: SharedClients, region: str) -> ssl.SSLContext:
    endpoint: Any = clients.get("kms", region)._endpoint  # type: ignore[attr-defined]
    found: ssl.SSLContext = endpoint.http_session._manager.connection_pool_kw["ssl_context"]
    return found


class Recording(ssl.SSLContext):
    """A TLS context that tells what it read."""

    read: tuple[Any, ...] = ()

    def load_verify_locations(self, *args: Any) -> None:
        self.read = (*self.read, args)
        if args[0] == "missing":
            raise FileNotFoundError(args[0])


def test_bundle_is_read_once_however_many_connections_ask() -> None:
    context = Recording(ssl.PROTOCOL_TLS_CLIENT)
    read_once(context)
    for bundle in ("one", "one", "two", "one"):
        context.load_verify_locations(bundle, None, None)
    assert context.read == (("one", None, None), ("two", None, None))


def test_bundle_that_could_not_be_read_is_no_bundle_that_was_read() -> None:
    context = Recording(ssl.PROTOCOL_TLS_CLIENT)
    read_once(context)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            context.load_verify_locations("missing", None, None)


def test_nobody_goes_on_while_somebody_reads_the_bundle() -> None:
    met: list[int] = []

    class Slow(Recording):
        def load_verify_locations(self, *args: Any) -> None:
            early = [executor.submit(context.load_verify_locations, *args) for _ in range(4)]
            met.append(len(wait(early, timeout=0.1).done))
            super().load_verify_locations(*args)

    context = Slow(ssl.PROTOCOL_TLS_CLIENT)
    read_once(context)
    with ThreadPoolExecutor(4) as executor:
        context.load_verify_locations("one", None, None)
    assert met == [0]
    assert context.read == (("one", None, None),)


@dataclass
class Tls:
    """A server that speaks TLS, and how often a bundle was read."""

    server: FaultServer
    bundle: Path
    reads: list[str]


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Tls]:
    certificate, bundle = make_certificate(tmp_path)
    reads: list[str] = []
    genuine = ssl.SSLContext.load_verify_locations

    def counted(self: ssl.SSLContext, cafile: str, *others: Any) -> None:
        reads.append(cafile)
        genuine(self, cafile, *others)

    with FaultServer(certificate) as server:
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        for account in ACCOUNTS[:8]:
            server.account(account, EU, US)
            for region in (EU, US):
                server.keys[account, region][key_of(account)] = Key()
        yield Tls(server, bundle, reads)


def test_connections_of_all_threads_and_regions_read_the_bundle_once(tls: Tls, clients: SharedClients) -> None:
    with ThreadPoolExecutor(8) as executor:
        for region in (EU, US):
            list(executor.map(partial(describe, clients, region=region), ACCOUNTS[:8]))
    assert len(tls.server.asked("kms:DescribeKey")) == 16
    assert tls.reads == [str(tls.bundle)]


class Tunnel(StreamRequestHandler):
    """A proxy that connects whom it is asked to, and hands bytes on until one of them ends."""

    def handle(self) -> None:
        host, port = self.rfile.readline().split()[1].decode().split(":")
        while self.rfile.readline().strip():
            pass
        with socket.create_connection((host, int(port))) as there:
            self.connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            with suppress(OSError):
                while True:
                    ready, _, _ = select([self.connection, there], [], [])
                    for one in ready:
                        data = one.recv(65536)
                        if not data:
                            return
                        (there if one is self.connection else self.connection).sendall(data)


@pytest.fixture
def proxy(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every connection goes through a proxy; what was asked of it."""
    asked: list[str] = []

    class Counted(Tunnel):
        def handle(self) -> None:
            asked.append("connect")
            super().handle()

    with ThreadingTCPServer(("127.0.0.1", 0), Counted) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_address[1]}")
        yield asked
        server.shutdown()


def test_connections_through_a_proxy_read_the_bundle_once(tls: Tls, clients: SharedClients, proxy: list[str]) -> None:
    for region in (EU, US):
        with ThreadPoolExecutor(4) as executor:
            list(executor.map(partial(describe, clients, region=region), ACCOUNTS[:4]))
    clients.close()
    assert len(proxy) > 2
    assert tls.reads == [str(tls.bundle)]


def test_server_with_an_unknown_certificate_is_refused_through_a_proxy_too(
    tls: Tls, clients: SharedClients, proxy: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(botocore_bundle()))
    for region in (EU, US, EU):
        with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            describe(clients, ACCOUNTS[0], region)
    assert tls.server.requests == []
    assert len(proxy) == 3


def test_server_with_an_unknown_certificate_is_refused_on_each_connection(
    tls: Tls, clients: SharedClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(botocore_bundle()))
    for region in (EU, US, EU):
        with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            describe(clients, ACCOUNTS[0], region)
    assert tls.server.requests == []
    assert tls.reads == [str(botocore_bundle())]


def test_botocore_that_keeps_its_tls_context_elsewhere_reads_for_each_connection_and_still_checks(
    tls: Tls, clients: SharedClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_clients, "_connections_of", lambda _: None)
    for region in (EU, US):
        describe(clients, ACCOUNTS[0], region)
    assert tls.reads == [str(tls.bundle)] * 2
    monkeypatch.setenv("AWS_CA_BUNDLE", str(botocore_bundle()))
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        describe(SharedClients(botocore_session(None), Config()), ACCOUNTS[0])
