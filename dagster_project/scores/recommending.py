"""A day's recommendations: what the store knows, handed to `ml.recommendations`, and its lists as rows of the day."""

import pyarrow as pa

from dagster_project.moments import Moment
from dagster_project.progress import tell
from dagster_project.warehouse import Warehouse
from ml.recommendations.recommend import Request, recommend

RECOMMENDATIONS = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("customer_id", pa.dictionary(pa.int32(), pa.string())),
        ("strategy", pa.dictionary(pa.int8(), pa.string())),
        ("rank", pa.int32()),
        ("product_id", pa.dictionary(pa.int32(), pa.string())),
        ("score", pa.float64()),
        ("reason", pa.dictionary(pa.int8(), pa.string())),
    ]
)
PRODUCT_RELATIONS = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("product_id", pa.string()),
        ("relation", pa.string()),
        ("rank", pa.int32()),
        ("related_product_id", pa.string()),
        ("score", pa.float64()),
    ]
)
PRODUCT_BUNDLES = pa.schema(
    [("as_of", pa.timestamp("us")), ("rank", pa.int32()), ("product_ids", pa.list_(pa.string())), ("score", pa.float64())]
)
INTERACTIONS = """
select customer_id, product_id, "at", kind, quantity from scores.interactions where as_of = ? order by customer_id, "at", product_id, kind
"""
PRODUCTS = "select * exclude (as_of) from scores.recommendable_products where as_of = ? order by product_id"
# Everybody who may be written to; whose past may not be used gets what is trending.
CUSTOMERS = """
select mailable.customer_id, features.customer_id is not null as profiling
from profile.current_customers as mailable
left join features.customer_features as features using (as_of, customer_id)
where mailable.as_of = ? order by mailable.customer_id
"""
WISHES = "select * exclude (as_of) from profile.product_wishes where as_of = ? order by customer_id"
BROUGHT = "select customer_id, product_id, score from scores.brought_recommendations where as_of = ? order by customer_id, product_id"
TOP = 8


# Table of the schema `scores` → its columns, and what a row is.
TABLES = {
    "customer_recommendations": (RECOMMENDATIONS, "One row per customer, strategy and rank: what to show, and why."),
    "product_relations": (
        PRODUCT_RELATIONS,
        "One row per product, relation (similar_to, goes_with) and rank: what a product's page may show beside it.",
    ),
    "product_bundles": (
        PRODUCT_BUNDLES,
        "One row per bundle: two or three products that are ordered together more often than chance would have it.",
    ),
}


def recommend_day(warehouse: Warehouse, moment: Moment) -> dict[str, pa.Table]:
    """What to show on a day, by table; no rows where the shop has no products. Where nobody may be profiled everybody gets what is trending."""
    tell("scores", "recommendations")
    products = warehouse.read(PRODUCTS, [moment.as_of])
    if not products.num_rows:
        return {name: schema.empty_table() for name, (schema, _) in TABLES.items()}
    interactions = warehouse.read(INTERACTIONS, [moment.as_of])
    customers = warehouse.read(CUSTOMERS, [moment.as_of])
    wishes = warehouse.read(WISHES, [moment.as_of])
    brought = warehouse.read(BROUGHT, [moment.as_of])
    made = recommend(
        interactions,
        products,
        moment.as_of,
        customers=customers,
        preferences=wishes,
        brought=brought if brought.num_rows else None,
        request=Request(top=TOP),
    )
    found = {"customer_recommendations": made.table, "product_relations": made.relations, "product_bundles": made.bundles}
    return {name: of_the_day(rows, TABLES[name][0], moment) for name, rows in found.items()}


def of_the_day(rows: pa.Table, schema: pa.Schema, moment: Moment) -> pa.Table:
    as_of = pa.array([moment.as_of] * rows.num_rows, pa.timestamp("us"))
    return rows.add_column(0, "as_of", as_of).select(schema.names).cast(schema)
