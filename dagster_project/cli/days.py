"""Build days and look at them: run, pull, demo, status, report, query, plan."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dagster_project.cli.answers import Answer, show_rows
from dagster_project.cli.common import FAILED, NOT_DELIVERED, Refused, ShopOption, app, console, settings_of
from dagster_project.lease import hold
from dagster_project.progress import shown
from dagster_project.settings import Settings

if TYPE_CHECKING:
    from dagster_project.shop import Shop
    from dagster_project.status import Status


@app.command()
def run(
    shop: ShopOption = None,
    as_of: Annotated[str | None, typer.Option(help="a day (2026-03-05) or the instant it ends; default: the last closed day")] = None,
    start: Annotated[str | None, typer.Option("--from", help="build every day from this one to --as-of")] = None,
    accept: Annotated[list[str] | None, typer.Option(help="let delivery go although this guard is red; may be repeated")] = None,
) -> None:
    """Build a day, from new extracts to exports. Days already built are built again to the same bytes."""
    from dagster_project.campaigns.campaign import campaigns_of
    from dagster_project.shop import load_shop
    from dagster_project.sources.guards import refuse_unknown

    settings = settings_of(shop)
    try:
        the_shop = load_shop(settings.shop_folder)
        refuse_unknown(the_shop, accept or [])
        campaigns_of(the_shop)
        asked = the_shop.day_named(as_of) if as_of else None
        first = the_shop.day_named(start, "--from") if start else None
        # Dagster and dbt take seconds to load: what is mistyped is told before.
        from dagster_project import runs
        from dagster_project.failures import RunFailed

        if not as_of:
            tell_pulls(settings, the_shop)
        last = asked or runs.last_closed_day(settings, the_shop)
    except ValueError as error:
        raise Refused(str(error)) from None
    days = [day for day in the_shop.days(last) if (first or last) <= day]
    if not days:
        raise Refused(f"--from {first} lies after {last}: name an earlier day.")
    try:
        with shown(console):
            runs.run_days(settings, days, accept or [], getpass.getuser())
    except RunFailed as error:
        raise Refused(f"The run failed: {error}", FAILED) from None
    if tell_status(settings).is_held:
        raise typer.Exit(NOT_DELIVERED)


@app.command()
def pull(shop: ShopOption = None) -> None:
    """Ask databases and APIs for what is new, now; `dearly run` does so by itself once a night."""
    from dagster_project.shop import load_shop

    settings = settings_of(shop)
    try:
        failed = tell_pulls(settings, load_shop(settings.shop_folder), again=True)
    except ValueError as error:
        raise Refused(str(error)) from None
    if failed:
        raise Refused(f"{failed} tables could not be pulled", FAILED)


def tell_pulls(settings: Settings, shop: "Shop", again: bool = False) -> int:
    """Pull and say what came; return how many tables could not be pulled."""
    from dagster_project.sources.pulling import pull_shop
    from dagster_project.warehouse import Warehouse

    if all(source.kind == "files" for source in shop.sources.values()):
        if again:
            console.print(f"{shop.name} has extract files alone: nothing is pulled. `dearly run` reads what has come.", highlight=False)
        return 0
    warehouse = Warehouse.of(settings)
    with hold(settings.store, "dearly pull"):
        warehouse.create()
        pulled = pull_shop(warehouse, shop, settings.store, again=again, key=settings.pseudonym_key)
    for one in pulled:
        console.print(
            f"{one.system}.{one.table}: " + (f"[red]{escape(one.failure)}[/]" if one.failure else f"{one.rows} rows"), highlight=False
        )
    return sum(one.failure is not None for one in pulled)


@app.command()
def demo(shop: ShopOption = None) -> None:
    """Make the demo shop, build its last days, and write a report to look at."""
    # What takes seconds to load is loaded while the extracts are made.
    from dagster_project.demo import run_demo
    from dagster_project.failures import RunFailed
    from dagster_project.shop import load_shop

    settings = settings_of(shop)
    the_shop = load_shop(settings.shop_folder)
    try:
        with shown(console), hold(settings.store, "dearly demo"):
            made = run_demo(settings, the_shop)
    except RunFailed as error:
        raise Refused(f"The run failed: {error}", FAILED) from None
    from dagster_project.measurement.summary import summary_lines

    for line in summary_lines(settings):
        console.print(line, highlight=False)
    if not made.days:
        console.print("Everything was built already: nothing was done twice.")
    console.print(f"\nOpen the report: [bold]{made.report}[/]", highlight=False, soft_wrap=True)


@app.command()
def status(shop: ShopOption = None) -> None:
    """What is built, what is held and why, who left what out."""
    tell_status(settings_of(shop))


def tell_status(settings: Settings) -> "Status":
    """Print where the store stands: what is built first, what holds last, where the eye is."""
    from dagster_project.status import status_of

    now = status_of(settings)
    console.print(f"[bold]{escape(now.built)}[/]", highlight=False, soft_wrap=True)
    for title, header, rows in now.tables:
        if not rows:
            continue
        table = Table(*header, title=title, title_justify="left", title_style="bold")
        for column in table.columns:
            column.overflow = "fold"
        for row in rows:
            table.add_row(*(escape(str(value)) for value in row))
        console.print(table)
    for line in now.open:
        console.print(f"[bold red]open[/] {escape(line)}", highlight=False, soft_wrap=True)
    for line in now.held:
        console.print(f"[bold red]held[/] {escape(line)}", highlight=False, soft_wrap=True)
    if now.days and not now.held:
        console.print("Nothing is held.")
    return now


@app.command()
def report(shop: ShopOption = None) -> None:
    """Write the page about the newest built day: funnel, scores, segments, mails, and why each person got what."""
    from dagster_project.measurement.report import write_report

    page = write_report(settings_of(shop))
    console.print(f"Open the report: [bold]{page}[/]", highlight=False, soft_wrap=True)


@app.command()
def query(
    sql: str,
    shop: ShopOption = None,
    answer: Annotated[Answer, typer.Option("--format", help="a table to look at, or all rows for another program")] = Answer.table,
) -> None:
    """Ask what was published: customers, segments, decisions, suppressions and what else the newest day has, in SQL."""
    from dagster_project.published import ask

    names, rows = ask(settings_of(shop), sql)
    show_rows(names, rows, answer)


@app.command("plan")
def show_plan(shop: ShopOption = None) -> None:
    """What building the newest day again would change: customers merged or split, segments, campaigns, exports. Nothing is touched."""
    from dagster_project.failures import RunFailed
    from dagster_project.plan import plan
    from dagster_project.shop import load_shop

    settings = settings_of(shop)
    try:
        with hold(settings.store, "dearly plan"):
            made = plan(settings, load_shop(settings.shop_folder))
    except ValueError as error:
        raise Refused(str(error)) from None
    except RunFailed as error:
        raise Refused(f"The day cannot be built: {error}", FAILED) from None
    for line in made.lines():
        console.print(line, highlight=False, markup=False)
