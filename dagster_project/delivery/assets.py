"""Delivery: the edge. Consent is read once more, held days stay here, and what readers read is switched at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa

from dagster_project.built_days import newest
from dagster_project.campaigns.brand import load_brand
from dagster_project.campaigns.campaign import campaigns_of
from dagster_project.delivery.audiences import judge_audiences
from dagster_project.delivery.destinations import destination_named
from dagster_project.delivery.exports import ExportRun, write_export
from dagster_project.delivery.feeds import (
    Day,
    Feed,
    campaign_feed,
    codes_feed,
    ended_feed,
    ended_segments,
    newest_gate,
    profile_feed,
    segment_descriptions,
    segment_feeds,
)
from dagster_project.delivery.publish import publish
from dagster_project.faults import fault_point
from dagster_project.moments import Moment
from dagster_project.partitions import moments_of, write_moments
from dagster_project.resources import Store
from dagster_project.sources.guards import accept, holding
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.transform.dbt_build import build, parse

# Each holds a feed in memory.
WRITERS = 2
CLUSTERS = "select cluster, description from scores.clusters where as_of = ? order by cluster"
# The run of each feed that each destination was given last, up to a day: its own first run too, when it is built a second time.
GIVEN = "select destination, feed, arg_max(run, as_of) from campaigns.export_log where as_of <= ? group by destination, feed"
CHOSEN = """
select as_of, campaign, step, variant, customer_id, decision, began_at from campaigns.campaign_decisions
where as_of = ? and decision in ('send', 'holdout') and campaign in (select unnest(?::varchar[]))
order by campaign, step, customer_id
"""
# Whom an earlier run of the day mailed stays: a tool may have taken it. Whom it held out and this one mails is held out no more.
CONTACTED = """
delete from campaigns.contact_history as entered using chosen
where entered.decision = 'holdout' and chosen.decision = 'send'
    and (entered.as_of, entered.campaign, entered.step, entered.customer_id) = (chosen.as_of, chosen.campaign, chosen.step, chosen.customer_id);
insert into campaigns.contact_history select * from chosen anti join campaigns.contact_history using (as_of, campaign, step, customer_id)
"""


def delivery_assets(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    one_day = dg.BackfillPolicy.multi_run(1)

    @dg.asset(
        key=["campaigns", "exports"],
        group_name="campaigns",
        partitions_def=partitions,
        backfill_policy=one_day,
        deps=[
            ["campaigns", "campaign_content"],
            ["campaigns", "mailable_customers"],
            ["campaigns", "customer_traits"],
            ["segments", "customer_segments"],
        ],
        check_specs=[dg.AssetCheckSpec("delivery_not_held", asset=["campaigns", "exports"])],
    )
    def exports(context: dg.AssetExecutionContext, store: Store):  # type: ignore[no-untyped-def]
        """The files that tools sync. A red guard holds them back until somebody accepts it."""
        (moment,) = moments_of(context, store.shop)
        judge_audiences(store.warehouse, store.shop, moment)
        accept(store.warehouse, moment.as_of, store.accept, store.accepted_by)
        held = holding(store.warehouse, moment.as_of)
        runs = [] if held else deliver(store, moment)
        fault_point("exported")
        yield dg.MaterializeResult(
            asset_key=["campaigns", "exports"],
            metadata={"dagster/row_count": sum(run.rows for run in runs), "exports": len(runs), "new": sum(run.is_new for run in runs)},
        )
        yield dg.AssetCheckResult(
            asset_key=["campaigns", "exports"],
            check_name="delivery_not_held",
            passed=not held,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"held by": dg.MetadataValue.md("\n".join(f"- {line}" for line in held) or "nothing")},
        )

    @dg.asset(
        key=["campaigns", "published"],
        group_name="campaigns",
        partitions_def=partitions,
        backfill_policy=one_day,
        deps=[
            ["campaigns", "exports"],
            ["profile", "current_customers"],
            ["profile", "customer_addresses"],
            ["scores", "customer_scores"],
            ["scores", "customer_recommendations"],
            ["scores", "product_relations"],
            ["scores", "product_bundles"],
            ["measurement", "campaign_results"],
        ],
    )
    def published(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """What readers read, switched at once; a day before the newest built one moves nothing."""
        (moment,) = moments_of(context, store.shop)
        fault_point("publishing")
        folder = "unchanged (a rebuild)"
        if not is_rebuild(store, moment):
            folder = publish(store.warehouse, store.settings.published, moment)
            built = pa.table({"as_of": pa.array([moment.as_of], pa.timestamp("us"))})
            store.warehouse.replace_days("sources.built_days", built, [moment.as_of])
        fault_point("published")
        return dg.MaterializeResult(metadata={"folder": folder})

    return [exports, published]


def is_rebuild(store: Store, moment: Moment) -> bool:
    """Whether a later day has been built: then this one may look back, not act."""
    built = newest(store.warehouse)
    return built is not None and moment.as_of < built


def refresh_consent(store: Store, moment: Moment) -> None:
    """Take in what consent has come since the run began, and state the newest word."""
    news = load_shop_extracts(
        store.warehouse, store.shop, store.settings.store, store.settings.pseudonym_key, only_consent=True, closed=moment.known_by
    )
    write_moments(store, [moment])
    if news:
        for _ in build(store.settings, consent_models(), exclude_tests=True):
            pass


def consent_models() -> list[str]:
    """The facts of consent and suppression, and the staging that they are made of: what is kept there does not know the newest batch yet."""
    nodes = parse().nodes["nodes"]
    found: set[str] = set()
    ahead = ["model.dearly.fct_consents", "model.dearly.fct_suppressions"]
    while ahead:
        node = nodes[ahead.pop()]
        found.add(node["name"])
        ahead += [parent for parent in node["depends_on"]["nodes"] if nodes.get(parent, {}).get("schema") == "staging"]
    return sorted(found)


def deliver(store: Store, moment: Moment) -> list[ExportRun]:
    """Write every feed of the day for every destination of the shop."""
    refresh_consent(store, moment)
    # Some hundred questions, a connection for all of them.
    with store.warehouse.session():
        return deliver_feeds(store, moment)


def deliver_feeds(store: Store, moment: Moment) -> list[ExportRun]:
    day = Day(store.warehouse, store.shop, store.settings, moment, newest_gate(store.warehouse, moment))
    clusters = store.warehouse.rows(CLUSTERS, [moment.as_of])
    descriptions = segment_descriptions(parse().nodes, [(str(name), str(told)) for name, told in clusters])
    campaigns = campaigns_of(store.shop)
    sender = load_brand(store.settings.shop_folder).sender
    mails = [campaign_feed(day, campaign, sender) for campaign in campaigns]
    feeds = [*segment_feeds(day, descriptions), profile_feed(day)]
    codes = [codes_feed(day, campaign, feed) for campaign, feed in zip(campaigns, mails, strict=True) if campaign.discount]
    # A campaign goes to those of the shop's destinations that it names; lists and profiles go to all of them.
    shop = store.shop.destinations
    due = [
        (feed, destination)
        for campaign, feed in zip(campaigns, mails, strict=True)
        for destination in shop
        if destination in campaign.destinations
    ]
    due += [(feed, destination) for feed in feeds for destination in shop]
    for destination in shop:
        ended = ended_segments(store.settings.exports / destination, descriptions, moment)
        due += [(ended_feed(day, segment), destination) for segment in ended]
    due += [(feed, "shop") for feed in codes]
    rebuild = is_rebuild(store, moment)
    given = given_runs(store, moment)

    def delivered(one: tuple[Feed, str]) -> tuple[Feed, str, ExportRun]:
        feed, to = one
        return feed, to, deliver_feed(store, feed, to, given.get((to, feed.name)), rebuild)

    # Hundreds of small files, each synced to the disk: while one waits for it others are written.
    with ThreadPoolExecutor(WRITERS) as pool:
        runs = list(pool.map(delivered, due))
    if not rebuild:
        # At once: killed before, the day is delivered anew to the same folders.
        with store.warehouse.transaction() as connection:
            log_exports(connection, moment, runs)
            log_contacts(connection, day, runs)
    return [run for _, _, run in runs]


def given_runs(store: Store, moment: Moment) -> dict[tuple[str, str], Path]:
    """The folder of the run that each destination was given last of each feed (destination, feed), up to a moment."""
    exports = store.settings.exports
    given = {(to, feed): exports / to / feed / run for to, feed, run in store.warehouse.rows(GIVEN, [moment.as_of])}
    # Whoever takes a folder away gets everybody anew.
    return {key: run for key, run in given.items() if run.exists()}


def deliver_feed(store: Store, feed: Feed, destination: str, given: Path | None, rebuild: bool) -> ExportRun:
    root = store.settings.store / "rebuilds" if rebuild else store.settings.exports
    return write_export(root, destination_named(destination), feed, given, moves_latest=not rebuild)


def log_exports(connection: duckdb.DuckDBPyConnection, moment: Moment, runs: list[tuple[Feed, str, ExportRun]]) -> None:
    """Enter a day's runs, and whom the last gate held back from which feed."""
    rows = [
        [moment.as_of, destination, feed.name, run.run, run.delta_of, run.rows, len(feed.held_back), feed.consent_as_of]
        for feed, destination, run in runs
    ]
    connection.execute("delete from campaigns.export_log where as_of = ?", [moment.as_of])
    if rows:
        connection.executemany("insert into campaigns.export_log values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute("delete from campaigns.held_back where as_of = ?", [moment.as_of])
    held = {(feed.name, customer, reason) for feed, _, _ in runs for customer, reason in feed.held_back}
    if held:
        connection.executemany("insert into campaigns.held_back values (?, ?, ?, ?)", [[moment.as_of, *one] for one in sorted(held)])


def log_contacts(connection: duckdb.DuckDBPyConnection, day: Day, runs: list[tuple[Feed, str, ExportRun]]) -> None:
    """Enter who was mailed or held out by a day's runs: who passed the gate, of both alike, less whom none of the campaign's tools could take."""
    refused: dict[str, frozenset[str]] = {}
    for feed, _, run in runs:
        if feed.kind == "campaign":
            refused[feed.name] = refused.get(feed.name, run.refused) & run.refused
    chosen = connection.execute(CHOSEN, [day.moment.as_of, list(refused)]).to_arrow_table()
    people = zip(*(chosen[name].to_pylist() for name in ("campaign", "customer_id", "decision")), strict=True)
    kept = [
        day.gate.stopped_by(customer, by_profiling=True) is None and not (decision == "send" and customer in refused[campaign])
        for campaign, customer, decision in people
    ]
    connection.register("chosen", chosen.filter(pa.array(kept, pa.bool_())))
    connection.execute(CONTACTED)
    connection.unregister("chosen")
