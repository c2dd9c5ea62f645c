"""The dbt models as assets, cut by Dagster where Python stages stand between."""

from collections.abc import Iterator
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from dagster_project.faults import fault_point
from dagster_project.partitions import moments_of, write_moments
from dagster_project.resources import Store
from dagster_project.settings import Settings
from dagster_project.stages import DAILY_STAGES
from dagster_project.transform.dbt_build import DbtFailed, build, parse
from dagster_project.warehouse import Warehouse


class Translator(DagsterDbtTranslator):
    """Keys are stage and model; groups are the stages."""

    def get_asset_key(self, dbt_resource_props: Any) -> dg.AssetKey:
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Any) -> str:
        return str(dbt_resource_props["schema"])

    def get_description(self, dbt_resource_props: Any) -> str:
        """What the YAML says, else what stands above the SQL."""
        said = dbt_resource_props.get("description") or said_above(dbt_resource_props.get("raw_code", ""))
        return super().get_description({**dbt_resource_props, "description": said})

    def get_asset_check_spec(self, asset_spec: Any, manifest: Any, unique_id: str, project: Any) -> dg.AssetCheckSpec | None:
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        said = said_above(self.get_resource_props(manifest, unique_id).get("raw_code", ""))
        return spec._replace(description=spec.description or said or None) if spec else None

    def get_asset_spec(self, manifest: Any, unique_id: str, project: Any) -> dg.AssetSpec:
        """Today's decisions read what earlier days sent: the asset depends on itself, a day before. Features come after identity, also those of
        products: which past days a run learns from follows from the orders, and these are staged by then."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        links = dg.AssetDep(["identity", "customer_links"])
        if spec.key.path[0] == "features":
            others = [dep for dep in spec.deps if dep.asset_key != links.asset_key]
            return spec.replace_attributes(deps=[*others, links])
        if spec.key.path[-1] != "campaign_decisions":
            return spec
        yesterday = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
        return spec.replace_attributes(deps=[*spec.deps, dg.AssetDep(spec.key, partition_mapping=yesterday)])


def said_above(sql: str) -> str:
    """The comment in the first line: what a row is, or what holds; empty where there is none."""
    first = sql.strip().partition("\n")[0]
    return first.removeprefix("--").strip() if first.startswith("--") else ""


TRANSLATOR = Translator(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))


def dbt_stage_assets(settings: Settings, partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Two sets of models: up to segments a run builds a range of days at once; campaigns and measurement build one day at a time, each after the
    day before, because a decision reads what was sent."""
    parsed = parse()

    @dbt_assets(
        manifest=parsed.nodes,
        name="transform",
        exclude=" ".join(DAILY_STAGES),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        dagster_dbt_translator=TRANSLATOR,
    )
    def transform(context: dg.AssetExecutionContext, store: Store) -> Iterator[Any]:
        yield from run_models(context, store)
        fault_point("transformed")

    @dbt_assets(
        manifest=parsed.nodes,
        name="decide",
        select=" ".join(DAILY_STAGES),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.multi_run(1),
        dagster_dbt_translator=TRANSLATOR,
    )
    def decide(context: dg.AssetExecutionContext, store: Store) -> Iterator[Any]:
        yield from run_models(context, store)
        fault_point("decided")

    return [transform, decide]


def run_models(context: dg.AssetExecutionContext, store: Store) -> Iterator[Any]:
    """Build the selected models for the run's moments; row counts and dbt's test results come as metadata and checks. A model without news is as it
    is to be, of which dbt says nothing."""
    settings = store.settings
    moments = moments_of(context, store.shop)
    trainings = write_moments(store, moments)
    horizons = {horizon for training in trainings for horizon in training.label_horizons}
    parsed = parse()
    keys = sorted(context.selected_asset_keys)
    events: list[Any] = []
    tested: list[dict[str, Any]] = []
    newest = max(moment.as_of for moment in moments)
    try:
        for raw in build(settings, [key.path[-1] for key in keys], variables={"label_horizons": sorted(horizons)} if horizons else {}):
            message = DbtCoreCliEventMessage(raw_event=raw, event_history_metadata={})
            tested += [raw["data"]] if raw["info"]["name"] == "LogTestResult" else []
            events += message.to_default_asset_events(parsed.nodes, TRANSLATOR, context)
    except DbtFailed:
        # What was built is there, and the next run, which finds it without news, says so.
        yield from (event for event in events if not isinstance(event, dg.Output))
        raise
    note_warnings(store.warehouse, newest, tested, parsed.nodes["nodes"])
    rows = row_counts(store, keys, newest)
    said = {event.output_name: event.metadata for event in events if isinstance(event, dg.Output)}
    # Dagster takes them in the order in which they read each other, those without news in their places too.
    for output in sorted(rows, key=places(parsed.nodes).__getitem__):
        yield dg.Output(None, output_name=output, metadata={**said.get(output, {}), **rows[output]})
    yield from (event for event in events if not isinstance(event, dg.Output))


def note_warnings(warehouse: Warehouse, as_of: datetime, tested: list[dict[str, Any]], nodes: Any) -> None:
    """Keep which tests warned in a day's newest run of them, for its health page; what a test says stands above its SQL."""
    ran = [one["node_info"]["unique_id"] for one in tested]
    warned = [(one["node_info"]["unique_id"], int(one["num_failures"])) for one in tested if one["status"] == "warn"]
    with warehouse.transaction() as connection:
        names = [nodes[name]["name"] for name in ran]
        connection.execute("delete from sources.test_warnings where as_of = ? and list_contains(?, test)", [as_of, names])
        for name, rows in warned:
            says = said_above(nodes[name]["raw_code"])
            connection.execute("insert into sources.test_warnings values (?, ?, ?, ?)", [as_of, nodes[name]["name"], says, rows])


def places(nodes: Any) -> dict[str, int]:
    """Each model's place in an order in which none comes before what it reads, by output name."""
    models = (nodes["nodes"][name] for name in TopologicalSorter(nodes["parent_map"]).static_order() if name in nodes["nodes"])
    keys = [TRANSLATOR.get_asset_key(node) for node in models if node["resource_type"] == "model"]
    return {key.to_python_identifier(): place for place, key in enumerate(keys)}


def row_counts(store: Store, keys: list[dg.AssetKey], newest: datetime) -> dict[str, dict[str, int]]:
    """Rows per model, by output name. A table of days is counted for the run's newest one, whose partition's page shows the number, and whole; labels
    are of past days alone. A view is not counted: that would make every row of it for the number alone."""
    found = store.warehouse.rows(
        "select schema_name, table_name, list_contains(list(column_name), 'as_of') from duckdb_columns() "
        "semi join duckdb_tables() as held using (schema_name, table_name) group by schema_name, table_name"
    )
    tables: dict[tuple[str, ...], bool] = {(schema, name): is_dated for schema, name, is_dated in found}
    counts: dict[str, dict[str, int]] = {key.to_python_identifier(): {} for key in keys}
    held = [key for key in keys if tuple(key.path) in tables]
    if not held:
        return counts
    of_days = {key for key in held if tables[tuple(key.path)] and not key.path[-1].endswith("_labels")}
    sql = " union all ".join(
        f"select '{key.to_python_identifier()}', {'count_if(as_of = $1)' if key in of_days else 'null'}, count(*) "
        f"from {key.path[0]}.{key.path[1]}"
        for key in held
    )
    for name, of_day, rows in store.warehouse.rows(sql, [newest] if of_days else []):
        counts[name] = {"dagster/row_count": rows} if of_day is None else {"dagster/row_count": of_day, "rows of all days": rows}
    return counts
