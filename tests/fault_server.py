"""A loopback stand-in for AWS that answers from a small world and misbehaves on demand.

moto never paginates, never refuses and never cuts an answer off; this does. Real sockets, real botocore.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import escape

CALLER = "999999999999"
SECRET = "SECRETOFTHESTUB"
TOKEN = "TOKENOFTHESTUB"


@dataclass
class Reply:
    """One HTTP answer; `cut`: only so many bytes of the body are sent before the connection closes.

    `ending` says how a connection ends that does not end well: `hang` sends nothing and waits until the client gives
    up, `reset` sends a TCP reset, before the answer where `cut` is None and after `cut` bytes of the body otherwise.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/x-amz-json-1.1"
    cut: int | None = None
    length: bool = True
    ending: Literal["", "hang", "reset"] = ""


def as_json(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


def refusal(code: str, message: str = "no", status: int = 400) -> Reply:
    """An error of a JSON service."""
    return as_json({"__type": code, "message": message}, status)


def refusal_xml(code: str, message: str = "no", status: int = 403) -> Reply:
    """An error of STS or IAM."""
    text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
    return Reply(status, text.encode(), "text/xml")


@dataclass
class Request:
    """One call as the server saw it."""

    operation: str
    account: str
    region: str
    params: dict[str, Any]
    access_key: str = ""
    token: str = ""


@dataclass
class Key:
    """A key of the world."""

    policy: str = '{"Version": "2012-10-17",  "Statement": []}'
    grants: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    manager: str = "CUSTOMER"
    state: str = "Enabled"
    ram: str | None = None
    last_used: float | None = None


Fault = Callable[[Request], Reply | None]


class FaultServer:
    """The world: accounts with keys per region, and faults that are asked before it answers.

    With a certificate it speaks TLS, as AWS does.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.keys: dict[tuple[str, str], dict[str, Key]] = {}
        self.aliases: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.regions: dict[str, dict[str, str]] = {}
        self.details: dict[str, str] = {}
        self.shared: dict[tuple[str, str], list[str]] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self._lock = Lock()
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # 40 ms per answer otherwise
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                reply = world.answer(self._request(body))
                if reply.ending == "hang":
                    with suppress(OSError):
                        self.rfile.read(1)  # ends when the client closes the connection
                    self.close_connection = True
                elif reply.ending == "reset" and reply.cut is None:
                    self._reset()
                else:
                    self._send(reply)

            def _send(self, reply: Reply) -> None:
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("x-amzn-RequestId", "request-1")
                if reply.length:
                    self.send_header("Content-Length", str(len(reply.body)))
                else:
                    self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
                if reply.ending == "reset":
                    self._reset()
                elif reply.cut is not None or not reply.length:
                    self.close_connection = True

            def _reset(self) -> None:
                """End the connection without a farewell: with a lingering time of nothing, closing sends a reset."""
                self.wfile.flush()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())
                self.close_connection = True

            def _request(self, body: bytes) -> Request:
                scope = self.headers["Authorization"].split("Credential=")[1].split(",")[0].split("/")
                account = scope[0][4:] if scope[0].startswith("ASIA") else CALLER
                region, service = scope[2], scope[3]
                who = (scope[0], self.headers.get("X-Amz-Security-Token", ""))
                if self.path == "/listRegions":
                    return Request("account:ListRegions", account, region, json.loads(body or b"{}"), *who)
                target = self.headers.get("X-Amz-Target")
                if target:
                    return Request(f"{service}:{target.split('.')[1]}", account, region, json.loads(body), *who)
                form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                return Request(f"{service}:{form['Action']}", account, region, form, *who)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket.listen(128)  # as many threads as a test may have connect at once; the default is 5
        self._scheme = "http"
        if certificate is not None:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def account(self, account_id: str, *regions: str) -> None:
        """Add an account with these regions and no key."""
        self.regions[account_id] = dict.fromkeys(regions, "ENABLED_BY_DEFAULT")
        for region in regions:
            self.keys[(account_id, region)] = {}

    def fail(self, operation: str, *replies: Reply, times: int | None = None, **where: str | None) -> None:
        """Answer an operation with these replies, one per call, then (`times` None) the last one for ever.

        `where`: account, region, key (the KeyId asked for) and any parameter by its name; None: it is not sent.
        """
        left = list(replies)
        calls = [0]

        def fault(request: Request) -> Reply | None:
            seen = {
                "account": request.account,
                "region": request.region,
                "key": request.params.get("KeyId"),
                **request.params,
            }
            if request.operation != operation or any(seen.get(name) != value for name, value in where.items()):
                return None
            calls[0] += 1
            if times is not None and calls[0] > times:
                return None
            return left.pop(0) if len(left) > 1 else left[0]

        self.faults.append(fault)

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            # Half of one session's credentials and half of another's: no test may be content with that.
            assert request.token == (f"{TOKEN}{request.account}" if request.access_key.startswith("ASIA") else "")
            for fault in self.faults:
                reply = fault(request)
                if reply is not None:
                    return reply
        return self.genuine(request)

    def genuine(self, request: Request) -> Reply:
        """What the world answers where nothing is wrong."""
        service, name = request.operation.split(":")
        reply = getattr(self, f"_{service}_{name}")(request)
        assert isinstance(reply, Reply)
        return reply

    def asked(self, operation: str) -> list[Request]:
        """Every request of an operation."""
        return [request for request in self.requests if request.operation == operation]

    # The world's answers.

    def _sts_GetCallerIdentity(self, request: Request) -> Reply:
        arn = f"arn:aws:iam::{request.account}:user/caller"
        inner = f"<Arn>{arn}</Arn><UserId>AIDA</UserId><Account>{request.account}</Account>"
        return self._xml("GetCallerIdentity", inner)

    def _sts_AssumeRole(self, request: Request) -> Reply:
        account = request.params["RoleArn"].split(":")[4]
        credentials = (
            f"<AccessKeyId>ASIA{account}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
            f"<SessionToken>{TOKEN}{account}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
        )
        user = f"<AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::{account}:assumed-role/R/x</Arn>"
        inner = f"<Credentials>{credentials}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"
        return self._xml("AssumeRole", inner)

    def _organizations_DescribeOrganization(self, request: Request) -> Reply:
        return refusal("AWSOrganizationsNotInUseException", "not a member")

    def _account_ListRegions(self, request: Request) -> Reply:
        regions = self.regions[request.account]
        return as_json({"Regions": [{"RegionName": n, "RegionOptStatus": s} for n, s in regions.items()]})

    def _kms_ListKeys(self, request: Request) -> Reply:
        if "ResourceOwners" in request.params:
            arns = self.shared.get((request.account, request.region), [])
            return as_json({"Keys": [{"KeyId": a.split("/")[1], "KeyArn": a} for a in arns], "Truncated": False})
        keys = [{"KeyId": key_id, "KeyArn": self._arn(request, key_id)} for key_id in self._held(request)]
        return as_json({"Keys": keys, "Truncated": False})

    def _kms_ListAliases(self, request: Request) -> Reply:
        aliases = self.aliases.get((request.account, request.region), [])
        prefix = f"arn:aws:kms:{request.region}:{request.account}:"
        return as_json({"Aliases": [{"AliasArn": prefix + a["AliasName"], **a} for a in aliases], "Truncated": False})

    def _kms_DescribeKey(self, request: Request) -> Reply:
        key_id = request.params["KeyId"]
        key = self._held(request)[key_id]
        return as_json(
            {
                "KeyMetadata": {
                    "AWSAccountId": request.account,
                    "KeyId": key_id,
                    "Arn": self._arn(request, key_id),
                    "CreationDate": 1760000000,
                    "Enabled": True,
                    "Description": "d",
                    "KeyUsage": "ENCRYPT_DECRYPT",
                    "KeyState": key.state,
                    "Origin": "AWS_KMS",
                    "KeyManager": key.manager,
                    "KeySpec": "SYMMETRIC_DEFAULT",
                    "MultiRegion": False,
                }
            }
        )

    def _kms_GetKeyPolicy(self, request: Request) -> Reply:
        key = self._held(request)[request.params["KeyId"]]
        if request.params["PolicyName"] == "AWS_RAM":
            return as_json({"Policy": key.ram}) if key.ram else refusal("NotFoundException")
        return as_json({"Policy": key.policy})

    def _kms_GetKeyLastUsage(self, request: Request) -> Reply:
        key_id = request.params["KeyId"]
        used = self._held(request)[key_id].last_used
        usage = {} if used is None else {"Operation": "Decrypt", "Timestamp": used}
        dates = {"TrackingStartDate": 1777000000, "KeyCreationDate": 1760000000}
        return as_json({"KeyId": self._arn(request, key_id), "KeyLastUsage": usage, **dates})

    def _kms_ListGrants(self, request: Request) -> Reply:
        key_id = request.params["KeyId"]
        arn = self._arn(request, key_id)
        grants = [{"KeyId": arn, **grant} for grant in self._held(request)[key_id].grants]
        return as_json({"Grants": grants, "Truncated": False})

    def _kms_ListRetirableGrants(self, request: Request) -> Reply:
        wanted = request.params["RetiringPrincipal"]
        grants = [
            {"KeyId": f"arn:aws:kms:{region}:{account}:key/{key_id}", **grant}
            for (account, region), keys in self.keys.items()
            for key_id, key in keys.items()
            for grant in key.grants
            if region == request.region and grant.get("RetiringPrincipal") == wanted
        ]
        return as_json({"Grants": grants, "Truncated": False})

    def _kms_ListResourceTags(self, request: Request) -> Reply:
        return as_json({"Tags": self._held(request)[request.params["KeyId"]].tags, "Truncated": False})

    def _iam_GetAccountAuthorizationDetails(self, request: Request) -> Reply:
        inner = self.details.get(request.account, "<UserDetailList/><RoleDetailList/><GroupDetailList/><Policies/>")
        return self._xml("GetAccountAuthorizationDetails", f"{inner}<IsTruncated>false</IsTruncated>")

    def _iam_ListOpenIDConnectProviders(self, request: Request) -> Reply:
        return self._xml("ListOpenIDConnectProviders", "<OpenIDConnectProviderList/>")

    def _iam_ListSAMLProviders(self, request: Request) -> Reply:
        return self._xml("ListSAMLProviders", "<SAMLProviderList/>")

    def _ec2_DescribeRegions(self, request: Request) -> Reply:
        names = "".join(f"<item><regionName>{name}</regionName></item>" for name in self.regions[request.account])
        text = f"<DescribeRegionsResponse><regionInfo>{names}</regionInfo></DescribeRegionsResponse>"
        return Reply(200, text.encode(), "text/xml")

    def _iam_GetPolicyVersion(self, request: Request) -> Reply:
        return refusal_xml("NoSuchEntity", status=404)

    def _iam_GetPolicy(self, request: Request) -> Reply:
        return refusal_xml("NoSuchEntity", status=404)

    def _held(self, request: Request) -> dict[str, Key]:
        return self.keys[(request.account, request.region)]

    @staticmethod
    def _arn(request: Request, key_id: str) -> str:
        return f"arn:aws:kms:{request.region}:{request.account}:key/{key_id}"

    @staticmethod
    def _xml(operation: str, inner: str) -> Reply:
        text = f"<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>"
        return Reply(200, text.encode(), "text/xml")


def role_xml(arn: str, trust: str, *, inline: dict[str, str] | None = None, boundary: str | None = None) -> str:
    """One `member` of RoleDetailList."""
    name = arn.rsplit("/", 1)[-1]
    policies = "".join(
        f"<member><PolicyName>{n}</PolicyName><PolicyDocument>{quote(d)}</PolicyDocument></member>"
        for n, d in (inline or {}).items()
    )
    limit = f"<PermissionsBoundary><PermissionsBoundaryArn>{boundary}</PermissionsBoundaryArn></PermissionsBoundary>"
    return (
        f"<member><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROA{name}</RoleId><Arn>{arn}</Arn>"
        f"<AssumeRolePolicyDocument>{quote(trust)}</AssumeRolePolicyDocument><InstanceProfileList/>"
        f"<RolePolicyList>{policies}</RolePolicyList><AttachedManagedPolicies/>{limit if boundary else ''}</member>"
    )


class FakeClock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self, now: Any) -> None:
        self._now = now
        self.slept = 0.0
        self._lock = Lock()

    def now(self) -> Any:
        return self._now

    def monotonic(self) -> float:
        with self._lock:
            return self.slept

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept += seconds
