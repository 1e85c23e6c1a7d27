"""Calls per second, CPU per call and memory of the collector, beside other ways to make the same calls.

    .venv/bin/python benchmarks/collect.py [--accounts N] [--regions N] [--keys N] [--threads N]

A stub in a process of its own answers over TLS on the loopback, each answer 50 ms late; its certificate is made for the
run and joined to botocore's bundle, so that loading the bundle costs what it costs against AWS. Every way runs in a
process of its own, because peak memory never goes down again. The ways:

- ours: the whole collection into a snapshot, with every check, at `kms_quota_share` 100;
- a `boto3.Session` and a client per unit, one account and region: the usual pattern of tools that walk over accounts;
- a `boto3.Session` per account with a client per region of it, which is what such tools do at best;
- asyncio: connections of the standard library, signed by botocore, answers parsed as JSON or not at all;
- botocore: one client per region shared by all threads, no checks, nothing stored;
- the same, with the CA bundle read once: what our checks and the snapshot cost is the difference to this one.

Those that are not said to read the CA bundle once read it for each connection, as botocore does.
CPU per call is the reliable figure on a machine with other work; calls per second are not. Imports are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, local
from typing import Any

import boto3
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.session import get_session
from scanner.collect.collector import collect
from scanner.collect.settings import CollectSettings
from scanner.collect.shared_clients import read_once
from scanner.snapshot.store import SnapshotStore

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from tls_certificate import make_certificate  # tests/ first

LATENCY = 0.05
REGIONS = (
    *("eu-west-1", "us-east-1", "eu-central-1", "us-west-2", "ap-south-1", "us-east-2", "us-west-1", "eu-west-2"),
    *("eu-west-3", "eu-north-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ap-northeast-2"),
    *("ap-northeast-3", "ca-central-1", "sa-east-1"),
)
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*"}]})
TARGET_CALLS = 243_000
WAYS = ("ours", "boto3.Session per unit", "boto3.Session per account", "asyncio", "botocore", "botocore, bundle once")


@dataclass(frozen=True)
class Size:
    """How much there is to read, and with how many threads."""

    accounts: int
    regions: int
    keys: int
    threads: int

    @property
    def ids(self) -> list[str]:
        return [f"{n:012d}" for n in range(100000000001, 100000000001 + self.accounts)]

    @property
    def names(self) -> tuple[str, ...]:
        return REGIONS[: self.regions]


Call = tuple[str, str, str, str, dict[str, Any]]
"""Account, region, service, operation and parameters."""


def calls_of_account(size: Size, account: str) -> list[list[Call]]:
    """What is read of an account: one list per unit, in which each call waits for the one before."""
    units: list[list[Call]] = [
        [(account, REGIONS[1], "account", "ListRegions", {})],
        [
            (account, REGIONS[1], "iam", name, {})
            for name in ("GetAccountAuthorizationDetails", "ListOpenIDConnectProviders", "ListSAMLProviders")
        ],
    ]
    for region in size.names:
        unit: list[Call] = [(account, region, "kms", name, {}) for name in ("ListKeys", "ListAliases")]
        for number in range(size.keys):
            key = {"KeyId": f"{number:08d}-0000-0000-0000-000000000000"}
            unit.append((account, region, "kms", "DescribeKey", key))
            unit += [(account, region, "kms", "GetKeyPolicy", {**key, "PolicyName": p}) for p in ("default", "AWS_RAM")]
            unit += [(account, region, "kms", name, key) for name in ("ListGrants", "ListResourceTags")]
        units.append(unit)
    return units


# -- the stub ---------------------------------------------------------------------------------------------------------


def answer_to(size: Size, head: str, body: bytes) -> tuple[int, str, bytes]:
    """Status, content type and body for one request."""
    scope = head.split("Credential=")[1].split(",", maxsplit=1)[0].split("/")
    account, region, service = scope[0][4:], scope[2], scope[3]
    if service in {"sts", "iam"}:
        name = body.decode().split("Action=")[1].split("&")[0]
        inner = {
            "GetCallerIdentity": "<Arn>arn:aws:iam::999999999999:user/c</Arn><Account>999999999999</Account>",
            "GetAccountAuthorizationDetails": "<RoleDetailList/><IsTruncated>false</IsTruncated>",
            "ListOpenIDConnectProviders": "<OpenIDConnectProviderList/>",
            "ListSAMLProviders": "<SAMLProviderList/>",
        }.get(name)
        if inner is None:
            target = body.decode().partition("iam%3A%3A")[2][:12]
            inner = (
                f"<Credentials><AccessKeyId>ASIA{target}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
                f"<AssumedRoleUser><Arn>arn:aws:sts::{target}:assumed-role/R/x</Arn></AssumedRoleUser>"
            )
        return 200, "text/xml", f"<{name}Response><{name}Result>{inner}</{name}Result></{name}Response>".encode()
    if service == "account":
        return (
            200,
            "application/json",
            _text(Regions=[{"RegionName": name, "RegionOptStatus": "ENABLED_BY_DEFAULT"} for name in size.names]),
        )
    asked, json_type = json.loads(body), "application/x-amz-json-1.1"
    name = head.lower().split("x-amz-target: ")[1].split("\r\n")[0].split(".")[1]
    prefix = f"arn:aws:kms:{region}:{account}:key/"
    if name == "describeorganization":
        return 400, json_type, _text(__type="AWSOrganizationsNotInUseException", message="none")
    if asked.get("PolicyName") == "AWS_RAM":
        return 400, json_type, _text(__type="NotFoundException", message="none")
    found = [f"{n:08d}-0000-0000-0000-000000000000" for n in range(size.keys)]
    key = {"Arn": prefix + asked.get("KeyId", ""), "AWSAccountId": account, "KeyState": "Enabled"}
    answers: dict[str, dict[str, Any]] = {
        "listkeys": {"Keys": [{"KeyId": k, "KeyArn": prefix + k} for k in found], "Truncated": False},
        "listaliases": {"Aliases": [], "Truncated": False},
        "describekey": {"KeyMetadata": {"KeyId": asked.get("KeyId", ""), "KeyManager": "CUSTOMER", **key}},
        "getkeypolicy": {"Policy": POLICY},
        "listgrants": {"Grants": [], "Truncated": False},
        "listresourcetags": {"Tags": [], "Truncated": False},
    }
    return 200, json_type, _text(**answers[name])


def _text(**members: object) -> bytes:
    return json.dumps(members).encode()


async def read_message(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Head and body of one HTTP message with a Content-Length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = head.lower().partition("content-length: ")[2].split("\r\n")[0]
    return head, await reader.readexactly(int(length or 0))


async def serve(size: Size, certificate: str) -> None:
    """Answer until standard input closes; prints the port first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head, body = await read_message(reader)
                await asyncio.sleep(LATENCY)
                status, kind, text = answer_to(size, head, body)
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n".encode()
                    + text
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=context, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


class RealClock:
    """Time as the collector asks for it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


# -- the ways ---------------------------------------------------------------------------------------------------------


def ours(size: Size, folder: Path) -> int:
    """The collector itself."""
    asked = CollectSettings(
        run_id="bench", member_role="R", source="ids", ids=tuple(size.ids), workers=size.threads, kms_quota_share=100
    )
    with ThreadPoolExecutor(size.threads) as executor:
        summary = collect(
            asked,
            store=SnapshotStore.create(folder / "run" / "snapshot.sqlite"),
            executor=executor,
            clock=RealClock(),
            stop=Event(),
            on_progress=lambda _: None,
        )
    assert summary.progress.gaps == 0, summary
    assert summary.progress.keys == size.accounts * size.regions * size.keys
    return summary.progress.calls


def keys_of(account: str) -> dict[str, str]:
    return {"aws_access_key_id": f"ASIA{account}", "aws_secret_access_key": "s", "aws_session_token": "t"}


def in_threads(size: Size, client_of: Callable[[str, str, str], Any]) -> int:
    """Make the calls with botocore clients that somebody hands out."""

    def unit(calls: list[Call]) -> int:
        for account, region, service, operation, params in calls:
            try:
                getattr(client_of(account, region, service), xform_name(operation))(**params)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NotFoundException":
                    raise
        return len(calls)

    with ThreadPoolExecutor(size.threads) as executor:
        return sum(executor.map(unit, [unit for account in size.ids for unit in calls_of_account(size, account)]))


def boto3_units(size: Size, _folder: Path) -> int:
    """A session and a client for every unit: the calls of one thread until the unit changes."""
    own = local()

    def client_of(account: str, region: str, service: str) -> Any:
        unit = (account, region, service)
        if getattr(own, "unit", None) != unit:
            own.unit, own.client = unit, boto3.Session(**keys_of(account)).client(service, region_name=region)
        return own.client

    return in_threads(size, client_of)


def boto3_sessions(size: Size, _folder: Path) -> int:
    """A session per account, a client per service and region of it."""
    lock, sessions, clients = Lock(), dict[str, Any](), dict[tuple[str, str, str], Any]()

    def client_of(account: str, region: str, service: str) -> Any:
        with lock:
            if account not in sessions:
                sessions[account] = boto3.Session(**keys_of(account))
            if (account, region, service) not in clients:
                clients[account, region, service] = sessions[account].client(service, region_name=region)
        return clients[account, region, service]

    return in_threads(size, client_of)


def bare_botocore(size: Size, _folder: Path) -> int:
    """One session, one client per service and region for all accounts; whose credentials sign makes no difference."""
    clients = bare_clients(size)
    return in_threads(size, lambda _account, region, service: clients[service, region])


def bare_botocore_once(size: Size, _folder: Path) -> int:
    """The same, each client with its CA bundle read once."""
    clients = bare_clients(size)
    for client in clients.values():
        read_once(client._endpoint.http_session._manager.connection_pool_kw["ssl_context"])
    return in_threads(size, lambda _account, region, service: clients[service, region])


def bare_clients(size: Size) -> dict[tuple[str, str], Any]:
    """One client per service and region, with the credentials of one account."""
    session = get_session()
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=size.threads)
    return {
        (service, region): session.create_client(service, region_name=region, config=config, **keys_of(size.ids[0]))
        for service, regions in (("kms", size.names), ("iam", REGIONS[1:2]), ("account", REGIONS[1:2]))
        for region in regions
    }


def bare_asyncio(size: Size, _folder: Path) -> int:
    """A connection per worker, requests signed by botocore."""
    return asyncio.run(_asyncio(size))


async def _asyncio(size: Size) -> int:
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    units = iter([unit for account in size.ids for unit in calls_of_account(size, account)])
    port = int(os.environ["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])
    return sum(await asyncio.gather(*(_worker(units, context, port) for _ in range(size.threads))))


async def _worker(units: Iterator[list[Call]], context: ssl.SSLContext, port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    done = 0
    for unit in units:
        for account, region, service, operation, params in unit:
            path, headers, body = "/", {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(params).encode()
            if service == "iam":
                body = f"Action={operation}&Version=2010-05-08".encode()
            elif service == "account":
                path = "/listRegions"
            else:
                headers["X-Amz-Target"] = f"TrentService.{operation}"
            request = AWSRequest("POST", f"https://127.0.0.1:{port}{path}", headers, body)
            SigV4Auth(Credentials(f"ASIA{account}", "s", "t"), service, region).add_auth(request)
            lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
            writer.write(head.encode() + body)
            _, text = await read_message(reader)
            if service != "iam":
                json.loads(text)
            done += 1
    writer.close()
    return done


RUN: dict[str, Callable[[Size, Path], int]] = dict(
    zip(WAYS, (ours, boto3_units, boto3_sessions, bare_asyncio, bare_botocore, bare_botocore_once), strict=True)
)


def measure(way: str, size: Size) -> None:
    """Run one way in this process and print its figures."""
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        calls = RUN[way](size, Path(folder))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"calls": calls, "wall": wall, "cpu": cpu, "mb": peak}))


def main() -> None:
    """Start the stub, run every way, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("accounts", 24), ("regions", 5), ("keys", 3), ("threads", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--way", choices=WAYS, help="run one way only, against the stub in the environment")
    parser.add_argument("--serve", metavar="CERTIFICATE", help="be the stub")
    given = parser.parse_args()
    size = Size(given.accounts, min(given.regions, len(REGIONS)), given.keys, given.threads)
    if given.serve:
        asyncio.run(serve(size, given.serve))
    elif given.way:
        measure(given.way, size)
    else:
        compare(size)


def compare(size: Size) -> None:
    """The table."""
    words = [f"--{name}={getattr(size, name)}" for name in ("accounts", "regions", "keys", "threads")]
    this = [sys.executable, "-W", "ignore", __file__, *words]
    with tempfile.TemporaryDirectory() as folder:
        certificate, bundle = make_certificate(Path(folder))
        stub = subprocess.Popen(
            [*this, "--serve", str(certificate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        assert stub.stdout is not None
        assert stub.stdin is not None
        port = stub.stdout.readline().strip()
        env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}", "AWS_CA_BUNDLE": str(bundle),
            "AWS_ACCESS_KEY_ID": "ASIA999999999999", "AWS_SECRET_ACCESS_KEY": "s", "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
        try:
            found = {}
            for way in WAYS:
                told = subprocess.run([*this, "--way", way], env=env, check=True, capture_output=True, text=True)
                found[way] = json.loads(told.stdout)
        finally:
            stub.stdin.close()
            stub.wait(10)
    report(size, found)


def report(size: Size, found: dict[str, dict[str, float]]) -> None:
    """Print what was measured, the ratios, and what it would mean for a large organization."""
    print(f"{size.accounts} accounts x {size.regions} regions x {size.keys} keys, {size.threads} threads")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print(f"{'way':28}{'calls':>7}{'calls/s':>9}{'CPU ms/call':>13}{'MB':>6}{'x calls/s':>11}{'x CPU':>8}")
    mine = found["ours"]
    rate = {way: one["calls"] / one["wall"] for way, one in found.items()}
    cost = {way: one["cpu"] / one["calls"] for way, one in found.items()}
    for way, one in found.items():
        ratio, saved = rate["ours"] / rate[way], cost[way] / cost["ours"]
        line = f"{way:28}{one['calls']:7.0f}{rate[way]:9.0f}{1000 * cost[way]:13.2f}{one['mb']:6.0f}"
        print(f"{line}{ratio:11.2f}{saved:8.2f}")
    print("\nx: ours against that way; more than 1 means that ours is better")
    hours = TARGET_CALLS / rate["ours"] / 60
    print(f"{TARGET_CALLS:,} calls (1,000 accounts x 17 regions x 3 keys): {hours:.0f} minutes at this rate, ", end="")
    print(f"{TARGET_CALLS * cost['ours'] / 60:.0f} minutes of CPU, one process; extrapolated, not measured")
    print(f"aims: 7 x a session per unit, 0.8 x bare botocore, 120 MB ({mine['mb']:.0f} MB)")


if __name__ == "__main__":
    main()
