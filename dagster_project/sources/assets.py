"""Sources: one asset per table of a source system; what its contract refused shows as a check."""

from collections import defaultdict

import dagster as dg

from dagster_project.partitions import moments_of
from dagster_project.resources import Store
from dagster_project.shop import Shop
from dagster_project.sources.guards import judge_extracts, judge_pulls
from dagster_project.sources.loading import Batch, load_shop_extracts
from dagster_project.sources.mapping import contracts_of
from dagster_project.sources.pulling import pull_shop

LEDGER = """
select source, table_name, count(*), sum(rows_in), sum(rows_loaded), sum(rows_duplicate), sum(rows_quarantined)
from sources.load_ledger group by all
"""
REFUSALS = """
select source, table_name, concat(column_name, ' ', reason) as refusal, count(*) as rows
from sources.quarantine where replayed_at is null group by all order by rows desc, refusal
"""


def source_assets(shop: Shop, partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    contracts = contracts_of(shop)
    keys = {
        (system, table): dg.AssetKey(["sources", f"{system}__{table}"]) for system in shop.sources for table in contracts[system].tables
    }

    @dg.multi_asset(
        name="land",
        specs=[
            dg.AssetSpec(key, group_name="sources", description=contracts[system].tables[table].description)
            for (system, table), key in keys.items()
        ],
        check_specs=[dg.AssetCheckSpec("contract", asset=key) for key in keys.values()],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def land(context: dg.AssetExecutionContext, store: Store):  # type: ignore[no-untyped-def]
        """Pull, land and load what is new, oldest extract first; judge each row by its contract."""
        moments = moments_of(context, store.shop)
        with store.warehouse.session():
            pulled = pull_shop(store.warehouse, store.shop, store.settings.store)
            batches = load_shop_extracts(store.warehouse, store.shop, store.settings.store)
            judge_extracts(store.warehouse, store.shop, moments)
            judge_pulls(store.warehouse, pulled, moments)
        new = by_table(batches)
        totals = {(row[0], row[1]): row[2:] for row in store.warehouse.rows(LEDGER)}
        refusals = defaultdict(list)
        for source, table, refusal, rows in store.warehouse.rows(REFUSALS):
            refusals[source, table].append(f"{rows} rows: {refusal}")
        for table, key in keys.items():
            count, rows_in, loaded, duplicate, quarantined = totals.get(table, (0, 0, 0, 0, 0))
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    "dagster/row_count": int(loaded or 0),
                    "batches": count,
                    "new rows": sum(batch.rows_loaded for batch in new[table]),
                    "rows in": int(rows_in or 0),
                    "duplicate": int(duplicate or 0),
                    "quarantined": int(quarantined or 0),
                },
            )
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name="contract",
                passed=not refusals[table],
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"refused": dg.MetadataValue.md("\n".join(f"- {line}" for line in refusals[table]) or "no row refused")},
            )

    return [land]


def by_table(batches: list[Batch]) -> dict[tuple[str, str], list[Batch]]:
    tables: dict[tuple[str, str], list[Batch]] = defaultdict(list)
    for batch in batches:
        tables[batch.source, batch.table_name].append(batch)
    return tables
