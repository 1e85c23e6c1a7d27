"""ARNs, partitions and account ids as AWS writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType

AccountId = NewType("AccountId", str)
KeyArn = NewType("KeyArn", str)
Region = NewType("Region", str)

ACCOUNT_ID = re.compile(r"[0-9]{12}\Z")


@dataclass(frozen=True, slots=True)
class Arn:
    """The six parts of an ARN; `resource` keeps any further colons (IAM User Guide, reference-arns)."""

    partition: str
    service: str
    region: str
    account_id: AccountId
    resource: str

    @property
    def is_open_before_account(self) -> bool:
        """Whether a wildcard stands before the account; as plain text it may then run across the account (R5.20)."""
        return any(c in f"{self.partition}{self.service}{self.region}" for c in "*?")

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account_id}:{self.resource}"


@lru_cache(maxsize=65536)
def parse_arn(text: str) -> Arn | None:
    """Split an ARN at its first five colons; None where the text is no ARN."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        return None
    return Arn(parts[1], parts[2], parts[3], AccountId(parts[4]), parts[5])


def is_account_id(text: str) -> bool:
    """Whether the text is a 12-digit account id."""
    return len(text) == 12 and ACCOUNT_ID.match(text) is not None


def key_id_of(key_arn: str) -> str:
    """The part after `key/`: a uuid or `mrk-…`."""
    return key_arn.rsplit("/", 1)[-1]
