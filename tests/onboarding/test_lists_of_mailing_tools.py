"""A mailing tool's list beside a shop: read by address as who agreed, whatever the tool calls a no."""

from datetime import datetime, timedelta
from pathlib import Path

from newest_words import whose_newest_word_is

from dagster_project.onboarding.shops import draft_shop

START = datetime(2025, 1, 1)
BUYERS = 40


def address(number: int) -> str:
    return f"a{number}@example.org"


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(str(one) for one in row) for row in rows)]) + "\n")


def sold(folder: Path) -> None:
    """Everybody buys twice, and has said yes to the shop."""
    rows: list[list[object]] = [[n, n % BUYERS, (START + timedelta(hours=n)).isoformat(" "), f"P{n % 7}", 1, 9] for n in range(2 * BUYERS)]
    write(folder / "orders.csv", "order_id,customer_id,order_date,product_id,quantity,unit_price", rows)
    people = [[n, address(n), "yes", "2025-01-01 00:00:00"] for n in range(BUYERS)]
    write(folder / "customers.csv", "customer_id,email,accepts_marketing,created_at", people)


def test_a_suppression_is_a_no_beside_a_consent_and_its_words_say_why(tmp_path: Path, staged) -> None:
    """Klaviyo's export of a list."""
    sold(tmp_path / "in")
    said = ["SUBSCRIBED,,", "UNSUBSCRIBED,UNSUBSCRIBED,", "SUBSCRIBED,HARD_BOUNCE,", "SUBSCRIBED,USER_SUPPRESSED,"]
    header = "Email,Klaviyo ID,Email Marketing Consent,Email Suppressions,SMS Marketing Consent,Email Marketing Consent Timestamp"
    rows: list[list[object]] = [[address(n), f"01H{n}", said[n % 4] + "NEVER_SUBSCRIBED", "2025-01-02 10:00:00"] for n in range(BUYERS)]
    write(tmp_path / "in" / "list_export.csv", header, rows)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert {one.sample.name: one.kind for one in draft.layout.own}["list_export"] == "consents"
    assert whose_newest_word_is("withdrawn", staged(draft.shop, ["path:models/staging/sales"]).rows) == {
        address(n) for n in range(BUYERS) if n % 4
    }


def test_a_plain_status_of_contacts_that_says_unsubscribed_is_consent(tmp_path: Path, staged) -> None:
    """ActiveCampaign's contacts, which have no number."""
    sold(tmp_path / "in")
    said = ["active", "unsubscribed", "bounced", "active"]
    rows: list[list[object]] = [[address(n), "Ann", "2025-01-01 10:00", said[n % 4], ""] for n in range(BUYERS)]
    write(tmp_path / "in" / "contacts.csv", "Email,First Name,Date Created,Status,Tags", rows)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert {one.sample.name: one.kind for one in draft.layout.own}["contacts"] == "consents"
    assert whose_newest_word_is("withdrawn", staged(draft.shop, ["path:models/staging/sales"]).rows) == {
        address(n) for n in range(BUYERS) if n % 4 in (1, 2)
    }


def test_contacts_that_a_tool_numbers_are_who_agreed_beside_the_shops_own_customers(tmp_path: Path) -> None:
    sold(tmp_path / "in")
    rows: list[list[object]] = [[9000 + n, address(n), "unsubscribed" if n % 2 else "active"] for n in range(BUYERS)]
    write(tmp_path / "in" / "contacts.csv", "Contact ID,Email,Status", rows)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert {one.sample.name: one.kind for one in draft.layout.own}["contacts"] == "consents"
    assert any("contacts is read by address, as who agreed" in line for line in draft.review)


def test_the_status_of_an_account_or_of_an_order_is_no_consent(tmp_path: Path) -> None:
    sold(tmp_path / "in")
    people = [[n, address(n), "inactive" if n % 2 else "active"] for n in range(BUYERS)]
    write(tmp_path / "in" / "customers.csv", "customer_id,email,status", people)
    (customers,) = draft_shop(tmp_path / "shop", tmp_path / "in").layout.own_of("customers")
    assert "accepts_marketing" not in customers.parts
