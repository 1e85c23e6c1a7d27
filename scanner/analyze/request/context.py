"""The value of a condition key in a request: known, absent, or open and why (section 6)."""

from __future__ import annotations

from datetime import datetime

from scanner.analyze.logic.expression import Origin, ValueType, Variable
from scanner.analyze.logic.patterns import Pattern, any_of, glob, literal, tokens_of
from scanner.analyze.request.binding import ABSENT, AtLeast, Binding, Known, Open, tag_value
from scanner.analyze.request.caller import (
    PRINCIPAL_TYPES,
    SERVICE_NAME,
    SESSION_NAME,
    account_of,
    organization_of,
    path_in,
    why_unknown,
)
from scanner.analyze.request.dependence import is_of_action
from scanner.analyze.request.iam_keys import iam_binding, is_about_kms, tag_of_target
from scanner.analyze.request.providers import brings_tags, claim_binding
from scanner.analyze.request.request import GrantRequest, Request
from scanner.analyze.request.services import identity_key_of_service
from scanner.analyze.request.session_tags import SessionTags, session_tags_of
from scanner.model.arn import parse_arn
from scanner.model.conditions import ConditionKey, Source, find_condition_key
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalKind
from scanner.model.world import World

_IAM_KINDS = frozenset({DocumentKind.IDENTITY, DocumentKind.BOUNDARY, DocumentKind.SESSION, DocumentKind.SCP})
_KEY_KINDS = frozenset({DocumentKind.KEY_POLICY, DocumentKind.RAM_POLICY})
_TYPES = {
    "string": ValueType.STRING, "bool": ValueType.BOOL, "number": ValueType.NUMBER, "date": ValueType.DATE,
    "ip": ValueType.IP,
}  # fmt: skip
_BOOLEANS = ("true", "false")
_ASKED_BY_GRANT = frozenset({"kms:grantoperations", "kms:grantconstrainttype", "kms:grantconstraintsourcearn"})
_WHEN_OMITTED = {"aws:viaawsservice": "false", "kms:policyname": "default"}
"""Values of keys that every request carries, where nothing else is said (R6.V, R2.19)."""
_ASSUMING = "sts:"
_KEY_PROPERTIES = {
    "kms:keyspec": "spec", "kms:keyusage": "usage", "kms:keyorigin": "origin",
    "kms:customermasterkeyspec": "spec", "kms:customermasterkeyusage": "usage",
    "kms:multiregionkeytype": "multi_region_type",
}  # fmt: skip


class RequestContext:
    """Looks up condition keys for one request; the same key always gives the same answer."""

    def __init__(self, world: World, request: Request) -> None:
        self.world = world
        self.request = request
        self._known: dict[tuple[str, bool, bool], Binding] = {}
        self._session_tags: SessionTags | None = None

    def bind(self, name: str, kind: DocumentKind) -> Binding:
        """The value of a condition key where a document of this kind tests it.

        Args:
            name: as written; case does not matter (R5.1).
            kind: matters for aws:ResourceTag and kms:ResourceAliases only (R6.U).
        """
        lower = name.lower()
        place = (lower, kind in _KEY_KINDS, kind in _IAM_KINDS)
        found = self._known.get(place)
        if found is None:
            found = self._known[place] = self._settle(lower, self._bind(lower, kind))
        return found

    def _settle(self, name: str, binding: Binding) -> Binding:
        """Fill in what the request is said to carry; in a complete context the rest of it is absent."""
        if not isinstance(binding, Open) or binding.variable is SESSION_NAME:
            return binding
        given = self.request.context.get(name)
        if given is None and name in self.world.asserted:
            given = self.world.asserted[name]
        if given is not None:
            return Known(given) if given else ABSENT
        if not self.request.complete:
            return binding
        if name.startswith("aws:principaltag/") and binding.variable.origin is Origin.REQUEST:
            own = tag_value(self.request.caller.tags, name.partition("/")[2])
            return own if own is not None else ABSENT
        if name in _WHEN_OMITTED:
            return Known((_WHEN_OMITTED[name],))
        is_request = binding.variable.origin is Origin.REQUEST or find_condition_key(name) is None
        if not is_request or name == "aws:userid":
            return binding
        return ABSENT

    def _bind(self, name: str, kind: DocumentKind) -> Binding:
        row = find_condition_key(name)
        if row is None:
            claim = claim_binding(self.request.caller, name) if self._assumes_role() else None
            return claim or iam_binding(self.request, name) or self._data(name, "unknown_condition_key", "R1.11")
        if is_of_action(name, row):
            return self._of_action(name, row)
        if name.startswith("sts:"):
            return self._open(row, name) if self._assumes_role() else ABSENT
        if self.request.key is None and name in {"kms:calleraccount", "kms:viaservice"}:
            return ABSENT
        if row.source is Source.CLOCK:
            return Known((self._clock(name),))
        if row.source is Source.SERVICE:
            return self._open(row, name) if self.request.caller.is_service else ABSENT
        if row.source is Source.CALLER:
            return self._of_caller(name, row)
        if row.source is Source.KEY:
            return self._of_key(name, row, kind)
        return self._open(row, name)

    def _assumes_role(self) -> bool:
        return self.request.iam_action.lower().startswith(_ASSUMING)

    def _clock(self, name: str) -> str:
        if name == "aws:epochtime":
            return str(int(datetime.fromisoformat(self.world.as_of).timestamp()))
        return self.world.as_of

    def _open(self, row: ConditionKey, name: str) -> Open:
        type_ = _TYPES[row.type]
        written = row.name[:-1] + name[len(row.name) - 1 :] if row.name.endswith("*") else row.name
        return Open(
            Variable(
                written,
                Origin.REQUEST,
                type_,
                multivalued=row.multivalued,
                may_be_absent=not row.always_present,
                domain=_BOOLEANS if type_ is ValueType.BOOL else (),
                caller_chosen=row.caller_chosen,
            )
        )

    def _data(
        self,
        name: str,
        reason: str,
        ref: str,
        *,
        excluded: tuple[Pattern, ...] = (),
        many: bool = False,
        required: Pattern | None = None,
        domain: tuple[str, ...] = (),
        may_be_absent: bool = True,
    ) -> Open:
        return Open(
            Variable(
                name, Origin.DATA, multivalued=many, excluded=excluded, required=required, domain=domain,
                may_be_absent=may_be_absent, reason=reason, ref=ref,
            )
        )  # fmt: skip

    # -- keys that only some actions carry (R1.2, R5.50) ----------------------------------------------------------

    def _of_action(self, name: str, row: ConditionKey) -> Binding:
        action = self.request.action
        if action is None:
            if self._assumes_role():
                return self._open(row, name) if name.startswith(("aws:requesttag/", "aws:tagkeys")) else ABSENT
            return self._data(name, "unknown_action", "R1.11")
        family = row.name.lower()
        if family not in {key.lower() for key in action.request_keys}:
            if not action.request_keys and action.name in {"Encapsulate", "Decapsulate"} and "encryption" not in name:
                return self._data(name, "undocumented", "R1.2")
            return ABSENT
        if family.startswith("kms:encryptioncontext"):
            return self._encryption_context(name, row)
        key = self.request.key
        if name == "kms:encryptionalgorithm" and key is not None and key.spec == "SYMMETRIC_DEFAULT":
            return Known(("SYMMETRIC_DEFAULT",))
        if name == "kms:requestalias" and self.request.alias:
            return Known((self.request.alias,))
        if self.request.grant_request is not None and name in _ASKED_BY_GRANT:
            return self._asked(name, self.request.grant_request)
        return self._open(row, name)

    def _asked(self, name: str, asked: GrantRequest) -> Binding:
        """What a CreateGrant asks for, as condition keys (R4.23)."""
        constraints = asked.constraints
        values: tuple[str, ...] = asked.operations
        if name == "kms:grantconstrainttype":
            kinds = (
                ("EncryptionContextEquals", constraints.encryption_context_equals),
                ("EncryptionContextSubset", constraints.encryption_context_subset),
            )
            values = tuple(kind for kind, pairs in kinds if pairs is not None)[:1]
        elif name == "kms:grantconstraintsourcearn":
            values = (constraints.source_arn,) if constraints.source_arn is not None else ()
        return Known(values) if values else ABSENT

    def _encryption_context(self, name: str, row: ConditionKey) -> Binding:
        key = self.request.key
        if key is not None and not key.is_symmetric_encryption:
            return ABSENT
        pairs = self.request.encryption_context
        asked = self.request.grant_request
        if asked is not None:
            constraints = asked.constraints
            pairs = {**(constraints.encryption_context_subset or {}), **(constraints.encryption_context_equals or {})}
        if pairs is None:
            return self._open(row, name)
        if name == "kms:encryptioncontextkeys":
            return Known(tuple(sorted(pairs))) if pairs else ABSENT
        return tag_value(pairs, name.partition(":")[2].partition(":")[2]) or ABSENT

    # -- facts about the caller ------------------------------------------------------------------------------------

    def _of_caller(self, name: str, row: ConditionKey) -> Binding:
        caller = self.request.caller
        if name.startswith("aws:principaltag/"):
            brought = self._assumes_role() and brings_tags(caller)
            return self._open(row, name) if brought else self._principal_tag(name)
        if name in {"aws:principalorgid", "aws:principalorgpaths"}:
            absent = caller.without_account
            return ABSENT if absent else self._organization(name, caller.account_id, many=row.multivalued)
        if name == "aws:principalisawsservice":
            return Known(("true" if caller.is_service else "false",))
        if name in {"aws:principalservicename", "aws:principalservicenameslist"}:
            if not caller.is_service:
                return ABSENT
            if caller.is_any_service:
                return self._open(row, name) if row.multivalued else Open(SERVICE_NAME)
            return AtLeast((caller.text,)) if row.multivalued else Known((caller.text,))
        if caller.without_account and name == "kms:calleraccount":
            return self._open(row, name)
        if caller.without_account:
            return identity_key_of_service(name) if caller.is_service else ABSENT
        if name in {"kms:calleraccount", "aws:principalaccount"}:
            return self._account()
        if name == "aws:principalarn":
            return self._principal_arn()
        if name == "aws:principaltype":
            written = PRINCIPAL_TYPES.get(caller.kind)
            kinds = tuple(sorted(set(PRINCIPAL_TYPES.values())))
            return (
                Known((written,))
                if written
                else self._data(name, "caller_side_not_collected", caller.gap, domain=kinds, may_be_absent=False)
            )
        return self._user_id(name)

    def _account(self) -> Binding:
        caller = self.request.caller
        if caller.kind is not PrincipalKind.ANY:
            return Known((caller.account_id,))
        known = tuple(literal(tokens_of(account)) for account in self._known_accounts())
        return self._data("the caller's account", "caller_side_not_collected", "R3.30", excluded=known,
                          required=glob(tokens_of("????????????")), may_be_absent=False)  # fmt: skip

    def _known_accounts(self) -> tuple[str, ...]:
        listed = {account for o in self.world.organizations for account in (*o.members, o.management_account)}
        return tuple(sorted({*self.world.accounts, *listed}))

    def _principal_arn(self) -> Binding:
        caller = self.request.caller
        if caller.role_path_is_open:
            roles = f"arn:{caller.partition}:iam::{caller.account_id}:role/"
            pattern = any_of(glob(tokens_of(f"{roles}{path}{caller.role_name}")) for path in ("", "*/"))
            return self._data("aws:PrincipalArn", "caller_side_not_collected", "R2.6", required=pattern,
                              may_be_absent=False)  # fmt: skip
        if caller.session_open:
            pattern = glob(tokens_of(f"arn:{caller.partition}:sts::{caller.account_id}:federated-user/*"))
            return self._data("aws:PrincipalArn", "caller_side_not_collected", "R3.73", required=pattern,
                              may_be_absent=False)  # fmt: skip
        if caller.principal_arn:
            return Known((caller.principal_arn,))
        account = caller.account_id if caller.kind is PrincipalKind.ACCOUNT else "????????????"
        known = () if caller.kind is PrincipalKind.ACCOUNT else self._known_accounts()
        unfit = [f"arn:{caller.partition}:???::{a}:*" for a in known]
        if self.request.role is not None:  # root users assume no roles (R7.13)
            unfit.append(f"arn:{caller.partition}:iam::{account}:root")
        excluded = (any_of(glob(tokens_of(text)) for text in unfit),) if unfit else ()
        pattern = glob(tokens_of(f"arn:{caller.partition}:???::{account}:*"))
        return self._data("aws:PrincipalArn", "caller_side_not_collected", caller.gap, excluded=excluded,
                          required=pattern, may_be_absent=False)  # fmt: skip

    def _user_id(self, name: str) -> Binding:
        caller = self.request.caller
        if name == "aws:username":
            if caller.kind is PrincipalKind.USER:
                return Known((caller.principal_arn.rsplit("/", 1)[-1],))
            is_open = caller.kind in {PrincipalKind.ACCOUNT, PrincipalKind.ANY}
            return self._data(name, "caller_side_not_collected", caller.gap) if is_open else ABSENT
        if caller.is_root_user:
            return Known((caller.account_id,))
        if caller.session_open:
            pattern = glob(tokens_of(f"{caller.account_id}:*"))
            return self._data(name, "caller_side_not_collected", "R3.73", required=pattern, may_be_absent=False)
        if caller.kind is PrincipalKind.FEDERATED:
            return Known((f"{caller.account_id}:{caller.text.rsplit('/', 1)[-1]}",))
        if caller.kind in {PrincipalKind.ACCOUNT, PrincipalKind.ANY} or not caller.unique_id:
            return self._data(name, "principal_id_not_collected", caller.gap or "R6.P", may_be_absent=False)
        if caller.kind is PrincipalKind.USER:
            return Known((caller.unique_id,))
        if caller.session_name is not None:
            return Known((f"{caller.unique_id}:{caller.session_name}",))
        pattern = glob((*caller.unique_id, ":", *tokens_of("*")))
        return Open(Variable("aws:userid", Origin.REQUEST, may_be_absent=False, required=pattern, caller_chosen=True))

    def _principal_tag(self, name: str) -> Binding:
        caller = self.request.caller
        tag_key = name.partition("/")[2]
        if caller.is_service or caller.is_root_user:
            return ABSENT
        if not caller.account_collected or not caller.collected or caller.session_open:
            return self._data(name, "caller_side_not_collected", caller.gap)
        own = tag_value(caller.tags, tag_key)
        if caller.session_tags is not None:
            return tag_value(caller.session_tags, tag_key) or own or ABSENT
        if not caller.acts_as_role:
            return own or ABSENT
        if self._session_tags is None:
            self._session_tags = session_tags_of(caller.trust_policy)
        return self._session_tags.binding(tag_key, own, caller_chosen=not caller.ours) or own or ABSENT

    def _organization(self, name: str, account_id: str, *, many: bool) -> Binding:
        organization = organization_of(self.world, account_id)
        if organization is not None:
            return Known((path_in(organization, account_id) if many else organization.id,))
        account = account_of(self.world, account_id)
        if account.collected and not account.organization_unknown and account_id != "*":
            return ABSENT
        suffix = "/*" if many else ""
        listed = tuple(glob((*o.id, *tokens_of(suffix)), ignore_case=True) for o in self.world.organizations)
        ref = why_unknown(self.world, account, "R6.5")
        return self._data(name, "organization_not_read", ref, excluded=listed, many=many)

    # -- facts about the key ---------------------------------------------------------------------------------------

    def _of_key(self, name: str, row: ConditionKey, kind: DocumentKind) -> Binding:
        if name == "aws:securetransport":
            return Known(("true",))
        owner = self._owner()
        if name == "aws:resourceaccount":
            return Known((owner,)) if owner else ABSENT
        if name in {"aws:resourceorgid", "aws:resourceorgpaths"}:
            return self._organization(name, owner, many=row.multivalued) if owner else ABSENT
        key = self.request.key
        if name == "aws:requestedregion":
            return Known((key.region,)) if key else self._open(row, name)
        if name.startswith(("aws:resourcetag/", "iam:resourcetag/")):
            return self._resource_tag(name, kind)
        if key is None:
            asked = self.request.action.request_keys if self.request.action else ()
            return self._open(row, name) if row.name.lower() in {k.lower() for k in asked} else ABSENT
        if name == "kms:resourcealiases":
            return self._aliases(kind)
        if name == "kms:multiregion":
            return Known(("true" if key.multi_region else "false",))
        value = str(getattr(key, _KEY_PROPERTIES[name]))
        if value:
            return Known((value,))
        is_single = name == "kms:multiregionkeytype" and not key.multi_region
        return ABSENT if is_single else self._data(name, "key_not_described", key.gaps.get("describe", ""))

    def _owner(self) -> str:
        """The account that owns the key, alias or role; empty for actions without a resource."""
        if self.request.key is not None:
            return self.request.key.account_id
        arn = parse_arn(self.request.resource)
        return arn.account_id if arn else ""

    def _resource_tag(self, name: str, kind: DocumentKind) -> Binding:
        """A tag of the key, or of the role that is assumed: for that both names say the same (STS in the reference)."""
        tag_key = name.partition("/")[2]
        if not is_about_kms(self.request) and not self._assumes_role():
            return tag_of_target(self.request, tag_key)
        role, key = self.request.role, self.request.key
        if role is not None:
            owner = account_of(self.world, role.account_id)
            is_read = owner.collected and owner.iam_complete
            return (
                (tag_value(role.tags, tag_key) or ABSENT) if is_read else self._data(name, "trust_not_read", role.gap)
            )
        if name.startswith("iam:"):
            return ABSENT
        if key is None:
            return self._of_action(name, find_condition_key(name)) if self._creates_key() else ABSENT  # type: ignore[arg-type]  # the family is in the table
        if kind in _KEY_KINDS:
            return self._data(f"{name} in a key policy", "unsupported_condition_key", "R6.U")
        if key.tags is None:
            return self._data(name, "tags_not_read", key.gaps.get("tags", ""))
        return tag_value(key.tags, tag_key) or ABSENT

    def _creates_key(self) -> bool:
        return self.request.action is not None and self.request.action.name == "CreateKey"

    def _aliases(self, kind: DocumentKind) -> Binding:
        key = self.request.key
        assert key is not None
        if kind not in _IAM_KINDS:
            return self._data("kms:ResourceAliases in a key policy", "unsupported_condition_key", "R6.U", many=True)
        if key.aliases is None:
            return self._data("kms:ResourceAliases", "aliases_not_read", key.gaps.get("aliases", ""), many=True)
        return Known(key.aliases) if key.aliases else ABSENT
