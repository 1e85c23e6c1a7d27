"""Every way a call can fail has an outcome, a retry rule and advice."""

from __future__ import annotations

import pytest
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from botocore.session import get_session
from scanner.collect.answers import OPERATIONS
from scanner.collect.outcome import Failure, RejectedAnswerError, Retry, advice, has_no_credentials, translate
from scanner.model.coverage import Outcome


def from_aws(code: str, message: str = "", status: int = 400) -> Failure:
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translate(aws.ClientError(response, "X"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "message", "outcome", "retry"),
    [
        ("AccessDenied", "", Outcome.DENIED, Retry.NEVER),
        ("AccessDeniedException", "no identity-based policy allows it", Outcome.DENIED, Retry.NEVER),
        ("UnauthorizedOperation", "", Outcome.DENIED, Retry.NEVER),
        ("AccessDeniedException", "explicit deny in a service control policy", Outcome.DENIED_BY_SCP, Retry.NEVER),
        ("AccessDeniedException", "no service control policy allows", Outcome.DENIED_BY_SCP, Retry.NEVER),
        ("AccessDeniedException", "no resource-based policy allows", Outcome.DENIED_BY_KEY_POLICY, Retry.NEVER),
        ("AccessDeniedException", "explicit deny in a resource control policy", Outcome.DENIED, Retry.NEVER),
        ("NotFoundException", "", Outcome.GONE, Retry.NEVER),
        ("NoSuchEntity", "", Outcome.GONE, Retry.NEVER),
        ("UnrecognizedClientException", "", Outcome.NOT_ENABLED, Retry.NEVER),
        ("InvalidClientTokenId", "", Outcome.NOT_ENABLED, Retry.NEVER),
        ("OptInRequired", "", Outcome.NOT_ENABLED, Retry.NEVER),
        ("ThrottlingException", "", Outcome.THROTTLED, Retry.THROTTLED),
        ("Throttling", "", Outcome.THROTTLED, Retry.THROTTLED),
        ("TooManyRequestsException", "", Outcome.THROTTLED, Retry.THROTTLED),
        ("RequestLimitExceeded", "", Outcome.THROTTLED, Retry.THROTTLED),
        ("ExpiredToken", "", Outcome.ERROR, Retry.CREDENTIALS),
        ("ExpiredTokenException", "", Outcome.ERROR, Retry.CREDENTIALS),
        ("KMSInternalException", "", Outcome.ERROR, Retry.WIRE),
        ("DependencyTimeoutException", "", Outcome.ERROR, Retry.WIRE),
        ("ServiceException", "", Outcome.ERROR, Retry.WIRE),
        ("InvalidSignatureException", "", Outcome.ERROR, Retry.NEVER),
        ("KMSInvalidStateException", "", Outcome.ERROR, Retry.NEVER),
        ("404", "", Outcome.ERROR, Retry.NEVER),
        ("", "", Outcome.ERROR, Retry.NEVER),
    ],
)
def test_code_of_aws_has_one_outcome(code: str, message: str, outcome: Outcome, retry: Retry) -> None:
    failure = from_aws(code, message)
    assert (failure.outcome, failure.retry) == (outcome, retry)


@pytest.mark.parametrize(("status", "retry"), [(500, Retry.WIRE), (503, Retry.WIRE), (429, Retry.THROTTLED)])
def test_status_decides_where_the_code_is_new(status: int, retry: Retry) -> None:
    assert from_aws("SomethingNew", status=status).retry is retry


@pytest.mark.parametrize(
    ("error", "outcome", "retry"),
    [
        (aws.ReadTimeoutError(endpoint_url="u"), Outcome.TIMEOUT, Retry.WIRE),
        (aws.ConnectTimeoutError(endpoint_url="u"), Outcome.TIMEOUT, Retry.WIRE),
        (aws.EndpointConnectionError(endpoint_url="u"), Outcome.ERROR, Retry.WIRE),
        (aws.ConnectionClosedError(endpoint_url="u"), Outcome.ERROR, Retry.WIRE),
        (aws.SSLError(endpoint_url="u", error="e"), Outcome.ERROR, Retry.WIRE),
        (aws.NoCredentialsError(), Outcome.ERROR, Retry.NEVER),
        (aws.ParamValidationError(report="r"), Outcome.ERROR, Retry.NEVER),
        (RejectedAnswerError("cut off"), Outcome.MALFORMED, Retry.WIRE),
        (ResponseParserError("no xml"), Outcome.MALFORMED, Retry.WIRE),
    ],
)
def test_error_of_botocore_has_one_outcome(error: Exception, outcome: Outcome, retry: Retry) -> None:
    failure = translate(error)
    assert (failure.outcome, failure.retry) == (outcome, retry)


def test_every_error_that_botocore_models_for_our_calls_is_a_gap_or_known_to_be_none() -> None:
    session = get_session()
    quiet = set()
    for operation in OPERATIONS:
        service, name = operation.split(":")
        for shape in session.get_service_model(service).operation_model(name).error_shapes:
            code = shape.metadata.get("error", {}).get("code", shape.name)
            if not from_aws(code).outcome.is_gap:
                quiet.add(code)
    assert quiet == {
        *("NotFoundException", "NoSuchEntity", "ParentNotFoundException", "PolicyNotFoundException"),
    }


def test_every_gap_has_advice() -> None:
    assert all(advice(outcome, "kms:ListKeys") for outcome in Outcome if outcome.is_gap)
    assert "ExternalId" in advice(Outcome.DENIED, "sts:AssumeRole")


def test_refused_organization_call_is_to_be_asked_from_who_may_ask_it() -> None:
    told = advice(Outcome.DENIED, "organizations:ListRoots")
    assert "management account or a delegated administrator (`accounts.management_account_role_arn`)" in told
    assert "allow `organizations:ListRoots`" in told


@pytest.mark.parametrize(
    ("call", "command"),
    [
        ("sts:AssumeRole", "`kms-scan role cloudformation`"),
        ("kms:ListGrants", "`kms-scan role cloudformation`"),
        ("organizations:ListRoots", "`kms-scan role cloudformation --kind management`"),
    ],
)
def test_missing_permission_names_the_template_that_is_deployed(call: str, command: str) -> None:
    assert command in advice(Outcome.DENIED, call)


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (aws.NoCredentialsError(), True),
        (aws.PartialCredentialsError(provider="env", cred_var="x"), True),
        (aws.CredentialRetrievalError(provider="process", error_msg="e"), True),
        (aws.UnauthorizedSSOTokenError(), True),
        (aws.SSOTokenLoadError(error_msg="e"), True),
        (aws.TokenRetrievalError(provider="sso", error_msg="e"), True),
        (aws.EndpointConnectionError(endpoint_url="u"), False),
        (aws.ParamValidationError(report="r"), False),
    ],
)
def test_missing_credentials_are_told_from_other_errors(error: Exception, missing: bool) -> None:
    assert has_no_credentials(error) is missing
