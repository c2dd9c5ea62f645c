"""What a person writes by hand: contracts, shops, campaigns, and what is wrong with them."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from dagster_project.cli.common import FAILED, Refused, ShopOption, app, console, settings_of

shop_app = typer.Typer(no_args_is_help=True, help="Shops: a new one from a stranger's files.")
app.add_typer(shop_app, name="shop")
source_app = typer.Typer(no_args_is_help=True, help="Source systems: a new one from a sample file.")
app.add_typer(source_app, name="source")


@app.command()
def check(
    shop: ShopOption = None,
    write: Annotated[bool, typer.Option(help="write the files that are made from others (dbt's source YAML, pages of docs/)")] = False,
) -> None:
    """Check a shop's folder, the source contracts and the campaigns; each mistake is a sentence with file and line."""
    from dagster_project.checks import findings, write_generated

    settings = settings_of(shop)
    if write:
        for path in write_generated():
            console.print(f"written {path}")
    found = findings(settings)
    for finding in found:
        console.print(f"[red]✗[/] {escape(str(finding))}", highlight=False, soft_wrap=True)
    if found:
        raise Refused(f"{len(found)} to mend", FAILED)
    console.print("Shop, sources and campaigns are in order.")


@source_app.command("new")
def source_new(
    name: Annotated[str, typer.Argument(help="the new system: small letters, digits, underscores")],
    samples: Annotated[
        list[Path],
        typer.Option("--from", help="a file as the system gives it: CSV, JSON lines, Parquet, also .gz; once for each of its tables"),
    ],
) -> None:
    """Draft a source system from a sample of each of its tables: its contract, its staging models, its lines in dbt_project.yml."""
    from dagster_project.onboarding.systems import draft_system
    from dagster_project.sources.contract import load_system
    from dagster_project.sources.extracts import DATA

    try:
        written = draft_system(name, [sample.expanduser().resolve() for sample in samples])
    except ValueError as error:
        raise Refused(str(error)) from None
    for path in written:
        console.print(f"written {path}", highlight=False, soft_wrap=True)
    endings = [found.group() if (found := DATA.search(sample.name)) else sample.suffix for sample in samples]
    named = zip(load_system(name).tables, endings, strict=True)
    tables = ", ".join(f"extracts/{name}/{table}/{table}_<YYYYMMDDTHHMMSSZ>{ending}" for table, ending in named)
    console.print(
        f"\nLook at them; then in a shop's shop.yaml, under sources: [bold]{name}: {{path: extracts/{name}}}[/], its extracts as {tables}, "
        "the time being that of the extraction (UTC), and: [bold]dearly check[/]",
        highlight=False,
        soft_wrap=True,
    )


@shop_app.command("new")
def shop_new(
    name: Annotated[str, typer.Argument(help="the new shop: a name below shops/, or a path")],
    source: Annotated[
        str,
        typer.Option(
            "--from", help="a folder of files (CSV, JSON lines, Parquet), a file, or the environment variable with a database's address"
        ),
    ],
) -> None:
    """Draft a whole shop from its files or its database: which table is what, its days, its settings. Asks nothing; shop.yaml says what is uncertain."""
    from dagster_project.onboarding.lakes import lake_at
    from dagster_project.onboarding.shops import draft_shop
    from dagster_project.settings import SHOPS
    from dagster_project.sources.pulling import clock

    folder = SHOPS / name if re.fullmatch(r"[\w-]+", name) else Path(name).expanduser().resolve()
    try:
        draft = draft_shop(folder, lake_at(source) or Path(source).expanduser().resolve(), clock())
    except ValueError as error:
        raise Refused(str(error)) from None
    for known in draft.layout.known:
        console.print(f"{known.sample.name}: {known.sample.rows} rows, {known.system}.{known.table}", highlight=False)
    for reading in draft.layout.own:
        parts = ", ".join(f"{column} ← {part.header}" for column, part in reading.parts.items())
        console.print(f"{reading.sample.name}: {reading.sample.rows} rows, {reading.kind} ({parts})", highlight=False)
    for line in draft.review:
        console.print(f"[yellow]?[/] {escape(line)}", highlight=False)
    console.print(f"\nLook at {folder / 'shop.yaml'}, then: [bold]dearly run --shop {name}[/]", highlight=False, soft_wrap=True)


@app.command()
def preview(
    campaign: str,
    customer: Annotated[str | None, typer.Option(help="customer id or e-mail address: the newest mail of theirs")] = None,
    data: Annotated[Path | None, typer.Option(help="a JSON file with a row of merge fields (docs/content.md)")] = None,
    step: Annotated[str | None, typer.Option(help="the step; default: that of the newest mail")] = None,
    shop: ShopOption = None,
) -> None:
    """Write a campaign's mail as files to open in a browser: the newest that was rendered, a customer's, or one for a row of data."""
    from dagster_project.campaigns.showing import show_mail

    for path in show_mail(settings_of(shop), campaign, step, customer, data):
        console.print(str(path), soft_wrap=True, highlight=False)
