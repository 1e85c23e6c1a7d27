"""What the demo reads and sets inside moto, because no API call of AWS does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from types import ModuleType
from typing import Literal

from moto.iam.models import get_account_id_from, iam_backends
from moto.kms import models as kms_models
from moto.moto_api._internal import mock_random
from moto.moto_api._internal.models import moto_api_backend
from moto.organizations import utils as organization_ids
from moto.organizations.models import organizations_backends
from moto.sts.models import sts_backends

from scanner.model.arn import AccountId, Region

PARTITION = "aws"
DEFAULT_REGION = "us-east-1"

FixedId = Literal["make_random_org_id", "make_random_root_id", "make_random_account_id"]


def reset() -> None:
    """Forget every account; moto's state belongs to the process, so a second demo would find the first one's.

    moto's own reset leaves the map from member to management account (5.2).
    """
    moto_api_backend.reset()
    organizations_backends.master_accounts.clear()


def identify_by(name: str) -> None:
    """Make the identifiers that moto draws next a function of `name`, so that every run of the demo has the same."""
    mock_random.seed(f"acme/{name}")


def identify_at_random() -> None:
    """Draw unpredictable identifiers again (session credentials of the runs against the demo)."""
    mock_random.seed()


def operator_credentials(account_id: AccountId, user_name: str) -> tuple[str, str]:
    """Create an IAM user of the account and give the access key and secret key of it."""
    identify_by(f"operator/{user_name}")
    iam = iam_backends[account_id][PARTITION]
    iam.create_user(DEFAULT_REGION, user_name)
    access_key = iam.create_access_key(user_name)
    identify_at_random()
    return access_key.access_key_id, access_key.secret_access_key


@contextmanager
def fixed_id(generator: FixedId, value: str) -> Iterator[None]:
    """While this is open, moto's generator of organization, root or account ids gives `value`."""
    with _replaced(organization_ids, generator, lambda: value):
        yield


@contextmanager
def without_key_material() -> Iterator[None]:
    """While this is open, new keys have no private key; without it moto makes an RSA key for each (100 ms).

    Nothing in the demo encrypts or signs.
    """
    with _replaced(kms_models, "generate_private_key", lambda _key_spec: None):
        yield


@contextmanager
def _replaced(module: ModuleType, name: str, function: Callable[..., object]) -> Iterator[None]:
    """While this is open, `name` of a module of moto is `function`."""
    original = getattr(module, name)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, original)


def name_management_account(account_id: AccountId, name: str, email: str) -> None:
    """Give the management account a name; moto calls every one `master`."""
    account = organizations_backends[account_id][PARTITION].get_account_by_id(account_id)
    account.name, account.email = name, email


def is_known(access_key: str) -> bool:
    """Whether moto issued these credentials."""
    accounts = list(iam_backends.values())
    return any(access_key in account[PARTITION].access_keys for account in accounts)


def account_of(access_key: str) -> AccountId:
    """The account whose credentials signed a request."""
    return AccountId(get_account_id_from(access_key))


def caller_arn(access_key: str, region: str) -> str:
    """The ARN that AWS would name in a refusal."""
    backend = sts_backends[account_of(access_key)][PARTITION]
    return str(backend.get_caller_identity(access_key, region)[1])


def can_be_assumed(management: AccountId, account_id: str, role_arn: str) -> bool:
    """Whether the role exists in an open account of the organization (moto lets every AssumeRole pass)."""
    members = organizations_backends[management][PARTITION].accounts
    if not any(account.id == account_id and account.status == "ACTIVE" for account in members):
        return False
    return any(role.arn == role_arn for role in iam_backends[account_id][PARTITION].get_roles())


def separate_replica(account_id: AccountId, region: Region, key_id: str) -> None:
    """Give a replica aliases, grants and a multi-Region configuration of its own (R9.8); moto shares the primary's."""
    replica = kms_models.kms_backends[account_id][region].keys[key_id]
    replica.aliases, replica.grants = {}, {}
    replica.multi_region_configuration = deepcopy(replica.multi_region_configuration)
