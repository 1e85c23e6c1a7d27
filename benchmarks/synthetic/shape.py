"""Decides which accounts, principals and keys a made-up organization has, and what they are called.

Every name follows from the account's number and the principal's or key's number in it, so that a policy can name a
role of another account without anybody keeping a list of a million roles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

AS_OF = "2026-11-22T00:00:00Z"
ORG_ID = "o-synthetic1"
ROOT_ID = "r-synt"
REGIONS = ("eu-west-1", "us-east-1", "eu-central-1")
OPT_IN_REGION = "ap-southeast-3"
TEAMS = ("payments", "lake", "identity", "ledger", "search", "media", "risk", "support", "mobile", "platform")
STAGES = ("prod", "test", "dev")
VENDORS = ("399900000001", "399900000002", "399900000003", "399900000004", "399900000005", "399900000006")
"""Accounts outside the organization, which policies name."""

ADMIN, SCANNER = "admin", "scanner"
SLOTS = (
    *("lambda", "sso", "linked", "ec2", "lambda", "user", "ecs", "sso", "lambda", "cross"),
    *("ec2", "linked", "lambda", "sso", "ecs", "user", "ec2", "linked", "lambda", "ci"),
    *("lambda", "sso", "linked", "ec2", "lambda", "user", "ecs", "sso", "lambda", "chain"),
    *("ec2", "linked", "lambda", "sso", "ecs", "user", "ec2", "linked", "lambda", "vendor"),
)
"""The kinds of principals after the first two of an account, over and over."""

PERMISSION_SETS = (
    *("AdministratorAccess", "ReadOnlyAccess", "PowerUserAccess", "ViewOnlyAccess", "Billing", "SecurityAudit"),
    *("DataScientist", "DatabaseAdministrator", "KeyAdministrator", "Support"),
)
LINKED_SERVICES = (
    ("autoscaling.amazonaws.com", "AutoScaling"),
    ("support.amazonaws.com", "Support"),
    ("trustedadvisor.amazonaws.com", "TrustedAdvisor"),
    ("rds.amazonaws.com", "RDS"),
    ("ecs.amazonaws.com", "ECS"),
    ("elasticloadbalancing.amazonaws.com", "ElasticLoadBalancing"),
    ("organizations.amazonaws.com", "Organizations"),
    ("backup.amazonaws.com", "Backup"),
    ("config.amazonaws.com", "Config"),
    ("guardduty.amazonaws.com", "AmazonGuardDuty"),
)


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the organization with how much it holds."""

    number: int
    id: str
    name: str
    team: str
    stage: str
    principals: int
    keys: int

    @property
    def root(self) -> str:
        """The ARN that stands for the account in policies."""
        return f"arn:aws:iam::{self.id}:root"

    @property
    def regions(self) -> tuple[str, ...]:
        """The Regions that are enabled; one account in twelve opted in to another one."""
        return (*REGIONS, OPT_IN_REGION) if self.number % 12 == 3 else REGIONS


@dataclass(frozen=True)
class Shape:
    """The size of an organization, its seed, and whether it is one of the worst cases (`unique`, `star`)."""

    principals: int
    keys: int
    seed: int = 0
    worst: str = ""

    @cached_property
    def accounts(self) -> tuple[Account, ...]:
        """Every account; the first is the management account."""
        count = max(4, int(self.principals**0.75 / 5.6))
        rng = self.rng("accounts")
        ids = [str(n) for n in rng.sample(range(400_000_000_000, 999_999_999_999), count)]
        principals = _shared_out(self.principals, [0.3 + rng.paretovariate(1.6) for _ in ids], least=3)
        keys = _shared_out(self.keys, [0.1 + rng.paretovariate(1.3) for _ in ids], least=0)
        found = []
        for number, account_id in enumerate(ids):
            team, stage = TEAMS[number % len(TEAMS)], STAGES[number // len(TEAMS) % len(STAGES)]
            name = f"{team}-{stage}-{number}" if number else "management"
            found.append(Account(number, account_id, name, team, stage, principals[number], keys[number]))
        return tuple(found)

    def rng(self, *place: object) -> Random:
        """Random numbers of one place, whatever is drawn elsewhere."""
        return Random(f"{self.seed}/{'/'.join(map(str, place))}")

    def digits(self, *place: object) -> str:
        """32 hexadecimal digits that belong to a place."""
        text = f"{self.seed}/{'/'.join(map(str, place))}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    # -- principals ------------------------------------------------------------------------------------------------

    def kind(self, n: int) -> str:
        """What kind of principal the n-th of an account is."""
        return (ADMIN, SCANNER)[n] if n < 2 else SLOTS[(n - 2) % len(SLOTS)]

    def principal(self, account: Account, n: int) -> tuple[str, str, str]:
        """Kind of ARN (`user` or `role`), path and name of the n-th principal."""
        kind, round_ = self.kind(n), (n - 2) // len(SLOTS)
        serial = f"{n:03d}"
        match kind:
            case "admin":
                return "role", "/", "OrganizationAccountAccessRole"
            case "scanner":
                return "role", "/", "KmsScanReadOnly"
            case "sso":
                name = f"AWSReservedSSO_{self.permission_set(n)}_{self.digits(account.id, n)[:16]}"
                return "role", "/aws-reserved/sso.amazonaws.com/eu-west-1/", name
            case "linked":
                service, name = LINKED_SERVICES[n % len(LINKED_SERVICES)]
                suffix = f"_{serial}" if n >= 2 + len(SLOTS) else f"{round_ or ''}{n}"
                return "role", f"/aws-service-role/{service}/", f"AWSServiceRoleFor{name}{suffix}"
            case "user":
                return "user", "/", f"{account.team}-user-{serial}"
            case "lambda":
                return "role", "/service-role/", f"{account.team}-{account.stage}-lambda-{serial}"
            case "cross" | "chain":
                return "role", "/", f"deploy-{kind}-{serial}"
            case _:
                return "role", "/app/" if kind == "ecs" else "/", f"{account.team}-{kind}-{serial}"

    def permission_set(self, n: int) -> str:
        """The permission set behind an Identity Center role; sets of teams come after the ones of the company."""
        return PERMISSION_SETS[n % len(PERMISSION_SETS)] if n < 3 * len(SLOTS) else f"Team{n % 60}"

    def principal_arn(self, account: Account, n: int) -> str:
        """The ARN of the n-th principal of an account."""
        kind, path, name = self.principal(account, n)
        return f"arn:aws:iam::{account.id}:{kind}{path}{name}"

    def some_role(self, account: Account, rng: Random) -> str:
        """The ARN of a role of an account that is neither linked to a service nor a user."""
        n = rng.randrange(account.principals)
        while self.kind(n) in {"linked", "user"}:
            n = (n + 1) % account.principals
        return self.principal_arn(account, n)

    def other_account(self, account: Account, rng: Random) -> Account:
        """Another account of the organization; near ones come up more often, as teams work together."""
        count = len(self.accounts)
        far = rng.random() < 0.3
        step = rng.randrange(1, count) if far else 1 + rng.randrange(min(12, count - 1))
        return self.accounts[(account.number + step) % count]

    # -- keys ------------------------------------------------------------------------------------------------------

    def key_id(self, account: Account, n: int) -> str:
        """The id of the n-th key; three in a hundred are multi-Region keys."""
        digits = self.digits("key", account.id, n)
        if n % 33 == 7:
            return f"mrk-{digits}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def key_region(self, account: Account, n: int) -> str:
        """Where the n-th key of an account is."""
        return account.regions[(n * 5 // 3) % len(account.regions)]

    def key_arn(self, account: Account, n: int) -> str:
        """The ARN of the n-th key."""
        return f"arn:aws:kms:{self.key_region(account, n)}:{account.id}:key/{self.key_id(account, n)}"

    def some_key(self, account: Account, rng: Random) -> str:
        """The ARN of a key of an account; of one that is gone where it has none."""
        return self.key_arn(account, rng.randrange(max(1, account.keys)))


def _shared_out(total: int, weights: Sequence[float], least: int) -> list[int]:
    """Whole numbers in proportion to the weights that add up to the total."""
    spare = total - least * len(weights)
    if spare < 0:
        raise SystemExit(f"{total} are too few for {len(weights)} accounts")
    whole = sum(weights)
    counts = [least + int(spare * weight / whole) for weight in weights]
    for n in range(total - sum(counts)):
        counts[n % len(counts)] += 1
    return counts
