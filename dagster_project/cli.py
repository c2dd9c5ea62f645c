"""dearly: build a day, see what is built and what holds, ask what was published, and learn why."""

import getpass
import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from dagster_project.lease import EXIT_HELD, LeaseHeld, hold
from dagster_project.progress import shown
from dagster_project.settings import REPOSITORY, Settings, load, silence_telemetry

if TYPE_CHECKING:
    from dagster_project.shop import Shop

silence_telemetry()

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
explain = typer.Typer(no_args_is_help=True, help="Why: the evidence behind a decision or a link.")
app.add_typer(explain, name="explain")
replay_app = typer.Typer(no_args_is_help=True, help="Let refused rows come in once more.")
app.add_typer(replay_app, name="replay")
shop_app = typer.Typer(no_args_is_help=True, help="Shops: a new one from a stranger's files.")
app.add_typer(shop_app, name="shop")
identity_app = typer.Typer(no_args_is_help=True, help="Decide who is who: lines in the shop's identity/decisions.csv.")
app.add_typer(identity_app, name="identity")
source_app = typer.Typer(no_args_is_help=True, help="Source systems: a new one from a sample file.")
app.add_typer(source_app, name="source")
models = typer.Typer(no_args_is_help=True, help="The models behind the scores: which one scores, and which one shall.")
app.add_typer(models, name="model")
console = Console()
FAILED, WRONG_USAGE = 1, 2

ShopOption = Annotated[str | None, typer.Option("--shop", help="a folder in shops/ or a path; DEARLY_SHOP, else demo")]


class Refused(Exception):
    """A sentence for the person at the terminal, and the exit code."""

    def __init__(self, sentence: str, code: int = WRONG_USAGE) -> None:
        super().__init__(sentence)
        self.code = code


def settings_of(shop: str | None) -> Settings:
    try:
        return load(shop=shop)
    except (FileNotFoundError, ValueError) as error:
        raise Refused(str(error)) from None


@app.command()
def run(
    shop: ShopOption = None,
    as_of: Annotated[str | None, typer.Option(help="a day (2026-03-05) or the instant it ends; default: the last closed day")] = None,
    start: Annotated[str | None, typer.Option("--from", help="build every day from this one to --as-of")] = None,
    accept: Annotated[list[str] | None, typer.Option(help="let delivery go although this guard is red; may be repeated")] = None,
) -> None:
    """Build a day, from new extracts to exports. Days already built are built again to the same bytes."""
    from dagster_project import runs
    from dagster_project.shop import load_shop
    from dagster_project.sources.guards import refuse_unknown

    settings = settings_of(shop)
    try:
        the_shop = load_shop(settings.shop_folder)
        refuse_unknown(the_shop, accept or [])
        if not as_of:
            tell_pulls(settings, the_shop)
        last = runs.day_named(as_of, the_shop) if as_of else runs.last_closed_day(settings, the_shop)
        first = runs.day_named(start, the_shop) if start else last
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    except ValueError as error:
        raise Refused(str(error)) from None
    days = [day for day in the_shop.days(last) if first <= day]
    if not days:
        raise Refused(f"--from {first} lies after {last}: name an earlier day.")
    try:
        with shown(console):
            runs.run_days(settings, days, accept or [], getpass.getuser())
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    except runs.RunFailed as error:
        raise Refused(f"The run failed: {error}", FAILED) from None
    status(shop)


@app.command()
def pull(shop: ShopOption = None) -> None:
    """Ask databases and APIs for what is new, now; `dearly run` does so by itself once a night."""
    from dagster_project.shop import load_shop

    settings = settings_of(shop)
    try:
        failed = tell_pulls(settings, load_shop(settings.shop_folder), again=True)
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    except ValueError as error:
        raise Refused(str(error)) from None
    if failed:
        raise Refused(f"{failed} tables could not be pulled", FAILED)


def tell_pulls(settings: Settings, shop: "Shop", again: bool = False) -> int:
    """Pull and say what came; return how many tables could not be pulled."""
    from dagster_project.sources.pulling import pull_shop
    from dagster_project.warehouse import Warehouse

    if all(source.kind == "files" for source in shop.sources.values()):
        return 0
    warehouse = Warehouse(settings.warehouse, settings.threads)
    with hold(settings.store, "dearly pull"):
        warehouse.create()
        pulled = pull_shop(warehouse, shop, settings.store, again=again)
    for one in pulled:
        console.print(f"{one.system}.{one.table}: " + (f"[red]{one.failure}[/]" if one.failure else f"{one.rows} rows"), highlight=False)
    return sum(one.failure is not None for one in pulled)


@app.command()
def demo(shop: ShopOption = None) -> None:
    """Make the demo shop, build its last days, and write a report to look at."""
    from dagster_project.demo import run_demo
    from dagster_project.measurement.summary import summary_lines
    from dagster_project.runs import RunFailed
    from dagster_project.shop import load_shop

    settings = settings_of(shop)
    the_shop = load_shop(settings.shop_folder)
    try:
        with shown(console), hold(settings.store, "dearly demo"):
            made = run_demo(settings, the_shop)
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    except RunFailed as error:
        raise Refused(f"The run failed: {error}", FAILED) from None
    for line in summary_lines(settings):
        console.print(line, highlight=False)
    if not made.days:
        console.print("Everything was built already: nothing was done twice.")
    console.print(f"\nOpen the report: [bold]{made.report}[/]", highlight=False, soft_wrap=True)


@app.command()
def status(shop: ShopOption = None) -> None:
    """What is built, what is held and why, who left what out."""
    from dagster_project.standing import standing_of

    settings = settings_of(shop)
    if not settings.warehouse.exists():
        console.print(f"{settings.shop}: nothing is built yet; `dearly run --shop {settings.shop}` builds the last closed day.")
        return
    try:
        standing = standing_of(settings)
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    for title, header, rows in standing.tables:
        if not rows:
            continue
        table = Table(*header, title=title, title_justify="left", title_style="bold")
        for column in table.columns:
            column.overflow = "fold"
        for row in rows:
            table.add_row(*(str(value) for value in row))
        console.print(table)
    for line in standing.held:
        console.print(f"[bold red]held[/] {line}")


@app.command()
def query(sql: str, shop: ShopOption = None) -> None:
    """Ask what was published: customers, segments, decisions, suppressions and what else the newest day has, in SQL."""
    from dagster_project.published import NothingPublished, ask

    try:
        names, rows = ask(settings_of(shop), sql)
    except NothingPublished as error:
        raise Refused(str(error), FAILED) from None
    except ValueError as error:
        raise Refused(str(error)) from None
    table = Table(*names)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)


@app.command("plan")
def show_plan(shop: ShopOption = None) -> None:
    """What building the newest day again would change: customers merged or split, segments, campaigns, exports. Nothing is touched."""
    from dagster_project.plan import plan
    from dagster_project.runs import RunFailed
    from dagster_project.shop import load_shop

    settings = settings_of(shop)
    try:
        with hold(settings.store, "dearly plan"):
            made = plan(settings, load_shop(settings.shop_folder))
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    except ValueError as error:
        raise Refused(str(error)) from None
    except RunFailed as error:
        raise Refused(f"The day cannot be built: {error}", FAILED) from None
    for line in made.lines():
        console.print(line, highlight=False, markup=False)


@explain.command("decision")
def explain_decision(
    campaign: str,
    customer: Annotated[str, typer.Argument(help="customer id or e-mail address")],
    shop: ShopOption = None,
) -> None:
    """Why a customer got a campaign's mail, or did not."""
    from dagster_project.published import NothingPublished, decision_story

    try:
        story = decision_story(settings_of(shop), campaign, customer)
    except NothingPublished as error:
        raise Refused(str(error), FAILED) from None
    for line in story:
        console.print(line)


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
            story = link_story(Warehouse(settings.warehouse, settings.threads), settings, load_shop(settings.shop_folder), record, other)
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    except ValueError as error:
        raise Refused(str(error)) from None
    console.print(story.text(), highlight=False, markup=False)
    drawn = picture or settings.store / "explained" / f"{record}_{other}.svg".replace(":", "_").replace("/", "_")
    drawn.parent.mkdir(parents=True, exist_ok=True)
    drawn.write_text(story.svg(), encoding="utf-8")
    console.print(f"picture: {drawn}", highlight=False, soft_wrap=True)


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


def decide_about(verdict: str, record: str, other: str, why: str, start: str | None, shop: str | None) -> None:
    from dagster_project.identity.questions import decide
    from dagster_project.shop import load_shop
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    try:
        day = date.fromisoformat(start) if start else None
        with hold(settings.store, f"dearly identity {verdict}"):
            warehouse = Warehouse(settings.warehouse, settings.threads)
            decision, path = decide(warehouse, load_shop(settings.shop_folder), verdict, record, other, why, getpass.getuser(), day)
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    except ValueError as error:
        raise Refused(str(error)) from None
    console.print(
        f"{path}: {decision.record_a} and {decision.record_b}, {verdict} from {decision.day} on.", highlight=False, soft_wrap=True
    )
    console.print(f"`dearly plan` shows what it changes; `dearly run --as-of {decision.day}` builds it.", highlight=False)


@explain.command("scores")
def explain_scores(
    customer: Annotated[str, typer.Argument(help="customer id or e-mail address")],
    shop: ShopOption = None,
) -> None:
    """The three reasons behind each of a customer's scores, and by how much each moves it."""
    from dagster_project.scores.reasons import score_story
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    if not settings.warehouse.exists():
        raise Refused(f"{settings.shop} has no built day: `dearly run --shop {settings.shop}` builds one.", FAILED)
    try:
        with hold(settings.store, "dearly explain"):
            story = score_story(Warehouse(settings.warehouse, settings.threads), customer)
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    for line in story:
        console.print(line, highlight=False)


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
    from dagster_project.sources.mapping import contracts_of
    from dagster_project.sources.replay import open_rows, replay
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    the_shop = load_shop(settings.shop_folder)
    warehouse = Warehouse(settings.warehouse, settings.threads)
    try:
        with hold(settings.store, "dearly replay"):
            if write:
                rows = open_rows(warehouse, contracts_of(the_shop)[source], table)
                write.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
                console.print(f"{len(rows)} rows written to {write}")
                return
            done = replay(warehouse, the_shop, settings.store, source, table, file)
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    except ValueError as error:
        raise Refused(str(error)) from None
    if done.batch is None:
        console.print("These rows had been replayed before; nothing was loaded.")
        return
    console.print(
        f"{done.batch.rows_in} rows: {done.batch.rows_loaded} loaded, {done.batch.rows_duplicate} duplicate, "
        f"{done.batch.rows_quarantined} quarantined again; known from {done.known_at} UTC on."
    )


@models.command("list")
def list_models(shop: ShopOption = None) -> None:
    """Every model that was trained, chosen or refused, and from when it scores."""
    from dagster_project.scores.recording import log_lines
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    try:
        with hold(settings.store, "dearly model"):
            lines = log_lines(Warehouse(settings.warehouse, settings.threads)) if settings.warehouse.exists() else []
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    table = Table("model", "candidate", "trained as of", "in force from", "promoted", "why")
    for line in lines:
        table.add_row(*line)
    console.print(table)


@models.command("rollback")
def rollback_model(model: str, shop: ShopOption = None) -> None:
    """Let the model that scored before the present one score again, from the next day on. Built days do not change."""
    choose_model(model, None, shop)


@models.command("use")
def use_model(model: str, version: str, shop: ShopOption = None) -> None:
    """Let a version of MLflow's registry score, from the next day on."""
    choose_model(model, version, shop)


def choose_model(model: str, version: str | None, shop: str | None) -> None:
    from dagster_project.scores import choosing
    from dagster_project.shop import load_shop
    from dagster_project.warehouse import Warehouse

    settings = settings_of(shop)
    the_shop = load_shop(settings.shop_folder)
    if not settings.warehouse.exists():
        raise Refused(f"{settings.shop}: nothing is built yet, so there is no model.", FAILED)
    warehouse, registry, by = Warehouse(settings.warehouse, settings.threads), choosing.registry_of(settings, the_shop), getpass.getuser()
    artifacts = settings.store / "mlartifacts"
    try:
        with hold(settings.store, "dearly model"):
            since = choosing.next_day(warehouse, the_shop)
            if version is None:
                chosen = choosing.roll_back(warehouse, the_shop, registry, artifacts, model, by)
            else:
                chosen = choosing.choose_version(warehouse, the_shop, registry, artifacts, model, version, by)
    except LeaseHeld as error:
        raise Refused(str(error), EXIT_HELD) from None
    except choosing.NoSuchModel as error:
        raise Refused(str(error)) from None
    console.print(f"Version {chosen.version} of {model} scores from {since:%Y-%m-%d %H:%M} UTC on; its alias champion says so too.")


@app.command()
def check(
    shop: ShopOption = None,
    write: Annotated[bool, typer.Option(help="write the files that are made from others (dbt's source YAML)")] = False,
) -> None:
    """Check a shop's folder, the source contracts and the campaigns; each mistake is a sentence with file and line."""
    from dagster_project.checks import findings, write_generated

    settings = settings_of(shop)
    if write:
        for path in write_generated():
            console.print(f"written {path}")
    found = findings(settings)
    for finding in found:
        console.print(f"[red]✗[/] {finding}", highlight=False)
    if found:
        raise Refused(f"{len(found)} to mend", FAILED)
    console.print("Shop, sources and campaigns are in order.")


@source_app.command("new")
def source_new(
    name: Annotated[str, typer.Argument(help="the new system: small letters, digits, underscores")],
    sample: Annotated[Path, typer.Option("--from", help="a file as the system gives it: CSV, JSON lines, Parquet, also .gz")],
) -> None:
    """Draft a source system from a sample: its contract, its staging models, its lines in dbt_project.yml."""
    from dagster_project.onboarding.systems import draft_system

    try:
        written = draft_system(name, sample.expanduser().resolve())
    except ValueError as error:
        raise Refused(str(error)) from None
    for path in written:
        console.print(f"written {path}", highlight=False, soft_wrap=True)
    console.print(
        f"\nLook at them; then name {name} in a shop's shop.yaml, with the folder of its extracts, and: [bold]dearly check[/]",
        highlight=False,
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
        console.print(f"[yellow]?[/] {line}", highlight=False)
    console.print(f"\nLook at {folder / 'shop.yaml'}, then: [bold]dearly run --shop {name}[/]", highlight=False, soft_wrap=True)


@app.command()
def preview(
    campaign: str,
    customer: Annotated[str | None, typer.Option(help="customer id: the mail of the newest day that has one for them")] = None,
    data: Annotated[Path | None, typer.Option(help="a JSON file with a row of merge fields (docs/content.md)")] = None,
    step: Annotated[str | None, typer.Option(help="the step; default: the first")] = None,
    shop: ShopOption = None,
) -> None:
    """Write a campaign's mail for a customer, or for a row of data, as files to open in a browser."""
    from dagster_project.campaigns.located_yaml import ContentError
    from dagster_project.campaigns.showing import NothingToShow, show_mail

    try:
        for path in show_mail(settings_of(shop), campaign, step, customer, data):
            console.print(str(path), soft_wrap=True, highlight=False)
    except (NothingToShow, ContentError) as error:
        raise Refused(str(error)) from None


@app.command()
def mlflow(shop: ShopOption = None, port: int = 5000) -> None:
    """Open the MLflow UI on the shop's store (on this machine only)."""
    settings = settings_of(shop)
    store = f"sqlite:///{settings.store / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store, "--host", "127.0.0.1", "--port", str(port)]
    raise typer.Exit(subprocess.call(command, cwd=settings.store))


@app.command()
def dev(shop: ShopOption = None, port: int = 3000) -> None:
    """Open the Dagster UI on the shop's store (on this machine only)."""
    from dagster_project.runs import dagster_home

    settings = settings_of(shop)
    environment = {**os.environ, "DAGSTER_HOME": str(dagster_home(settings)), "DEARLY_SHOP": str(settings.shop_folder)}
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    raise typer.Exit(subprocess.call(command, cwd=REPOSITORY, env=environment))


def main() -> None:
    """The entry point: one clear sentence and an exit code (0 done, 1 failed, 2 wrong usage, 75 held) instead of a traceback."""
    try:
        app()
    except Refused as refused:
        Console(stderr=True).print(f"[bold red]dearly:[/] {refused}", highlight=False)
        sys.exit(refused.code)


__all__ = ["app", "main"]

if __name__ == "__main__":
    main()
