"""What the numbers of a sale are: pieces, the price of one, a line's amount or an order's; told by whether they multiply and repeat."""

import re

import duckdb

from dagster_project.onboarding import values
from dagster_project.onboarding.headers import meaning_of, plain_words
from dagster_project.onboarding.roles import Part, Reading
from dagster_project.onboarding.samples import Sample, quoted, words_of
from dagster_project.sources.reading.formats import FORMATS

SHIPPING = r"\b(shipping|freight|delivery|postage|versand\w*|porto|livraison|port|envio|frete|spedizione|verzend\w*)\b"
COSTS = r"\b(amount|cost|costs|total|fee|charge|charges|handling|price|kosten|\w+kosten|frais|gastos|costo|valor)\b"


def doubt_totals(orders: Reading) -> None:
    """What an order's total may hold that is no revenue, and products that stand side by side, where a table of orders has no lines."""
    total = orders.parts.get("total_amount")
    shipping = [
        header for header in orders.sample.headers if re.search(SHIPPING, plain_words(header)) and re.search(COSTS, plain_words(header))
    ]
    if total and shipping and not re.search(r"\b(sub ?total|net)\b", meaning_of(total.header)):
        orders.doubts.append(
            f"{total.header} may hold {shipping[0]}, and revenue is meant without shipping: name a column that is, if there is one"
        )
    unused = [header for header in orders.sample.headers if header not in {part.header for part in orders.parts.values()}]
    numbered = [header for header in unused if re.search(r"\b(product|item|sku|article)\b.*\b1\b", words_of(header))]
    if numbered:
        orders.doubts.append(
            f"{', '.join(numbered[:3])} and the like name products side by side: they are left out; export one row per order line to have products"
        )


def doubt_prices(reading: Reading) -> None:
    if not {"unit_price", "line_amount"} & set(reading.parts):
        reading.doubts.append(
            f"{reading.sample.name} says what was bought and not for how much: every order comes to 0, and nothing is said of money until a price is there"
        )


def tell_amounts_apart(connection: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    """Which number is pieces, which the price of one, and which the whole line's: by whether they multiply."""
    parts, sample = reading.parts, reading.sample
    if "quantity" not in parts:
        for header in sample.headers:
            if words_of(header) in ("amount", "amt", "count", "number") and are_pieces(connection, sample, header):
                parts["quantity"] = Part(header)
                if parts.get("line_amount") == Part(header):
                    del parts["line_amount"]
                reading.doubts.append(f"{header} holds small whole numbers: read as pieces")
    amount, price, quantity = parts.get("line_amount"), parts.get("unit_price"), parts.get("quantity")
    # What an order comes to stands on one of its lines only: it is no line's amount.
    if amount and price and values.said_share(connection, sample, amount.header) < 0.9:
        del parts["line_amount"]
        amount = None
    if amount and price and quantity:
        multiplied = share_multiplied(connection, sample, quantity, price, amount)
        if multiplied < 0.5 and is_of_orders(connection, reading, amount):
            del parts["line_amount"]
            reading.doubts.append(
                f"{amount.header} is the same on all lines of an order: its total, not a line's; a line comes to {quantity.header} times {price.header}"
            )
        elif multiplied < 0.5:
            reading.doubts.append(
                f"{amount.header} is {quantity.header} times {price.header} on {multiplied:.0%} of the lines only; it counts as what the line comes to"
            )
        elif is_before_discount(connection, reading, quantity, price, amount):
            del parts["line_amount"]
            reading.doubts.append(
                f"{amount.header} is {quantity.header} times {price.header} also where {parts['discount_amount'].header} takes something off: it is before the discount"
            )
    elif amount and not price and (discount := parts.get("discount_share") or parts.get("discount_amount")):
        reading.doubts.append(f"{amount.header} counts as what the line comes to, after {discount.header}")
    elif price and quantity and not amount and grows_with_pieces(connection, sample, quantity, price):
        parts["line_amount"] = parts.pop("unit_price")
        reading.doubts.append(
            f"{price.header} grows with {quantity.header}: it is read as what the line comes to, not as the price of one piece"
        )
    elif price and quantity and not amount:
        reading.doubts.append(f"{price.header} is read as the price of one piece: a line comes to {quantity.header} times {price.header}")


def take_once_an_order(connection: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    """A discount that one line of an order states for all of it, or that each of them repeats, is the order's."""
    discount, order = reading.parts.get("discount_amount"), reading.parts.get("order_id")
    if not discount or not order:
        return
    number = f"try_cast({FORMATS.get(discount.format or '', '{0}').format(quoted(discount.header))} as double)"
    row = connection.execute(
        f"select avg(case when stated = 1 or (stated = lines and amounts = 1) then 1.0 else 0.0 end) from (select count(*) as lines, "
        f"count({values.said(discount.header)}) as stated, count(distinct {number}) as amounts from {reading.sample.relation} "
        f"group by {quoted(order.header)} having count(*) > 1 and max(abs({number})) > 0)"
    ).fetchone()
    if row and row[0] is not None and row[0] >= 0.9:
        reading.parts["order_discount_amount"] = reading.parts.pop("discount_amount")
        reading.doubts.append(
            f"{discount.header} is said once an order, or the same on all of its lines: taken off the order once, not off each line"
        )


def take_cancelled_orders(connection: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    """A cancellation that stands on an order's first line, or on each, is the order's; on some of its lines it is theirs, as a deleted line's is."""
    cancelled, order = reading.parts.get("order_cancelled_at"), reading.parts.get("order_id")
    if not cancelled:
        return
    said, what = values.said(cancelled.header), "the whole order back"
    row = (
        order
        and connection.execute(
            f"select avg(case when first is not null and stated in (1, lines) then 1.0 else 0.0 end) from (select count(*) as lines, "
            f"count({said}) as stated, arg_min_null({said}, rowid) as first from {reading.sample.relation} "
            f"group by {quoted(order.header)} having count(*) > 1 and count({said}) > 0)"
        ).fetchone()
    )
    if not row or (row[0] is not None and row[0] < 0.9):
        del reading.parts["order_cancelled_at"]
        reading.parts.setdefault("deleted_at", cancelled)
        what = "its line back"
    reading.doubts.append(f"{cancelled.header} gives {what}, whatever else is said of it")


def doubt_refunds(reading: Reading) -> None:
    """What of an order was refunded is given back; pieces that are said without those that came back are so already."""
    refunded, quantity = reading.parts.get("refunded_amount"), reading.parts.get("quantity")
    if refunded and quantity and re.search(r"\b(refund|return)", words_of(quantity.header)):
        del reading.parts["refunded_amount"]
    elif refunded:
        reading.doubts.append(
            f"{refunded.header} is given back of an order that its status does not give back whole, at the order's own moment"
        )


def are_pieces(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> bool:
    number = f"try_cast({quoted(header)} as double)"
    row = connection.execute(
        f"select min(case when {number} % 1 = 0 then 1 else 0 end), median({number}) from {sample.relation}"
    ).fetchone()
    return bool(row and row[0] == 1 and row[1] <= 10)


def is_of_orders(connection: duckdb.DuckDBPyConnection, reading: Reading, amount: Part) -> bool:
    """Whether an amount is the same on all lines of an order, in orders of several lines, and not all over the table."""
    if "order_id" not in reading.parts:
        return False
    order, said = quoted(reading.parts["order_id"].header), quoted(amount.header)
    row = connection.execute(
        f"select avg(case when amounts = 1 then 1.0 else 0.0 end) from (select count(distinct {said}) as amounts "
        f"from {reading.sample.relation} group by {order} having count(*) > 1)"
    ).fetchone()
    return bool(row and row[0] is not None and row[0] >= 0.9)


def grows_with_pieces(connection: duckdb.DuckDBPyConnection, sample: Sample, quantity: Part, price: Part) -> bool:
    """Whether dividing a price by the pieces leaves far fewer different ones: then it is what the pieces come to together."""
    pieces, amount = (
        f"try_cast({FORMATS.get(part.format or '', '{0}').format(quoted(part.header))} as double)" for part in (quantity, price)
    )
    row = connection.execute(
        f"select count(distinct round({amount}, 2)), count(distinct round({amount} / nullif({pieces}, 0), 2)) from {sample.relation} where {pieces} > 0"
    ).fetchone()
    return bool(row and row[0] >= 4 and row[1] <= 0.6 * row[0])


def is_before_discount(connection: duckdb.DuckDBPyConnection, reading: Reading, quantity: Part, price: Part, amount: Part) -> bool:
    """Whether an amount is the pieces' full price also on lines that a discount is said of."""
    discount = reading.parts.get("discount_amount")
    if not discount:
        return False
    taken_off = f"try_cast({FORMATS.get(discount.format or '', '{0}').format(quoted(discount.header))} as double)"
    return share_multiplied(connection, reading.sample, quantity, price, amount, f"abs({taken_off}) > 0.01") >= 0.95


def share_multiplied(
    connection: duckdb.DuckDBPyConnection, sample: Sample, quantity: Part, price: Part, amount: Part, where: str = "true"
) -> float:
    numbers = [
        f"try_cast({FORMATS.get(part.format or '', '{0}').format(quoted(part.header))} as double)" for part in (quantity, price, amount)
    ]
    sql = f"select avg(case when abs({numbers[0]} * {numbers[1]} - {numbers[2]}) <= 0.02 * abs({numbers[2]}) + 0.01 then 1.0 else 0.0 end)"
    row = connection.execute(f"{sql} from {sample.relation} where {where}").fetchone()
    return float(row[0] or 0) if row else 0.0
