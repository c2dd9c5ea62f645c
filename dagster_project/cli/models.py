"""Which model scores, and which one shall."""

import getpass
from typing import Annotated

import typer
from rich.box import HORIZONTALS
from rich.table import Table

from dagster_project.cli.common import FAILED, Refused, ShopOption, app, console, settings_of
from dagster_project.lease import hold

models = typer.Typer(no_args_is_help=True, help="The models behind the scores: which one scores, and which one shall.")
app.add_typer(models, name="model")


@models.command("list")
def list_models(shop: ShopOption = None) -> None:
    """Every model that was trained, chosen or refused, and from when it scores."""
    from dagster_project.scores.model_log import log_lines
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    with hold(settings.store, "dearly model"):
        lines = log_lines(Warehouse.of(settings)) if settings.warehouse.exists() else []
    table = Table("model", "candidate", "trained", "scores from", "why", box=HORIZONTALS, pad_edge=False, collapse_padding=True)
    for column in table.columns[:-1]:
        column.no_wrap = True
    for line in lines:
        table.add_row(*line)
    console.print(table)


@models.command("rollback")
def rollback_model(model: str, shop: ShopOption = None) -> None:
    """Let the model that scored before the present one score again, from the next day on. Built days do not change."""
    choose_model(model, None, shop)


@models.command("use")
def use_model(
    model: str,
    version: str,
    anyway: Annotated[bool, typer.Option("--anyway", help="also one that was refused when it was trained")] = False,
    shop: ShopOption = None,
) -> None:
    """Let a version of MLflow's registry score, from the next day on."""
    choose_model(model, version, shop, anyway)


def choose_model(model: str, version: str | None, shop: str | None, anyway: bool = False) -> None:
    from dagster_project.scores import choosing
    from dagster_project.shop import load_shop
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    the_shop = load_shop(settings.shop_folder)
    if not settings.warehouse.exists():
        raise Refused(f"{settings.shop}: nothing is built yet, so there is no model.", FAILED)
    warehouse, registry, by = Warehouse.of(settings), choosing.registry_of(settings, the_shop), getpass.getuser()
    try:
        with hold(settings.store, "dearly model"):
            since = choosing.next_day(warehouse, the_shop)
            if version is None:
                chosen = choosing.roll_back(warehouse, the_shop, registry, settings.artifacts, model, by)
            else:
                chosen = choosing.choose_version(warehouse, the_shop, registry, settings.artifacts, model, version, by, anyway)
    except (choosing.NoSuchModel, choosing.RefusedModel) as error:
        raise Refused(str(error)) from None
    console.print(f"Version {chosen.version} of {model} scores from {since:%Y-%m-%d %H:%M} UTC on; its alias champion says so too.")
