"""When people buy: first purchase and drop-out, seasons, refills, hours of the day, and where.

Purchases follow a buy-till-you-drop process (a rate and a lifetime per person, both shaped by who they are) in an
operational time that runs faster in December and on Sundays; refills of coffee, pet food and the like come on top.
The same process runs 365 days past the last day, so that the truth knows each person's next year.
"""

from dataclasses import dataclass, replace

import numpy as np

from simulator.clock import DAY, NEVER, Clock, at_local, local_days, stream
from simulator.people import People

FUTURE_DAYS = 365
WEB, APP, STORE = 0, 1, 2


@dataclass(frozen=True)
class Visits:
    """One entry per purchase before its basket is filled, in order of time.

    `refill` is the category number of a refill (-1: none), `campaign` and `variant` the numbers of the campaign that
    caused it (-1: none), `first` marks a person's first purchase.
    """

    person: np.ndarray
    at: np.ndarray
    channel: np.ndarray
    refill: np.ndarray
    campaign: np.ndarray
    variant: np.ndarray
    first: np.ndarray

    def take(self, order: np.ndarray) -> "Visits":
        return Visits(*(getattr(self, name)[order] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Life:
    """The latent course of each person: first purchase and drop-out (seconds, `NEVER` where it does not happen)."""

    first_at: np.ndarray
    drops_at: np.ndarray


def season(clock: Clock) -> tuple[np.ndarray, np.ndarray]:
    """Day numbers of the span and its future, and each day's demand (1.0 on average)."""
    days = np.arange(local_days(np.array([clock.start]))[0], local_days(np.array([clock.end]))[0] + FUTURE_DAYS + 1)
    dates = days.astype("datetime64[D]")
    day_of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    christmas = 1.1 * np.exp(-(((day_of_year - 343) / 13.0) ** 2))
    spring = 0.3 * np.exp(-(((day_of_year - 120) / 25.0) ** 2))
    summer = -0.2 * np.exp(-(((day_of_year - 210) / 28.0) ** 2))
    weekday = np.array([1.02, 0.98, 0.97, 1.0, 0.94, 0.92, 1.17])[(days + 3) % 7]
    demand = (1 + christmas + spring + summer) * weekday
    return days, demand / demand.mean()


def draw_life(clock: Clock, people: People, seed: int) -> Life:
    """When each person first buys and when they drop out."""
    rng = stream(seed, "life")
    count = len(people)
    arrived = people.column("arrived_at")
    at_once = rng.random(count) < 0.56
    wait = np.where(at_once, rng.exponential(0.4, count), rng.exponential(1.0, count) * 420 / people.column("intent"))
    first = arrived + (wait * DAY).astype(np.int64) + 900
    horizon = clock.end + FUTURE_DAYS * DAY
    first = np.where(first < horizon, first, NEVER)
    drops = np.where(first < NEVER, first + (people.column("lifetime_days") * DAY).astype(np.int64), NEVER)
    return Life(first, drops)


def draw_visits(clock: Clock, people: People, life: Life, seed: int) -> Visits:
    """Every purchase that no campaign caused, from the first day to a year past the last."""
    rng = stream(seed, "visits")
    days, demand = season(clock)
    cumulative = np.concatenate(([0.0], np.cumsum(demand)))
    edges = np.concatenate((days, [days[-1] + 1])).astype(float)
    horizon_day = float(days[-1])
    buyers = np.flatnonzero(life.first_at < NEVER)
    first_day = local_days(life.first_at[buyers]).astype(float)
    last_day = np.minimum(life.drops_at[buyers] / DAY, horizon_day)
    span = np.maximum(np.interp(last_day, edges, cumulative) - np.interp(first_day + 1, edges, cumulative), 0.0)

    counts = rng.poisson(people.column("rate_year")[buyers] / 365.0 * span)
    who = np.repeat(np.arange(len(buyers)), counts)
    inner = np.interp(first_day[who] + 1, edges, cumulative) + rng.random(len(who)) * span[who]
    spontaneous = np.floor(np.interp(inner, cumulative, edges)).astype(np.int64)

    cycle = people.column("cycle_days")[buyers]
    most = int(np.ceil((horizon_day - first_day.min()) / 20)) + 1 if len(buyers) else 0
    refilling = np.flatnonzero(cycle > 0)
    gaps = rng.gamma(14.0, 1 / 14.0, (len(refilling), most)) * cycle[refilling, None]
    due = first_day[refilling, None] + np.cumsum(gaps, axis=1)
    kept = (due < last_day[refilling, None]) & (rng.random(due.shape) < 0.72)
    rows, _ = np.nonzero(kept)
    refill_who, refill_day = refilling[rows], due[kept].astype(np.int64)

    person = np.concatenate((buyers[who], buyers[refill_who]))
    day = np.concatenate((spontaneous, refill_day))
    at = draw_moments(people, person, day, rng)
    refill = np.concatenate((np.full(len(who), -1), people.column("cycle_category")[buyers[refill_who]]))
    person, at, refill = (
        np.concatenate((buyers, person)),
        np.concatenate((life.first_at[buyers], at)),
        np.concatenate((np.full(len(buyers), -1), refill)),
    )
    first = np.arange(len(person)) < len(buyers)
    # The day of the first purchase may hold a second one at an earlier hour: it follows the first instead.
    at = np.maximum(at, life.first_at[person] + np.where(first, 0, 3600))
    none = np.full(len(person), -1)
    return assign_channels(people, Visits(person, at, np.zeros_like(person), refill, none, none, first), rng)


def draw_moments(people: People, person: np.ndarray, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moments on the given local days, near each person's best hour as often as their habit is firm."""
    focused = rng.random(len(person)) < people.column("hour_focus")[person]
    near = people.column("best_hour")[person] + 0.5 + rng.normal(0, 1.1, len(person))
    usual = np.clip(rng.normal(15.5, 4.2, len(person)), 0.2, 23.7)
    seconds = (np.mod(np.where(focused, near, usual), 24.0) * 3600).astype(np.int64)
    at = at_local(day, seconds, "Europe/Berlin")
    british = people.column("timezone")[person] == "Europe/London"
    return np.where(british, at + 3600, at)


def assign_channels(people: People, visits: Visits, rng: np.random.Generator) -> Visits:
    """Where each purchase happens: card holders often in the store (09 to 20 local), app users often in the app."""
    draw = rng.random(len(visits.person))
    hour = ((visits.at + 3600) % DAY) // 3600
    weekday = (local_days(visits.at) + 3) % 7
    in_store = (people.column("card")[visits.person] != "") & (draw < 0.4) & (hour >= 9) & (hour < 20) & (weekday < 6) & ~visits.first
    in_app = people.column("app_user")[visits.person] & (draw > 0.45)
    channel = np.where(in_store, STORE, np.where(in_app, APP, WEB))
    return replace(visits, channel=channel)


def join_visits(parts: list[Visits]) -> Visits:
    """All visits in one order of time; ties in the order of persons."""
    whole = Visits(*(np.concatenate([getattr(part, name) for part in parts]) for name in Visits.__dataclass_fields__))
    return whole.take(np.lexsort((whole.person, whole.at)))
