"""Why: the evidence behind a decision, a link, a score."""

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.common import FAILED, Refused, ShopOption, app, console, settings_of
from dagster_project.lease import hold

explain = typer.Typer(no_args_is_help=True, help="Why: the evidence behind a decision or a link.")
app.add_typer(explain, name="explain")


@explain.command("decision")
def explain_decision(
    campaign: str,
    customer: Annotated[str, typer.Argument(help="customer id or e-mail address")],
    shop: ShopOption = None,
) -> None:
    """Why a customer got a campaign's mail, or did not."""
    from dagster_project.published import decision_story

    for line in decision_story(settings_of(shop), campaign, customer):
        console.print(line, highlight=False, markup=False)


@explain.command("link")
def explain_link(
    record: Annotated[str, typer.Argument(help="a record (hubspot:123) or a customer id")],
    other: Annotated[str, typer.Argument(help="another one")],
    picture: Annotated[Path | None, typer.Option(help="where to draw the same as an SVG")] = None,
    shop: ShopOption = None,
) -> None:
    """Why two records are one customer, or two: the path of evidence, and what each comparison weighs."""
    from dagster_project.identity.questions import link_story
    from dagster_project.shop import load_shop
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    try:
        with hold(settings.store, "dearly explain link"):
            story = link_story(Warehouse.of(settings), settings, load_shop(settings.shop_folder), record, other)
    except ValueError as error:
        raise Refused(str(error)) from None
    console.print(story.text(), highlight=False, markup=False, soft_wrap=True)
    drawn = picture or settings.store / "explained" / f"{record}_{other}.svg".replace(":", "_").replace("/", "_")
    drawn.parent.mkdir(parents=True, exist_ok=True)
    drawn.write_text(story.svg(), encoding="utf-8")
    console.print(f"picture: {drawn}", highlight=False, soft_wrap=True)


@explain.command("scores")
def explain_scores(
    customer: Annotated[str, typer.Argument(help="customer id or e-mail address")],
    shop: ShopOption = None,
) -> None:
    """The three reasons behind each of a customer's scores, and by how much each moves it."""
    from dagster_project.built_days import newest, nothing_built
    from dagster_project.scores.reasons import score_story
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    warehouse = Warehouse.of(settings)
    with hold(settings.store, "dearly explain"):
        if newest(warehouse) is None:
            raise Refused(nothing_built(settings), FAILED)
        story = score_story(warehouse, customer)
    for line in story:
        console.print(line, highlight=False)
