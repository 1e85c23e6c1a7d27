"""The layer before moto that answers as AWS would where moto is too kind, too short or too slow.

It sits in the server, so a second terminal meets the same refusals as the demo itself.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from scanner.demo import moto_state
from scanner.model.arn import AccountId, Region, parse_arn

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CREDENTIAL = re.compile(r"Credential=([^/]+)/[0-9]+/([^/]+)/([^/]+)/aws4_request")
REQUEST_ID = "00000000-0000-4000-8000-00000000de30"


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """What AWS says about a grant and moto does not keep."""

    created: str
    issuing_account: AccountId


@dataclass(slots=True)
class Faults:
    """What the server refuses, and what it adds; filled while the organization is built."""

    management: AccountId
    regions: tuple[Region, ...]
    opt_in_regions: tuple[Region, ...]
    opted_in: dict[AccountId, tuple[Region, ...]]
    unreadable_policies: set[str] = field(default_factory=set)
    denied_by_scp: set[tuple[AccountId, Region]] = field(default_factory=set)
    grants: dict[str, GrantFacts] = field(default_factory=dict)
    key_created: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One signed request: who asks what of which service in which region."""

    access_key: str
    region: Region
    service: str
    operation: str
    parameters: dict[str, Any]


class DemoApplication:
    """A WSGI application around moto's."""

    def __init__(self, inner: WSGIApplication, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Refuse, answer or amend the request, or hand it to moto unchanged.

        Unsigned and unknown credentials are refused: moto takes them for the management account, and its own control
        pages need no signature.
        """
        request = read_request(environ)
        if request is None or not moto_state.is_known(request.access_key):
            return _unauthenticated(environ, request)(environ, start_response)
        answer = self._own_answer(request)
        if answer is None:
            answer = Response.from_app(self._inner, environ, buffered=True)
            if answer.status_code == 200:
                self._amend(request, answer)
        return answer(environ, start_response)

    def _own_answer(self, request: Request) -> Response | None:
        """The answer that does not come from moto, or None."""
        match request.service, request.operation:
            case "sts", "AssumeRole":
                return self._assume_role(request)
            case "ec2", "DescribeRegions":
                return self._describe_regions(request)
            case "kms", operation:
                return self._kms(request, operation)
        return None

    def _assume_role(self, request: Request) -> Response | None:
        """AccessDenied where the role or the account does not exist; STS does not say which."""
        role_arn = str(request.parameters.get("RoleArn", ""))
        arn = parse_arn(role_arn)
        if arn is not None and moto_state.can_be_assumed(self._faults.management, arn.account_id, role_arn):
            return None
        caller = moto_state.caller_arn(request.access_key, request.region)
        message = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        return _answer(403, _error_xml("AccessDenied", message), "text/xml")

    def _describe_regions(self, request: Request) -> Response:
        """The demo's few regions with their opt-in status; a region that is not enabled shows with AllRegions only."""
        opted_in = self._faults.opted_in.get(moto_state.account_of(request.access_key), ())
        statuses = dict.fromkeys(self._faults.regions, "opt-in-not-required")
        for region in self._faults.opt_in_regions:
            if region in opted_in:
                statuses[region] = "opted-in"
            elif str(request.parameters.get("AllRegions", "")).lower() == "true":
                statuses[region] = "not-opted-in"
        wanted = _filter_values(request.parameters, "opt-in-status")
        items = "".join(
            f"<item><regionName>{region}</regionName><regionEndpoint>ec2.{region}.amazonaws.com</regionEndpoint>"
            f"<optInStatus>{status}</optInStatus></item>"
            for region, status in statuses.items()
            if not wanted or status in wanted
        )
        body = (
            '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
            f"<requestId>{REQUEST_ID}</requestId><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
        )
        return _answer(200, body, "text/xml")

    def _kms(self, request: Request, operation: str) -> Response | None:
        """KMS refusals: a whole account-region by a service control policy, one key by its own policy."""
        account_id = moto_state.account_of(request.access_key)
        prefix = f"is not authorized to perform: kms:{operation}"
        if (account_id, request.region) in self._faults.denied_by_scp:
            return self._denied(request, f"{prefix} with an explicit deny in a service control policy")
        key_arn = _key_arn(request, account_id, str(request.parameters.get("KeyId", "")))
        if operation == "GetKeyPolicy" and key_arn in self._faults.unreadable_policies:
            return self._denied(
                request,
                f"{prefix} on resource: {key_arn} because no resource-based policy allows the kms:{operation} action",
            )
        return None

    @staticmethod
    def _denied(request: Request, reason: str) -> Response:
        """AccessDeniedException in KMS's JSON."""
        message = f"User: {moto_state.caller_arn(request.access_key, request.region)} {reason}"
        body = json.dumps({"__type": "AccessDeniedException", "Message": message})
        return _answer(400, body, "application/x-amz-json-1.1")

    def _amend(self, request: Request, answer: Response) -> None:
        """Complete moto's answer in place where it lacks what AWS sends."""
        account_id = moto_state.account_of(request.access_key)
        match request.service, request.operation:
            case "kms", "DescribeKey":
                body = json.loads(answer.get_data())
                created = self._faults.key_created.get(str(body["KeyMetadata"]["KeyId"]))
                if created is not None:
                    body["KeyMetadata"]["CreationDate"] = _timestamp(created)
                answer.set_data(json.dumps(body))
            case "kms", "ListGrants" | "ListRetirableGrants":
                body = json.loads(answer.get_data())
                body["Grants"] = [self._grant(request, account_id, entry) for entry in body["Grants"]]
                answer.set_data(json.dumps(body))
            case "kms", "ReplicateKey":
                replica = json.loads(answer.get_data())["ReplicaKeyMetadata"]
                region = Region(str(request.parameters["ReplicaRegion"]))
                moto_state.separate_replica(account_id, region, str(replica["KeyId"]))

    def _grant(self, request: Request, account_id: AccountId, entry: dict[str, Any]) -> dict[str, Any]:
        """A grant as AWS lists it: creation date, issuing account, key ARN, and no members that are null."""
        facts = self._faults.grants.get(str(entry["GrantId"]))
        listed = {name: value for name, value in entry.items() if value is not None}
        listed["KeyId"] = _key_arn(request, account_id, str(entry["KeyId"]))
        issuing_account = facts.issuing_account if facts else account_id
        listed["IssuingAccount"] = f"arn:aws:iam::{issuing_account}:root"
        if facts:
            listed["CreationDate"] = _timestamp(facts.created)
        return listed


def read_request(environ: WSGIEnvironment) -> Request | None:
    """Who asks for what; None for an unsigned request. The body is put back for moto."""
    credential = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if credential is None:
        return None
    access_key, region, service = credential.groups()
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target is not None:
        operation, parameters = target.rpartition(".")[2], json.loads(body or b"{}")
    else:
        parameters = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        operation = str(parameters.get("Action", ""))
    return Request(access_key, Region(region), service, operation, parameters)


def _timestamp(text: str) -> float:
    """Seconds since 1970, as KMS writes dates."""
    return datetime.fromisoformat(text).timestamp()


def _unauthenticated(environ: WSGIEnvironment, request: Request | None) -> Response:
    """AWS's refusal of credentials that it does not know, in the protocol of the request."""
    if "HTTP_X_AMZ_TARGET" in environ:
        code, message = "UnrecognizedClientException", "The security token included in the request is invalid."
        return _answer(400, json.dumps({"__type": code, "message": message}), "application/x-amz-json-1.1")
    code = "MissingAuthenticationToken" if request is None else "InvalidClientTokenId"
    return _answer(403, _error_xml(code, "The security token included in the request is invalid."), "text/xml")


def _error_xml(code: str, message: str) -> str:
    """An error in the XML of the query protocol."""
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        f"<RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    )


def _answer(status: int, body: str, content_type: str) -> Response:
    """An answer with the headers that AWS's have."""
    return Response(body, status, {"Content-Type": content_type, "x-amzn-RequestId": REQUEST_ID})


def _key_arn(request: Request, account_id: AccountId, key_id: str) -> str:
    """The ARN of a key that a request or moto's answer names by id or ARN."""
    return key_id if key_id.startswith("arn:") else f"arn:aws:kms:{request.region}:{account_id}:key/{key_id}"


def _filter_values(parameters: dict[str, Any], name: str) -> set[str]:
    """The values of one filter of an EC2 query (`Filter.N.Name`, `Filter.N.Value.M`); empty where it is not used."""
    numbers = {
        key.split(".")[1]
        for key, value in parameters.items()
        if re.fullmatch(r"Filter\.\d+\.Name", key) and value == name
    }
    return {
        str(value)
        for key, value in parameters.items()
        if (found := re.fullmatch(r"Filter\.(\d+)\.Value\.\d+", key)) and found.group(1) in numbers
    }
