"""Where templates come from, and that nothing they print escapes as markup."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path
from types import TracebackType

import jinja2
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from scanner.errors import UsageError
from scanner.report.coverage_notes import hidden_text
from scanner.report.escape import element_text, html_value, shorten, trusted_css, trusted_script
from scanner.report.ordering import at_will
from scanner.report.phrases import (
    account_text,
    actions_text,
    counted,
    gap_units,
    nth,
    percent_text,
    prose_parts,
    units_text,
    unread_text,
)
from scanner.report.picture import clipped, slot_middle
from scanner.resources import template_root

_MISTAKES = (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What a template can raise while it is read or filled."""


class Templates:
    """Our templates, each replaced by the file of the same name in the user's folder where there is one."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read every file of the user's folder once. Raises UsageError for a folder or a template that is no use."""
        self._folder = folder
        self._environment = _environment(folder)
        if folder is not None:
            self._check(folder)

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """A template filled in. Raises UsageError where a template of the user fails, with file and line."""
        try:
            return self._environment.get_template(name).render(values)
        except _MISTAKES as error:
            raise self._explained(error) from error

    def source(self, name: str) -> str:
        """The text of a file that is not filled in, such as report.css."""
        assert self._environment.loader is not None
        return self._environment.loader.get_source(self._environment, name)[0]

    def _check(self, folder: Path) -> None:
        names = [name for name in _names(template_root()) if (folder / name).is_file()]
        if not names:
            ours = ", ".join(name for name in sorted(_names(template_root())) if "/" not in name)
            raise UsageError(f"`{folder}` holds no template of a report", hint=f"its files are named {ours}")
        for name in names:
            try:
                text = self.source(name)
                if name.endswith(".j2"):
                    self._environment.compile(text, name, str(folder / name))
                if name.endswith(".css"):
                    trusted_css(text)
                elif name.endswith(".js"):
                    trusted_script(text)
            except _MISTAKES as error:
                raise self._explained(error, name) from error

    def _explained(self, error: BaseException, name: str = "") -> BaseException:
        """The error as one of the user's template; the error itself where it is none of theirs.

        `name` is the file that is to blame where the error does not tell.
        """
        if self._folder is None:
            return error
        place = _place(error, self._folder) or (str(self._folder / name) if name else None)
        if place is None:
            return error
        what = " ".join(str(error).split()) or type(error).__name__
        hint = "mend the template, or render without --templates"
        return UsageError(f"{place}: the template cannot be used: {what}", hint=hint)


class AlwaysEscaped(Extension):
    """Refuses the `autoescape` tag, with which a template could switch escaping off."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Let every token pass but that one."""
        before = ""
        for token in stream:
            if before == "block_begin" and token.test("name:autoescape"):
                raise jinja2.TemplateSyntaxError("`autoescape` cannot be switched", token.lineno, stream.name)
            before = token.type
            yield token


@lru_cache(maxsize=1)
def our_templates() -> Templates:
    """The templates that travel with the program."""
    return Templates()


def _environment(folder: Path | None) -> jinja2.Environment:
    ours = jinja2.FunctionLoader(_template)
    loaders = [ours] if folder is None else [jinja2.FileSystemLoader(folder), ours]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        extensions=[AlwaysEscaped],
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=html_value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # INVARIANT: no template, ours or the user's, can print a text of AWS as markup
    del environment.filters["safe"]
    environment.filters.update(
        account=account_text, counted=counted, json=_json_text, percent=percent_text, prose=prose_parts, shorten=shorten
    )
    environment.filters.update(clip=clipped, element_text=element_text, slot_middle=slot_middle, units=units_text)
    environment.filters.update(
        actions=actions_text, gap_units=gap_units, hidden=hidden_text, nth=nth, unread=unread_text
    )
    environment.tests["at_will"] = at_will
    return environment


def _template(name: str) -> str | None:
    found = template_root().joinpath(*name.split("/"))
    return found.read_text(encoding="utf-8") if found.is_file() else None


def _names(folder: Traversable, before: str = "") -> Iterator[str]:
    """Names of the files in a folder of templates, as templates include each other."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _names(entry, f"{before}{entry.name}/")
        else:
            yield f"{before}{entry.name}"


def _place(error: BaseException, folder: Path) -> str | None:
    """`DIR/finding.html.j2:12` where a template of the folder is to blame."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        name = error.name or ""
        return f"{folder / name}:{error.lineno}" if (folder / name).is_file() else None
    frames = [frame for frame in _frames(error.__traceback__) if Path(frame[0]).is_relative_to(folder)]
    return f"{frames[-1][0]}:{frames[-1][1]}" if frames else None


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, int]]:
    while trace is not None:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next


def _json_text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
