"""Who allowed what, when, and who took it back: the true course of consent behind every system's view of it."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from simulator.clock import DAY, NEVER, Clock, stream
from simulator.people import People

# Purpose and channel of each column of `Consents`.
PURPOSES = (("marketing_email", "email"), ("marketing_sms", "sms"), ("profiling", "email"), ("third_party_sharing", "email"))
EMAIL, SMS, PROFILING, SHARING = range(4)


@dataclass(frozen=True)
class Consents:
    """People × purposes, in seconds; `NEVER` where it does not happen.

    `asked_at`: the question was put (`NEVER`: no trace at all); `since`: given; `until`: withdrawn; `again`: given anew.
    """

    asked_at: np.ndarray
    since: np.ndarray
    until: np.ndarray
    again: np.ndarray

    def given(self, person: np.ndarray, purpose: int, moment: np.ndarray | int) -> np.ndarray:
        """Whether each person's consent for the purpose stands at the moment."""
        since, until, again = (part[person, purpose] for part in (self.since, self.until, self.again))
        return ((since <= moment) & (moment < until)) | (again <= moment)

    def withdraw(self, person: np.ndarray, purpose: int, at: np.ndarray) -> "Consents":
        """The same course with withdrawals at `at`, where consent stood then."""
        until = self.until.copy()
        stands = self.given(person, purpose, at) & (at < until[person, purpose])
        until[person[stands], purpose] = np.minimum(until[person[stands], purpose], at[stands])
        return replace(self, until=until)


def draw_consents(clock: Clock, people: People, seed: int) -> Consents:
    """The course without campaigns: answers at arrival, withdrawals over time, and some on each of the last days and nights."""
    rng = stream(seed, "consent")
    count = len(people)
    arrived = people.column("arrived_at")
    asked = np.where(rng.random(count) < 0.95, arrived + rng.integers(20, 600, count), NEVER)
    double = np.isin(people.column("country").astype(str), ("DE", "AT"))
    confirm = np.where(double, rng.integers(60, 2 * DAY, count), 0)
    yes = np.empty((count, len(PURPOSES)), dtype=bool)
    yes[:, EMAIL] = rng.random(count) < 0.8
    yes[:, SMS] = yes[:, EMAIL] & (rng.random(count) < 0.22)
    yes[:, PROFILING] = rng.random(count) < np.where(yes[:, EMAIL], 0.88, 0.35)
    yes[:, SHARING] = rng.random(count) < 0.2
    confirmed = ~double | (rng.random(count) < 0.94)
    yes[:, EMAIL] &= confirmed
    yes[:, SMS] &= confirmed
    asked_at = np.repeat(asked[:, None], len(PURPOSES), axis=1)
    since = np.where(yes & (asked_at < NEVER), asked_at + np.where(np.arange(len(PURPOSES)) <= SMS, confirm[:, None], 0), NEVER)
    wait = rng.exponential(1.0, since.shape) * 365 * DAY / np.array([0.06, 0.08, 0.025, 0.05])
    until = np.where(since < NEVER, since + 600 + wait.astype(np.int64), NEVER)
    later = until + (rng.exponential(60, since.shape) * DAY).astype(np.int64) + DAY
    again = np.where((until < clock.end) & (rng.random(since.shape) < 0.12), later, NEVER)
    consents = Consents(asked_at, since, until, again)
    return _recent_withdrawals(clock, consents, rng, count)


def _recent_withdrawals(clock: Clock, consents: Consents, rng: np.random.Generator, count: int) -> Consents:
    """A few withdrawals on every pulled day, and at least two in the night between the last day and its pull."""
    daily = max(count // 2500, 1)
    spans = [(max(pull.until - DAY, clock.opening), pull.until, daily) for pull in clock.pulls[1:]]
    last = clock.pulls[-1]
    spans.append((last.until + 600, last.extracted_at - 600, daily + 1))
    for begin, until, number in spans:
        for purpose, more in ((EMAIL, number), (PROFILING, number // 2)):
            standing = np.flatnonzero(consents.given(np.arange(count), purpose, begin) & (consents.again[:, purpose] == NEVER))
            chosen = rng.choice(standing, min(more, len(standing)), replace=False)
            consents = consents.withdraw(chosen, purpose, rng.integers(begin, until, len(chosen)))
    return consents


def receipts(consents: Consents, people: People) -> pd.DataFrame:
    """One row per transaction: person, purpose (number), at, kind (PENDING / CONFIRMED / NOT_GIVEN / WITHDRAWN), in order of time."""
    double = np.isin(people.column("country").astype(str), ("DE", "AT"))
    parts = []
    for purpose in range(len(PURPOSES)):
        asked, since, until, again = (part[:, purpose] for part in (consents.asked_at, consents.since, consents.until, consents.again))
        waits = double & (since < NEVER) & (purpose <= SMS)
        for kind, at, rows in (
            ("PENDING", asked, np.flatnonzero(waits & (asked < NEVER))),
            ("CONFIRMED", since, np.flatnonzero(since < NEVER)),
            ("NOT_GIVEN", asked, np.flatnonzero((since == NEVER) & (asked < NEVER))),
            ("WITHDRAWN", until, np.flatnonzero((since < NEVER) & (until < NEVER))),
            ("CONFIRMED", again, np.flatnonzero(again < NEVER)),
        ):
            parts.append(pd.DataFrame({"person": rows, "purpose": purpose, "at": at[rows], "kind": kind}))
    whole = pd.concat(parts, ignore_index=True)
    return whole.sort_values(["at", "person", "purpose", "kind"], kind="stable", ignore_index=True)
