"""Refused rows once more."""

import json
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.common import Refused, ShopOption, app, console, settings_of
from dagster_project.lease import hold

replay_app = typer.Typer(no_args_is_help=True, help="Let refused rows come in once more.")
app.add_typer(replay_app, name="replay")


@replay_app.command("quarantine")
def replay_quarantine(
    source: str,
    table: str,
    file: Annotated[
        Path | None, typer.Option(help="mended rows, in the table's own format; without it the rows are tried as they are")
    ] = None,
    write: Annotated[Path | None, typer.Option(help="only write the waiting rows here as JSON lines, to be mended")] = None,
    shop: ShopOption = None,
) -> None:
    """Let quarantined rows come in once more, mended or after a changed rule. They are known from now on; no built day changes."""
    from dagster_project.shop import load_shop
    from dagster_project.sources.replay import open_rows, replay, system_named
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    the_shop = load_shop(settings.shop_folder)
    warehouse = Warehouse.of(settings)
    try:
        with hold(settings.store, "dearly replay"):
            if write:
                rows = open_rows(warehouse, system_named(the_shop, source), table)
                write.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
                console.print(f"{len(rows)} rows written to {write}")
                return
            done = replay(warehouse, the_shop, settings.store, source, table, file, settings.pseudonym_key)
    except ValueError as error:
        raise Refused(str(error)) from None
    if done.batch is None:
        console.print("These rows had been replayed before; nothing was loaded.")
        return
    console.print(
        f"{done.batch.rows_in} rows: {done.batch.rows_loaded} loaded, {done.batch.rows_duplicate} duplicate, "
        f"{done.batch.rows_quarantined} quarantined again; known from {done.known_at} UTC on; "
        f"{done.waiting} of {source}.{table} wait."
    )
