"""Reading what was published, whoever holds the store: one folder, never half of one day and half of the next."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.built_days import nothing_built
from dagster_project.campaigns.campaign import campaigns_of
from dagster_project.failures import Mistake
from dagster_project.moments import day_of, parse_stamp
from dagster_project.settings import Settings
from dagster_project.shop import load_shop


class NothingPublished(Mistake):
    """The store has no published day; the message says what to run."""

    code = 1


def current(settings: Settings) -> Path:
    """The folder of the newest published day.

    Raises:
        NothingPublished: there is none.
    """
    pointer = settings.published / "current.json"
    if not pointer.exists():
        raise NothingPublished(nothing_built(settings))
    return pointer.parent / str(json.loads(pointer.read_text())["folder"])


def connect(folder: Path, sql: str) -> duckdb.DuckDBPyConnection:
    """A connection that sees the published tables that a query names (all where it names none), and no file or program variable besides."""
    connection = duckdb.connect(config={"python_enable_replacements": "false", "autoinstall_known_extensions": "false"})
    paths = sorted(folder.glob("*.parquet"))
    for path in [path for path in paths if path.stem in sql] or paths:
        connection.execute(f"create table {path.stem} as select * from read_parquet('{path}')")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def ask(settings: Settings, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a query over what was published.

    Raises:
        NothingPublished: there is nothing yet.
        Mistake: the query is wrong (the message is the engine's first line), or is no question.
    """
    folder = current(settings)
    with connect(folder, sql.lower()) as connection:
        try:
            questions = duckdb.extract_statements(sql)
            if [one.type.name for one in questions] not in (["SELECT"], ["EXPLAIN"]):
                raise Mistake(
                    "One question at a time, as in `select * from customers limit 5`: what was published is read and never changed."
                )
            result = connection.execute(sql)
        except duckdb.CatalogException as error:
            tables = ", ".join(path.stem for path in sorted(folder.glob("*.parquet")))
            raise Mistake(f"{str(error).splitlines()[0]} The newest day has {tables}.") from None
        except duckdb.Error as error:
            raise Mistake(str(error).splitlines()[0]) from None
        return [column[0] for column in result.description or []], result.fetchall()


def day_published(settings: Settings) -> date:
    """The day that readers read.

    Raises:
        NothingPublished: there is none.
    """
    folder = current(settings)
    return day_of(parse_stamp(folder.name.split("_")[0]), load_shop(settings.shop_folder).zone)


def customers_named(connection: duckdb.DuckDBPyConnection, customer: str) -> list[str]:
    """The published customers meant by an id or an e-mail address, any that they ever gave."""
    sql = "select customer_id from customers where customer_id = ? or list_contains(addresses, lower(trim(?))) order by 1"
    return [str(one) for (one,) in connection.execute(sql, [customer, customer]).fetchall()]


def decision_story(settings: Settings, campaign: str, customer: str) -> list[str]:
    """Why a customer (id or e-mail address) got a campaign's mail on the newest day, or did not, a line each.

    Raises:
        NothingPublished: there is nothing yet.
        Mistake: the shop has no such campaign.
    """
    campaigns = {one.slug: one for one in campaigns_of(load_shop(settings.shop_folder))}
    if campaign not in campaigns:
        raise Mistake(f"{settings.shop} has no campaign {campaign!r}; it has {', '.join(campaigns)}.")
    audience = campaigns[campaign].audience
    with connect(current(settings), "customers decisions segments") as connection:
        found = customers_named(connection, customer)
        if not found:
            return [f"Nobody published is {customer}: an unknown id or address, or one that was erased."]
        lines = [f"On {day_published(settings)}:"]
        for customer_id in found:
            decisions = connection.execute(
                "select step, decision, reason, variant, send_at from decisions where campaign = ? and customer_id = ? order by step",
                [campaign, customer_id],
            ).fetchall()
            segments = [
                str(name)
                for (name,) in connection.execute("select segment from segments where customer_id = ? order by 1", [customer_id]).fetchall()
            ]
            lines.append(f"{customer_id} is in: {', '.join(segments) or 'no segment'}.")
            for step, decision, reason, variant, send_at in decisions:
                when = f", to be sent at {send_at} UTC" if send_at else ""
                lines.append(f"{campaign}, step {step}: {decision}, because: {reason} (variant {variant}{when}).")
            if not decisions and audience and audience not in segments:
                lines.append(f"{campaign}: not in its audience, {audience}.")
            elif not decisions:
                lines.append(f"{campaign}: none of its steps was due.")
        return lines
