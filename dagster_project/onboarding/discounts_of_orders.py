"""A discount that the table of orders states: taken off the lines where they are told before it."""

import duckdb

from dagster_project.onboarding import values
from dagster_project.onboarding.layout import Layout
from dagster_project.onboarding.roles import Part, Reading
from dagster_project.sources.reading.formats import FORMATS

# Of the orders with a discount so many come to less than their lines, where the lines are before it: shipping and tax only add.
TELLS = 0.3


def take_off_orders(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Keep an order's discount where its lines are before it, and leave it where they are after it or nothing tells."""
    for orders in [one for one in layout.own_of("orders") if "order_discount_amount" in one.parts]:
        discount = orders.parts.pop("order_discount_amount")
        lines = next(iter(layout.own_of("lines")), None)
        # What an order without lines comes to is after its discount.
        if not lines or {"discount_amount", "order_discount_amount", "discount_share"} & set(lines.parts):
            continue
        if (
            {"quantity", "unit_price"} <= set(lines.parts)
            and "total_amount" in orders.parts
            and are_before(connection, orders, lines, discount)
        ):
            # A line's amount is after all discounts: these are not.
            amount = lines.parts.pop("line_amount", None)
            orders.parts["order_discount_amount"] = discount
            orders.doubts.append(
                f"{discount.header} is taken off the lines of its order, which come to more without it than the order does"
                + (f"; {amount.header} is before it" if amount else "")
            )
        elif values.share(connection, orders.sample, discount.header, "try_cast(value as double) <> 0"):
            orders.doubts.append(f"{discount.header} of {orders.sample.name} is taken off nothing: the lines are read as after it")


def are_before(connection: duckdb.DuckDBPyConnection, orders: Reading, lines: Reading, discount: Part) -> bool:
    """Whether orders with a discount come to less than the pieces of their lines at their price."""
    pieces, price = (number(lines.parts[column]) for column in ("quantity", "unit_price"))
    row = connection.execute(
        f"select avg(case when {number(orders.parts['total_amount'])} < lines.amount - 0.01 then 1.0 else 0.0 end) "
        f"from {orders.sample.relation} as orders inner join (select {values.said(lines.parts['order_id'].header)} as number, "
        f"sum({pieces} * {price}) as amount from {lines.sample.relation} group by 1) as lines "
        f"on {values.said(orders.parts['order_id'].header)} = lines.number where abs({number(discount)}) > 0.01"
    ).fetchone()
    return bool(row and row[0] is not None and row[0] >= TELLS)


def number(part: Part) -> str:
    return f"try_cast({FORMATS.get(part.format or '', '{0}').format(values.said(part.header))} as double)"
