"""Translates every way a call can fail into a ledger outcome, whether it is tried again, and what a person can do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)
from botocore.parsers import ResponseParserError

from scanner.model.coverage import Outcome


class Retry(Enum):
    """How our loop treats a failure."""

    NEVER = auto()
    WIRE = auto()
    THROTTLED = auto()
    CREDENTIALS = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call in our words. `message` is AWS's text or ours, `code` AWS's error code or an exception's name."""

    outcome: Outcome
    code: str
    message: str
    retry: Retry = Retry.NEVER


class RejectedAnswerError(Exception):
    """An answer that arrived but cannot be believed: cut off, no JSON or XML, members missing, markers that lie."""


class MismatchError(Exception):
    """An answer that carries another account or region than the unit's: credentials were mixed up."""


class CallFailedError(Exception):
    """A call that failed for good."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.failure = failure


class UnitStoppedError(Exception):
    """The run was interrupted and its grace period is over; the unit in hand is given up."""


CALL_ERRORS = (ClientError, BotoCoreError, ResponseParserError, RejectedAnswerError)
"""What one request can raise and `translate` understands. Anything else is a bug and ends the unit."""

WIRE_ERRORS = (HTTPClientError, NoConnectionError)
"""No answer came: no name, no route, no TLS, a reset."""

_DENIED = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized"),
        *("UnauthorizedException", "ForbiddenException", "Forbidden", "403"),
    }
)
_THROTTLED = frozenset(
    {
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException"),
        *("TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDown", "429"),
        *("PriorRequestNotComplete", "EC2ThrottledException", "ProvisionedThroughputExceededException"),
    }
)
_GONE = frozenset(
    {
        *("NotFoundException", "NoSuchEntity", "NoSuchEntityException", "ResourceNotFoundException"),
        *("ParentNotFoundException", "PolicyNotFoundException", "TargetNotFoundException", "AccountNotFoundException"),
    }
)
_NOT_ENABLED = frozenset(
    {"UnrecognizedClientException", "InvalidClientTokenId", "OptInRequired", "SubscriptionRequiredException"}
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_SERVER = frozenset(
    {
        *("InternalFailure", "InternalError", "InternalServerError", "InternalServerException", "ServiceUnavailable"),
        *("ServiceUnavailableException", "KMSInternalException", "DependencyTimeoutException", "ServiceException"),
        *("ServiceFailure", "ServiceFailureException", "RequestTimeout", "RequestTimeoutException"),
    }
)
_BY_SCP = re.compile(r"service control polic", re.IGNORECASE)
_BY_KEY_POLICY = re.compile(r"resource-based policy", re.IGNORECASE)


def translate(error: Exception) -> Failure:
    """One of `CALL_ERRORS` as a failure. Which outcome a code means is decided here and nowhere else."""
    if isinstance(error, ClientError):
        return _from_aws(error)
    if isinstance(error, RejectedAnswerError | ResponseParserError):
        return Failure(Outcome.MALFORMED, "RejectedAnswer", str(error), Retry.WIRE)
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError):
        return Failure(Outcome.TIMEOUT, type(error).__name__, str(error), Retry.WIRE)
    if isinstance(error, WIRE_ERRORS):
        return Failure(Outcome.ERROR, type(error).__name__, str(error), Retry.WIRE)
    return Failure(Outcome.ERROR, type(error).__name__, str(error))


def _from_aws(error: ClientError) -> Failure:
    described = error.response.get("Error", {})
    code = str(described.get("Code", "")) or "Unknown"
    message = str(described.get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _THROTTLED or status == 429:
        return Failure(Outcome.THROTTLED, code, message, Retry.THROTTLED)
    if code in _DENIED:
        return Failure(_refusal(message), code, message)
    if code in _GONE:
        return Failure(Outcome.GONE, code, message)
    if code in _NOT_ENABLED:
        return Failure(Outcome.NOT_ENABLED, code, message)
    if code in _EXPIRED:
        return Failure(Outcome.ERROR, code, message, Retry.CREDENTIALS)
    if code in _SERVER or status >= 500:
        return Failure(Outcome.ERROR, code, message, Retry.WIRE)
    return Failure(Outcome.ERROR, code, message)


def _refusal(message: str) -> Outcome:
    """Which policy refused, as AWS's text tells it (IAM User Guide, troubleshoot_access-denied)."""
    if _BY_SCP.search(message):
        return Outcome.DENIED_BY_SCP
    if _BY_KEY_POLICY.search(message):
        return Outcome.DENIED_BY_KEY_POLICY
    return Outcome.DENIED


def has_no_credentials(error: Exception) -> bool:
    """Whether the caller's own credentials are missing, incomplete or expired, rather than refused somewhere."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return True
    name = type(error).__name__
    return (
        isinstance(error, BotoCoreError)
        and not isinstance(error, (*WIRE_ERRORS, ParamValidationError))
        and ("SSO" in name or "Token" in name or "Credential" in name or "Login" in name)
    )


def advice(outcome: Outcome, call: str) -> str:
    """What a person can do about a gap."""
    match outcome:
        case Outcome.DENIED if call == "sts:AssumeRole":
            return (
                "deploy the audit role to the account (`kms-scan role cloudformation`, or add the account to its "
                "StackSet), or correct its trust and ExternalId"
            )
        case Outcome.DENIED if call.startswith("organizations:"):
            return (
                f"allow `{call}` to whoever reads the organization (`kms-scan role cloudformation --kind management`), "
                "and ask from its management account or a delegated administrator "
                "(`accounts.management_account_role_arn`)"
            )
        case Outcome.DENIED:
            return f"allow `{call}` to the audit role: deploy the template of `kms-scan role cloudformation` again"
        case Outcome.DENIED_BY_SCP:
            return "exempt the audit role in the service control policy, or leave the region out of scope"
        case Outcome.DENIED_BY_KEY_POLICY:
            return f"add a statement to the key policy that allows the audit role `{call}`"
        case Outcome.THROTTLED:
            return "run again at a quieter hour, with fewer `limits.workers` or a longer `limits.unit_deadline`"
        case Outcome.TIMEOUT:
            return "check the network to this endpoint and run again"
        case Outcome.MALFORMED:
            return "look at the document or answer kept in the snapshot; a proxy may alter answers"
        case Outcome.MISMATCH:
            return "stop and check credentials, endpoints and proxies: an answer belonged to somebody else"
        case Outcome.NOT_REACHED:
            return "continue the run with `--resume`, or run again with a longer `limits.deadline` or a smaller scope"
        case Outcome.ERROR:
            return "run again; if it stays, read the message"
        case _:
            return ""
