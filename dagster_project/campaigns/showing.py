"""A campaign's mail as files to look at, for a customer of the store or for a row of data."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.campaigns.brand import load_brand
from dagster_project.campaigns.campaign import Campaign, load_campaigns
from dagster_project.campaigns.content import compile_template, render
from dagster_project.campaigns.preview import preview_html
from dagster_project.failures import Mistake
from dagster_project.files import write_whole
from dagster_project.published import connect, current, customers_named
from dagster_project.settings import TEMPLATES, Settings


class NothingToShow(Mistake):
    """No such campaign, step or mail; the message says what there is."""


def show_mail(settings: Settings, slug: str, step: str | None, customer: str | None, data: Path | None) -> list[Path]:
    """Write HTML (light and dark) and text of a mail below the store's previews/; return the files.

    Raises:
        NothingToShow: there is no such campaign, step or mail.
    """
    campaign = named(slug)
    chosen = step or campaign.steps[0].name
    if chosen not in [one.name for one in campaign.steps]:
        raise NothingToShow(f"{slug} has no step {chosen!r}; it has {', '.join(one.name for one in campaign.steps)}.")
    steps = [step] if step else [one.name for one in campaign.steps]
    found = newest_mail(settings, slug, steps, customer) if data is None else None
    if customer and not found:
        raise NothingToShow(
            f"No mail of {slug}, step {' or '.join(steps)}, was rendered for {customer}; `dearly explain decision {slug} {customer}` says why."
        )
    mail, chosen = found or (mail_of_row(settings, campaign, chosen, data), chosen)
    folder = settings.store / "previews" / f"{slug}__{chosen}__{mail['customer_id']}"
    text = f"Subject: {mail['subject']}\nPreheader: {mail['preheader']}\n\n{mail['text']}"
    files = {"light.html": preview_html(mail["html"], "light"), "dark.html": preview_html(mail["html"], "dark"), "mail.txt": text}
    for name, content in files.items():
        write_whole(folder / name, content.encode())
    return [folder / name for name in files]


def named(slug: str) -> Campaign:
    campaigns = {campaign.slug: campaign for campaign in load_campaigns(TEMPLATES / "campaigns")}
    if slug not in campaigns:
        raise NothingToShow(f"There is no campaign {slug!r}; there are {', '.join(campaigns)}.")
    return campaigns[slug]


def newest_mail(settings: Settings, slug: str, steps: list[str], customer: str | None) -> tuple[dict[str, Any], str] | None:
    """The newest mail that was rendered in one of these steps, and the step: a customer's (id or e-mail address), or the first one's of its day."""
    called: list[str] = []
    if customer:
        with connect(current(settings), "customers") as connection:
            called = customers_named(connection, customer)
        called = called or [customer]
    paths = [path for step in steps for path in (settings.store / "content").glob(f"as_of=*/{slug}__{step}.parquet")]
    for path in sorted(paths, key=lambda path: path.parent.name, reverse=True):
        table = pq.read_table(path)
        mails = table.filter(pc.is_in(table["customer_id"], pa.array(called))) if customer else table
        if len(mails):
            return dict(mails.slice(0, 1).to_pylist()[0]), path.stem.removeprefix(f"{slug}__")
    return None


def mail_of_row(settings: Settings, campaign: Campaign, step: str, data: Path | None) -> dict[str, Any]:
    """The mail for a row of merge fields; without a file, for somebody of whom nothing is known."""
    row = json.loads(data.read_text()) if data else {}
    language = campaign.language_for(row.get("language"))
    compiled = compile_template(campaign, step, row.get("variant", campaign.variants[0].name), language, load_brand(settings.shop_folder))
    return dict(render(compiled, [{"customer_id": "nobody", **row}]).to_pylist()[0])
