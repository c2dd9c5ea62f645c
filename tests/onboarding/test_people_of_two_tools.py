"""A shop that sells with one tool and writes with another: whose number is whose, and who said no, by address."""

from datetime import datetime, timedelta
from pathlib import Path

from newest_words import whose_newest_word_is

from dagster_project.onboarding.shops import Draft, draft_shop
from dagster_project.sources.contract import load_system

START = datetime(2025, 1, 1)
MEMBERS, GUESTS = 40, 25


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header.replace("|", ";"), *(";".join(str(one) for one in row) for row in rows)]) + "\n")


def address(number: int) -> str:
    """Of whom the shop numbers so; beyond the members, a guest's."""
    return f"a{number}@example.org"


def sold(folder: Path) -> None:
    """WooCommerce's export: whoever has no account is number 0."""
    buyers = [*range(1, MEMBERS + GUESTS + 1)] * 2
    rows: list[list[object]] = [
        [n, n if buyer <= MEMBERS else 0, (START + timedelta(hours=n)).strftime("%d/%m/%Y %H:%M"), "Ann", address(buyer), f"P{n % 7}", 1, 9]
        for n, buyer in enumerate(buyers)
    ]
    for row, buyer in zip(rows, buyers, strict=True):
        row[1] = buyer if buyer <= MEMBERS else 0
    write(folder / "orders.csv", "Order ID|Customer User ID|Order Date|Billing First Name|Billing Email|SKU|Quantity|Item Cost", rows)


def contacts(folder: Path) -> set[str]:
    """Brevo's export, numbered by Brevo, of the buyers from the last to the first; who may be written to."""
    rows: list[list[object]] = []
    agreed = set()
    for number, buyer in enumerate(range(MEMBERS + GUESTS, 0, -1), 1):
        asked, confirmed, blacklisted = buyer % 5 != 0, buyer % 5 not in (0, 1), buyer % 7 == 0
        agreed |= {address(buyer)} if confirmed and not blacklisted else set()
        rows.append(
            [
                number,
                address(buyer),
                "Ann",
                "Yes" if asked else "No",
                "Oui" if confirmed else "Non",
                int(blacklisted),
                "2025-01-01 10:00:00",
            ]
        )
    write(folder / "contacts.csv", "CONTACT ID|EMAIL|PRENOM|OPT_IN|DOUBLE_OPT-IN|BLACKLISTED|MODIFIED_TIME", rows)
    return agreed


def test_who_said_no_to_another_tool_is_told_by_address_and_not_by_a_number_that_is_another_persons(tmp_path: Path, staged) -> None:
    sold(tmp_path / "in")
    agreed = contacts(tmp_path / "in")
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert {one.sample.name: one.kind for one in draft.layout.own} == {"orders": "lines", "contacts": "consents"}
    said = "\n".join(draft.review)
    assert "the same numbers have other addresses" in said and "OPT_IN may say who may be written to" in said
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert whose_newest_word_is("granted", rows) == agreed
    guests = rows("select count(distinct source_customer_id) from staging.stg_sales__orders where source_customer_id like 'guest:%'")
    assert guests == [(GUESTS,)], "whoever has no account would be one person"
    closed = draft.shop.moment(draft.shop.last_day).as_of.replace(tzinfo=None)
    late = "select count(*) from staging.stg_sales__consents where state = 'granted' and occurred_at >= ?".replace(
        "?", f"timestamp '{closed}'"
    )
    assert rows(late) == [(0,)], "nobody could be written to on the one day that there is"


def test_an_undated_yes_takes_back_no_refusal_that_has_a_date(tmp_path: Path, staged) -> None:
    sold(tmp_path / "in")
    write(tmp_path / "in" / "customers.csv", "id|email|accepts_marketing", [[n, address(n), "yes"] for n in range(1, MEMBERS + 1)])
    write(tmp_path / "in" / "unsubscribed.csv", "email|date", [[address(n), "2025-01-03 10:00:00"] for n in range(1, 9)])
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert whose_newest_word_is("granted", rows) == {address(n) for n in range(9, MEMBERS + 1)}


def test_the_day_somebody_came_to_a_list_is_not_the_day_they_said_no(tmp_path: Path, staged) -> None:
    """Whoever left the newsletter after they had bought with a yes came to it long before."""
    sold(tmp_path / "in")
    people = [[n, address(n), "yes", "2025-01-02 10:00:00"] for n in range(1, MEMBERS + 1)]
    write(tmp_path / "in" / "customers.csv", "id|email|accepts_marketing|created_at", people)
    listed = [[address(n), "2024-03-01 10:00:00", "unsubscribed" if n % 4 == 0 else "subscribed"] for n in range(1, MEMBERS + 1)]
    write(tmp_path / "in" / "newsletter_subscribers.csv", "email|created_at|status", listed)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert whose_newest_word_is("granted", rows) == {address(n) for n in range(1, MEMBERS + 1) if n % 4}
    dates = "select distinct cast(occurred_at as date) from staging.stg_sales__consents where state = 'granted' and evidence like 'Table%'"
    assert [str(day) for (day,) in rows(dates)] == ["2024-03-01"]


def test_the_days_of_a_log_are_those_of_its_answers(tmp_path: Path, staged) -> None:
    sold(tmp_path / "in")
    said = [
        [address(n), f"2025-01-0{day} 10:00:00", answer] for n in range(1, 9) for day, answer in ((2, "unsubscribed"), (5, "subscribed"))
    ]
    write(tmp_path / "in" / "consents.csv", "email|created_at|status", said)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert whose_newest_word_is("granted", rows) == {address(n) for n in range(1, 9)}


def test_a_mark_beside_a_yes_is_a_no_since_then(tmp_path: Path, staged) -> None:
    sold(tmp_path / "in")
    people = [[n, address(n), "yes", "" if n % 4 else "2025-01-04 08:00:00"] for n in range(1, MEMBERS + 1)]
    write(tmp_path / "in" / "customers.csv", "id|email|accepts_marketing|unsubscribed_at", people)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert whose_newest_word_is("granted", rows) == {address(n) for n in range(1, MEMBERS + 1) if n % 4}
    dates = "select distinct cast(occurred_at as date) from staging.stg_sales__consents where state = 'withdrawn'"
    assert [str(day) for (day,) in rows(dates)] == ["2025-01-04"]


def test_what_a_table_that_is_left_out_says_of_consent_is_told_and_nobody_is_assumed_to_agree(tmp_path: Path) -> None:
    sold(tmp_path / "in")
    write(tmp_path / "in" / "sendings.csv", "Campaign|Send_Date|Unsubscribe_Date", [[n, "2025-01-03", "2025-01-04"] for n in range(9)])
    draft: Draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert any("sendings is left out" in line and "Unsubscribe_Date may say" in line for line in draft.review)
    assert draft.shop.soft_opt_in is None


def test_a_tool_that_speaks_of_newsletters_alone_leaves_profiling_to_a_soft_opt_in(tmp_path: Path) -> None:
    sold(tmp_path / "in")
    headers = list(load_system("mailchimp").tables["members"].headers.values())
    said = {"status": "subscribed", "email_address": address(1), "_fivetran_deleted": "false"}
    members = [[said.get(header, "2025-01-01 10:00:00") if header != "id" else n for header in headers] for n in range(9)]
    write(tmp_path / "in" / "member.csv", "|".join(headers), members)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert [known.system for known in draft.layout.known] == ["mailchimp"]
    assert draft.shop.soft_opt_in and draft.shop.soft_opt_in.purposes == ("profiling",)
