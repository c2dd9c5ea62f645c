"""The linter finds each defect that is put into a good mail, and nothing in those that are shipped."""

import re
from pathlib import Path
from typing import Any

import pytest
from content_samples import BRAND, CAMPAIGNS, TEMPLATES, known_customer, mail

from dagster_project.campaigns.content import for_destination, render
from dagster_project.campaigns.lint import contrast, lint_all, lint_brand, lint_mail, lint_templates


@pytest.fixture(scope="module")
def good() -> dict[str, str]:
    rendered = render(mail("cart_recovery", "similar"), [known_customer()]).to_pylist()[0]
    return {key: rendered[key] for key in ("subject", "preheader", "html", "text")}


def test_the_shipped_templates_mails_and_brand_are_clean() -> None:
    assert lint_all(TEMPLATES, CAMPAIGNS, BRAND, [known_customer()]) == []  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("rule", "part", "old", "new"),
    [
        ("size", "html", "</body>", f"<p>{'x' * 80_000}</p></body>"),
        ("lang", "html", ' lang="de"', ""),
        ("alt", "html", 'alt="Handkanne', 'title="Handkanne'),
        ("role", "html", '<table role="presentation"', "<table"),
        ("active", "html", "</body>", "<script>x</script></body>"),
        ("active", "html", "<img ", '<img onload="x" '),
        ("link", "html", 'href="https://', 'href="javascript:'),
        ("link", "html", 'href="https://', 'href="data:text/html,'),
        ("link", "html", 'href="https://', 'href="http://'),
        ("image", "html", 'src="https://', 'src="http://'),
        ("unsubscribe", "html", "{{unsubscribe_url}}", "https://www.hollerbusch.example/"),
        ("unsubscribe", "html", "</body>", '<a href="{{unsubscribe_url}}">x</a></body>'),
        ("unsubscribe", "text", "{{unsubscribe_url}}", ""),
        ("unresolved", "html", "Hallo", "{{ greeting }}"),
        ("unresolved", "text", "Hallo", "*|FNAME|*"),
        ("unresolved", "subject", "Noch", "{% x %}"),
        ("hole", "html", "Hallo Jürgen", "Hallo None"),
        ("hole", "text", "Hallo Jürgen", "Hallo nan"),
        ("subject", "subject", "Noch", "Noch" * 20),
        ("subject", "subject", "Noch im", "Noch\r\nBcc: x"),
        ("preheader", "preheader", "Falls es doch nicht das Richtige war, kommen diese", "Kurz"),
        ("preheader", "preheader", "Falls", "Falls" * 30),
    ],
)
def test_a_seeded_defect_is_found(good: dict[str, str], rule: str, part: str, old: str, new: str) -> None:
    assert old in good[part]
    broken = {**good, part: good[part].replace(old, new, 1)}
    assert rule in {finding.rule for finding in lint_mail("mail", **broken)}


def test_the_good_mail_is_good_for_every_tools_tag(good: dict[str, str]) -> None:
    for tag in ("{{unsubscribe_url}}", "{% unsubscribe_link %}", "*|UNSUB|*"):
        mended: dict[str, Any] = {**good, "html": for_destination(good["html"], tag), "text": for_destination(good["text"], tag)}
        assert lint_mail("mail", **mended, unsubscribe_tag=tag) == []


@pytest.mark.parametrize(
    ("line", "message"), [("<mj-carousel></mj-carousel>", "mj-carousel"), ('<mj-text colour="red">x</mj-text>', "colour")]
)
def test_an_unknown_tag_or_attribute_is_found_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "block.mjml.j2").write_text(f"{{% if a\n > b %}}\n<mj-section>\n{line}\n</mj-section>\n")
    (finding,) = lint_templates(tmp_path)
    assert message in finding.message and finding.where.endswith(":4")


def test_colours_that_cannot_be_read_are_found() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    pale = BRAND.model_copy(
        update={"colours": BRAND.colours.model_copy(update={"light": BRAND.colours.light.model_copy(update={"muted": "#AAAAAA"})})}
    )
    assert {re.findall(r"(\w+) on", finding.message)[0] for finding in lint_brand(pale)} == {"muted"}
