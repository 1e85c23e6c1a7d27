"""report.html: one self-contained page from the templates."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import jinja2
from markupsafe import Markup

from scanner.model.finding import FindingsDocument, FindingVerdict, KeyRow
from scanner.report import method
from scanner.report.context import Combination, key_anchor, report_view
from scanner.report.coverage_notes import OUTCOME_WORDS
from scanner.report.escape import html_value, shorten, trusted_css
from scanner.report.history import STATE_WORDS
from scanner.report.phrases import account_text, counted, percent_text, prose_parts, units_text
from scanner.report.reasons import REASONS
from scanner.report.source import Documents
from scanner.resources import template_root

_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def render_html(
    document: FindingsDocument, key_rows: Sequence[KeyRow], notes: Mapping[str, str], documents: Documents
) -> bytes:
    """The page as UTF-8. `notes` puts cited ledger rows into words, `documents` gives policy texts by SHA-256."""
    view = report_view(document, key_rows, notes, documents)
    stylesheet = _stylesheet(view.combinations)
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            view=view,
            document=document,
            run=document.run,
            coverage=document.coverage,
            verdicts=tuple(FindingVerdict),
            method=method,
            reason_words=REASONS,
            outcome_words=OUTCOME_WORDS,
            state_words=STATE_WORDS,
            stylesheet=stylesheet,
            style_hash=_style_hash(stylesheet),
        )
    )
    return page.encode()


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=html_value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        account=account_text, counted=counted, json=_json_text, percent=percent_text, prose=prose_parts, shorten=shorten
    )
    environment.filters.update(key_anchor=key_anchor, units=units_text)
    return environment


def _template(name: str) -> str | None:
    found = template_root().joinpath(*name.split("/"))
    return found.read_text(encoding="utf-8") if found.is_file() else None


def _stylesheet(combinations: Sequence[Combination]) -> Markup:
    """report.css without comments, with one rule per combination of filter values that occurs.

    A browser without `:has()` ignores all of them and shows every finding, and so does paper, which has no filters.
    """
    rules = "\n".join(_combination_rule(combination) for combination in combinations)
    text = _CSS_COMMENT.sub("", _template("report.css") or "")
    return trusted_css(
        f"{text}@media screen {{\n@supports selector(:has(*)) {{\n.group, .finding {{ display: none; }}\n{rules}\n"
        f"{_TARGET_RULE}\n{_ACCEPTED_RULE}\n}}\n}}\n"
    )


_ACCEPTED_RULE = ".accepted .finding { display: block; }"
_TARGET_RULE = ".group:has(:target), .finding:has(:target) { display: block; }"


def _combination_rule(combination: Combination) -> str:
    conditions = "".join(f":has(#{option}:checked)" for option in combination.option_ids)
    return f".findings{conditions} .{combination.name} {{ display: block; }}"


def _style_hash(stylesheet: str) -> str:
    return base64.b64encode(hashlib.sha256(stylesheet.encode()).digest()).decode("ascii")


def _json_text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
