"""What a stranger's tables are: tables of a system that we know by its columns, or a shop's own tables in the parts of the `sales` system."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from dagster_project.campaigns.escaping import is_code
from dagster_project.onboarding import values
from dagster_project.onboarding.headers import meaning_of, plain_words
from dagster_project.onboarding.keys import categories_of, name_products
from dagster_project.onboarding.lakes import landed
from dagster_project.onboarding.roles import KINDS, NAMES, Part, Reading, cast_parts, is_called
from dagster_project.onboarding.samples import Sample, described, quoted, words_of
from dagster_project.sources.contract import System, Table
from dagster_project.sources.extracts import FORMATS

# Of a known table's columns at least so many are there, and so large a share.
KNOWN_COLUMNS, KNOWN_SHARE = 5, 0.75
UNIQUE = {"customers": "customer_id", "orders": "order_id"}
ITS_OWN = "sales"
NONE_OF_THESE = "neither orders, order lines, customers, products, returns, consents nor events"
BY_NAME = ("customers", "products", "returns", "consents")


@dataclass(frozen=True)
class Known:
    """A table of a system that has a source.yaml."""

    sample: Sample
    system: str
    table: str
    loader: str | None = None


@dataclass
class Layout:
    """A stranger's tables: those of known systems, those that are read as the shop's own, and those that are left out, with the reason."""

    known: list[Known] = field(default_factory=list)
    own: list[Reading] = field(default_factory=list)
    left_out: list[tuple[Sample, str]] = field(default_factory=list)

    def said_by_known(self) -> list[Reading]:
        """What tables of known systems say of the shop's place in columns that are called so."""
        said = {"currency": "currency", "country": "country", "country code": "country"}
        parts = [
            (known, {said[words]: Part(header) for header in known.sample.headers if (words := words_of(header)) in said})
            for known in self.known
        ]
        return [Reading(known.sample, known.table, stated) for known, stated in parts if stated]

    def own_of(self, kind: str) -> list[Reading]:
        return [reading for reading in self.own if reading.kind == kind]


class NothingToSell(ValueError):
    """No table says who bought what and when; the message says what was looked for."""


def lay_out(connection: duckdb.DuckDBPyConnection, samples: Sequence[Sample], systems: dict[str, System]) -> Layout:
    """Decide what each table is.

    Raises:
        NothingToSell: none says who bought and when.
    """
    layout = Layout(known=[Known(*found) for found in landed(samples, systems)])
    loaded = {known.sample.schema for known in layout.known}
    one_schema_a_system(layout)
    samples = name_products(connection, samples)
    for sample in samples:
        # What else a loader lands beside them is its own business.
        if loaded and sample.schema in loaded:
            continue
        known = known_as(sample, systems)
        reading = None if known else read_as(connection, sample, systems[ITS_OWN])
        if known:
            layout.known.append(known)
        elif reading:
            layout.own.append(reading)
            bought = purchases_among(connection, reading, systems[ITS_OWN]) if reading.kind == "events" else None
            layout.own += [bought] if bought else []
        else:
            layout.left_out.append((sample, NONE_OF_THESE))
    settle(connection, layout)
    in_one_schema(layout)
    name_categories(connection, layout)
    for orders in layout.own_of("orders") if not layout.own_of("lines") else []:
        doubt_totals(orders)
    doubt_names(connection, layout)
    sells = {"orders", "order_items", "receipts", "lines", "purchases", "order"}
    selling = [reading for reading in layout.own if reading.kind in ("lines", "purchases", "orders")]
    names_buyers = any("customer_id" in reading.parts or "email" in reading.parts for reading in selling)
    if not any(known.table in sells for known in layout.known) and not names_buyers:
        tables = "; ".join(f"{sample.name}: {what_lacks(connection, sample, systems[ITS_OWN])}" for sample in samples[:8])
        raise NothingToSell(
            f"No table says who bought what and when (a customer, a date, and an amount or a product). What they have: {tables}. "
            f"{since_before(samples)}Rename the headers so that they say it, or bring the table that does."
        )
    return layout


def name_categories(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """A table that was left out and names the categories that the products say by number is one of categories."""
    stated = [(one.sample, one.parts["category"].header) for one in layout.own_of("products") if "category" in one.parts]
    for products, header in stated:
        for sample, why in layout.left_out:
            parts = categories_of(connection, products, header, sample)
            if parts and sample.schema == products.schema and not layout.own_of("categories"):
                layout.own.append(Reading(sample, "categories", parts))
                layout.left_out.remove((sample, why))
                return


def one_schema_a_system(layout: Layout) -> None:
    """A loader may have landed a system twice, by its older API and by its newer: the schema that comes first counts."""
    first: dict[str, str | None] = {}
    for known in list(layout.known):
        if first.setdefault(known.system, known.sample.schema) != known.sample.schema:
            layout.known.remove(known)
            layout.left_out.append(
                (known.sample, f"{known.sample.schema}: {known.system}.{known.table} is taken from {first[known.system]}")
            )


def in_one_schema(layout: Layout) -> None:
    """A system's tables are pulled from one schema of a database: for the shop's own, the one that has the sales.

    Where a system that we know has the sales, what lies beside its tables is none of the shop's own: steps of its automations are no web events.
    """
    selling = next((reading for kind in ("lines", "purchases", "orders") for reading in layout.own_of(kind)), None)
    for reading in [one for one in layout.own if selling and one.sample.schema != selling.sample.schema]:
        layout.own.remove(reading)
        layout.left_out.append((reading.sample, f"the sales are in another schema, {selling.sample.schema if selling else ''}"))
    beside: dict[str | None, str] = {known.sample.schema: known.system for known in layout.known if known.sample.schema}
    for reading in [one for one in layout.own if not selling and one.sample.schema in beside]:
        layout.own.remove(reading)
        layout.left_out.append(
            (reading.sample, f"it lies beside the tables of {beside[reading.sample.schema]}, which speak for themselves")
        )


SHIPPING = r"\b(shipping|freight|delivery|postage|versand\w*|porto|livraison|port|envio|frete|spedizione|verzend\w*)\b"
COSTS = r"\b(amount|cost|costs|total|fee|charge|charges|handling|price|kosten|\w+kosten|frais|gastos|costo|valor)\b"
SAID = {
    "customer": ("customer_id", "email"),
    "date": ("ordered_at",),
    "order number": ("order_id",),
    "product": ("product_id", "product_name"),
}
SAID |= {"amount": ("line_amount", "unit_price", "total_amount")}


def since_before(samples: Sequence[Sample]) -> str:
    """A sentence on days that are counted from the order before, which date nothing."""
    found = [header for sample in samples for header in sample.headers if re.search(r"days? since", words_of(header))]
    return f"{found[0]} counts from the order before and dates none: add a column with the day of each order. " if found else ""


def what_lacks(connection: duckdb.DuckDBPyConnection, sample: Sample, own: System) -> str:
    """What a table says of a sale and what it does not, with its headers."""
    columns = sorted({column for kind in ("lines", "orders") for column in own.tables[kind].columns})
    parts = cast_parts(connection, sample, "lines", columns).parts
    found = [f"{what} ({parts[column].header})" for what, names in SAID.items() for column in names[:] if column in parts]
    lacks = [what for what, names in SAID.items() if not any(column in parts for column in names)]
    if len(lacks) > 3:
        return f"nothing of a sale ({', '.join(sample.headers[:6])})"
    return f"{', '.join(found)}, but no {' and no '.join(lacks)}" if lacks else ", ".join(found)


def known_as(sample: Sample, systems: dict[str, System]) -> Known | None:
    """The known table whose columns these are, by their names in its extracts."""
    headers = {header.lower() for header in sample.headers}
    best: tuple[float, Known] | None = None
    for name, system in systems.items():
        for table_name, table in system.tables.items():
            fit = fits(table, headers, sample.name) if name != ITS_OWN else 0.0
            # Of tables that fit alike, the one that bears its name.
            fit += 0.01 if fit and table_name.replace("_", " ") in sample.words else 0
            if fit and (best is None or fit > best[0]):
                best = (fit, Known(sample, name, table_name))
    return best[1] if best else None


def fits(table: Table, headers: set[str], name: str) -> float:
    """The share of a table's columns that are among the headers, all where a database calls it so too; 0 where it is another table."""
    asked = {header.lower(): table.columns[name] for name, header in table.headers.items() if not table.columns[name].number_within}
    found = [header for header in asked if header in headers]
    is_called_so = table.pull is not None and table.pull.table == name
    if len(found) < min(3 if is_called_so else KNOWN_COLUMNS, len(asked)) or any(
        column.required and header not in headers for header, column in asked.items()
    ):
        return 0.0
    share = 1.0 if is_called_so else len(found) / len(asked)
    return share if share >= KNOWN_SHARE and (is_called_so or len(asked) >= 4) else 0.0


def read_as(connection: duckdb.DuckDBPyConnection, sample: Sample, own: System) -> Reading | None:
    """The table as the kind that it has the columns of; None when it is of none."""
    found = []
    for kind in KINDS:
        reading = cast_parts(connection, sample, kind, list(own.tables[kind].columns))
        needed = KINDS[kind][1]
        # Products of orders, in a table that is called so, are bought without a number of pieces or a price too.
        needed = needed[:2] if kind == "lines" and is_called(sample, kind) else needed
        if all(any(column in reading.parts for column in group) for group in needed) and plausible(connection, reading):
            found.append(reading)
    # Kinds stand in the order in which one goes before the other; a table that bears the name of one of these and could be one, is.
    called = [reading for reading in found if reading.kind in BY_NAME and is_called(sample, reading.kind)]
    best = next(iter(called or found), None)
    if best and best.kind in ("lines", "purchases"):
        tell_amounts_apart(connection, best)
        take_once_an_order(connection, best)
        doubt_prices(best)
    if best and best.kind in ("lines", "orders"):
        doubt_refunds(best)
    return best


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


def purchases_among(connection: duckdb.DuckDBPyConnection, events: Reading, own: System) -> Reading | None:
    """What was bought, where a table of events says so with a price."""
    sample, event = events.sample, values.said(events.parts["event"].header)
    relation = f"{sample.relation}_bought"
    connection.execute(
        f"create or replace table {relation} as select * from {sample.relation} "
        f"where lower({event}) in ('purchase', 'transaction', 'buy', 'order') order by rowid"
    )
    if sample.path is None:
        events.doubts.append(f"what was bought is said among the events of {sample.name}: bring a table or view of the purchases alone")
        return None
    bought = described(connection, relation, f"{sample.name} (purchases)", sample.path)
    reading = cast_parts(connection, bought, "purchases", [column for column in own.tables["purchases"].columns if column != "order_id"])
    if not bought.rows or not {"customer_id", "ordered_at", "product_id"} <= set(reading.parts):
        return None
    doubt_prices(reading)
    return reading


def doubt_prices(reading: Reading) -> None:
    if not {"unit_price", "line_amount"} & set(reading.parts):
        reading.doubts.append(
            f"{reading.sample.name} says what was bought and not for how much: every order comes to 0, and nothing is said of money until a price is there"
        )


def doubt_names(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Products that nobody has a name for, neither of its own nor in place of a number, are bought and recommended, and no mail can show them."""
    naming = [reading for reading in layout.own if reading.kind in ("lines", "purchases", "products")]
    selling = [reading for reading in naming if reading.kind != "products" and "product_id" in reading.parts]
    if not selling or layout.known or any("product_name" in reading.parts for reading in naming):
        return
    called = connection.execute(f"from {values.few(selling[0].sample, selling[0].parts['product_id'].header)}").fetchall()
    if all(is_code(name) for (name,) in called):
        selling[0].doubts.append(
            "no table says what a product is called: mails show none until product_name is there, in a table of products"
        )


def plausible(connection: duckdb.DuckDBPyConnection, reading: Reading) -> bool:
    key = UNIQUE.get(reading.kind)
    if key and not values.is_unique(connection, reading.sample, reading.parts[key].header):
        return False
    if reading.kind == "products":
        return "order_id" not in cast_parts(connection, reading.sample, "lines", ["order_id"]).parts
    if reading.kind == "purchases":
        # A number on every row and no product: orders with what they come to. In a table that is called orders it may be plainly an id.
        order = reading.parts.get("order_id") or cast_parts(connection, reading.sample, "orders", ["order_id"]).parts.get("order_id")
        is_order = order is not None and not {"product_id", "product_name"} & set(reading.parts)
        return not (is_order and order and values.is_unique(connection, reading.sample, order.header))
    if reading.kind == "returns":
        # An order that says what of it was refunded is an order.
        return (
            is_called(reading.sample, "returns")
            or "ordered_at" not in cast_parts(connection, reading.sample, "lines", ["ordered_at"]).parts
        )
    return True


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


def share_multiplied(connection: duckdb.DuckDBPyConnection, sample: Sample, quantity: Part, price: Part, amount: Part) -> float:
    numbers = [
        f"try_cast({FORMATS.get(part.format or '', '{0}').format(quoted(part.header))} as double)" for part in (quantity, price, amount)
    ]
    sql = f"select avg(case when abs({numbers[0]} * {numbers[1]} - {numbers[2]}) <= 0.02 * abs({numbers[2]}) + 0.01 then 1.0 else 0.0 end)"
    row = connection.execute(f"{sql} from {sample.relation}").fetchone()
    return float(row[0] or 0) if row else 0.0


def settle(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """One layout per kind: files of the same headers are one table in several files; of different ones, the one with most columns and rows stays."""
    for kind, group in itertools.groupby(sorted(layout.own, key=lambda reading: reading.kind), key=lambda reading: reading.kind):
        readings = sorted(
            group, key=lambda reading: (is_called(reading.sample, kind), len(reading.parts), reading.sample.rows), reverse=True
        )
        for other in readings[1:]:
            if other.parts != readings[0].parts:
                layout.own.remove(other)
                layout.left_out.append((other.sample, f"{readings[0].sample.name} has the {kind}"))
    numbered = bool(layout.own_of("lines"))
    for reading in layout.own_of("purchases") if numbered else []:
        layout.own.remove(reading)
        layout.left_out.append((reading.sample, f"{layout.own_of('lines')[0].sample.name} has the lines"))
    undated = [reading for reading in layout.own_of("lines") if "ordered_at" not in reading.parts]
    if undated and not layout.own_of("orders"):
        for reading in undated:
            layout.own.remove(reading)
            layout.left_out.append((reading.sample, "its lines have no date, and no table of orders has one"))
    if layout.own_of("returns"):
        for reading in layout.own:
            if reading.parts.pop("refunded_amount", None):
                reading.doubts = [doubt for doubt in reading.doubts if "is given back of an order" not in doubt]
    name_as_sold(connection, layout)
    meet(connection, layout)


def name_as_sold(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Products are known by what the order lines call them, where that is another of their columns: a variant's sku and not the product's page."""
    for lines, products in itertools.product(layout.own_of("lines")[:1], layout.own_of("products")[:1]):
        if "product_id" not in lines.parts:
            continue
        sold, key = (lines.sample, lines.parts["product_id"].header), products.parts["product_id"]
        shares = {header: share_among(connection, *sold, products.sample, header) for header in products.sample.headers}
        best = max(shares, key=lambda header: shares[header])
        if shares[key.header] >= 0.9 or shares[best] < 0.9:
            continue
        products.parts = {column: part for column, part in products.parts.items() if part.header != best} | {"product_id": Part(best)}
        if re.fullmatch(NAMES["handle"][0], words_of(key.header)):
            products.parts["handle"] = key
        without = round(products.sample.rows * (1 - values.said_share(connection, products.sample, best)))
        products.doubts.append(
            f"{lines.sample.name} names products by {best}: it is their number, not {key.header}"
            + (f"; {without} rows of {products.sample.name} have none and wait in quarantine" if without else "")
        )


def share_among(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str, others: Sample, among: str) -> float:
    """The share of a column's stated values that are in a column of another table; 1 where nothing is stated."""
    row = connection.execute(
        f"select avg(case when {quoted(header)} in (select {quoted(among)} from {others.relation}) then 1.0 else 0.0 end) "
        f"from {sample.relation} where {values.said(header)} is not null"
    ).fetchone()
    return float(row[0]) if row and row[0] is not None else 1.0


def meet(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Say where numbers that should meet do not."""
    pairs = [
        ("lines", "orders", "order_id"),
        ("orders", "customers", "customer_id"),
        ("lines", "customers", "customer_id"),
        ("lines", "products", "product_id"),
    ]
    for left, right, column in pairs:
        for one, other in itertools.product(layout.own_of(left)[:1], layout.own_of(right)[:1]):
            if column in one.parts and column in other.parts:
                met = share_among(connection, one.sample, one.parts[column].header, other.sample, other.parts[column].header)
                if met < 0.9:
                    other.doubts.append(
                        f"{met:.0%} of {one.sample.name}.{one.parts[column].header} are in {other.sample.name}.{other.parts[column].header}"
                    )
