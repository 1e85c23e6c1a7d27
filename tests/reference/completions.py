"""Every value that uncollected condition keys may have: what is unknown to us is fixed in the world (section 0)."""

from collections.abc import Iterator
from itertools import product
from math import prod

from .candidates import OTHER, candidates, subsets
from .context_keys import MULTIVALUED, OPEN, OfNoCustomer, Unknown, UnknownOrganization, request_time, value_of
from .contexts import mentions_of
from .scenes import Scene

_OF_THE_WORLD = (
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principaltag/",
    "aws:principalorg",
    "aws:principaltype",
    "aws:resourceorg",
    "aws:userid",
    "aws:resourcetag/",
    "iam:resourcetag/",
    "sts:durationseconds",
)
_DOCUMENT = "identity"  # where aws:ResourceTag counts; unsupported places stay unknown (R6.U)
_ALWAYS_THERE = {"aws:userid", "aws:principalarn"}

Facts = dict[str, list[str]]


def completions(scene: Scene, limit: int) -> Iterator[Facts] | None:
    """One world after the other that agrees with what was collected; None where there is nothing to complete.

    Only keys that some statement tests are completed. None as well where there are more than `limit` worlds.
    """
    mentions = mentions_of(scene)
    dimensions: list[list[Facts]] = []
    for name, tests in mentions.tests.items():
        if not name.startswith(_OF_THE_WORLD) or request_time(name, scene):
            continue
        found = value_of(name, scene, _DOCUMENT)
        if not isinstance(found, OPEN):
            continue
        values = [*candidates(tests), *mentions.captures.get(name, []), OTHER]
        if isinstance(found, UnknownOrganization):
            values = [v for v in values if v.split("/")[0].lower() not in {o.lower() for o in found.listed}]
        if isinstance(found, OfNoCustomer):
            values = [v for v in values if not found.excludes(v)]
        if name == "aws:principalarn":
            values = _arns_of_the_role(scene, values)
        chosen = list(dict.fromkeys(found.values if isinstance(found, Unknown) and found.values else values))
        sets = subsets(chosen) if name in MULTIVALUED else [[value] for value in chosen]
        there = name in _ALWAYS_THERE and not isinstance(found, OfNoCustomer)
        settled = there or (isinstance(found, Unknown) and found.values)
        absent: list[Facts] = [] if settled else [{name: []}]
        dimensions.append([*absent, *({name: values} for values in sets)])
    if not dimensions or prod(map(len, dimensions)) > limit:
        return None
    return ({name: values for part in parts for name, values in part.items()} for parts in product(*dimensions))


def _arns_of_the_role(scene: Scene, values: list[str]) -> list[str]:
    """ARNs that the role of a session may have: any path before its name (R2.6)."""
    plain = scene.caller.identity_arn
    head, name = plain.rsplit("/", 1)
    fitting = [v for v in values if v.startswith(f"{head}/") and v.endswith(f"/{name}") and "*" not in v]
    return [plain, f"{head}/{OTHER}/{name}", *fitting]
