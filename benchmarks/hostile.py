"""Times the analysis of single keys whose policies are built to make the engine slow; an argument names one case."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from scanner.analyze.findings import AnalysisRules, analyze
from scanner.model.arn import AccountId
from scanner.model.world import World

from builders import MEMBER, OU, OWNER, ROOT, STRANGER, allow, deny, iam, key, organization, policy, principal, world

Json = dict[str, Any]

EVERYBODY = allow("*", "kms:*")
PEOPLE = (
    principal(iam(MEMBER, "role/App"), policy(allow(None, "kms:*"))),
    principal(iam(MEMBER, "role/Reader"), policy(allow(None, "kms:Decrypt", "kms:Describe*"))),
    principal(iam(MEMBER, "user/Ann"), policy(allow(None, "*"))),
)
ACCOUNTS = tuple(f"{200000000000 + number}" for number in range(30))


def _context(number: int) -> str:
    return f"kms:EncryptionContext:k{number}"


def _world(*statements: Json) -> World:
    return world(key(*statements), *PEOPLE)


def many_denies() -> World:
    """150 Deny statements with three condition keys each, over forty keys of the encryption context."""
    places = [(number % 40, (number * 7 + 3) % 40, (number * 11 + 5) % 40) for number in range(150)]
    return _world(
        EVERYBODY, *(deny("*", when={"StringEquals": {_context(k): f"v{k % 3}" for k in place}}) for place in places)
    )


def fifteen_denies() -> World:
    """15 Deny statements over thirty keys, several operators."""
    operators = ("StringEquals", "StringNotEquals", "StringLike", "StringNotLikeIfExists")
    return _world(
        EVERYBODY,
        *(
            deny(
                "*",
                "kms:*",
                when={
                    operators[n % 4]: {_context(n): "a*", _context((n + 7) % 30): ["b", "c*"]},
                    operators[(n + 1) % 4]: {_context((n + 15) % 30): "*d"},
                },
            )
            for n in range(15)
        ),
    )


def context_key_globs() -> World:
    """12 wildcards on the names of the encryption context, in several statements."""
    globs = [f"*{chr(97 + n)}*{chr(98 + n)}?" for n in range(12)]
    tests = [{"ForAnyValue:StringLike": {"kms:EncryptionContextKeys": g}} for g in globs]
    return _world(
        EVERYBODY,
        *(allow(STRANGER, "kms:*", when=t) for t in tests[:4]),
        *(deny("*", "kms:*", when=t) for t in tests[4:]),
    )


def through_services() -> World:
    """10 Deny statements with wildcards on the service that a request comes through."""
    return _world(
        EVERYBODY,
        *(deny("*", "kms:*", when={"StringLike": {"kms:ViaService": f"*{chr(97 + n)}*{chr(105 + n)}*.amazonaws.com"}})
          for n in range(10)),
    )  # fmt: skip


def thousand_keys() -> World:
    """Ten Deny statements over a thousand keys of the encryption context."""
    return _world(
        EVERYBODY,
        *(
            deny("*", "kms:*", when={"StringNotEquals": {_context(n): "v" for n in range(first, first + 100)}})
            for first in range(0, 1000, 100)
        ),
    )


def thousand_keys_at_once() -> World:
    """One Allow that asks for a thousand keys of the encryption context."""
    return _world(allow("*", "kms:*", when={"StringEquals": {_context(n): "v" for n in range(1000)}}))


def many_choices() -> World:
    """Allow statements with a key of the encryption context each, and a Deny on the names of the keys."""
    return _world(
        *(allow("*", "kms:*", when={"StringEquals": {_context(n): "v"}}) for n in range(200)),
        deny("*", "kms:*", when={"ForAllValues:StringNotLike": {"kms:EncryptionContextKeys": ["k1*", "k2*"]}}),
    )


def many_arns() -> World:
    """ArnNotLike with many values, asked for thirty accounts nobody read and for strangers."""
    members = {AccountId(a): (ROOT, OU) for a in (OWNER, MEMBER, *ACCOUNTS)}
    arns = [f"arn:aws:iam::{a}:role/*{name}*" for a in ACCOUNTS for name in ("App", "Break", "Glass")]
    return world(
        key(
            EVERYBODY,
            deny("*", "kms:*", when={"ArnNotLike": {"aws:PrincipalArn": arns}}),
            deny(
                "*",
                "kms:*",
                when={"ArnNotLike": {"aws:PrincipalArn": arns[::2]}, "Bool": {"aws:ViaAWSService": "false"}},
            ),
            deny("*", "kms:*", when={"ArnLike": {"aws:PrincipalArn": arns[1::2]}}),
        ),
        *PEOPLE,
        organization(members=members),
    )  # fmt: skip


def many_wildcards() -> World:
    """A policy of 32 KB full of wildcards on one key."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    globs = [f"*{letters[n % 26]}*{letters[(n * 3 + 1) % 26]}*{letters[(n * 7 + n // 26) % 26]}*" for n in range(2900)]
    chunks = [globs[n : n + 290] for n in range(0, len(globs), 290)]
    return _world(EVERYBODY, *(deny("*", "kms:*", when={"StringLike": {"kms:ViaService": chunk}}) for chunk in chunks))


def wildcards_everywhere() -> World:
    """Wildcards in statements of their own, on ten keys."""
    return _world(
        EVERYBODY,
        *(
            deny("*", "kms:*", when={"StringLike": {_context(n % 10): f"*a{n}*b*c{n % 7}*"}})
            for n in range(150)
        ),
    )  # fmt: skip


def tangled_negations() -> World:
    """Deny statements that share keys in rings, so that nothing falls apart."""
    return _world(
        allow("*", "kms:*", when={"StringEquals": {_context(n): f"v{n}" for n in range(0, 60, 2)}}),
        *(
            deny(
                "*",
                "kms:*",
                when={
                    "StringEquals": {_context(n): f"v{n}", _context((n * 5 + 1) % 60): "x"},
                    "StringNotEquals": {_context((n * 13 + 2) % 60): ["y", "z"]},
                },
            )
            for n in range(60)
        ),
    )


def contradictions(actions: bool = False) -> World:
    """Deny statements that leave next to nothing: three tests each, at random, where such puzzles are hardest."""
    random = Random(7)
    denies: list[Json] = []
    for _ in range(150):
        places = random.sample(range(35), 3)
        when: dict[str, dict[str, str]] = {}
        for place in places:
            when.setdefault(random.choice(("StringEquals", "StringNotEquals")), {})[
                f"kms:EncryptionContext:{place}"
            ] = "v"
        denies.append(deny("*", "kms:*", when=when))
    if not actions:
        return _world(EVERYBODY, *denies)
    names = ("Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "GenerateDataKeyPair",
             "GenerateDataKeyWithoutPlaintext", "CreateGrant")  # fmt: skip
    for number, name in enumerate(names):
        denies[number]["Action"] = f"kms:{name}"
    return _world(EVERYBODY, *denies)


def contradictions_by_action() -> World:
    """The same, with another puzzle for every action."""
    return contradictions(actions=True)


CASES: tuple[Callable[[], World], ...] = (
    many_denies, fifteen_denies, context_key_globs, through_services, thousand_keys, thousand_keys_at_once,
    many_choices, many_arns, many_wildcards, wildcards_everywhere, tangled_negations, contradictions,
    contradictions_by_action,
)  # fmt: skip


def measure(names: Iterable[str]) -> None:
    """Print seconds, findings and decisions that were too complex, case by case."""
    wanted = set(names)
    for build in CASES:
        if wanted and build.__name__ not in wanted:
            continue
        asked = build()
        (asked_about,) = asked.keys.values()
        assert asked_about.key_policy is not None
        kilobytes = len("".join(asked_about.key_policy.text.split())) / 1024
        rows: list[Any] = []
        start = process_time()
        result = analyze(asked, AnalysisRules(), write_key=lambda _: None, write_access=rows.append)
        seconds = process_time() - start
        reasons = [reason for f in result.findings for c in f.capabilities for reason in c.reasons]
        print(
            f"{build.__name__:24} {kilobytes:5.0f} KB {seconds:8.2f} s  "
            f"{len(result.findings):4} findings  {len(rows):5} rows  "
            f"{reasons.count('too_complex')} of {len(reasons)} reasons too complex",
            flush=True,
        )


if __name__ == "__main__":
    measure(sys.argv[1:])
