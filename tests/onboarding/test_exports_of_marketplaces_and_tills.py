"""What the exports of Etsy and of Square call their columns."""

from pathlib import Path

from dagster_project.onboarding.shops import draft_shop


def test_lines_with_a_transaction_each_belong_to_their_order(tmp_path: Path) -> None:
    rows = [f"01/{1 + n % 28:02d}/24,buyer{n % 20},1,12.50,{9000 + n},{500 + n // 3},MUG-{n % 7}" for n in range(90)]
    (tmp_path / "items.csv").write_text("Sale Date,Buyer,Quantity,Price,Transaction ID,Order ID,SKU\n" + "\n".join(rows) + "\n")
    columns = draft_shop(tmp_path / "shop", tmp_path / "items.csv").shop.sources["sales"].columns["lines"]
    assert "Order ID" in str(columns["order_id"])


def till(folder: Path) -> Path:
    (folder / "till").mkdir()
    lines = [f"01/{1 + n % 28:02d}/2025,Mug {n % 7},1.0,M{n % 7},$12.50,-$2.50,$10.00,T{n // 2},CUS{n % 20}" for n in range(90)]
    header = "Date,Item,Qty,SKU,Gross Sales,Discounts,Net Sales,Transaction ID,Customer ID"
    (folder / "till" / "items.csv").write_text("\n".join([header, *lines]) + "\n")
    people = [f"CUS{n},Ann,Ash{n},ann{n}@example.org,{('subscribed', 'unsubscribed', 'unknown')[n % 3]}" for n in range(20)]
    header = "Square Customer ID,First Name,Last Name,Email Address,Email Subscription Status"
    (folder / "till" / "customers.csv").write_text("\n".join([header, *people]) + "\n")
    return folder / "till"


def test_net_sales_are_what_a_till_took_after_discounts(tmp_path: Path) -> None:
    columns = draft_shop(tmp_path / "shop", till(tmp_path)).shop.sources["sales"].columns["lines"]
    assert "Net Sales" in str(columns["line_amount"])
    assert not {"discount_amount", "order_discount_amount"} & set(columns)


def test_a_tills_own_number_of_a_customer_and_their_subscription_are_read(tmp_path: Path) -> None:
    columns = draft_shop(tmp_path / "shop", till(tmp_path)).shop.sources["sales"].columns["customers"]
    assert "Square Customer ID" in str(columns["customer_id"])
    assert "Email Subscription Status" in str(columns["accepts_marketing"])
