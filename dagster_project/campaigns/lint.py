"""The mail linter: what would not reach an inbox, could not be read there, or must not be sent.

`lint_mail` judges one rendered mail, `lint_templates` the templates' own MJML (mjml-python lets unknown tags and attributes through
verbatim), `lint_brand` the colours; `lint_all` does all three, with every mail of every campaign rendered.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from dagster_project.campaigns.brand import Brand
from dagster_project.campaigns.campaign import UNSUBSCRIBE_TAGS, Campaign
from dagster_project.campaigns.content import compile_template, render
from dagster_project.campaigns.escaping import readable
from dagster_project.campaigns.merge_fields import CustomerRow
from dagster_project.campaigns.words import LENGTHS
from dagster_project.failures import Mistake

# Gmail clips at about 102 kB of source and with it the unsubscribe link; tools add tracking of their own.
LARGEST_MAIL = 80_000
LEAST_CONTRAST = 4.5

_TEXT = {
    "align",
    "color",
    "css-class",
    "font-family",
    "font-size",
    "font-weight",
    "line-height",
    "letter-spacing",
    "padding",
    "mj-class",
    "container-background-color",
}
ALLOWED_MJML: dict[str, set[str]] = {
    "mjml": {"lang", "dir"},
    "mj-head": set(), "mj-title": set(), "mj-preview": set(), "mj-raw": set(), "mj-attributes": set(), "mj-style": {"inline"},
    "mj-all": {"font-family"}, "mj-class": {"name", "background-color", *_TEXT},
    "mj-body": {"background-color", "width", "css-class"},
    "mj-section": {"background-color", "border-radius", "css-class", "padding", "full-width", "text-align"},
    "mj-column": {"width", "padding", "background-color", "border-radius", "vertical-align", "css-class"},
    "mj-text": _TEXT,
    "mj-table": {*_TEXT, "width"},
    "mj-image": {"src", "alt", "href", "width", "padding", "align", "border-radius", "css-class", "title"},
    "mj-button": {*_TEXT, "background-color", "border-radius", "href", "inner-padding", "width"},
    "mj-divider": {"border-color", "border-style", "border-width", "padding", "css-class"},
    "mj-spacer": {"height"},
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """Something to mend: where, which rule, and what."""

    where: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} ({self.rule})"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden += tag in ("style", "script", "title")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def lint_mail(
    where: str, subject: str, preheader: str, html: str, text: str, unsubscribe_tag: str = UNSUBSCRIBE_TAGS["generic"]
) -> list[Finding]:
    """Findings of one rendered mail; `unsubscribe_tag` is the one that its destination's tool knows."""
    page = _Page()
    page.feed(html)
    root = next((attributes for tag, attributes in page.tags if tag == "html"), {})
    links = [attributes.get("href") or "" for tag, attributes in page.tags if tag in ("a", "area")]
    sources = [attributes.get("src") or "" for tag, attributes in page.tags if tag == "img"]
    spoken = "\n".join([subject, preheader, *page.words, text]).replace(unsubscribe_tag, "")
    found: list[tuple[str, str]] = []

    size = len(html.encode())
    if size >= LARGEST_MAIL:
        found.append(("size", f"the HTML has {size:,} bytes, mail programs clip from about 102,000; keep it below {LARGEST_MAIL:,}"))
    if not root.get("lang") or root.get("lang") == "und" or not root.get("dir"):
        found.append(("lang", "<html> needs lang and dir"))
    found += [("alt", f"<img src={a.get('src')!r:.60}> has no alt") for tag, a in page.tags if tag == "img" and "alt" not in a]
    found += [
        ("role", "a layout table has no role=presentation")
        for tag, a in page.tags
        if tag == "table" and a.get("role") not in ("presentation", "none")
    ]
    found += [
        ("active", f"<{tag}> does nothing good in a mail")
        for tag, _ in page.tags
        if tag in ("script", "iframe", "object", "embed", "form", "link", "base")
    ]
    found += [("active", f"the attribute {name} runs code") for _, a in page.tags for name in a if name.startswith("on")]
    for kind, addresses in (("link", links), ("image", sources)):
        for address in addresses:
            if address == unsubscribe_tag and kind == "link":
                continue
            if not address.startswith("https://") and not (kind == "link" and address.startswith("mailto:")):
                found.append((kind, f"{address[:60]!r} is no https address"))
    if links.count(unsubscribe_tag) != 1 or html.count(unsubscribe_tag) != 1:
        found.append(("unsubscribe", f"the HTML needs exactly one link to {unsubscribe_tag}, it has {html.count(unsubscribe_tag)}"))
    if text.count(unsubscribe_tag) != 1:
        found.append(("unsubscribe", f"the text needs {unsubscribe_tag} exactly once, it has it {text.count(unsubscribe_tag)} times"))
    unresolved = re.search(
        r"\{\{|\}\}|\{%|%\}|\[\[|\]\]|\[%|%\]|\*\||\|\*|%%", spoken + "".join(links + sources).replace(unsubscribe_tag, "")
    )
    if unresolved:
        found.append(("unresolved", f"{unresolved.group()!r} is left over from a template"))
    hole = re.search(r"(?<!\w)(None|nan|NaN|NaT|null|undefined)(?!\w)", spoken)
    if hole:
        found.append(("hole", f"it says {hole.group()!r} where there is nothing"))
    for name, line in (("subject", subject), ("preheader", preheader)):
        shortest, longest = LENGTHS[name]
        if not shortest <= len(readable(line)) <= longest:
            found.append((name, f"the {name} has {len(readable(line))} characters, it needs {shortest} to {longest}: {line[:70]!r}"))
        if re.search(r"[\x00-\x1f\x7f]", line):
            found.append((name, f"the {name} holds a line break or control character"))
    return [Finding(where, rule, message) for rule, message in found]


def lint_templates(templates: Path) -> list[Finding]:
    """Findings in the templates' own MJML: tags and attributes that are not on our list, with file and line."""
    findings: list[Finding] = []
    for path in sorted(templates.rglob("*.mjml.j2")):
        source = re.sub(
            r"\{\{.*?\}\}|\[\[.*?\]\]|\{%.*?%\}|\[%.*?%\]",
            lambda cut: "\n" * cut.group().count("\n"),
            path.read_text(encoding="utf-8"),
            flags=re.DOTALL,
        )
        for tag in re.finditer(r"<(mj[\w-]*)\b([^>]*)>", source):
            where = f"{path}:{source.count(chr(10), 0, tag.start()) + 1}"
            if tag.group(1) not in ALLOWED_MJML:
                findings.append(Finding(where, "mjml", f"<{tag.group(1)}> is not on the list of tags"))
                continue
            for name in re.findall(r"([\w-]+)\s*=\s*\"", tag.group(2)):
                if name not in ALLOWED_MJML[tag.group(1)]:
                    findings.append(Finding(where, "mjml", f"{tag.group(1)} has no attribute {name}"))
    return findings


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two #rrggbb colours, 1 to 21 (WCAG 2.1, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lint_brand(brand: Brand) -> list[Finding]:
    """Colours that cannot be read on each other, in either scheme."""
    findings = []
    for scheme, colours in (("light", brand.colours.light), ("dark", brand.colours.dark)):
        on = [(text, ground) for text in ("ink", "muted", "accent") for ground in ("page", "surface", "tint")] + [("on_accent", "accent")]
        for text, ground in on:
            ratio = contrast(getattr(colours, text), getattr(colours, ground))
            if ratio < LEAST_CONTRAST:
                findings.append(
                    Finding(
                        f"brand {brand.name}",
                        "contrast",
                        f"{scheme}: {text} on {ground} has a contrast of {ratio:.1f}, it needs {LEAST_CONTRAST}",
                    )
                )
    return findings


def lint_all(templates: Path, campaigns: Iterable[Campaign], brand: Brand, rows: Sequence[CustomerRow]) -> list[Finding]:
    """Templates, brand, and every mail (campaign, step, variant, language) for each row and for one of whom nothing is known."""
    findings = [*lint_templates(templates), *lint_brand(brand)]
    for campaign in campaigns:
        for step in campaign.steps:
            for variant in campaign.variants:
                for language in campaign.languages:
                    where = f"{campaign.slug}/{step.name}/{variant.name}/{language}"
                    try:
                        mails = render(
                            compile_template(campaign, step.name, variant.name, language, brand), [*rows, CustomerRow(customer_id="nobody")]
                        )
                    except Mistake as error:
                        findings.append(Finding(where, "template", str(error)))
                        continue
                    for mail in mails.to_pylist():
                        findings += lint_mail(
                            f"{where} for {mail['customer_id']}", mail["subject"], mail["preheader"], mail["html"], mail["text"]
                        )
    return findings
