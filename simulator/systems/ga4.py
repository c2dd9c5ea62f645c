"""Google Analytics 4: events in the schema of its BigQuery export (Parquet, nested parameters and items)."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulator.browsing import (
    ADD,
    CHECKOUT,
    CLICK,
    DEVICES,
    EVENT_NAMES,
    LOGIN,
    ORDER,
    PAGE,
    PURCHASE,
    SCREEN,
    SCROLL,
    SEARCH,
    SEARCHES,
    VIEW,
)
from simulator.clock import local_days, stream
from simulator.dirt import Row
from simulator.extracts import BROKEN_SHARE, Extracts, Table
from simulator.names import COUNTRIES
from simulator.shelves import CATEGORIES
from simulator.shop import Shop
from simulator.systems.shopify_orders import order_id, order_numbers

EVENTS = Table("ga4", "events", "parquet")
SITE = "https://shop.example"
KEYS = (
    "ga_session_id",
    "ga_session_number",
    "page_location",
    "page_title",
    "firebase_screen",
    "search_term",
    "percent_scrolled",
    "engagement_time_msec",
    "transaction_id",
    "value",
    "currency",
    "method",
    "campaign",
    "content",
    "source",
    "medium",
)
VALUE = pa.struct([("string_value", pa.string()), ("int_value", pa.int64()), ("float_value", pa.float64()), ("double_value", pa.float64())])
SOURCES = (
    ("(direct)", "(none)"),
    ("google", "organic"),
    ("google", "cpc"),
    ("instagram", "paid_social"),
    ("newsletter-partner", "referral"),
)


def pseudo_ids(shop: Shop) -> np.ndarray:
    """The `user_pseudo_id` of each browser: `<random>.<first seen>` on the web, an instance id in the app."""
    browsing = shop.browsing
    seen = shop.clock.end - 200 * 86_400 + np.arange(len(browsing.browser_code)) * 97 % (120 * 86_400)
    app = np.array([DEVICES[number][3] != "WEB" for number in browsing.browser_device])
    return np.array(
        [
            f"{code:08x}{moment:08x}{number:016x}" if in_app else f"{code}.{moment}"
            for number, (code, moment, in_app) in enumerate(zip(browsing.browser_code, seen, app, strict=True))
        ],
        dtype=object,
    )


@dataclass(frozen=True)
class Known:
    """What events say of the things they are of, in the order of these: accounts (their ids, and none), people, browsers, sessions, purchases."""

    account_id: np.ndarray
    country: np.ndarray
    language: np.ndarray
    pseudo_id: np.ndarray
    in_app: np.ndarray
    origin: np.ndarray
    order_text: np.ndarray
    order_value: np.ndarray


def _known(shop: Shop) -> Known:
    people, browsing = shop.people, shop.browsing
    spoken = zip(people.column("language"), people.column("country"), strict=True)
    return Known(
        account_id=np.array([*shop.records["shopify"].column("record_id"), None], dtype=object),
        country=np.array([COUNTRIES[code]["name"] for code in people.column("country")], dtype=object),
        language=np.array([f"{tongue}-{code.lower()}" for tongue, code in spoken], dtype=object),
        pseudo_id=pseudo_ids(shop),
        in_app=np.array([DEVICES[number][3] != "WEB" for number in browsing.browser_device]),
        origin=_origins(shop),
        order_text=order_texts(shop),
        order_value=_order_values(shop),
    )


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `ga4/events`."""
    browsing = shop.browsing
    pull = extracts.pulls_of(EVENTS, browsing.event_at)
    on_time = shop.clock.pull_of(browsing.event_at)
    rng = stream(shop.seed, "ga4 breaks")
    spoiled = np.flatnonzero(rng.random(len(pull)) < BROKEN_SHARE)
    # A broken event is a second, spoiled copy; a few events of each day come again unchanged the day after.
    again = np.flatnonzero((rng.random(len(pull)) < 0.002) & (pull >= 1))
    source = np.concatenate((np.arange(len(pull)), spoiled, again))
    arrives = np.concatenate((pull, pull[spoiled], pull[again] + 1))
    how = np.concatenate((np.zeros(len(pull), dtype=np.int64), 1 + np.arange(len(spoiled)) % 3, np.full(len(again), 4)))
    order = np.lexsort((how, browsing.event_micros[source], arrives))
    order = order[arrives[order] < len(shop.clock.pulls)]
    source, arrives, how = source[order], arrives[order], how[order]
    known = _known(shop)
    extracts.put_arrow(EVENTS, lambda places: _events(shop, known, source[places], how[places]), arrives)
    _note(extracts, arrives, how, on_time[source])


def _note(extracts: Extracts, arrives: np.ndarray, how: np.ndarray, on_time: np.ndarray) -> None:
    starts = np.searchsorted(arrives, np.arange(len(extracts.clock.pulls)))
    kinds = {
        1: ("missing id", "user_pseudo_id"),
        2: ("unparsable date", "event_date"),
        3: ("missing timestamp", "event_timestamp"),
        4: ("overlapping row", None),
    }
    for row in np.flatnonzero((how > 0) | (on_time < arrives)):
        kind, column = kinds.get(int(how[row]), ("late row", None))
        extracts.note(kind, EVENTS, int(arrives[row]), int(row - starts[arrives[row]]) + 1, column)


def _events(shop: Shop, known: Known, source: np.ndarray, how: np.ndarray) -> pa.Table:
    browsing, people = shop.browsing, shop.people
    session, name = browsing.event_session[source], browsing.event_name[source]
    browser, person = browsing.session_browser[session], browsing.session_person[session]
    account = browsing.session_account[session]
    user = known.account_id[np.where(browsing.event_signed_in[source], account, -1)]
    days = local_days(browsing.event_at[source])
    dates = np.char.replace(np.datetime_as_string(days.astype("datetime64[D]")), "-", "")
    dates = np.where(how == 2, "20261399", dates)
    devices = np.array(DEVICES, dtype=object)[browsing.browser_device[browser]]
    web = devices[:, 3] == "WEB"
    owner = browsing.browser_owner[browser]
    somebody = np.where(person >= 0, person, np.where(owner >= 0, owner, browser % len(people)))
    origin = known.origin[session]
    return pa.table(
        {
            "event_date": pa.array(dates.astype(object), pa.string()),
            "event_timestamp": pa.array(browsing.event_micros[source], pa.int64(), mask=how == 3),
            "event_name": pa.array(np.array(EVENT_NAMES, dtype=object)[name], pa.string()),
            "event_params": _params(shop, known, source),
            "user_id": pa.array(user, pa.string()),
            "user_pseudo_id": pa.array(np.where(how == 1, None, known.pseudo_id[browser]), pa.string()),
            "user_properties": _empty_properties(len(source)),
            "device": _struct(
                {
                    "category": devices[:, 0],
                    "operating_system": devices[:, 1],
                    "language": known.language[somebody],
                    "web_info": _struct({"browser": np.where(web, devices[:, 2], None)}),
                }
            ),
            "geo": _struct(
                {"country": known.country[somebody], "region": people.column("region")[somebody], "city": people.column("city")[somebody]}
            ),
            "traffic_source": _struct({"name": origin[:, 2], "medium": origin[:, 1], "source": origin[:, 0]}),
            "platform": pa.array(devices[:, 3], pa.string()),
            "ecommerce": _ecommerce(shop, known, source),
            "items": _items(shop, source),
        }
    )


def _struct(columns: dict[str, np.ndarray | pa.Array], mask: np.ndarray | None = None) -> pa.StructArray:
    arrays = [column if isinstance(column, pa.Array) else pa.array(column, pa.string()) for column in columns.values()]
    return pa.StructArray.from_arrays(arrays, names=list(columns), mask=None if mask is None else pa.array(mask))


def _empty_properties(count: int) -> pa.Array:
    kind = pa.list_(pa.struct([("key", pa.string()), ("value", VALUE)]))
    return pa.array([[]] * count, kind)


def _origins(shop: Shop) -> np.ndarray:
    """Source, medium and campaign of each session."""
    browsing = shop.browsing
    drawn = stream(shop.seed, "ga4 sources").choice(len(SOURCES), len(browsing.session_kind), p=(0.4, 0.28, 0.15, 0.1, 0.07))
    origin = np.array([[*pair, "(not set)"] for pair in SOURCES], dtype=object)[drawn]
    mailed = np.flatnonzero((browsing.session_campaign >= 0) & ((browsing.session_kind == CLICK) | (browsing.session_kind == ORDER)))
    for number in mailed:
        origin[number] = ("klaviyo", "email", shop.campaigns[browsing.session_campaign[number]].slug)
    return origin


def _params(shop: Shop, known: Known, source: np.ndarray) -> pa.ListArray:
    browsing, catalogue = shop.browsing, shop.catalogue
    session, name, variant = browsing.event_session[source], browsing.event_name[source], browsing.event_variant[source]
    count = len(source)
    every = np.arange(count)
    product = catalogue.variant_product[np.maximum(variant, 0)]
    handles, titles = np.array(catalogue.handle, dtype=object), np.array(catalogue.title, dtype=object)
    path = np.where(variant >= 0, "/products/" + handles[product], np.where(name >= CHECKOUT, "/checkouts/cn", "/"))
    place = np.array(SITE, dtype=object) + path
    origin = known.origin[session]
    mailed = (browsing.session_campaign[session] >= 0) & (origin[:, 0] == "klaviyo")
    first_page = (name == PAGE) & (variant < 0)
    letter = np.array(["a", "b"], dtype=object)[np.maximum(browsing.session_variant[session], 0)]
    tagged = mailed & first_page
    place = np.where(tagged, place + "?utm_source=klaviyo&utm_medium=email&utm_campaign=" + origin[:, 2] + "&utm_content=" + letter, place)
    in_app = known.in_app[browsing.session_browser[session]]
    order = browsing.session_order[session]
    bought = name == PURCHASE

    def part(key: str, rows: np.ndarray, **value: np.ndarray) -> tuple[np.ndarray, int, Row]:
        return rows, KEYS.index(key), value

    title = np.where(variant >= 0, titles[product], "Dearly Demo Shop")
    parts = [
        part("ga_session_id", every, int_value=browsing.session_start[session]),
        part("ga_session_number", every, int_value=browsing.session_number[session]),
        part(
            "engagement_time_msec",
            np.flatnonzero((name == PAGE) | (name == SCREEN) | (name == SCROLL)),
            int_value=1000 + (browsing.event_micros[source] % 60_000),
        ),
        part("page_location", np.flatnonzero(~in_app), string_value=place),
        part("page_title", np.flatnonzero(name == PAGE), string_value=title),
        part("firebase_screen", np.flatnonzero(name == SCREEN), string_value=title),
        part(
            "search_term",
            np.flatnonzero(name == SEARCH),
            string_value=np.array(SEARCHES, dtype=object)[np.maximum(browsing.event_search[source], 0)],
        ),
        part("percent_scrolled", np.flatnonzero(name == SCROLL), int_value=np.full(count, 90)),
        part("method", np.flatnonzero(name == LOGIN), string_value=np.full(count, "password", dtype=object)),
        part("transaction_id", np.flatnonzero(bought), string_value=known.order_text[np.maximum(order, 0)]),
        part("value", np.flatnonzero(bought), double_value=known.order_value[np.maximum(order, 0)]),
        part("currency", np.flatnonzero(bought), string_value=np.full(count, "EUR", dtype=object)),
        part("source", np.flatnonzero(tagged), string_value=origin[:, 0]),
        part("medium", np.flatnonzero(tagged), string_value=origin[:, 1]),
        part("campaign", np.flatnonzero(tagged), string_value=origin[:, 2]),
        part("content", np.flatnonzero(tagged), string_value=letter),
    ]
    rows = np.concatenate([entry[0] for entry in parts])
    keys = np.repeat([entry[1] for entry in parts], [len(entry[0]) for entry in parts])
    order_of = np.lexsort((keys, rows))
    values = {}
    for field, empty in (("string_value", object), ("int_value", np.int64), ("double_value", np.float64)):
        column = np.zeros(len(rows), dtype=empty)
        filled = np.zeros(len(rows), dtype=bool)
        begin = 0
        for which, _, value in parts:
            if field in value:
                column[begin : begin + len(which)] = value[field][which]
                filled[begin : begin + len(which)] = True
            begin += len(which)
        kind = {"string_value": pa.string(), "int_value": pa.int64(), "double_value": pa.float64()}[field]
        values[field] = pa.array(column[order_of], kind, mask=~filled[order_of])
    values["float_value"] = pa.nulls(len(rows), pa.float64())
    value = pa.StructArray.from_arrays([values[field.name] for field in VALUE], fields=list(VALUE))
    entries = pa.StructArray.from_arrays(
        [pa.array(np.array(KEYS, dtype=object)[keys[order_of]], pa.string()), value], names=["key", "value"]
    )
    return pa.ListArray.from_arrays(pa.array(np.searchsorted(rows[order_of], np.arange(count + 1)), pa.int32()), entries)


def order_texts(shop: Shop) -> np.ndarray:
    """The shop's order id of each purchase as text, as the tag on the thank-you page sends it."""
    return np.array([str(order_id(number)) if number >= 0 else "" for number in order_numbers(shop)], dtype=object)


def _order_values(shop: Shop) -> np.ndarray:
    bought = shop.purchases
    cents = np.bincount(bought.line_order, weights=bought.line_paid(bought.line_quantity), minlength=len(bought.code))
    return (cents + bought.shipping) / 100


def _ecommerce(shop: Shop, known: Known, source: np.ndarray) -> pa.StructArray:
    browsing = shop.browsing
    session, bought = browsing.event_session[source], browsing.event_name[source] == PURCHASE
    order = np.maximum(browsing.session_order[session], 0)
    columns = {
        "transaction_id": pa.array(known.order_text[order], pa.string(), mask=~bought),
        "purchase_revenue": pa.array(known.order_value[order], pa.float64(), mask=~bought),
    }
    return _struct(columns, mask=~bought)


def _items(shop: Shop, source: np.ndarray) -> pa.ListArray:
    """View and add events hold one item, checkout and purchase events the whole basket."""
    browsing, catalogue = shop.browsing, shop.catalogue
    session, name = browsing.event_session[source], browsing.event_name[source]
    single = np.flatnonzero((name == VIEW) | (name == ADD))
    rows, variants, quantities = (
        [single],
        [browsing.event_variant[source][single]],
        [np.maximum(browsing.event_quantity[source][single], 1)],
    )
    baskets = (name == CHECKOUT) | (name == PURCHASE)
    for number, first_line, lines, line_variant, line_quantity in (
        (
            browsing.session_order,
            shop.purchases.first_line,
            shop.purchases.line_order,
            shop.purchases.line_variant,
            shop.purchases.line_quantity,
        ),
        (browsing.session_cart, shop.carts.first_line, shop.carts.line_cart, shop.carts.line_variant, shop.carts.line_quantity),
    ):
        held = np.flatnonzero(baskets & (number[session] >= 0))
        ends = np.append(first_line[1:], len(lines))
        sizes = (ends - first_line)[number[session[held]]]
        begins = np.repeat(first_line[number[session[held]]], sizes)
        inside = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows.append(np.repeat(held, sizes))
        variants.append(line_variant[begins + inside])
        quantities.append(line_quantity[begins + inside])
    row, variant, quantity = np.concatenate(rows), np.concatenate(variants), np.concatenate(quantities)
    order = np.argsort(row, kind="stable")
    row, variant, quantity = row[order], variant[order], quantity[order]
    product = catalogue.variant_product[variant]
    price = catalogue.price_at(variant, browsing.event_at[source][row]) / 100
    items = pa.StructArray.from_arrays(
        [
            pa.array(np.array(catalogue.variant_sku, dtype=object)[variant], pa.string()),
            pa.array(np.array(catalogue.title, dtype=object)[product], pa.string()),
            pa.array(np.array(catalogue.brands, dtype=object)[catalogue.brand[product]], pa.string()),
            pa.array(np.array(catalogue.variant_option, dtype=object)[variant], pa.string()),
            pa.array(np.array([shelf.name for shelf in CATEGORIES], dtype=object)[catalogue.category[product]], pa.string()),
            pa.array(price, pa.float64()),
            pa.array(quantity, pa.int64()),
        ],
        names=["item_id", "item_name", "item_brand", "item_variant", "item_category", "price", "quantity"],
    )
    return pa.ListArray.from_arrays(pa.array(np.searchsorted(row, np.arange(len(source) + 1)), pa.int32()), items)
