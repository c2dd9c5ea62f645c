"""Identity: contact points made canonical, each source record's stays with a customer, and how they were found."""

from typing import Any

import dagster as dg

from dagster_project.faults import fault_point
from dagster_project.identity.contact_points import contact_points
from dagster_project.identity.link_lists import path_of, read_decisions, without_erased
from dagster_project.identity.linking import Linked, link_records
from dagster_project.identity.pictures import probabilities_drawn, tables_of
from dagster_project.progress import tell
from dagster_project.resources import Store
from dagster_project.sources.erased import Erased
from ml.registry import Registry

NEW_EMAILS = """
select distinct email from identity.customer_records
where email is not null and email not in (select stated from identity.contact_points where kind = 'email')
"""
NEW_PHONES = """
select distinct records.phone, records.country from identity.customer_records as records
left join identity.contact_points as points
    on points.kind = 'phone' and records.phone = points.stated and records.country is not distinct from points.country
where records.phone is not null and points.stated is null
"""
CONTACT_POINTS = "Addresses and phone numbers as they were stated, each with its one canonical form and whether it is valid."
FOUND_BY_COMPARING = {
    "edges": "What links two records, or speaks against it: a rule or the model's weight, since when and until when.",
    "customer_links": "Which customer each source record belongs to, since when, and by which rule.",
    "merge_log": "Customers that turned out one, or two: when, from, to, because.",
    "clerical_review": "Two customers who may be one person: listed for somebody to decide (`dearly identity review`), not merged.",
    "shared_identifiers": "Addresses, numbers and cards that too many people carry: they link nobody.",
    "model_log": "The model in use: when and on what it was trained, or why there is none.",
    "decisions": "What people decided: the lines of the shop's identity/decisions.csv.",
}


def identity_assets(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    def key(name: str) -> dg.AssetKey:
        return dg.AssetKey(["identity", name])

    records = [key("customer_records"), key("browser_users"), key("contact_points")]

    @dg.multi_asset(
        name="identify",
        specs=[
            dg.AssetSpec(key("contact_points"), group_name="identity", deps=[key("customer_records")], description=CONTACT_POINTS),
            *(
                dg.AssetSpec(key(name), group_name="identity", deps=records, description=description)
                for name, description in FOUND_BY_COMPARING.items()
            ),
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def identify(store: Store):  # type: ignore[no-untyped-def]
        """Which customer each source record belongs to, since when, and by which rule."""
        tell("identity", "contact points")
        points = add_contact_points(store)
        linked = link(store)
        fault_point("linked")
        yield dg.MaterializeResult(asset_key=key("contact_points"), metadata={"dagster/row_count": points})
        told = tables_of(linked)
        for name in FOUND_BY_COMPARING:
            metadata: dict[str, Any] = {"dagster/row_count": getattr(linked, name).num_rows}
            metadata |= {title: dg.MetadataValue.md(table) for title, table in told.get(name, {}).items()}
            if name == "edges" and linked.model.text:
                metadata["match probabilities"] = dg.MetadataValue.md(probabilities_drawn(linked.edges))
            yield dg.MaterializeResult(asset_key=key(name), metadata=metadata)

    return [identify]


def add_contact_points(store: Store) -> int:
    """Make canonical what has not been yet; a stated value has one canonical form for good."""
    warehouse = store.warehouse
    emails = [row[0] for row in warehouse.rows(NEW_EMAILS)]
    phones = [(row[0], row[1]) for row in warehouse.rows(NEW_PHONES)]
    with warehouse.transaction() as connection:
        connection.register("incoming", contact_points(emails, phones, store.shop.country))
        connection.execute("insert into identity.contact_points by name select * from incoming order by kind, stated, country")
        row = connection.execute("select count(*) from identity.contact_points").fetchone()
    return int(row[0]) if row else 0


def link(store: Store) -> Linked:
    key = store.shop.pseudonym_key(store.settings.pseudonym_key)
    registry = Registry(store.settings.tracking_uri, store.settings.tracked_files, store.shop.name)
    stated = read_decisions(store.settings.shop_folder)
    decisions = without_erased(stated, Erased.of(store.shop, store.settings.pseudonym_key))
    if len(decisions) < len(stated):
        tell("identity", f"{len(stated) - len(decisions)} lines of {path_of(store.settings.shop_folder)} name an erased record: ignored")
    return link_records(store.warehouse, store.shop, decisions, key, store.settings.artifacts, registry)
