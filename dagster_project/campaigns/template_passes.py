"""The two passes of a template, each with delimiters of its own, and MJML between them.

`[[ … ]]` and `[% … %]` are what is the same for everybody (blocks, brand, language) and are done once, before MJML becomes HTML;
`{{ … }}` and `{% … %}` are the customer's and are done once per customer. Both run in Jinja's sandbox.
"""

import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import css_inline
from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from mjml import mjml2html

_INLINER = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


@lru_cache(maxsize=8)
def before_customers(root: Path, autoescape: bool) -> ImmutableSandboxedEnvironment:
    """The first pass: what is the same for everybody. Its templates are compiled once a process, and again when their files change."""
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(root),
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        autoescape=autoescape,
        undefined=StrictUndefined,
        finalize=_no_template_inside,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=256)
def per_customer(source: str, autoescape: bool) -> Template:
    """The second pass: one customer. Each day has the same few templates.

    Raises:
        TemplateError: the source is no template.
    """
    environment = ImmutableSandboxedEnvironment(
        autoescape=autoescape, undefined=StrictUndefined, finalize=_no_hole, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)


def _no_template_inside(value: Any) -> Any:
    if isinstance(value, str) and re.search(r"\{[{%#]|[%#}]\}", value):
        raise TemplateError(f"{value!r} holds template signs; only a template may")
    return value


def _no_hole(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        raise TemplateError("a field is written that this customer does not have; ask `{% if … %}` first")
    return value


def to_html(mjml: str) -> str:
    """MJML as HTML with inlined styles, and what MJML cannot say: statements out of the comments that carried them through, blocks and
    layout tables marked, short lines."""
    html = _INLINER.inline(mjml2html(mjml))
    html = re.sub(r"<!--(\{%.*?%\})-->", r"\1", html, flags=re.DOTALL)
    html = re.sub(r'<div class="block-(\w+)', r'<div data-content="\1" class="block-\1', html)
    html = re.sub(r"<table (?![^>]*\brole=)", '<table role="presentation" ', html)
    return re.sub(r"\s*\n\s*", "\n", html)
