"""Sources: one asset per table of a source system; what its contract refused shows as a check."""

from collections import defaultdict

import dagster as dg

from dagster_project.partitions import moments_of
from dagster_project.resources import Store
from dagster_project.shop import Shop
from dagster_project.sources.guards import judge_extracts, judge_pulls
from dagster_project.sources.lateness import night_of
from dagster_project.sources.ledger import Batch, all_batches
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.sources.mapping import contracts_of
from dagster_project.sources.pulling import pull_shop

LEDGER = """
select source, table_name, count(*), sum(rows_in), sum(rows_loaded), sum(rows_duplicate), sum(rows_quarantined)
from sources.load_ledger group by all
"""
# Counts, row numbers and the shapes of values: the values themselves stay in quarantine.
BROKEN = """
select source, table_name, concat_ws(' ', column_name, reason), warns, sum(rows)::bigint as broken,
    list_sort(flatten(list(row_numbers)))[:10], list_sort(list_distinct(flatten(list(shapes))))[:5]
from sources.broken_rules where list_contains(?, batch_id) group by all order by broken desc, 3
"""
WAITING = "select source, table_name, count(*) from sources.quarantine where replayed_at is null group by all"
DIFFERENT = """
select source, table_name, concat(drift, ': ', message) from sources.differences where list_contains(?, batch_id)
union all
select source, table_name, concat('refused: ', reason) from sources.refused_extracts
order by all
"""
TOLD_BEFORE = "select source, table_name, count(*) from sources.differences where not list_contains(?, batch_id) group by all"
CHECKS = {
    "contract": "Whether rows of the run's nights broke a rule of the contract; how many wait in quarantine is told with it.",
    "as_declared": "Whether extracts of the run's nights came as the contract declares them (columns, types, delimiter, encoding, the source's own "
    "counts), and none is refused. A column that is new is told on the night it first comes.",
}


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
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=told) for key in keys.values() for name, told in CHECKS.items()],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def land(context: dg.AssetExecutionContext, store: Store):  # type: ignore[no-untyped-def]
        """Pull, land and load what is new, oldest extract first; judge each row by its contract."""
        moments = moments_of(context, store.shop)
        pulled = pull_shop(store.warehouse, store.shop, store.settings.store, key=store.settings.pseudonym_key)
        batches = load_shop_extracts(store.warehouse, store.shop, store.settings.store, store.settings.pseudonym_key)
        judge_extracts(store.warehouse, store.shop, moments)
        judge_pulls(store.warehouse, pulled, moments)
        new = by_table(batches)
        totals = {(row[0], row[1]): row[2:] for row in store.warehouse.rows(LEDGER)}
        # Not what this run loaded: a run that is repeated, or loads history, judges its nights all the same.
        nights = {moment.as_of for moment in moments}
        judged = [
            batch.batch_id
            for batch in all_batches(store.warehouse)
            if night_of(store.shop, batch.extracted_at, batch.known_at).as_of in nights
        ]
        waiting = {(source, table): rows for source, table, rows in store.warehouse.rows(WAITING)}
        broken, different = defaultdict(list), defaultdict(list)
        for source, table, rule, warns, rows, numbers, shapes in store.warehouse.rows(BROKEN, [judged]):
            broken[source, table].append(broken_rule(rule, warns, rows, numbers, shapes))
        for source, table, message in store.warehouse.rows(DIFFERENT, [judged]):
            different[source, table].append(message)
        before = {(source, table): rows for source, table, rows in store.warehouse.rows(TOLD_BEFORE, [judged])}
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
                passed=not broken[table],
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"broken": listed(broken[table], "no rule"), "rows that wait in quarantine": int(waiting.get(table, 0))},
            )
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name="as_declared",
                passed=not different[table],
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"different": listed(different[table], "nothing"), "told of other nights": int(before.get(table, 0))},
            )

    return [land]


def broken_rule(rule: str, warns: bool, rows: int, numbers: list[int], shapes: list[str | None]) -> str:
    """A broken rule in a line: how many rows, what became of them, where they are, and what their values look like."""
    seen = ", ".join(f"`{shape}`" for shape in shapes if shape)
    looks = f", values like {seen}" if seen else ""
    return f"{rows} rows {'noted' if warns else 'refused'}: {rule} (rows {', '.join(map(str, numbers))}{' …' if rows > len(numbers) else ''}{looks})"


def listed(lines: list[str], nothing: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md("\n".join(f"- {line}" for line in lines) or nothing)


def by_table(batches: list[Batch]) -> dict[tuple[str, str], list[Batch]]:
    tables: dict[tuple[str, str], list[Batch]] = defaultdict(list)
    for batch in batches:
        tables[batch.source, batch.table_name].append(batch)
    return tables
