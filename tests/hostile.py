"""Texts that attack an output, one list for all tests, and what no output may hold whatever it is given."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib
import io
import json
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
import scanner
from scanner.model.coverage import LedgerRow, Outcome
from scanner.report.templates import our_templates
from scanner.snapshot.rows import (
    AccountRow,
    AliasRow,
    GrantRow,
    KeyRow,
    KeyTagRow,
    OrganizationRow,
    OrgAttachmentRow,
    OrgMemberRow,
    OrgPolicyRow,
    OuRow,
    PrincipalPolicyRow,
    PrincipalRow,
    UnitRecord,
)
from scanner.snapshot.store import SnapshotStore

from builders import MANAGER, MEMBER, OWNER, STRANGER, allow, iam, policy

CORPUS: Mapping[str, str] = {
    "element": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)>',
    "attribute in single quotes": "' autofocus onfocus=alert(1) x='",
    "attribute without quotes": "x onmouseover=alert(1) ",
    "end of the style": "</style><script>alert(1)</script>",
    "end of everything": "</title></code></details></svg></pre><iframe src=https://evil.example></iframe>",
    "comment": "<!--><script>alert(1)</script>--><![CDATA[",
    "entity": "&lt;script&gt;&#60;b&#62;&amp;",
    "style": "}body{background:url(https://evil.example/x)}@import 'https://evil.example';a{",
    "style in an attribute": "color:red;background:url(javascript:alert(1))",
    "address": "javascript:alert(document.domain)",
    "address with data": "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "picture": '<svg onload=alert(1)><a xlink:href="javascript:alert(1)"><use href="https://evil.example/#x"/></a></svg>',
    "formula": '=HYPERLINK("https://evil.example","open")',
    "formula plus": "+1+cmd|' /C calc'!A0",
    "formula minus": "-2+3",
    "formula at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "formula behind a tab": "\t=1+1",
    "formula behind a return": "\r=1+1",
    "formula behind a line feed": "\n=1+1",
    "formula behind quotes": "''=1+1",
    "formula, full-width equals": "＝cmd|' /C calc'!A0",
    "formula, full-width plus": "＋1",
    "formula, full-width minus": "－1",
    "formula, full-width at": "＠SUM(1)",
    "cell that ends": '",=1+1,"\r\n=1+1,"',
    "escape sequences": "\x1b[2J\x1b]8;;https://evil.example\x07click\x1b]8;;\x07\x9b31m",
    "directions": "safe\u202egnp.exe\u2066\u200b\u2069\u061c\u200f",
    "invisible": "a\u200b\u00ad\ufeff\U000e0041\u2028b\u2029c",
    "controls": "nul\x00bell\x07cr\rend\x7f",
    "lone surrogates": "lone\ud800surrogate\udfff",
    "template": "{{ 7*7 }}{% raw %}{# x #}${7*7}",
    "markdown": "[click](javascript:alert(1)) ![x](https://evil.example/x.png) | `code` | @everyone https://evil.example",
    "markdown block": "```\n# heading\n````\n~~~",
    "markdown markup": "**bold** _it_ ~~no~~ <b>x</b> #1 $x^2$ www.evil.example mailto:a@evil.example",
    "lines": 'line one\n| injected | row |\n# heading\n{"level": "info", "event": "forged"}',
    "long": "A" * 8192,
    "long and hidden": "\u202e=" * 4096,
}

INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)
FORMULA = re.compile(r"[\s']*[=+\-@\t\r＝＋－＠]")


class Skeleton(HTMLParser):
    """Elements and attribute names of a page: what text must never change."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.links |= {value or "" for name, value in attrs if name == "href"}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def skeleton(html: str) -> Skeleton:
    """Parse a page."""
    parser = Skeleton()
    parser.feed(html)
    parser.close()
    return parser


# -- what no output may hold ------------------------------------------------------------------------------------------


def check_page(html: str) -> None:
    """No element, attribute or address that our templates do not have, and nothing that hides."""
    assert not INVISIBLE.search(html)
    assert "\r" not in html
    found = skeleton(html)
    tags = [tag for tag, _ in found.tags]
    assert not set(tags) & {"iframe", "img", "b", "object", "embed", "link", "form", "base"}
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert tags.count("script") == len(scripts) <= 1
    own_words = sum(tag == "svg" and "role" in names and "aria-labelledby" not in names for tag, names in found.tags)
    shared_words = sum(tag == "title" and names == ("id",) for tag, names in found.tags)
    assert shared_words <= tags.count("symbol")
    assert tags.count("style") == tags.count("title") - own_words - shared_words == 1
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in html
    names = {name for _, attributes in found.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")} | (names & {"style", "src", "srcdoc", "xlink:href"})
    assert {link[:1] for link in found.links} <= {"#"}


def check_index(html: str) -> None:
    """The same of the index of a split report, whose data is inert and whose links lead to its own pages."""
    assert not INVISIBLE.search(html)
    found = skeleton(html)
    kinds = [attributes for tag, attributes in found.tags if tag == "script"]
    assert kinds == [("class", "type"), ()]
    tags = {tag for tag, _ in found.tags}
    assert not tags & {"iframe", "img", "b", "object", "embed", "link", "form", "base"}
    names = {name for _, attributes in found.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")} | (names & {"style", "src", "srcdoc", "xlink:href"})
    for link in found.links:
        assert re.fullmatch(r"#[\w-]+|report/(?:[0-9]{12}|other)(?:-[0-9]+)?\.html(?:#[\w-]+)?", link), link


def check_table(content: bytes, dialect: str) -> None:
    """As many cells in every row, and in `excel` none that is calculated or hides something."""
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        assert not re.search("[\x00\ud800-\udfff]", cell)
        if dialect == "excel":
            assert cell.startswith("'") or not FORMULA.match(cell), cell[:40]
            assert not INVISIBLE.search(cell), cell[:40]


def outside_blocks(lines: list[str]) -> list[str]:
    """The lines without code blocks, each of which ends where its own fence is repeated and nowhere before."""
    kept: list[str] = []
    fence = ""
    for line in lines:
        opened = re.fullmatch(r"( *`{3,})diff", line)
        if opened and not fence:
            fence = opened[1]
        elif fence:
            fence = "" if line == fence else fence
        else:
            kept.append(line)
    assert not fence
    return kept


def check_markdown(text: str) -> None:
    """No element, link, address, mention, heading or row that is not ours."""
    lines = text.split("\n")
    assert not any(INVISIBLE.search(line) for line in lines)
    assert "\r" not in text
    for line in outside_blocks(lines):
        prose = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        assert not re.search(r"<|(?<!\\)\]\(|://|@|(?<!\\)\*\*bold|(?<!\\)~~", prose), line[:200]
        assert not re.search(r"^\s*(#+ heading|\| injected|~~~|```)", line), line[:200]


def check_terminal(text: str) -> None:
    """Nothing that a terminal obeys or hides, and no line that was forged."""
    assert not INVISIBLE.search(text)
    assert not re.search(r"[\r\t]", text)
    assert not re.search(r"^(\| injected|# heading|\{\"level\")", text, re.MULTILINE)


def check_json(text: str) -> None:
    """ASCII that is read back."""
    assert text.isascii()
    json.loads(text)


def check_sarif(text: str) -> None:
    """JSON whose messages hide nothing and embed no link, and that points at nothing but our copies of policies."""
    check_json(text)
    log = json.loads(text)
    json.dumps(log, ensure_ascii=False).encode()
    messages = [message for message in _below(log, "text") if isinstance(message, str)]
    assert messages
    for message in messages:
        assert not INVISIBLE.search(message), message[:200]
        assert "](" not in message, message[:200]
    places = [place["uri"] for place in (*_below(log, "artifactLocation"), *_below(log, "location")) if "uri" in place]
    assert places
    for place in places:
        check_policy_name(unquote(place))


def check_policy_name(name: str) -> None:
    """A file in the folder `policies`, whatever a role or a document is called."""
    folder, *parts = name.split("/")
    assert folder == "policies"
    assert parts
    for part in parts:
        assert re.fullmatch(r"[A-Za-z0-9+=,@_-][A-Za-z0-9+=,.@_-]*", part), name
        assert len(part) <= 240, name


def artifacts(sarif: str) -> set[str]:
    """The files that a log in SARIF names, below the folder of the log."""
    return {unquote(entry["location"]["uri"]) for run in json.loads(sarif)["runs"] for entry in run["artifacts"]}


def _below(value: object, name: str) -> Iterator[Any]:
    """What stands under a name, however deep."""
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        for inner in value.values():
            yield from _below(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _below(inner, name)


def check_graph(text: str) -> None:
    """Well-formed XML of the elements of GraphML, with characters that XML has and none that hides."""
    assert not INVISIBLE.search(text)
    names = {element.tag.rpartition("}")[2] for element in ET.fromstring(text).iter()}
    assert names <= {"graphml", "desc", "key", "default", "graph", "node", "edge", "data"}, names


def check_log(text: str) -> None:
    """One record per line, each of ours."""
    check_terminal(text)
    assert "\nforged" not in text
    assert all(json.loads(line)["event"] != "forged" for line in text.splitlines() if line.startswith("{"))


# -- an organization whose every name is hostile ----------------------------------------------------------------------

KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GRANT = "9a7f00000000000000000000000000000000000000000000000000000000cafe"


def storable(text: str) -> str:
    """The text as a snapshot can hold it in a column; documents carry surrogates as JSON escapes."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def principal_name(text: str) -> str:
    """As the name of a role within an ARN, whose parts are separated by colons and slashes."""
    return re.sub(r"[:/*?]", "_", storable(text))[:400]


def write_hostile_snapshot(path: Path, text: str, *, wider: bool = False) -> Path:
    """A finished snapshot with the text in every field that AWS fills; `wider` has one more share in the key policy."""
    record = UnitRecord("all")
    name, role = storable(text), principal_name(text)

    def doc(document: object) -> str:
        return record.document(json.dumps(document, indent=1))

    condition = {
        "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com", f"kms:EncryptionContext:{text}": [text, "b"]},
        "StringLike": {f"aws:PrincipalTag/{text}": text},
    }
    key_policy = policy(
        allow(iam(OWNER, "root"), "kms:*", Sid=text),
        allow(iam(STRANGER, "root"), "kms:Decrypt", Sid=text + "2"),
        allow(iam(MEMBER, "root"), "kms:Decrypt", "kms:CreateGrant", Sid=text, Condition=condition),
        allow(iam(STRANGER, f"role/{role}"), "kms:Encrypt", Sid=f"{text}4"),
        allow({"AWS": "*"}, "kms:DescribeKey", Sid=text, Condition={"StringEquals": {"aws:PrincipalOrgID": text}}),
        *([allow(iam("343434343434", "root"), "kms:Decrypt", Sid=f"{text}5")] if wider else []),
    )
    trust = policy(allow(iam(STRANGER, "root"), "sts:AssumeRole", Sid=text,
                         Condition={"StringEquals": {"sts:ExternalId": text}}))  # fmt: skip
    full = doc(policy(allow(None, "*", Sid=text)))
    read = dict.fromkeys(("describe_status", "policy_status", "grants_status", "tags_status"), Outcome.OK)
    roles = (iam(MEMBER, f"role/{role}"), iam(OWNER, f"role/{role}"))
    constraints = json.dumps({"EncryptionContextSubset": {name: name}})
    record.rows.extend([
        *(AccountRow(a, name, name, "ACTIVE", in_organization=True, collected=True) for a in (OWNER, MEMBER)),
        AccountRow("333344445555", name, name, "SUSPENDED", in_organization=True, scanned=False, exclusion_reason=name),
        OrganizationRow(name, MANAGER, name, "r-1", True, True, Outcome.OK, Outcome.OK, Outcome.OK),
        OuRow("ou-1", "r-1", name), OrgMemberRow(OWNER, "r-1"), OrgMemberRow(MEMBER, "ou-1"),
        OrgPolicyRow("p-full", "SERVICE_CONTROL_POLICY", name, name, True, full),
        *(OrgAttachmentRow(target, "p-full") for target in ("r-1", "ou-1", OWNER, MEMBER)),
        KeyRow(KEY, OWNER, "eu-west-1", KEY.rsplit("/", 1)[-1], state="Enabled", manager="CUSTOMER",
               spec="SYMMETRIC_DEFAULT", usage="ENCRYPT_DECRYPT", origin="AWS_KMS", description=name, created=name,
               multi_region=False, policy_sha256=doc(key_policy), ram_status=Outcome.EMPTY,
               aliases_status=Outcome.OK, **read),
        KeyTagRow(KEY, name, name),
        AliasRow(f"arn:aws:kms:eu-west-1:{OWNER}:alias/x", f"alias/{name}", KEY),
        GrantRow(KEY, GRANT, name, None, iam(STRANGER, f"role/{role}"), None, iam(STRANGER, f"role/{role}"), None,
                 iam(OWNER, "root"), '["Decrypt"]', constraints),
        *(PrincipalRow(arn, arn.split(":")[4], "role", role, "/", f"AROA{n}", json.dumps({name: name}), None,
                       doc(trust), None) for n, arn in enumerate(roles)),
        *(PrincipalPolicyRow(arn, "inline", name, "", "", doc(policy(allow(None, "kms:*", Sid=text))))
          for arn in roles),
    ])  # fmt: skip
    record.ledger(
        LedgerRow(MEMBER, "global", "iam:GetAccountAuthorizationDetails", name, Outcome.DENIED, name, name, name)
    )
    record.ledger(LedgerRow(OWNER, "global", "iam:GetAccountAuthorizationDetails", "", Outcome.OK))
    with SnapshotStore.create(path) as store:
        store.write(record)
        times = dict.fromkeys(("as_of", "started", "finished"), "2026-11-22T00:00:00Z")
        meta = times | {"run_id": path.parent.name, "caller_arn": name, "scope": name}
        store.finish(complete=True, meta=meta)
    return path


# -- escaping taken away ----------------------------------------------------------------------------------------------


def without(patch: pytest.MonkeyPatch, function: Callable[..., Any], instead: Callable[..., Any]) -> None:
    """Put something that escapes nothing in the place of an escaping function, wherever it was imported.

    Everything is imported first: a command that imports late would keep what it found here, for the tests after it.
    """
    for module in pkgutil.walk_packages(scanner.__path__, "scanner."):
        if module.name != "scanner.__main__":
            importlib.import_module(module.name)
    places = [
        (module, name)
        for path, module in list(sys.modules.items())
        if path.split(".")[0] == "scanner"
        for name, value in list(vars(module).items())
        if value is function
    ]
    assert places
    for module, name in places:
        patch.setattr(module, name, instead)


def fresh_templates() -> Iterator[None]:
    """Compile the templates again, before and after they are compiled in another way."""
    our_templates.cache_clear()
    yield
    our_templates.cache_clear()
