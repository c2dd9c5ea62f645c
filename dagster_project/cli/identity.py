"""Decisions who is who."""

import getpass
from datetime import date
from typing import Annotated

import typer
from rich.box import HORIZONTALS
from rich.table import Table

from dagster_project.cli.common import FAILED, Refused, ShopOption, app, console, settings_of
from dagster_project.lease import hold

identity_app = typer.Typer(no_args_is_help=True, help="Decide who is who: lines in the shop's identity/decisions.csv.")
app.add_typer(identity_app, name="identity")


RecordArgument = Annotated[str, typer.Argument(help="a record (hubspot:123) or a customer id")]
WhyOption = Annotated[str, typer.Option(help="the reason, for whoever reviews it")]
FromOption = Annotated[str | None, typer.Option("--from", help="the day it is in force from; default: the newest day built")]


@identity_app.command("link")
def identity_link(record: RecordArgument, other: RecordArgument, why: WhyOption, start: FromOption = None, shop: ShopOption = None) -> None:
    """Two records are one customer, whatever the data say."""
    decide_about("link", record, other, why, start, shop)


@identity_app.command("unlink")
def identity_unlink(
    record: RecordArgument, other: RecordArgument, why: WhyOption, start: FromOption = None, shop: ShopOption = None
) -> None:
    """Two records are two customers, whatever the data say."""
    decide_about("unlink", record, other, why, start, shop)


@identity_app.command("review")
def identity_review(
    most: Annotated[int, typer.Option(min=1, help="how many cases to list")] = 20,
    shop: ShopOption = None,
) -> None:
    """Customers who may be one person and are two: a line a case, the likeliest first."""
    from dagster_project.built_days import nothing_built
    from dagster_project.identity.review import cases
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    with hold(settings.store, "dearly identity review"):
        found = cases(Warehouse.of(settings)) if settings.warehouse.exists() else None
    if found is None:
        raise Refused(nothing_built(settings), FAILED)
    if not found:
        console.print("Nobody waits for review.")
        return
    table = Table("customer", "may be", "because", "weight", "or one of", box=HORIZONTALS, pad_edge=False, collapse_padding=True)
    # An id that is cut cannot be asked about.
    for column in table.columns[:2]:
        column.no_wrap, column.min_width = True, max(len(case[0]) for case in found)
    for customer, candidate, reason, weight, candidates in found[:most]:
        table.add_row(
            customer, candidate, reason, "" if weight is None else f"{weight:+.1f}", f"{candidates - 1} more" if candidates > 1 else ""
        )
    console.print(table)
    console.print(
        f"{len(found)} case{'' if len(found) == 1 else 's'}; `dearly explain link A B` shows the evidence,", highlight=False, soft_wrap=True
    )
    console.print(
        "`dearly identity link A B --why …` or `unlink` decides. All of them: identity.clerical_review.", highlight=False, soft_wrap=True
    )


def decide_about(verdict: str, record: str, other: str, why: str, start: str | None, shop: str | None) -> None:
    from dagster_project.built_days import newest_day
    from dagster_project.identity.questions import decide
    from dagster_project.shop import load_shop
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    try:
        day = date.fromisoformat(start) if start else None
    except ValueError:
        raise Refused(f"--from {start}: a day is written 2026-03-05.") from None
    try:
        with hold(settings.store, f"dearly identity {verdict}"):
            warehouse = Warehouse.of(settings)
            the_shop = load_shop(settings.shop_folder)
            decision, path, until = decide(warehouse, the_shop, verdict, record, other, why, getpass.getuser(), day)
            newest = newest_day(warehouse, the_shop)
    except ValueError as error:
        raise Refused(str(error)) from None
    console.print(
        f"{path}: {decision.record_a} and {decision.record_b}, {verdict} from {decision.day} on.", highlight=False, soft_wrap=True
    )
    if until:
        console.print(f"From {until.day} on another line holds again: {until.verdict}, {until.why}.", highlight=False, soft_wrap=True)
    if decision.day > newest:
        console.print(f"The newest day built is {newest}: nothing changes before {decision.day} is built.", highlight=False)
    else:
        console.print(f"`dearly plan` shows what it changes; `dearly run --as-of {newest}` builds it.", highlight=False)
