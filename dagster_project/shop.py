"""shops/<shop>/shop.yaml: what makes one shop different from another."""

import re
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from dagster_project.located_yaml import Strict, load
from dagster_project.moments import Moment, day_of, end_of_day
from dagster_project.scores.score_models import SCORE_MODELS, BroughtScore, models_of
from dagster_project.sources.contract import Pull

# What `dearly shop new` writes where nobody has said how buyers are told; production refuses it.
ASSUMED = "ASSUMED, nobody has said where buyers are told"
KEY_FILE = "pseudonym.key"


class Header(Strict):
    """How this shop's extracts call and write a column of the contract."""

    header: str | list[str] = Field(alias="from", min_length=1, description="its name, or several where it has changed")
    format: str | None = None
    required: bool = False


class SourceSystem(Strict):
    """One source system of the shop: where its extracts are, or where they are pulled from."""

    kind: Literal["files", "tables", "http"] = Field("files", description="extract files; tables of a database; an HTTP API")
    path: str | None = Field(
        None, description="folder of the extracts, relative to the shop's folder or to DEARLY_HOME/<shop> when it starts with 'store:'"
    )
    connection: str | None = Field(None, description="tables: the environment variable that holds the database's address")
    file: str | None = Field(None, description="tables: a DuckDB file, relative to the shop's folder")
    schema_name: str | None = Field(None, alias="schema", description="tables: the schema they are in")
    tables: list[str] | None = Field(None, description="the tables that this shop has; all of source.yaml when not said")
    loader: str | None = Field(None, description="tables: who lands them in tables of its own shape (sources/<system>/<loader>.yaml)")
    pulls: dict[str, Pull] = Field({}, description="tables: table of source.yaml → what it is called there, and its cursor")
    url: str | None = Field(None, description="http: the API's address")
    token: str | None = Field(None, description="http: the environment variable that holds the API's token")
    columns: dict[str, dict[str, str | Header]] = Field(
        {}, description="table → column of source.yaml → its name in this shop's extracts, where source.yaml leaves that to the shop"
    )
    not_used: dict[str, list[str]] = Field(
        {}, description="table → columns that are known and not read: no news in extracts, and left out of pulls"
    )
    encoding: str | None = Field(None, description="of its text files where it is not source.yaml's: cp1252, latin-1; never guessed")
    states_consent: bool = Field(True, description="whether its extracts say who agreed; where no source does, a soft opt-in may apply")
    history_until: datetime | None = Field(
        None, description="batches extracted up to here (UTC), of what is pulled the first alone, are history"
    )

    @model_validator(mode="after")
    def says_where(self) -> "SourceSystem":
        if self.kind == "files" and not self.path:
            raise ValueError("a source of files says its path")
        if self.kind == "tables" and (self.connection is None) == (self.file is None):
            raise ValueError("a source of tables says its connection (the name of an environment variable) or its file (DuckDB)")
        if self.kind == "http" and not self.url:
            raise ValueError("a source of kind http says its url")
        if self.kind != "tables" and (self.loader or self.pulls):
            raise ValueError("loader and pulls are of a source of tables")
        return self


class Cap(Strict):
    """At most so many mails to one customer in so many days."""

    mails: int = 2
    days: int = 7


class SoftOptIn(Strict):
    """Consent by purchase (buyers, own similar products), only for a shop without a consent source."""

    notice: str = Field(description="where the buyer was told and could object")
    purposes: tuple[Literal["marketing", "profiling"], ...] = Field(("marketing",), min_length=1, description="what the notice named")


class Guards(Strict):
    """Bands outside which a day's delivery is held."""

    rows_at_least: float = Field(0.3, description="share of a table's median daily rows below which an extract counts as shrunken")
    rows_at_most: float = Field(5.0, description="times a table's median daily rows above which an extract counts as swollen")
    rows_compared_from: int = Field(50, description="tables that usually bring fewer rows a day are not judged by their number")
    audience_change_at_most: float = Field(3.0, description="factor by which an audience may grow or shrink in a day")
    audience_at_least: int = Field(50, description="audiences smaller than this on both days are not compared")


class Retention(Strict):
    """How long people are kept who show no sign of themselves; `dearly erase --retention` erases who is over it."""

    inactive_customers: int | None = Field(None, ge=1, description="months since a customer's last order, visit, click or change")


class Shop(Strict):
    """A shop as its shop.yaml states it."""

    name: str
    description: str = ""
    zone: str
    currency: str = Field(pattern="^[A-Z]{3}$")
    country: str = Field(pattern="^[A-Z]{2}$", description="home country: of phones and addresses that do not say")
    language: str = "en"
    tax: Literal["included", "excluded"] = "included"
    fx_rates: dict[str, float] = Field({}, description="what one unit of another currency is worth in the shop's")
    first_day: date
    last_day: date | None = Field(None, description="without it there is a day for each night that has come")
    close_after_hours: int = 6
    key: str | None = Field(None, description="published pseudonym key; bundled shops only, any other shop sets DEARLY_PSEUDONYM_KEY")
    sources: dict[str, SourceSystem]
    generator: dict[str, int | str] | None = Field(None, description="how the demo's extracts are made, when they are")
    address_held_by: Literal["shop", "tool"] = "shop"
    soft_opt_in: SoftOptIn | None = None
    holdout: float = Field(0.05, ge=0, lt=1, description="share of customers who get no campaign at all")
    models: list[str] = Field(list(SCORE_MODELS), description="the score models to train, none to score nobody")
    brought_models: dict[str, BroughtScore] = Field({}, description="score → a model trained elsewhere that gives it (docs/scores.md)")
    clustering: Literal["kmeans", "hierarchical"] = Field("kmeans", description="how groups of customers who buy alike are found")
    campaigns: list[str] | None = Field(None, description="the campaigns this shop runs; all of templates/campaigns when not said")
    cost_per_mail: float = Field(0.002, description="what a mail costs where its campaign does not say")
    cap: Cap = Cap()
    quiet_hours: tuple[int, int] = (21, 8)
    send_hour: int = 10
    guards: Guards = Guards()
    retention: Retention = Retention()
    destinations: list[str] = Field(["generic"])
    training_weekday: int = 0
    folder: Path = Path()

    @field_validator("zone")
    @classmethod
    def is_a_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            near = get_close_matches(zone, available_timezones(), 1)
            raise ValueError(f"there is no time zone {zone}" + (f"; did you mean {near[0]}?" if near else ", as in Europe/Berlin"))
        return zone

    @field_validator("models")
    @classmethod
    def are_known(cls, models: list[str]) -> list[str]:
        if unknown := sorted(set(models) - set(SCORE_MODELS)):
            raise ValueError(f"no score model is called {', '.join(unknown)}; there are {', '.join(SCORE_MODELS)}")
        return models

    @model_validator(mode="after")
    def brings_what_is_not_trained(self) -> "Shop":
        for name in self.brought_models:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
                raise ValueError(f"brought_models: {name} is no name of a score: small letters, digits and _")
        given = {name: set(model.columns) for name, model in models_of(self.brought_models).items()}
        for name in self.brought_models:
            twice = sorted(model for model in {*self.models, *self.brought_models} if model != name and given[model] & given[name])
            if twice or name in self.models:
                raise ValueError(f"brought_models: {name} is trained here too; leave {', '.join(twice or [name])} out of models")
            if name in SCORE_MODELS and len(SCORE_MODELS[name].columns) > 1:
                raise ValueError(f"brought_models: {name} gives {', '.join(SCORE_MODELS[name].columns)}, which one model cannot")
        return self

    def moment(self, day: date) -> Moment:
        return end_of_day(day, self.zone, self.close_after_hours)

    def has(self, day: date) -> bool:
        """Whether a day is one of the shop's."""
        return self.first_day <= day and (self.last_day is None or day <= self.last_day)

    def day_named(self, text: str, option: str = "--as-of") -> date:
        """The day meant by an option: a date (that day's end) or the instant a day ends.

        Raises:
            ValueError: it is neither, or no day of the shop.
        """
        try:
            day = date.fromisoformat(text)
        except ValueError:
            try:
                instant = datetime.fromisoformat(text)
            except ValueError:
                raise ValueError(f"{option} {text!r} is neither a date (2026-03-05) nor an instant (2026-03-05T23:00:00+00:00).") from None
            day = day_of(instant.replace(tzinfo=None) - (instant.utcoffset() or timedelta(0)), self.zone)
        if not self.has(day):
            raise ValueError(f"{option} {text}: {self.name} has the days {self.span} (shop.yaml).")
        return day

    @property
    def span(self) -> str:
        """The shop's days, in words."""
        return f"{self.first_day} to {self.last_day}" if self.last_day else f"from {self.first_day} on"

    def days(self, until: date) -> list[date]:
        """The shop's days that are not after another."""
        return [day for n in range((until - self.first_day).days + 1) if self.has(day := self.first_day + timedelta(days=n))]

    def extracts(self, system: str, store: Path) -> Path:
        """The folder of a system's extracts."""
        path = self.sources[system].path or f"store:pulled/{system}"
        return store / path.removeprefix("store:") if path.startswith("store:") else self.folder / path

    def refusal(self, delivers_outside: bool) -> str | None:
        """Why nothing may leave the machine yet; None when it may."""
        if delivers_outside and self.soft_opt_in and self.soft_opt_in.notice == ASSUMED:
            return f"{self.folder / 'shop.yaml'}: soft_opt_in is assumed; say where buyers are told and could refuse, or delete it."
        return None

    def pseudonym_key(self, from_environment: str | None) -> str:
        """The key of this shop's pseudonyms.

        Raises:
            ValueError: the shop publishes none and the environment has none.
        """
        held = self.folder / KEY_FILE
        key = from_environment or self.key or (held.read_text().strip() if held.is_file() else None)
        if not key:
            raise ValueError(f"Shop {self.name} needs its own pseudonym key: set DEARLY_PSEUDONYM_KEY to a long random text and keep it.")
        return key


def load_shop(folder: Path) -> Shop:
    """Read and check a shop.yaml.

    Raises:
        Mistake: a sentence per mistake, with file and line.
    """
    return load(Shop, folder / "shop.yaml", folder=folder)
