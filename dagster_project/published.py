"""Reading what was published, whoever holds the store: one folder, never half of one day and half of the next."""

import json
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.settings import Settings


class NothingPublished(RuntimeError):
    """The store has no published day; the message says what to run."""


def current(settings: Settings) -> Path:
    """The folder of the newest published day.

    Raises:
        NothingPublished: there is none.
    """
    pointer = settings.published / "current.json"
    if not pointer.exists():
        raise NothingPublished(f"{settings.shop} has nothing published yet: `dearly run --shop {settings.shop}` builds a day.")
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
        ValueError: the query is wrong; the message is the engine's first line.
    """
    folder = current(settings)
    with connect(folder, sql.lower()) as connection:
        try:
            result = connection.execute(sql)
        except duckdb.CatalogException as error:
            tables = ", ".join(path.stem for path in sorted(folder.glob("*.parquet")))
            raise ValueError(f"{str(error).splitlines()[0]} The newest day has {tables}.") from None
        except duckdb.Error as error:
            raise ValueError(str(error).splitlines()[0]) from None
        return [column[0] for column in result.description or []], result.fetchall()


def decision_story(settings: Settings, campaign: str, customer: str) -> list[str]:
    """Why a customer (id or e-mail address) got a campaign's mail on the newest day, or did not, a line each."""
    with connect(current(settings), "customers decisions segments") as connection:
        found = connection.execute(
            "select customer_id from customers where customer_id = ? or lower(email) = lower(?) order by 1", [customer, customer]
        ).fetchall()
        if not found:
            return [f"Nobody published is {customer}: an unknown address, or one that was erased."]
        lines = []
        for (customer_id,) in found:
            decisions = connection.execute(
                "select step, decision, reason, variant, send_at from decisions where campaign = ? and customer_id = ? order by step",
                [campaign, customer_id],
            ).fetchall()
            segments = connection.execute("select segment from segments where customer_id = ? order by 1", [customer_id]).fetchall()
            lines.append(f"{customer_id} is in: {', '.join(segment for (segment,) in segments) or 'no segment'}.")
            for step, decision, reason, variant, send_at in decisions:
                when = f", to be sent at {send_at} UTC" if send_at else ""
                lines.append(f"{campaign}, step {step}: {decision}, because: {reason} (variant {variant}{when}).")
            if not decisions:
                lines.append(f"{campaign}: it was not this customer's turn on this day (not in the audience, or already in the journey).")
        return lines
