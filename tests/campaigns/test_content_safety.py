"""Customer text is data: it is shown as it is, and never runs, neither here nor in the tool that sends."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from content_samples import BRAND, PRODUCTS, SITE, known_customer, mail
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dagster_project.campaigns.content import render
from dagster_project.campaigns.escaping import clean, guard, person_name, readable, spreadsheet_cell
from dagster_project.campaigns.links import safe_url, tracked

NAUGHTY: list[str] = json.loads((Path(__file__).parents[1] / "data" / "naughty_strings.json").read_text(encoding="utf-8"))

INJECTIONS = [
    "{{7*7}} x",
    "{{ config }} x",
    "{{''.__class__.__mro__}} x",
    "{% if 1 %}x{% endif %}",
    "{%for a in b%}x",
    "{# x #}",
    "{{{person.email}}} x",
    "{{ person|lookup:'email' }} x",
    "${7*7} x",
    "#{7*7} x",
    "<%= 7*7 %> x",
    "[[7*7]] x",
    "[% 7*7 %] x",
    "*|FNAME|* x",
    "*|IF:X|*x*|END:IF|*",
    "%%emailaddr%% x",
    "%%=Lookup('a','b')=%% x",
    "%%[ set @a = 1 ]%% x",
    "%FIRSTNAME% x",
    "{contactfield=email} x",
    "[unsubscribe] x",
    "$!{x} x",
    "#set($a=1) x",
    "#if(1)x#end",
    "{% connected_content https://evil.example %} x",
    "{{unsubscribe_url}} x",
    "{{{{raw}}}} x",
    "{ {7*7} } x",
    "{%% x %%}",
    "x {",
    "} x",
    "x %",
    "x {%",
    "%} x",
    "x *",
    "| x",
    "<script>alert(1)</script>",
    '"><img src=q onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)//x",
    "</style><style>*{display:none}</style>",
    "]]></noscript><script>x</script>",
    "<!--x-->",
    "--><b>x</b><!--",
]

# Together they hold every block.
HARDEST = (mail("cart_recovery", "similar"), mail("win_back", "offer", language="en"))

# What opens and closes a tag in the tools' languages.
TOOLS = {
    "liquid, django, hubl": ("{{", "}}", "{%", "%}", "{#", "#}"),
    "handlebars": ("{{", "}}", "{{#", "}}", "{{!", "}}"),
    "mailchimp": ("*|", "|*", "*|IF:", "|*", "*|HTML:", "|*!"),
    "ampscript": ("%%", "%%", "%%[", "]%%", "%%=", "=%%"),
    "erb, sendgrid": ("<%=", "%>", "<%", "%>", "<%#", "%>"),
    "iterable": ("[[", "]]", "[%", "%]", "[#", "#]"),
    "freemarker": ("${", "}", "<#", ">", "<@", ">"),
    "velocity": ("$!{", "}", "#set(", ")", "##", "\n"),
    "mautic": ("{contactfield=", "}", "{webview", "}", "{unsubscribe", "}"),
}


def customer_saying(text: str) -> dict:
    """A customer whose every field holds the text."""
    product = {**PRODUCTS[0], "title": text, "category": text, "reason": text}
    products = [
        {**product, "product_id": f"{number}{text}", "url": f"/p/{text}?q={text}", "image_url": f"/i/{text}"} for number in range(4)
    ]
    return {
        **{key: text for key in ("first_name", "country", "region", "city", "membership_tier", "favourite_category")},
        "customer_id": "c1",
        "recommendations": products,
        "cart": {"items": products[:2], "url": text, "total": text, "currency": text},
        "offer": {"code": text, "percent": text, "valid_until": text},
    }


class Skeleton(HTMLParser):
    """The elements of a page with their attributes' names, and every address scheme."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[tuple[str, tuple[str, ...]]] = set()
        self.schemes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add((tag, tuple(sorted(name for name, _ in attrs))))
        self.schemes |= {(value or "").split(":")[0] for name, value in attrs if name in ("href", "src", "action", "background")}


@pytest.fixture(scope="module")
def harmless() -> dict[int, Skeleton]:
    """The pages of customers without anything special: all elements that may ever be there."""
    pictured, unpictured = (
        known_customer(),
        known_customer(
            recommendations=[{**p, "image_url": None} for p in PRODUCTS], cart={"items": [{**p, "image_url": None} for p in PRODUCTS]}
        ),
    )
    return {id(compiled): Skeleton("".join(render(compiled, [pictured, unpictured])["html"].to_pylist())) for compiled in HARDEST}


def test_no_text_adds_an_element_an_attribute_or_a_scheme_to_any_mail(harmless: dict[int, Skeleton]) -> None:
    rows = [customer_saying(text) for text in [*NAUGHTY, *INJECTIONS]]
    for compiled in HARDEST:
        for rendered in render(compiled, rows).to_pylist():
            page = Skeleton(rendered["html"])
            assert page.elements <= harmless[id(compiled)].elements, rendered["subject"]
            assert page.schemes <= {"https", "{{unsubscribe_url}}"}


def test_no_text_brings_a_line_break_into_subject_or_preheader() -> None:
    rows = [
        customer_saying(text)
        for text in [*NAUGHTY, "Eve\r\nBcc: all@example.com", "Eve\nX: y", "Eve\u2028X", "Eve\x0bX", "Eve\x00", "Eve\x85X"]
    ]
    for rendered in render(mail("win_back", "hello"), rows).to_pylist():
        for line in (rendered["subject"], rendered["preheader"]):
            assert line.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)
            assert len(line.splitlines()) == 1
            line.encode("utf-8")


@pytest.mark.parametrize("tool", TOOLS)
def test_no_text_opens_or_closes_a_tag_of_any_tools_language(tool: str) -> None:
    signs = TOOLS[tool]
    rows = [customer_saying(text) for text in [*INJECTIONS, *NAUGHTY]]
    for rendered in render(mail("cart_recovery", "similar"), rows).to_pylist():
        ours = rendered["text"].replace("{{unsubscribe_url}}", "")
        body = re.sub(r"<style.*?</style>|<!--.*?-->", "", rendered["html"], flags=re.DOTALL).replace("{{unsubscribe_url}}", "")
        # Markup of our own holds < and >; what stands between them does not.
        visible = re.sub(r"<[^>]*>", " ", body)
        for spoken in (rendered["subject"], rendered["preheader"], ours, visible):
            assert not any(sign in spoken for sign in signs if len(sign) > 1), (tool, spoken[:200])


def test_every_tools_signs_are_among_the_injections() -> None:
    for tool, signs in TOOLS.items():
        assert any(sign in text for sign in signs for text in INJECTIONS), tool


def test_a_second_rendering_evaluates_nothing() -> None:
    rows = [customer_saying(text) for text in INJECTIONS]
    calm = Environment(autoescape=False)
    for rendered in render(mail("cart_recovery", "similar"), rows).to_pylist():
        for part in ("subject", "preheader", "html", "text"):
            assert calm.from_string(rendered[part]).render(unsubscribe_url="{{unsubscribe_url}}").strip() == rendered[part].strip()


def test_a_second_rendering_of_unguarded_text_would_evaluate_it() -> None:
    assert ImmutableSandboxedEnvironment().from_string("{{7*7}}").render() == "49"


@pytest.mark.parametrize("text", [text for text in INJECTIONS if "://" not in text])
def test_guarded_text_reads_as_it_was_written(text: str) -> None:
    assert readable(clean(text) or "") == text
    assert readable(render(mail("win_back", "hello"), [customer_saying(text)])["text"][0].as_py()).count(text) >= 4


def test_ordinary_text_is_not_touched() -> None:
    for text in ("100 % Arabica, 500 g", "50% off.", "Müller & Söhne", "O'Hara", "C# for cats", "5 * 3", "a | b", "Größe 42", "李小龍"):
        assert clean(text) == text


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(alphabet="{}%*|[]<>$# ab\u200c", max_size=12), min_size=1, max_size=3))
def test_no_pieces_put_together_make_a_tag(pieces: list[str]) -> None:
    whole = "".join(guard(piece) for piece in pieces)
    assert not re.search(r"\{\{|\}\}|\{[%#]|[%#]\}|\*\||\|\*|%%|\[\[|\]\]|<%|%>|\$\{|#\{", whole)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    if once:
        assert once.encode("utf-8").decode("utf-8") == once and len(once.splitlines()) == 1


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "-",
        "null",
        "None",
        "NaN",
        "12345",
        "!!!",
        "http://evil.example",
        "eve@evil.example",
        "Win at www.evil.example",
        "x" * 41,
        7,
        None,
        float("nan"),
        ["a"],
    ],
)
def test_what_is_no_name_is_not_greeted(name: object) -> None:
    assert person_name(name) is None


@pytest.mark.parametrize("name", ["Nan", "Nulla", "Seán", "O'Hara", "Jean-Luc", "李", "Ğülşen", "D.J."])
def test_what_is_a_name_is(name: str) -> None:
    assert person_name(name) == name


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "http://www.hollerbusch.example/",
        "//evil.example/x",
        "https://evil.example/?u=https://www.hollerbusch.example/",
        "https://www.hollerbusch.example@evil.example/",
        "https://hollerbusch.example.evil.example/",
        "https://xhollerbusch.example/",
        "https://www.hollеrbusch.example/",
        "https://www.hollerbusch.example:8443/",
        "ftp://www.hollerbusch.example/",
        "https://[::1]/",
        "",
        "   ",
        None,
        7,
        "https://www.hollerbusch.example/" + "a" * 2000,
    ],
)
def test_an_address_that_leads_elsewhere_is_refused(address: object) -> None:
    assert safe_url(address, BRAND.hosts, BRAND.urls.home) is None  # type: ignore[arg-type]


def test_a_product_with_a_bad_address_leads_to_the_shop_and_shows_no_picture() -> None:
    row = known_customer(
        recommendations=[{**product, "url": "javascript:alert(1)", "image_url": "https://evil.example/x.gif"} for product in PRODUCTS]
    )
    html = render(mail("win_back", "hello"), [row])["html"][0].as_py()
    assert "javascript" not in html and "evil" not in html and "<img" not in html
    assert html.count(f'href="{SITE}/?utm_source') == 4


def test_signs_in_an_address_are_encoded_and_its_own_tracking_replaced() -> None:
    address = safe_url(f'{SITE}/a b/{{{{7}}}}?q="x"&utm_source=evil&c=%%x%%#t', BRAND.hosts, BRAND.urls.home)
    assert address == f"{SITE}/a%20b/%7B%7B7%7D%7D?q=%22x%22&utm_source=evil&c=%25%25x%25%25"
    assert (
        tracked(address, "utm_source=dearly", "s.v.b", "id1")
        == f"{SITE}/a%20b/%7B%7B7%7D%7D?q=%22x%22&c=%25%25x%25%25&utm_source=dearly&utm_content=s.v.b&dearly_id=id1"
    )


def test_a_formula_is_text_in_a_persons_spreadsheet() -> None:
    assert [spreadsheet_cell(text) for text in ("=1+1", "+49", "-2", "@SUM(A1)", " =1", "＝1")] == [
        "'=1+1",
        "'+49",
        "'-2",
        "'@SUM(A1)",
        "' =1",
        "'＝1",
    ]
    assert [spreadsheet_cell(text) for text in ("", "Anna", "1=1")] == ["", "Anna", "1=1"]
