"""Rendering: a template is compiled once per campaign, step, variant and language, and then filled once per customer.

Customer text enters in the second pass alone, as a value, escaped for HTML there; nothing is rendered twice.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
from jinja2 import Template, TemplateError

from dagster_project.campaigns.brand import Brand
from dagster_project.campaigns.campaign import UNSUBSCRIBE_TAGS, Campaign
from dagster_project.campaigns.language import Language, load_languages
from dagster_project.campaigns.links import tracked
from dagster_project.campaigns.merge_fields import merge
from dagster_project.campaigns.template_passes import before_customers, per_customer, to_html
from dagster_project.campaigns.words import LENGTHS, Words, choose, compile_chain
from dagster_project.failures import Mistake

CONTENT = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("content_id", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("preheader", pa.string(), nullable=False),
        pa.field("html", pa.large_string(), nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("merge_data", pa.large_string(), nullable=False),
    ]
)

UNSUBSCRIBE = UNSUBSCRIBE_TAGS["generic"]

# What inboxes show after the preheader would be the mail's first words; invisible filler keeps them out.
PREHEADER_FILLER = "\u034f\u200c\u00a0" * 80


@dataclass(frozen=True)
class CompiledMail:
    """One mail of a campaign in one language, waiting for customers."""

    campaign: Campaign
    step: str
    variant: str
    language: Language
    brand: Brand
    blocks: tuple[str, ...]
    html: Template
    text: Template
    chains: Mapping[str, Any]
    link: str
    version: str


def compile_template(campaign: Campaign, step: str, variant: str, language: str, brand: Brand) -> CompiledMail:
    """Compile one mail: blocks and words put together, MJML made HTML, styles inlined.

    Raises:
        Mistake: a template is broken, or a block needs words that neither the campaign nor the language has.
    """
    root = campaign.folder.parent.parent
    where = f"{campaign.folder}: step {step}, variant {variant}, language {language}"
    languages = load_languages(root / "languages")
    if language not in languages:
        raise Mistake(f"{where}: there is no {root / 'languages' / language}.yaml; add it or take the language out of `languages`.")
    spoken = languages[language]
    blocks = campaign.blocks_of(step, variant)
    fixed = {
        "brand": brand.model_dump(),
        "light": brand.colours.light.model_dump(),
        "dark": brand.colours.dark.model_dump(),
        "language": language,
        "direction": spoken.direction,
        "blocks": blocks,
        "preheader_filler": PREHEADER_FILLER,
    }
    folder = f"campaigns/{campaign.slug}"
    try:
        mjml = before_customers(root, autoescape=True).get_template(f"{folder}/email.mjml.j2").render(fixed)
        html = to_html(mjml)
        text = before_customers(root, autoescape=False).get_template(f"{folder}/email.txt.j2").render(fixed)
        html_template = per_customer(html, autoescape=True)
        text_template = per_customer(text, autoescape=False)
    except (TemplateError, ValueError, OSError) as error:
        raise Mistake(f"{where}: the template does not compile ({type(error).__name__}: {error}); mend it.") from error
    used = _words_needed(campaign, step, variant, spoken, html + text)
    spelled = json.dumps(
        [
            html,
            text,
            {key: chain.model_dump(mode="json") for key, chain in used.items()},
            brand.model_dump(mode="json"),
            spoken.model_dump(mode="json"),
        ],
        sort_keys=True,
    )
    return CompiledMail(
        campaign=campaign,
        step=step,
        variant=variant,
        language=spoken,
        brand=brand,
        blocks=blocks,
        html=html_template,
        text=text_template,
        chains={key: compile_chain(chain) for key, chain in used.items()},
        link=campaign.step(step).link or campaign.link,
        version=hashlib.sha256(spelled.encode()).hexdigest()[:12],
    )


def _words_needed(campaign: Campaign, step: str, variant: str, language: Language, templates: str) -> Words:
    """The chains that the templates write, each there and, for subject and preheader, of a length that fits when nothing is known."""
    where = f"{campaign.folder / 'campaign.yaml'}: step {step}, variant {variant}"
    words = {**language.words, **campaign.words_of(step, variant, language.code)}
    needed = sorted({*LENGTHS, *re.findall(r"\bwords\.(\w+)", templates)})
    missing = [key for key in needed if key not in words]
    if missing:
        raise Mistake(f"{where} has no words for `{missing[0]}` in {language.code}; add them under `words`.")
    for key, (shortest, longest) in LENGTHS.items():
        last = words[key].lines[-1].say
        if not shortest <= len(last) <= longest:
            length = f"has {len(last)} characters and needs {shortest} to {longest}"
            raise Mistake(f"{where}: the last {key} in {language.code} {length}: {last!r}; rewrite it.")
    return {key: words[key] for key in needed}


def render(
    compiled: CompiledMail, rows: pa.Table | Iterable[Mapping[str, Any]], fallback_products: Sequence[Mapping[str, Any]] = ()
) -> pa.Table:
    """Fill a mail for each row (`merge_fields.CustomerRow`), in the rows' order; the table has the columns of `CONTENT`.

    `fallback_products` (`merge_fields.ProductRow`) are shown where a customer's own recommendations do not suffice. Same rows, same bytes.

    Raises:
        Mistake: a template reads a field that the merge-field dictionary does not have, or writes one that is empty.
    """
    mails = [_fill(compiled, row, fallback_products) for row in (rows.to_pylist() if isinstance(rows, pa.Table) else rows)]
    return pa.Table.from_pylist(mails, schema=CONTENT)


def for_destination(rendered: str, tag: str) -> str:
    """A rendered mail with the tool's own unsubscribe tag in place of the generic one.

    Customer text cannot hold the generic tag (`escaping.guard`), so what is replaced is always the footer's link.
    """
    return rendered.replace(UNSUBSCRIBE, tag)


def _fill(compiled: CompiledMail, row: Mapping[str, Any], fallback_products: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    fields = merge(row, compiled.language, compiled.brand, fallback_products, compiled.link)
    data = json.dumps(_without_holes(fields), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    utm = compiled.campaign.utm
    identity = (compiled.campaign.slug, compiled.step, compiled.variant, compiled.language.code, compiled.version, data)
    content_id = hashlib.sha256("\x1f".join(identity).encode()).hexdigest()[:16]
    words = {key: choose(chain, fields, *LENGTHS.get(key, (0, 100_000))) for key, chain in compiled.chains.items()}
    products = fields["products"]
    context = {
        **fields,
        "words": words,
        "subject": words["subject"],
        "preheader": words["preheader"],
        "product_rows": [products[at : at + 2] for at in range(0, len(products), 2)],
        "home_url": compiled.brand.urls.home,
        "preferences_url": compiled.brand.urls.preferences,
        "unsubscribe_url": UNSUBSCRIBE,
        "content_id": content_id,
        "link": partial(
            _link,
            fixed=f"utm_source={utm.source}&utm_medium={utm.medium}&utm_campaign={utm.campaign}",
            place_prefix=f"{compiled.step}.{compiled.variant}.",
            content_id=content_id,
        ),
    }
    try:
        html = compiled.html.render(context)
        text = compiled.text.render(context)
    except TemplateError as error:
        where = f"step {compiled.step}, variant {compiled.variant}, {compiled.language.code}"
        raise Mistake(f"{compiled.campaign.folder}: {where}: {error}; mend the template.") from error
    return {
        "customer_id": fields["customer_id"],
        "content_id": content_id,
        "subject": words["subject"] or "",
        "preheader": words["preheader"] or "",
        "html": html,
        "text": re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n",
        "merge_data": data,
    }


def _link(url: str, block: str, place: int | None = None, *, fixed: str, place_prefix: str, content_id: str) -> str:
    return tracked(url, fixed, f"{place_prefix}{block}" + (f".{place}" if place else ""), content_id)


def _without_holes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_holes(item) for key, item in value.items() if item is not None}
    return [_without_holes(item) for item in value] if isinstance(value, list) else value
