"""What a shop says in two places, or once more on another night, counts once, and what it no longer says does not come back."""

import csv
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.onboarding.shops import draft_shop
from dagster_project.shop import Shop, load_shop

START = datetime(2024, 5, 1, 8)
LINES = "order id|email|order date|sku|quantity|unit price|status|refunded amount"
GIVEN_BACK = """
    select left(return_id, 3), kind, net_amount
    from staging.stg_sales__returns
    qualify row_number() over (partition by return_id order by version_at desc, known_at desc) = 1 and kind is not null
    order by return_id
"""


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split("|"), *rows])


def write_night(shop: Shop, table: str, header: str, rows: list[list[object]], night: int = 2) -> None:
    write(shop.folder / "extracts" / "sales" / table / f"{table}_202406{night:02d}T050000Z.csv", header, rows)


def lines(first: list[list[object]]) -> list[list[object]]:
    """Two lines of 50 an order; `first` says pieces, status and refund of each line of the order 100, the others are paid."""
    others = [[1, "paid", ""], [1, "paid", ""]]
    # Somebody else's refund, so that the column says something.
    others_refund = [[1, "paid", 5], [1, "paid", 5]]
    return [
        [100 + n, f"a{n % 9}@example.org", START + timedelta(hours=n), f"S{n % 3}{'AB'[place]}", pieces, 50, status, refund]
        for n in range(60)
        for place, (pieces, status, refund) in enumerate(first if n == 0 else others_refund if n == 1 else others)
    ]


REFUNDED = [[1, "refunded", 50], [1, "paid", 50]]
OTHERS = [("101", "refund", 2.5), ("101", "refund", 2.5)]


def draft(folder: Path, first: list[list[object]]) -> Shop:
    write(folder / "in" / "lines.csv", LINES, lines(first))
    shop = draft_shop(folder / "shop", folder / "in").shop
    assert {"status", "refunded_amount"} <= set(shop.sources["sales"].columns["lines"])
    return shop


def test_what_a_line_gave_back_is_no_refund_of_its_order_once_more(tmp_path: Path, staged: Callable) -> None:
    rows = staged(draft(tmp_path, REFUNDED), ["path:models/staging/sales"]).rows
    assert rows(GIVEN_BACK) == [("100", "cancellation", 50), *OTHERS]


def test_a_refund_beyond_what_its_lines_gave_back_is_shared_by_the_others(tmp_path: Path, staged: Callable) -> None:
    rows = staged(draft(tmp_path, [[1, "refunded", 70], [1, "paid", 70]]), ["path:models/staging/sales"]).rows
    assert rows(GIVEN_BACK) == [("100", "cancellation", 50), ("100", "refund", 20), *OTHERS]


@pytest.mark.parametrize("before", ["", 20], ids=["sold", "refunded in part"])
def test_a_line_that_is_given_back_later_takes_its_part_of_the_refund(before: object, tmp_path: Path, staged: Callable) -> None:
    shop = draft(tmp_path, [[1, "paid", before], [1, "paid", before]])
    write_night(shop, "lines", LINES, lines(REFUNDED)[:2])
    rows = staged(shop, ["path:models/staging/sales"]).rows
    assert rows(GIVEN_BACK) == [("100", "cancellation", 50), *OTHERS]


def test_a_line_of_minus_pieces_takes_its_part_of_the_refund(tmp_path: Path, staged: Callable) -> None:
    rows = staged(draft(tmp_path, [[1, "paid", 50], [-1, "paid", 50]]), ["path:models/staging/sales"]).rows
    assert rows(GIVEN_BACK) == [("100", "return", 50), *OTHERS]


@pytest.mark.parametrize("night", [1, 3], ids=["from the first night", "from a later one"])
def test_rows_of_returns_go_before_what_the_order_says(night: int, tmp_path: Path, staged: Callable) -> None:
    shop = draft(tmp_path, [[1, "paid", 50], [1, "paid", 50]])
    yaml = (shop.folder / "shop.yaml").read_text()
    named = "returns: {order_id: order id, product_id: sku, return_amount: amount, returned_at: returned at}"
    (shop.folder / "shop.yaml").write_text(yaml.replace("      lines:\n", f"      {named}\n      lines:\n", 1))
    before = staged(load_shop(shop.folder), ["path:models/staging/sales"]).rows(GIVEN_BACK)
    assert before == [("100", "refund", 25), ("100", "refund", 25), *OTHERS]
    first = next((shop.folder / "extracts" / "sales" / "lines").iterdir()).stem.rpartition("_")[2]
    returned = [[100, "S0A", 50, START + timedelta(days=3)]]
    header = "order id|sku|amount|returned at"
    if night == 1:
        write(shop.folder / "extracts" / "sales" / "returns" / f"returns_{first}.csv", header, returned)
    else:
        write_night(shop, "returns", header, returned, night)
    rows = staged(load_shop(shop.folder), ["path:models/staging/sales"], store="later").rows
    assert rows(GIVEN_BACK) == [("100", "refund", 50), *OTHERS]
    # What was known before stays as it was.
    assert (rows("select count(*) from staging.stg_sales__returns where return_id like '100%' and net_amount = 25") == [(2,)]) == (
        night == 3
    )
