"""What a shop sells under a word of its own: a track, a plan, a dish. Its order lines name it by the key of the table that has it."""

import re
from collections.abc import Sequence
from dataclasses import replace

import duckdb

from dagster_project.onboarding import values
from dagster_project.onboarding.roles import Part, cast_parts
from dagster_project.onboarding.samples import Sample, quoted, words_of

LANGUAGE = "(id )?(language|lang|locale|iso code|idioma|langue)( id| code)?"
KEY = re.compile(r"(?P<what>[a-z ]+?) ?(id|no|nr|number|code|key)")
OF_A_LINE = ("order_id", "quantity", "unit_price", "line_amount", "product_id", "product_name", "category", "customer_id", "line_number")


def name_products(connection: duckdb.DuckDBPyConnection, samples: Sequence[Sample]) -> list[Sample]:
    """The samples, the key of what is sold read as `product id` in the lines without a product that we know and in the table that it is the key of."""
    found: dict[str, str] = {}
    for lines in samples:
        parts = cast_parts(connection, lines, "lines", list(OF_A_LINE)).parts
        is_lines = {"order_id", "quantity"} <= set(parts) and {"unit_price", "line_amount"} & set(parts)
        if not is_lines or {"product_id", "product_name", "category"} & set(parts):
            continue
        taken = {part.header for part in parts.values()}
        keys = [
            (different(connection, lines, header), header, sold.name, key)
            for header in lines.headers
            if header not in taken and (named := KEY.fullmatch(words_of(header)))
            for sold in samples
            if sold is not lines and (key := key_of(sold, header, named["what"])) and is_key(connection, lines, header, sold, key)
        ]
        if keys:
            _, header, table, key = max(keys)
            found |= {lines.name + "." + header: "product id", table + "." + key: "product id"}
    return [
        replace(one, means={header: found[place] for header in one.headers if (place := f"{one.name}.{header}") in found})
        for one in samples
    ]


def categories_of(connection: duckdb.DuckDBPyConnection, products: Sample, header: str, named: Sample) -> dict[str, Part] | None:
    """Which column of a table is the category that products state, and which is what it is called; None where it is another table."""
    key = next((one for one in named.headers if one.lower() == header.lower()), None)
    # `id_category_default` is an `id_category`.
    key = key or next((one for one in named.headers if "categ" in one and words_of(header).startswith(f"{words_of(one)} ")), None)
    if not key or not is_key(connection, products, header, named, key, in_languages=True):
        return None
    words = {one: words_of(one) for one in named.headers if one != key and not re.fullmatch(LANGUAGE, words_of(one))}
    called = next((one for word in ("english", "name", "title", "description", "") for one in words if word in words[one]), None)
    return {"category_id": Part(key), "category_name": Part(called)} if called else None


def key_of(sold: Sample, header: str, what: str) -> str | None:
    """The column of a table that a key of this name is of: the same, or the plain id of a table that bears the key's word."""
    plain = "id" if what in sold.words or sold.words.removesuffix("s") in what else header
    return next((one for one in sold.headers if one.lower() in (header.lower(), plain)), None)


def is_key(connection: duckdb.DuckDBPyConnection, lines: Sample, header: str, sold: Sample, key: str, in_languages: bool = False) -> bool:
    """Whether a column is different on every row of one table (where it may be said in several languages: of each), and has what another's says."""
    language = next((one for one in sold.headers if in_languages and re.fullmatch(LANGUAGE, words_of(one))), None)
    row = (
        language
        and connection.execute(f"select count(distinct ({quoted(key)}, {quoted(language)})) = count(*) from {sold.relation}").fetchone()
    )
    if not values.is_unique(connection, sold, key) and not (row and row[0]):
        return False
    row = connection.execute(
        f"select avg(case when {quoted(header)} in (select {quoted(key)} from {sold.relation}) then 1.0 else 0.0 end) "
        f"from {lines.relation} where {quoted(header)} is not null"
    ).fetchone()
    return bool(row and row[0] is not None and row[0] >= 0.95)


def different(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> int:
    row = connection.execute(f"select count(distinct {quoted(header)}) from {sample.relation}").fetchone()
    return int(row[0]) if row else 0
