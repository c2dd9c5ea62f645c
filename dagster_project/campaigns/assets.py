"""Campaigns: the plan the arbiter reads, and the mails for those it lets through."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.campaigns.brand import Brand, load_brand
from dagster_project.campaigns.campaign import Campaign, campaigns_of
from dagster_project.campaigns.content import CONTENT, compile_template, render
from dagster_project.campaigns.offers import offer_for
from dagster_project.campaigns.personal import carts, recommended, similar_to_carts, trending
from dagster_project.campaigns.steps import steps_of
from dagster_project.faults import fault_point
from dagster_project.files import make_whole
from dagster_project.moments import Moment, day_of
from dagster_project.partitions import moments_of, write_moments
from dagster_project.progress import tell
from dagster_project.resources import Store

RECIPIENTS = "select * from campaigns.recipients where as_of = ? order by campaign, step, variant, customer_id"
# Mails that are in memory at once, and in one row group of their file.
BATCH = 2048


def campaign_assets(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    one_day = dg.BackfillPolicy.multi_run(1)

    @dg.asset(key=["campaigns", "campaign_steps"], group_name="campaigns", partitions_def=partitions, backfill_policy=one_day)
    def campaign_steps(store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """One row per campaign, step and variant, as the campaign folders declare them."""
        steps = steps_of(campaigns_of(store.shop))
        store.warehouse.replace("campaigns.campaign_steps", steps)
        return dg.MaterializeResult(metadata={"dagster/row_count": steps.num_rows})

    @dg.asset(
        key=["campaigns", "campaign_content"],
        group_name="campaigns",
        partitions_def=partitions,
        backfill_policy=one_day,
        deps=[
            ["campaigns", "recipients"],
            ["campaigns", "recommended_products"],
            ["campaigns", "catalogue"],
            ["scores", "product_relations"],
        ],
    )
    def campaign_content(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """One row per mail: subject, preheader and where its HTML and text lie."""
        (moment,) = moments_of(context, store.shop)
        write_moments(store, [moment])
        content = render_moment(store, moment)
        store.warehouse.replace_days("campaigns.campaign_content", content, [moment.as_of])
        fault_point("rendered")
        return dg.MaterializeResult(metadata={"dagster/row_count": content.num_rows, **first_mail(store, content)})

    return [campaign_steps, campaign_content]


def render_moment(store: Store, moment: Moment) -> pa.Table:
    """Render every mail of a moment into one Parquet file a campaign and step; return the index, one row a mail."""
    brand = load_brand(store.settings.shop_folder)
    recipients = store.warehouse.read(RECIPIENTS, [moment.as_of]).to_pylist()
    by_mail: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in recipients:
        by_mail[row["campaign"], row["step"]].append(row)
    index = [
        render_step(store, campaign, step.name, by_mail[campaign.slug, step.name], brand, moment)
        for campaign in campaigns_of(store.shop)
        for step in campaign.steps
        if by_mail[campaign.slug, step.name]
    ]
    return pa.concat_tables(index) if index else INDEX.empty_table()


INDEX = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("campaign", pa.string()),
        ("step", pa.string()),
        ("customer_id", pa.string()),
        ("content_id", pa.string()),
        ("subject", pa.string()),
        ("preheader", pa.string()),
        ("path", pa.string()),
        ("merge_data", pa.large_string()),
    ]
)


def render_step(store: Store, campaign: Campaign, step: str, rows: list[dict[str, Any]], brand: Brand, moment: Moment) -> pa.Table:
    """Render one step: each variant and language is compiled once, and the mails are written as they are made."""
    tell("campaigns", f"{len(rows)} mails of {campaign.slug}, {step}")
    key = store.shop.pseudonym_key(store.settings.pseudonym_key)
    day = day_of(moment.as_of, store.shop.zone)
    # A mail whose button leads to the favourite category speaks of it.
    to_category = (campaign.step(step).link or campaign.link) == "category"
    currency, strategy = store.shop.currency, campaign.strategy_of(step)
    to_cart = strategy == "similar_to_cart"
    own = {} if to_cart else recommended(store.warehouse, moment.as_of, campaign.slug, step, strategy, currency, to_category)
    # What is popular is no alternative to what lies in a cart.
    popular = [] if to_cart else trending(store.warehouse, moment.as_of, currency)
    compiled = cache(lambda variant, language: compile_template(campaign, step, variant, language, brand))

    def batches() -> Iterator[pa.Table]:
        """The mails in the order of their customers, BATCH at a time: a mail is 25 kB, and a large audience would fill the memory."""
        ordered = sorted(rows, key=itemgetter("customer_id"))
        for start in range(0, len(ordered), BATCH):
            groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
            batch = ordered[start : start + BATCH]
            left = carts(store.warehouse, moment.as_of, batch, currency)
            products = similar_to_carts(store.warehouse, moment.as_of, left, currency) if to_cart else own
            for row in batch:
                row["offer"] = offer_for(campaign, row["customer_id"], day, key)
                row["cart"] = left.get(row["customer_id"])
                row["recommendations"] = products.get(row["customer_id"], [])
                groups[row["variant"], campaign.language_for(row["language"])].append(row)
            made = [render(compiled(*group), members, popular) for group, members in sorted(groups.items())]
            yield pa.concat_tables(made).sort_by("customer_id")

    path = Path("content") / f"as_of={moment.name}" / f"{campaign.slug}__{step}.parquet"
    index: list[pa.Table] = []

    def write(temporary: Path) -> None:
        with pq.ParquetWriter(temporary, CONTENT, compression="zstd") as file:
            for mails in batches():
                file.write_table(mails)
                index.append(mails.drop_columns(["html", "text"]))

    make_whole(store.settings.store / path, write)
    mails = pa.concat_tables(index)
    return pa.table(
        {
            "as_of": pa.array([moment.as_of] * mails.num_rows, pa.timestamp("us")),
            "campaign": [campaign.slug] * mails.num_rows,
            "step": [step] * mails.num_rows,
            "customer_id": mails["customer_id"],
            "content_id": mails["content_id"],
            "subject": mails["subject"],
            "preheader": mails["preheader"],
            "path": [path.as_posix()] * mails.num_rows,
            "merge_data": mails["merge_data"],
        },
        schema=INDEX,
    )


def first_mail(store: Store, content: pa.Table) -> dict[str, Any]:
    """What to look at in the UI: the mails per campaign and step. Subjects may hold names, so none is shown."""
    if content.num_rows == 0:
        return {}
    counts = (
        content.group_by(["campaign", "step"]).aggregate([([], "count_all")]).sort_by([("campaign", "ascending"), ("step", "ascending")])
    )
    lines = ["| campaign | step | mails |", "|---|---|---|"]
    lines += [f"| {row['campaign']} | {row['step']} | {row['count_all']} |" for row in counts.to_pylist()]
    return {"mails": dg.MetadataValue.md("\n".join(lines)), "longest subject": int(pc.max(pc.utf8_length(content["subject"])).as_py())}
