"""Every request context that can matter to one scene: the product of what each request-time value may be."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, product
from math import prod
from typing import Any

from .candidates import OTHER, candidates, examples, subsets
from .conditions import Document, split_operator
from .context_keys import (
    BOOLEANS,
    DEFAULTS,
    GRANT_REQUEST_KEYS,
    MULTIVALUED,
    OPEN,
    request_time,
    value_of,
)
from .grants import grantee, grants_of
from .layers import relevant_documents
from .scenes import Scene, text, texts
from .session_tags import open_to_tags, passable
from .statements import action_covered

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_TAG = "aws:principaltag/"
_PAIR = "kms:encryptioncontext:"
_NAMES = "kms:encryptioncontextkeys"


@dataclass
class Mentions:
    """What the documents of a scene say about request-time values."""

    tests: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    spellings: dict[str, set[str]] = field(default_factory=dict)
    captures: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, base: str, values: list[str]) -> None:
        """Note a test; the spelling of an encryption-context name matters to kms:EncryptionContextKeys."""
        self.tests.setdefault(name.lower(), []).extend((base, value) for value in values)
        if name.lower().startswith(_PAIR):
            self.spellings.setdefault(name.lower()[len(_PAIR) :], set()).add(name[len(_PAIR) :])


Fragment = Mapping[str, Any]


def dimensions(scene: Scene, given: Mapping[str, Any], complete: bool) -> list[list[Fragment]]:
    """One list of alternatives per independent request-time value; a context takes one of each.

    `given` is fixed. With `complete` only the session name stays open (README).
    """
    mentions = mentions_of(scene)
    result = [_session_names(scene, mentions)] if scene.caller.kind == "role" and "#session_name" not in given else []
    if complete:
        return result
    fixed = {name.lower() for name in given}
    asked = scene.grant_request is not None
    if not asked and "#encryption_context" not in fixed and _NAMES not in fixed and not scene.encryption_context:
        result += _encryption_context(scene, mentions, fixed)
    for name, tests in mentions.tests.items():
        if name in fixed or name.startswith((_PAIR, _NAMES)):
            continue
        if scene.grant_request is not None and name in GRANT_REQUEST_KEYS:
            continue
        if name.startswith(_TAG):
            if open_to_tags(scene):
                result.append(_session_tag(scene, name, mentions))
        elif request_time(name, scene):
            result.append(_key(name, candidates(tests) + mentions.captures.get(name, [])))
    if scene.row is not None and scene.row.name == "CreateGrant" and scene.grant_request is None:
        result += _child_grants(scene, mentions, fixed)
    return [alternatives for alternatives in result if alternatives != [{}]]


def count(alternatives: list[list[Fragment]]) -> int:
    """How many contexts there are."""
    return prod(len(fragments) for fragments in alternatives)


def contexts(alternatives: list[list[Fragment]], given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The contexts, one after the other."""
    for fragments in product(*alternatives):
        if _contradicts(fragments):
            continue
        context: dict[str, Any] = dict(given)
        for fragment in fragments:
            for name, value in fragment.items():
                merged = isinstance(value, Mapping) and isinstance(context.get(name), Mapping)
                context[name] = {**context[name], **value} if merged else value
        yield context


_THROUGH_ENDPOINTS = {"aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip", "aws:sourcevpcarn"}
_CALLED_VIA = {"aws:calledvia", "aws:calledviafirst", "aws:calledvialast"}


def _contradicts(fragments: tuple[Fragment, ...]) -> bool:
    """Whether AWS would never send such a request: keys that exclude or need each other (R6.N, R6.V, R4.6)."""
    chosen = {name: value for fragment in fragments for name, value in fragment.items()}
    names = set(chosen)
    of_both_networks = "aws:sourceip" in names and bool(names & _THROUGH_ENDPOINTS)
    uncalled = chosen.get("aws:viaawsservice") == "false" and bool(names & _CALLED_VIA)
    two_grantees = names >= {"kms:granteeprincipal", "kms:granteeserviceprincipal"}
    return of_both_networks or uncalled or two_grantees


def mentions_of(scene: Scene) -> Mentions:
    """Collect tests from the statements that cover the action, then follow variables."""
    found = Mentions()
    for document in relevant_documents(scene):
        for statement in document.statements:
            if not action_covered(statement, scene.action):
                continue
            for operator, block in (statement.get("Condition") or {}).items():
                for name, wanted in block.items():
                    found.add(name, split_operator(operator).base, texts(wanted))
    for document in relevant_documents(scene):
        for statement in document.statements:
            if not action_covered(statement, scene.action):
                continue
            for block in (statement.get("Condition") or {}).values():
                for name, wanted in block.items():
                    _follow(found, name, texts(wanted), scene, document)
            for element in ("Resource", "NotResource"):
                _variables(found, texts(statement.get(element, [])), [scene.resource], document)
    for grant in grants_of(scene):
        source = (grant.get("constraints") or {}).get("SourceArn")
        if source is not None and _may_name(scene, grant):
            found.add("aws:SourceArn", "ArnLike", [text(source)])
    if scene.action == "kms:CreateGrant":
        asked = [operation for parent in _parents(scene) for operation in parent["operations"]]
        found.captures.setdefault("kms:grantoperations", []).extend(asked)
    return found


def _may_name(scene: Scene, grant: Mapping[str, Any]) -> bool:
    """Whether the grant names the caller, or a session that the caller may be in (R2.6)."""
    session = f":assumed-role/{scene.caller.role_name}/"
    return grantee(scene, grant)[1] is not False or session in str(grant.get("grantee_principal"))


def _parents(scene: Scene) -> list[Mapping[str, Any]]:
    """The grants through which the caller may be allowed to create another (R4.20)."""
    named = [grant for grant in grants_of(scene) if _may_name(scene, grant)]
    return [grant for grant in named if "CreateGrant" in grant["operations"]]


def _follow(found: Mentions, name: str, wanted: list[str], scene: Scene, document: Document) -> None:
    """A value with a variable: the variable may take what makes it match, the key what the variable expands to."""
    key = name.lower()
    known = value_of(key, scene, document.kind)
    others = [value for _, value in found.tests.get(key, [])]
    targets = others if request_time(key, scene) or isinstance(known, OPEN) else list(known)
    _variables(found, wanted, targets, document)
    if not document.expands or not request_time(key, scene):
        return
    for value in wanted:
        variables = [inner.split(",")[0] for inner in _VARIABLE.findall(value)]
        for variable in variables:
            static = value_of(variable.lower(), scene, document.kind)
            tests = found.tests.get(variable.lower(), [])
            options = [*(static if isinstance(static, list) else []), *(text for _, text in tests), OTHER]
            found.tests[key] += [("StringEquals", value.replace("${" + variable + "}", option)) for option in options]
        default = re.search(r"\$\{[^,}]*, '(.*)'\}", value)
        if default:
            found.tests[key].append(("StringEquals", _VARIABLE.sub(default.group(1), value)))


def _variables(found: Mentions, wanted: list[str], targets: list[str], document: Document) -> None:
    """Note the variables in policy values, with the values that make the text equal to a target."""
    if not document.expands:
        return
    for value in wanted:
        for inner in _VARIABLE.findall(value):
            name = inner.split(",")[0]
            if name in {"*", "?", "$"}:
                continue
            found.add(name, "Null", [])
            pattern = re.escape(value).replace(re.escape("${" + inner + "}"), "(?P<inner>.*)", 1)
            pattern = pattern.replace(r"\*", ".*").replace(r"\?", ".")
            for target in targets:
                match = re.fullmatch(pattern, target, re.DOTALL)
                if match:
                    found.captures.setdefault(name.lower(), []).append(match.group("inner"))


def _key(name: str, values: list[str]) -> list[Fragment]:
    """Absent, unless the key is always there; each value, or each small set of a multivalued key."""
    absent: list[Fragment] = [] if name in DEFAULTS or name == "kms:grantoperations" else [{}]
    chosen: list[Any] = list(dict.fromkeys(values))
    if name in BOOLEANS:
        chosen = ["true", "false"]
    if name in MULTIVALUED:
        chosen = subsets(chosen)
    return absent + [{name: value} for value in chosen]


def _session_names(scene: Scene, mentions: Mentions) -> list[Fragment]:
    """Whoever assumes the role picks the name: those written down for this role, and another (R2.6)."""
    marker = f":assumed-role/{scene.caller.role_name}/"
    written = [text for text in _all_texts([scene.subject, scene.world.get("principals", ())]) if marker in text]
    names = [text.split(marker)[1] for text in written]
    unique = (scene.caller.identity or {}).get("unique_id")
    for _, value in mentions.tests.get("aws:userid", []):
        names += [
            example.split(":", 1)[1] for example in examples(value) if unique and example.startswith(f"{unique}:")
        ]
    names += mentions.captures.get("aws:userid", [])
    return [{"#session_name": name} for name in dict.fromkeys([*names, OTHER]) if name]


def _all_texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _all_texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _all_texts(item)


def _session_tag(scene: Scene, name: str, mentions: Mentions) -> list[Fragment]:
    """Not passed, or passed with a value that the trust policy lets through (R6.6 d)."""
    tag = name.removeprefix(_TAG)
    narrowing = [pair for key, pairs in _trust_tests(scene).items() if key == f"aws:requesttag/{tag}" for pair in pairs]
    values = candidates([*mentions.tests[name], *narrowing]) + mentions.captures.get(name, [])
    passed = [{"#session_tags": {tag: value}} for value in dict.fromkeys(values) if passable(scene, tag, value)]
    return [{}, *passed]


def _trust_tests(scene: Scene) -> dict[str, list[tuple[str, str]]]:
    found = Mentions()
    for statement in Document("trust_policy", (scene.caller.identity or {}).get("trust_policy") or {}).statements:
        for operator, block in (statement.get("Condition") or {}).items():
            for name, wanted in block.items():
                found.add(name, split_operator(operator).base, texts(wanted))
    return found.tests


def _encryption_context(scene: Scene, mentions: Mentions, fixed: set[str]) -> list[list[Fragment]]:
    """Pairs of the encryption context, one dimension per name; kms:EncryptionContextKeys follows from them (R5.50)."""
    if not request_time(_NAMES, scene):
        return []
    tests = {name[len(_PAIR) :]: list(found) for name, found in mentions.tests.items() if name.startswith(_PAIR)}
    spellings = {name: set(found) for name, found in mentions.spellings.items()}
    named = mentions.tests.get(_NAMES, [])
    for example in candidates(named) if named else []:
        spellings.setdefault(example.lower(), set()).add(example)
    for found in spellings.values() if named else ():
        found.add(min(found).swapcase())  # condition keys compare names without case, their values with it (R5.1)
    for grant in grants_of(scene):
        if _may_name(scene, grant):
            for kind in ("EncryptionContextEquals", "EncryptionContextSubset"):
                for name, value in ((grant.get("constraints") or {}).get(kind) or {}).items():
                    spellings.setdefault(name.lower(), set()).add(name)
                    tests.setdefault(name.lower(), []).append(("StringEquals", value))
                    spellings.setdefault(OTHER, set()).add(OTHER)
    return [
        [{}]
        + [
            {"#encryption_context": {spelling: value}}
            for spelling in sorted(found)
            for value in _values(tests.get(name))
        ]
        + _twins(sorted(found), tested=name in tests)
        for name, found in sorted(spellings.items())
        if name and _PAIR + name not in fixed
    ]


def _twins(spellings: list[str], *, tested: bool) -> list[Fragment]:
    """Two pairs whose names differ only in case; which of them a condition key shows is not documented (R5.6)."""
    if tested or len(spellings) < 2:
        return []
    return [{"#encryption_context": dict.fromkeys(pair, OTHER)} for pair in combinations(spellings, 2)]


def _values(tests: list[tuple[str, str]] | None) -> list[str]:
    return candidates(tests) if tests else [OTHER]


def _child_grants(scene: Scene, mentions: Mentions, fixed: set[str]) -> list[list[Fragment]]:
    """What a CreateGrant asks for where the request does not say: operations, a parent's constraints (R4.20)."""
    parents = _parents(scene)
    if not parents and "kms:grantoperations" not in mentions.tests:
        return []
    result: list[list[Fragment]] = []
    if "kms:grantoperations" not in fixed and "kms:grantoperations" not in mentions.tests:
        asked = [list(grant["operations"]) for grant in parents] + [[OTHER]]
        result.append([{"kms:GrantOperations": operations} for operations in asked])
    constraints = [grant["constraints"] for grant in parents if grant.get("constraints")]
    if constraints:
        result.append([{}] + [{"#grant_constraints": found} for found in constraints])
    return result
