"""Identity: contact points made canonical, and each source record's stays with a customer."""

import dagster as dg

from dagster_project.faults import fault_point
from dagster_project.identity.contact_points import contact_points
from dagster_project.identity.link_lists import read_decisions
from dagster_project.identity.linking import Linked, link_records
from dagster_project.progress import tell
from dagster_project.resources import Store
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


def identity_assets(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    @dg.multi_asset(
        name="identify",
        specs=[
            dg.AssetSpec(["identity", "contact_points"], group_name="identity", deps=[["identity", "customer_records"]]),
            dg.AssetSpec(
                ["identity", "customer_links"],
                group_name="identity",
                deps=[["identity", "customer_records"], ["identity", "browser_users"], ["identity", "contact_points"]],
            ),
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def identify(store: Store):  # type: ignore[no-untyped-def]
        """Which customer each source record belongs to, since when, and by which rule."""
        with store.warehouse.session():
            tell("identity", "contact points")
            points = add_contact_points(store)
            links = link(store).links
        fault_point("linked")
        customers = len(set(links["customer_id"].to_pylist()))
        yield dg.MaterializeResult(asset_key=["identity", "contact_points"], metadata={"dagster/row_count": points})
        yield dg.MaterializeResult(
            asset_key=["identity", "customer_links"], metadata={"dagster/row_count": links.num_rows, "customers": customers}
        )

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
    home = store.settings.store
    registry = Registry(f"sqlite:///{home / 'mlflow.db'}", home / "mlflow", store.shop.name)
    return link_records(store.warehouse, store.shop, read_decisions(store.settings.shop_folder), key, home / "mlartifacts", registry)
