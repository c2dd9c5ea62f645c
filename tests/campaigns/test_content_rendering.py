"""Every shipped mail, for a customer of whom everything and one of whom nothing is known."""

import difflib
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest
from content_samples import NOBODY, PRODUCTS, SITE, campaign, every_mail, known_customer, mail

from dagster_project.campaigns.content import CONTENT, for_destination, render
from dagster_project.campaigns.escaping import readable

GOLDEN = Path(__file__).parent / "golden"


def one(slug: str, step: str, row: dict, language: str = "de", variant: str = "a", fallback: list = PRODUCTS) -> dict:
    return render(mail(slug, step, variant, language), [row], fallback).to_pylist()[0]


@pytest.mark.parametrize(
    ("name", "slug", "step", "language", "row"),
    [
        ("cart_code_de", "cart_recovery", "code", "de", known_customer()),
        ("win_back_hello_en_nobody", "win_back", "hello", "en", NOBODY),
        ("new_arrivals_de", "new_arrivals_vip", "preview", "de", known_customer()),
    ],
)
def test_a_mail_reads_as_it_did_before(name: str, slug: str, step: str, language: str, row: dict) -> None:
    rendered = one(slug, step, row, language)
    shown = f"{rendered['subject']}\n{rendered['preheader']}\n\n{rendered['text']}"
    _same_as_golden(GOLDEN / f"{name}.txt", shown)
    if name == "cart_code_de":
        _same_as_golden(GOLDEN / f"{name}.html", rendered["html"].replace("><", ">\n<") + "\n")


def _same_as_golden(path: Path, now: str) -> None:
    # The id changes with every word and colour; what is compared is what one reads.
    now = re.sub(r"dearly_id=\w{16}", "dearly_id=CONTENT_ID", now)
    if not path.exists():
        path.write_text(now, encoding="utf-8")
        pytest.fail(f"{path.name} did not exist and was written; look at it and run again")
    before = path.read_text(encoding="utf-8")
    difference = "\n".join(difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "now", lineterm="", n=1))
    assert before == now, f"{path.name} changed (delete it and run again if that is meant):\n{difference}"


@pytest.mark.parametrize(("slug", "step", "variant", "language"), every_mail())
def test_every_mail_has_a_subject_and_preheader_of_the_right_length_for_everybody(
    slug: str, step: str, variant: str, language: str
) -> None:
    long_words = known_customer(
        first_name="Maximiliane-Alexandra Theodora", city="Llanfairpwllgwyngyll", favourite_category="x" * 60, membership_tier="y" * 30
    )
    for row in (
        known_customer(),
        NOBODY,
        long_words,
        known_customer(first_name=None, cart=None, offer=None),
        known_customer(recommendations=[]),
    ):
        rendered = one(slug, step, row, language, variant)
        assert 1 <= len(readable(rendered["subject"])) <= 60
        assert 40 <= len(readable(rendered["preheader"])) <= 110


@pytest.mark.parametrize(("slug", "step", "variant", "language"), every_mail())
def test_no_hole_is_left_whatever_is_missing(slug: str, step: str, variant: str, language: str) -> None:
    full = known_customer()
    rows = [
        NOBODY,
        full,
        *({**full, key: value} for key in full if key != "customer_id" for value in (None, "", float("nan"), [], {}, "None", "nan")),
    ]
    for rendered in render(mail(slug, step, variant, language), rows).to_pylist():
        spoken = " ".join(
            [
                rendered["subject"],
                rendered["preheader"],
                re.sub(r"<style.*?</style>|<[^>]*>", " ", rendered["html"], flags=re.DOTALL),
                rendered["text"],
            ]
        )
        assert not re.search(r"(?<!\w)(None|nan|NaN|null|undefined)(?!\w)", spoken)
        assert "{{" not in spoken.replace("{{unsubscribe_url}}", "") and "{%" not in spoken
        assert not re.search(r"\s[,.!?]|,,|\(\)|  \.", rendered["subject"] + rendered["preheader"])


def test_a_first_name_is_greeted_and_its_absence_is_not_noticed() -> None:
    assert "Hallo Jürgen," in one("win_back", "hello", known_customer())["html"]
    assert "Hallo," in one("win_back", "hello", NOBODY)["html"]
    assert "Hello Jürgen," in one("win_back", "hello", known_customer(), "en")["text"]
    assert "Hello," in one("win_back", "hello", NOBODY, "en")["text"]


def test_the_place_falls_back_from_city_to_region_to_country_to_none() -> None:
    def said(**changes: object) -> str:
        return one("win_back", "hello", known_customer(**changes), "en")["text"]

    assert "Greetings to Göttingen!" in said()
    assert "Greetings to Niedersachsen!" in said(city=None)
    assert "Greetings to Germany!" in said(city=None, region=None)
    assert "Greetings" not in said(city=None, region=None, country=None)


def test_what_is_said_depends_on_the_customers_fields() -> None:
    assert "Gold-Status" in one("win_back", "offer", known_customer())["text"]
    assert "Status" not in one("win_back", "offer", known_customer(membership_tier="silver"))["text"]


def test_without_recommendations_trending_products_are_shown_and_without_those_no_block() -> None:
    trending = one("win_back", "hello", NOBODY)
    assert [product["reason_code"] for product in json.loads(trending["merge_data"])["products"]] == ["trending"] * 4
    assert 'data-content="products"' in trending["html"]
    bare = one("win_back", "hello", NOBODY, fallback=[])
    assert 'data-content="products"' not in bare["html"] and "ausgesucht" not in bare["text"].split("Hallo,")[1]


def test_without_a_code_nothing_speaks_of_one() -> None:
    for slug, step in (("win_back", "offer"), ("cart_recovery", "code")):
        rendered = one(slug, step, known_customer(offer=None))
        spoken = [rendered["subject"], rendered["preheader"], *(line for line in rendered["text"].splitlines() if "https://" not in line)]
        assert not [line for line in spoken if "%" in line or re.search(r"\bcode\b", line, re.IGNORECASE)]
        assert 'data-content="offer"' not in rendered["html"]


def test_a_product_in_the_cart_is_not_recommended_beside_it() -> None:
    shown = json.loads(one("cart_recovery", "similar", known_customer())["merge_data"])
    assert not {line["product_id"] for line in shown["cart"]["lines"]} & {product["product_id"] for product in shown["products"]}


def test_money_and_dates_are_written_as_the_language_writes_them() -> None:
    german, english = (one("cart_recovery", "code", known_customer(), language)["text"] for language in ("de", "en"))
    assert "82,50\u00a0€" in german and "28. März 2026" in german
    assert "€82.50" in english and "28 March 2026" in english


@pytest.mark.parametrize(
    ("language", "says"),
    [("de", r"\bneu\b|Neu|Frisch|angekommen|eingetroffen|Ersten"), ("en", r"(?i)\bnew\b|just (in|come|arrived|unpacked)|first")],
)
def test_only_a_mail_with_something_new_says_so(language: str, says: str) -> None:
    def spoken(row: dict) -> str:
        rendered = one("new_arrivals_vip", "preview", row, language, fallback=[])
        lines = [rendered["subject"], rendered["preheader"], *rendered["text"].split("\n--\n")[0].splitlines()]
        return "\n".join(line for line in lines if "https://" not in line and "·" not in line)

    old = [{**product, "reason": "new_for_you"} for product in PRODUCTS]
    for row in (
        NOBODY,
        known_customer(recommendations=old),
        known_customer(recommendations=[]),
        known_customer(membership_tier=None, recommendations=old),
    ):
        assert not re.search(says, spoken(row)), spoken(row)
    tea = [{**PRODUCTS[2], "reason": "new"}, PRODUCTS[0]]
    # It is of another category than the one they like most.
    assert re.search(says, spoken(known_customer(recommendations=tea)))
    assert "Kaffee" not in spoken(known_customer(recommendations=tea)).split("Darjeeling")[0] and "Darjeeling" in spoken(
        known_customer(recommendations=tea)
    )


@pytest.mark.parametrize(("language", "says"), [("de", "Alternativen|kommen diese|kommen nah"), ("en", "alternatives|come close")])
def test_a_cart_mail_without_alternatives_speaks_of_none(language: str, says: str) -> None:
    def spoken(products: list) -> str:
        rendered = one("cart_recovery", "similar", known_customer(recommendations=products), language, fallback=[])
        return rendered["subject"] + rendered["preheader"] + rendered["text"]

    assert re.search(says, spoken(PRODUCTS[:4])) and not re.search(says, spoken([]))


@pytest.mark.parametrize(("language", "agreed", "bought"), [("de", "zugestimmt", "gekauft"), ("en", "agreed", "bought")])
def test_the_footer_says_what_permits_the_mail(language: str, agreed: str, bought: str) -> None:
    def reason(**permission: str) -> str:
        return one("win_back", "hello", known_customer(**permission), language)["text"].split("\n--\n")[1]

    assert agreed in reason() and agreed in reason(permission="consent") and bought not in reason()
    assert bought in reason(permission="purchase") and agreed not in reason(permission="purchase")


def test_a_currency_without_a_symbol_is_written_by_its_code_where_the_language_has_its_symbols() -> None:
    def said(currency: object, language: str) -> str | None:
        return mail("cart_recovery", "code", language=language).language.amount("1234.5", currency)  # type: ignore[arg-type]

    for currency in ("JPY", "NOK", "CHF"):
        assert said(currency, "de") == f"1.234,50\u00a0{currency}" and said(currency, "en") == f"{currency}\u00a01,234.50"
    assert (said("EUR", "de"), said("EUR", "en")) == ("1.234,50\u00a0€", "€1,234.50")
    assert {said(currency, "en") for currency in ("jpy", "<b>", "EURO", "", None, 978)} == {None}


def test_every_block_is_marked_in_the_html() -> None:
    for slug, step in (("cart_recovery", "code"), ("cart_recovery", "similar"), ("win_back", "offer")):
        html = one(slug, step, known_customer())["html"]
        assert re.findall(r'data-content="(\w+)"', html) == list(campaign(slug).blocks_of(step, "a"))


def test_every_link_carries_campaign_step_variant_block_and_content_id() -> None:
    rendered = one("cart_recovery", "similar", known_customer())
    blocks = set()
    for address in re.findall(r'href="([^"]+)"', rendered["html"]):
        if address == "{{unsubscribe_url}}" or "/instagram" in address or "/journal" in address:
            continue
        query = parse_qs(urlsplit(address.replace("&amp;", "&")).query)
        assert query["utm_campaign"] == ["cart_recovery"] and query["dearly_id"] == [rendered["content_id"]]
        step, variant, block, *_ = query["utm_content"][0].split(".")
        assert (step, variant) == ("similar", "a")
        blocks.add(block)
    assert blocks == {"header", "cart", "call_to_action", "products", "footer"}
    assert f"{SITE}/cart/recover?token=abc&amp;utm_source=dearly" in rendered["html"]


def test_the_same_rows_give_the_same_bytes_and_another_row_another_id() -> None:
    rows = [known_customer(customer_id=f"c{number}") for number in range(5)]
    first, second = (render(mail("win_back", "hello"), rows) for _ in range(2))
    assert first.equals(second)
    assert len(set(first["content_id"].to_pylist())) == 5
    assert first.schema.equals(CONTENT)


def test_rows_may_come_as_a_table() -> None:
    rows = [known_customer(customer_id=f"c{number}") for number in range(5)]
    whole = render(mail("win_back", "hello"), rows)
    assert render(mail("win_back", "hello"), pa.Table.from_pylist(rows)).equals(whole)


def test_each_tool_gets_its_own_unsubscribe_tag_exactly_once() -> None:
    rendered = one("win_back", "hello", known_customer())
    for tag in ("{% unsubscribe_link %}", "*|UNSUB|*", "{{unsubscribe_url}}"):
        for part in ("html", "text"):
            assert for_destination(rendered[part], tag).count(tag) == 1


def test_a_language_that_a_campaign_lacks_gets_its_first() -> None:
    assert [campaign("win_back").language_for(code) for code in ("de", "de-AT", "DE_CH", "fr", None, "")] == [
        "de",
        "de",
        "de",
        "en",
        "en",
        "en",
    ]


def test_a_number_is_no_name_of_a_product_or_a_category() -> None:
    numbered = {**PRODUCTS[0], "product_id": "5704130", "title": "5704130", "reason": "for_you"}
    named = {**PRODUCTS[1], "product_id": "1984", "title": "1984, a novel", "reason": "for_you"}
    coded = {**PRODUCTS[2], "product_id": "SKU-85123A", "title": "SKU-85123A", "reason": "for_you"}
    # A shop that knows its products by their names alone.
    only_named = {**PRODUCTS[2], "product_id": "Blue Shirt", "title": "Blue Shirt", "reason": "for_you"}
    row = known_customer(recommendations=[numbered, coded, named, only_named], favourite_category="1487580004974854987")
    rendered = one("win_back", "hello", row, "en")
    said = rendered["subject"] + rendered["preheader"] + rendered["text"]
    assert "5704130" not in said and "85123A" not in said and "1487580004974854987" not in said
    assert "1984, a novel" in said and "Blue Shirt" in said
